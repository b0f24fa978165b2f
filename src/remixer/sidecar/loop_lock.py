"""A lock for objects that serve one event loop after the other."""

import asyncio


class LoopLock:
    """Gives a lock for the running loop.

    One that somebody waited for stays with its loop, and one that was held in a fork is held for
    ever in the child.
    """

    __slots__ = ("_lock", "_loop")

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = asyncio.Lock()

    def here(self) -> asyncio.Lock:
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop, self._lock = loop, asyncio.Lock()
        return self._lock
