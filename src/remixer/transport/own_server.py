"""The gRPC server on a transport of our own, for `--transport own`.

`core` speaks HTTP/2 without I/O; `own_protocol` is one connection, `own_calls` its calls; here
are the listeners and what all connections share. Served by the running loop, on its thread.

Drain, in order: connections that wait to be accepted are; the listeners close; each connection
drains in two steps (see `own_protocol`), so that a call under way when its client had not yet
heard of the drain is served; streams get a short courtesy to end by themselves, then their
requests end; what is left after the grace is told UNAVAILABLE and cancelled.
"""

import asyncio
from asyncio import TaskGroup, TimerHandle
from collections.abc import Mapping, Sequence
from math import inf
from typing import Final

from remixer.foundation.clock import Clock
from remixer.foundation.errors import InternalError, StartupError
from remixer.foundation.event_limit import EventLimit
from remixer.foundation.log import event_log
from remixer.transport.call_tasks import CallTasks
from remixer.transport.core.api import ServerConnection
from remixer.transport.core.connection import GrpcConnection
from remixer.transport.core.limits import ConnectionLimits
from remixer.transport.listeners import Listeners
from remixer.transport.own_context import Services
from remixer.transport.own_protocol import ConnectionObserver, OwnConnection
from remixer.transport.own_settings import ConnectionSettings
from remixer.transport.own_tls import TlsListener
from remixer.transport.port import (
    GrpcServerFactory,
    Listener,
    Method,
    StreamHandler,
    StreamMethod,
    TransportLimits,
    UnaryHandler,
    UnaryMethod,
)

_COURTESY_S: Final = 1.0
"""Enough for a client to see GOAWAY and half-close its streams."""
_COURTESY_SHARE: Final = 0.25
"""Of the grace, when the grace is short; as much again for a busy stream to fall quiet."""
_AFTER_CANCEL_S: Final = 1.0
"""For cancelled handlers to run their `finally` blocks, and for last bytes to leave."""
_LONGEST_TICK_S: Final = 1.0
"""Between two looks at all connections; what time shows is in seconds."""
_TICKS_PER_LIMIT: Final = 4
"""So that the shortest of the settings is kept to a quarter."""
_AGE_SPREAD: Final = 0.1
"""Of the maximum age: connections made together should not end together."""
_GOLDEN: Final = 0.618_033_988_75
"""Multiples of it, modulo 1, are spread evenly: chance without a source of chance."""
_COMPLAINT_INTERVAL_S: Final = 60.0
"""For each cause; the observer counts them all."""

_log = event_log(__name__)


class _NobodyCounts:
    """The observer when none is given."""

    def connection_ended(self, *, cause: str) -> None:
        """Tell nobody."""

    def calls_refused(self, *, cause: str, count: int) -> None:
        """Tell nobody."""


def own_servers(
    *,
    clock: Clock,
    settings: ConnectionSettings | None = None,
    observer: ConnectionObserver | None = None,
) -> GrpcServerFactory:
    """The factory for `--transport own`."""

    def make(
        *, methods: Sequence[Method], listeners: Sequence[Listener], limits: TransportLimits
    ) -> OwnServer:
        return OwnServer(
            methods=methods,
            listeners=listeners,
            limits=limits,
            clock=clock,
            settings=settings or ConnectionSettings(),
            observer=observer or _NobodyCounts(),
        )

    return make


class OwnServer:
    """Implements `GrpcServer`. One start, one drain; drain without start is allowed."""

    def __init__(
        self,
        *,
        methods: Sequence[Method],
        listeners: Sequence[Listener],
        limits: TransportLimits,
        clock: Clock,
        settings: ConnectionSettings,
        observer: ConnectionObserver,
    ) -> None:
        self._unary, self._streams = _tables(methods)
        self._listeners = tuple(listeners)
        self._limits = limits
        self._clock = clock
        self._settings = settings
        self._observer = observer
        self._running: _Running | None = None

    async def start(self) -> tuple[str, ...]:
        if self._running is not None:
            message = "a gRPC server starts once"
            raise InternalError(message)
        loop = asyncio.get_running_loop()
        tasks = CallTasks()
        await tasks.open()
        services = Services(
            unary=self._unary,
            streams=self._streams,
            max_message_bytes=self._limits.max_message_bytes,
            clock=self._clock,
            loop=loop,
            tasks=tasks.group,
        )
        running = self._running = _Running(
            services=services,
            settings=self._settings,
            observer=self._observer,
            limits=self._limits,
            tasks=tasks,
        )
        try:
            return tuple([await running.listen(each) for each in self._listeners])
        except StartupError:
            await self.drain(grace_s=0.0)
            raise

    async def drain(self, *, grace_s: float) -> None:
        if self._running is not None:
            await self._running.drain(grace_s=grace_s)


def _tables(
    methods: Sequence[Method],
) -> tuple[Mapping[str, UnaryHandler], Mapping[str, StreamHandler]]:
    unary = {each.path: each.handle for each in methods if isinstance(each, UnaryMethod)}
    streams = {each.path: each.handle for each in methods if isinstance(each, StreamMethod)}
    if len(unary.keys() | streams.keys()) < len(methods):
        message = "two methods of one path were registered"
        raise InternalError(message)
    return unary, streams


