"""A template as data: the one table that configuration, builders and (later) wire encoders read."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from remixer.attributes.values import ValueType
from remixer.foundation.field_names import lower_camel


class Variety(IntEnum):
    """`istio.mixer.adapter.model.v1beta1.TemplateVariety`."""

    CHECK = 0
    REPORT = 1
    QUOTA = 2
    ATTRIBUTE_GENERATOR = 3
    CHECK_WITH_OUTPUT = 4


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a template message.

    Exactly one of `type` and `message` says what it holds. `type` VALUE_TYPE_UNSPECIFIED is
    Mixer's `Value`: any type, inferred from the expression. `is_map` makes it a map from string.
    """

    name: str
    number: int
    type: ValueType | None = None
    message: "Message | None" = None
    is_map: bool = False

    @property
    def is_dynamic(self) -> bool:
        """Whether the value's type comes from the expression."""
        return self.type is ValueType.VALUE_TYPE_UNSPECIFIED


@dataclass(frozen=True, slots=True)
class Message:
    """A message of fields, and the dataclass whose instances carry it.

    `carrier` is called with one keyword per field, plus `name` for a template's own message.
    """

    name: str
    carrier: type
    fields: tuple[Field, ...] = ()

    def field(self, name: str) -> Field | None:
        """The field of this proto name (`api_version`) or lowerCamel name (`apiVersion`)."""
        for field in self.fields:
            if name in {field.name, lower_camel(field.name)}:
                return field
        return None


@dataclass(frozen=True, slots=True)
class Template:
    """A template that configuration can name."""

    name: str
    variety: Variety
    package: str
    message: Message
    output: Message | None = None
    """What handlers answer with, for the varieties that give attributes. Its fields are flat:
    primitives and maps of strings; handlers give them as a mapping by field name."""


@dataclass(frozen=True, slots=True)
class InstanceType:
    """What an adapter may know of an instance before the first request.

    `types` maps field paths (`value`, `dimensions[user]`, `subject.properties[k]`) to the
    types of their expressions; fields that are not configured are missing.
    """

    name: str
    """Fully qualified: `requestcount.metric.istio-system`."""
    template: str
    types: Mapping[str, ValueType]

    def map_types(self, field: str) -> dict[str, ValueType]:
        """Types of a map field by key: `{"user": STRING}` for `dimensions[user]`."""
        start = f"{field}["
        return {
            path[len(start) : -1]: type_
            for path, type_ in self.types.items()
            if path.startswith(start) and path.endswith("]")
        }
