"""Files of a descriptor set to plain schemas."""

from collections.abc import Iterable, Iterator
from typing import Final

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)

from remixer.wire.descriptor_schema import EnumSchema, FieldSchema, FieldType, MessageSchema, Schema

_NOT_PACKABLE: Final = frozenset(
    {FieldType.STRING, FieldType.BYTES, FieldType.MESSAGE, FieldType.GROUP}
)


def schema_of(files: Iterable[FileDescriptorProto]) -> Schema:
    """All that the files define. Of two definitions of one name the first counts."""
    messages: dict[str, MessageSchema] = {}
    enums: dict[str, EnumSchema] = {}
    for file in files:
        is_proto3 = file.syntax == "proto3"
        for message in _messages(file, is_proto3=is_proto3):
            messages.setdefault(message.name, message)
        for enum in _enums(file):
            enums.setdefault(enum.name, enum)
    return Schema(messages, enums)


def _messages(file: FileDescriptorProto, *, is_proto3: bool) -> Iterator[MessageSchema]:
    for scope, message in _all_messages(file):
        yield MessageSchema(
            name=f"{scope}{message.name}",
            fields=tuple(_field(message, each, is_proto3=is_proto3) for each in message.field),
            is_map_entry=message.options.map_entry,
        )


def _all_messages(file: FileDescriptorProto) -> Iterator[tuple[str, DescriptorProto]]:
    """Messages and what names them: their scope with its dot."""
    scope = f"{file.package}." if file.package else ""
    waiting = [(scope, message) for message in file.message_type]
    while waiting:
        scope, message = waiting.pop()
        yield scope, message
        waiting.extend((f"{scope}{message.name}.", inner) for inner in message.nested_type)


def _enums(file: FileDescriptorProto) -> Iterator[EnumSchema]:
    scope = f"{file.package}." if file.package else ""
    for enum in file.enum_type:
        yield _enum(scope, enum)
    for outer, message in _all_messages(file):
        for enum in message.enum_type:
            yield _enum(f"{outer}{message.name}.", enum)


def _enum(scope: str, enum: EnumDescriptorProto) -> EnumSchema:
    return EnumSchema(f"{scope}{enum.name}", {each.name: each.number for each in enum.value})


def _field(
    message: DescriptorProto, field: FieldDescriptorProto, *, is_proto3: bool
) -> FieldSchema:
    # A field without a type has one to be found by its name; protoc never writes such.
    type_ = FieldType(field.type) if field.HasField("type") else FieldType.MESSAGE
    is_repeated = field.label == FieldDescriptorProto.LABEL_REPEATED
    is_in_oneof = field.HasField("oneof_index") and not field.proto3_optional
    says_packed = field.options.packed if field.options.HasField("packed") else is_proto3
    return FieldSchema(
        name=field.name,
        json_name=field.json_name or _json_name(field.name),
        number=field.number,
        type=type_,
        type_name=field.type_name.removeprefix("."),
        is_repeated=is_repeated,
        is_packed=is_repeated and says_packed and type_ not in _NOT_PACKABLE,
        oneof=message.oneof_decl[field.oneof_index].name
        if is_in_oneof and field.oneof_index < len(message.oneof_decl)
        else "",
    )


def _json_name(name: str) -> str:
    """Source: protoc. `api_version` to `apiVersion`."""
    first, *rest = name.split("_")
    return first + "".join(part[:1].upper() + part[1:] for part in rest)
