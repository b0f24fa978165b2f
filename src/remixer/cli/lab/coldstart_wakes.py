"""What one cold start was made of, and what many come to. Pure.

    asked ──> reported ──> decided ──> pod up ──> answered
          stat         decision     the pod     answer

The pod's own start is nobody's merit: all that is compared is the rest, the overhead.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

_MS_PER_S: Final = 1000.0
_OK: Final = 200


@dataclass(frozen=True, slots=True)
class Story:
    """What the cluster says of one revision. Seconds of the monotonic clock."""

    stats_at_s: tuple[float, ...]
    decided_at_s: float | None
    most_desired: int
    pods_started: int
    up_at_s: float | None

    @staticmethod
    def of(document: Any) -> "Story":  # noqa: ANN401 - parsed JSON
        return Story(
            stats_at_s=tuple(document["stats_at_s"]),
            decided_at_s=document["decided_at_s"],
            most_desired=document["most_desired"],
            pods_started=document["pods_started"],
            up_at_s=document["up_at_s"],
        )


@dataclass(frozen=True, slots=True)
class Phases:
    """Milliseconds, in order."""

    report_ms: float
    """From the request's first byte until the autoscaler had the stat."""
    decision_ms: float
    pod_ms: float
    answer_ms: float
    """From the pod's first listening until the answer's last byte."""

    @property
    def overhead_ms(self) -> float:
        return self.report_ms + self.decision_ms + self.answer_ms


@dataclass(frozen=True, slots=True)
class Wake:
    """One request to one idle revision."""

    asked_at_s: float
    answered_at_s: float
    status: int
    story: Story

    @property
    def phases(self) -> Phases | None:
        """None if it failed."""
        story = self.story
        if (
            self.status != _OK
            or not story.stats_at_s
            or story.decided_at_s is None
            or story.up_at_s is None
        ):
            return None
        return Phases(
            report_ms=(story.stats_at_s[0] - self.asked_at_s) * _MS_PER_S,
            decision_ms=(story.decided_at_s - story.stats_at_s[0]) * _MS_PER_S,
            pod_ms=(story.up_at_s - story.decided_at_s) * _MS_PER_S,
            answer_ms=(self.answered_at_s - story.up_at_s) * _MS_PER_S,
        )


@dataclass(frozen=True, slots=True)
class Burst:
    """Many requests at once to one idle revision."""

    sent: int
    failed: int
    last_answer_ms: float
    """Without the pod's start; of the slowest answer."""
    stats: int
    pods_beyond_need: int


@dataclass(frozen=True, slots=True)
class Warm:
    """Requests to a revision that is awake, compared with those that the same Envoy lets pass."""

    p50_us: float
    p99_us: float
    bare_p50_us: float
    """Where nobody is asked."""
    envoy_cpu_us: float
    """Of the ingress Envoy's worker, for one request: the median of blocks."""
    added_cpu_us: float
    """The median of what each block took more than the bare one next to it."""

    @property
    def added_us(self) -> float:
        return self.p50_us - self.bare_p50_us


@dataclass(frozen=True, slots=True)
class Survival:
    """A request that came while there was no autoscaler."""

    status: int
    answered_after_s: float
    """Since the autoscaler was there again, the pod's start included."""


@dataclass(frozen=True, slots=True)
class Row:
    """All of one architecture."""

    name: str
    title: str
    wakes: tuple[Wake, ...]
    burst: Burst
    warm: Warm
    survival: Survival
    steps: tuple[Mapping[str, float], ...] = ()
    """Milliseconds of each step of each wake, if anybody looked; see `coldstart_steps`."""

    @property
    def phases(self) -> tuple[Phases, ...]:
        return tuple(each for wake in self.wakes if (each := wake.phases) is not None)

    @property
    def failed(self) -> int:
        return len(self.wakes) - len(self.phases)

    def overhead_ms(self, share: float) -> float | None:
        """A percentile; None if every wake failed."""
        return percentile([each.overhead_ms for each in self.phases], share)

    def step_ms(self, name: str, share: float) -> float | None:
        """A percentile; None if nobody took that step, or nobody looked."""
        return percentile([each[name] for each in self.steps if name in each], share)

    @property
    def stats_per_wake(self) -> float:
        return sum(len(each.story.stats_at_s) for each in self.wakes) / max(1, len(self.wakes))

    @property
    def pods_beyond_need(self) -> int:
        """One pod is enough for one request."""
        return sum(max(0, each.story.pods_started - 1) for each in self.wakes)

    def typical(self) -> Phases | None:
        """The median of each phase."""
        phases = self.phases
        if not phases:
            return None
        columns = zip(
            *((e.report_ms, e.decision_ms, e.pod_ms, e.answer_ms) for e in phases), strict=True
        )
        report, decision, pod, answer = (sorted(column)[len(column) // 2] for column in columns)
        return Phases(report, decision, pod, answer)


def percentile(values: Sequence[float], share: float) -> float | None:
    """The nearest one that there is: of thirty, the largest is the 99th. None of none."""
    if not values:
        return None
    return sorted(values)[round(share * (len(values) - 1))]
