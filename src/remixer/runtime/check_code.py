"""From a route to one Python function that does its checks: conditions, instances, handler calls.

Theory of operation. The function's skeleton is source text of our own with numbers in it; where
policy has a say it has a *hole*, a name that stands for an expression. The expressions are `ast`
nodes, made from the typed trees of the policy's expressions, and take the place of the holes before
anything is compiled: policy text never becomes source. For a rule with one action it reads

    try:
        s3 = s4 = i0 = r0 = ...
        try:
            applies = (s3 if s3 is not ... else (s3 := bag['a'])) == 'x'
        except EvaluationError as error: ...
        if applies:
            i0 = ListEntry(name='who', value=(s4 if s4 is not ... else (s4 := bag['user'])))
    except Exception:
        return None
    ...
    r0 = METHOD_0(i0)
    ...
    known = kept_of((type(s0), …, type(s4), id(r0)))
    if known is None:
        return conclude(…)
    reached(known.handlers, known.instances)
    return known.outcome

All that is pure comes first: whatever is not as usual there (an instance that cannot be built, say)
returns None, and the request is interpreted from its start. Then handlers are called, each inside a
wall, with one look at the clock between two of them. Last, what attributes were read and which
objects the handlers answered with name the outcome, which mostly was made for an earlier request.

Not written, and so interpreted: routes with generators, breakers, handlers that wait, outputs, or
expressions whose reads cannot be told in advance, and routes of more than `MAX_PARTS` parts.
"""

import ast
import hashlib
from asyncio import CancelledError
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import CodeType, FunctionType
from typing import Final, Protocol, TypeAlias, assert_never, cast

from remixer.attributes.bag import Bag
from remixer.attributes.values import ValueType
from remixer.attributes.vocabulary import Vocabulary
from remixer.config.snapshot import HeaderOperationConfig
from remixer.expr.codegen import globals_of
from remixer.expr.compile import Expression, typed_tree
from remixer.expr.errors import EvaluationError
from remixer.expr.inline import InlineGenerator, NotInlinableError, Slot, Slots
from remixer.expr.source import PythonLocation
from remixer.expr.typed import Read, Typed
from remixer.foundation.deadline import Deadline
from remixer.mixer.outcome import CheckOutcome
from remixer.runtime.guard import TOO_LATE, Guard
from remixer.runtime.routes import CheckTarget, HeaderStep, Route
from remixer.sdk.results import CheckResult
from remixer.templates.build import (
    Known,
    Leaf,
    MapPlan,
    MessagePlan,
    Plan,
    instance_plan,
    whole_entries,
)
from remixer.templates.schema import Variety

MAX_PARTS: Final = 100
"""Rules, instances and header operations of one function: it is written while a request waits, which
takes about 0.3 ms and 3 kB for each."""
_MOST_ASKED_APART: Final = 8
"""Variables whose classes are asked one by one; for more it is faster to go through them all."""
ROUTING: Final = ("context.reporter.kind", "destination.namespace", "source.namespace")
"""Attributes that were read, or not, before the function is called: its first slots."""

Namespace: TypeAlias = object
"""The value of a routing attribute, or `UNREAD`."""
CheckFunction: TypeAlias = Callable[
    [Bag, Namespace, Namespace, Namespace, Deadline | None, CheckOutcome | None],
    CheckOutcome | None,
]
"""The outcome; None if the request must be interpreted, of which nothing is noticed yet."""


class NotWritableError(Exception):
    """The route must be interpreted."""


@dataclass(frozen=True, slots=True)
class PlannedCall:
    """A handler call that the function may make."""

    rule: str
    target: CheckTarget


@dataclass(frozen=True, slots=True)
class PlannedOperation:
    """A header operation that the function may do."""

    rule: str
    config: HeaderOperationConfig
    is_response: bool


@dataclass(frozen=True, slots=True)
class Layout:
    """What the numbers in a function stand for."""

    slots: tuple[Slot, ...]
    calls: tuple[PlannedCall, ...]
    operations: tuple[PlannedOperation, ...]


class Host(Protocol):
    """What the function calls where it leaves the usual path."""

    def globals(self) -> Mapping[str, object]:
        """By the names that the skeleton has for them."""
        ...


