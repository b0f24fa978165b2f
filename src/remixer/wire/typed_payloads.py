"""One value as the payload of a field whose type a descriptor tells.

A payload is what stands after the tag and, if length-delimited, after the length. Carriers are
those of `remixer.attributes.values`; who calls has checked the type.
"""

import struct
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias, cast

from remixer.attributes.values import ValueType
from remixer.foundation.errors import RemixerError
from remixer.wire.descriptor_schema import FieldType
from remixer.wire.field_bytes import FIXED64, LENGTH_DELIMITED, VARINT, tag, varint
from remixer.wire.value_bytes import LEAVES

Payload: TypeAlias = Callable[[object], bytes]

_FIXED32: Final = 5
_MORE: Final = 0x80
_SIZES: Final = tuple(bytes((size,)) for size in range(_MORE))


class PayloadError(RemixerError):
    """A value that its field cannot hold; the text names no value."""


WIRE_TYPES: Final[Mapping[FieldType, int]] = {
    FieldType.DOUBLE: FIXED64,
    FieldType.FLOAT: _FIXED32,
    FieldType.INT64: VARINT,
    FieldType.UINT64: VARINT,
    FieldType.INT32: VARINT,
    FieldType.FIXED64: FIXED64,
    FieldType.FIXED32: _FIXED32,
    FieldType.BOOL: VARINT,
    FieldType.STRING: LENGTH_DELIMITED,
    FieldType.MESSAGE: LENGTH_DELIMITED,
    FieldType.BYTES: LENGTH_DELIMITED,
    FieldType.UINT32: VARINT,
    FieldType.ENUM: VARINT,
    FieldType.SFIXED32: _FIXED32,
    FieldType.SFIXED64: FIXED64,
    FieldType.SINT32: VARINT,
    FieldType.SINT64: VARINT,
}
"""All types but groups."""

RANGES: Final[Mapping[FieldType, range]] = {
    FieldType.INT64: range(-(2**63), 2**63),
    FieldType.SINT64: range(-(2**63), 2**63),
    FieldType.SFIXED64: range(-(2**63), 2**63),
    FieldType.UINT64: range(2**64),
    FieldType.FIXED64: range(2**64),
    FieldType.INT32: range(-(2**31), 2**31),
    FieldType.SINT32: range(-(2**31), 2**31),
    FieldType.SFIXED32: range(-(2**31), 2**31),
    FieldType.ENUM: range(-(2**31), 2**31),
    FieldType.UINT32: range(2**32),
    FieldType.FIXED32: range(2**32),
}
"""What each kind of integer can hold."""

_FORMATS: Final[Mapping[FieldType, str]] = {
    FieldType.FIXED64: "<Q",
    FieldType.SFIXED64: "<q",
    FieldType.FIXED32: "<I",
    FieldType.SFIXED32: "<i",
}
_ZIGZAG: Final = frozenset({FieldType.SINT32, FieldType.SINT64})

# Source: the oneof of `istio.policy.v1beta1.Value`, whose numbers are not those of `ValueType`.
_MEMBERS: Final[Mapping[ValueType, int]] = {
    ValueType.STRING: 1,
    ValueType.INT64: 2,
    ValueType.DOUBLE: 3,
    ValueType.BOOL: 4,
    ValueType.IP_ADDRESS: 5,
    ValueType.TIMESTAMP: 6,
    ValueType.DURATION: 7,
    ValueType.EMAIL_ADDRESS: 8,
    ValueType.DNS_NAME: 9,
    ValueType.URI: 10,
    ValueType.STRING_MAP: 11,
}


def scalar_payload(type_: FieldType) -> Payload:
    """For texts, booleans, numbers and enums. Integers out of range raise `PayloadError`."""
    match type_:
        case FieldType.STRING:
            return text_payload
        case FieldType.BOOL:
            return _bool
        case FieldType.DOUBLE:
            return _double
        case FieldType.FLOAT:
            return _float
        case _:
            return _integer(type_)


def text_payload(value: object) -> bytes:
    return cast("str", value).encode("utf-8", "replace")


def _bool(value: object) -> bytes:
    return b"\x01" if value else b"\x00"


def _double(value: object) -> bytes:
    return struct.pack("<d", value)


def _float(value: object) -> bytes:
    try:
        return struct.pack("<f", value)
    except OverflowError:
        message = "the number does not fit `float`"
        raise PayloadError(message) from None


def _integer(type_: FieldType) -> Payload:
    allowed, name = RANGES[type_], type_.name.lower()
    encode: Callable[[int], bytes] = varint
    if type_ in _FORMATS:
        encode = struct.Struct(_FORMATS[type_]).pack
    elif type_ in _ZIGZAG:
        encode = _zigzag

    def payload(value: object) -> bytes:
        number = cast("int", value)
        if number not in allowed:
            message = f"the number does not fit `{name}`"
            raise PayloadError(message)
        return encode(number)

    return payload


def _zigzag(number: int) -> bytes:
    return varint(number << 1 if number >= 0 else (-number << 1) - 1)


def wrapper_payload(type_: ValueType) -> Payload:
    """For a message that carries one value of this type, as `TimeStamp` does."""
    return LEAVES[type_].encode


def value_payload(type_: ValueType) -> Payload:
    """For `istio.policy.v1beta1.Value` with the member of this type."""
    leaf = LEAVES[type_]
    start = tag(_MEMBERS[type_], leaf.wire_type)
    if type_ is ValueType.STRING:
        return lambda value: start + sized(text_payload(value))
    if leaf.wire_type != LENGTH_DELIMITED:
        return lambda value: start + leaf.encode(value)
    return lambda value: start + sized(leaf.encode(value))


def sized(payload: bytes) -> bytes:
    """A length-delimited value without its tag."""
    size = len(payload)
    return (_SIZES[size] if size < _MORE else varint(size)) + payload
