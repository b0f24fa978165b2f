"""One server at one size, and what its calls cost."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from subprocess import TimeoutExpired

from bench import h2load, raw_load, servers
from bench.bodies import recorded
from bench.subjects import CHECK, REPORT

ROUNDS = 3
ROUND_CPU_S = 0.3
MOST_CALLS, LEAST_CALLS = 3_000, 64
TRIAL_CALLS = 64
FEWEST = 32
"""Calls that the load generator can make: one for each stream."""
FIRST_NUMBER = 900_000
"""Of requests that come before all measured ones."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One measured value. `line` names the curve, `unit` the picture that it belongs to."""

    unit: str
    line: str
    value: float


def readings(
    folder: Path,
    *,
    misses: Callable[[int, int], list[bytes]],
    hit: bytes,
    has_reports: bool = False,
    more: Callable[[servers.ServerProcess], list[Reading]] | None = None,
) -> list[Reading]:
    """Start, check and report with the rules of `folder`.

    `misses(first, count)` makes requests; no two numbers are alike to the rules.
    """
    with servers.running("remixer", str(folder), "own", "on") as server:
        found = [
            Reading("s", "CPU of the start", h2load.settled_cpu_s(server.pid)),
            Reading("MB", "resident, started", h2load.resident_mb(server.pid)),
            Reading("s", "CPU of the first checks", _first_s(server, misses)),
            Reading("µs", "check, miss", cpu_us_each_once(server, CHECK, misses)),
            Reading("µs", "check, hit", cpu_us(server, CHECK, hit)),
        ]
        if has_reports:
            # What takes seconds a call has no point in the picture.
            with suppress(TimeoutExpired):
                found.append(Reading("µs", "report", cpu_us(server, REPORT, recorded("report-1"))))
        if more is not None:
            found += more(server)
        return found


def _first_s(
    server: servers.ServerProcess, messages: Callable[[int, int], Sequence[bytes]]
) -> float:
    """What is made when it is needed is made now."""
    made = messages(FIRST_NUMBER, FEWEST)
    load = raw_load.run(server.address, CHECK, made, server_pid=server.pid, calls=FEWEST)
    return load.server_cpu_us * FEWEST / 1e6


def cpu_us(server: servers.ServerProcess, path: str, message: bytes) -> float:
    """Server CPU per call of one message: the least of the rounds."""

    def load(calls: int) -> float:
        found = h2load.run(server.address, path, message, server_pid=server.pid, calls=calls)
        return found.server_cpu_us

    return _least(load)


def cpu_us_each_once(
    server: servers.ServerProcess, path: str, messages: Callable[[int, int], Sequence[bytes]]
) -> float:
    """The same with another message each time."""
    at = 0

    def load(calls: int) -> float:
        nonlocal at
        part, at = messages(at, calls), at + calls
        found = raw_load.run(server.address, path, part, server_pid=server.pid, calls=calls)
        return found.server_cpu_us

    return _least(load)


def _least(load: Callable[[int], float]) -> float:
    """What is slow is called less often."""
    trial_us = load(TRIAL_CALLS)
    calls = min(MOST_CALLS, max(LEAST_CALLS, int(ROUND_CPU_S * 1e6 / max(trial_us, 1.0))))
    return min(load(calls // FEWEST * FEWEST) for _ in range(ROUNDS))
