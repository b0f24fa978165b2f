"""Work that nobody waits for: the port through which tiers start it, and what runs it."""

import asyncio
from collections.abc import Coroutine
from typing import Final, Protocol

from remixer.foundation.log import event_log

_log: Final = event_log(__name__)


class Background(Protocol):
    """Runs work to its end; `asyncio.TaskGroup.create_task` is one."""

    def __call__(self, work: Coroutine[object, None, None], /, *, name: str) -> object: ...


class BackgroundWork:
    """Runs coroutines while `run` runs, or a group; before and after it they are dropped.

    The failure of one ends nothing else.
    """

    def __init__(self) -> None:
        self._group: asyncio.TaskGroup | None = None

    def __call__(self, work: Coroutine[object, None, None], *, name: str) -> None:
        """Start `work`, if it is the time for it."""
        if self._group is None:
            work.close()
            return
        walled = _walled(work, name)
        try:
            task = self._group.create_task(walled, name=name)
        except RuntimeError:  # the group has ended
            walled.close()
            work.close()
            return
        # A task that is cancelled before its first step would leave `work` never awaited.
        task.add_done_callback(lambda _: work.close())

    def spawn(self, work: Coroutine[object, None, None], *, name: str) -> None:
        """The same, as connections ask for it."""
        self(work, name=name)

    async def run(self) -> None:
        """Until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                self.run_in(group)
                await asyncio.Event().wait()
        finally:
            self._group = None

    def run_in(self, group: asyncio.TaskGroup) -> None:
        """Run work in somebody's group, for as long as that is open."""
        self._group = group


async def _walled(work: Coroutine[object, None, None], name: str) -> None:
    try:
        await work
    except Exception as error:  # noqa: BLE001 - one piece's fault ends only itself
        _log.error("background_work_failed", work=name, reason=f"{type(error).__name__}: {error}")
