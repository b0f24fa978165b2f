"""The template's `Type` message: of what type the expressions of one instance are.

It has the template's fields whose type the expression decides (`Value`, maps of `Value`, and
messages that have such), under their own numbers; a map becomes a map of types.

Source: Mixer 1.3's generated service definitions.
"""

from collections.abc import Iterator, Mapping
from typing import Final, cast

from remixer.attributes.values import ValueType
from remixer.wire.field_bytes import (
    LENGTH_DELIMITED,
    VARINT,
    length_delimited,
    tag,
    varint,
    wire_fields,
)
from remixer.wire.template_descriptors import FieldData, MessageData
from remixer.wire.value_bytes import map_entry

_TYPES: Final[Mapping[int, ValueType]] = {each.value: each for each in ValueType}


def encode_inferred_types(message: MessageData, types: Mapping[str, ValueType]) -> bytes:
    """`types` by field path, as `InstanceType.types`; paths of fixed types are left out."""
    return _encode(message, "", types)


def decode_inferred_types(message: MessageData, payload: bytes) -> dict[str, ValueType]:
    """Types by field path. Raises `MalformedMessageError`; unknown types are left out."""
    return dict(_decode(message, "", payload))


def _encode(message: MessageData, prefix: str, types: Mapping[str, ValueType]) -> bytes:
    ordered = sorted(message.fields, key=lambda each: each.number)
    return b"".join(_encode_field(field, prefix + field.name, types) for field in ordered)


def _encode_field(field: FieldData, path: str, types: Mapping[str, ValueType]) -> bytes:
    if field.message is not None:
        inner = _encode(field.message, f"{path}.", types)
        return length_delimited(field.number, inner) if inner else b""
    if field.type is not ValueType.VALUE_TYPE_UNSPECIFIED:
        return b""
    if not field.is_map:
        found = types.get(path)
        return tag(field.number, VARINT) + varint(found) if found else b""
    start = f"{path}["
    return b"".join(
        length_delimited(
            field.number,
            length_delimited(1, each[len(start) : -1].encode()) + tag(2, VARINT) + varint(type_),
        )
        for each, type_ in types.items()
        if each.startswith(start) and each.endswith("]")
    )


def _decode(message: MessageData, prefix: str, payload: bytes) -> Iterator[tuple[str, ValueType]]:
    known = {field.number: field for field in message.fields}
    for number, wire_type, value in wire_fields(payload):
        field = known.get(number)
        if field is not None:
            yield from _decode_field(field, prefix + field.name, wire_type, value)


def _decode_field(
    field: FieldData, path: str, wire_type: int, value: int | bytes
) -> Iterator[tuple[str, ValueType]]:
    if field.message is not None and wire_type == LENGTH_DELIMITED:
        yield from _decode(field.message, f"{path}.", cast("bytes", value))
    elif field.type is not ValueType.VALUE_TYPE_UNSPECIFIED:
        return
    elif field.is_map and wire_type == LENGTH_DELIMITED:
        key, raw = map_entry(cast("bytes", value), VARINT)
        found = _TYPES.get(cast("int", raw or 0))
        if found is not None:
            yield f"{path}[{key}]", found
    elif not field.is_map and wire_type == VARINT:
        found = _TYPES.get(cast("int", value))
        if found is not None:
            yield path, found
