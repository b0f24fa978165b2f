"""What runs in one event loop at a time, for an object that may be made anywhere.

It is made anew in another loop, and in a forked child: what a child has of its parent's is left
alone. A child of a process that was using gRPC cannot use it, now or later: its threads are not
there, so calls hang, or end the process. That is said, instead, to whoever tries. gRPC may even end
the child before anything of ours runs there, so the parent's log tells of such a fork, too.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Generic, TypeVar

from remixer.foundation.errors import InternalError, RemixerError, StartupError
from remixer.foundation.log import event_log
from remixer.sidecar.forks import at_forks, leave_alone
from remixer.sidecar.loop_lock import LoopLock
from remixer.transport.grpc_threads import wait_until_ended

T = TypeVar("T")

_STEP: Final = (
    "fork before the client starts, or between `await client.rest()` and `client.wake()`, or use "
    "BlockingMixerClient, which rests by itself; or start the child without a fork "
    "(multiprocessing: `spawn`)"
)
_TORN: Final = (
    "this process was forked while a MixerClient was connected, and gRPC does not work in such a "
    f"child; {_STEP}"
)
_log: Final = event_log(__name__)


class LoopLife(Generic[T]):
    """`held` is what runs, None if nothing does."""

    __slots__ = (
        "__weakref__",
        "_is_torn",
        "_loop",
        "_may_linger",
        "_starting",
        "_survives_fork",
        "_whose",
        "held",
    )

    def __init__(self, whose: str, *, survives_fork: Callable[[T], bool]) -> None:
        """`whose`: as people call it. `survives_fork`: whether another may run in a child."""
        self.held: T | None = None
        self._whose = whose
        self._survives_fork = survives_fork
        self._is_torn = False
        self._may_linger = False
        """Whether gRPC's threads may still be ending."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._starting = LoopLock()
        at_forks(before=self._prepare, in_child=self._leave_to_parent)

    async def start(
        self, begin: Callable[[], Awaitable[T]], *, is_running: Callable[[T], bool]
    ) -> None:
        """Have something run in this loop. Raises as `begin`, and `StartupError` in such a child."""
        async with self._starting.here():
            if self._is_torn:
                raise self.absence()
            loop = asyncio.get_running_loop()
            if self.held is None or self._loop is not loop or not is_running(self.held):
                self.held = await begin()
                self._loop = loop

    def taken(self) -> T | None:
        """What runs no longer, for its end; None: there is nothing, or its loop is gone."""
        held, self.held = self.held, None
        self._may_linger = held is not None
        return None if self._loop is None or self._loop.is_closed() else held

    def absence(self) -> RemixerError:
        """Why there is nothing, for who needs it."""
        if self._is_torn:
            return StartupError(_TORN)
        message = f"a {self._whose} is started before it is asked, in each process: `async with`"
        return InternalError(message)

    def _prepare(self) -> None:
        """Warn, but only of forks in the loop itself: who forks elsewhere may have it rest first."""
        held = self.held
        if self._may_linger:
            self._may_linger = False
            wait_until_ended()
        if held is not None and _is_running(self._loop) and not self._survives_fork(held):
            _log.warning("forked_while_connected", hint=_STEP)

    def _leave_to_parent(self) -> None:
        held, self.held = self.held, None
        if held is not None:
            leave_alone(held)
            self._is_torn = self._is_torn or not self._survives_fork(held)


def _is_running(loop: asyncio.AbstractEventLoop | None) -> bool:
    """Whether it is this thread's."""
    try:
        return loop is asyncio.get_running_loop()
    except RuntimeError:
        return False
