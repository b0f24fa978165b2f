"""From one quota of a route to one Python function: its condition, its instance, its handler's call.

Theory of operation. As `remixer.runtime.check_code`, for quotas that one target answers; most are.
It reads

    s3 = s4 = ...
    try:
        applies = (s3 if s3 is not ... else (s3 := bag['a'])) == 'x'
        if not applies:
            return references
        instance = Quota(name='count', dimensions={...})
    except Exception:
        return None
    ...
    result = METHOD(instance, request)
    ...
    return QuotaOutcome(result.granted, …, references, …)

Up to the handler's call nothing can be noticed, so whatever is not as usual there returns None, and
the quota is interpreted from its start: an instance that cannot be built, a deadline that has
passed. What comes of a call that fails is for the interpreter as well. Of a rule that does not apply
nothing is told but what was read to find that out.
"""

from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Final, NamedTuple, TypeAlias, cast

from remixer.attributes.bag import Bag, Reference
from remixer.attributes.vocabulary import Vocabulary
from remixer.expr.inline import NotInlinableError, Slot, references_of
from remixer.foundation.deadline import Deadline
from remixer.foundation.status import OK, Status
from remixer.mixer.outcome import Decision, QuotaOutcome
from remixer.runtime.calls import Failure
from remixer.runtime.function_writer import FunctionWriter, NotWritableError
from remixer.runtime.guard import Guard
from remixer.runtime.routes import QuotaStep, QuotaTarget
from remixer.runtime.routing import Namespace
from remixer.sdk.results import QuotaRequest, QuotaResult

QuotaFunction: TypeAlias = Callable[
    [Bag, Namespace, Namespace, Namespace, Deadline | None, int, bool, str],
    "QuotaOutcome | frozenset[Reference] | FailedCall | None",
]
"""The outcome; what was read, if the rule does not apply; None if the quota must be interpreted, of
which nothing is noticed yet."""


class FailedCall(NamedTuple):
    """A call that was made and gave no answer."""

    rule: str
    target: QuotaTarget
    instance: object
    request: QuotaRequest
    failure: Failure


def write_quota(
    steps: tuple[QuotaStep, ...], vocabulary: Vocabulary, guard: Guard
) -> QuotaFunction:
    """Raises `NotWritableError`."""
    if len(steps) != 1 or len(steps[0].targets) != 1:
        raise NotWritableError
    if steps[0].condition is not None and steps[0].match is None:
        raise NotWritableError
    (target,) = steps[0].targets
    entry = target.entry
    if entry.may_wait or entry.breaker is not None or target.instance.expressions is None:
        raise NotWritableError
    try:
        return _written(FunctionWriter(vocabulary, guard), steps[0], target, guard)
    except NotInlinableError as error:
        raise NotWritableError from error


def _written(
    writer: FunctionWriter, step: QuotaStep, target: QuotaTarget, guard: Guard
) -> QuotaFunction:
    plan: list[str] = []
    if step.match is not None:
        match = writer.hole(writer.inlined(step.match))
        plan += [
            f"applies = {match}",
            "if not applies:",
            "    classes = CLASSES",
            "    return REFERENCES",
        ]
    plan.append(f"instance = {writer.hole(writer.instance(target.instance))}")
    text = _TEXT.replace("        PLAN", "\n".join(f"        {line}" for line in plan))
    for name, code in (
        ("REFERENCES", "known_references(classes) or references_of(classes)"),
        ("CLASSES", writer.classes()),
        ("BEGINNING", writer.beginning()),
    ):
        text = text.replace(name, code)
    function = writer.compiled(writer.piece(text.splitlines()))
    writer.known.update(
        {
            "METHOD": target.entry.method,
            "ENTRY": target.entry,
            "SUCCEEDED": guard.successes_of(target.entry),
            **_Answers(step.rule, target, writer.slots.all()).globals(),
        }
    )
    return cast("QuotaFunction", FunctionType(function, writer.known))


class _Answers:
    """What a function keeps, and makes where it is not known yet."""

    def __init__(self, rule: str, target: QuotaTarget, slots: tuple[Slot, ...]) -> None:
        self._rule = rule
        self._target = target
        self._slots = slots
        self._references: dict[tuple[type, ...], frozenset[Reference]] = {}

    def globals(self) -> Mapping[str, object]:
        return {
            "QuotaRequest": QuotaRequest,
            "QuotaResult": QuotaResult,
            "QuotaOutcome": QuotaOutcome,
            "Failure": Failure,
            "OK": OK,
            "GRANTED": self._decision(OK),
            "decision": self._decision,
            "known_references": self._references.get,
            "references_of": self._references_of,
            "failed": self._failed,
        }

    def _decision(self, status: Status) -> Decision:
        handler, instance = self._target.handler.display_name, self._target.instance.name
        return Decision(self._rule, handler, instance, status)

    def _references_of(self, classes: tuple[type, ...]) -> frozenset[Reference]:
        if len(self._references) >= _MOST_READS:
            self._references.clear()
        found = self._references[classes] = references_of(self._slots, classes)
        return found

    def _failed(self, instance: object, request: QuotaRequest, failure: Failure) -> FailedCall:
        return FailedCall(self._rule, self._target, instance, request, failure)


_MOST_READS: Final = 32
"""Ways to read that a quota remembers; each attribute that may be absent doubles them."""

_TEXT: Final = """\
def allocate(bag, s0, s1, s2, deadline, amount, best_effort, once):
    BEGINNING
    try:
        PLAN
    except Exception:
        return None
    now = clock()
    if deadline is not None and now >= deadline.at_monotonic_s:
        return None
    request = QuotaRequest(amount, best_effort, once)
    try:
        result = METHOD(instance, request)
    except WALL as error:
        return failed(instance, request, caught(ENTRY, now, error))
    if type(result) is QuotaResult:
        SUCCEEDED(clock() - now)
    else:
        result = judged(ENTRY, result, now)
        if type(result) is Failure:
            return failed(instance, request, result)
    classes = CLASSES
    status = result.status
    return QuotaOutcome(
        result.granted,
        result.valid_duration,
        REFERENCES,
        status,
        GRANTED if status is OK else decision(status),
    )
"""
