"""An adapter's params dataclass as a protobuf schema.

Other people's Mixers write a handler's parameters by the `config` descriptor of the `adapter`
resource; here that descriptor is made from the dataclass. It is proto2, so that what the operator
did not write is absent, and the dataclass's own default stands.

Numbers follow the order of the fields, from 1; `field(metadata={"number": 7})` sets one. Whoever
has resources in use appends new fields at the end.

| Annotation | Field |
|---|---|
| `str` `bool` `int` `Int32` `float` `bytes` | `string` `bool` `int64` `int32` `double` `bytes` |
| `Duration` | `google.protobuf.Duration` |
| an `IntEnum` | an enum of the same names, inside a message of its class's name |
| `tuple[T, ...]`, `Mapping[str, T]` | repeated (numbers packed), map |
| a dataclass | a message; one with a `TYPE_URL`, where several may stand, `google.protobuf.Any` |
"""

import re
from collections.abc import Iterable
from dataclasses import Field, fields
from enum import IntEnum
from typing import Any, Final, assert_never

from google.protobuf import any_pb2, duration_pb2, struct_pb2
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    EnumValueDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)

from remixer.attributes.values import Duration
from remixer.sdk.params import Int32
from remixer.wire.proto_json.schema import (
    AnyShape,
    EnumShape,
    ListShape,
    MapShape,
    MessageField,
    MessageShape,
    ScalarShape,
    SchemaError,
    Shape,
    TreeShape,
    schema_of,
)

NUMBER_KEY: Final = "number"
"""Key of a dataclass field's metadata."""

_Type: Final = FieldDescriptorProto
_SCALARS: Final["dict[object, FieldDescriptorProto.Type.ValueType]"] = {
    str: _Type.TYPE_STRING,
    bool: _Type.TYPE_BOOL,
    int: _Type.TYPE_INT64,
    Int32: _Type.TYPE_INT32,
    float: _Type.TYPE_DOUBLE,
    bytes: _Type.TYPE_BYTES,
}
_PACKED: Final = frozenset(
    {_Type.TYPE_BOOL, _Type.TYPE_INT64, _Type.TYPE_INT32, _Type.TYPE_DOUBLE, _Type.TYPE_ENUM}
)
_WELL_KNOWN: Final = (any_pb2.DESCRIPTOR, duration_pb2.DESCRIPTOR, struct_pb2.DESCRIPTOR)
_HIGHEST_NUMBER: Final = 536_870_911
_RESERVED_NUMBERS: Final = range(19_000, 20_000)
ENUM: Final = "Value"
"""Name of each enum inside its message: names of values are scoped by what is around the enum."""


def params_package(adapter: str) -> str:
    """`adapter.geofence.config`, after the custom of Mixer's own adapters."""
    return f"adapter.{adapter}.config"


def params_descriptor_set(adapter: str, params: type) -> FileDescriptorSet:
    """The schema with all that it imports. Raises `SchemaError` for a class without one."""
    builder = _Builder(adapter, params)
    return FileDescriptorSet(file=builder.files())


def has_params(params: type) -> bool:
    """Whether there is anything to configure."""
    return bool(schema_of(params).by_key)


