"""What a params dataclass asks for: its annotations as a small closed set of shapes.

`remixer.sdk.params` says which annotations an adapter may use. Reading them here once keeps the
decoder free of typing's reflection, and finds an unusable annotation before any value does.
"""

from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from enum import IntEnum
from functools import lru_cache
from types import NoneType, UnionType
from typing import Any, Final, TypeAlias, Union, cast, get_args, get_origin, get_type_hints

from remixer.attributes.values import Duration
from remixer.foundation.documents.nodes import ListNode, MapNode, ScalarNode
from remixer.foundation.field_names import lower_camel
from remixer.wire.proto_json.numbers import Int32, UInt32


class SchemaError(Exception):
    """A dataclass that cannot be decoded into; the fault of whoever wrote the class."""


@dataclass(frozen=True, slots=True)
class ScalarShape:
    """`str`, `bool`, `int`, `Int32`, `UInt32`, `float`, `bytes` or `Duration`, under that very key."""

    type: object


@dataclass(frozen=True, slots=True)
class EnumShape:
    """A name or number."""

    type: type[IntEnum]


@dataclass(frozen=True, slots=True)
class ListShape:
    """Repeated."""

    item: "Shape"


@dataclass(frozen=True, slots=True)
class MapShape:
    """Text to something."""

    value: "Shape"


@dataclass(frozen=True, slots=True)
class MessageShape:
    """A dataclass."""

    type: type


@dataclass(frozen=True, slots=True)
class AnyShape:
    """One of several dataclasses, told apart by `@type`."""

    by_url: Mapping[str, type]


@dataclass(frozen=True, slots=True)
class TreeShape:
    """The undecoded node itself; a mapping if `is_map`."""

    is_map: bool


Shape: TypeAlias = (
    ScalarShape | EnumShape | ListShape | MapShape | MessageShape | AnyShape | TreeShape
)


@dataclass(frozen=True, slots=True)
class MessageField:
    """A field of a message. `proto_name` may differ from `name` by a trailing underscore."""

    name: str
    proto_name: str
    shape: Shape


@dataclass(frozen=True, slots=True)
class MessageSchema:
    """A message's fields by both spellings."""

    by_key: Mapping[str, MessageField]

    @property
    def proto_names(self) -> list[str]:
        """Names to show to people."""
        return list(dict.fromkeys(each.proto_name for each in self.by_key.values()))


_SCALARS: Final = (str, bool, int, float, bytes, Duration)
_ZEROS: Final[dict[object, object]] = {
    str: "",
    bool: False,
    int: 0,
    Int32: 0,
    UInt32: 0,
    float: 0.0,
    bytes: b"",
    Duration: Duration(0),
}
_NODE: Final = frozenset({ScalarNode, ListNode, MapNode})


@lru_cache(maxsize=512)  # a pure function of the class; adapters have a few dozen
def schema_of(message: type) -> MessageSchema:
    """Schema of a dataclass. Raises `SchemaError`."""
    try:
        hints = get_type_hints(message)
    except (NameError, TypeError) as error:
        text = f"the annotations of `{message.__qualname__}` cannot be read: {error}"
        raise SchemaError(text) from error
    by_key: dict[str, MessageField] = {}
    for each in _fields(message):
        name = each.name.rstrip("_")
        shape = _shape(hints[each.name], f"{message.__qualname__}.{each.name}")
        field = MessageField(each.name, name, shape)
        by_key[name] = by_key[lower_camel(name)] = field
    return MessageSchema(by_key)


def check_schema(message: type) -> None:
    """Raise `SchemaError` if any part of the message, however deep, is unusable."""
    _check(message, set())


def _check(message: type, seen: set[type]) -> None:
    if message in seen:
        return
    seen.add(message)
    for field in schema_of(message).by_key.values():
        for nested in _messages_of(field.shape):
            _check(nested, seen)


def _messages_of(shape: Shape) -> tuple[type, ...]:
    match shape:
        case MessageShape(type=message):
            return (message,)
        case ListShape(item=inner) | MapShape(value=inner):
            return _messages_of(inner)
        case AnyShape(by_url=by_url):
            return tuple(by_url.values())
        case _:
            return ()


def _fields(message: type) -> tuple[Field[object], ...]:
    if not is_dataclass(message):
        text = f"`{message.__qualname__}` is not a dataclass"
        raise SchemaError(text)
    return fields(message)


def blank(message: type) -> Any:  # noqa: ANN401 - an instance of the class given
    """An instance with the class's own defaults, and zero values where it has none."""
    hints = get_type_hints(message)
    values = {
        each.name: _zero(_shape(hints[each.name], each.name), hints[each.name])
        for each in _fields(message)
        if each.init and each.default is MISSING and each.default_factory is MISSING
    }
    return message(**values)


def _zero(shape: Shape, annotation: object) -> object:
    if NoneType in get_args(annotation):
        return None
    match shape:
        case ScalarShape(type=scalar):
            return _ZEROS[scalar]
        case EnumShape(type=enum):
            return next(iter(enum))
        case ListShape():
            return ()
        case MapShape():
            return {}
        case MessageShape(type=message):
            return blank(message)
        case AnyShape() | TreeShape():
            return None


def _shape(annotation: object, where: str) -> Shape:
    """The shape an annotation stands for; `T | None` has the shape of `T`."""
    if annotation in _SCALARS or annotation is Int32 or annotation is UInt32:
        return ScalarShape(annotation)
    shape = _shape_of_class(annotation) or _shape_of_generic(annotation, where)
    if shape is None:
        text = f"`{where}` has the annotation `{annotation}`, which parameters cannot have"
        raise SchemaError(text)
    return shape


def _shape_of_class(annotation: object) -> Shape | None:
    if annotation is MapNode:
        return TreeShape(is_map=True)
    if isinstance(annotation, type) and issubclass(annotation, IntEnum):
        return EnumShape(annotation)
    if isinstance(annotation, type) and is_dataclass(annotation):
        return MessageShape(annotation)
    return None


def _shape_of_generic(annotation: object, where: str) -> Shape | None:
    match get_origin(annotation), get_args(annotation):
        case (origin, arguments) if origin is Union or origin is UnionType:
            return _union(frozenset(arguments) - {NoneType}, where)
        case (origin, (item, last)) if origin is tuple and last is Ellipsis:
            return ListShape(_as_any(_shape(item, where)))
        case (origin, (key, value)) if origin in {Mapping, dict} and key is str:
            return MapShape(_as_any(_shape(value, where)))
        case _:
            return None


def _union(members: frozenset[object], where: str) -> Shape:
    if members == _NODE:
        return TreeShape(is_map=False)
    if len(members) == 1:
        return _shape(next(iter(members)), where)
    classes = [each for each in members if isinstance(each, type) and hasattr(each, "TYPE_URL")]
    if len(classes) == len(members):
        return AnyShape({_type_url(each): each for each in classes})
    text = f"`{where}` is a union whose members have no `TYPE_URL` to tell them apart"
    raise SchemaError(text)


def _as_any(shape: Shape) -> Shape:
    """Messages with a `TYPE_URL` stand for `google.protobuf.Any` where several may be."""
    if isinstance(shape, MessageShape) and hasattr(shape.type, "TYPE_URL"):
        return AnyShape({_type_url(shape.type): shape.type})
    return shape


def _type_url(message: type) -> str:
    return cast("str", message.__dict__.get("TYPE_URL") or getattr(message, "TYPE_URL", ""))
