"""Writes one Python function: a skeleton of our own, with policy's expressions in its holes.

Theory of operation. The skeleton is source text of our own with numbers in it; where policy has a
say it has a *hole*: a name in `x = HOLE_1` that stands for an expression, or alone on a line for
statements. The expressions are `ast` nodes, made from the typed trees of the policy's expressions,
and take the place of the holes before anything is compiled: policy text never becomes source. All
read through the same slots (`expr.inline`), the first of which hold what was read to choose the
route.

The skeleton is written piece by piece, in any order, so that a long function may be written with
pauses; each piece takes well under a millisecond.
"""

import ast
import hashlib
from asyncio import CancelledError
from collections.abc import Sequence
from types import CodeType
from typing import Final, assert_never, cast

from remixer.attributes.values import ValueType
from remixer.attributes.vocabulary import Vocabulary
from remixer.config.snapshot import InstanceConfig
from remixer.expr.codegen import globals_of
from remixer.expr.compile import Expression, typed_tree
from remixer.expr.errors import EvaluationError
from remixer.expr.inline import InlineGenerator, Slots
from remixer.expr.source import PythonLocation
from remixer.expr.typed import Typed
from remixer.runtime.guard import Guard
from remixer.runtime.routing import ROUTING
from remixer.templates.build import (
    Known,
    Leaf,
    MapPlan,
    MessagePlan,
    Plan,
    instance_plan,
    whole_entries,
)

_MOST_ASKED_APART: Final = 8
"""Variables whose classes are asked one by one; for more it is faster to go through them all."""

NOWHERE: Final = PythonLocation(lineno=1, col_offset=0, end_lineno=1, end_col_offset=0)
"""Of code that no text of policy stands for."""


class NotWritableError(Exception):
    """Must be interpreted."""


