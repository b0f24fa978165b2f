"""Strict decoding: a located tree into a frozen dataclass, every fault found at once.

The dataclass is the schema (`remixer.wire.proto_json.schema`); an instance of it is the prototype whose
values stand where the operator says nothing. Messages merge field by field; repeated fields and
maps replace the prototype's. Null means "not given".

Source: proto JSON, as Mixer 1.3 applies it to configuration.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar, assert_never, cast

from remixer.foundation.documents import codes
from remixer.foundation.documents.nodes import (
    ListNode,
    MapEntry,
    MapNode,
    Node,
    ScalarNode,
    describe,
    is_null,
)
from remixer.foundation.findings import Findings, hint_for
from remixer.wire.proto_json.decode_scalars import decode_enum, decode_scalar
from remixer.wire.proto_json.schema import (
    AnyShape,
    EnumShape,
    ListShape,
    MapShape,
    MessageField,
    MessageShape,
    ScalarShape,
    Shape,
    TreeShape,
    blank,
    schema_of,
)

T = TypeVar("T")

TYPE_KEY: Final = "@type"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stands, for problems: its field path, and who collects them."""

    path: str
    findings: Findings

    def field(self, name: str) -> "Place":
        return Place(f"{self.path}.{name}" if self.path else name, self.findings)

    def item(self, key: str | int) -> "Place":
        return Place(f"{self.path}[{key}]", self.findings)

    def error(self, code: str, message: str, node: Node | MapEntry, hint: str = "") -> None:
        self.findings.error(code, message, node.location, field=self.path, hint=hint)


def decode(node: Node | None, prototype: T, place: Place) -> T | None:
    """`prototype` with the values of `node` merged over it; None if anything was wrong.

    Raises `SchemaError` if the prototype's class cannot be decoded into.
    """
    errors_before = place.findings.error_count
    decoded = cast("T", _message(node, prototype, place))
    return decoded if place.findings.error_count == errors_before else None


def _message(node: Node | None, prototype: object, place: Place) -> object:
    if node is None or is_null(node):
        return prototype
    if not isinstance(node, MapNode):
        place.error(codes.WRONG_TYPE, f"found {describe(node)}; wanted a mapping", node)
        return prototype
    message: type = type(prototype)
    schema = schema_of(message)
    changes: dict[str, object] = {}
    given: dict[str, str] = {}
    for entry in node:
        field = schema.by_key.get(entry.key)
        if field is None:
            _unknown_field(entry, prototype, schema.proto_names, place)
            continue
        inner = place.field(field.proto_name)
        if field.name in given:
            fault = f"the field is given twice, as `{given[field.name]}` and `{entry.key}`"
            inner.error(codes.FIELD_TWICE, fault, entry, "Remove one of them.")
        given[field.name] = entry.key
        if not is_null(entry.value):
            changes[field.name] = _field(entry.value, field, prototype, inner)
    # Typing knows no "any frozen dataclass" that `replace` would take.
    return replace(cast("Any", prototype), **changes)


def _unknown_field(entry: MapEntry, prototype: object, known: list[str], place: Place) -> None:
    if entry.key == TYPE_KEY and _is_type(entry.value, prototype):
        return
    message = f"unknown field `{entry.key}`"
    place.field(entry.key).error(codes.UNKNOWN_FIELD, message, entry, hint_for(entry.key, known))


def _is_type(node: Node, message: object) -> bool:
    url = getattr(message, "TYPE_URL", None)
    return isinstance(url, str) and _type_name(_text(node)) == _type_name(url)


def _field(node: Node, field: MessageField, prototype: object, place: Place) -> object:
    current: object = getattr(prototype, field.name)
    return _value(node, field.shape, current, place)


def _value(node: Node, shape: Shape, current: object, place: Place) -> object:
    """The decoded value; after a fault, anything, for the caller will discard it."""
    match shape:
        case ScalarShape():
            return decode_scalar(node, shape.type, place)
        case EnumShape():
            return decode_enum(node, shape.type, place)
        case ListShape():
            return _list(node, shape, place)
        case MapShape():
            return _map(node, shape, place)
        case MessageShape():
            return _message(node, blank(shape.type) if current is None else current, place)
        case AnyShape():
            return _any(node, shape.by_url, place)
        case TreeShape():
            return _tree(node, shape, place)
        case _:
            assert_never(shape)


def _list(node: Node, shape: ListShape, place: Place) -> object:
    if not isinstance(node, ListNode):
        hint = "Begin the item with `- `."
        place.error(codes.WRONG_TYPE, f"found {describe(node)}; wanted a list", node, hint)
        return ()
    return tuple(
        _element(item, shape.item, place.item(index)) for index, item in enumerate(node.items)
    )


def _map(node: Node, shape: MapShape, place: Place) -> object:
    if not isinstance(node, MapNode):
        place.error(codes.WRONG_TYPE, f"found {describe(node)}; wanted a mapping", node)
        return {}
    return {entry.key: _element(entry.value, shape.value, place.item(entry.key)) for entry in node}


def _element(node: Node, shape: Shape, place: Place) -> object:
    if is_null(node) and shape != TreeShape(is_map=False):
        place.error(codes.WRONG_TYPE, "found null where a value was wanted", node)
        return None
    return _value(node, shape, None, place)


def _any(node: Node, by_url: Mapping[str, type], place: Place) -> object:
    if not isinstance(node, MapNode):
        place.error(codes.WRONG_TYPE, f"found {describe(node)}; wanted a mapping", node)
        return None
    named = node.get(TYPE_KEY)
    known = {_type_name(url): message for url, message in by_url.items()}
    if named is None:
        hint = f"Add `{TYPE_KEY}: {min(by_url)}`."
        place.error(codes.BAD_ANY_TYPE, f"`{TYPE_KEY}` is missing", node, hint)
        return None
    message = known.get(_type_name(_text(named)))
    if message is None:
        text = f"found {describe(named)}, which is no message that may stand here"
        hint = hint_for(_text(named), by_url)
        place.field(TYPE_KEY).error(codes.BAD_ANY_TYPE, text, named, hint)
        return None
    return _message(node, blank(message), place)


def _tree(node: Node, shape: TreeShape, place: Place) -> object:
    if shape.is_map and not isinstance(node, MapNode):
        place.error(codes.WRONG_TYPE, f"found {describe(node)}; wanted a mapping", node)
        return None
    return node


def _type_name(url: str) -> str:
    """`type.googleapis.com/a.B` and `a.B` name one message."""
    return url.rpartition("/")[2]


def _text(node: Node) -> str:
    return node.value if isinstance(node, ScalarNode) and isinstance(node.value, str) else ""
