"""Writes one Python function: a skeleton of our own, with policy's expressions in its holes.

Theory of operation. The skeleton is source text of our own with numbers in it; where policy has a
say it has a *hole*: a name in `x = HOLE_1` that stands for an expression, or alone on a line for
statements. The expressions are `ast` nodes, made from the typed trees of the policy's expressions,
and take the place of the holes before anything is compiled: policy text never becomes source. All
read through the same slots (`expr.inline`), the first of which hold what was read to choose the
route.

The skeleton is written piece by piece, in any order, so that a long function may be written with
pauses; each piece takes well under a millisecond. Python's own `compile` cannot pause, and takes
time with every node. So of a long function groups of statements are functions of their own, which
are compiled apart: they get the variables that they mention, and give them back.
"""

import ast
import hashlib
from asyncio import CancelledError
from collections.abc import Generator, Iterable, Sequence
from itertools import chain
from types import CodeType, FunctionType
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

MOST_NODES: Final = 2_000
"""Of policy in one call of `compile`, unless a single rule has more; 0.7 us each. With the skeleton
around them, which is longer the more rules there are, that is 2 ms."""

_OWN: Final = frozenset({"answers", "end", "errors", "headers", "now"})
_NUMBERED: Final = frozenset("irs")
"""First letters of variables that have numbers: instances, results, slots."""

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
        self._room = MOST_NODES
        """Nodes that the function itself still has room for."""
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

    def compiled(self, function: list[ast.stmt]) -> CodeType:
        """The code of the function, of which this is the last piece: its definition."""
        code = self._code(function)
        self.known["__loader__"] = globals_of("\n".join(self._lines))["__loader__"]
        return code

    def section(self) -> "Section":
        """Statements of the function that are added one after the other."""
        return Section(self)

    def apart(self, statements: list[ast.stmt], *, shared: Iterable[str]) -> list[ast.stmt]:
        """What has these done by a function of its own, which is compiled now.

        `shared`: the function's variables that they mention.
        """
        names = ", ".join(shared)
        lines = [f"def part(bag, {names}):", f"    {self.hole(statements)}", f"    return {names},"]
        part = self.bound(FunctionType(self._code(self.piece(lines)), self.known), "part")
        return self.piece([f"{names}, = {part}(bag, {names})"])

    def has_room_for(self, count: int) -> bool:
        """Whether so many nodes may be compiled with the function itself; they then are."""
        if count > self._room:
            return False
        self._room -= count
        return True

    def _code(self, definition: list[ast.stmt]) -> CodeType:
        """Of the one function that is defined."""
        digest = hashlib.sha256("\n".join(self._lines).encode("utf-8", "replace")).hexdigest()
        module = ast.Module(definition, type_ignores=[])
        code = compile(module, f"compiled route {digest[:12]}", "exec")
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


class Section:
    """A part of a function that may be long. What takes time has a pause before and after it."""

    def __init__(self, writer: FunctionWriter) -> None:
        self._writer = writer
        self._done: list[ast.stmt] = []
        self._pending: list[ast.stmt] = []
        self._count = 0
        """Nodes that are pending."""
        self._shared: dict[str, None] = {}
        """Variables that they mention, in order."""

    def add(self, statements: list[ast.stmt]) -> Generator[None, None, None]:
        """Compiles what came before, if this would make it too much."""
        shared: dict[str, None] = {}
        count = 0
        for node in chain.from_iterable(map(ast.walk, statements)):
            count += 1
            if type(node) is ast.Name and _is_variable(node.id):
                shared[node.id] = None
        if self._count + count > MOST_NODES:
            yield from self._put_apart()
        self._pending += statements
        self._count += count
        self._shared |= shared
        yield

    def ended(self) -> Generator[None, None, list[ast.stmt]]:
        """All statements, those among them that stand for others."""
        if not self._writer.has_room_for(self._count):
            yield from self._put_apart()
        return self._done + self._pending

    def _put_apart(self) -> Generator[None, None, None]:
        if self._pending:
            yield
            self._done += self._writer.apart(self._pending, shared=self._shared)
            self._pending, self._count, self._shared = [], 0, {}
            yield


def _is_variable(name: str) -> bool:
    """Whether the function has a variable of that name, which its parts must share."""
    return name in _OWN or (name[0] in _NUMBERED and name[1:].isdigit())


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