class FunctionWriter:
    """Collects what one function consists of."""

    def __init__(self, vocabulary: Vocabulary, guard: Guard) -> None:
        self._vocabulary = vocabulary
        self.slots: Final = Slots()
        for name in ROUTING:
            self.slots.attribute(name, is_map=False)
        self._lines: list[str] = []
        """Of policy and skeleton, in the order of writing: tracebacks point there."""
        self._holes: dict[str, ast.expr | list[ast.stmt]] = {}
        self._holes_so_far = 0
        self.known: Final[dict[str, object]] = globals_of("")
        """What the function finds by name."""
        self.known.update(
            {
                "id": id,
                "tuple": tuple,
                "map": map,
                "str": str,
                "Exception": Exception,
                "EvaluationError": EvaluationError,
                "WALL": (Exception, CancelledError),
                "clock": guard.now_s,
                "caught": guard.caught,
                "judged": guard.judged_now,
            }
        )

    def piece(self, lines: list[str]) -> list[ast.stmt]:
        """Statements of the skeleton, their holes filled."""
        before = len(self._lines)
        self._lines += lines
        statements = ast.parse("\n" * before + "\n".join(lines)).body
        return _filled(statements, self._holes)

    def compiled(self, function: list[str]) -> CodeType:
        """The code of a function with this skeleton; call last."""
        module = ast.Module(list(self.piece(function)), type_ignores=[])
        text = "\n".join(self._lines)
        self.known["__loader__"] = globals_of(text)["__loader__"]
        digest = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:12]
        code = compile(module, f"compiled route {digest}", "exec")
        return next(each for each in code.co_consts if isinstance(each, CodeType))

    def hole(self, content: ast.expr | list[ast.stmt]) -> str:
        """The name that stands for `content` in the next pieces, once."""
        name = f"HOLE_{self._holes_so_far}"
        self._holes_so_far += 1
        self._holes[name] = content
        return name

    def bound(self, value: object, hint: str) -> str:
        """The name under which the function finds `value`."""
        name = f"{hint}_{len(self.known)}"
        self.known[name] = value
        return name

    def beginning(self) -> str:
        """Nothing is read yet but for the route; after all expressions were made."""
        unread = [slot.variable for slot in self.slots.all()[len(ROUTING) :]]
        return " = ".join([*unread, "..."]) if unread else "pass"

    def classes(self) -> str:
        """Tells what was read; after all expressions were made."""
        variables = [slot.variable for slot in self.slots.all()]
        if len(variables) > _MOST_ASKED_APART:
            return f"tuple(map(type, ({', '.join(variables)})))"
        return "(" + ", ".join(f"type({each})" for each in variables) + ")"

    # ------------------------------------------------------------ expressions

    def inlined(self, expression: Expression) -> ast.expr:
        """Raises `NotWritableError` or `NotInlinableError`, as the others."""
        generator, tree = self.generator(expression)
        return generator.inlined(tree)

    def generator(self, expression: Expression) -> tuple[InlineGenerator, Typed]:
        """For what `inlined` does not do."""
        found = typed_tree(expression, self._vocabulary)
        if found is None:
            raise NotWritableError
        tree, source = found
        before = len(self._lines)
        self._lines += expression.text.split("\n")
        return InlineGenerator(source, self.known, self.slots, lines_before=before), tree

    def instance(self, config: InstanceConfig) -> ast.expr:
        """What the handler is given."""
        if config.expressions is None:
            raise NotWritableError
        return self._planned(instance_plan(config.template, config.name, config.expressions))

    def value(self, value: object) -> ast.expr:
        """A constant."""
        if type(value) is str:
            return constant(value)
        return load(self.bound(value, "constant"))

    def _planned(self, plan: Plan) -> ast.expr:
        match plan:
            case Known(value=value):
                return self.value(value)
            case Leaf(expression=expression):
                return self._leaf(expression)
            case MapPlan():
                entries = self._parts(plan)
                keys = [cast("ast.expr | None", constant(key)) for key, _ in entries]
                return ast.Dict(keys, [value for _, value in entries], **NOWHERE)
            case MessagePlan():
                keywords = [
                    ast.keyword(name, value, **NOWHERE) for name, value in self._parts(plan)
                ]
                carrier = load(self.bound(plan.carrier, "carrier"))
                return ast.Call(carrier, [], keywords, **NOWHERE)
            case _:
                assert_never(plan)

    def _parts(self, plan: MapPlan | MessagePlan) -> list[tuple[str, ast.expr]]:
        known = [(name, self.value(value)) for name, value in plan.known.items()]
        return known + [(name, self._planned(part)) for name, part in plan.computed]

    def _leaf(self, expression: Expression) -> ast.expr:
        if expression.type is not ValueType.STRING_MAP:
            return self.inlined(expression)
        generator, tree = self.generator(expression)
        return generator.all_entries(tree, whole_entries)


def load(name: str) -> ast.expr:
    return ast.Name(name, ast.Load(), **NOWHERE)


def constant(value: str) -> ast.expr:
    return ast.Constant(value, **NOWHERE)


def indented(lines: list[str]) -> list[str]:
    return [f"    {line}" for line in lines]


def _filled(
    statements: Sequence[ast.stmt], holes: dict[str, ast.expr | list[ast.stmt]]
) -> list[ast.stmt]:
    """`statements` with what holes stand for; only looks where holes may be."""
    found: list[ast.stmt] = []
    for statement in statements:
        content = None
        match statement:
            case ast.Expr(value=ast.Name(id=name)) | ast.Assign(value=ast.Name(id=name)):
                content = holes.pop(name, None)
            case ast.If() | ast.FunctionDef():
                statement.body = _filled(statement.body, holes)
            case ast.Try(handlers=handlers):
                statement.body = _filled(statement.body, holes)
                statement.orelse = _filled(statement.orelse, holes)
                for handler in handlers:
                    handler.body = _filled(handler.body, holes)
            case _:  # has no holes
                pass
        if isinstance(content, list):
            found += content
            continue
        if content is not None and isinstance(statement, ast.Assign):
            statement.value = content
        found.append(statement)
    return found
