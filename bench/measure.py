"""CPU time per call of a plain function."""

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

ROUNDS = 7
ROUND_S = 0.25  # long enough that one preemption does not show


@dataclass(frozen=True, slots=True)
class Figure:
    """Microseconds per call over several rounds."""

    minimum: float
    median: float
    maximum: float

    @staticmethod
    def of(samples: list[float]) -> "Figure":
        return Figure(min(samples), statistics.median(samples), max(samples))

    def shared_by(self, count: int) -> "Figure":
        """Of each of `count` things that a call did."""
        return Figure(self.minimum / count, self.median / count, self.maximum / count)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table. `goal_us` None: none stated."""

    name: str
    figure: Figure
    goal_us: float | None = None


def cpu_per_call(call: Callable[[], object], *, rounds: int = ROUNDS) -> Figure:
    """Process CPU per call; the garbage collector stays on, as in the server."""
    count = _calls_per_round(call)
    gc.collect()
    return Figure.of([_cpu_us(call, count) / count for _ in range(rounds)])


def _calls_per_round(call: Callable[[], object]) -> int:
    count = 1
    while True:
        spent_us = _cpu_us(call, count)
        if spent_us > ROUND_S * 1e6 / 10:
            return max(1, int(count * ROUND_S * 1e6 / spent_us))
        count *= 4


def _cpu_us(call: Callable[[], object], count: int) -> float:
    loop = range(count)
    begun = time.process_time_ns()
    for _ in loop:
        call()
    return (time.process_time_ns() - begun) / 1e3
