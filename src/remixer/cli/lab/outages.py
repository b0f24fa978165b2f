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


class Phase(Enum):
    """Of a moment of the experiment."""

    DOWN = "down"
    AFTER = "after"
    """Up again, for the first half of the time that is lived between outages."""
    STEADY = "steady"
    """The second half; stands for all the time that is not lived."""


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


@dataclass(frozen=True, slots=True)
class Schedule:
    """Outages in order, each with `up_s` of good time before it."""

    outages: tuple[Outage, ...]
    up_s: float
    total_s: float

    @property
    def down_s(self) -> float:
        return sum(each.length_s for each in self.outages)

    @property
    def steady_s(self) -> float:
        """How much steady time is lived."""
        return self.total_s - self.down_s - len(self.outages) * self.up_s / 2

    def phase_at(self, at_s: float) -> Phase:
        number = bisect_right([each.begins_s for each in self.outages], at_s) - 1
        if number < 0:
            return Phase.STEADY
        ends_s = self.outages[number].ends_s
        if at_s < ends_s:
            return Phase.DOWN
        return Phase.AFTER if at_s < ends_s + self.up_s / 2 else Phase.STEADY


def schedule(*, seed: int, total_s: float, up_s: float) -> Schedule:
    """Outages of 1 to 30 s, as many short as long ones in each octave, until time is up.

    Half of them are silent. The last ends early enough for its aftermath.
    """
    return Schedule(tuple(_outages(Random(seed), total_s, up_s)), up_s, total_s)  # noqa: S311 - an experiment


def _outages(random: Random, total_s: float, up_s: float) -> Iterator[Outage]:
    at_s = up_s
    is_silent = random.random() < 0.5  # noqa: PLR2004 - of the caller's; half
    while True:
        length_s = exp(random.uniform(log(SHORTEST_S), log(LONGEST_S)))
        if at_s + length_s + up_s > total_s:
            return
        yield Outage(at_s, at_s + length_s, is_silent)
        is_silent = not is_silent
        at_s += length_s + up_s
