"""A template with a field of every kind, as a descriptor set and as a message class.

For tests of the encoder: what it makes is read back by protobuf's own dynamic messages.
"""

from typing import Any, Final

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

from remixer.templates.instances import BUILTIN_TEMPLATES
from remixer.wire.template_descriptors import template_descriptor_set

RICH_PACKAGE: Final = "rich"
_POLICY: Final = ".istio.policy.v1beta1."
_OPTIONS: Final = bytes.fromhex("f8d2e4930200" + "82dde4930204") + b"rich"

# Name, number and what it holds: a scalar's name, or the full name of a message.
_FIELDS: Final = (
    ("text", 1, "string"),
    ("count", 2, "int64"),
    ("small", 3, "int32"),
    ("ratio", 4, "double"),
    ("flag", 5, "bool"),
    ("color", 6, "enum .rich.Color"),
    ("value", 7, f"{_POLICY}Value"),
    ("at", 8, f"{_POLICY}TimeStamp"),
    ("took", 9, f"{_POLICY}Duration"),
    ("ip", 10, f"{_POLICY}IPAddress"),
    ("host", 11, f"{_POLICY}DNSName"),
    ("mail", 12, f"{_POLICY}EmailAddress"),
    ("link", 13, f"{_POLICY}Uri"),
    ("inner", 14, ".rich.InnerMsg"),
    ("photo", 24, "bytes"),
    ("zigzag", 25, "sint64"),
    ("fixed", 26, "fixed32"),
    ("single", 27, "float"),
    ("unsigned", 28, "uint32"),
    ("snake_case_name", 29, "string"),
)
_REPEATED: Final = (
    ("tags", 18, "string"),
    ("numbers", 19, "int64"),
    ("loose", 20, "int64"),
    ("many", 21, ".rich.InnerMsg"),
    ("colors", 30, "enum .rich.Color"),
)
_MAPS: Final = (
    ("words", 15, "string", "string"),
    ("values", 16, "string", f"{_POLICY}Value"),
    ("inners", 17, "string", ".rich.InnerMsg"),
    ("by_number", 31, "int32", "string"),
)


def rich_descriptor_set() -> bytes:
    """The whole set, with imports and a service."""
    metric = next(each for each in BUILTIN_TEMPLATES if each.name == "metric")
    files = FileDescriptorSet.FromString(template_descriptor_set(metric))
    own = files.file.pop()
    file = files.file.add(
        name="rich.proto", package=RICH_PACKAGE, syntax="proto3", dependency=own.dependency
    )
    file.options.MergeFromString(_OPTIONS)
    color = file.enum_type.add(name="Color")
    for name, number in (("NONE", 0), ("RED", 1), ("BLUE", 5)):
        color.value.add(name=name, number=number)
    _add_instance(file)
    inner = file.message_type.add(name="InnerMsg")
    _add(inner, "name", 1, "string")
    _add(inner, "inner", 2, ".rich.InnerMsg")
    _add(inner, "value", 3, f"{_POLICY}Value")
    file.message_type.add(name="HandleRichRequest")
    file.service.add(name="HandleRichService").method.add(
        name="HandleRich",
        input_type=".rich.HandleRichRequest",
        output_type=".istio.mixer.adapter.model.v1beta1.ReportResult",
    )
    return files.SerializeToString()


def rich_message(payload: bytes) -> Any:  # noqa: ANN401 - a class made at run time
    """The instance, read by protobuf's own means."""
    pool = DescriptorPool()
    for file in FileDescriptorSet.FromString(rich_descriptor_set()).file:
        pool.Add(file)
    return GetMessageClass(pool.FindMessageTypeByName("rich.InstanceMsg")).FromString(payload)


def _add_instance(file: FileDescriptorProto) -> None:
    message = file.message_type.add(name="InstanceMsg")
    for name, number, kind in _FIELDS:
        _add(message, name, number, kind)
    for name, number, kind in _REPEATED:
        field = _add(message, name, number, kind)
        field.label = FieldDescriptorProto.LABEL_REPEATED
        if name == "loose":
            field.options.packed = False
    for name, number, key, value in _MAPS:
        entry = message.nested_type.add(name=f"{name.title().replace('_', '')}Entry")
        entry.options.map_entry = True
        _add(entry, "key", 1, key)
        _add(entry, "value", 2, value)
        field = _add(message, name, number, f".rich.InstanceMsg.{entry.name}")
        field.label = FieldDescriptorProto.LABEL_REPEATED
    message.oneof_decl.add(name="choice")
    for name, number, kind in (("left", 22, "string"), ("right", 23, "int64")):
        _add(message, name, number, kind).oneof_index = 0
    _add(message, "name", 72295727, "string")


def _add(message: DescriptorProto, name: str, number: int, kind: str) -> FieldDescriptorProto:
    field = message.field.add(name=name, number=number, label=FieldDescriptorProto.LABEL_OPTIONAL)
    word, _, type_name = kind.rpartition(" ")
    if word == "enum" or type_name.startswith("."):
        is_enum = word == "enum"
        field.type = (
            FieldDescriptorProto.TYPE_ENUM if is_enum else FieldDescriptorProto.TYPE_MESSAGE
        )
        field.type_name = type_name
    else:
        field.type = FieldDescriptorProto.Type.Value(f"TYPE_{kind.upper()}")
    return field
