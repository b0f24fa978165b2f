"""Templates that operators bring as resources, and what their instances are."""

from typing import NamedTuple

from remixer.attributes.values import ValueType
from remixer.templates.schema import Field, Message, Template, Variety
from remixer.wire.descriptor_schema import OutputField, ServiceSchema


class DynamicInstance(NamedTuple):
    """An instance as its adapter gets it. A tuple, because every request makes some."""

    name: str
    """Fully qualified: `request.instance.shop`."""
    payload: bytes
    """The template's `InstanceMsg`, serialized."""


def dynamic_template(name: str, service: ServiceSchema) -> Template:
    """The template of the resource `name` (`metric.template.istio-system`).

    Its own message has no fields: instances are encoded by `config.dynamic_fields`.
    """
    output = None
    if service.has_output:
        output = Message("OutputMsg", dict, tuple(map(_output_field, service.output)))
    return Template(
        name=name,
        variety=Variety(service.variety),
        package=service.package,
        message=Message("InstanceMsg", DynamicInstance),
        output=output,
    )


def _output_field(field: OutputField) -> Field:
    if field.is_map:
        return Field(field.name, field.number, type=ValueType.STRING, is_map=True)
    return Field(field.name, field.number, type=field.type or ValueType.VALUE_TYPE_UNSPECIFIED)
