"""One connection of our own server: a socket's callbacks on one side, the core on the other.

Theory of operation. Bytes in, through TLS if there is any, to the core; its events to the calls;
then the core's output in one write. Stages, each left only downwards:

    HANDSHAKE  TLS, then the client's preface; bounded by `handshake_s`
    OPEN       serves; pinged when silent
    DRAINING   first GOAWAY and a ping are out; its answer, or `drain_ping_s`, brings the second
               GOAWAY; the connection ends with its last call
    LINGERING  our side is closed; what still comes is thrown away until the peer closes too:
               closing with unread bytes would make the system destroy what we sent last
    GONE

While the peer does not take what was written, nothing more is read nor taken from the core.
"""

import asyncio
from asyncio import TimerHandle, Transport
from enum import IntEnum
from math import inf
from typing import Final, Protocol, cast

from remixer.foundation.status import Code
from remixer.transport.core.api import ServerConnection
from remixer.transport.core.events import ConnectionEnded
from remixer.transport.own_calls import ConnectionCalls
from remixer.transport.own_context import Services
from remixer.transport.own_settings import ConnectionSettings
from remixer.transport.own_sockets import peer_address
from remixer.transport.own_tls import TlsFailed, TlsWire
from remixer.transport.port import Peer

_PREFACE_BYTES: Final = 33
"""The 24 bytes of RFC 9113, 3.4 and the header of the SETTINGS frame after them."""
_MOST_LINGER_BYTES: Final = 4 << 20
"""A peer that sends more after our end is cut off; what was under way at the end is less."""
_LONGEST_REASON: Final = 200
"""Characters; enough for one log line."""
_KEEPALIVE_PING: Final = b"keepaliv"
_DRAIN_PING: Final = b"draining"


class ConnectionObserver(Protocol):
    """Counts connections; must be cheap and must not raise."""

    def connection_ended(self, *, cause: str) -> None:
        """`cause`: one of a bounded set of words, as `closed_by_peer` or `rapid_reset`."""
        ...

    def calls_refused(self, *, cause: str, count: int) -> None:
        """So many calls ended for their peer's fault, and their connection lives on."""
        ...


class Stage(IntEnum):
    """Where a connection is in its life; see the module."""

    HANDSHAKE = 0
    OPEN = 1
    DRAINING = 2
    LINGERING = 3
    GONE = 4


_OPEN: Final = Stage.OPEN


class Keeper(Protocol):
    """The server, as its connections see it."""

    @property
    def services(self) -> Services: ...

    @property
    def settings(self) -> ConnectionSettings: ...

    @property
    def is_draining(self) -> bool: ...

    def opened(self, connection: "OwnConnection") -> bool:
        """False if there are too many already."""
        ...

    def gone(self, connection: "OwnConnection", cause: str) -> None: ...

    def refused(self, cause: str, count: int) -> None:
        """Calls that ended for their peer's fault."""
        ...

    def complain(self, cause: str, reason: str, peer: str) -> None:
        """For the log; a flood of bad connections must not become one of lines."""
        ...


