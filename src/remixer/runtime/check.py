"""The CHECK variety: conditions, instances, handlers, joint verdict, header operations.

`check` serves every route, those with handlers that wait included. What most routes allow is done
faster by a function written for the route (`remixer.runtime.check_code`), whose oracle this is.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Final, TypeAlias

from remixer.attributes.bag import Bag, Reference, SuppliedBag, TrackedBag
from remixer.attributes.values import Value
from remixer.config.policy_settings import CachePolicyConfig, FailureStep
from remixer.config.snapshot import HeaderOperationConfig
from remixer.expr.errors import EvaluationError
from remixer.foundation.deadline import Deadline
from remixer.foundation.log import event_log
from remixer.mixer.outcome import (
    CheckOutcome,
    HeaderOperation,
    HeaderOperationKind,
    Provenance,
    RouteDirective,
)
from remixer.runtime.cache_limits import limited, not_kept
from remixer.runtime.calls import Call, Failure, Result
from remixer.runtime.combine import Combined, Verdict, combine
from remixer.runtime.conditions import applies, which_may_apply
from remixer.runtime.covering import Asked, cover
from remixer.runtime.guard import Guard
from remixer.runtime.metrics import RuntimeMetrics
from remixer.runtime.outputs import carried
from remixer.runtime.routes import CheckAnswer, CheckTarget, Output, Route
from remixer.sdk.results import CheckOutput, CheckResult
from remixer.templates.build import InstanceError

_log: Final = event_log(__name__)

_Outputs: TypeAlias = dict[str, dict[str, Value]]
"""By rule: what its own actions gave, under the names that its header values have for it."""

Planned: TypeAlias = Sequence[tuple[str, CheckTarget]]
"""Rule and target of each call."""

NOTHING_COVERED: Final[frozenset[FailureStep]] = frozenset()


async def check(
    route: Route,
    bag: TrackedBag,
    deadline: Deadline | None,
    *,
    guard: Guard,
    metrics: RuntimeMetrics,
    last_good: CheckOutcome | None = None,
) -> CheckOutcome:
    """The verdict of `route` on `bag`, without quotas.

    `last_good`: may stand in for a failure. Finishes without suspending if no handler of the route
    waits. Raises `CheckFailedError`.
    """
    failures: list[str] = []
    planned: list[tuple[str, CheckTarget]] = []
    calls = list(_calls(route, bag, planned, failures))
    results: list[Result[CheckAnswer]] = await guard.run_all(calls, deadline)
    metrics.destinations(len({call.entry.handler for call in calls}), len(calls))
    covered = NOTHING_COVERED
    if route.covers_failures:
        has_last_good = last_good is not None
        covered = await cover_failures(
            planned, calls, results, deadline, guard=guard, has_last_good=has_last_good
        )
    verdicts, outputs = _judged(planned, results, failures)
    combined = combine(verdicts, failures)
    if combined.status.is_ok:
        if last_good is not None and FailureStep.STALE in covered:
            return not_kept(last_good, provenance=Provenance.STALE)
        combined = combined._replace(directive=_header_directive(route, bag, outputs))
    has_policies = route.has_cache_policies and not covered
    policies = _policies(route, combined, planned, bag) if has_policies else ()
    return outcome_of(combined, bag.references(), covered=covered, policies=policies)


def verdicts_of(
    planned: Planned, results: Sequence[Result[CheckAnswer]], failures: list[str]
) -> list[Verdict]:
    """What handlers said; what failed goes to `failures`."""
    return _judged(planned, results, failures)[0]


def outcome_of(
    combined: Combined,
    references: frozenset[Reference],
    *,
    covered: frozenset[FailureStep],
    policies: Collection[CachePolicyConfig],
) -> CheckOutcome:
    """The answer, which is kept as long as `policies` allow, if nothing stood in for a failure."""
    outcome = CheckOutcome(
        status=combined.status,
        valid_duration=combined.valid_duration,
        valid_use_count=combined.valid_use_count,
        references=references,
        directive=combined.directive,
        decisions=combined.decisions,
    )
    if covered:
        return not_kept(outcome, provenance=Provenance.SUBSTITUTE)
    return limited(outcome, policies)


def policies_of(route: Route, planned: Planned) -> set[CachePolicyConfig]:
    """Those of the route, and of the rules and handlers that took part."""
    return {*route.cache, *(each for _, target in planned for each in target.cache)}


def directive_of(
    request: Sequence[HeaderOperation], response: Sequence[HeaderOperation]
) -> RouteDirective | None:
    """What the client is told to do with headers; None for nothing."""
    if not request and not response:
        return None
    return RouteDirective(
        request_header_operations=tuple(request), response_header_operations=tuple(response)
    )


def value_not_evaluated(rule: str, header: str, reason: str) -> None:
    """Tell that a header stays as it is, because its value has an error."""
    _log.warning("header_value_not_evaluated", rule=rule, header=header)
    # Apart, because it may quote an attribute's value.
    _log.debug("header_value_reason", rule=rule, header=header, reason=reason)


def _judged(
    planned: Planned, results: Sequence[Result[CheckAnswer]], failures: list[str]
) -> tuple[list[Verdict], _Outputs]:
    verdicts: list[Verdict] = []
    outputs: _Outputs = {}
    for (rule, target), result in zip(planned, results, strict=True):
        if isinstance(result, Failure):
            failures.append(f"{target.handler.display_name}: {result.reason}")
            continue
        if type(result) is not CheckResult and isinstance(result, CheckOutput):
            _keep(outputs.setdefault(rule, {}), target, result.output)
            result = result.result  # noqa: PLW2901 - from here on a check like any other
        verdicts.append(Verdict(rule, target.handler.display_name, target.instance.name, result))
    return verdicts, outputs


async def cover_failures(
    planned: list[tuple[str, CheckTarget]],
    calls: Sequence[Call[CheckAnswer]],
    results: list[Result[CheckAnswer]],
    deadline: Deadline | None,
    *,
    guard: Guard,
    has_last_good: bool,
) -> frozenset[FailureStep]:
    """Put what stands in for failures into `planned` and `results`; which steps were taken."""
    if not any(isinstance(result, Failure) for result in results):
        return NOTHING_COVERED
    checks = [
        Asked(rule, target, call, result)
        for (rule, target), call, result in zip(planned, calls, results, strict=True)
    ]
    covered = await cover(checks, deadline, guard=guard, has_last_good=has_last_good)
    planned[:] = [(each.rule, each.target) for each in checks]
    results[:] = [each.result for each in checks]
    return covered


def _policies(
    route: Route, combined: Combined, planned: Planned, bag: TrackedBag
) -> set[CachePolicyConfig]:
    """All that concern an answer; those of header operations, if these are part of it."""
    policies = policies_of(route, planned)
    if combined.status.is_ok:
        policies |= {
            step.cache
            for step in which_may_apply(route.headers, route.header_index, bag)
            if step.cache is not None and applies(step.condition, step.rule, bag)
        }
    return policies


def _calls(
    route: Route,
    bag: TrackedBag,
    planned: list[tuple[str, CheckTarget]],
    failures: list[str],
) -> Iterator[Call[CheckAnswer]]:
    """What to ask; the rule and target of each call go to `planned`."""
    for step in which_may_apply(route.check, route.check_index, bag):
        if not applies(step.condition, step.rule, bag):
            continue
        for target in step.targets:
            try:
                instance = target.instance.build(bag)
            except InstanceError as error:
                failures.append(str(error))
                continue
            planned.append((step.rule, target))
            yield Call(target.entry, (instance,))


def _keep(known: dict[str, Value], target: CheckTarget, output: Output) -> None:
    """Add to what the rule's header values may use; an action before this one comes first."""
    for name, field in target.output_names.items():
        value = carried(output.get(field))
        if value is not None:
            known.setdefault(name, value)


def _header_directive(route: Route, bag: TrackedBag, outputs: _Outputs) -> RouteDirective | None:
    request: list[HeaderOperation] = []
    response: list[HeaderOperation] = []
    for step in which_may_apply(route.headers, route.header_index, bag):
        if applies(step.condition, step.rule, bag):
            known = outputs.get(step.rule)
            # The request's own attribute comes before an output of that name, as in Mixer.
            view = bag if known is None else SuppliedBag(bag, known)
            request.extend(_operations(step.request, step.rule, view))
            response.extend(_operations(step.response, step.rule, view))
    return directive_of(request, response)


def _operations(
    configs: Iterable[HeaderOperationConfig], rule: str, bag: Bag
) -> Iterator[HeaderOperation]:
    for config in configs:
        if config.value is None:
            yield HeaderOperation(config.name, kind=HeaderOperationKind.REMOVE)
            continue
        try:
            value = config.value.evaluate(bag)
        except EvaluationError as error:
            value_not_evaluated(rule, config.name, str(error))
            continue
        if value != "":
            yield HeaderOperation(config.name, str(value), config.kind)
