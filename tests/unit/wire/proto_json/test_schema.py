"""Annotations that parameters may have, and those that they may not."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import ClassVar

import pytest

from remixer.attributes.values import Duration
from remixer.wire.proto_json.schema import (
    AnyShape,
    ListShape,
    SchemaError,
    blank,
    check_schema,
    schema_of,
)


class Size(IntEnum):
    SMALL = 3


@dataclass(frozen=True)
class Child:
    name: str


@dataclass(frozen=True)
class Everything:
    """Nothing has a default."""

    KIND: ClassVar[str] = "not a field"

    text: str
    number: int
    size: Size
    timeout: Duration
    children: tuple[Child, ...]
    by_name: Mapping[str, Child]
    child: Child
    maybe: Child | None


@dataclass(frozen=True)
class Tree:
    branches: tuple["Tree", ...] = ()


@dataclass(frozen=True)
class WithSet:
    names: frozenset[str] = frozenset()


@dataclass(frozen=True)
class HidesWithSet:
    inner: Mapping[str, tuple[WithSet, ...]] = field(default_factory=dict)


def test_blank_fills_zero_values() -> None:
    assert blank(Everything) == Everything("", 0, Size.SMALL, Duration(0), (), {}, Child(""), None)


def test_class_variables_are_no_fields() -> None:
    assert "KIND" not in schema_of(Everything).by_key


def test_proto_names_are_shown_once_each() -> None:
    assert schema_of(Everything).proto_names == [
        "text",
        "number",
        "size",
        "timeout",
        "children",
        "by_name",
        "child",
        "maybe",
    ]


def test_message_may_contain_itself() -> None:
    check_schema(Tree)


def test_unusable_annotation_is_found_however_deep() -> None:
    with pytest.raises(SchemaError, match=r"WithSet\.names"):
        check_schema(HidesWithSet)


@dataclass(frozen=True)
class Circle:
    TYPE_URL: ClassVar[str] = "type.googleapis.com/shapes.Circle"

    radius: int = 0


@dataclass(frozen=True)
class Square:
    TYPE_URL: ClassVar[str] = "type.googleapis.com/shapes.Square"

    side: int = 0


@dataclass(frozen=True)
class Drawing:
    shapes: tuple[Circle | Square, ...] = ()


def test_union_of_messages_is_told_apart_by_type_url() -> None:
    check_schema(Drawing)
    shape = schema_of(Drawing).by_key["shapes"].shape
    assert shape == ListShape(
        AnyShape({Circle.TYPE_URL: Circle, Square.TYPE_URL: Square}),
    )


@dataclass(frozen=True)
class Ambiguous:
    value: int | str = 0


def test_union_without_type_urls_is_refused() -> None:
    with pytest.raises(SchemaError, match=r"Ambiguous\.value.*TYPE_URL"):
        check_schema(Ambiguous)


def test_annotation_that_cannot_be_read_is_refused() -> None:
    @dataclass(frozen=True)
    class Unreadable:
        value: "NoSuchName" = 0  # type: ignore[name-defined]  # noqa: F821 - the point of the test

    with pytest.raises(SchemaError, match="cannot be read"):
        check_schema(Unreadable)


def test_params_must_be_a_dataclass() -> None:
    with pytest.raises(SchemaError, match="not a dataclass"):
        check_schema(dict)
