"""Typed trees as parts of a larger function that reads each attribute at most once.

Theory of operation. Every attribute, and every constant key of a string map, has a local variable
of the function, a *slot*. It holds `...` until the value is read, then the value, or None for
absence. So the classes of what the slots hold in the end tell what was read and what was absent:
`references_of` makes of them the very set that a `TrackedBag` would have made of the same reads.

Keys that are computed have no slot; an expression with such a key is not inlined, nor one that
hands a string map on.
"""

import ast
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from remixer.attributes.bag import SCALARS, Condition, Reference
from remixer.attributes.values import Value, ValueType
from remixer.expr.codegen import Generator
from remixer.expr.source import PythonLocation, Source
from remixer.expr.typed import (
    Apply,
    Choice,
    Constant,
    Default,
    Discarded,
    Failure,
    Logic,
    Lookup,
    Read,
    Sum,
    Typed,
)

UNREAD: Final = ...
"""What a slot holds before anybody reads. A constant of the language, so that code loads it fast."""
_UNREAD_CLASS: Final = type(UNREAD)


class SlotKind(Enum):
    """What a slot stands for."""

    ATTRIBUTE = "attribute"
    ENTRY = "entry"
    WHOLE = "whole"


@dataclass(frozen=True, slots=True)
class Slot:
    """One thing that may be read."""

    variable: str
    kind: SlotKind
    name: str
    key: str | None = None
    is_map: bool = False
    """Of an attribute: whether it is declared to be a string map."""


class NotInlinableError(Exception):
    """Reads of this expression cannot be told in advance."""


class Slots:
    """The slots of one function, in order of first mention."""

    def __init__(self) -> None:
        self._slots: dict[tuple[SlotKind, str, str | None], Slot] = {}

    def attribute(self, name: str, *, is_map: bool) -> str:
        """The variable of an attribute. Raises `NotInlinableError` if it is of two types."""
        slot = self._slot(SlotKind.ATTRIBUTE, name, None, is_map=is_map)
        if slot.is_map is not is_map:
            raise NotInlinableError
        return slot.variable

    def entry(self, name: str, key: str) -> str:
        return self._slot(SlotKind.ENTRY, name, key).variable

    def whole(self, name: str) -> str:
        return self._slot(SlotKind.WHOLE, name, None).variable

    def all(self) -> tuple[Slot, ...]:
        return tuple(self._slots.values())

    def _slot(self, kind: SlotKind, name: str, key: str | None, *, is_map: bool = False) -> Slot:
        known = self._slots.get((kind, name, key))
        if known is None:
            variable = f"s{len(self._slots)}"
            known = self._slots[kind, name, key] = Slot(variable, kind, name, key, is_map)
        return known


class InlineGenerator(Generator):
    """Writes expressions that read through slots."""

    def __init__(
        self, source: Source, known: dict[str, object], slots: Slots, *, lines_before: int
    ) -> None:
        """`lines_before`: of the function's text, where the expression's own begins."""
        super().__init__(source, known)
        self._slots = slots
        self._lines_before = lines_before

    def inlined(self, tree: Typed) -> ast.expr:
        """An expression with the value of `tree`. Raises `NotInlinableError`."""
        if not all(map(_is_told_in_advance, _parts(tree))):
            raise NotInlinableError
        return self.plain(tree)

    def condition(self, tree: Typed, note: Callable[[Read, ast.expr], ast.expr]) -> ast.expr:
        """As `inlined`, true or false; mostly false without an exception where `tree` would raise.

        That is, where an attribute cannot be read that a comparison with a constant begins with:
        a request without the attributes of a rule is ordinary. `note` makes what is then evaluated
        with the attribute's value; it must be false.
        """
        if not all(map(_is_told_in_advance, _parts(tree))):
            raise NotInlinableError
        operands = [self._guarded(node, note) for node in _conjunction(tree)]
        return operands[0] if len(operands) == 1 else _all_of(operands, self._at(tree))

    def _guarded(self, node: Typed, note: Callable[[Read, ast.expr], ast.expr]) -> ast.expr:
        if not isinstance(node, Apply) or not node.operation.symbol or node.surplus:
            return self.plain(node)
        left, right = node.arguments
        read = left.map if isinstance(left, Lookup) else left
        if not isinstance(read, Read) or not isinstance(right, Constant):
            return self.plain(node)
        at = self._at(node)
        into = self._temporary()
        value: ast.expr = ast.Name(into, ast.Load(), **at)
        is_read = self._reads(read, into)
        noted = note(read, ast.Name(into, ast.Load(), **at))
        if isinstance(left, Lookup):
            value = self._text_of(self._entry(left, value, self.plain(left.key)), at)
        result = self._operation(node.operation, [value, self.plain(right)], at)
        return _all_of([ast.BoolOp(ast.Or(), [is_read, noted], **at), result], at)

    def _text_of(self, entry: ast.expr, at: PythonLocation) -> ast.expr:
        """An entry of a string map; empty text if it is missing."""
        into = self._temporary()
        store = ast.NamedExpr(ast.Name(into, ast.Store(), **at), entry, **at)
        is_absent = ast.Compare(store, [ast.Is()], [ast.Constant(None, **at)], **at)
        found = ast.Name(into, ast.Load(), **at)
        return ast.IfExp(is_absent, ast.Constant("", **at), found, **at)

    def all_entries(self, tree: Typed, copied_by: Callable[[Value], object]) -> ast.expr:
        """`copied_by` of the string map that `tree` gives. Raises `NotInlinableError`."""
        if not isinstance(tree, Read):
            raise NotInlinableError
        at = self._at(tree)
        copy = ast.Call(
            ast.Name(self._bind(copied_by, "copy"), ast.Load(), **at), [self.plain(tree)], [], **at
        )
        return ast.NamedExpr(ast.Name(self._slots.whole(tree.name), ast.Store(), **at), copy, **at)

    def _at(self, node: Typed) -> PythonLocation:
        at = super()._at(node)
        at["lineno"] += self._lines_before
        at["end_lineno"] += self._lines_before
        return at

    def _attribute(self, node: Read) -> ast.expr:
        variable = self._slots.attribute(node.name, is_map=node.type is ValueType.STRING_MAP)
        return _once(variable, super()._attribute(node), self._at(node))

    def _entry(self, node: Lookup, map_value: ast.expr, key: ast.expr) -> ast.expr:
        assert isinstance(node.map, Read)  # noqa: S101 - by `_is_told_in_advance`
        assert isinstance(node.key, Constant)  # noqa: S101 - the same
        variable = self._slots.entry(node.map.name, str(node.key.value))
        return _once(variable, super()._entry(node, map_value, key), self._at(node))


