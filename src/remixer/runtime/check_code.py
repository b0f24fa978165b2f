"""From a route to one Python function that does its checks: conditions, instances, handler calls.

Theory of operation. Policy's expressions stand in a skeleton of our own (`function_writer`). For a
rule with one action the function reads

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
expressions whose reads cannot be told in advance, and routes of more than `MAX_PARTS` parts, unless
an index tells which of their rules may apply (`selected_checks`).
"""

import ast
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from types import CodeType, FunctionType
from typing import Final, Protocol, TypeAlias, cast

from remixer.attributes.bag import Bag
from remixer.attributes.vocabulary import Vocabulary
from remixer.config.snapshot import HeaderOperationConfig
from remixer.expr.compile import Expression
from remixer.expr.inline import NotInlinableError, Slot
from remixer.expr.typed import Read
from remixer.foundation.deadline import Deadline
from remixer.mixer.outcome import CheckOutcome
from remixer.runtime.function_writer import (
    NOWHERE,
    FunctionWriter,
    NotWritableError,
    constant,
    indented,
    load,
)
from remixer.runtime.guard import TOO_LATE, Guard
from remixer.runtime.routes import CheckStep, CheckTarget, HeaderStep, Route
from remixer.runtime.routing import Namespace
from remixer.sdk.results import CheckResult
from remixer.templates.schema import Variety

MAX_PARTS: Final = 100
"""Rules, instances and header operations of one function; each takes about 0.3 ms to write, and 3 kB."""


class CheckFunction(Protocol):
    """The outcome; None if the request must be interpreted, of which nothing is noticed yet."""

    def __call__(
        self,
        bag: Bag,
        kind: Namespace,
        destination: Namespace,
        source: Namespace,
        deadline: Deadline | None,
        last_good: CheckOutcome | None,
        /,
        *read: str | None,
    ) -> CheckOutcome | None:
        """`read`: values of the attributes that were read before."""
        ...


def interpreted(*_request: object) -> CheckOutcome | None:
    """Stands where there is no function."""
    return None


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


Writing: TypeAlias = Generator[None, None, CheckCode]
"""Makes pauses, between which little is done."""


def write_check(
    route: Route, vocabulary: Vocabulary, guard: Guard, *, read: tuple[str, ...] = ()
) -> Writing:
    """Raises `NotWritableError`. The function is given the values of the attributes `read`."""
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
        return (yield from _CheckWriter(vocabulary, guard, read).written(route))
    except NotInlinableError as error:
        raise NotWritableError from error


def _is_plain(target: CheckTarget) -> bool:
    instance, entry = target.instance, target.entry
    return (
        entry.breaker is None
        and instance.expressions is not None
        and instance.template.variety is Variety.CHECK
    )


