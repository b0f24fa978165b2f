"""Instances and outputs of templates as protobuf messages, both ways.

A template's field table is walked once; what remains on the request path are closures over
bytes. `InstanceMsg` has every field of the template under its own number, and the instance's
full name as field 72295727. An output message is flat and has no name.

Equal fields are merged as protobuf does; unknown ones are skipped. What a carrier cannot tell
from absence (an empty text, 1970) is not written.

Source: Mixer 1.3's generated service definitions.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, TypeAlias, cast

from remixer.attributes.values import StringMap, ValueType
from remixer.wire.adapter_model import INSTANCE_NAME_FIELD
from remixer.wire.field_bytes import LENGTH_DELIMITED, length_delimited, tag, wire_fields
from remixer.wire.template_descriptors import FieldData, MessageData
from remixer.wire.value_bytes import (
    LEAVES,
    UnencodableValueError,
    decode_text,
    decode_value,
    encode_value,
    map_entry,
    merged,
)

Types: TypeAlias = Mapping[str, ValueType]
_NO_TYPES: Final[Types] = MappingProxyType({})
_Raw: TypeAlias = "int | bytes"


@dataclass(frozen=True, slots=True)
class _FieldCodec:
    """One field. `encode` gives it whole, tag included, or nothing; `path` is for types."""

    name: str
    number: int
    wire_type: int
    encode: Callable[[object, str, Types], bytes]
    decode: Callable[[list[_Raw]], object]
    """All occurrences on the wire, in order; never none."""
    zero: Callable[[], object]


class InstanceCodec:
    """Turns instances of one template into `InstanceMsg` and back."""

    __slots__ = ("_carrier", "_fields")

    def __init__(self, message: MessageData) -> None:
        self._carrier = cast("Callable[..., object]", message.carrier)
        self._fields = _FieldTable(message.fields)

    def encode(self, instance: object, types: Types = _NO_TYPES) -> bytes:
        """`types` by field path, as `InstanceType.types`: what texts in `Value` fields are.

        Raises `UnencodableValueError` for a value that its field cannot carry.
        """
        name: str = getattr(instance, "name")  # noqa: B009 - a carrier of any class
        body = self._fields.encode(lambda field: getattr(instance, field), "", types)
        return body + length_delimited(INSTANCE_NAME_FIELD, name.encode())

    def decode(self, payload: bytes) -> object:
        """Raises `MalformedMessageError`."""
        occurrences = _occurrences(payload)
        named = occurrences.get((INSTANCE_NAME_FIELD, LENGTH_DELIMITED))
        values = self._fields.decode(occurrences)
        return self._carrier(name=decode_text(named[-1]) if named else "", **values)


class OutputCodec:
    """Turns an adapter's output into `OutputMsg` and back."""

    __slots__ = ("_fields", "_names")

    def __init__(self, message: MessageData) -> None:
        self._fields = _FieldTable(message.fields)
        self._names = frozenset(field.name for field in message.fields)

    def encode(self, output: Mapping[str, object]) -> bytes:
        """Raises `UnencodableValueError`, also for a field that the template does not have."""
        for name in output:
            if name not in self._names:
                wanted = "nothing: the template has no such output"
                raise UnencodableValueError(field=name, found=output[name], wanted=wanted)
        return self._fields.encode(output.get, "", _NO_TYPES)

    def decode(self, payload: bytes) -> dict[str, object]:
        """Fields that are present. Raises `MalformedMessageError`."""
        return self._fields.decode(_occurrences(payload), with_zeros=False)


class _FieldTable:
    """The fields of a message, compiled."""

    __slots__ = ("_by_key", "_ordered")

    def __init__(self, fields: Iterable[FieldData]) -> None:
        self._ordered = tuple(
            _field_codec(field) for field in sorted(fields, key=lambda each: each.number)
        )
        self._by_key = {(each.number, each.wire_type): each for each in self._ordered}

    def encode(self, get: Callable[[str], object], prefix: str, types: Types) -> bytes:
        """In ascending order of numbers. A value None means absent."""
        return b"".join(
            field.encode(value, prefix + field.name, types)
            for field in self._ordered
            if (value := get(field.name)) is not None
        )

    def decode(
        self, occurrences: Mapping[tuple[int, int], list[_Raw]], *, with_zeros: bool = True
    ) -> dict[str, object]:
        values = {field.name: field.zero() for field in self._ordered} if with_zeros else {}
        for key, found in occurrences.items():
            field = self._by_key.get(key)
            if field is not None:
                values[field.name] = field.decode(found)
        return values


