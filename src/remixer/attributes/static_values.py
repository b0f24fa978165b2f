"""Attributes that operators write as text into the configuration of a proxy, or of ours for it.

Envoy carries them as strings only (`context_extensions`, `custom_tags`), so the declared type
decides how the text is read. A text that does not fit its type leaves the attribute absent, as
an undecodable value does on Mixer's own wire. A name that no manifest declares is a string.
"""

from collections.abc import Callable
from typing import Final

from remixer.attributes.http_request import ip_bytes
from remixer.attributes.values import Duration, PlainStringMap, Timestamp, Value, ValueType
from remixer.foundation.durations import parse_duration
from remixer.foundation.numbers import parse_integer, parse_number
from remixer.foundation.timestamps import parse_timestamp

_INT64_BOUND: Final = 2**63
_BOOLS: Final = {"true": True, "false": False}


def static_value(text: str, declared: ValueType) -> Value | None:
    """`text` as a value of a type; None if it does not fit."""
    read = _READERS.get(declared)
    return text if read is None else read(text)


def _integer(text: str) -> int | None:
    return _within_int64(parse_integer(text))


def _timestamp(text: str) -> Timestamp | None:
    """RFC 3339."""
    nanoseconds = _within_int64(parse_timestamp(text))
    return None if nanoseconds is None else Timestamp(nanoseconds)


def _within_int64(number: int | None) -> int | None:
    return number if number is not None and -_INT64_BOUND <= number < _INT64_BOUND else None


def _duration(text: str) -> Duration | None:
    nanoseconds = parse_duration(text)
    return None if nanoseconds is None else Duration(nanoseconds)


def _string_map(text: str) -> PlainStringMap | None:
    """`app=web,version=v1`, as Kubernetes writes labels; empty text is the empty map."""
    entries = PlainStringMap()
    for part in text.split(",") if text else ():
        key, equals, value = part.partition("=")
        if not equals:
            return None
        entries[key.strip()] = value.strip()
    return entries


# STRING, EMAIL_ADDRESS, URI and DNS_NAME are the text itself.
_READERS: Final[dict[ValueType, Callable[[str], Value | None]]] = {
    ValueType.INT64: _integer,
    ValueType.DOUBLE: parse_number,
    ValueType.BOOL: _BOOLS.get,
    ValueType.TIMESTAMP: _timestamp,
    ValueType.IP_ADDRESS: ip_bytes,
    ValueType.DURATION: _duration,
    ValueType.STRING_MAP: _string_map,
}
