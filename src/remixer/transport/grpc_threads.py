"""gRPC's own threads, which end some milliseconds after its last channel was closed.

A process that forks before has a child in which they are gone, and what they held stays held: its
own use of gRPC may never end.
"""

import asyncio
import gc
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_TASKS: Final = Path("/proc/self/task")
_NAMES: Final = ("event_engine", "lifeguard", "grpc_")
"""How they begin; the system has them cut off after fifteen characters."""
_LOOK_S: Final = 0.002
_IDLE_S: Final = 0.05
_STILL_S: Final = 0.5
"""If none has ended for so long, somebody else in this process uses gRPC."""
_LONGEST_S: Final = 3.0


async def until_ended() -> None:
    """Return when there is none, or none ends any more; at once where the system does not tell."""
    for pause_s in _pauses():
        await asyncio.sleep(pause_s)


def wait_until_ended() -> None:
    """As `until_ended`, for those who may not wait in an event loop."""
    for pause_s in _pauses():
        time.sleep(pause_s)  # noqa: TID251 - the process forks: its loop must not go on


def are_running() -> bool:
    """Whether there is any."""
    return next(_running(), None) is not None


def _pauses() -> Iterator[float]:
    """What to wait before it looks again."""
    begun_s = since_s = time.monotonic()
    left, has_collected = set(_running()), False
    while left and time.monotonic() < min(begun_s + _LONGEST_S, since_s + _STILL_S):
        yield _LOOK_S
        now_s, now = time.monotonic(), set(_running())
        if now != left:
            left, since_s = now, now_s
        elif not has_collected and now_s - since_s > _IDLE_S:
            # A call that failed may have left its channel in the cycle of an error and its frames.
            gc.collect()
            has_collected, since_s = True, time.monotonic()


def _running() -> Iterator[str]:
    """Numbers of those that run."""
    try:
        tasks = sorted(_TASKS.iterdir())
    except OSError:
        return
    for task in tasks:
        try:
            name = (task / "comm").read_text()
        except OSError:  # it has ended meanwhile
            continue
        if name.startswith(_NAMES):
            yield task.name
