"""`params` of handlers whose adapter is a resource, encoded against its message `Params`.

Constants only: no expressions, no quotes inside texts. Null means "not given".

Source: the static encoder of Mixer 1.3, which could not encode `bytes`; here they are base64, as in
proto JSON.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, cast

from remixer.attributes.values import Duration, Timestamp
from remixer.config import codes
from remixer.foundation.documents.nodes import (
    ListNode,
    MapNode,
    Node,
    ScalarNode,
    describe,
    is_null,
)
from remixer.foundation.findings import hint_for
from remixer.sdk.numbers import parse_timestamp
from remixer.wire.descriptor_schema import FieldSchema, FieldType, MessageSchema, Schema
from remixer.wire.durations import split_duration, split_timestamp
from remixer.wire.field_bytes import LENGTH_DELIMITED, VARINT, tag, varint
from remixer.wire.proto_json.decode import Place
from remixer.wire.proto_json.decode_scalars import decode_scalar
from remixer.wire.typed_payloads import (
    WIRE_TYPES,
    PayloadError,
    scalar_payload,
    sized,
)

_DURATION: Final = "google.protobuf.Duration"
_TIMESTAMP: Final = "google.protobuf.Timestamp"
_LONGEST_INTEGER: Final = 66  # characters: a sign and 64 binary digits with their prefix


@dataclass(frozen=True, slots=True)
class ParamsEncoder:
    """Encodes one handler's parameters. After a problem the bytes are of no use."""

    schema: Schema

    def message(self, node: Node | None, message: MessageSchema, place: Place) -> bytes:
        """The fields that are given, in ascending order of their numbers."""
        if node is None or is_null(node):
            return b""
        if not isinstance(node, MapNode):
            place.error(codes.WRONG_TYPE, f"found {describe(node)}; wanted a mapping", node)
            return b""
        parts: list[tuple[int, bytes]] = []
        given: dict[str, str] = {}
        for entry in node:
            field = message.field(entry.key)
            if field is None:
                hint = hint_for(entry.key, [each.name for each in message.fields])
                fault = f"unknown field `{entry.key}`"
                place.field(entry.key).error(codes.UNKNOWN_FIELD, fault, entry, hint)
            elif not is_null(entry.value):
                inner = place.field(field.name)
                other = given.setdefault(field.oneof or field.name, entry.key)
                if other != entry.key:
                    fault = f"`{other}` and `{entry.key}` exclude each other"
                    inner.error(codes.FIELD_TWICE, fault, entry, "Remove one of them.")
                parts.append((field.number, self._field(entry.value, field, inner)))
        return b"".join(part for _, part in sorted(parts, key=lambda each: each[0]))

    def _field(self, node: Node, field: FieldSchema, place: Place) -> bytes:
        entry = self.schema.map_entry(field)
        if entry is not None:
            return b"".join(self._map(node, field, entry, place))
        if not field.is_repeated:
            return _tagged(field, self._content(node, field, place))
        if not isinstance(node, ListNode):
            hint = "Begin the item with `- `."
            place.error(codes.WRONG_TYPE, f"found {describe(node)}; wanted a list", node, hint)
            return b""
        contents = [
            self._content(item, field, place.item(index)) for index, item in enumerate(node.items)
        ]
        if field.is_packed:
            return tag(field.number, LENGTH_DELIMITED) + sized(b"".join(contents))
        return b"".join(_tagged(field, each) for each in contents)

    def _map(
        self, node: Node, field: FieldSchema, entry: MessageSchema, place: Place
    ) -> Iterator[bytes]:
        key, value = entry.fields
        if not isinstance(node, MapNode):
            place.error(codes.WRONG_TYPE, f"found {describe(node)}; wanted a mapping", node)
            return
        for each in node:
            inner = place.item(each.key)
            as_node = ScalarNode(_key_value(each.key, key.type), each.key, each.location)
            content = _tagged(key, self._content(as_node, key, inner))
            content += _tagged(value, self._content(each.value, value, inner))
            yield tag(field.number, LENGTH_DELIMITED) + sized(content)

    def _content(self, node: Node, field: FieldSchema, place: Place) -> bytes:
        match field.type:
            case FieldType.MESSAGE:
                return self._message_content(node, field, place)
            case FieldType.ENUM:
                return self._enum(node, field, place)
            case FieldType.GROUP:
                message = "the field is a group, which configuration cannot set"
                place.error(codes.NO_ENCODER, message, node)
                return b""
            case FieldType.STRING | FieldType.BOOL | FieldType.BYTES:
                found = decode_scalar(node, _CARRIERS[field.type], place)
                if found is None or field.type is FieldType.BYTES:
                    return cast("bytes", found or b"")
                return scalar_payload(field.type)(found)
            case FieldType.DOUBLE | FieldType.FLOAT:
                number = decode_scalar(node, float, place)
                return b"" if number is None else _safely(number, field.type, node, place)
            case _:
                whole = _whole(node)
                if whole is None:
                    message = f"found {describe(node)}; wanted a whole number"
                    place.error(codes.WRONG_TYPE, message, node)
                    return b""
                return _safely(whole, field.type, node, place)

    def _message_content(self, node: Node, field: FieldSchema, place: Place) -> bytes:
        if field.type_name == _DURATION and isinstance(node, ScalarNode):
            duration = decode_scalar(node, Duration, place)
            return b"" if duration is None else _instant(*split_duration(cast("int", duration)))
        if field.type_name == _TIMESTAMP and isinstance(node, ScalarNode):
            instant = _timestamp(node, place)
            return b"" if instant is None else _instant(*split_timestamp(instant))
        message = self.schema.messages.get(field.type_name)
        if message is None:
            text = f"the field is of type `{field.type_name}`, which configuration cannot set"
            place.error(codes.NO_ENCODER, text, node)
            return b""
        return self.message(node, message, place)

    def _enum(self, node: Node, field: FieldSchema, place: Place) -> bytes:
        """Source: by name only."""
        enum = self.schema.enums.get(field.type_name)
        numbers = {} if enum is None else enum.numbers
        name = node.value if isinstance(node, ScalarNode) else None
        if isinstance(name, str) and name in numbers:
            return varint(numbers[name])
        found = name if isinstance(name, str) else ""
        message = f"found {describe(node)}; wanted a name of `{field.type_name}`"
        place.error(codes.UNKNOWN_ENUM, message, node, hint_for(found, numbers))
        return b""


