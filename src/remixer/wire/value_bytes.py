"""Typed values as `istio.policy.v1beta1` has them: scalars, their wrappers, and `Value`.

A `LeafCodec` turns one carrier (`remixer.attributes.values`) into a field's payload and back.
Texts decode to `str` whatever they mean: only an expression's type tells an address from a name.

Source: type.proto of release 1.3; `string_map_value` of 1.4.
"""

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, cast

from remixer.attributes.values import (
    EPOCH,
    Duration,
    PlainStringMap,
    StringMap,
    Timestamp,
    ValueType,
)
from remixer.foundation.errors import RemixerError
from remixer.wire.durations import split_duration, split_timestamp
from remixer.wire.field_bytes import (
    FIXED64,
    LENGTH_DELIMITED,
    VARINT,
    MalformedMessageError,
    length_delimited,
    signed,
    tag,
    varint,
    wire_fields,
)
from remixer.wire.text import encodable

_NS_PER_SECOND: Final = 1_000_000_000
_MAX_NS: Final = 2**63 - 1
_MAX_NANOS: Final = 2**31


class UnencodableValueError(RemixerError):
    """A value whose type its field cannot carry; the fault of whoever made it."""

    def __init__(self, *, field: str, found: object, wanted: str) -> None:
        super().__init__(f"`{field}` is a {type(found).__name__}; wanted {wanted}")
        self.field = field
        self.wanted = wanted


@dataclass(frozen=True, slots=True)
class LeafCodec:
    """How values of one type stand in a field."""

    carrier: type
    wanted: str
    wire_type: int
    encode: Callable[[object], bytes]
    """What stands after the tag, or, if length-delimited, after the length. The carrier is right."""
    decode: Callable[[int | bytes], object]
    """From a varint's number or a field's bytes; raises `MalformedMessageError`."""
    zero: object
    """What an absent field means."""
    is_message: bool = False
    """A field that occurs twice is merged, not replaced."""

    def checked(self, value: object, field: str) -> bytes:
        """`encode`; raises `UnencodableValueError`, which names the field, for another type."""
        # Exactly the carrier: a time is an int too. Enums of texts are as good as texts.
        if type(value) is self.carrier or (self.carrier is str and isinstance(value, str)):
            return self.encode(value)
        raise UnencodableValueError(field=field, found=value, wanted=self.wanted)


# ------------------------------------------------------------------ plain values


def _encode_text(value: object) -> bytes:
    return encodable(cast("str", value)).encode()


def decode_text(value: int | bytes) -> str:
    """UTF-8, as proto3 wants it."""
    try:
        return cast("bytes", value).decode()
    except UnicodeDecodeError as error:
        text = f"a text is not UTF-8: {error.reason} at byte {error.start}"
        raise MalformedMessageError(text) from error


def _encode_int(value: object) -> bytes:
    return varint(cast("int", value))


def _decode_int(value: int | bytes) -> int:
    return signed(cast("int", value))


def _encode_double(value: object) -> bytes:
    return struct.pack("<d", value)


def _decode_double(value: int | bytes) -> float:
    return float(struct.unpack("<d", cast("bytes", value))[0])


def _encode_bool(value: object) -> bytes:
    return b"\x01" if value else b"\x00"


def _decode_bool(value: int | bytes) -> bool:
    return bool(value)


# ------------------------------------------------------------------ wrappers


def _encode_wrapped_text(value: object) -> bytes:
    payload = _encode_text(value)
    return length_delimited(1, payload) if payload else b""


def _only_field(value: int | bytes) -> bytes:
    """Field 1 of a wrapper; parts of a message that comes in parts are joined, texts replaced."""
    found = b""
    for number, wire_type, payload in wire_fields(cast("bytes", value)):
        if number == 1 and wire_type == LENGTH_DELIMITED:
            found = cast("bytes", payload)
    return found


def _decode_wrapped_text(value: int | bytes) -> str:
    return decode_text(_only_field(value))


def _encode_address(value: object) -> bytes:
    payload = cast("bytes", value)
    return length_delimited(1, payload) if payload else b""


def _encode_timestamp(value: object) -> bytes:
    return _encode_instant(*split_timestamp(cast("int", value)))


def _encode_duration(value: object) -> bytes:
    return _encode_instant(*split_duration(cast("int", value)))


def _encode_instant(seconds: int, nanos: int) -> bytes:
    inner = tag(1, VARINT) + varint(seconds) if seconds else b""
    if nanos:
        inner += tag(2, VARINT) + varint(nanos)
    return length_delimited(1, inner)


def _decode_timestamp(value: int | bytes) -> Timestamp:
    return Timestamp(_instant_ns(value))


def _decode_duration(value: int | bytes) -> Duration:
    return Duration(_instant_ns(value))


def _instant_ns(value: int | bytes) -> int:
    """Nanoseconds of a wrapped Timestamp or Duration; both have the same two fields."""
    inner = b"".join(
        cast("bytes", payload)
        for number, wire_type, payload in wire_fields(cast("bytes", value))
        if number == 1 and wire_type == LENGTH_DELIMITED
    )
    seconds = nanos = 0
    for number, wire_type, found in wire_fields(inner):
        if wire_type == VARINT and number == 1:
            seconds = signed(cast("int", found))
        elif wire_type == VARINT and number == 2:  # noqa: PLR2004 - the field's number
            nanos = (cast("int", found) + _MAX_NANOS) % (2 * _MAX_NANOS) - _MAX_NANOS
    nanoseconds = seconds * _NS_PER_SECOND + nanos
    if not -_MAX_NS <= nanoseconds <= _MAX_NS:
        text = f"{seconds} s do not fit in 64 bits of nanoseconds"
        raise MalformedMessageError(text)
    return nanoseconds


