"""A params schema as the `.proto` file that people of other languages compile."""

from collections.abc import Iterator
from typing import Final

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)

from remixer.frontends.adapter_model.params_schema import params_descriptor_set, params_package
from remixer.sdk.adapter import AnyAdapterInfo

_Type: Final = FieldDescriptorProto
_SCALARS: Final = {
    _Type.TYPE_STRING: "string",
    _Type.TYPE_BOOL: "bool",
    _Type.TYPE_INT64: "int64",
    _Type.TYPE_INT32: "int32",
    _Type.TYPE_DOUBLE: "double",
    _Type.TYPE_BYTES: "bytes",
}


def params_proto_text(info: AnyAdapterInfo) -> str:
    """The file of the adapter's parameters, ending with a line break. Raises `SchemaError`."""
    package = params_package(info.name)
    files = params_descriptor_set(info.name, type(info.defaults)).file
    (file,) = [each for each in files if each.package == package]
    return "\n".join(_lines(file, info)) + "\n"


def _lines(file: FileDescriptorProto, info: AnyAdapterInfo) -> Iterator[str]:
    yield f"// Parameters of the adapter `{info.name}`, made from its params dataclass."
    yield "// What is absent has the dataclass's default; proto2 tells it from zero."
    yield f'syntax = "{file.syntax}";'
    yield ""
    yield f"package {file.package};"
    used = {field.type_name for message in file.message_type for field in _fields(message)}
    imports = sorted(
        name
        for name, types in {
            "google/protobuf/any.proto": {"Any"},
            "google/protobuf/duration.proto": {"Duration"},
            "google/protobuf/struct.proto": {"Struct", "Value"},
        }.items()
        if used & {f".google.protobuf.{each}" for each in types}
    )
    if imports:
        yield ""
    for each in imports:
        yield f'import "{each}";'
    for message in file.message_type:
        yield ""
        yield from _message(message, file.package)


def _fields(message: DescriptorProto) -> Iterator[FieldDescriptorProto]:
    yield from message.field
    for nested in message.nested_type:
        yield from nested.field


def _message(message: DescriptorProto, package: str) -> Iterator[str]:
    if not (message.field or message.enum_type):
        yield f"message {message.name} {{}}"
        return
    yield f"message {message.name} {{"
    for enum in message.enum_type:
        yield from _enum(enum)
    entries = {each.name: each for each in message.nested_type}
    for field in message.field:
        entry = entries.get(field.type_name.rpartition(".")[2])
        yield f"  {_field(field, entry, package)}"
    yield "}"


def _enum(enum: EnumDescriptorProto) -> Iterator[str]:
    yield f"  enum {enum.name} {{"
    if enum.options.allow_alias:
        yield "    option allow_alias = true;"
    for value in enum.value:
        yield f"    {value.name} = {value.number};"
    yield "  }"


def _field(field: FieldDescriptorProto, entry: DescriptorProto | None, package: str) -> str:
    if entry is not None and entry.options.map_entry:
        value = _type(entry.field[1], package)
        return f"map<string, {value}> {field.name} = {field.number};"
    label = "repeated" if field.label == _Type.LABEL_REPEATED else "optional"
    packed = " [packed = true]" if field.options.packed else ""
    return f"{label} {_type(field, package)} {field.name} = {field.number}{packed};"


def _type(field: FieldDescriptorProto, package: str) -> str:
    scalar = _SCALARS.get(field.type)
    return scalar or field.type_name.removeprefix(f".{package}.").removeprefix(".")