def _occurrences(payload: bytes) -> dict[tuple[int, int], list[_Raw]]:
    found: dict[tuple[int, int], list[_Raw]] = {}
    for number, wire_type, value in wire_fields(payload):
        found.setdefault((number, wire_type), []).append(value)
    return found


def _field_codec(field: FieldData) -> _FieldCodec:
    if field.is_map:
        return _map_codec(field)
    if field.message is not None:
        return _nested_codec(field, field.message)
    if _is_dynamic(field):
        return _value_codec(field)
    return _leaf_codec(field)


def _is_dynamic(field: FieldData) -> bool:
    return field.type is ValueType.VALUE_TYPE_UNSPECIFIED


def _leaf_codec(field: FieldData) -> _FieldCodec:
    leaf = LEAVES[field.type or ValueType.STRING]
    number = field.number
    head = tag(number, leaf.wire_type)

    def encode(value: object, path: str, _types: Types) -> bytes:
        payload = leaf.checked(value, path)
        if value == leaf.zero and not _is_negative_zero(value):
            return b""
        if leaf.wire_type == LENGTH_DELIMITED:
            return length_delimited(number, payload)
        return head + payload

    def decode(found: list[_Raw]) -> object:
        return leaf.decode(_joined(found) if leaf.is_message else found[-1])

    return _FieldCodec(field.name, number, leaf.wire_type, encode, decode, lambda: leaf.zero)


def _is_negative_zero(value: object) -> bool:
    return isinstance(value, float) and str(value) == "-0.0"


def _value_codec(field: FieldData) -> _FieldCodec:
    number = field.number

    def encode(value: object, path: str, types: Types) -> bytes:
        return length_delimited(number, encode_value(value, path, types.get(path)))

    def decode(found: list[_Raw]) -> object:
        return decode_value(_joined(found))

    return _FieldCodec(field.name, number, LENGTH_DELIMITED, encode, decode, lambda: None)


def _nested_codec(field: FieldData, message: MessageData) -> _FieldCodec:
    table = _FieldTable(message.fields)
    carrier = cast("Callable[..., object]", message.carrier)
    number = field.number

    def encode(value: object, path: str, types: Types) -> bytes:
        if not isinstance(value, message.carrier):
            raise UnencodableValueError(
                field=path, found=value, wanted=f"a {message.carrier.__name__}"
            )
        payload = table.encode(lambda name: getattr(value, name), f"{path}.", types)
        return length_delimited(number, payload) if payload else b""

    def make(occurrences: Mapping[tuple[int, int], list[_Raw]]) -> object:
        return carrier(**table.decode(occurrences))

    return _FieldCodec(
        field.name,
        number,
        LENGTH_DELIMITED,
        encode,
        lambda found: make(_occurrences(cast("bytes", _joined(found)))),
        lambda: make({}),
    )


def _map_codec(field: FieldData) -> _FieldCodec:
    number = field.number
    leaf = None if _is_dynamic(field) else LEAVES[field.type or ValueType.STRING]
    wire_type = LENGTH_DELIMITED if leaf is None else leaf.wire_type

    def encode_entry(key: str, value: object, path: str, types: Types) -> bytes:
        place = f"{path}[{key}]"
        payload = (
            encode_value(value, place, types.get(place))
            if leaf is None
            else leaf.checked(value, place)
        )
        if wire_type == LENGTH_DELIMITED:
            entry = length_delimited(2, payload)
        else:
            entry = tag(2, wire_type) + payload
        return length_delimited(number, length_delimited(1, key.encode()) + entry)

    def encode(value: object, path: str, types: Types) -> bytes:
        entries = _entries_of(value, path)
        return b"".join(encode_entry(key, each, path, types) for key, each in entries.items())

    def decode(found: list[_Raw]) -> object:
        values: dict[str, object] = {}
        is_message = leaf is None or leaf.is_message
        for payload in found:
            key, raw = map_entry(cast("bytes", payload), wire_type, is_message=is_message)
            if leaf is None:
                values[key] = None if raw is None else decode_value(raw)
            else:
                values[key] = leaf.zero if raw is None else leaf.decode(raw)
        return {key: value for key, value in values.items() if value is not None}

    return _FieldCodec(field.name, number, LENGTH_DELIMITED, encode, decode, dict)


def _entries_of(value: object, path: str) -> Mapping[str, object]:
    if isinstance(value, Mapping):
        return value
    if hasattr(value, "whole"):
        return cast("StringMap", value).whole()
    raise UnencodableValueError(field=path, found=value, wanted="a map")


def _joined(found: list[_Raw]) -> _Raw:
    """All parts of a message; of a number, the last."""
    value = found[0]
    for later in found[1:]:
        value = merged(value, later)
    return value
