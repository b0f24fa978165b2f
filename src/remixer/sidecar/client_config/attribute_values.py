"""Attributes that the operator wrote down, as a bag's values."""

from remixer.attributes.values import PlainStringMap, Timestamp, Value
from remixer.foundation.timestamps import parse_timestamp
from remixer.sidecar.client_config.messages import Attributes, AttributeValue


def values_of(attributes: Attributes) -> dict[str, Value]:
    """By name; what has no value is left out (files with such are refused)."""
    found = {name: value_of(value) for name, value in attributes.attributes.items()}
    return {name: value for name, value in found.items() if value is not None}


def value_of(value: AttributeValue) -> Value | None:
    """None if there is none, or if its timestamp is no RFC 3339."""
    if value.timestamp_value is not None:
        nanoseconds = parse_timestamp(value.timestamp_value)
        return None if nanoseconds is None else Timestamp(nanoseconds)
    if value.string_map_value is not None:
        return PlainStringMap(value.string_map_value.entries)
    scalars: tuple[Value | None, ...] = (
        value.string_value,
        value.int64_value,
        value.double_value,
        value.bool_value,
        value.bytes_value,
        value.duration_value,
    )
    return next((each for each in scalars if each is not None), None)