class _Running:
    """A started server. Implements `Keeper` for its connections."""

    def __init__(
        self,
        *,
        services: Services,
        settings: ConnectionSettings,
        observer: ConnectionObserver,
        limits: TransportLimits,
        tasks: CallTasks,
    ) -> None:
        self.services = services
        self.settings = settings
        self.is_draining = False
        self._observer = observer
        self._core_limits = ConnectionLimits(
            max_concurrent_streams=limits.max_concurrent_streams,
            max_message_bytes=limits.max_message_bytes,
            max_send_message_bytes=limits.max_message_bytes,
        )
        self._tasks = tasks
        self._listeners = Listeners(backlog=settings.backlog)
        self._complaints = EventLimit(interval_s=_COMPLAINT_INTERVAL_S)
        self._connections: set[OwnConnection] = set()
        self._made = 0
        self._none_left = asyncio.Event()
        self._none_left.set()
        self._tick_s = _tick_s(settings)
        self._ticker: TimerHandle | None = None

    # -------------------------------------------------------------- connections

    def opened(self, connection: OwnConnection) -> bool:
        if len(self._connections) >= self.settings.max_connections:
            return False
        self._connections.add(connection)
        self._none_left.clear()
        if self._ticker is None:
            self._ticker = self.services.loop.call_later(self._tick_s, self._tick)
        return True

    def gone(self, connection: OwnConnection, cause: str) -> None:
        self._connections.discard(connection)
        self._observer.connection_ended(cause=cause)
        if not self._connections:
            self._none_left.set()

    def refused(self, cause: str, count: int) -> None:
        self._observer.calls_refused(cause=cause, count=count)

    def complain(self, cause: str, reason: str, peer: str) -> None:
        held_back = self._complaints.pass_now(cause, now_s=self.services.clock.monotonic_s())
        if held_back is not None:
            _log.info("bad connection", peer=peer, cause=cause, reason=reason, held_back=held_back)

    def _make(self, tls: TlsListener | None) -> OwnConnection:
        self._made += 1
        earlier = _AGE_SPREAD * (self._made * _GOLDEN % 1.0)
        max_age_s = self.settings.max_age_s
        return OwnConnection(
            keeper=self,
            core=self._core(),
            tls=None if tls is None else tls.wire(),
            max_age_s=max_age_s * (1.0 - earlier) if max_age_s < inf else inf,
        )

    def _core(self) -> ServerConnection:
        return GrpcConnection(limits=self._core_limits)

    def _tick(self) -> None:
        now_s = self.services.clock.monotonic_s()
        for connection in tuple(self._connections):
            connection.tick(now_s)
        self._ticker = None
        if self._connections:
            self._ticker = self.services.loop.call_later(self._tick_s, self._tick)

    # -------------------------------------------------------------- listeners

    async def listen(self, listener: Listener) -> str:
        """The bound address."""
        tls = None if listener.tls is None else TlsListener(listener.tls, address=listener.address)
        return await self._listeners.open(
            listener.address, lambda: self._make(tls), setting=listener.setting
        )

    # -------------------------------------------------------------- drain

    async def drain(self, *, grace_s: float) -> None:
        """Twice is safe."""
        if grace_s and not self.is_draining:
            await self._listeners.accept_waiting()
        self.is_draining = True
        self._listeners.close()
        for connection in tuple(self._connections):
            connection.drain()
        if grace_s:
            async with TaskGroup() as group:
                group.create_task(self._end_streams(grace_s), name="grpc streams end")
                group.create_task(self._wait_for_none(grace_s), name="grpc connections end")
        await self._cut_what_is_left()
        self._listeners.remove_files()
        if self._ticker is not None:
            self._ticker.cancel()

    async def _end_streams(self, grace_s: float) -> None:
        courtesy_s = min(_COURTESY_S, grace_s * _COURTESY_SHARE)
        streams = self.services.open_streams
        await streams.wait_until_none(timeout_s=courtesy_s)
        streams.end_all(within_s=courtesy_s)

    async def _cut_what_is_left(self) -> None:
        for connection in tuple(self._connections):
            connection.cut()
        await self._tasks.aclose(within_s=_AFTER_CANCEL_S)
        await self._wait_for_none(_AFTER_CANCEL_S)
        for connection in tuple(self._connections):
            connection.abort()
        await self._wait_for_none(_AFTER_CANCEL_S)

    async def _wait_for_none(self, timeout_s: float) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                await self._none_left.wait()
        except TimeoutError:
            return


def _tick_s(settings: ConnectionSettings) -> float:
    shortest = min(
        settings.handshake_s,
        settings.keepalive_interval_s,
        settings.keepalive_timeout_s,
        settings.write_stall_s,
        settings.max_idle_s,
        settings.max_age_s,
        settings.age_grace_s,
    )
    return min(_LONGEST_TICK_S, shortest / _TICKS_PER_LIMIT)
