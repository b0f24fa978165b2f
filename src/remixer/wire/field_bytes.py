"""Protobuf's fields as bytes: for messages whose shape is known only at run time.

Source: protobuf's encoding of messages.
"""

from collections.abc import Iterator
from struct import Struct
from typing import Final, NamedTuple

from remixer.foundation.errors import InvalidRequestError

VARINT: Final = 0
FIXED64: Final = 1
LENGTH_DELIMITED: Final = 2
_GROUP_START: Final = 3
_GROUP_END: Final = 4
_FIXED32: Final = 5

_MORE: Final = 0x80
_LOW_BITS: Final = 0x7F
_LAST_BYTES: Final = tuple(bytes((bits,)) for bits in range(_MORE))
_EARLIER_BYTES: Final = tuple(bytes((bits | _MORE,)) for bits in range(_MORE))
_TWO_BYTES: Final = 1 << 14
"""The first number that two bytes cannot hold; as with four and five."""
_FOUR_BYTES: Final = 1 << 28
_FIVE_BYTES: Final = 1 << 35
_five_bytes: Final = Struct("5B").pack
_LONGEST_VARINT_BITS: Final = 70
_UINT64: Final = (1 << 64) - 1
_INT64_SIGN: Final = 1 << 63
_HIGHEST_TAG: Final = (1 << 32) - 1
_DEEPEST_GROUP: Final = 100
"""As deep as protobuf's own parsers go."""


class MalformedMessageError(InvalidRequestError):
    """Bytes that are no message."""


class WireField(NamedTuple):
    """One field as it stands on the wire. A tuple, because every request has dozens."""

    number: int
    wire_type: int
    value: "int | bytes"
    """A number for varints (0 to 2^64 - 1), else the bytes."""


def varint(number: int) -> bytes:
    """An int64 or uint64 as protobuf writes it."""
    if 0 <= number < _MORE:
        return _LAST_BYTES[number]
    if 0 < number < _TWO_BYTES:
        return _EARLIER_BYTES[number & _LOW_BITS] + _LAST_BYTES[number >> 7]
    if _FOUR_BYTES <= number < _FIVE_BYTES:  # the seconds of an instant, most nanoseconds
        return _five_bytes(
            number & _LOW_BITS | _MORE,
            number >> 7 & _LOW_BITS | _MORE,
            number >> 14 & _LOW_BITS | _MORE,
            number >> 21 & _LOW_BITS | _MORE,
            number >> 28,
        )
    number &= _UINT64
    found = b""
    while number >= _MORE:
        found += _EARLIER_BYTES[number & _LOW_BITS]
        number >>= 7
    return found + _LAST_BYTES[number]


def tag(number: int, wire_type: int) -> bytes:
    """What stands before a field's value."""
    return varint(number << 3 | wire_type)


def length_delimited(number: int, payload: bytes) -> bytes:
    """Any field number; `framing.embedded` is the quick one for numbers up to 15."""
    return tag(number, LENGTH_DELIMITED) + varint(len(payload)) + payload


def signed(number: int) -> int:
    """The int64 that a varint stands for."""
    return number - (1 << 64) if number & _INT64_SIGN else number


def wire_fields(payload: bytes) -> Iterator[WireField]:
    """All fields in order; groups are skipped. Raises `MalformedMessageError`."""
    at, end = 0, len(payload)
    while at < end:
        number, wire_type, at = _read_tag(payload, at)
        if wire_type == LENGTH_DELIMITED:
            size, at = _read_varint(payload, at)
            value, at = _take(payload, at, size)
            yield WireField(number, wire_type, value)
        elif wire_type == VARINT:
            whole, at = _read_varint(payload, at)
            yield WireField(number, wire_type, whole)
        elif wire_type in {FIXED64, _FIXED32}:
            value, at = _take(payload, at, 8 if wire_type == FIXED64 else 4)
            yield WireField(number, wire_type, value)
        else:
            at = _skip_group(payload, at, number, wire_type)


def _read_tag(payload: bytes, at: int) -> tuple[int, int, int]:
    found, after = _read_varint(payload, at)
    number = found >> 3
    if not number or found > _HIGHEST_TAG:
        text = f"byte {at}: {number} is no field number"
        raise MalformedMessageError(text)
    return number, found & 7, after


def _read_varint(payload: bytes, at: int) -> tuple[int, int]:
    try:
        byte = payload[at]
        if byte < _MORE:
            return byte, at + 1
        number, shift = byte & _LOW_BITS, 7
        while byte >= _MORE:
            at += 1
            byte = payload[at]
            number |= (byte & _LOW_BITS) << shift
            shift += 7
            if shift > _LONGEST_VARINT_BITS:
                text = f"byte {at}: a number of more than ten bytes"
                raise MalformedMessageError(text)
    except IndexError:
        raise _cut(payload) from None
    return number & _UINT64, at + 1


def _take(payload: bytes, at: int, size: int) -> tuple[bytes, int]:
    end = at + size
    if end > len(payload):
        raise _cut(payload)
    return payload[at:end], end


def _skip_group(payload: bytes, at: int, number: int, wire_type: int) -> int:
    """Position after the end of the group that has just begun."""
    open_groups: list[int] = []
    while True:
        if wire_type == _GROUP_START:
            open_groups.append(number)
            if len(open_groups) > _DEEPEST_GROUP:
                text = f"byte {at}: groups nested deeper than {_DEEPEST_GROUP}"
                raise MalformedMessageError(text)
        elif wire_type == _GROUP_END:
            if not open_groups or open_groups.pop() != number:
                text = f"byte {at}: the end of a group that has not begun"
                raise MalformedMessageError(text)
        else:
            at = _skip_value(payload, at, wire_type)
        if not open_groups:
            return at
        number, wire_type, at = _read_tag(payload, at)


def _skip_value(payload: bytes, at: int, wire_type: int) -> int:
    if wire_type == VARINT:
        return _read_varint(payload, at)[1]
    if wire_type == LENGTH_DELIMITED:
        size, at = _read_varint(payload, at)
    elif wire_type in {FIXED64, _FIXED32}:
        size = 8 if wire_type == FIXED64 else 4
    else:
        text = f"byte {at}: {wire_type} is no wire type"
        raise MalformedMessageError(text)
    return _take(payload, at, size)[1]


def _cut(payload: bytes) -> MalformedMessageError:
    return MalformedMessageError(f"the message ends inside a field ({len(payload)} bytes)")
