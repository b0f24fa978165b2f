"""Attribute values of Mixer as OTLP knows them. Pure."""

from collections.abc import Mapping
from typing import Final

from remixer.attributes.values import Duration, Value
from remixer.drivers.otlp_records import AttributeValue
from remixer.foundation.errors import RemixerError
from remixer.sdk import stringify
from remixer.sdk.numbers import parse_number

_S: Final = 1_000_000_000
_RESOURCE_TYPE: Final = "monitored_resource_type"
_RESOURCE_START: Final = "monitored_resource_"
_ENTRY_OVERHEAD_BYTES: Final = 16  # of names, numbers and lengths around each attribute


class EntryError(RemixerError):
    """One instance could not be exported; the others were taken."""


def attribute_value(value: Value) -> AttributeValue:
    """Texts, numbers and booleans as they are, other values as text."""
    if type(value) is str:
        return legal_text(value)
    if type(value) is int or type(value) is float or type(value) is bool:
        return value
    return legal_text(stringify(value))


def legal_text(text: str) -> str:
    """`text` without lone surrogates, which no message can hold."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def attributes_of(
    values: Mapping[str, Value], resource_type: str, resource: Mapping[str, Value]
) -> dict[str, AttributeValue]:
    """Dimensions or variables, and what the instance says of the monitored resource."""
    attributes = {legal_text(name): attribute_value(value) for name, value in values.items()}
    if resource_type:
        attributes[_RESOURCE_TYPE] = legal_text(resource_type)
    for name, value in resource.items():
        attributes[_RESOURCE_START + legal_text(name)] = attribute_value(value)
    return attributes


def size_of(attributes: Mapping[str, AttributeValue]) -> int:
    """About as many bytes as they will have in a message."""
    return sum(
        len(name) + _ENTRY_OVERHEAD_BYTES + (len(value) if isinstance(value, str) else 0)
        for name, value in attributes.items()
    )


def number_of(value: Value | None, *, instance: str) -> float:
    """Durations in seconds, texts as the number they read as. Raises `EntryError`."""
    number: float | None = None
    if type(value) is int or type(value) is float:
        number = value
    elif type(value) is Duration:
        number = value / _S
    elif type(value) is str:
        number = parse_number(value)
    if number is None:
        # Not the value itself: this text is logged, and requests hold secrets.
        shown = "no value" if value is None else f"this value of type {type(value).__name__}"
        message = f"{instance}: {shown} is not a number"
        raise EntryError(message)
    return number
