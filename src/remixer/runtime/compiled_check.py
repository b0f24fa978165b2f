"""What a compiled check keeps, and what it does where an outcome is not known yet.

Theory of operation. The verdict follows from the objects that handlers answered with, the outcome
from the verdict, from what was read, and from the values of header operations. Handlers that decide
alike mostly answer with the same object, so the outcome is the one of an earlier request: the very
object, so that a frontend may find its bytes in it. A key holds the objects' `id`s; what is kept
under it holds the objects, so no `id` in a key can come to stand for another one.
"""

from collections.abc import Mapping, MutableMapping, Sequence
from typing import Final, NamedTuple, TypeAlias, TypeVar

from remixer.attributes.bag import Reference
from remixer.config.policy_settings import FailureStep
from remixer.expr.inline import UNREAD, references_of
from remixer.foundation.deadline import Deadline
from remixer.mixer.outcome import CheckOutcome, HeaderOperation, HeaderOperationKind, Provenance
from remixer.runtime.cache_limits import not_kept
from remixer.runtime.calls import Call, Result
from remixer.runtime.check import (
    NOTHING_COVERED,
    cover_failures,
    directive_of,
    outcome_of,
    policies_of,
    value_not_evaluated,
    verdicts_of,
)
from remixer.runtime.check_code import CheckCode, Layout
from remixer.runtime.combine import Combined, combine
from remixer.runtime.conditions import not_evaluated, tell
from remixer.runtime.guard import Guard
from remixer.runtime.metrics import RuntimeMetrics
from remixer.runtime.routes import CheckAnswer, CheckTarget, Route
from remixer.runtime.stepping import run_to_end
from remixer.sdk.results import CheckResult

MAX_KEPT: Final = 32
"""Outcomes of one route. Most have a handful; where each request has its own, all are forgotten
again and again, which costs little."""
_LONGEST_KEPT_HEADERS: Final = 256
"""Characters: what clients choose is not worth much memory."""

K = TypeVar("K")
V = TypeVar("V")

_Classes: TypeAlias = tuple[type, ...]
_Key: TypeAlias = tuple[object, ...]
_Answers: TypeAlias = tuple[int, ...]
"""Numbers of the calls that were made, each before the `id` of what it gave."""


class Settled(NamedTuple):
    """What follows from the handlers' answers."""

    combined: Combined
    covered: frozenset[FailureStep]
    planned: Sequence[tuple[str, CheckTarget]]
    handlers: int
    instances: int
    asks_headers: bool
    """Whether header operations are part of the answer."""
    answers: tuple[object, ...] | None
    """Held as long as their `id`s are in keys. None: will not come again."""


class _Kept(NamedTuple):
    outcome: CheckOutcome
    handlers: int
    instances: int
    answers: tuple[object, ...]


