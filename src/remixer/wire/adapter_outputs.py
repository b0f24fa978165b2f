"""`OutputMsg` of out-of-process adapters to attribute values.

What is not on the wire is absent, proto3's zeros included.

Source: output decoding of Mixer 1.3, which lost instants, e-mail addresses and URIs.
"""

import struct
from collections.abc import Callable, Iterable
from typing import Final, TypeAlias, cast

from remixer.attributes.values import PlainStringMap, Value, ValueType
from remixer.wire.descriptor_schema import FieldType, OutputField
from remixer.wire.field_bytes import (
    LENGTH_DELIMITED,
    MalformedMessageError,
    length_delimited,
    signed,
    wire_fields,
)
from remixer.wire.typed_payloads import WIRE_TYPES
from remixer.wire.value_bytes import LEAVES, decode_text, decode_value, map_entry

_Raw: TypeAlias = int | bytes
_Decode: TypeAlias = Callable[[_Raw], object]
_INT32_MASK: Final = (1 << 32) - 1
_INT32_SIGN: Final = 1 << 31


class OutputDecoder:
    """Reads one template's outputs."""

    __slots__ = ("_fields",)

    def __init__(self, fields: Iterable[OutputField]) -> None:
        self._fields = {each.number: (each, _decoder(each)) for each in fields}

    def decode(self, payload: bytes) -> dict[str, Value]:
        """Fields by name. Raises `MalformedMessageError`; unknown fields are skipped."""
        found: dict[str, Value] = {}
        parts: dict[int, bytes] = {}
        for number, wire_type, value in wire_fields(payload):
            known = self._fields.get(number)
            if known is None:
                continue
            field, decode = known
            if wire_type != WIRE_TYPES[field.source]:
                text = f"output `{field.name}` has the wrong wire type"
                raise MalformedMessageError(text)
            if field.is_map:
                key, entry = map_entry(cast("bytes", value), LENGTH_DELIMITED)
                entries = cast("PlainStringMap", found.setdefault(field.name, PlainStringMap()))
                entries[key] = decode_text(b"" if entry is None else entry)
                continue
            if field.message:
                # A message that comes in parts is its parts' bytes one after another.
                parts[number] = parts.get(number, b"") + cast("bytes", value)
            decoded = decode(parts.get(number, value))
            if decoded is not None:
                found[field.name] = cast("Value", decoded)
        return found


def _decoder(field: OutputField) -> _Decode:
    if field.message.startswith("google.protobuf."):
        leaf = LEAVES[field.type or ValueType.TIMESTAMP]
        # The same two fields as inside the wrapper.
        return lambda value: leaf.decode(length_delimited(1, cast("bytes", value)))
    if field.message:
        return decode_value if field.type is None else LEAVES[field.type].decode
    return _SCALARS[field.source]


def _signed32(value: _Raw) -> int:
    low = cast("int", value) & _INT32_MASK
    return low - (1 << 32) if low & _INT32_SIGN else low


def _zigzag(value: _Raw) -> int:
    number = cast("int", value)
    return (number >> 1) ^ -(number & 1)


def _unpacked(layout: str) -> _Decode:
    unpack = struct.Struct(layout).unpack
    return lambda value: unpack(cast("bytes", value))[0]


_SCALARS: Final[dict[FieldType, _Decode]] = {
    FieldType.DOUBLE: _unpacked("<d"),
    FieldType.FLOAT: _unpacked("<f"),
    FieldType.INT64: lambda value: signed(cast("int", value)),
    # An attribute is an int64; what exceeds it wraps around, as Go's conversion does.
    FieldType.UINT64: lambda value: signed(cast("int", value)),
    FieldType.INT32: _signed32,
    FieldType.FIXED64: _unpacked("<q"),
    FieldType.FIXED32: _unpacked("<I"),
    FieldType.BOOL: bool,
    FieldType.STRING: decode_text,
    FieldType.MESSAGE: lambda _value: None,
    FieldType.BYTES: lambda value: value,
    FieldType.UINT32: lambda value: cast("int", value) & _INT32_MASK,
    FieldType.ENUM: _signed32,
    FieldType.SFIXED32: _unpacked("<i"),
    FieldType.SFIXED64: _unpacked("<q"),
    FieldType.SINT32: _zigzag,
    FieldType.SINT64: _zigzag,
}