@dataclass(frozen=True, slots=True)
class CheckCode:
    """A function that is ready but for its host."""

    layout: Layout
    code: CodeType
    known: dict[str, object]

    def bound_to(self, host: Host) -> CheckFunction:
        """The function; call once."""
        self.known.update(host.globals())
        return cast("CheckFunction", FunctionType(self.code, self.known))


def write_check(route: Route, vocabulary: Vocabulary, guard: Guard) -> CheckCode:
    """Raises `NotWritableError`."""
    if route.generators or route.check_may_wait:
        raise NotWritableError
    targets = [(step.rule, target) for step in route.check for target in step.targets]
    operations = [len(step.request) + len(step.response) for step in route.headers]
    parts = len(route.check) + len(targets) + len(route.headers) + sum(operations)
    if parts > MAX_PARTS or not all(_is_plain(target) for _, target in targets):
        raise NotWritableError
    if any(step.cache is not None for step in route.headers):
        raise NotWritableError
    try:
        return _Writer(vocabulary, guard).written(route)
    except NotInlinableError as error:
        raise NotWritableError from error


def _is_plain(target: CheckTarget) -> bool:
    instance, entry = target.instance, target.entry
    return (
        entry.breaker is None
        and instance.expressions is not None
        and instance.template.variety is Variety.CHECK
    )