_CARRIERS: Final = {FieldType.STRING: str, FieldType.BOOL: bool, FieldType.BYTES: bytes}


def _tagged(field: FieldSchema, content: bytes) -> bytes:
    if field.type is FieldType.GROUP:  # a problem already
        return b""
    wire_type = WIRE_TYPES[field.type]
    body = sized(content) if wire_type == LENGTH_DELIMITED else content
    return tag(field.number, wire_type) + body


def _key_value(text: str, type_: FieldType) -> str | bool:
    """A map's key, which YAML gives as a text, as the field wants it."""
    is_boolean = type_ is FieldType.BOOL and text in {"true", "false"}
    return text == "true" if is_boolean else text


def _safely(number: object, type_: FieldType, node: Node, place: Place) -> bytes:
    try:
        return scalar_payload(type_)(number)
    except PayloadError as error:
        place.error(codes.OUT_OF_RANGE, f"found {describe(node)}: {error}", node)
        return b""


def _whole(node: Node) -> int | None:
    """A number, or the text of one with Go's prefixes. Source: `strconv.ParseInt(text, 0, 64)`."""
    value = node.value if isinstance(node, ScalarNode) else None
    match value:
        case bool() | None:
            return None
        case int():
            return value
        case float():
            return int(value) if value.is_integer() else None
        case str():
            return _parsed(value)


def _parsed(text: str) -> int | None:
    """Go reads `017` as octal, which Python refuses."""
    digits = text.lstrip("+-")
    is_octal = digits[:1] == "0" and digits.isdecimal()
    try:
        return int(text, 8 if is_octal else 0) if len(text) <= _LONGEST_INTEGER else None
    except ValueError:
        return None


def _timestamp(node: ScalarNode, place: Place) -> Timestamp | None:
    found = parse_timestamp(node.value) if isinstance(node.value, str) else None
    if found is None:
        message = f"found {describe(node)}; wanted an instant"
        hint = "Example: `2021-06-01T06:00:00Z`."
        place.error(codes.BAD_CONSTANT, message, node, hint)
    return found


def _instant(seconds: int, nanos: int) -> bytes:
    content = tag(1, VARINT) + varint(seconds) if seconds else b""
    return content + (tag(2, VARINT) + varint(nanos) if nanos else b"")