def _encode_map(value: object) -> bytes:
    entries = cast("StringMap", value).whole()
    return b"".join(
        length_delimited(
            1,
            length_delimited(1, _encode_text(key)) + length_delimited(2, _encode_text(text)),
        )
        for key, text in entries.items()
    )


def _decode_map(value: int | bytes) -> PlainStringMap:
    found = PlainStringMap()
    for number, wire_type, payload in wire_fields(cast("bytes", value)):
        if number == 1 and wire_type == LENGTH_DELIMITED:
            key, text = map_entry(cast("bytes", payload), LENGTH_DELIMITED)
            found[key] = decode_text(b"" if text is None else text)
    return found


def map_entry(
    payload: bytes, wire_type: int, *, is_message: bool = False
) -> tuple[str, int | bytes | None]:
    """Key and raw value of a map's entry; the value None if absent."""
    key = ""
    value: int | bytes | None = None
    for number, found_type, found in wire_fields(payload):
        if number == 1 and found_type == LENGTH_DELIMITED:
            key = decode_text(found)
        elif number == 2 and found_type == wire_type:  # noqa: PLR2004 - the field's number
            value = merged(value, found) if is_message else found
    return key, value


def merged(earlier: int | bytes | None, later: int | bytes) -> int | bytes:
    """A message that comes in parts is its parts' bytes one after another."""
    if isinstance(earlier, bytes) and isinstance(later, bytes):
        return earlier + later
    return later


# ------------------------------------------------------------------ the tables

_TEXT: Final = LeafCodec(str, "a text", LENGTH_DELIMITED, _encode_text, decode_text, "")
_INT64: Final = LeafCodec(int, "a whole number", VARINT, _encode_int, _decode_int, 0)
_DOUBLE: Final = LeafCodec(float, "a number", FIXED64, _encode_double, _decode_double, 0.0)
_BOOL: Final = LeafCodec(bool, "a boolean", VARINT, _encode_bool, _decode_bool, False)  # noqa: FBT003 - the zero
_ADDRESS: Final = LeafCodec(
    bytes, "an IP address", LENGTH_DELIMITED, _encode_address, _only_field, b"", is_message=True
)
_TIMESTAMP: Final = LeafCodec(
    Timestamp,
    "a time",
    LENGTH_DELIMITED,
    _encode_timestamp,
    _decode_timestamp,
    EPOCH,
    is_message=True,
)
_DURATION: Final = LeafCodec(
    Duration,
    "a duration",
    LENGTH_DELIMITED,
    _encode_duration,
    _decode_duration,
    Duration(0),
    is_message=True,
)
_NAME: Final = LeafCodec(
    str,
    "a text",
    LENGTH_DELIMITED,
    _encode_wrapped_text,
    _decode_wrapped_text,
    "",
    is_message=True,
)
_MAP: Final = LeafCodec(
    PlainStringMap,
    "a map of texts",
    LENGTH_DELIMITED,
    _encode_map,
    _decode_map,
    PlainStringMap(),
    is_message=True,
)

_MEMBERS: Final[Mapping[int, LeafCodec]] = {
    1: _TEXT,
    2: _INT64,
    3: _DOUBLE,
    4: _BOOL,
    5: _ADDRESS,
    6: _TIMESTAMP,
    7: _DURATION,
    8: _NAME,
    9: _NAME,
    10: _NAME,
    11: _MAP,
}
"""Members of `Value` by field number."""

_MEMBER_OF_CARRIER: Final[Mapping[type, int]] = {
    str: 1,
    int: 2,
    float: 3,
    bool: 4,
    bytes: 5,
    Timestamp: 6,
    Duration: 7,
}
_MEMBER_OF_TEXT: Final = {
    ValueType.EMAIL_ADDRESS: 8,
    ValueType.DNS_NAME: 9,
    ValueType.URI: 10,
}
_MAP_MEMBER: Final = 11


def encode_value(value: object, field: str, type_: ValueType | None = None) -> bytes:
    """A `Value`. `type_` tells what a text is; raises `UnencodableValueError`."""
    member = _MEMBER_OF_CARRIER.get(type(value))
    if member is None:
        if not hasattr(value, "whole"):
            raise UnencodableValueError(field=field, found=value, wanted="a value of an attribute")
        member = _MAP_MEMBER
    elif member == 1 and type_ is not None:
        member = _MEMBER_OF_TEXT.get(type_, 1)
    codec = _MEMBERS[member]
    payload = codec.encode(value)
    if codec.wire_type == LENGTH_DELIMITED:
        return length_delimited(member, payload)
    return tag(member, codec.wire_type) + payload


def decode_value(payload: int | bytes) -> object:
    """The carrier of the last member; None if there is none."""
    found: int | bytes | None = None
    member = 0
    for number, wire_type, value in wire_fields(cast("bytes", payload)):
        codec = _MEMBERS.get(number)
        if codec is None or codec.wire_type != wire_type:
            continue
        found = merged(found, value) if number == member and codec.is_message else value
        member = number
    return None if found is None else _MEMBERS[member].decode(found)


LEAVES: Final[Mapping[ValueType, LeafCodec]] = {
    ValueType.STRING: _TEXT,
    ValueType.INT64: _INT64,
    ValueType.DOUBLE: _DOUBLE,
    ValueType.BOOL: _BOOL,
    ValueType.TIMESTAMP: _TIMESTAMP,
    ValueType.DURATION: _DURATION,
    ValueType.IP_ADDRESS: _ADDRESS,
    ValueType.EMAIL_ADDRESS: _NAME,
    ValueType.URI: _NAME,
    ValueType.DNS_NAME: _NAME,
    ValueType.STRING_MAP: _MAP,
}
"""By the type of a template's field; `Value` has no type and functions of its own."""
