"""How Knative's autoscaler decides the size of one revision: the parts that a waker meets. Pure.

Theory of operation. `desired` starts where a test says: 0 for a revision that scaled to zero, -1
for one of which nothing is known, as after a restart of the autoscaler. Stats go into buckets of a
second. A stat pokes, that is, evaluates at once, only while `desired` is exactly 0 and its
concurrency is not 0; else the next tick evaluates. An evaluation without data leaves the last
decision. Panic mode is left out: it holds a size longer, and wakes nothing.
"""

import math
from dataclasses import dataclass
from enum import Enum
from typing import Final

from remixer.wire.knative_stats import Stat

UNDECIDED: Final = -1
_SECOND_NS: Final = 1_000_000_000


class Sums(Enum):
    """What several stats of one second amount to."""

    ALL = "all are added"
    """From 0.12 on: one stat per request asks for as many pods."""
    BY_POD = "those of one pod are averaged, then all pods are added"
    """Up to 0.11."""


@dataclass(frozen=True, slots=True)
class Scaling:
    """Settings of a revision's scaler; defaults are Knative's."""

    target: float = 70.0
    """Concurrency per pod."""
    stable_window_s: int = 60
    most_times: float = 1000.0
    """How many times more pods one evaluation may ask for."""
    sums: Sums = Sums.ALL


class Decider:
    """One revision."""

    def __init__(self, *, desired: int = 0, scaling: Scaling | None = None) -> None:
        self._scaling = scaling or Scaling()
        self._buckets: dict[int, dict[str, list[float]]] = {}
        self.desired = desired
        self.ready = 0
        """Pods that serve: they are scraped, and so there is data."""

    def restarted(self) -> "Decider":
        """As a new autoscaler knows it: the settings, and nothing decided."""
        fresh = Decider(desired=UNDECIDED, scaling=self._scaling)
        fresh.ready = self.ready
        return fresh

    def take(self, stat: Stat, *, now_s: float) -> bool:
        """Record; whether the stat pokes."""
        at_s = now_s if stat.time_ns is None else stat.time_ns / _SECOND_NS
        self._record(stat.pod_name, stat.concurrency - stat.proxied_concurrency, at_s, now_s)
        return self.desired == 0 and stat.concurrency != 0

    def scrape(self, concurrency: float, *, now_s: float) -> None:
        """What the pods say themselves."""
        self._record("queue-proxy", concurrency, now_s, now_s)

    def evaluate(self, *, now_s: float) -> bool:
        """Decide; whether that changed anything."""
        self._forget(now_s)
        if not self._buckets:
            return False
        wanted = math.ceil(self._average(now_s) / self._scaling.target)
        most = math.ceil(self._scaling.most_times * max(self.ready, 1))
        before, self.desired = self.desired, max(0, min(wanted, most))
        return self.desired != before

    def _record(self, pod: str, value: float, at_s: float, now_s: float) -> None:
        if at_s > now_s - self._scaling.stable_window_s:
            self._buckets.setdefault(math.floor(at_s), {}).setdefault(pod, []).append(value)

    def _forget(self, now_s: float) -> None:
        oldest = math.floor(now_s) - self._scaling.stable_window_s
        self._buckets = {at: pods for at, pods in self._buckets.items() if at > oldest}

    def _average(self, now_s: float) -> float:
        """Over the seconds since the first write, so that a fresh stat counts in full."""
        seconds = max(1, math.floor(now_s) - min(self._buckets) + 1)
        total = sum(
            self._amount(values) for pods in self._buckets.values() for values in pods.values()
        )
        return round(total / seconds, 6)

    def _amount(self, values: list[float]) -> float:
        match self._scaling.sums:
            case Sums.ALL:
                return sum(values)
            case Sums.BY_POD:
                return sum(values) / len(values)
