"""What stands in for checks that fail, as their policies have it.

Theory of operation. All checks were asked, some failed. If one that works denies, that is the verdict
and nothing stands in for anything. Else each failed check walks the steps of its policy until one
gives something: the last good answer, another handler's answer, no objection (`open`), a denial
(`closed`). Then all results count as ever: a denial, be it of a substitute, comes before failures that
nothing stands in for, and these before an old answer. So no policy opens what a working rule closes.

What stands in is never kept: whoever has it asks again with the next request.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from remixer.config.policy_settings import FailureStep
from remixer.foundation.deadline import Deadline
from remixer.foundation.status import Status
from remixer.runtime.calls import Call, Failure, Result
from remixer.runtime.guard import Guard
from remixer.runtime.routes import CheckAnswer, CheckTarget, FailurePlan
from remixer.sdk.results import CheckOutput, CheckResult

_NO_OPINION: Final = CheckResult()


@dataclass(slots=True)
class Asked:
    """One check: who was asked what, and what came of it."""

    rule: str
    target: CheckTarget
    call: Call[CheckAnswer]
    result: Result[CheckAnswer]


@dataclass(slots=True)
class _Walk:
    """A failed check on its way through the steps of its policy."""

    asked: Asked
    failure: Failure
    plan: FailurePlan[CheckAnswer]
    next_step: int = 0
    settled: FailureStep | None = None


def denies(result: Result[CheckAnswer]) -> bool:
    """Whether this is a denial."""
    if isinstance(result, Failure):
        return False
    verdict = result.result if isinstance(result, CheckOutput) else result
    return not verdict.status.is_ok


async def cover(
    checks: Sequence[Asked], deadline: Deadline | None, *, guard: Guard, has_last_good: bool
) -> frozenset[FailureStep]:
    """Put what stands in for failures into `checks`; which steps were taken.

    Where the last good answer stands in the result is "no opinion": the caller uses that answer if
    nobody denies and nothing else fails. Suspends only if a handler that stands in waits.
    """
    if any(denies(each.result) for each in checks):
        return frozenset()
    walks = [
        _Walk(each, each.result, each.target.failure)
        for each in checks
        if isinstance(each.result, Failure) and each.target.failure is not None
    ]
    open_walks = walks
    while open_walks:
        asking = [each for each in open_walks if _advance(each, has_last_good=has_last_good)]
        calls = [_fallback_call(each) for each in asking]
        answers = await guard.run_all(calls, deadline) if calls else []
        for walk, answer in zip(asking, answers, strict=True):
            _take(walk, answer)
        open_walks = [each for each in asking if each.settled is None]
    for each in walks:
        if each.settled is not None:
            entry, policy = each.asked.call.entry, each.plan.policy
            guard.covered(entry, each.failure, policy=policy, step=each.settled.value)
    return frozenset(each.settled for each in walks if each.settled is not None)


def _advance(walk: _Walk, *, has_last_good: bool) -> bool:
    """Take steps until one settles, or until another handler must be asked: then True."""
    while walk.settled is None and walk.next_step < len(walk.plan.steps):
        step = walk.plan.steps[walk.next_step]
        walk.next_step += 1
        match step:
            case FailureStep.STALE:
                if has_last_good:
                    _settle(walk, step, _NO_OPINION)
            case FailureStep.FALLBACK:
                if walk.plan.fallback is not None:
                    return True
            case FailureStep.OPEN:
                _settle(walk, step, CheckResult(Status(message=f"open by {walk.plan.policy}")))
            case FailureStep.CLOSED:
                _settle(walk, step, CheckResult(walk.plan.closed))
    return False


def _settle(walk: _Walk, step: FailureStep, result: CheckAnswer) -> None:
    walk.settled = step
    walk.asked.result = result


def _fallback_call(walk: _Walk) -> Call[CheckAnswer]:
    fallback = walk.plan.fallback
    assert fallback is not None  # noqa: S101 - by `_advance`
    return Call(fallback.entry, walk.asked.call.arguments)


def _take(walk: _Walk, answer: Result[CheckAnswer]) -> None:
    if not isinstance(answer, Failure):
        assert walk.plan.fallback is not None  # noqa: S101 - it answered
        walk.asked.target = walk.plan.fallback
        _settle(walk, FailureStep.FALLBACK, answer)
