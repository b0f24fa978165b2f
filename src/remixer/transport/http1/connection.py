"""One connection of the HTTP/1.1 server.

    READING    waits for a head, or has part of one
    ANSWERING  a handler takes its time; what comes meanwhile waits, at most one head's worth
    LINGERING  all is said and our side closed; what still comes is thrown away
    GONE

    READING --head, answer now--> READING     READING --head, answer later--> ANSWERING
    ANSWERING --answered--> READING           READING, ANSWERING --last answer--> LINGERING
    LINGERING --peer closed, or time--> GONE  any --lost, cut--> GONE

Requests that come at once (pipelining) are answered in order, some per turn of the loop. What
only time can show (a head that trickles, an idle peer, one that does not read) `tick` judges.
"""

import asyncio
import logging
from asyncio import Task, TaskGroup, Transport
from collections.abc import Awaitable, Coroutine
from enum import Enum
from typing import Final, Protocol, cast

from remixer.transport.http1.answer import response_bytes
from remixer.transport.http1.head import BadHeadError, HeadReader, RequestHead
from remixer.transport.http1.port import Http1Limits, HttpHandler, HttpRequest, HttpResponse
from remixer.transport.own_sockets import peer_address
from remixer.transport.port import Peer

_MOST_PER_TURN: Final = 16
"""Requests of one connection that are answered before others have their turn."""
_MOST_LINGER_BYTES: Final = 1 << 20
"""A peer that sends so much more after the last answer does not read it."""
_PLAIN: Final = (("content-type", "text/plain; charset=utf-8"),)
_DEFECT: Final = HttpResponse(500, _PLAIN, b"internal error\n")

_logger = logging.getLogger(__name__)


class Stage(Enum):
    """Where a connection is in its life."""

    READING = "reading"
    ANSWERING = "answering"
    LINGERING = "lingering"
    GONE = "gone"


class Keeper(Protocol):
    """The server, as its connections see it."""

    @property
    def limits(self) -> Http1Limits: ...

    @property
    def handler(self) -> HttpHandler: ...

    @property
    def tasks(self) -> TaskGroup: ...

    @property
    def is_draining(self) -> bool: ...

    def now_s(self) -> float: ...

    def date(self) -> str:
        """For the header `date`."""
        ...

    def opened(self, connection: "HttpConnection") -> bool:
        """False if there are too many."""
        ...

    def answered(self, connection: "HttpConnection", status: int, seconds: float) -> None: ...

    def complain(self, cause: str, reason: str, peer: str) -> None:
        """Tell the operator, if it is not the same thing again and again."""
        ...

    def gone(self, connection: "HttpConnection", cause: str) -> None: ...


