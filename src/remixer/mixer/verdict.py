"""One verdict from a Check outcome: the precondition's, or else that of the quotas.

Pure. Source of the quota rules: Mixer's client of 1.3 (a policy denial wins over an exhausted
quota; names joined by `,`). An exhausted quota wins over one that could not be asked: what is
known to be refused must not pass because something else failed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from remixer.foundation.errors import CheckFailedError, PolicyError, UnavailableError
from remixer.foundation.status import Code, Status
from remixer.mixer.outcome import CheckOutcome, Decision, QuotaOutcome
from remixer.mixer.request import MATCHING

_EXHAUSTED: Final = "Quota is exhausted for: "


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
    refusal = refusal_of(outcome.quotas)
    if refusal is None:
        return Verdict(outcome.status, outcome.decisions + _decisions(outcome.quotas.values()))
    if refusal.code == Code.RESOURCE_EXHAUSTED:
        return Verdict(refusal, _decisions(filter(_is_exhausted, outcome.quotas.values())))
    raise _failure(refusal)


def refusal_of(quotas: Mapping[str, QuotaOutcome]) -> Status | None:
    """RESOURCE_EXHAUSTED with the names of all that are; else the first failure; else None."""
    names = [_told(name, each) for name, each in quotas.items() if _is_exhausted(each)]
    if names:
        return Status(Code.RESOURCE_EXHAUSTED, exhausted(names))
    for name, quota in sorted(quotas.items()):
        if quota.granted == 0:
            return Status(quota.status.code, f"quota {name} failed: {quota.status.message}")
    return None


def exhausted(names: Iterable[str]) -> str:
    """What clients are told of quotas that are used up."""
    return _EXHAUSTED + ",".join(sorted(names))


def _told(name: str, quota: QuotaOutcome) -> str:
    """The name, or what a combined answer calls the quotas in it."""
    message = quota.status.message
    if name == MATCHING and message.startswith(_EXHAUSTED):
        return message.removeprefix(_EXHAUSTED)
    return name


def _decisions(quotas: Iterable[QuotaOutcome]) -> tuple[Decision, ...]:
    return tuple(quota.decision for quota in quotas if quota.decision is not None)


def _is_exhausted(quota: QuotaOutcome) -> bool:
    """A refusal may carry RESOURCE_EXHAUSTED (redisquota does); other codes are failures."""
    return quota.granted == 0 and quota.status.code in {Code.OK, Code.RESOURCE_EXHAUSTED}


def _failure(refusal: Status) -> PolicyError:
    if refusal.code == Code.UNAVAILABLE:
        return UnavailableError(refusal.message)
    return CheckFailedError(refusal.message)