class _Builder:
    """Collects messages by package; each class once, so that a class may contain itself."""

    def __init__(self, adapter: str, params: type) -> None:
        self._package = params_package(adapter)
        self._file = FileDescriptorProto(
            name=f"adapter/{adapter}/config/config.proto",
            package=self._package,
            syntax="proto2",
        )
        self._foreign: dict[type, FileDescriptorProto] = {}
        self._names: dict[type, str] = {params: "Params"}
        self._add_message(self._file, "Params", params)

    def files(self) -> Iterable[FileDescriptorProto]:
        """Imports before what imports them, and only those that are needed."""
        own = (self._file, *self._foreign.values())
        for each in _WELL_KNOWN:
            users = [file for file in own if _uses(file, each)]
            for file in users:
                file.dependency.append(each.name)
            if users:
                found = FileDescriptorProto()
                each.CopyToProto(found)
                yield found
        yield from own

    def _add_message(self, file: FileDescriptorProto, name: str, message: type) -> None:
        # Kept out of the file until it is whole: adding copies.
        descriptor = DescriptorProto(name=name)
        taken: dict[int, str] = {}
        by_name = {each.name: each for each in schema_of(message).by_key.values()}
        for position, each in enumerate(fields(message), start=1):
            known = by_name[each.name]
            number = _number_of(each, position, message)
            if number in taken:
                text = (
                    f"`{message.__qualname__}.{each.name}` has the number {number}, as has"
                    f" `{taken[number]}`"
                )
                raise SchemaError(text)
            taken[number] = each.name
            self._add_field(descriptor, known, number, file.package)
        file.message_type.append(descriptor)

    def _add_field(
        self, owner: DescriptorProto, known: MessageField, number: int, package: str
    ) -> None:
        field = FieldDescriptorProto(
            name=known.proto_name, number=number, label=_Type.LABEL_OPTIONAL
        )
        match known.shape:
            case MapShape(value=value):
                field.label = _Type.LABEL_REPEATED
                field.type = _Type.TYPE_MESSAGE
                entry = self._add_entry(owner, known.proto_name, value)
                field.type_name = f".{package}.{owner.name}.{entry}"
            case ListShape(item=item):
                field.label = _Type.LABEL_REPEATED
                self._set_type(field, item)
                if field.type in _PACKED:
                    field.options.packed = True
            case shape:
                self._set_type(field, shape)
        owner.field.append(field)

    def _add_entry(self, owner: DescriptorProto, field: str, value: Shape) -> str:
        name = "".join(part.capitalize() for part in field.split("_")) + "Entry"
        entry = DescriptorProto(name=name)
        entry.options.map_entry = True
        entry.field.add(name="key", number=1, label=_Type.LABEL_OPTIONAL, type=_Type.TYPE_STRING)
        held = entry.field.add(name="value", number=2, label=_Type.LABEL_OPTIONAL)
        self._set_type(held, value)
        owner.nested_type.append(entry)
        return name

    def _set_type(self, field: FieldDescriptorProto, shape: Shape) -> None:
        if isinstance(shape, ScalarShape) and shape.type is not Duration:
            field.type = _SCALARS[shape.type]
        elif isinstance(shape, EnumShape):
            field.type = _Type.TYPE_ENUM
            field.type_name = f"{self._enum(shape.type)}.{ENUM}"
        else:
            field.type = _Type.TYPE_MESSAGE
            field.type_name = self._type_name(shape, field.name)

    def _type_name(self, shape: Shape, field: str) -> str:
        """Of the message that stands for this shape."""
        match shape:
            case ScalarShape() | EnumShape():  # of scalars, only durations are messages
                return ".google.protobuf.Duration"
            case MessageShape(type=message):
                return self._message(message)
            case AnyShape(by_url=by_url):
                for url, message in by_url.items():
                    self._add_foreign(url, message)
                return ".google.protobuf.Any"
            case TreeShape(is_map=is_map):
                return f".google.protobuf.{'Struct' if is_map else 'Value'}"
            case ListShape() | MapShape():
                text = f"`{field}` is a list or map of lists or maps, which protobuf has not"
                raise SchemaError(text)
            case _:
                assert_never(shape)

    def _message(self, message: type) -> str:
        is_new = message not in self._names
        name = self._name_of(message)
        if is_new:
            self._add_message(self._file, name, message)
        return f".{self._package}.{name}"

    def _enum(self, enum: type[IntEnum]) -> str:
        is_new = enum not in self._names
        name = self._name_of(enum)
        if is_new:
            values = [
                EnumValueDescriptorProto(name=each, number=member)
                for each, member in enum.__members__.items()
            ]
            held = EnumDescriptorProto(name=ENUM, value=values)
            held.options.allow_alias = len({*enum.__members__.values()}) < len(values)
            if not held.options.allow_alias:
                held.ClearField("options")
            self._file.message_type.add(name=name).enum_type.append(held)
        return f".{self._package}.{name}"

    def _name_of(self, kind: type) -> str:
        """The class's own name, unless another class has it."""
        if kind not in self._names:
            taken = set(self._names.values())
            plain = re.sub(r"\W", "", kind.__name__).lstrip("_") or "Message"
            name, count = plain, 1
            while name in taken:
                count += 1
                name = f"{plain}{count}"
            self._names[kind] = name
        return self._names[kind]

    def _add_foreign(self, url: str, message: type) -> None:
        """A message that travels in `Any` under a name of its own."""
        if message in self._foreign:
            return
        full_name = url.rpartition("/")[2]
        package, _, name = full_name.rpartition(".")
        file = FileDescriptorProto(
            name=f"{full_name.replace('.', '/')}.proto",
            package=package,
            syntax="proto2",
            dependency=[self._file.name],
        )
        self._foreign[message] = file
        self._add_message(file, name, message)


def _uses(file: FileDescriptorProto, imported: FileDescriptor) -> bool:
    names = {f".{imported.package}.{name}" for name in imported.message_types_by_name}
    nested = (entry for each in file.message_type for entry in each.nested_type)
    messages = (*file.message_type, *nested)
    return any(field.type_name in names for each in messages for field in each.field)


def _number_of(field: "Field[Any]", position: int, message: type) -> int:
    number = field.metadata.get(NUMBER_KEY, position)
    if not isinstance(number, int) or not 1 <= number <= _HIGHEST_NUMBER:
        text = f"`{message.__qualname__}.{field.name}`: {number!r} is no field number"
        raise SchemaError(text)
    if number in _RESERVED_NUMBERS:
        text = f"`{message.__qualname__}.{field.name}`: protobuf keeps the number {number}"
        raise SchemaError(text)
    return number