class OwnConnection(asyncio.Protocol):
    """Implements `Link` for its calls."""

    __slots__ = (
        "_address", "_calls", "_cause", "_core", "_heard_at_s", "_is_flushing", "_keeper",
        "_life_ends_at_s", "_lingers_until_s", "_now_s", "_opened_at_s", "_peer", "_pinged_at_s", "_received_bytes",
        "_stalled_at_s", "_timer", "_tls", "_transport", "_writable",
        "stage",
    )  # fmt: skip

    def __init__(
        self, *, keeper: Keeper, core: ServerConnection, tls: TlsWire | None, max_age_s: float
    ) -> None:
        self._now_s = keeper.services.clock.monotonic_s
        now_s = self._now_s()
        self._keeper = keeper
        self._core = core
        self._tls = tls
        self._calls = ConnectionCalls(core=core, services=keeper.services, link=self, now_s=now_s)
        self.stage = Stage.HANDSHAKE
        self._transport: Transport | None = None
        self._peer: Peer | None = None
        self._address = ""
        self._cause = "closed_by_peer"
        self._opened_at_s = now_s
        self._life_ends_at_s = now_s + max_age_s
        self._lingers_until_s = inf
        self._heard_at_s = now_s
        self._pinged_at_s: float | None = None
        self._stalled_at_s: float | None = None
        self._received_bytes = 0
        self._is_flushing = False
        self._timer: TimerHandle | None = None
        self._writable: asyncio.Future[None] | None = None

    # -------------------------------------------------------------- from the loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("Transport", transport)
        self._address = peer_address(transport)
        if not self._keeper.opened(self):
            self._cut("too_many_connections", "as many connections as are allowed are open")
            return
        self._core.start()
        if self._tls is None:
            self._flush()
        if self._keeper.is_draining:
            self.drain()

    def data_received(self, data: bytes) -> None:
        now_s = self._heard_at_s = self._now_s()
        if self.stage is _OPEN and self._tls is None and self._stalled_at_s is None:
            # The way of most bytes, in as few steps as can be: a lonely call finds cold caches,
            # where each step costs ten times what it costs under load.
            core = self._core
            events = core.receive(data, now_s=now_s)
            if events:
                self._calls.take(events, now_s)
            output = core.take_output()
            if output and self._transport is not None:
                self._transport.write(output)
            return
        self._received(data, now_s)

    def _received(self, data: bytes, now_s: float) -> None:
        """Bytes that come at another time than the usual, or encrypted."""
        if self.stage is not _OPEN and not self._is_of_use(data):
            return
        if self._tls is not None:
            try:
                data = self._tls.receive(data)
            except TlsFailed as error:
                self._tls_failed(error)
                return
        if data:
            self._calls.take(self._core.receive(data, now_s=now_s), now_s)
        self._flush()
        if self._tls is not None and self._tls.peer_closed and self._transport is not None:
            self._transport.close()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        if self.stage is Stage.GONE:
            return
        if exc is not None and self._cause == "closed_by_peer":
            self._cause = "lost"
        self.stage = Stage.GONE
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()
        self._calls.cancel_all(None)
        self._wake_writers()
        self._count_faults()
        self._keeper.gone(self, self._cause)

    def pause_writing(self) -> None:
        self._stalled_at_s = self._now_s()
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._stalled_at_s = None
        self._wake_writers()
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()
        self._flush()

    # -------------------------------------------------------------- from calls

    @property
    def peer(self) -> Peer:
        if self._peer is None:
            sans = () if self._tls is None else self._tls.uri_sans()
            self._peer = Peer(self._address, sans)
        return self._peer

    def flush_soon(self) -> None:
        if not self._is_flushing:
            self._is_flushing = True
            self._keeper.services.loop.call_soon(self._flush)

    @property
    def is_stalled(self) -> bool:
        return self._stalled_at_s is not None

    async def until_writable(self) -> None:
        if self._writable is None:
            self._writable = self._keeper.services.loop.create_future()
        await asyncio.shield(self._writable)

    def ping_answered(self, opaque: bytes) -> None:
        if opaque == _DRAIN_PING and self.stage is Stage.DRAINING:
            self._finish_drain()

    def ended_by_core(self, event: ConnectionEnded) -> None:
        self._cause = event.cause
        if event.error_code:
            self._complain(event.cause, event.reason)
        self._calls.cancel_all(None)
        self.flush_soon()  # and then it lingers

    # -------------------------------------------------------------- from the server

    def drain(self) -> None:
        """Let the peer go elsewhere, lose no call; then close."""
        if self.stage >= Stage.DRAINING:
            return
        if self._cause == "closed_by_peer":
            self._cause = "drained"
        self.stage = Stage.DRAINING
        self._core.begin_drain()
        self._core.ping(_DRAIN_PING)
        wait_s = self._keeper.settings.drain_ping_s
        self._timer = self._keeper.services.loop.call_later(wait_s, self._finish_drain)
        self.flush_soon()

    def cut(self) -> None:
        """End what is left, telling the peers; the drain's last resort."""
        if self.stage >= Stage.LINGERING:
            self.abort()
            return
        self._calls.cancel_all(Code.UNAVAILABLE, "the server is shutting down")
        if self.stage < Stage.DRAINING:
            self._core.begin_drain()
            self.stage = Stage.DRAINING
        self._finish_drain()
        self._flush()
        if self._transport is not None and self._stalled_at_s is None:
            self._transport.close()

    def abort(self) -> None:
        """Now, whatever is not yet sent."""
        if self._transport is not None:
            self._transport.abort()

    def tick(self, now_s: float) -> None:
        """Judge what only time can show; called every second or so."""
        self._count_faults()
        settings = self._keeper.settings
        if self._stalled_at_s is not None and now_s - self._stalled_at_s > settings.write_stall_s:
            self._cut("slow_reader", "the peer does not read what it asked for")
        elif self.stage is Stage.HANDSHAKE:
            if now_s - self._opened_at_s > settings.handshake_s:
                cause = "preface_timeout" if self._has_tls_or_none else "tls_timeout"
                self._cut(cause, "the connection's preface did not come in time")
        elif self.stage is Stage.OPEN:
            self._keep_alive(now_s, settings)
        elif self.stage is Stage.DRAINING and now_s > self._life_ends_at_s + settings.age_grace_s:
            self.cut()

    # -------------------------------------------------------------- inside

    @property
    def _has_tls_or_none(self) -> bool:
        return self._tls is None or self._tls.is_ready

    def _keep_alive(self, now_s: float, settings: ConnectionSettings) -> None:
        if now_s > self._life_ends_at_s:
            self._cause = "max_age"
            self.drain()
        elif self._core.open_streams:
            self._calls.active_at_s = now_s
        elif now_s - self._calls.active_at_s > settings.max_idle_s:
            self._cause = "idle"
            self.drain()
        if self._pinged_at_s is not None and self._heard_at_s >= self._pinged_at_s:
            self._pinged_at_s = None
        if self._pinged_at_s is not None:
            if now_s - self._pinged_at_s > settings.keepalive_timeout_s:
                self._cut("keepalive", "the peer did not answer a ping")
        elif now_s - self._heard_at_s > settings.keepalive_interval_s:
            self._pinged_at_s = now_s
            self._core.ping(_KEEPALIVE_PING)
            self._flush()

    def _is_of_use(self, data: bytes) -> bool:
        """Whether bytes that come while the connection is not simply open are to be read."""
        self._received_bytes += len(data)
        if self.stage is Stage.LINGERING:
            if self._received_bytes > _MOST_LINGER_BYTES:
                self.abort()
            return False
        has_preface = self._has_tls_or_none and self._received_bytes >= _PREFACE_BYTES
        if has_preface and self.stage is Stage.HANDSHAKE:
            self.stage = Stage.OPEN
        return self.stage is not Stage.GONE

    def _flush(self) -> None:
        self._is_flushing = False
        transport = self._transport
        if transport is None or self._stalled_at_s is not None or self.stage >= Stage.LINGERING:
            return
        if self._tls is None:
            output = self._core.take_output()
        elif self._tls.is_ready:
            output = self._encrypted(self._tls)
        else:
            output = self._tls.pending()
        if output:
            transport.write(output)
        if self._core.is_over:
            self._linger()

    def _encrypted(self, tls: TlsWire) -> bytes:
        plain = self._core.take_output()
        try:
            return tls.send(plain) if plain else tls.pending()
        except TlsFailed as error:
            self._tls_failed(error)
            return b""

    def _finish_drain(self) -> None:
        self._stop_timer()
        self._core.finish_drain()
        self.flush_soon()

    def _linger(self) -> None:
        """All is said: close our side, wait a little for the peer's."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        self.stage = Stage.LINGERING
        self._received_bytes = 0
        self._stop_timer()
        if self._tls is not None:
            transport.write(self._tls.close())
        try:
            transport.write_eof()
        except OSError:  # the peer has gone, and the loop does not know yet
            transport.abort()
            return
        self._lingers_until_s = self._now_s() + self._keeper.settings.write_stall_s
        self._expect_close()

    def _expect_close(self) -> None:
        linger_s = self._keeper.settings.linger_s
        self._timer = self._keeper.services.loop.call_later(linger_s, self._linger_over)

    def _linger_over(self) -> None:
        """The peer has not closed: cut it off, unless it still reads what it was told."""
        transport = self._transport
        if transport is None:
            return
        if transport.get_write_buffer_size() and self._now_s() < self._lingers_until_s:
            self._expect_close()
        else:
            transport.abort()

    def _count_faults(self) -> None:
        for cause, count in self._core.take_stream_faults().items():
            self._keeper.refused(str(cause), count)

    def _wake_writers(self) -> None:
        if self._writable is not None:
            self._writable.set_result(None)
            self._writable = None

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tls_failed(self, error: TlsFailed) -> None:
        if self._transport is not None and self._tls is not None:
            self._transport.write(self._tls.pending())
        self._complain(error.cause, error.reason)
        self._cause = error.cause
        if self._transport is not None:
            self._transport.close()

    def _cut(self, cause: str, reason: str) -> None:
        self._cause = cause
        self._complain(cause, reason)
        self.abort()

    def _complain(self, cause: str, reason: str) -> None:
        reason = reason if len(reason) <= _LONGEST_REASON else reason[:_LONGEST_REASON] + "…"
        self._keeper.complain(cause, reason, self._address)
