"""Expressions inside a larger function: the same value, the same reads, each of them once."""

import ast
from collections.abc import Callable
from types import CodeType, FunctionType
from typing import cast

import pytest

from remixer.attributes.bag import Condition, PlainBag, Reference, TrackedBag, plain_bag
from remixer.attributes.values import PlainStringMap, Value, ValueType
from remixer.attributes.vocabulary import Vocabulary
from remixer.expr.codegen import globals_of
from remixer.expr.compile import Expression, compile_expression, typed_tree
from remixer.expr.errors import EvaluationError
from remixer.expr.inline import (
    UNREAD,
    InlineGenerator,
    NotInlinableError,
    Slots,
    references_of,
)
from remixer.templates.build import whole_entries

VOCABULARY = Vocabulary(
    {
        **dict.fromkeys(("a", "b"), ValueType.STRING),
        "i": ValueType.INT64,
        "m": ValueType.STRING_MAP,
        "n": ValueType.STRING_MAP,
    }
)


class Counting(PlainBag):
    """Counts how often it is asked for each attribute."""

    def __init__(self, values: PlainBag) -> None:
        super().__init__(values)
        self.asked: list[str] = []

    def __getitem__(self, name: str) -> Value | None:  # type: ignore[override] # as `Bag`
        self.asked.append(name)
        return super().get(name)


def expression(text: str) -> Expression:
    compiled = compile_expression(text, VOCABULARY)
    assert isinstance(compiled, Expression), compiled
    return compiled


def inlined(text: str, slots: Slots) -> Callable[[PlainBag], tuple[object, tuple[type, ...]]]:
    """A function that gives the value, or the error's text, and the classes of its slots."""
    found = typed_tree(expression(text), VOCABULARY)
    assert found is not None
    tree, source = found
    known = globals_of(text)
    generator = InlineGenerator(source, known, slots, lines_before=0)
    is_map = tree.type is ValueType.STRING_MAP
    body = generator.all_entries(tree, whole_entries) if is_map else generator.inlined(tree)
    names = [slot.variable for slot in slots.all()]
    module = ast.parse(
        "def f(bag):\n"
        f"    {' = '.join([*names, 'value'])} = ...\n"
        "    try:\n"
        "        value = HOLE\n"
        "    except EvaluationError as error:\n"
        "        value = error.message\n"
        f"    return value, ({''.join(f'type({each}), ' for each in names)})\n"
    )
    for node in ast.walk(module):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Name):
            node.value = body
    known["EvaluationError"] = EvaluationError
    code = compile(module, "test", "exec")
    inner = next(each for each in code.co_consts if isinstance(each, CodeType))
    return cast("Callable[[PlainBag], tuple[object, tuple[type, ...]]]", FunctionType(inner, known))


def by_itself(text: str, bag: PlainBag) -> tuple[object, object]:
    """Value or error, and references, of the expression's own function."""
    tracked = TrackedBag(bag)
    evaluate = expression(text).evaluate
    try:
        value: object = evaluate(tracked)
        if expression(text).type is ValueType.STRING_MAP:
            value = whole_entries(value)
    except EvaluationError as error:
        value = error.message
    return value, tracked.references()


BAGS: list[dict[str, Value | dict[str, str]]] = [
    {},
    {"a": "x"},
    {"a": "x", "b": "y", "i": 1},
    {"a": 5, "i": "1"},
    {"m": {}},
    {"m": {"k": "x", "l": "y"}, "a": "x"},
    {"m": "no map", "n": {"k": "1"}},
    {"a": {"k": "v"}, "b": "z"},
]
TEXTS = [
    "a",
    'a == "x" || b == "y"',
    'a | b | "none"',
    'm["k"] == "x" && m["l"] == "y"',
    'm["k"] | m["l"] | a | "none"',
    '(m["k"] | n["k"]) == "1"',
    "i + i",
    'a + a + m["k"] + m["k"] + a',
    "m",
]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("values", BAGS, ids=str)
def test_value_error_and_references_are_those_of_the_expression_itself(
    text: str, values: dict[str, Value | dict[str, str]]
) -> None:
    slots, bag = Slots(), plain_bag(values)
    value, classes = inlined(text, slots)(bag)
    assert (value, references_of(slots.all(), classes)) == by_itself(text, bag)


def test_a_string_map_of_which_no_entry_was_read_is_referenced_by_its_presence() -> None:
    """No expression of today stops there; if one does, the references must not be missing."""
    slots = Slots()
    slots.attribute("m", is_map=True)
    slots.entry("m", "k")
    bag = TrackedBag(plain_bag({"m": {"k": "v"}}))
    found = bag["m"]
    assert references_of(slots.all(), (PlainStringMap, type(UNREAD))) == bag.references()
    assert references_of(slots.all(), (type(found), str)) == {Reference("m", "k", Condition.EXACT)}


def test_an_attribute_is_read_once() -> None:
    bag = Counting(plain_bag({"a": "x", "m": {"k": "x"}}))
    value, _ = inlined('(a + a == "xx") && m["k"] == a && (m["l"] | a) == "x"', Slots())(bag)
    assert value is True
    assert bag.asked == ["a", "m"]


@pytest.mark.parametrize("text", ["m[a]", '(m | n)["k"]', "m[a] | a"])
def test_reads_that_cannot_be_told_in_advance_are_not_inlined(text: str) -> None:
    with pytest.raises(NotInlinableError):
        inlined(text, Slots())


def test_an_attribute_of_two_types_is_not_inlined() -> None:
    slots = Slots()
    slots.attribute("m", is_map=False)
    with pytest.raises(NotInlinableError):
        inlined('m["k"]', slots)


def test_the_tree_of_another_vocabulary_is_none() -> None:
    assert typed_tree(expression("a"), Vocabulary({"a": ValueType.INT64})) is None
    assert typed_tree(expression("a"), Vocabulary({})) is None
