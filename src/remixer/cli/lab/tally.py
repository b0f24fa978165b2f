"""What came of the requests: availability and added latency, for a back end that is down so often.

Theory of operation. Outages and recoveries are lived at their own speed. Between them much
less time is lived than a back end has that is down 1 % or 0.1 % of the time; the requests of the
steady part stand for it. Each has a weight: 1 around outages, in steady time as many as it stands
for. The same run therefore tells of any share.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import log10
from typing import Final

from remixer.cli.lab.outages import Phase, Schedule

_MS_PER_S: Final = 1000.0
_RULE_OF_THREE: Final = 3.0  # none of n: with 95 % certainty fewer than 3 of n


@dataclass(frozen=True, slots=True)
class Sample:
    """One request. `status` 0: no answer."""

    at_s: float
    """When it was due."""
    latency_s: float
    status: int
    wanted: int

    @property
    def is_right(self) -> bool:
        return self.status == self.wanted


@dataclass(frozen=True, slots=True)
class Row:
    """One setting, for one share of down time."""

    cache: str
    down_share: float
    speed_up: float
    """How much longer the time is that was stood for than the time that was lived."""
    sent: int
    right: int
    failed: int
    wrong: int
    """Answered, but otherwise than the back end would have; of those that were not right."""
    failed_while_down: float
    """Of the requests during outages, from 0 to 1."""
    failed_afterwards: float
    """Of those after outages, before all has recovered."""
    failed_while_well: float
    longest_recovery_s: float
    """From the end of an outage to the last request that failed before the next one."""
    availability: float
    nines: float
    is_at_least: bool
    """No request failed: `nines` is what so many requests can tell."""
    added_p50_ms: float
    added_p99_ms: float


def tally(
    samples: Sequence[Sample],
    timing: Schedule,
    *,
    cache: str,
    down_share: float,
    baseline_s: float,
) -> Row:
    """`baseline_s`: the median without any check."""
    factor = steady_weight(timing, down_share)
    weights = [factor if timing.phase_at(each.at_s) is Phase.STEADY else 1.0 for each in samples]
    total = sum(weights)
    bad = sum(weight for each, weight in zip(samples, weights, strict=True) if not each.is_right)
    right = sum(each.is_right for each in samples)
    failed = {phase: _failed(samples, timing, phase) for phase in Phase}
    added = [(each.latency_s - baseline_s) * _MS_PER_S for each in samples]
    return Row(
        cache=cache,
        down_share=down_share,
        speed_up=timing.down_s / down_share / timing.total_s,
        sent=len(samples),
        right=right,
        failed=len(samples) - right,
        wrong=sum(bool(each.status not in {0, 503} and not each.is_right) for each in samples),
        failed_while_down=failed[Phase.DOWN],
        failed_afterwards=failed[Phase.AFTER],
        failed_while_well=failed[Phase.STEADY],
        longest_recovery_s=_longest_recovery_s(samples, timing),
        availability=1.0 - bad / total if total else 0.0,
        nines=_nines(bad, total),
        is_at_least=not bad,
        added_p50_ms=weighted_quantile(added, weights, 0.5),
        added_p99_ms=weighted_quantile(added, weights, 0.99),
    )


def steady_weight(timing: Schedule, down_share: float) -> float:
    """For how many requests one of steady time stands; never for less than itself."""
    missing_s = timing.down_s / down_share - timing.total_s
    return max(1.0, 1.0 + missing_s / timing.steady_s)


def weighted_quantile(values: Iterable[float], weights: Iterable[float], share: float) -> float:
    """The value below which `share` of all weight lies; 0 for none."""
    ordered = sorted(zip(values, weights, strict=True))
    wanted = share * sum(weight for _, weight in ordered)
    reached = 0.0
    for value, weight in ordered:
        reached += weight
        if reached >= wanted:
            return value
    return 0.0


def _nines(bad: float, total: float) -> float:
    if not total:
        return 0.0
    return -log10((bad or _RULE_OF_THREE) / max(total, _RULE_OF_THREE))


def _longest_recovery_s(samples: Iterable[Sample], timing: Schedule) -> float:
    failures = sorted(each.at_s for each in samples if not each.is_right)
    begins = [*(each.begins_s for each in timing.outages[1:]), timing.total_s]
    longest_s = 0.0
    for outage, until_s in zip(timing.outages, begins, strict=True):
        after = [at_s for at_s in failures if outage.ends_s <= at_s < until_s]
        if after:
            longest_s = max(longest_s, after[-1] - outage.ends_s)
    return longest_s


def _failed(samples: Sequence[Sample], timing: Schedule, phase: Phase) -> float:
    of_phase = [each for each in samples if timing.phase_at(each.at_s) is phase]
    if not of_phase:
        return 0.0
    return sum(not each.is_right for each in of_phase) / len(of_phase)
