"""`params` of instances whose template is a resource, compiled against its `InstanceMsg`.

Objects are messages and maps, lists are repeated fields; single values are read by
`remixer.config.dynamic_values`. Fields are written in ascending order of their numbers.

Source: the dynamic encoder of Mixer 1.3, which took no repeated numbers that are not packed.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from remixer.config import codes
from remixer.config.dynamic_parts import Part, field_part, joined
from remixer.config.dynamic_values import ValueReader
from remixer.foundation.documents.nodes import (
    ListNode,
    MapEntry,
    MapNode,
    Node,
    ScalarNode,
    describe,
    is_null,
)
from remixer.foundation.findings import hint_for
from remixer.wire.adapter_model import INSTANCE_NAME_FIELD
from remixer.wire.descriptor_schema import (
    VALUE,
    WRAPPERS,
    FieldSchema,
    FieldType,
    MessageSchema,
    Schema,
)
from remixer.wire.field_bytes import LENGTH_DELIMITED
from remixer.wire.proto_json.decode import Place
from remixer.wire.typed_payloads import WIRE_TYPES, text_payload


@dataclass(frozen=True, slots=True)
class FieldReader:
    """Compiles one instance. After a problem its parts are of no use."""

    schema: Schema
    values: ValueReader

    def instance(self, node: Node | None, message: MessageSchema, name: str, place: Place) -> Part:
        """The whole `InstanceMsg`; `name` is the instance's own."""
        own = field_part(INSTANCE_NAME_FIELD, LENGTH_DELIMITED, Part(text_payload(name)))
        fields = tuple(each for each in message.fields if each.number != INSTANCE_NAME_FIELD)
        params = MessageSchema(message.name, fields)
        found = [] if node is None or is_null(node) else self._fields(node, params, "", place)
        return joined(part for _, part in sorted([*found, (INSTANCE_NAME_FIELD, own)], key=_number))

    def message(self, node: Node, message: MessageSchema, path: str, place: Place) -> Part:
        """A message inside another."""
        found = self._fields(node, message, f"{path}.", place)
        return joined(part for _, part in sorted(found, key=_number))

    def _fields(
        self, node: Node, message: MessageSchema, prefix: str, place: Place
    ) -> list[tuple[int, Part]]:
        """Parts by field number, in order of writing."""
        if not isinstance(node, MapNode):
            place.error(codes.WRONG_TYPE, f"found {describe(node)}; wanted a mapping", node)
            return []
        parts: list[tuple[int, Part]] = []
        given: dict[str, str] = {}
        for entry in node:
            field = message.field(entry.key)
            if field is None:
                self._report_unknown(entry, message, place)
            elif not is_null(entry.value):
                inner = place.field(field.name)
                self._report_doubles(entry, field, given, inner)
                read = self._field(entry.value, field, prefix + field.name, inner)
                parts.extend((field.number, part) for part in read if part is not None)
        return parts

    def _report_unknown(self, entry: MapEntry, message: MessageSchema, place: Place) -> None:
        fault = f"unknown field `{entry.key}`"
        hint = hint_for(entry.key, [each.name for each in message.fields])
        place.field(entry.key).error(codes.UNKNOWN_FIELD, fault, entry, hint)

    def _report_doubles(
        self, entry: MapEntry, field: FieldSchema, given: dict[str, str], place: Place
    ) -> None:
        """Both spellings of one field, or two members of one oneof."""
        earlier = given.get(field.name)
        if earlier is not None:
            fault = f"the field is given twice, as `{earlier}` and `{entry.key}`"
            place.error(codes.FIELD_TWICE, fault, entry, "Remove one of them.")
        given[field.name] = entry.key
        if field.oneof and earlier is None:
            member = given.setdefault(f"oneof {field.oneof}", entry.key)
            if member != entry.key:
                fault = f"`{member}` and `{entry.key}` are alternatives (`{field.oneof}`)"
                place.error(codes.FIELD_TWICE, fault, entry, "Remove one of them.")

    def _field(
        self, node: Node, field: FieldSchema, path: str, place: Place
    ) -> Iterator[Part | None]:
        """The field with its tag; one part per element if it is repeated."""
        entry = self.schema.map_entry(field)
        if entry is not None:
            yield from self._map(node, field, entry, path, place)
        elif field.is_repeated:
            yield from self._list(node, field, path, place)
        else:
            content = self._content(node, field, path, place)
            if content is not None:
                yield field_part(field.number, WIRE_TYPES[field.type], content)

    def _list(
        self, node: Node, field: FieldSchema, path: str, place: Place
    ) -> Iterator[Part | None]:
        if not isinstance(node, ListNode):
            hint = "Begin the item with `- `."
            place.error(codes.WRONG_TYPE, f"found {describe(node)}; wanted a list", node, hint)
            return
        contents = [
            self._element(item, field, f"{path}[{index}]", place.item(index))
            for index, item in enumerate(node.items)
        ]
        usable = [each for each in contents if each is not None]
        if field.is_packed and usable:
            yield field_part(field.number, LENGTH_DELIMITED, joined(usable))
            return
        for content in usable:
            yield field_part(field.number, WIRE_TYPES[field.type], content)

    def _map(
        self, node: Node, field: FieldSchema, entry: MessageSchema, path: str, place: Place
    ) -> Iterator[Part | None]:
        """One entry per key; the key is taken literally."""
        key, value = entry.fields
        if key.type is not FieldType.STRING:
            _report_no_encoder(node, place, "a map whose keys are not `string`")
            return
        if not isinstance(node, MapNode):
            hint = "Write one line `key: value` per entry."
            fault = f"found {describe(node)}; wanted a mapping"
            place.error(codes.WRONG_TYPE, fault, node, hint)
            return
        for each in node:
            inner = place.item(each.key)
            content = self._element(each.value, value, f"{path}[{each.key}]", inner)
            if content is not None:
                key_part = field_part(1, LENGTH_DELIMITED, Part(text_payload(each.key)))
                value_part = field_part(2, WIRE_TYPES[value.type], content)
                yield field_part(field.number, LENGTH_DELIMITED, joined((key_part, value_part)))

    def _element(self, node: Node, field: FieldSchema, path: str, place: Place) -> Part | None:
        if is_null(node):
            place.error(codes.WRONG_TYPE, "found null where a value was wanted", node)
            return None
        return self._content(node, field, path, place)

    def _content(self, node: Node, field: FieldSchema, path: str, place: Place) -> Part | None:
        """What stands behind the tag."""
        if isinstance(node, ScalarNode) and node.value == "":
            hint = "Leave the field out, or write `\"''\"` for an empty text."
            place.error(codes.EMPTY_EXPRESSION, "the expression is empty", node, hint)
            return None
        if field.type is FieldType.MESSAGE:
            return self._message_content(node, field, path, place)
        enum = self.schema.enums.get(field.type_name)
        if field.type is FieldType.ENUM and enum is not None:
            return self.values.enum(node, enum, path, place)
        if field.type in {FieldType.BYTES, FieldType.GROUP, FieldType.ENUM}:
            _report_no_encoder(node, place, f"`{field.type.name.lower()}`")
            return None
        return self.values.scalar(node, field.type, path, place)

    def _message_content(
        self, node: Node, field: FieldSchema, path: str, place: Place
    ) -> Part | None:
        if field.type_name == VALUE and not isinstance(node, MapNode):
            return self.values.value(node, path, place)
        wrapped = WRAPPERS.get(field.type_name)
        if wrapped is not None and not isinstance(node, MapNode):
            return self.values.wrapper(node, wrapped, path, place)
        message = self.schema.messages.get(field.type_name)
        if message is None:
            _report_no_encoder(node, place, f"`{field.type_name}`")
            return None
        return self.message(node, message, path, place)


def _number(numbered: tuple[int, Part]) -> int:
    return numbered[0]


def _report_no_encoder(node: Node, place: Place, what: str) -> None:
    message = f"the field is of type {what}, which configuration cannot set"
    place.error(codes.NO_ENCODER, message, node)
