"""The calls of one connection: events of the core in, handlers run, commands to the core out.

Theory of operation. A unary request that came whole is answered where it stands: its handler is
called, and if it returns a coroutine, that is stepped once by hand. Only what then still waits
becomes a `Run` (see `own_runs`): a task, and a timer if the caller set a timeout. No I/O happens
here; `link` is told when there is something to write.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Coroutine, Sequence
from types import CoroutineType
from typing import Any, Final, assert_never, cast

from remixer.foundation.status import Code
from remixer.transport.core.api import ServerConnection
from remixer.transport.core.events import (
    CallCancelled,
    CallStarted,
    ConnectionEnded,
    Event,
    MessageReceived,
    PeerClosing,
    PingAnswered,
    RequestEnded,
    SendReady,
    UnaryCall,
)
from remixer.transport.own_context import Link, OwnCall, Services
from remixer.transport.own_eager import Waiting, first_step
from remixer.transport.own_requests import StreamRequests
from remixer.transport.own_runs import DEADLINE_MESSAGE, Run, Runs, is_cancelled_from_outside
from remixer.transport.port import RpcError, UnaryHandler

_REFUSAL_S: Final = 0.05
"""Some clients take an answer while they still send for a broken stream: an unknown method is
refused when the request has ended, or after so long."""
_MOST_UNWRITTEN_BYTES: Final = 65_536
"""Of one stream in one turn of the loop; as much as HTTP/2's default window."""

_logger = logging.getLogger(__name__)


