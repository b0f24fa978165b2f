"""The HTTP/1.1 server: its listener, and what all connections share.

Served by the running loop, on its thread. Drain, in order: connections that wait to be accepted
are; the listener closes; connections without a request under way close; the others close with
their next answer, or when the grace is over.
"""

import asyncio
from asyncio import TaskGroup, TimerHandle
from datetime import UTC, datetime
from typing import Final

from remixer.foundation.clock import Clock
from remixer.foundation.errors import InternalError, StartupError
from remixer.foundation.event_limit import EventLimit
from remixer.foundation.log import event_log
from remixer.transport.call_tasks import CallTasks
from remixer.transport.http1.connection import HttpConnection, Stage
from remixer.transport.http1.port import (
    Http1Limits,
    HttpHandler,
    HttpObserver,
    NobodyCounts,
)
from remixer.transport.listeners import Listeners

_AFTER_CANCEL_S: Final = 1.0
"""For cancelled handlers to run their `finally` blocks, and for last bytes to leave."""
_LONGEST_TICK_S: Final = 1.0
_TICKS_PER_LIMIT: Final = 4
"""So that the shortest of the limits is kept to a quarter."""
_COMPLAINT_INTERVAL_S: Final = 60.0
_NS_PER_S: Final = 1_000_000_000
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = (
    *("Jan", "Feb", "Mar", "Apr", "May", "Jun"),
    *("Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
)

_log: Final = event_log(__name__)


class Http1Server:
    """One start, one drain; drain without start is allowed. Implements `Keeper`."""

    def __init__(
        self,
        *,
        name: str,
        handler: HttpHandler,
        clock: Clock,
        limits: Http1Limits | None = None,
        observer: HttpObserver | None = None,
    ) -> None:
        """`name` stands in logs and metrics."""
        self.handler = handler
        self.limits = limits or Http1Limits()
        self.is_draining = False
        self._name = name
        self._clock = clock
        self._observer: HttpObserver = observer or NobodyCounts()
        self._tasks: CallTasks | None = None
        self._listeners = Listeners(backlog=self.limits.backlog)
        # Ordered sets, the longest there first.
        self._unanswered: dict[HttpConnection, None] = {}
        self._known: dict[HttpConnection, None] = {}
        self._none_left = asyncio.Event()
        self._none_left.set()
        self._complaints = EventLimit(interval_s=_COMPLAINT_INTERVAL_S)
        self._ticker: TimerHandle | None = None
        self._date = (-1, "")

    # -------------------------------------------------------------- life

    async def start(self, address: str, *, setting: str) -> str:
        """Bind and serve; the bound address. Raises `StartupError`, which names `setting`."""
        if self._tasks is not None:
            message = "an HTTP server starts once"
            raise InternalError(message)
        self._tasks = CallTasks()
        await self._tasks.open()
        try:
            return await self._listeners.open(
                address, lambda: HttpConnection(self), setting=setting
            )
        except StartupError:
            await self.drain(grace_s=0.0)
            raise

    async def drain(self, *, grace_s: float) -> None:
        """Finish what is under way within `grace_s`, then end all; twice is safe."""
        if grace_s and not self.is_draining:
            await self._listeners.accept_waiting()
        self.is_draining = True
        self._listeners.close()
        for connection in self._connections():
            connection.drain()
        await self._wait_for_none(grace_s)
        if self._tasks is not None and not self._none_left.is_set():
            # Cancelled handlers say no more: what is left hears nothing.
            for connection in self._connections():
                connection.cut("cut")
            await self._wait_for_none(_AFTER_CANCEL_S)
        if self._tasks is not None:
            await self._tasks.aclose(within_s=_AFTER_CANCEL_S)
        self._listeners.remove_files()
        if self._ticker is not None:
            self._ticker.cancel()
            self._ticker = None

    async def _wait_for_none(self, timeout_s: float) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                await self._none_left.wait()
        except TimeoutError:
            return

    # -------------------------------------------------------------- for connections

    @property
    def tasks(self) -> TaskGroup:
        assert self._tasks is not None  # noqa: S101 - connections come after the start
        return self._tasks.group

    def now_s(self) -> float:
        return self._clock.monotonic_s()

    def date(self) -> str:
        second = self._clock.unix_ns() // _NS_PER_S
        if second != self._date[0]:
            self._date = (second, _http_date(second))
        return self._date[1]

    def opened(self, connection: HttpConnection) -> bool:
        is_full = len(self._unanswered) + len(self._known) >= self.limits.max_connections
        if is_full and not self._make_room():
            return False
        self._unanswered[connection] = None
        self._none_left.clear()
        if self._ticker is None:
            self._tick_later()
        return True

    def answered(self, connection: HttpConnection, status: int, seconds: float) -> None:
        self._observer.http_answered(server=self._name, status=status, seconds=seconds)
        if connection.has_answered and connection in self._unanswered:
            del self._unanswered[connection]
            self._known[connection] = None

    def complain(self, cause: str, reason: str, peer: str) -> None:
        held_back = self._complaints.pass_now(cause, now_s=self.now_s())
        if held_back is not None:
            _log.info(
                "bad connection",
                server=self._name,
                peer=peer,
                cause=cause,
                reason=reason,
                held_back=held_back,
            )

    def gone(self, connection: HttpConnection, cause: str) -> None:
        self._unanswered.pop(connection, None)
        self._known.pop(connection, None)
        self._observer.http_connection_ended(server=self._name, cause=cause)
        if not self._unanswered and not self._known:
            self._none_left.set()

    # -------------------------------------------------------------- inside

    def _connections(self) -> tuple[HttpConnection, ...]:
        return (*self._unanswered, *self._known)

    def _make_room(self) -> bool:
        """A peer that has asked nothing yet must not keep out one that would."""
        for connection in self._unanswered:
            if connection.stage is not Stage.ANSWERING:
                # At once, not when the loop tells of its end: others may come in this turn.
                del self._unanswered[connection]
                connection.cut("gave_way")
                return True
        self.complain("too_many_connections", f"{self.limits.max_connections} are open", "")
        return False

    def _tick_later(self) -> None:
        limits = self.limits
        shortest_s = min(limits.head_s, limits.idle_s, limits.write_stall_s, limits.linger_s)
        tick_s = min(_LONGEST_TICK_S, shortest_s / _TICKS_PER_LIMIT)
        self._ticker = asyncio.get_running_loop().call_later(tick_s, self._tick)

    def _tick(self) -> None:
        now_s = self.now_s()
        for connection in self._connections():
            connection.tick(now_s)
        self._ticker = None
        if self._unanswered or self._known:
            self._tick_later()


def _http_date(second: int) -> str:
    """As RFC 9110 has it, whatever the locale."""
    at = datetime.fromtimestamp(second, UTC)
    day, month = _DAYS[at.weekday()], _MONTHS[at.month - 1]
    return f"{day}, {at.day:02} {month} {at.year:04} {at:%H:%M:%S} GMT"
