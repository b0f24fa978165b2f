"""The forms that values of settings have: how they are read, and what is wanted."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final, Generic, TypeVar

from remixer.foundation.durations import parse_duration
from remixer.transport.addresses import TcpAddress, UnixAddress, parse_address
from remixer.transport.peer_trust import WANTED as PEERS_WANTED
from remixer.transport.peer_trust import PeerTrust
from remixer.transport.remote_address import parse_target

_MOST_TRUSTED: Final = 256
"""Arbitrary; each is compared for every request with the header."""

T = TypeVar("T")
E = TypeVar("E", bound=Enum)

_NS_PER_S: Final = 1_000_000_000
_MOST_ADDRESSES: Final = 16
"""Arbitrary; one per interface and a few sockets."""


class Switch(Enum):
    """Whether something is done at all."""

    ON = "on"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class Form(Generic[T]):
    """Reads a value from text; `parse` raises ValueError with what was found.

    Gets all texts that one source gave: several for a repeated flag or a list in a file.
    """

    placeholder: str
    """As in `--address HOST:PORT`."""
    wanted: str
    """One phrase for problems and the manual."""
    parse: Callable[[tuple[str, ...]], T]
    show: Callable[[T], str]
    """A text that `parse` reads back; empty for nothing."""


def _single(parse: Callable[[str], T]) -> Callable[[tuple[str, ...]], T]:
    def parse_one(texts: tuple[str, ...]) -> T:
        if len(texts) != 1:
            message = f"{len(texts)} values were given"
            raise ValueError(message)
        return parse(texts[0].strip())

    return parse_one


def _filled(text: str) -> str:
    if not text:
        message = "the value is empty"
        raise ValueError(message)
    return text


def text(placeholder: str, wanted: str) -> Form[str]:
    """Any text but the empty one."""
    return Form(placeholder, wanted, _single(_filled), str)


def optional_text(placeholder: str, wanted: str) -> Form[str]:
    """Any text; an empty one means none."""
    return Form(placeholder, wanted, _single(str), str)


def optional_path(wanted: str) -> Form[str | None]:
    """A file's path; an empty text means none."""
    return Form("FILE", wanted, _single(lambda path: path or None), lambda path: path or "")


def optional_url(wanted: str) -> Form[str | None]:
    """A URL; an empty text means none. It may hold a password: it is not shown."""
    return Form("URL", wanted, _single(lambda url: url or None), lambda url: "set" if url else "")


def whole_number(*, least: int, most: int) -> Form[int]:
    def parse(found: str) -> int:
        digits = found.replace("_", "")
        if not (digits.isascii() and digits.isdigit()) or not least <= int(digits[:20]) <= most:
            message = f"found `{found}`"
            raise ValueError(message)
        return int(digits)

    return Form("N", f"a whole number from {least} to {most}", _single(parse), str)


def seconds(*, least: float, most: float) -> Form[float]:
    """A number of seconds or a duration with units, as `1.5` or `1500ms`."""

    def parse(found: str) -> float:
        nanoseconds = parse_duration(found)
        if nanoseconds is None:
            nanoseconds = parse_duration(f"{found}s")
        if nanoseconds is None or not least <= nanoseconds / _NS_PER_S <= most:
            message = f"found `{found}`"
            raise ValueError(message)
        return nanoseconds / _NS_PER_S

    wanted = f"a duration such as 500ms or 15s, from {least:g} to {most:g} seconds"
    return Form("DURATION", wanted, _single(parse), lambda value: f"{value:g}s")


def choice(kind: type[E]) -> Form[E]:
    """One of an enum's values."""
    words = [str(each.value) for each in kind]

    def parse(found: str) -> E:
        for each in kind:
            if each.value == found:
                return each
        message = f"found `{found}`"
        raise ValueError(message)

    return Form("|".join(words), "one of " + ", ".join(words), _single(parse), _enum_text)


def _enum_text(value: Enum) -> str:
    return str(value.value)


def _checked_address(found: str) -> str:
    return str(parse_address(found))


ADDRESS: Final = Form(
    "HOST:PORT", "HOST:PORT (port 0: any free one) or unix:PATH", _single(_checked_address), str
)


OPTIONAL_ADDRESS: Final[Form[str | None]] = Form(
    "HOST:PORT",
    "HOST:PORT (port 0: any free one), unix:PATH, or nothing",
    _single(lambda text: _checked_address(text) if text else None),
    lambda address: address or "",
)


def _targets(texts: tuple[str, ...]) -> str:
    found = str(parse_target(",".join(texts)))
    if found.count(",") >= _MOST_ADDRESSES:
        message = f"{found.count(',') + 1} addresses; at most {_MOST_ADDRESSES} are possible"
        raise ValueError(message)
    return found


TARGETS: Final = Form(
    "HOST:PORT",
    "HOST:PORT or unix:PATH; several with commas, or by repeating the flag",
    _targets,
    str,
)


def _addresses(texts: tuple[str, ...]) -> tuple[str, ...]:
    found = tuple(_checked_address(each.strip()) for whole in texts for each in whole.split(","))
    if not 1 <= len(found) <= _MOST_ADDRESSES:
        message = f"{len(found)} addresses; from 1 to {_MOST_ADDRESSES} are possible"
        raise ValueError(message)
    return found


ADDRESSES: Final = Form(
    "HOST:PORT",
    "HOST:PORT or unix:PATH; several as a list, with commas, or by repeating the flag",
    _addresses,
    ",".join,
)


def _trusted_peers(texts: tuple[str, ...]) -> tuple[str, ...]:
    found = tuple(each.strip() for whole in texts for each in whole.split(",") if each.strip())
    if len(found) > _MOST_TRUSTED:
        message = f"{len(found)} entries; at most {_MOST_TRUSTED} are possible"
        raise ValueError(message)
    PeerTrust.of(found)
    return found


TRUSTED_PEERS: Final = Form(
    "NETWORK|spiffe://…|unix",
    f"{PEERS_WANTED}; several as a list, with commas, or by repeating the flag",
    _trusted_peers,
    ",".join,
)
LISTS: Final = (ADDRESSES.parse, TARGETS.parse, TRUSTED_PEERS.parse)
"""Of settings that take several values."""


def fixed_place(address: str) -> str | None:
    """What two listeners cannot share: path or host and port; None for a port that is chosen."""
    match parse_address(address):
        case TcpAddress(port=0):
            return None
        case TcpAddress() | UnixAddress() as place:
            return str(place)


def _store_url(found: str) -> str:
    if found == "embedded":
        return "embedded://"
    if not found.partition("://")[1]:
        message = f"`{found}` has no scheme; for a directory write fs://{found}"
        raise ValueError(message)
    return found


STORE_URL: Final = Form(
    "URL", "fs://DIR (a directory of YAML files) or embedded", _single(_store_url), str
)
