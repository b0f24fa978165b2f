"""Long computations in slices, so that requests are answered between them.

A computation is a generator that yields where it may pause. It is done at once (`done_now`), or by
`Slices`: one step in each round of the event loop, one computation after another.
"""

import asyncio
from collections import deque
from collections.abc import Generator
from typing import Final, TypeAlias, TypeVar

from remixer.foundation.log import event_log
from remixer.runtime.reasons import reason_of

_log: Final = event_log(__name__)

T = TypeVar("T")

Work: TypeAlias = Generator[None, None, None]


def done_now(work: Generator[None, None, T]) -> T:
    """What `work` gives, without pauses."""
    while True:
        try:
            next(work)
        except StopIteration as stop:
            result: T = stop.value
            return result


class Slices:
    """Does work while nobody waits for it, in the order in which it was added.

    There is a task only as long as there is work. Who adds bounds how much there is.
    """

    def __init__(self, *, group: asyncio.TaskGroup) -> None:
        self._group = group
        self._waiting: deque[Work] = deque()
        self._task: asyncio.Task[None] | None = None

    def add(self, work: Work) -> None:
        """Do `work` later; call on the loop of the group."""
        self._waiting.append(work)
        if self._task is None:
            steps = self._steps()
            try:
                self._task = self._group.create_task(steps, name="slices")
            except RuntimeError:  # the group has ended
                steps.close()
                self.drop()
                return
            self._task.add_done_callback(self._ended)

    def drop(self) -> None:
        """Do nothing more of what was added so far."""
        for work in self._waiting:
            work.close()
        self._waiting.clear()

    async def done(self) -> None:
        """Return when there is no work."""
        while self._task is not None:
            await asyncio.wait({self._task})

    async def _steps(self) -> None:
        while self._waiting:
            if self._is_finished(self._waiting[0]):
                self._waiting.popleft()
            await asyncio.sleep(0)

    def _is_finished(self, work: Work) -> bool:
        try:
            next(work)
        except StopIteration:
            return True
        except Exception as error:  # noqa: BLE001 - one computation's fault ends only itself
            _log.error("background_work_failed", reason=reason_of(error))
            return True
        return False

    def _ended(self, _task: asyncio.Task[None]) -> None:
        self._task = None
        self.drop()