class _CheckWriter:
    """Writes one function."""

    def __init__(self, vocabulary: Vocabulary, guard: Guard, read: tuple[str, ...]) -> None:
        self._writer = FunctionWriter(vocabulary, guard)
        self._read = [self._writer.slots.attribute(name, is_map=False) for name in read]
        self._guard = guard
        self._calls: list[PlannedCall] = []
        self._operations: list[PlannedOperation] = []
        self._known = self._writer.known
        self._known |= {"CheckResult": CheckResult, "TOO_LATE": TOO_LATE, "NEVER": float("inf")}

    def written(self, route: Route) -> Writing:
        section = self._writer.section()
        for step in route.check:
            yield from section.add(self._plan(step))
        plans = yield from section.ended()
        section = self._writer.section()
        for number in range(len(self._calls)):
            yield from section.add(self._call(number))
        before = self._writer.piece(_BEFORE_CALLS if self._calls else [])
        calls = before + (yield from section.ended())
        section = self._writer.section()
        for header in route.headers:
            yield from section.add(self._writer.piece(self._header_step(header)))
        headers = yield from section.ended()
        text = _WITH_HEADERS if headers else _WITHOUT_HEADERS
        for name, value in self._blanks().items():
            text = text.replace(name, value)
        for name, statements in (("PLANS", plans), ("CALLS", calls), ("HEADERS", headers)):
            text = text.replace(name, self._writer.hole(statements) if statements else "pass")
        definition = self._writer.piece(text.splitlines())
        yield
        code = self._writer.compiled(definition)
        layout = Layout(self._writer.slots.all(), tuple(self._calls), tuple(self._operations))
        return CheckCode(layout, code, self._known)

    # ------------------------------------------------------------ the parts of the skeleton

    def _blanks(self) -> dict[str, str]:
        """What stands where in the skeleton's end, after all else was written."""
        numbers = range(len(self._calls))
        made = "".join(f"i{number} = r{number} = " for number in numbers)
        return {
            "BEGINNING": self._writer.beginning(),
            "PARAMETERS": "".join(f", given_{slot}" for slot in self._read),
            "GIVEN": "; ".join(f"{slot} = given_{slot}" for slot in self._read) or "pass",
            "UNMADE": f"{made}..." if made else "pass",
            "INSTANCES": "".join(f"i{number}, " for number in numbers),
            "RESULTS": "".join(f"r{number}, " for number in numbers),
            "CLASSES": self._writer.classes(),
        }

    def _plan(self, step: CheckStep) -> list[ast.stmt]:
        """Whether a rule applies, and the instances if it does."""
        instances = []
        for target in step.targets:
            hole = self._writer.hole(self._writer.instance(target.instance))
            instances.append(f"i{len(self._calls)} = {hole}")
            self._calls.append(PlannedCall(step.rule, target))
        if step.match is None:
            return self._writer.piece(instances)
        rule = self._writer.bound(step.rule, "rule")
        # Told later, because the request may still be handed over.
        note = f"errors += (({rule}, error.message, '', None, 0),)"
        hole = self._writer.hole(self._condition(step.match, rule))
        return self._writer.piece(_conditional(hole, instances, note))

    def _condition(self, match: Expression, rule: str) -> ast.expr:
        generator, tree = self._writer.generator(match)

        def note(read: Read, value: ast.expr) -> ast.expr:
            """False, after `errors` got one more."""
            wanted = self._writer.value(read.type)
            parts = [load(rule), constant(""), constant(read.name), value, wanted]
            one = _tuple([_tuple(parts)])
            more = ast.BinOp(load("errors"), ast.Add(), one, **NOWHERE)
            into = ast.Name("errors", ast.Store(), **NOWHERE)
            return ast.UnaryOp(ast.Not(), ast.NamedExpr(into, more, **NOWHERE), **NOWHERE)

        return generator.condition(tree, note)

    def _call(self, number: int) -> list[ast.stmt]:
        entry = self._calls[number].target.entry
        self._known[f"ENTRY_{number}"] = entry
        self._known[f"METHOD_{number}"] = entry.method
        self._known[f"SUCCEEDED_{number}"] = self._guard.successes_of(entry)
        return self._writer.piece(_CALL.replace("#", str(number)).splitlines())

    def _header_step(self, step: HeaderStep) -> list[str]:
        lines: list[str] = []
        for configs, is_response in ((step.request, False), (step.response, True)):
            for config in configs:
                number = len(self._operations)
                self._operations.append(PlannedOperation(step.rule, config, is_response))
                lines += self._operation(config, number)
        if step.match is None:
            return lines
        note = f"not_evaluated({self._writer.bound(step.rule, 'rule')}, error.message)"
        return _conditional(self._writer.hole(self._writer.inlined(step.match)), lines, note)

    def _operation(self, config: HeaderOperationConfig, number: int) -> list[str]:
        if config.value is None:
            return [f"headers += ({number},)"]
        return [
            "try:",
            f"    value = {self._writer.hole(self._writer.inlined(config.value))}",
            "except EvaluationError as error:",
            f"    value_not_evaluated({number}, error.message)",
            "else:",
            "    if value != '':",
            f"        headers += ({number}, str(value))",
        ]


def _tuple(parts: list[ast.expr]) -> ast.expr:
    return ast.Tuple(parts, ast.Load(), **NOWHERE)


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
_BEFORE_CALLS: Final = [
    "end = NEVER if deadline is None else deadline.at_monotonic_s",
    "now = clock()",
]
_BEGINNING: Final = """\
def check(bag, s0, s1, s2, deadline, last_goodPARAMETERS):
    answers = errors = ()
    BEGINNING
    GIVEN
    UNMADE
    try:
        PLANS
    except Exception:
        return None
    if errors:
        tell(errors)
    CALLS
"""
_WITHOUT_HEADERS: Final = f"""\
{_BEGINNING}
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
_WITH_HEADERS: Final = f"""\
{_BEGINNING}
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


def _conditional(hole: str, statements: list[str], note: str) -> list[str]:
    return [
        "try:",
        f"    applies = {hole}",
        "except EvaluationError as error:",
        f"    {note}",
        "    applies = False",
        "if applies:",
        *indented(statements),
    ]
