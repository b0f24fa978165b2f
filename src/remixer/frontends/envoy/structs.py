"""Reading `google.protobuf.Struct`, in which Envoy keeps metadata and JWT claims."""

import json
import math
from typing import Final

from google.protobuf.struct_pb2 import Struct
from google.protobuf.struct_pb2 import Value as StructValue

from remixer.attributes.values import PlainStringMap

_EXACT: Final = 2.0**53


def text_field(struct: Struct, name: str) -> str | None:
    """The field if it is text, else None."""
    fields = struct.fields
    if name not in fields:
        return None
    value = fields[name]
    return value.string_value if value.WhichOneof("kind") == "string_value" else None


def number_field(struct: Struct, name: str) -> float | None:
    """The field if it is a number, else None."""
    fields = struct.fields
    if name not in fields:
        return None
    value = fields[name]
    return value.number_value if value.WhichOneof("kind") == "number_value" else None


def bool_field(struct: Struct, name: str) -> bool | None:
    """The field if it is true or false, else None."""
    fields = struct.fields
    if name not in fields:
        return None
    value = fields[name]
    return value.bool_value if value.WhichOneof("kind") == "bool_value" else None


def struct_field(struct: Struct, name: str) -> Struct | None:
    """The field if it is an object, else None."""
    fields = struct.fields
    if name not in fields:
        return None
    value = fields[name]
    return value.struct_value if value.WhichOneof("kind") == "struct_value" else None


def texts_of(value: StructValue) -> list[str] | None:
    """A text as a list of one, a list's texts; None for every other kind."""
    match value.WhichOneof("kind"):
        case "string_value":
            return [value.string_value]
        case "list_value":
            elements = value.list_value.values
            return [
                element.string_value
                for element in elements
                if element.WhichOneof("kind") == "string_value"
            ]
        case _:
            return None


def string_map(struct: Struct) -> PlainStringMap | None:
    """Text fields, and lists of text joined by `,`; other kinds are skipped, None if none is left.

    Source: Mixer's client, for claims and for dynamic metadata.
    """
    entries = PlainStringMap()
    fields = struct.fields
    for name in fields:
        texts = texts_of(fields[name])
        if texts:
            entries[name] = ",".join(texts)
    return entries or None


def scalar_texts(struct: Struct) -> dict[str, str]:
    """Text, number and bool fields as text: static attributes written into metadata."""
    entries = {}
    fields = struct.fields
    for name in fields:
        value = fields[name]
        match value.WhichOneof("kind"):
            case "string_value":
                entries[name] = value.string_value
            case "number_value":
                entries[name] = str(_json_number(value.number_value))
            case "bool_value":
                entries[name] = "true" if value.bool_value else "false"
            case _:
                pass
    return entries


def _json_number(number: float) -> int | float:
    """A whole number without a fraction, as far as doubles have every whole number."""
    return int(number) if number.is_integer() and abs(number) <= _EXACT else number


def json_text(struct: Struct) -> str:
    """Compact JSON with sorted keys; whole numbers without a fraction, NaN as null."""
    return json.dumps(_plain_object(struct), separators=(",", ":"), sort_keys=True)


def _plain_object(struct: Struct) -> dict[str, object]:
    return {name: _plain(struct.fields[name]) for name in struct.fields}


def _plain(value: StructValue) -> object:
    """Nesting is bounded: protobuf reads no message deeper than 100."""
    match value.WhichOneof("kind"):
        case "string_value":
            return value.string_value
        case "number_value":
            number = value.number_value
            return _json_number(number) if math.isfinite(number) else None
        case "bool_value":
            return value.bool_value
        case "struct_value":
            return _plain_object(value.struct_value)
        case "list_value":
            return [_plain(element) for element in value.list_value.values]
        case _:
            return None
