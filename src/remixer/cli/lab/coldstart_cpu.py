"""Where Envoys run, and for how long, as Linux tells it."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

_NS_PER_US: Final = 1e3
_WORKER: Final = "wrk:"
"""What Envoy calls its worker threads."""
_SPIN: Final = """
import os, select, sys
os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
while not select.select([sys.stdin], [], [], 0)[0]:
    for _ in range(10_000):
        pass
"""


def _workers(pid: int) -> list[Path]:
    """Other threads are not on the way of requests: they flush statistics, and watch files."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return [each for each in threads if (each / "comm").read_text().startswith(_WORKER)]


def worker_cpu_us(pid: int) -> float:
    """Time that an Envoy's worker threads have run, to the nanosecond."""
    spent = (int((each / "schedstat").read_text().split()[0]) for each in _workers(pid))
    return sum(spent) / _NS_PER_US


@contextmanager
def _on_one_processor(pids: Sequence[int]) -> Iterator[None]:
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


@asynccontextmanager
async def kept_awake(*, together: Sequence[int]) -> AsyncIterator[None]:
    """No processor falls asleep: each has something to do whenever nobody else wants it.

    A virtual processor that sleeps takes longer to wake than what is compared, and whether it
    sleeps depends on what else its machine does. Whoever spins gives way to everybody at once, and
    ends with its standard input. This process and the workers of the Envoys `together` share one.
    """
    spinning = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", "-c", _SPIN),
            stdin=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        for _ in os.sched_getaffinity(0)
    ]
    try:
        with _on_one_processor(together):
            yield
    finally:
        for each in spinning:
            if each.stdin is not None:
                each.stdin.close()
            await each.wait()
