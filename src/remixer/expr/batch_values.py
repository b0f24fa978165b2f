"""Attribute values and results as JSON, for `remixer.expr.batch`.

STRING, INT64, DOUBLE and BOOL are plain, a STRING_MAP is an object of texts. The others are
objects with one key: `{"duration": "5s"}`, `{"timestamp": "2021-06-01T08:00:00Z"}`,
`{"ip": "10.1.2.3"}`, `{"bytes": "CgECAw=="}`, `{"uri": …}`, `{"dns": …}`, `{"email": …}`.
A plain text serves too where the vocabulary says what it is.
"""

import base64
import binascii
import math
from types import MappingProxyType
from typing import Final, TypeAlias, cast

from remixer.attributes.values import Duration, PlainStringMap, Timestamp, Value, ValueType
from remixer.expr.go_text import go_text
from remixer.expr.ip_text import IPV4_LENGTH, format_ip, parse_ip
from remixer.foundation.durations import format_duration, parse_duration
from remixer.foundation.timestamps import format_timestamp, parse_timestamp

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

_HALF: Final = 2**63
_WRAPPERS: Final = MappingProxyType(
    {
        "duration": ValueType.DURATION,
        "timestamp": ValueType.TIMESTAMP,
        "ip": ValueType.IP_ADDRESS,
        "uri": ValueType.URI,
        "dns": ValueType.DNS_NAME,
        "email": ValueType.EMAIL_ADDRESS,
    }
)
_WRAPPER_OF: Final = MappingProxyType({each: key for key, each in _WRAPPERS.items()})


class UnusableValueError(ValueError):
    """No attribute can have this value."""


def decode_value(value: Json, declared: ValueType | None) -> Value:
    """The carrier of `value`; `declared` None for an attribute outside the vocabulary.

    A value that does not fit the declared type becomes what it looks like, so that evaluating
    reports it as it would for a request. Raises `UnusableValueError`.
    """
    match value:
        case str():
            found = _from_text(value, declared)
            return _valid(value) if found is None else found
        case bool() | float():
            return value
        case int() if -_HALF <= value < _HALF:
            return float(value) if declared is ValueType.DOUBLE else value
        case dict() if all(isinstance(entry, str) for entry in value.values()):
            return _from_object(cast("dict[str, str]", value), declared)
        case _:
            message = f"no attribute value: {value!r}"
            raise UnusableValueError(message)


def _from_object(entries: dict[str, str], declared: ValueType | None) -> Value:
    """A wrapped value, unless a map is declared or nothing is wrapped."""
    wrapped = [key for key in entries if key in _WRAPPERS or key == "bytes"]
    if declared is ValueType.STRING_MAP or len(entries) != 1 or not wrapped:
        return PlainStringMap({_valid(key): _valid(entry) for key, entry in entries.items()})
    key, text = wrapped[0], entries[wrapped[0]]
    return _from_base64(text) if key == "bytes" else _from_wrapper(key, text)


def _valid(text: str) -> str:
    """Text without halves of surrogate pairs, which JSON can hold and requests cannot."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _from_text(text: str, value_type: ValueType | None) -> Value | None:
    """None if `text` is no text form of the type."""
    match value_type:
        case ValueType.DURATION:
            nanoseconds = parse_duration(text)
            return None if nanoseconds is None else Duration(nanoseconds)
        case ValueType.TIMESTAMP:
            nanoseconds = parse_timestamp(text)
            return None if nanoseconds is None else Timestamp(nanoseconds)
        case ValueType.IP_ADDRESS:
            address = parse_ip(text)
            # Requests carry IPv4 in four bytes.
            return address[-IPV4_LENGTH:] if address and ":" not in text else address
        case _:
            return _valid(text)


def _from_wrapper(key: str, text: str) -> Value:
    value = _from_text(text, _WRAPPERS[key])
    if value is None:
        message = f"no {key}: {text!r}"
        raise UnusableValueError(message)
    return value


def _from_base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        message = f"no base64: {text!r}"
        raise UnusableValueError(message) from error


def encode_value(value: Value, value_type: ValueType) -> Json:
    """JSON of a result. A DOUBLE that JSON lacks is written `{"double": "NaN"}`."""
    match value:
        case Duration():
            return {"duration": format_duration(value)}
        case Timestamp():
            return {"timestamp": format_timestamp(value)}
        case bytes():
            text = format_ip(value)
            return {"ip": text} if text else {"bytes": base64.b64encode(value).decode("ascii")}
        case float() if not math.isfinite(value):
            return {"double": go_text(value)}
        case str():
            wrapper = _WRAPPER_OF.get(value_type)
            return value if wrapper is None else {wrapper: value}
        case bool() | int() | float():
            return value
        case _:
            return dict(value.whole())
