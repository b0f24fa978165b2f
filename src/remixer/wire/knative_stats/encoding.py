"""Which bytes an autoscaler of a given release reads.

What cannot be found out: an autoscaler answers nothing, also not to what it cannot read. `auto`
therefore tells nothing from answers; it is protobuf, which all releases since 0.17 read.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from remixer.wire.knative_stats import gob_decoder, gob_encoder, protobuf
from remixer.wire.knative_stats.gob_layouts import GobLayout, layout_named
from remixer.wire.knative_stats.stat import RevisionKey, Stat, StatError

ENCODING_NAMES: Final = ("protobuf", "gob", "auto")
GOB_RELEASES: Final[Mapping[str, str]] = {
    "0.4": "0.4",
    "0.5": "0.5",
    "0.6": "0.6",
    "0.7": "0.7",
    "0.8": "0.8",
    "0.9": "0.8",
    "0.10": "0.10",
    "0.11": "0.10",
    "0.12": "0.12",
    "0.13": "0.12",
    "0.14": "0.12",
    "0.15": "0.12",
    "0.16": "0.16",
    "minimal-string": "minimal-string",
    "minimal-struct": "minimal-struct",
}
"""What may be asked for, to the name of its layout."""
DEFAULT_GOB_RELEASE: Final = "0.6"
"""The one that the adapter of 2019 was written for."""
STATS_PER_MESSAGE: Final = 1_000
"""About 100 KiB: the autoscaler's queue of 1000 takes them in one go."""
_PROTOBUF_SINCE: Final = (0, 17)


@dataclass(frozen=True, slots=True)
class Encoding:
    """Protobuf, or gob of one layout. Equal ones write equal bytes."""

    layout: GobLayout | None = None
    """None: protobuf."""

    @property
    def name(self) -> str:
        return "protobuf" if self.layout is None else f"gob {self.layout.name}"


def encoding_for(name: str, *, release: str = "") -> Encoding:
    """`name` is one of `ENCODING_NAMES`; `release` as `0.6`, for gob, or for `auto` to decide by.

    `auto` without a release is protobuf. Raises `StatError` that names what there is.
    """
    if name not in ENCODING_NAMES:
        message = f"no encoding is named `{name}`. Known: {', '.join(ENCODING_NAMES)}."
        raise StatError(message)
    if name == "protobuf" or (name == "auto" and _reads_protobuf(release)):
        return Encoding()
    wanted = release or DEFAULT_GOB_RELEASE
    if wanted not in GOB_RELEASES:
        message = f"no release that reads gob is `{wanted}`. Known: {', '.join(GOB_RELEASES)}."
        raise StatError(message)
    return Encoding(layout_named(GOB_RELEASES[wanted]))


def needs_time(encoding: Encoding) -> bool:
    """Whether the listener drops stats without a time; all others are better off without."""
    return encoding.layout is not None and encoding.layout.needs_time


def encode_messages(stats: Sequence[Stat], encoding: Encoding) -> Iterator[bytes]:
    """The messages that tell all stats: as few as the encoding allows."""
    if encoding.layout is not None:
        for each in stats:
            yield gob_encoder.encode(each, encoding.layout)
        return
    for start in range(0, len(stats), STATS_PER_MESSAGE):
        yield protobuf.encode(stats[start : start + STATS_PER_MESSAGE])


def message_template(stat: Stat, encoding: Encoding) -> Callable[[str, str], bytes]:
    """Writes the message that tells of any namespace and name what `stat` says."""
    layout = encoding.layout
    if layout is None:
        return protobuf.template(stat)
    return lambda namespace, name: gob_encoder.encode(
        replace(stat, key=RevisionKey(namespace, name)), layout
    )


def decode_message(payload: bytes, encoding: Encoding) -> tuple[Stat, ...]:
    """What an autoscaler that reads this encoding makes of a message. Raises `StatError`."""
    if encoding.layout is None:
        return protobuf.decode(payload)
    return (gob_decoder.decode(payload, encoding.layout),)


def _reads_protobuf(release: str) -> bool:
    """As far as the number tells: a release without one is not older than 2020."""
    major, dot, minor = release.removeprefix("v").partition(".")
    minor = minor.partition(".")[0]
    if not dot or not major.isdecimal() or not minor.isdecimal():
        return release not in GOB_RELEASES
    return (int(major), int(minor)) >= _PROTOBUF_SINCE