class CompiledCheck:
    """One route's function and its memory."""

    def __init__(
        self, code: CheckCode, route: Route, *, guard: Guard, metrics: RuntimeMetrics
    ) -> None:
        self._layout: Layout = code.layout
        self._route = route
        self._guard = guard
        self._metrics = metrics
        self._kept: dict[_Key, _Kept] = {}
        self._settled: dict[_Answers, Settled] = {}
        self._references: dict[_Classes, frozenset[Reference]] = {}
        self.check = code.bound_to(self)

    def globals(self) -> Mapping[str, object]:
        """See `Host`."""
        return {
            "kept_of": self._kept.get,
            "settled_of": self._settled.get,
            "settle": self._settle,
            "conclude": self._conclude,
            "reached": self._metrics.destinations,
            "not_evaluated": not_evaluated,
            "tell": tell,
            "value_not_evaluated": self._value_not_evaluated,
        }

    def _settle(
        self,
        answers: _Answers,
        instances: tuple[object, ...],
        results: tuple[Result[CheckAnswer], ...],
        deadline: Deadline | None,
        last_good: CheckOutcome | None,
    ) -> Settled:
        """The joint verdict. Raises `CheckFailedError`, as `remixer.runtime.check` does."""
        planned: list[tuple[str, CheckTarget]] = []
        calls: list[Call[CheckAnswer]] = []
        given: list[Result[CheckAnswer]] = []
        for call, instance, result in zip(self._layout.calls, instances, results, strict=True):
            if instance is not UNREAD:
                planned.append((call.rule, call.target))
                calls.append(Call(call.target.entry, (instance,)))
                given.append(result)
        handlers = len({call.entry.handler for call in calls})
        self._metrics.destinations(handlers, len(calls))
        covered = NOTHING_COVERED
        if self._route.covers_failures:
            has_last_good = last_good is not None
            covering = cover_failures(
                planned, calls, given, deadline, guard=self._guard, has_last_good=has_last_good
            )
            covered = run_to_end(covering)
        failures: list[str] = []
        combined = combine(verdicts_of(planned, given, failures), failures)
        is_stale = last_good is not None and FailureStep.STALE in covered
        recurs = not covered and all(type(each) is CheckResult for each in given)
        settled = Settled(
            combined,
            covered,
            planned,
            handlers,
            len(calls),
            asks_headers=combined.status.is_ok and not is_stale,
            answers=results if recurs else None,
        )
        if recurs and self._route.headers:
            _make_room(self._settled)
            self._settled[answers] = settled
        return settled

    def _conclude(
        self,
        settled: Settled,
        key: _Key,
        classes: _Classes,
        headers: Sequence[int | str],
        last_good: CheckOutcome | None,
    ) -> CheckOutcome:
        """The outcome, kept if it may come again."""
        combined, covered = settled.combined, settled.covered
        if combined.status.is_ok and last_good is not None and FailureStep.STALE in covered:
            return not_kept(last_good, provenance=Provenance.STALE)
        if settled.asks_headers:
            request, response = self._operations(headers)
            combined = combined._replace(directive=directive_of(request, response))
        has_policies = self._route.has_cache_policies and not covered
        policies = policies_of(self._route, settled.planned) if has_policies else ()
        references = self._references_of(classes)
        outcome = outcome_of(combined, references, covered=covered, policies=policies)
        if settled.answers is not None and _length(headers) <= _LONGEST_KEPT_HEADERS:
            _make_room(self._kept)
            self._kept[key] = _Kept(outcome, settled.handlers, settled.instances, settled.answers)
        return outcome

    def _operations(
        self, headers: Sequence[int | str]
    ) -> tuple[list[HeaderOperation], list[HeaderOperation]]:
        """Those of the request and of the response; see `CheckCode` about `headers`."""
        found: tuple[list[HeaderOperation], list[HeaderOperation]] = ([], [])
        parts = iter(headers)
        for number in parts:
            assert isinstance(number, int)  # noqa: S101 - a text comes after each that has one
            planned = self._layout.operations[number]
            config = planned.config
            if config.value is None:
                operation = HeaderOperation(config.name, kind=HeaderOperationKind.REMOVE)
            else:
                operation = HeaderOperation(config.name, str(next(parts)), config.kind)
            found[planned.is_response].append(operation)
        return found

    def _references_of(self, classes: _Classes) -> frozenset[Reference]:
        """The same set for the same reads, so that caches find it by identity."""
        known = self._references.get(classes)
        if known is None:
            _make_room(self._references)
            known = self._references[classes] = references_of(self._layout.slots, classes)
        return known

    def _value_not_evaluated(self, number: int, reason: str) -> None:
        planned = self._layout.operations[number]
        value_not_evaluated(planned.rule, planned.config.name, reason)


def _make_room(kept: MutableMapping[K, V]) -> None:
    if len(kept) >= MAX_KEPT:
        kept.clear()


def _length(headers: Sequence[int | str]) -> int:
    return sum(len(part) for part in headers if isinstance(part, str))
