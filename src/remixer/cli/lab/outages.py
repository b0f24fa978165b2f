"""When the back end is down: from a seed, so that a run can be had again. Pure.

Outages last what they last. Only the time between them is lived shorter than it would be: nothing
happens in it that had not happened in its first seconds; see `remixer.cli.lab.tally`.
"""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from math import exp, log
from random import Random
from typing import Final

SHORTEST_S: Final = 1.0
LONGEST_S: Final = 30.0
_RECOVERY: Final = 2.0
_MARGIN_S: Final = 5.0
"""For connections to come back and calls to end."""


class Phase(Enum):
    """Of a moment of the experiment."""

    DOWN = "down"
    AFTER = "after"
    """Up again; a circuit breaker may not have noticed yet."""
    STEADY = "steady"
    """All is well; stands for all the time that is not lived."""


@dataclass(frozen=True, slots=True)
class Outage:
    """Seconds since the experiment began."""

    begins_s: float
    ends_s: float
    is_silent: bool
    """The back end accepts connections and says nothing; else it refuses them."""

    @property
    def length_s(self) -> float:
        return self.ends_s - self.begins_s

    @property
    def forgotten_s(self) -> float:
        """From when on nothing of it is left.

        A breaker that doubles its pauses looks again after at most as much time as it has waited;
        a connection that does so, too, may fail it once more.
        """
        return self.ends_s + _RECOVERY * self.length_s + _MARGIN_S


@dataclass(frozen=True, slots=True)
class Schedule:
    """Outages in order, each after steady time, and steady time at the end."""

    outages: tuple[Outage, ...]
    total_s: float

    @property
    def down_s(self) -> float:
        return sum(each.length_s for each in self.outages)

    @property
    def steady_s(self) -> float:
        """How much steady time is lived."""
        return self.total_s - sum(each.forgotten_s - each.begins_s for each in self.outages)

    def phase_at(self, at_s: float) -> Phase:
        number = bisect_right([each.begins_s for each in self.outages], at_s) - 1
        if number < 0 or at_s >= self.outages[number].forgotten_s:
            return Phase.STEADY
        return Phase.DOWN if at_s < self.outages[number].ends_s else Phase.AFTER


def schedule(*, seed: int, total_s: float, steady_s: float) -> Schedule:
    """Outages of 1 to 30 s, as many short as long ones in each octave, until time is up.

    Half of them are silent. Each has `steady_s` before it, as has the end.
    """
    outages = _outages(Random(seed), total_s, steady_s)  # noqa: S311 - an experiment
    return Schedule(tuple(outages), total_s)


def _outages(random: Random, total_s: float, steady_s: float) -> Iterator[Outage]:
    begins_s = steady_s
    is_silent = random.getrandbits(1) == 1
    while True:
        length_s = exp(random.uniform(log(SHORTEST_S), log(LONGEST_S)))
        outage = Outage(begins_s, begins_s + length_s, is_silent)
        if outage.forgotten_s + steady_s > total_s:
            return
        yield outage
        is_silent = not is_silent
        begins_s = outage.forgotten_s + steady_s