def _all_of(operands: list[ast.expr], at: PythonLocation) -> ast.expr:
    return ast.BoolOp(ast.And(), operands, **at)


def _conjunction(tree: Typed) -> Iterator[Typed]:
    """What must all be true, from left to right."""
    if isinstance(tree, Logic) and tree.is_and:
        for operand in tree.operands:
            yield from _conjunction(operand)
    else:
        yield tree


def _once(variable: str, read: ast.expr, at: PythonLocation) -> ast.expr:
    """The slot's value, which is read if it was not before."""
    unread = ast.Constant(UNREAD, **at)
    is_read = ast.Compare(ast.Name(variable, ast.Load(), **at), [ast.IsNot()], [unread], **at)
    store = ast.NamedExpr(ast.Name(variable, ast.Store(), **at), read, **at)
    return ast.IfExp(is_read, ast.Name(variable, ast.Load(), **at), store, **at)


def _parts(tree: Typed) -> Iterator[Typed]:
    """The node and all below it, but for maps whose keys are known: these belong to the look-up."""
    yield tree
    for part in _children(tree):
        yield from _parts(part)


def _children(node: Typed) -> Sequence[Typed]:
    match node:
        case Constant() | Read() | Failure():
            return ()
        case Lookup():
            is_known = isinstance(node.map, Read) and isinstance(node.key, Constant)
            return () if is_known else (node.map, node.key)
        case Apply():
            return (*node.surplus, *node.arguments)
        case Sum() | Logic() | Default():
            return node.operands
        case Choice():
            return (node.condition, node.if_true, node.if_false)
        case Discarded():
            return (node.operand,)


def _is_told_in_advance(node: Typed) -> bool:
    if isinstance(node, Lookup):
        return isinstance(node.map, Read) and isinstance(node.key, Constant)
    return node.type is not ValueType.STRING_MAP


def references_of(slots: Sequence[Slot], classes: Sequence[type]) -> frozenset[Reference]:
    """What was read, from the classes of what the slots hold."""
    read = {
        (slot.kind, slot.name): class_
        for slot, class_ in zip(slots, classes, strict=True)
        if class_ is not _UNREAD_CLASS and slot.kind is not SlotKind.ENTRY
    }
    entries: dict[str, list[Reference]] = {}
    for slot, class_ in zip(slots, classes, strict=True):
        if slot.kind is SlotKind.ENTRY and class_ is not _UNREAD_CLASS:
            found = Reference(slot.name, slot.key, _condition(class_))
            entries.setdefault(slot.name, []).append(found)
    references: list[Reference] = []
    for slot in slots:
        if slot.kind is not SlotKind.ATTRIBUTE or (slot.kind, slot.name) not in read:
            continue
        class_ = read[slot.kind, slot.name]
        is_map = slot.is_map and class_ is not type(None) and class_ not in SCALARS
        if not is_map or (SlotKind.WHOLE, slot.name) in read:
            references.append(Reference(slot.name, None, _condition(class_)))
        else:
            presence = Reference(slot.name, None, Condition.PRESENCE)
            references.extend(entries.get(slot.name, [presence]))
    return frozenset(references)


def _condition(class_: type) -> Condition:
    return Condition.ABSENCE if class_ is type(None) else Condition.EXACT