class ConnectionCalls(Runs):
    """Runs handlers for the events of one connection. All on the loop's thread."""

    __slots__ = ("active_at_s",)

    def __init__(
        self, *, core: ServerConnection, services: Services, link: Link, now_s: float
    ) -> None:
        super().__init__(core=core, services=services, link=link)
        self.active_at_s = now_s
        """When a call last began or ended, as far as known."""

    def take(self, events: Sequence[Event], now_s: float) -> None:
        """Handle the events of one batch of bytes; the caller then writes the core's output.

        A whole request whose handler answers at once, the path of most calls, is written out here:
        four function calls less are a tenth of what such a call costs.
        """
        find = self._services.unary.get
        for event in events:
            if type(event) is not UnaryCall:
                self._take_part(event, now_s)
                continue
            self.active_at_s = now_s
            stream_id, head, message = event
            handle = find(head.path)
            timeout_s = head.timeout_s
            if handle is None or (timeout_s is not None and timeout_s <= 0.0):
                self._take_unusual(event, now_s)
                continue
            call = OwnCall(self, stream_id, head, now_s)
            try:
                response = handle(message, call)
            except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - the wall between a handler and the wire
                self._end_badly(call, error)
                continue
            if (
                type(response) is bytes
                and len(response) <= self._services.max_message_bytes
                and call.trailing is None
                and not call.has_sent
                and not call.compress
            ):
                self._core.respond(stream_id, response)
            else:
                self._give(call, response)

    # -------------------------------------------------------------- events

    def _take_unusual(self, event: UnaryCall, now_s: float) -> None:
        """A request that came whole, and is of no unary method or came too late."""
        stream_id, head, message = event
        if head.path in self._services.unary:
            self._core.finish(stream_id, Code.DEADLINE_EXCEEDED, DEADLINE_MESSAGE)
        else:
            self._take_whole_stream(OwnCall(self, stream_id, head, now_s), message)

    def _take_part(self, event: Event, now_s: float) -> None:  # noqa: C901 - one line per event
        match event:
            case MessageReceived():
                self._message(event)
            case RequestEnded():
                self._request_ended(event.stream_id)
            case CallStarted():
                self._started(event, now_s)
            case SendReady():
                self._send_ready(event.stream_id)
            case CallCancelled():
                run = self._runs.get(event.stream_id)
                if run is not None:
                    self._end(run)
            case PingAnswered():
                self.link.ping_answered(event.opaque)
            case ConnectionEnded():
                self.link.ended_by_core(event)
            case PeerClosing():
                pass  # it closes the connection itself after its last call
            case UnaryCall():
                pass  # `take` sees to it
            case _:
                assert_never(event)

    def _started(self, event: CallStarted, now_s: float) -> None:
        call = OwnCall(self, event.stream_id, event.head, now_s)
        self.active_at_s = now_s
        handle = self._services.unary.get(event.head.path)
        if handle is not None:
            run = self._runs[event.stream_id] = Run(call, handle=handle)
            self._watch_deadline(run)
        elif event.head.path in self._services.streams:
            self._start_stream(self._begin_stream(call))
        else:
            run = self._runs[event.stream_id] = Run(call)
            loop = self._services.loop
            run.timer = loop.call_later(_REFUSAL_S, self._refuse_unknown, run)

    def _message(self, event: MessageReceived) -> None:
        stream_id, message, cost = event
        run = self._runs.get(stream_id)
        if run is None:
            self._core.consume(stream_id, cost)
        elif run.requests is not None:
            run.requests.arrived(message, cost)
        else:
            self._core.consume(stream_id, cost)
            if run.message is None or run.is_unknown:
                run.message = message
            else:
                self._refuse(run, "more than one message in the request of a unary method")

    def _request_ended(self, stream_id: int) -> None:
        run = self._runs.get(stream_id)
        if run is None:
            return
        if run.requests is not None:
            run.requests.ended()
        elif run.is_unknown:
            self._refuse_unknown(run)
        elif run.message is None:
            self._refuse(run, "no message in the request of a unary method")
        elif run.handle is not None:
            self._end(run)
            self._answer(run.handle, run.call, run.message)

    def _send_ready(self, stream_id: int) -> None:
        run = self._runs.get(stream_id)
        if run is not None and run.ready is not None and not run.ready.done():
            run.ready.set_result(None)

    # -------------------------------------------------------------- unary

    def _answer(self, handle: UnaryHandler, call: OwnCall, message: bytes) -> None:
        try:
            response = handle(message, call)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - the wall between a handler and the wire
            self._end_badly(call, error)
        else:
            self._give(call, response)

    def _give(self, call: OwnCall, response: bytes | Awaitable[bytes]) -> None:
        """What a handler returned: an answer, or something that becomes one."""
        try:
            if type(response) is not bytes:
                found = first_step(_coroutine(response), self._services.loop)
                if isinstance(found, Waiting):
                    self._wait(call, found)
                    return
                response = found
            self._respond(call, response)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - as above
            self._end_badly(call, error)

    def _end_badly(self, call: OwnCall, error: BaseException) -> None:
        if isinstance(error, RpcError):
            self._fail(call, error)
        else:
            self._fail_with_defect(call, error)

    def _respond(self, call: OwnCall, response: bytes) -> None:
        if len(response) > self._services.max_message_bytes or not isinstance(response, bytes):
            self._must_fit(response)
        trailing = call.trailing
        if trailing is None and not call.has_sent and not call.compress:
            self._core.respond(call.stream_id, response)
        else:
            compress = call.compress and call.head.accepts_gzip
            self._core.send_message(call.stream_id, response, compress=compress)
            self._core.finish(call.stream_id, Code.OK, trailing_metadata=trailing)

    def _wait(self, call: OwnCall, waiting: Waiting[bytes]) -> None:
        run = self._runs[call.stream_id] = Run(call)
        self._watch_deadline(run)
        self._put_in_task(run, self._answer_later(run, waiting.rest), waiting)

    async def _answer_later(self, run: Run, rest: Awaitable[bytes]) -> None:
        call = run.call
        try:
            response = await rest
            self._respond(call, response)
        except (Exception, asyncio.CancelledError) as error:
            if is_cancelled_from_outside(error):
                raise
            self._end_badly(call, error)
        finally:
            self._end_by_itself(run)

    # -------------------------------------------------------------- streams

    def _take_whole_stream(self, call: OwnCall, message: bytes) -> None:
        """A call that came whole and is of no unary method."""
        if call.head.path not in self._services.streams:
            self._say_unknown(call)
            return
        run = self._begin_stream(call)
        assert run.requests is not None  # noqa: S101 - a stream's
        run.requests.arrived(message, 0)
        run.requests.ended()
        self._start_stream(run)

    def _begin_stream(self, call: OwnCall) -> Run:
        services, stream_id = self._services, call.stream_id

        def consume(cost: int) -> None:
            if cost:
                self._core.consume(stream_id, cost)
                self.link.flush_soon()

        requests = StreamRequests(consume=consume, loop=services.loop)
        services.open_streams.add(requests)
        run = self._runs[stream_id] = Run(call, requests=requests)
        self._watch_deadline(run)
        return run

    def _start_stream(self, run: Run) -> None:
        stepped = first_step(self._answer_stream(run), self._services.loop)
        if isinstance(stepped, Waiting):
            self._put_in_task(run, stepped.rest, stepped)

    async def _answer_stream(self, run: Run) -> None:
        call = run.call
        assert run.requests is not None  # noqa: S101 - `_begin_stream` made them
        try:
            handle = self._services.streams[call.head.path]
            await self._send_all(run, handle(run.requests, call))
            self._core.finish(call.stream_id, Code.OK, trailing_metadata=call.trailing)
        except (Exception, asyncio.CancelledError) as error:
            if is_cancelled_from_outside(error):
                raise
            self._end_badly(call, error)
        finally:
            self._services.open_streams.discard(run.requests)
            self._end_by_itself(run)

    async def _send_all(self, run: Run, responses: AsyncIterator[bytes]) -> None:
        call = run.call
        unwritten_bytes = 0
        try:
            async for response in responses:
                self._must_fit(response)
                call.has_sent = True
                compress = call.compress and call.head.accepts_gzip
                has_room = self._core.send_message(call.stream_id, response, compress=compress)
                self.link.flush_soon()
                unwritten_bytes += len(response)
                if not has_room:
                    await self._room(run)
                if unwritten_bytes > _MOST_UNWRITTEN_BYTES:
                    # A handler that never waits must not fill memory before anything is written.
                    await asyncio.sleep(0)
                    unwritten_bytes = 0
                if self.link.is_stalled:
                    await self.link.until_writable()
        finally:
            if isinstance(responses, AsyncGenerator):
                await responses.aclose()

    async def _room(self, run: Run) -> None:
        """Until the core says `SendReady`."""
        run.ready = self._services.loop.create_future()
        try:
            await run.ready
        finally:
            run.ready = None


def _coroutine(response: Awaitable[bytes] | bytes) -> Coroutine[Any, Any, bytes]:
    if isinstance(response, CoroutineType):
        return response
    return _awaited(cast("Awaitable[bytes]", response))


async def _awaited(response: Awaitable[bytes]) -> bytes:
    return await response
