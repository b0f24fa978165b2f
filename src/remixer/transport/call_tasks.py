"""The tasks of a server's calls that wait: one group, opened at the start, closed at the end."""

import asyncio
from asyncio import TaskGroup


class CallTasks:
    """A `TaskGroup` for calls that wait; its own task holds it open."""

    def __init__(self) -> None:
        self.group = TaskGroup()
        self._closing = asyncio.Event()
        self._opened = asyncio.Event()
        self._holder: asyncio.Task[None] | None = None

    async def open(self) -> None:
        # Not in a group: this is the task that holds one. `aclose` waits for it.
        self._holder = asyncio.create_task(self._hold(), name="server calls")  # noqa: TID251
        await self._opened.wait()

    async def _hold(self) -> None:
        async with self.group:
            self._opened.set()
            await self._closing.wait()

    async def aclose(self, *, within_s: float) -> None:
        """Wait for all tasks so long, then cancel them."""
        self._closing.set()
        if self._holder is not None:
            await asyncio.wait({self._holder}, timeout=within_s)
            self._holder.cancel()
            await asyncio.wait({self._holder}, timeout=within_s)
