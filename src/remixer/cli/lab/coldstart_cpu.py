"""Where Envoys run, and for how long, as Linux tells it."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_NS_PER_US: Final = 1e3
_WORKER: Final = "wrk:"
"""What Envoy calls its worker threads."""


def _workers(pid: int) -> list[Path]:
    """Other threads are not on the way of requests: they flush statistics, and watch files."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return [each for each in threads if (each / "comm").read_text().startswith(_WORKER)]


def worker_cpu_us(pid: int) -> float:
    """Time that an Envoy's worker threads have run, to the nanosecond."""
    spent = (int((each / "schedstat").read_text().split()[0]) for each in _workers(pid))
    return sum(spent) / _NS_PER_US


@contextmanager
def together(pids: Sequence[int]) -> Iterator[None]:
    """Run this process and the workers of these Envoys on one processor.

    Left to chance, one Envoy runs beside its client and the next does not; waking another
    processor weighs more than any filter.
    """
    allowed = sorted(os.sched_getaffinity(0))
    threads = [int(each.name) for pid in pids for each in _workers(pid)]
    for thread in (0, *threads):
        os.sched_setaffinity(thread, allowed[:1])
    try:
        yield
    finally:
        for thread in (0, *threads):
            os.sched_setaffinity(thread, allowed)
