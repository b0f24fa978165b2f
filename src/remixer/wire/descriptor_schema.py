"""What descriptors say, as plain data: messages, fields, enums. No protobuf types.

Messages may hold themselves, so fields name their message or enum; `Schema` finds it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from remixer.attributes.values import ValueType
from remixer.wire.adapter_model import POLICY_PACKAGE, ServiceVariety


class FieldType(IntEnum):
    """`google.protobuf.FieldDescriptorProto.Type`."""

    DOUBLE = 1
    FLOAT = 2
    INT64 = 3
    UINT64 = 4
    INT32 = 5
    FIXED64 = 6
    FIXED32 = 7
    BOOL = 8
    STRING = 9
    GROUP = 10
    MESSAGE = 11
    BYTES = 12
    UINT32 = 13
    ENUM = 14
    SFIXED32 = 15
    SFIXED64 = 16
    SINT32 = 17
    SINT64 = 18


VALUE: Final = f"{POLICY_PACKAGE}.Value"
VALUE_TYPE: Final = f"{POLICY_PACKAGE}.ValueType"
WRAPPERS: Final[Mapping[str, ValueType]] = {
    f"{POLICY_PACKAGE}.TimeStamp": ValueType.TIMESTAMP,
    f"{POLICY_PACKAGE}.Duration": ValueType.DURATION,
    f"{POLICY_PACKAGE}.IPAddress": ValueType.IP_ADDRESS,
    f"{POLICY_PACKAGE}.DNSName": ValueType.DNS_NAME,
    f"{POLICY_PACKAGE}.EmailAddress": ValueType.EMAIL_ADDRESS,
    f"{POLICY_PACKAGE}.Uri": ValueType.URI,
}
"""Messages that carry one value of one type, by full name."""


@dataclass(frozen=True, slots=True)
class FieldSchema:
    """One field. `type_name` names the message or enum that it holds, without leading dot."""

    name: str
    json_name: str
    number: int
    type: FieldType
    type_name: str = ""
    is_repeated: bool = False
    is_packed: bool = False
    """Whether repeated numbers share one length-delimited value."""
    oneof: str = ""
    """The group of which at most one member is set; "" for none."""


@dataclass(frozen=True, slots=True)
class MessageSchema:
    """A message. `is_map_entry`: it stands for one entry of a map, with `key` and `value`."""

    name: str
    """Full, without leading dot."""
    fields: tuple[FieldSchema, ...] = ()
    is_map_entry: bool = False

    def field(self, name: str) -> FieldSchema | None:
        """The field of this proto or JSON name."""
        for each in self.fields:
            if name in {each.name, each.json_name}:
                return each
        return None


@dataclass(frozen=True, slots=True)
class EnumSchema:
    """An enum's numbers by name."""

    name: str
    numbers: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Schema:
    """All messages and enums of a descriptor set, by full name."""

    messages: Mapping[str, MessageSchema] = field(default_factory=dict)
    enums: Mapping[str, EnumSchema] = field(default_factory=dict)

    def map_entry(self, field: FieldSchema) -> MessageSchema | None:
        """The entry's message, `key` before `value`, if the field is a map."""
        if field.type is not FieldType.MESSAGE or not field.is_repeated:
            return None
        entry = self.messages.get(field.type_name)
        if entry is None or not entry.is_map_entry:
            return None
        return entry if [each.number for each in entry.fields] == [1, 2] else None

    def reachable(self, root: MessageSchema) -> Iterator[MessageSchema]:
        """`root` and every message that its fields, however deep, hold; each once."""
        found = {root.name: root}
        waiting = [root]
        while waiting:
            message = waiting.pop()
            yield message
            for each in message.fields:
                inner = self.messages.get(each.type_name)
                if inner is not None and inner.name not in found:
                    found[inner.name] = inner
                    waiting.append(inner)


@dataclass(frozen=True, slots=True)
class OutputField:
    """One field of what an adapter gives besides its verdict.

    `type` None: the member of a `Value` decides. `is_map`: from string to string.
    """

    name: str
    number: int
    source: FieldType
    message: str = ""
    """Full name of the message on the wire; "" for scalars."""
    type: ValueType | None = None
    is_map: bool = False


@dataclass(frozen=True, slots=True)
class TypeField:
    """One field of a template's `Type` message: what is told of an instance beforehand.

    With `TypeMessage` it is a `template_descriptors.FieldData`.
    """

    name: str
    number: int
    is_map: bool = False
    message: "TypeMessage | None" = None
    """The message that it holds; None for the type of a value."""

    @property
    def type(self) -> ValueType | None:
        return ValueType.VALUE_TYPE_UNSPECIFIED if self.message is None else None


@dataclass(frozen=True, slots=True)
class TypeMessage:
    """A `Type` message of a template, or of a message that it holds."""

    name: str = "Type"
    fields: tuple[TypeField, ...] = ()

    @property
    def carrier(self) -> type:
        """None of our classes carries it."""
        return object


@dataclass(frozen=True, slots=True)
class ServiceSchema:
    """A template as its descriptor set says."""

    name: str
    """The template's own name: `metric`."""
    package: str
    variety: ServiceVariety
    path: str
    """`/metric.HandleMetricService/HandleMetric`."""
    instance: MessageSchema
    schema: Schema
    has_output: bool
    output: tuple[OutputField, ...] = ()
    types: TypeMessage = TypeMessage()


@dataclass(frozen=True, slots=True)
class ParamsSchema:
    """An adapter's parameters as its descriptor set says."""

    message: MessageSchema
    schema: Schema