class _Writer:
    """Writes one function."""

    def __init__(self, vocabulary: Vocabulary, guard: Guard) -> None:
        self._vocabulary = vocabulary
        self._guard = guard
        self._slots = Slots()
        for name in ROUTING:
            self._slots.attribute(name, is_map=False)
        self._texts: list[str] = []
        """Lines of policy, before the skeleton: tracebacks point there."""
        self._holes: dict[str, ast.expr] = {}
        self._calls: list[PlannedCall] = []
        self._operations: list[PlannedOperation] = []
        self._known: dict[str, object] = globals_of("")
        self._known |= {
            "id": id,
            "tuple": tuple,
            "map": map,
            "str": str,
            "Exception": Exception,
            "EvaluationError": EvaluationError,
            "WALL": (Exception, CancelledError),
            "CheckResult": CheckResult,
            "TOO_LATE": TOO_LATE,
            "NEVER": float("inf"),
            "clock": guard.now_s,
            "caught": guard.caught,
            "judged": guard.judged_now,
        }

    def written(self, route: Route) -> CheckCode:
        plans = [line for number in range(len(route.check)) for line in self._plan(route, number)]
        calls = [line for number in range(len(self._calls)) for line in self._call(number)]
        headers = [line for step in route.headers for line in self._header_step(step)]
        lines = [
            "def check(bag, s0, s1, s2, deadline, last_good):",
            *_indented(self._beginning()),
            *_indented(_inside_hand_over(plans)),
            *_indented(_wall(calls)),
            *_indented(self._end(headers)),
        ]
        layout = Layout(self._slots.all(), tuple(self._calls), tuple(self._operations))
        return CheckCode(layout, self._compiled(lines), self._known)

    def _compiled(self, lines: list[str]) -> CodeType:
        text = "\n".join([*self._texts, *lines])
        self._known["__loader__"] = globals_of(text)["__loader__"]
        tree = ast.parse("\n" * len(self._texts) + "\n".join(lines))
        filled = _HoleFiller(self._holes).visit(tree)
        digest = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:12]
        module = compile(filled, f"compiled check {digest}", "exec")
        return next(each for each in module.co_consts if isinstance(each, CodeType))

    # ------------------------------------------------------------ the parts of the skeleton

    def _beginning(self) -> list[str]:
        """All variables that need not get a value later have one from here on."""
        slots = [slot.variable for slot in self._slots.all()[len(ROUTING) :]]
        calls = [f"{kind}{number}" for number in range(len(self._calls)) for kind in "ir"]
        names = [*slots, *calls]
        return ["answers = ()", *([f"{' = '.join(names)} = ..."] if names else [])]

    def _plan(self, route: Route, number: int) -> list[str]:
        """Whether a rule applies, and the instances if it does."""
        step = route.check[number]
        instances = []
        for target in step.targets:
            hole = self._hole(self._instance(target))
            instances.append(f"i{len(self._calls)} = {hole}")
            self._calls.append(PlannedCall(step.rule, target))
        if step.match is None:
            return instances
        rule = self._bound(step.rule, "rule")
        # Told later, because the request may still be handed over.
        note = f"errors += (({rule}, error.message, '', None, 0),)"
        return _conditional(self._hole(self._condition(step.match, rule)), instances, note)

    def _condition(self, match: Expression, rule: str) -> ast.expr:
        generator, tree = self._generator(match)

        def note(read: Read, value: ast.expr) -> ast.expr:
            """False, after `errors` got one more."""
            wanted = self._value(read.type)
            parts = [_load(rule), _constant(""), _constant(read.name), value, wanted]
            one = _tuple([_tuple(parts)])
            more = ast.BinOp(_load("errors"), ast.Add(), one, **_NOWHERE)
            into = ast.Name("errors", ast.Store(), **_NOWHERE)
            return ast.UnaryOp(ast.Not(), ast.NamedExpr(into, more, **_NOWHERE), **_NOWHERE)

        return generator.condition(tree, note)

    def _call(self, number: int) -> list[str]:
        entry = self._calls[number].target.entry
        self._known[f"ENTRY_{number}"] = entry
        self._known[f"METHOD_{number}"] = entry.method
        self._known[f"SUCCEEDED_{number}"] = self._guard.successes_of(entry)
        return _CALL.replace("#", str(number)).splitlines()

    def _end(self, headers: list[str]) -> list[str]:
        numbers = range(len(self._calls))
        text = _END_WITH_HEADERS if headers else _END
        for name, parts in (
            ("INSTANCES", [f"i{number}" for number in numbers]),
            ("RESULTS", [f"r{number}" for number in numbers]),
        ):
            text = text.replace(name, "".join(f"{part}, " for part in parts))
        lines = text.replace("CLASSES", self._classes()).splitlines()
        where = next((at for at, line in enumerate(lines) if line.strip() == "HEADERS"), None)
        if where is not None:
            lines[where : where + 1] = _indented(headers)
        return lines

    def _classes(self) -> str:
        variables = [slot.variable for slot in self._slots.all()]
        if len(variables) > _MOST_ASKED_APART:
            return f"tuple(map(type, ({', '.join(variables)})))"
        return "(" + ", ".join(f"type({each})" for each in variables) + ")"

    def _header_step(self, step: HeaderStep) -> list[str]:
        lines: list[str] = []
        for configs, is_response in ((step.request, False), (step.response, True)):
            for config in configs:
                number = len(self._operations)
                self._operations.append(PlannedOperation(step.rule, config, is_response))
                lines += self._operation(config, number)
        if step.match is None:
            return lines
        note = f"not_evaluated({self._bound(step.rule, 'rule')}, error.message)"
        return _conditional(self._hole(self._inlined(step.match)), lines, note)

    def _operation(self, config: HeaderOperationConfig, number: int) -> list[str]:
        if config.value is None:
            return [f"headers += ({number},)"]
        return [
            "try:",
            f"    value = {self._hole(self._inlined(config.value))}",
            "except EvaluationError as error:",
            f"    value_not_evaluated({number}, error.message)",
            "else:",
            "    if value != '':",
            f"        headers += ({number}, str(value))",
        ]

    # ------------------------------------------------------------ expressions

    def _hole(self, expression: ast.expr) -> str:
        name = f"HOLE_{len(self._holes)}"
        self._holes[name] = expression
        return name

    def _bound(self, value: object, hint: str) -> str:
        name = f"{hint}_{len(self._known)}"
        self._known[name] = value
        return name

    def _inlined(self, expression: Expression) -> ast.expr:
        generator, tree = self._generator(expression)
        return generator.inlined(tree)

    def _generator(self, expression: Expression) -> tuple[InlineGenerator, Typed]:
        found = typed_tree(expression, self._vocabulary)
        if found is None:
            raise NotWritableError
        tree, source = found
        before = len(self._texts)
        self._texts += expression.text.split("\n")
        return InlineGenerator(source, self._known, self._slots, lines_before=before), tree

    def _instance(self, target: CheckTarget) -> ast.expr:
        config = target.instance
        assert config.expressions is not None  # noqa: S101 - by `_is_plain`
        return self._planned(instance_plan(config.template, config.name, config.expressions))

    def _planned(self, plan: Plan) -> ast.expr:
        match plan:
            case Known(value=value):
                return self._value(value)
            case Leaf(expression=expression):
                return self._leaf(expression)
            case MapPlan():
                entries = self._parts(plan)
                keys = [cast("ast.expr | None", _constant(key)) for key, _ in entries]
                return ast.Dict(keys, [value for _, value in entries], **_NOWHERE)
            case MessagePlan():
                keywords = [
                    ast.keyword(name, value, **_NOWHERE) for name, value in self._parts(plan)
                ]
                carrier = _load(self._bound(plan.carrier, "carrier"))
                return ast.Call(carrier, [], keywords, **_NOWHERE)
            case _:
                assert_never(plan)

    def _parts(self, plan: MapPlan | MessagePlan) -> list[tuple[str, ast.expr]]:
        known = [(name, self._value(value)) for name, value in plan.known.items()]
        return known + [(name, self._planned(part)) for name, part in plan.computed]

    def _leaf(self, expression: Expression) -> ast.expr:
        if expression.type is not ValueType.STRING_MAP:
            return self._inlined(expression)
        generator, tree = self._generator(expression)
        return generator.all_entries(tree, whole_entries)

    def _value(self, value: object) -> ast.expr:
        if type(value) is str:
            return _constant(value)
        return _load(self._bound(value, "constant"))


