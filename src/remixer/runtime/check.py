"""The CHECK variety: conditions, instances, handlers, joint verdict, header operations."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, TypeAlias

from remixer.attributes.bag import Bag, SuppliedBag, TrackedBag
from remixer.attributes.values import Value
from remixer.config.policy_settings import FailureStep
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
from remixer.runtime.combine import Verdict, combine
from remixer.runtime.conditions import applies
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

_NOTHING: Final[frozenset[FailureStep]] = frozenset()


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
    covered = _NOTHING
    if route.covers_failures:
        has_last_good = last_good is not None
        covered = await _cover(
            planned, calls, results, deadline, guard=guard, has_last_good=has_last_good
        )
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
    combined = combine(verdicts, failures)
    directive = combined.directive
    if combined.status.is_ok:
        if last_good is not None and FailureStep.STALE in covered:
            return not_kept(last_good, provenance=Provenance.STALE)
        directive = _header_directive(route, bag, outputs)
    outcome = CheckOutcome(
        status=combined.status,
        valid_duration=combined.valid_duration,
        valid_use_count=combined.valid_use_count,
        references=bag.references(),
        directive=directive,
        decisions=combined.decisions,
    )
    if covered:
        return not_kept(outcome, provenance=Provenance.SUBSTITUTE)
    return _limited(outcome, route, planned, bag) if route.has_cache_policies else outcome


async def _cover(
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
        return _NOTHING
    checks = [
        Asked(rule, target, call, result)
        for (rule, target), call, result in zip(planned, calls, results, strict=True)
    ]
    covered = await cover(checks, deadline, guard=guard, has_last_good=has_last_good)
    planned[:] = [(each.rule, each.target) for each in checks]
    results[:] = [each.result for each in checks]
    return covered


def _limited(
    outcome: CheckOutcome, route: Route, planned: Iterable[tuple[str, CheckTarget]], bag: TrackedBag
) -> CheckOutcome:
    """`outcome` under the policies of the route, and of the rules and handlers that took part."""
    policies = {*route.cache, *(each for _, target in planned for each in target.cache)}
    if outcome.status.is_ok:
        policies |= {
            step.cache
            for step in route.headers
            if step.cache is not None and applies(step.condition, step.rule, bag)
        }
    return limited(outcome, policies)


def _calls(
    route: Route,
    bag: TrackedBag,
    planned: list[tuple[str, CheckTarget]],
    failures: list[str],
) -> Iterator[Call[CheckAnswer]]:
    """What to ask; the rule and target of each call go to `planned`."""
    for step in route.check:
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
    for step in route.headers:
        if applies(step.condition, step.rule, bag):
            known = outputs.get(step.rule)
            # The request's own attribute comes before an output of that name, as in Mixer.
            view = bag if known is None else SuppliedBag(bag, known)
            request.extend(_operations(step.request, step.rule, view))
            response.extend(_operations(step.response, step.rule, view))
    if not request and not response:
        return None
    return RouteDirective(
        request_header_operations=tuple(request), response_header_operations=tuple(response)
    )


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
            _log.warning("header_value_not_evaluated", rule=rule, header=config.name)
            # Apart, because it may quote an attribute's value.
            _log.debug("header_value_reason", rule=rule, header=config.name, reason=str(error))
            continue
        if value != "":
            yield HeaderOperation(config.name, str(value), config.kind)