class HttpConnection(asyncio.Protocol):
    """As the module says."""

    __slots__ = (
        "_asked_at_s", "_cause", "_is_stalled", "_is_turn_over", "_keeper", "_peer", "_peer_ended",
        "_reader", "_since_s", "_task", "_thrown_away", "_transport", "has_answered", "stage",
    )  # fmt: skip

    def __init__(self, keeper: Keeper) -> None:
        limits = keeper.limits
        self._keeper = keeper
        self._reader = HeadReader(max_bytes=limits.max_head_bytes, max_headers=limits.max_headers)
        self._transport: Transport | None = None
        self._peer = Peer("unix:")
        self._cause = "closed_by_peer"
        self._task: Task[None] | None = None
        self._since_s = 0.0  # when the stage, or the stall, or the head that is coming in began
        self._asked_at_s = 0.0
        self._thrown_away = 0
        self._is_stalled = False
        self._is_turn_over = False
        self._peer_ended = False
        self.stage = Stage.READING
        self.has_answered = False
        """Whether it had an answer after which it may ask again."""

    # -------------------------------------------------------------- from the loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("Transport", transport)
        self._peer = Peer(peer_address(transport))
        self._since_s = self._keeper.now_s()
        if not self._keeper.opened(self):
            self.cut("too_many_connections")

    def data_received(self, data: bytes) -> None:
        if self.stage is Stage.LINGERING:
            self._thrown_away += len(data)
            if self._thrown_away > _MOST_LINGER_BYTES:
                self.cut(self._cause)
            return
        if self.stage is Stage.GONE:
            return
        if not self._reader and not self._is_stalled:
            self._since_s = self._keeper.now_s()
        self._reader.feed(data)
        if self._may_read:
            self._read()
        elif len(self._reader) > self._keeper.limits.max_head_bytes and self._transport:
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        """A peer may close its side and still want the answer."""
        self._peer_ended = True
        return self.stage is Stage.ANSWERING or self._is_turn_over or self._is_stalled

    def connection_lost(self, exc: Exception | None) -> None:
        if self.stage is Stage.GONE:
            return
        if exc is not None and self._cause == "closed_by_peer":
            self._cause = "lost"
        self.stage = Stage.GONE
        self._transport = None
        self._reader.clear()
        if self._task is not None:
            self._task.cancel()
        self._keeper.gone(self, self._cause)

    def pause_writing(self) -> None:
        self._is_stalled = True
        self._since_s = self._keeper.now_s()
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._is_stalled = False
        self._since_s = self._keeper.now_s()
        self._go_on()

    # -------------------------------------------------------------- from the server

    def drain(self) -> None:
        """Close if nothing is under way; else after the answer."""
        if self.stage is Stage.READING and not self._reader:
            self._cause = "drained"
            self._linger()

    def tick(self, now_s: float) -> None:
        """Judge what only time can show; called every second or so."""
        limits, waited_s = self._keeper.limits, now_s - self._since_s
        if self._is_stalled:
            if waited_s > limits.write_stall_s:
                self._complain("slow_reader", "the peer does not read its answers")
                self.cut("slow_reader")
        elif self.stage is Stage.LINGERING:
            if waited_s > limits.linger_s:
                self.cut(self._cause)
        elif self.stage is Stage.READING and self._reader:
            if waited_s > limits.head_s:
                self._refuse(BadHeadError(408, "the head did not come in time"), "head_timeout")
        elif self.stage is Stage.READING and waited_s > limits.idle_s:
            self._cause = "idle"
            self._linger()

    def cut(self, cause: str) -> None:
        """Now, whatever is not yet sent. Of one that is as good as over, the cause stays."""
        if self.stage is not Stage.LINGERING:
            self._cause = cause
        if self._transport is not None:
            self._transport.abort()

    # -------------------------------------------------------------- inside

    @property
    def _may_read(self) -> bool:
        return self.stage is Stage.READING and not self._is_stalled and not self._is_turn_over

    def _read(self) -> None:
        """Answer the requests that are complete."""
        self._is_turn_over = False
        for _ in range(_MOST_PER_TURN):
            if not self._may_read:
                return
            try:
                head = self._reader.next()
            except BadHeadError as bad:
                self._refuse(bad, "bad_request")
                return
            if head is None:
                self._end_if_over()
                return
            self._answer(head)
        if self._may_read and self._reader:
            self._is_turn_over = True
            asyncio.get_running_loop().call_soon(self._next_turn)

    def _next_turn(self) -> None:
        self._is_turn_over = False
        if self._may_read:
            self._read()

    def _end_if_over(self) -> None:
        if self._peer_ended or (self._keeper.is_draining and not self._reader):
            self._cause = "drained" if self._keeper.is_draining else self._cause
            self._linger()

    def _answer(self, head: RequestHead) -> None:
        self._asked_at_s = self._keeper.now_s()
        request = HttpRequest(head.method, head.target, head.lines, self._peer)
        try:
            found = self._keeper.handler(request)
        except Exception:
            _logger.exception("http handler failed")
            found = _DEFECT
        if isinstance(found, HttpResponse):
            self._send(head, found)
            return
        self.stage = Stage.ANSWERING
        waiting = self._answer_later(head, found)
        task = self._task = self._keeper.tasks.create_task(waiting, name="http answer")
        if isinstance(found, Coroutine):
            # A task that is cancelled before its first step would leave it never awaited.
            task.add_done_callback(lambda _: found.close())

    async def _answer_later(self, head: RequestHead, coming: Awaitable[HttpResponse]) -> None:
        try:
            found = await coming
        except Exception:
            _logger.exception("http handler failed")
            found = _DEFECT
        self._task = None
        if self.stage is Stage.ANSWERING:
            self.stage = Stage.READING
            self._send(head, found)
            self._go_on()

    def _send(self, head: RequestHead, response: HttpResponse) -> None:
        transport, keeper = self._transport, self._keeper
        if transport is None:
            return
        ends = head.ends_connection or response.ends_connection or keeper.is_draining
        is_head = head.method == "HEAD"
        transport.write(response_bytes(response, date=keeper.date(), ends=ends, is_head=is_head))
        now_s = keeper.now_s()
        if not self._is_stalled:
            self._since_s = now_s
        self.has_answered = self.has_answered or not ends
        keeper.answered(self, response.status, now_s - self._asked_at_s)
        if ends:
            self._cause = "drained" if keeper.is_draining else "answered_last"
            self._linger()

    def _go_on(self) -> None:
        if self._transport is None or not self._may_read:
            return
        if not self._transport.is_closing():
            self._transport.resume_reading()
        self._read()

    def _refuse(self, bad: BadHeadError, cause: str) -> None:
        """Say why, and end: what follows cannot be told apart from what was wrong."""
        self._complain(cause, bad.reason)
        self._asked_at_s = self._keeper.now_s()
        body = f"{bad.reason}\n".encode()
        refusal = HttpResponse(bad.status, _PLAIN, body, ends_connection=True)
        self._send(RequestHead("", "", [], ends_connection=True), refusal)
        self._cause = cause

    def _linger(self) -> None:
        """All is said: close our side, wait a little for the peer's."""
        transport = self._transport
        self.stage = Stage.LINGERING
        self._reader.clear()
        if not self._is_stalled:
            self._since_s = self._keeper.now_s()
        if transport is None or transport.is_closing():
            return
        if self._peer_ended:
            transport.close()
            return
        try:
            transport.write_eof()
            transport.resume_reading()
        except OSError:  # the peer has gone, and the loop does not know yet
            transport.abort()

    def _complain(self, cause: str, reason: str) -> None:
        self._keeper.complain(cause, reason, self._peer.address)