_NOWHERE: Final = PythonLocation(lineno=1, col_offset=0, end_lineno=1, end_col_offset=0)
"""Of code that no text of policy stands for."""


def _load(name: str) -> ast.expr:
    return ast.Name(name, ast.Load(), **_NOWHERE)


def _constant(value: str) -> ast.expr:
    return ast.Constant(value, **_NOWHERE)


def _tuple(parts: list[ast.expr]) -> ast.expr:
    return ast.Tuple(parts, ast.Load(), **_NOWHERE)


class _HoleFiller(ast.NodeTransformer):
    """Puts expressions in the places of names."""

    def __init__(self, holes: Mapping[str, ast.expr]) -> None:
        self._holes = holes

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self._holes.get(node.id, node)


# ------------------------------------------------------------ text of the skeleton

_CALL: Final = """\
if i# is not ...:
    if now >= end:
        r# = TOO_LATE
    else:
        try:
            r# = METHOD_#(i#)
        except WALL as error:
            r# = caught(ENTRY_#, now, error)
            now = clock()
        else:
            if type(r#) is CheckResult:
                begun = now
                now = clock()
                SUCCEEDED_#(now - begun)
            else:
                r# = judged(ENTRY_#, r#, now)
                now = clock()
    answers += (#, id(r#))
"""
_END: Final = """\
classes = CLASSES
key = (classes, answers)
known = kept_of(key)
if known is None:
    settled = settle(answers, (INSTANCES), (RESULTS), deadline, last_good)
    return conclude(settled, key, classes, (), last_good)
outcome, handlers, instances, pins = known
reached(handlers, instances)
return outcome
"""
_END_WITH_HEADERS: Final = """\
settled = settled_of(answers)
if settled is None:
    settled = settle(answers, (INSTANCES), (RESULTS), deadline, last_good)
else:
    reached(settled.handlers, settled.instances)
headers = ()
if settled.asks_headers:
HEADERS
classes = CLASSES
key = (classes, answers, headers)
known = kept_of(key)
if known is None:
    return conclude(settled, key, classes, headers, last_good)
return known[0]
"""


def _inside_hand_over(plans: list[str]) -> list[str]:
    if not plans:
        return []
    lines = ["try:", *_indented(plans), "except Exception:", "    return None"]
    if not any("errors +=" in line for line in plans):
        return lines
    return ["errors = ()", *lines, "if errors:", "    tell(errors)"]


def _conditional(hole: str, statements: list[str], note: str) -> list[str]:
    return [
        "try:",
        f"    applies = {hole}",
        "except EvaluationError as error:",
        f"    {note}",
        "    applies = False",
        "if applies:",
        *_indented(statements),
    ]


def _wall(calls: list[str]) -> list[str]:
    if not calls:
        return []
    return ["end = NEVER if deadline is None else deadline.at_monotonic_s", "now = clock()", *calls]


def _indented(lines: list[str]) -> list[str]:
    return [f"    {line}" for line in lines]
