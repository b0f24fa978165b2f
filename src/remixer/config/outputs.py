"""What handlers answer with, as names in expressions.

Two places see outputs: the bindings of an attribute-generating instance (`$out.FIELD`), and the
header values of a rule whose action has a name (`NAME.output.FIELD`).
"""

from collections.abc import Iterable, Iterator, Mapping

from remixer.attributes.values import ValueType
from remixer.templates.schema import Field, Message, Template, Variety


def output_types(output: Message | None, prefix: str) -> dict[str, ValueType]:
    """Types of the usable fields, by name with `prefix`."""
    fields = () if output is None else output.fields
    return {
        prefix + field.name: type_
        for field in fields
        if (type_ := _type_in_expressions(field)) is not None
    }


def _type_in_expressions(field: Field) -> ValueType | None:
    """None for what an expression cannot use: values of any type, messages."""
    if field.type is None or field.is_dynamic:
        return None
    if field.is_map:
        return ValueType.STRING_MAP if field.type is ValueType.STRING else None
    return field.type


def action_prefix(name: str) -> str:
    """What stands before the fields of an action's outputs."""
    return f"{name}.output."


def action_output_types(
    actions: Iterable[tuple[str, Iterable[Template]]],
) -> Mapping[str, ValueType]:
    """Of all named actions of a rule, given with the templates of their instances.

    Where two give one name, the first counts. Source: Mixer 1.3 takes the template of an action's
    first instance for all of them.
    """
    types: dict[str, ValueType] = {}
    for name, templates in actions:
        for output in _outputs(templates) if name else ():
            types = output_types(output, action_prefix(name)) | types
    return types


def _outputs(templates: Iterable[Template]) -> Iterator[Message | None]:
    for template in templates:
        if template.variety is Variety.CHECK_WITH_OUTPUT:
            yield template.output
