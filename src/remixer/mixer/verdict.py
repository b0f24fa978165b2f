"""One verdict from a Check outcome: the precondition's, or else that of the quotas.

Pure. Source of the quota rules: Mixer's client of 1.3 (a policy denial wins over an exhausted
quota; names joined by `,`). An exhausted quota wins over one that could not be asked: what is
known to be refused must not pass because something else failed.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from remixer.foundation.errors import CheckFailedError, PolicyError, UnavailableError
from remixer.foundation.status import Code, Status
from remixer.mixer.outcome import CheckOutcome, Decision, QuotaOutcome


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer, and the handler calls that made it."""

    status: Status
    decisions: tuple[Decision, ...]
    """For a denial those that denied; else all that had a say, quotas last."""

    @property
    def is_allowed(self) -> bool:
        return self.status.is_ok


def verdict_of(outcome: CheckOutcome) -> Verdict:
    """Raises `PolicyError` if the verdict hangs on a quota that could not be asked."""
    if not outcome.status.is_ok:
        denials = (each for each in outcome.decisions if not each.status.is_ok)
        return Verdict(outcome.status, tuple(denials))
    refused = {name: quota for name, quota in outcome.quotas.items() if quota.granted == 0}
    exhausted = {name: quota for name, quota in refused.items() if _is_exhausted(quota)}
    if exhausted:
        names = ",".join(sorted(exhausted))
        status = Status(Code.RESOURCE_EXHAUSTED, f"Quota is exhausted for: {names}")
        return Verdict(status, _decisions(exhausted.values()))
    for name, quota in sorted(refused.items()):
        raise _failure(name, quota)
    return Verdict(outcome.status, outcome.decisions + _decisions(outcome.quotas.values()))


def _decisions(quotas: Iterable[QuotaOutcome]) -> tuple[Decision, ...]:
    return tuple(quota.decision for quota in quotas if quota.decision is not None)


def _is_exhausted(quota: QuotaOutcome) -> bool:
    """A refusal may carry RESOURCE_EXHAUSTED (redisquota does); other codes are failures."""
    return quota.status.code in {Code.OK, Code.RESOURCE_EXHAUSTED}


def _failure(name: str, quota: QuotaOutcome) -> PolicyError:
    message = f"quota {name} failed: {quota.status.message}"
    if quota.status.code == Code.UNAVAILABLE:
        return UnavailableError(message)
    return CheckFailedError(message)
