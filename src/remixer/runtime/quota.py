"""The QUOTA variety: allocate what a request asks for, after its check has passed.

Each quota starts from a fresh view of the bag, so that its references are those of the
preprocessing and its own reads, without the check's.

`allocate` serves every route; `allocate_now` steps it by hand where no quota handler waits, which is
mostly so; `remixer.runtime.compiled_quotas` goes before it, finds the same targets, and judges the
same way what these answer.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from remixer.attributes.bag import Bag, Reference, TrackedBag
from remixer.attributes.values import Duration
from remixer.config.policy_settings import FailureStep
from remixer.foundation.deadline import Deadline
from remixer.foundation.errors import InvalidRequestError
from remixer.foundation.log import event_log
from remixer.foundation.status import Code, Status
from remixer.mixer.combined_quotas import combined
from remixer.mixer.outcome import DEFAULT_VALID_DURATION, Decision, QuotaOutcome
from remixer.mixer.request import MATCHING, MatchingQuotas, QuotaArgs
from remixer.runtime.calls import Call, Failure
from remixer.runtime.conditions import applies
from remixer.runtime.guard import Guard
from remixer.runtime.quota_code import FailedCall
from remixer.runtime.routes import FailurePlan, QuotaTarget, Route, RouteTable
from remixer.runtime.stepping import run_to_end
from remixer.sdk.results import QuotaRequest, QuotaResult
from remixer.templates.build import InstanceError

_log: Final = event_log(__name__)

MAX_QUOTAS: Final = 1_000
"""Of one request; a service has a handful. Each is a piece of work that nothing interrupts."""

QuotasAsked: TypeAlias = Mapping[str, QuotaArgs] | MatchingQuotas
_Matches: TypeAlias = list[tuple[str, QuotaTarget]]
"""Targets that apply to a request, each after its rule."""


@dataclass(frozen=True, slots=True)
class _Failed:
    """An allocation that failed."""

    rule: str
    target: QuotaTarget
    call: Call[QuotaResult]
    failure: Failure


async def allocate(
    table: RouteTable,
    new_view: Callable[[], TrackedBag],
    quotas: QuotasAsked,
    deduplication_id: str,
    deadline: Deadline | None,
    *,
    guard: Guard,
) -> dict[str, QuotaOutcome]:
    """One outcome per quota asked for; for `MatchingQuotas`, per quota that applies, or one in all.

    `new_view` gives the request's attributes with nothing of this variety noted as read. A named
    quota that no rule applies to is granted as asked for 60 s. Finishes without suspending if no
    quota handler of the route waits. Raises `InvalidRequestError` for more than `MAX_QUOTAS`.
    """
    matching = quotas.args if isinstance(quotas, MatchingQuotas) else None
    asked, references = _asked(table, new_view, quotas)
    outcomes: dict[str, QuotaOutcome] = {}
    for name, args in asked.items():
        view = new_view()
        route = table.route_for(view)
        outcome = await _one(route, view, name, args, deduplication_id, deadline, guard=guard)
        if outcome is not None:
            outcomes[name] = outcome
        elif matching is None:
            outcomes[name] = not_limited(route, name, args, view.references())
        if references is not None:
            references |= view.references()
    if references is None or matching is None:
        return outcomes
    return {MATCHING: combined(outcomes, amount=matching.amount, references=references)}


def allocate_now(
    table: RouteTable,
    new_view: Callable[[], TrackedBag],
    quotas: QuotasAsked,
    deduplication_id: str,
    deadline: Deadline | None,
    *,
    guard: Guard,
) -> dict[str, QuotaOutcome] | None:
    """As `allocate`, at once; None, with nothing asked, if a quota handler of the route may wait."""
    if table.route_for(new_view()).quota_may_wait:
        return None
    made = allocate(table, new_view, quotas, deduplication_id, deadline, guard=guard)
    return run_to_end(made)


def allocate_one_now(
    route: Route,
    view: TrackedBag,
    name: str,
    args: QuotaArgs,
    deduplication_id: str,
    deadline: Deadline | None,
    *,
    guard: Guard,
) -> QuotaOutcome | None:
    """One quota of a route whose quota handlers do not wait; None if no rule of that name applies.

    `view` notes what is read.
    """
    return run_to_end(_one(route, view, name, args, deduplication_id, deadline, guard=guard))


async def _one(
    route: Route,
    view: TrackedBag,
    name: str,
    args: QuotaArgs,
    deduplication_id: str,
    deadline: Deadline | None,
    *,
    guard: Guard,
) -> QuotaOutcome | None:
    targets = _matching(route, name.lower(), view)
    if not targets:
        return None
    once = deduplication_id and deduplication_id + name
    request = QuotaRequest(args.amount, args.best_effort, once)
    return await _ask(targets, view, request, deadline, guard=guard)


def not_limited(
    route: Route, name: str, args: QuotaArgs, references: frozenset[Reference]
) -> QuotaOutcome:
    """A named quota that no rule applies to: granted as asked for."""
    if name.lower() not in route.quota:
        _log.debug("quota_not_configured", quota=name)
    return QuotaOutcome(args.amount, DEFAULT_VALID_DURATION, references)


def after_failure(
    call: FailedCall,
    table: RouteTable,
    bag: Bag,
    name: str,
    deadline: Deadline | None,
    *,
    guard: Guard,
) -> QuotaOutcome:
    """The outcome of a quota whose only call failed; `bag` as no quota has read it."""
    view = TrackedBag(bag)
    _matching(table.route_for(view), name, view)
    call.target.instance.build(view)  # for what it reads
    made = Call(call.target.entry, (call.instance, call.request))
    failed = [_Failed(call.rule, call.target, made, call.failure)]
    covered = run_to_end(_first_covered(failed, view, call.request, deadline, guard=guard))
    return covered or _not_answered([], failed, view)


def _asked(
    table: RouteTable, new_view: Callable[[], TrackedBag], quotas: QuotasAsked
) -> tuple[Mapping[str, QuotaArgs], frozenset[Reference] | None]:
    """Quotas that may apply; for a combined answer, what was read to find them."""
    if isinstance(quotas, MatchingQuotas):
        view = new_view()
        asked = dict.fromkeys(table.route_for(view).quota, quotas.args)
        return asked, view.references() if quotas.is_combined else None
    if len(quotas) > MAX_QUOTAS:
        message = f"{len(quotas)} quotas in one request; at most {MAX_QUOTAS} are allowed"
        raise InvalidRequestError(message)
    return quotas, None


def _matching(route: Route, name: str, bag: TrackedBag) -> _Matches:
    """Targets of that short name whose rule applies, in configuration order."""
    return [
        (step.rule, target)
        for step in route.quota.get(name, ())
        if applies(step.condition, step.rule, bag)
        for target in step.targets
    ]


async def _ask(
    targets: _Matches,
    bag: TrackedBag,
    request: QuotaRequest,
    deadline: Deadline | None,
    *,
    guard: Guard,
) -> QuotaOutcome:
    """First answer with an opinion; a failure, or what stands in for it, only if there is none."""
    asked: _Matches = []
    calls: list[Call[QuotaResult]] = []
    unbuilt: list[str] = []
    for rule, target in targets:
        try:
            instance = target.instance.build(bag)
        except InstanceError as error:
            unbuilt.append(str(error))
            continue
        asked.append((rule, target))
        calls.append(Call(target.entry, (instance, request)))
    results = await guard.run_all(calls, deadline)
    answers: list[QuotaOutcome] = []
    failed: list[_Failed] = []
    for (rule, target), call, result in zip(asked, calls, results, strict=True):
        if isinstance(result, Failure):
            failed.append(_Failed(rule, target, call, result))
        elif result.is_default:
            answers.append(_outcome(rule, target, result, bag))
        else:
            return _outcome(rule, target, result, bag)
    if answers:
        return answers[0]
    covered = await _first_covered(failed, bag, request, deadline, guard=guard)
    return covered or _not_answered(unbuilt, failed, bag)


async def _first_covered(
    failed: Iterable[_Failed],
    bag: TrackedBag,
    request: QuotaRequest,
    deadline: Deadline | None,
    *,
    guard: Guard,
) -> QuotaOutcome | None:
    for each in failed:
        if each.target.failure is not None:
            plan = each.target.failure
            covered = await _cover(each, plan, bag, request, deadline, guard=guard)
            if covered is not None:
                return covered
    return None


async def _cover(
    failed: _Failed,
    plan: FailurePlan[QuotaResult],
    bag: TrackedBag,
    request: QuotaRequest,
    deadline: Deadline | None,
    *,
    guard: Guard,
) -> QuotaOutcome | None:
    """What stands in for a failed allocation. Grants are never old answers: that step is none."""
    for step in plan.steps:
        target, result = failed.target, None
        match step:
            case FailureStep.STALE:
                continue
            case FailureStep.FALLBACK:
                fallback = plan.fallback
                if fallback is None:
                    continue
                target = fallback
                calls = [Call(fallback.entry, failed.call.arguments)]
                (answer,) = await guard.run_all(calls, deadline)
                result = None if isinstance(answer, Failure) else answer
            case FailureStep.OPEN:
                result = QuotaResult(request.amount)
            case FailureStep.CLOSED:
                result = QuotaResult(status=plan.closed)
        if result is not None:
            entry, policy = failed.call.entry, plan.policy
            guard.covered(entry, failed.failure, policy=policy, step=step.value)
            return _outcome(failed.rule, target, result, bag)
    return None


def _not_answered(unbuilt: list[str], failed: list[_Failed], bag: TrackedBag) -> QuotaOutcome:
    """Grants nothing, and says UNAVAILABLE.

    Clients from Mixer 1.3 on read that code as "store broken", not "quota exhausted".
    """
    failures = [f"{each.target.handler.display_name}: {each.failure.reason}" for each in failed]
    return QuotaOutcome(
        granted=0,
        valid_duration=Duration(0),
        references=bag.references(),
        status=Status(Code.UNAVAILABLE, "; ".join(unbuilt + failures)),
    )


def _outcome(rule: str, target: QuotaTarget, result: QuotaResult, bag: TrackedBag) -> QuotaOutcome:
    return QuotaOutcome(
        granted=result.granted,
        valid_duration=result.valid_duration,
        references=bag.references(),
        status=result.status,
        decision=Decision(
            rule=rule,
            handler=target.handler.display_name,
            instance=target.instance.name,
            status=result.status,
        ),
    )
