"""Stats as protobuf: `metrics.WireStatMessages`, what Knative reads from 0.17 on.

Any number of revisions share one message. Fields of value zero are left out, as protobuf's own
library does. Source: Knative Serving's `metrics` package, by its field numbers.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from struct import Struct
from typing import Final

from remixer.wire.field_bytes import (
    FIXED64,
    LENGTH_DELIMITED,
    VARINT,
    MalformedMessageError,
    WireField,
    length_delimited,
    signed,
    tag,
    varint,
    wire_fields,
)
from remixer.wire.knative_stats.stat import RevisionKey, Stat, StatError

MOST_BYTES: Final = 1 << 20
"""Of one message; ten thousand revisions with long names need less."""
MOST_STATS: Final = 10_000
_MESSAGES: Final = 1
_NAMESPACE: Final = 1
_NAME: Final = 2
_STAT: Final = 3
_POD_NAME: Final = 1
_DOUBLES: Final = {
    2: "concurrency",
    3: "proxied_concurrency",
    4: "request_count",
    5: "proxied_request_count",
    6: "process_uptime_s",
}
_TIMESTAMP: Final = 7
_LD: Final = LENGTH_DELIMITED
_SHORT: Final = 128
"""From here on a length takes two bytes."""
_SECOND_NS: Final = 1_000_000_000
_double: Final = Struct("<d")


def encode(stats: Iterable[Stat]) -> bytes:
    """One message of all stats, in order."""
    return b"".join(length_delimited(_MESSAGES, _message(each)) for each in stats)


def template(stat: Stat) -> Callable[[str, str], bytes]:
    """Writes `encode` of what `stat` says, of any namespace and name: most of it is written before.

    For names of Kubernetes's, which are no longer than 63 bytes; of others too.
    """
    rest = length_delimited(_STAT, _stat(stat))
    outer, first, second = tag(_MESSAGES, _LD), tag(_NAMESPACE, _LD), tag(_NAME, _LD)

    def write(namespace: str, name: str) -> bytes:
        within, called = namespace.encode(), name.encode()
        if not 0 < len(within) < _SHORT or not 0 < len(called) < _SHORT:
            return encode((replace(stat, key=RevisionKey(namespace, name)),))
        body = b"%b%c%b%b%c%b%b" % (
            *(first, len(within), within),
            *(second, len(called), called),
            rest,
        )
        return outer + varint(len(body)) + body

    return write


def decode(payload: bytes) -> tuple[Stat, ...]:
    """All stats in order; a message without one is skipped, as are unknown fields.

    Raises `StatError`.
    """
    if len(payload) > MOST_BYTES:
        text = f"a message of {len(payload)} bytes, at most {MOST_BYTES} are read"
        raise StatError(text)
    try:
        return tuple(_stats(payload))
    except MalformedMessageError as error:
        text = f"no WireStatMessages: {error}"
        raise StatError(text) from error


def _message(stat: Stat) -> bytes:
    return (
        _text(_NAMESPACE, stat.key.namespace)
        + _text(_NAME, stat.key.name)
        + length_delimited(_STAT, _stat(stat))
    )


def _stat(stat: Stat) -> bytes:
    parts = [_text(_POD_NAME, stat.pod_name)]
    for number, name in _DOUBLES.items():
        value: float = getattr(stat, name)
        if value:
            parts.append(tag(number, FIXED64) + _double.pack(value))
    seconds = 0 if stat.time_ns is None else stat.time_ns // _SECOND_NS
    if seconds:
        parts.append(tag(_TIMESTAMP, VARINT) + varint(seconds))
    return b"".join(parts)


def _text(number: int, text: str) -> bytes:
    return length_delimited(number, text.encode()) if text else b""


def _stats(payload: bytes) -> Iterator[Stat]:
    found = 0
    for each in wire_fields(payload):
        if each.number != _MESSAGES or each.wire_type != LENGTH_DELIMITED:
            continue
        found += 1
        if found > MOST_STATS:
            text = f"more than {MOST_STATS} stats in one message"
            raise StatError(text)
        stat = _read_message(_bytes_of(each))
        if stat is not None:
            yield stat


def _read_message(payload: bytes) -> Stat | None:
    """None without a `stat`. Repeated parts of one are merged, as protobuf does."""
    names = {_NAMESPACE: "", _NAME: ""}
    stat: bytes | None = None
    for each in wire_fields(payload):
        if each.wire_type != LENGTH_DELIMITED:
            continue
        if each.number in names:
            names[each.number] = _text_of(each)
        elif each.number == _STAT:
            stat = (stat or b"") + _bytes_of(each)
    if stat is None:
        return None
    return _read_stat(RevisionKey(names[_NAMESPACE], names[_NAME]), stat)


def _read_stat(key: RevisionKey, payload: bytes) -> Stat:
    pod_name = ""
    time_ns: int | None = None
    numbers: dict[str, float] = {}
    for each in wire_fields(payload):
        if each.number == _POD_NAME and each.wire_type == LENGTH_DELIMITED:
            pod_name = _text_of(each)
        elif each.number in _DOUBLES and each.wire_type == FIXED64:
            numbers[_DOUBLES[each.number]] = _double.unpack(_bytes_of(each))[0]
        elif each.number == _TIMESTAMP and isinstance(each.value, int):
            time_ns = signed(each.value) * _SECOND_NS or None
    return Stat(key, pod_name, **numbers, time_ns=time_ns)


def _bytes_of(field: WireField) -> bytes:
    return field.value if isinstance(field.value, bytes) else b""


def _text_of(field: WireField) -> str:
    try:
        return _bytes_of(field).decode()
    except UnicodeDecodeError as error:
        text = f"field {field.number} is not UTF-8"
        raise StatError(text) from error
