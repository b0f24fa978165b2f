"""Fields of `OutputMsg` and `Type`, made ready for those who read and write them.

Source: output decoding of Mixer 1.3, which dropped instants, e-mail addresses and URIs although it
had declared them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from remixer.attributes.values import ValueType
from remixer.wire.descriptor_schema import (
    VALUE,
    VALUE_TYPE,
    WRAPPERS,
    FieldSchema,
    FieldType,
    MessageSchema,
    OutputField,
    Schema,
    TypeField,
    TypeMessage,
)

_DEEPEST: Final = 20  # messages in messages; Mixer's own templates have two
_MOST_TYPE_FIELDS: Final = 1_000  # of one template; Mixer's own have five

_SCALARS: Final = {
    FieldType.BOOL: ValueType.BOOL,
    FieldType.DOUBLE: ValueType.DOUBLE,
    FieldType.FLOAT: ValueType.DOUBLE,
    FieldType.STRING: ValueType.STRING,
    FieldType.BYTES: ValueType.IP_ADDRESS,
}
_GOOGLE: Final = {
    "google.protobuf.Duration": ValueType.DURATION,
    "google.protobuf.Timestamp": ValueType.TIMESTAMP,
}


def output_fields(message: MessageSchema, schema: Schema) -> tuple[OutputField, ...]:
    """Fields that become attributes; lists, groups and foreign messages are left out."""
    return tuple(
        found for each in message.fields if (found := _output_field(each, schema)) is not None
    )


def _output_field(field: FieldSchema, schema: Schema) -> OutputField | None:
    entry = schema.map_entry(field)
    if entry is not None:
        is_text = all(each.type is FieldType.STRING for each in entry.fields)
        if not is_text:
            return None
        return OutputField(
            field.name, field.number, field.type, type=ValueType.STRING_MAP, is_map=True
        )
    if field.is_repeated or field.type is FieldType.GROUP:
        return None
    if field.type is not FieldType.MESSAGE:
        type_ = _SCALARS.get(field.type, ValueType.INT64)
        return OutputField(field.name, field.number, field.type, type=type_)
    type_of_message = WRAPPERS.get(field.type_name) or _GOOGLE.get(field.type_name)
    if type_of_message is None and field.type_name != VALUE:
        return None
    return OutputField(field.name, field.number, field.type, field.type_name, type_of_message)


def type_message(message: MessageSchema, schema: Schema) -> TypeMessage:
    """A `Type` message; fields that are no types of values are left out."""
    return TypeMessage(message.name, tuple(_type_fields(message, schema, _Budget(), 0)))


@dataclass(slots=True)
class _Budget:
    """How many fields may still be told; messages that hold each other have no end."""

    left: int = _MOST_TYPE_FIELDS


def _type_fields(
    message: MessageSchema, schema: Schema, budget: _Budget, depth: int
) -> Iterator[TypeField]:
    for field in message.fields if depth < _DEEPEST else ():
        if not budget.left:
            return
        budget.left -= 1
        entry = schema.map_entry(field)
        value = field if entry is None else entry.fields[1]
        inner = schema.messages.get(value.type_name)
        if value.type_name == VALUE_TYPE:
            yield TypeField(field.name, field.number, is_map=entry is not None)
        elif inner is not None:
            fields = tuple(_type_fields(inner, schema, budget, depth + 1))
            yield TypeField(
                field.name, field.number, entry is not None, TypeMessage(inner.name, fields)
            )
