"""What the asyncio shell adds to the core: time, sockets, TLS, back-pressure, and ends in order.

Clients speak frames by hand. What every stack does is in the contract suite.
"""

import asyncio
import logging
import socket
import ssl
import subprocess
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import pytest

from remixer.foundation.clock import Clock, SystemClock
from remixer.foundation.status import Code
from remixer.testing.clock import VirtualClock
from remixer.testing.http2_client import (
    PREFACE,
    ErrorCode,
    Flag,
    Frame,
    FrameReader,
    FrameType,
    Setting,
    frame_bytes,
    message_bytes,
    settings_payload,
)
from remixer.testing.http2_fields import FieldReader, literal
from remixer.transport.own_context import OwnCall
from remixer.transport.own_protocol import OwnConnection
from remixer.transport.own_server import OwnServer, own_servers
from remixer.transport.own_settings import ConnectionSettings
from remixer.transport.port import (
    CallContext,
    Listener,
    Method,
    RpcError,
    StreamMethod,
    TlsFiles,
    TransportLimits,
    UnaryMethod,
)

ECHO, STREAM = "/t.T/Echo", "/t.T/Stream"
PATIENCE_S = 60.0
HIGHEST_ID = 2**31 - 1
WIDE = 2**31 - 1


def echo(request: bytes, _call: CallContext) -> bytes:
    return request


class Ends:
    """A `ConnectionObserver` that remembers, and can be waited for."""

    def __init__(self) -> None:
        self.causes: list[str] = []
        self.refused: list[tuple[str, int]] = []
        self._told = asyncio.Event()

    def connection_ended(self, *, cause: str) -> None:
        self.causes.append(cause)
        self._told.set()

    def calls_refused(self, *, cause: str, count: int) -> None:
        self.refused.append((cause, count))

    async def first(self) -> str:
        async with asyncio.timeout(PATIENCE_S):
            await self._told.wait()
        return self.causes[0]


@dataclass
class Serving:
    server: OwnServer
    address: str
    ends: Ends


Serve = Callable[..., Awaitable[Serving]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    started: list[OwnServer] = []

    async def start(
        *methods: Method,
        tls: TlsFiles | None = None,
        limits: TransportLimits | None = None,
        clock: Clock | None = None,
        **settings: float,
    ) -> Serving:
        ends = Ends()
        factory = own_servers(
            clock=clock or SystemClock(),
            settings=ConnectionSettings(**settings),  # type: ignore[arg-type]  # counts are whole
            observer=ends,
        )
        server = factory(
            methods=methods or (UnaryMethod(ECHO, echo),),
            listeners=[Listener("127.0.0.1:0", tls)],
            limits=limits or TransportLimits(),
        )
        assert isinstance(server, OwnServer)
        (address,) = await server.start()
        started.append(server)
        return Serving(server, address, ends)

    yield start
    for server in started:
        await server.drain(grace_s=0.0)


@dataclass
class Peer:
    """A client by hand. Reads only when asked."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    frames: list[Frame] = field(default_factory=list)
    _parser: FrameReader = field(default_factory=FrameReader)
    _fields: FieldReader = field(default_factory=FieldReader)

    def send(self, *octets: bytes) -> None:
        self.writer.write(b"".join(octets))

    async def next(self, kind: FrameType, *, stream_id: int | None = None) -> Frame:
        """The next frame of this kind; others are kept for later."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                for frame in self.frames:
                    if frame.kind == kind and stream_id in {None, frame.stream_id}:
                        self.frames.remove(frame)
                        return frame
                octets = await self.reader.read(65_536)
                assert octets, f"closed before {kind.name}"
                self.frames += self._parser.feed(octets)

    async def fields(self, stream_id: int) -> dict[str, str]:
        frame = await self.next(FrameType.HEADERS, stream_id=stream_id)
        return dict(self._fields.read(frame.payload))

    async def status(self, stream_id: int) -> dict[str, str]:
        """The fields of the block with `grpc-status`."""
        while True:
            found = await self.fields(stream_id)
            if "grpc-status" in found:
                return found

    async def closed(self) -> None:
        """Until the server has closed its side."""
        async with asyncio.timeout(PATIENCE_S):
            try:
                while octets := await self.reader.read(65_536):
                    self.frames += self._parser.feed(octets)
            except ConnectionError:
                return


@asynccontextmanager
async def peer_of(address: str, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[Peer]:
    host, _, port = address.rpartition(":")
    name = "localhost" if tls else None
    reader, writer = await asyncio.open_connection(host, int(port), ssl=tls, server_hostname=name)
    try:
        yield Peer(reader, writer)
    finally:
        writer.transport.abort()


def opening(**settings: int) -> bytes:
    values = {Setting[name]: value for name, value in settings.items()}
    return PREFACE + frame_bytes(FrameType.SETTINGS, settings_payload(values))


def head(stream_id: int, path: str = ECHO, **more: str) -> bytes:
    fields = {":method": "POST", ":scheme": "http", ":path": path, ":authority": "t"}
    fields |= {"content-type": "application/grpc", "te": "trailers"}
    fields |= {name.replace("_", "-"): value for name, value in more.items()}
    block = b"".join(literal(*pair) for pair in fields.items())
    return frame_bytes(FrameType.HEADERS, block, flags=Flag.END_HEADERS, stream_id=stream_id)


def body(stream_id: int, *messages: bytes, is_last: bool = True) -> bytes:
    flags = Flag.END_STREAM if is_last else 0
    octets = b"".join(map(message_bytes, messages))
    return frame_bytes(FrameType.DATA, octets, flags=flags, stream_id=stream_id)


def call(stream_id: int, message: bytes = b"x", path: str = ECHO) -> bytes:
    return head(stream_id, path) + body(stream_id, message)


def pong(ping: Frame) -> bytes:
    return frame_bytes(FrameType.PING, ping.payload, flags=Flag.END_STREAM)


def goaway(frame: Frame) -> tuple[int, int]:
    """Last stream and error code."""
    return int.from_bytes(frame.payload[:4], "big"), int.from_bytes(frame.payload[4:8], "big")


# ------------------------------------------------------------------ how calls are run


async def test_plain_handler_runs_inside_the_read_and_no_task() -> None:
    """See also the coroutine below."""
    await _runs_without_a_task(lambda _request, _call: b"%d" % len(asyncio.all_tasks()))


async def test_coroutine_that_does_not_wait_gets_no_task() -> None:
    async def handle(_request: bytes, _call: CallContext) -> bytes:
        return b"%d" % len(asyncio.all_tasks())

    await _runs_without_a_task(handle)


async def _runs_without_a_task(handle: Callable[[bytes, CallContext], object]) -> None:
    server = own_servers(clock=SystemClock())(
        methods=[UnaryMethod(ECHO, handle)],  # type: ignore[arg-type]  # either kind
        listeners=[Listener("127.0.0.1:0")],
        limits=TransportLimits(),
    )
    (address,) = await server.start()
    tasks = len(asyncio.all_tasks())
    async with peer_of(address) as peer:
        peer.send(opening(), call(1))
        data = await peer.next(FrameType.DATA)
        assert data.payload[5:] == b"%d" % tasks
    await server.drain(grace_s=0.0)


class Recorder(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 4711)})
        self.written: list[bytes] = []

    def write(self, data: "bytes | bytearray | memoryview") -> None:
        self.written.append(bytes(data))

    def is_closing(self) -> bool:
        return False


async def test_answers_of_one_read_go_out_in_one_write(serve: Serve) -> None:
    serving = await serve()
    running = serving.server._running
    assert running is not None
    connection, transport = running._make(None), Recorder()
    connection.connection_made(transport)
    connection.data_received(opening() + b"".join(call(each) for each in range(1, 41, 2)))
    settings, answers = transport.written
    frames = FrameReader().feed(answers)
    assert FrameReader().feed(settings)[0].kind == FrameType.SETTINGS
    assert len([each for each in frames if each.kind == FrameType.DATA]) == 20
    connection.connection_lost(None)


async def test_request_without_a_message_is_refused(serve: Serve) -> None:
    serving = await serve()
    async with peer_of(serving.address) as peer:
        peer.send(opening(), head(1), frame_bytes(FrameType.DATA, flags=1, stream_id=1))
        assert (await peer.status(1))["grpc-status"] == str(int(Code.UNIMPLEMENTED))


async def test_second_message_of_a_unary_call_is_refused(serve: Serve) -> None:
    serving = await serve()
    async with peer_of(serving.address) as peer:
        peer.send(opening(), head(1), body(1, b"a", b"b"))
        assert (await peer.status(1))["grpc-status"] == str(int(Code.UNIMPLEMENTED))


async def test_request_in_pieces_is_answered(serve: Serve) -> None:
    serving = await serve()
    async with peer_of(serving.address) as peer:
        for octet in opening() + head(1) + body(1, b"pieces"):
            peer.send(bytes((octet,)))
            await peer.writer.drain()
        assert (await peer.next(FrameType.DATA)).payload[5:] == b"pieces"


async def test_initial_and_binary_metadata_travel(serve: Serve) -> None:
    def handle(_request: bytes, call_: CallContext) -> bytes:
        assert isinstance(call_, OwnCall)
        call_.send_initial_metadata({"x-early": "yes"})
        call_.set_trailing_metadata({"x-late-bin": b"\0\xff"})
        return call_.binary_metadata["x-in-bin"]

    serving = await serve(UnaryMethod(ECHO, handle))
    async with peer_of(serving.address) as peer:
        peer.send(opening(), head(1, x_in_bin="AAE"), body(1, b""))
        assert (await peer.fields(1))["x-early"] == "yes"
        assert (await peer.next(FrameType.DATA)).payload[5:] == b"\0\1"
        assert (await peer.status(1))["x-late-bin"] == "AP8"


async def test_metadata_that_cannot_be_sent_is_a_defect_of_the_handler(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    def handle(_request: bytes, call_: CallContext) -> bytes:
        call_.set_trailing_metadata({"x-line": "a\r\nb"})
        raise RpcError(Code.NOT_FOUND, "none")

    serving = await serve(UnaryMethod(ECHO, handle))
    async with peer_of(serving.address) as peer:
        peer.send(opening(), call(1), call(3))
        for stream_id in (1, 3):
            assert (await peer.status(stream_id))["grpc-status"] == str(int(Code.INTERNAL))
    assert len(caplog.records) == 2


async def test_deadline_that_has_passed_reaches_no_handler(serve: Serve) -> None:
    seen: list[bytes] = []
    serving = await serve(UnaryMethod(ECHO, lambda request, _call: seen.append(request) or b""))
    async with peer_of(serving.address) as peer:
        peer.send(opening(), head(1, grpc_timeout="0m"), body(1, b"x"))
        assert (await peer.status(1))["grpc-status"] == str(int(Code.DEADLINE_EXCEEDED))
    assert seen == []


async def test_deadline_counts_while_the_request_is_not_complete(serve: Serve) -> None:
    serving = await serve()
    async with peer_of(serving.address) as peer:
        peer.send(opening(), head(1, grpc_timeout="20m"))
        assert (await peer.status(1))["grpc-status"] == str(int(Code.DEADLINE_EXCEEDED))


async def test_call_reset_in_the_batch_that_began_it_is_cancelled_in_order(serve: Serve) -> None:
    cancelled = asyncio.Event()

    async def handle(_request: bytes, _call: CallContext) -> bytes:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise
        return b""

    serving = await serve(UnaryMethod(ECHO, handle))
    async with peer_of(serving.address) as peer:
        code = ErrorCode.CANCEL.to_bytes(4, "big")
        peer.send(opening(), call(1), frame_bytes(FrameType.RST_STREAM, code, stream_id=1))
        async with asyncio.timeout(PATIENCE_S):
            await cancelled.wait()


# ------------------------------------------------------------------ back-pressure


async def test_sender_stops_at_a_shut_window_and_goes_on_when_it_opens(serve: Serve) -> None:
    sent = 0

    async def push(_requests: AsyncIterator[bytes], _call: CallContext) -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 400:
            sent += 1
            yield bytes(1_000)

    serving = await serve(StreamMethod(STREAM, push))
    async with peer_of(serving.address) as peer:
        peer.send(opening(), call(1, path=STREAM), frame_bytes(FrameType.PING, b"12345678"))
        await peer.next(FrameType.PING)
        # One window on the wire and one in the queue.
        assert 100 < sent < 150
        wide = (1_000_000).to_bytes(4, "big")
        peer.send(frame_bytes(FrameType.WINDOW_UPDATE, wide))
        peer.send(frame_bytes(FrameType.WINDOW_UPDATE, wide, stream_id=1))
        assert (await peer.status(1))["grpc-status"] == "0"
    assert sent == 400


async def test_sender_stops_while_the_peer_reads_nothing(serve: Serve) -> None:
    sent = 0

    async def push(_requests: AsyncIterator[bytes], _call: CallContext) -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 1
            yield bytes(100_000)

    serving = await serve(StreamMethod(STREAM, push), write_stall_s=0.2)
    async with peer_of(serving.address) as peer:
        peer.writer.transport.pause_reading()  # type: ignore[attr-defined]  # of a real transport
        windows = (WIDE - 65_535).to_bytes(4, "big")
        peer.send(opening(INITIAL_WINDOW_SIZE=WIDE))
        peer.send(frame_bytes(FrameType.WINDOW_UPDATE, windows), call(1, path=STREAM))
        assert await serving.ends.first() == "slow_reader"
    # What the system's buffers hold, and a little of ours.
    assert sent * 100_000 < 30_000_000


async def test_sender_goes_on_when_the_peer_reads_again(serve: Serve) -> None:
    async def push(_requests: AsyncIterator[bytes], _call: CallContext) -> AsyncIterator[bytes]:
        for _ in range(200):
            yield bytes(100_000)

    serving = await serve(StreamMethod(STREAM, push))
    async with peer_of(serving.address) as peer:
        peer.send(opening(INITIAL_WINDOW_SIZE=WIDE))
        windows = (WIDE - 65_535).to_bytes(4, "big")
        peer.send(frame_bytes(FrameType.WINDOW_UPDATE, windows), call(1, path=STREAM))
        connection = await _only_connection(serving, stalled=True)
        assert (await peer.status(1))["grpc-status"] == "0"
        data = sum(len(each.payload) for each in peer.frames if each.kind == FrameType.DATA)
        assert data == 200 * 100_005
        assert not connection.is_stalled
        peer.send(call(3, path=STREAM))
        assert (await peer.status(3))["grpc-status"] == "0"


async def _only_connection(serving: Serving, *, stalled: bool) -> OwnConnection:
    """Once it has come to be so; the peer reads nothing meanwhile but what its reader buffers."""
    running = serving.server._running
    assert running is not None
    async with asyncio.timeout(PATIENCE_S):
        while True:
            for connection in running._connections:
                if connection.is_stalled == stalled:
                    return connection
            await asyncio.sleep(0)


async def test_last_answer_reaches_a_slow_reader_through_a_drain(serve: Serve) -> None:
    size = 1_000_000

    serving = await serve(
        UnaryMethod(ECHO, lambda _request, _call: bytes(size)), linger_s=0.02, drain_ping_s=0.01
    )
    async with peer_of(serving.address) as peer, asyncio.TaskGroup() as tasks:
        peer.send(opening(INITIAL_WINDOW_SIZE=WIDE))
        windows = (WIDE - 65_535).to_bytes(4, "big")
        calls = b"".join(call(each) for each in range(1, 41, 2))
        peer.send(frame_bytes(FrameType.WINDOW_UPDATE, windows), calls)
        await _only_connection(serving, stalled=True)
        drain = tasks.create_task(serving.server.drain(grace_s=PATIENCE_S))
        await asyncio.wait({drain}, timeout=0.2)
        for stream_id in range(1, 41, 2):
            assert (await peer.status(stream_id))["grpc-status"] == "0"


async def test_requests_that_no_handler_reads_are_not_let_in(serve: Serve) -> None:
    gate = asyncio.Event()

    async def slow(requests: AsyncIterator[bytes], _call: CallContext) -> AsyncIterator[bytes]:
        await gate.wait()
        yield b"%d" % len([request async for request in requests])

    serving = await serve(StreamMethod(STREAM, slow))
    async with peer_of(serving.address) as peer:
        peer.send(opening(), head(1, STREAM))
        for _ in range(4):
            peer.send(body(1, bytes(16_000), is_last=False))
        peer.send(frame_bytes(FrameType.PING, b"12345678"))
        await peer.next(FrameType.PING)
        assert not [each for each in peer.frames if each.stream_id == 1]  # no window for more
        gate.set()
        assert (await peer.next(FrameType.WINDOW_UPDATE, stream_id=1)).payload
        peer.send(body(1))
        assert (await peer.next(FrameType.DATA)).payload[5:] == b"4"


# ------------------------------------------------------------------ time


async def test_preface_that_does_not_come_ends_the_connection(serve: Serve) -> None:
    serving = await serve(handshake_s=0.05)
    async with peer_of(serving.address) as peer:
        peer.send(PREFACE[:10])
        await peer.closed()
    assert await serving.ends.first() == "preface_timeout"


async def test_silent_peer_is_pinged_and_lives_by_answering(serve: Serve) -> None:
    serving = await serve(keepalive_interval_s=0.04, keepalive_timeout_s=PATIENCE_S)
    async with peer_of(serving.address) as peer:
        peer.send(opening())
        for _ in range(3):
            peer.send(pong(await peer.next(FrameType.PING)))
        peer.send(call(1))
        assert (await peer.status(1))["grpc-status"] == "0"


async def test_dead_peer_is_dropped(serve: Serve) -> None:
    serving = await serve(keepalive_interval_s=0.04, keepalive_timeout_s=0.05)
    async with peer_of(serving.address) as peer:
        peer.send(opening())
        assert await serving.ends.first() == "keepalive"


async def test_idle_connection_is_asked_to_go(serve: Serve) -> None:
    serving = await serve(max_idle_s=0.05, drain_ping_s=0.05)
    async with peer_of(serving.address) as peer:
        peer.send(opening())
        assert goaway(await peer.next(FrameType.GOAWAY)) == (HIGHEST_ID, ErrorCode.NO_ERROR)
        await peer.closed()
    assert await serving.ends.first() == "idle"


async def test_busy_connection_is_not_idle(serve: Serve) -> None:
    async def handle(request: bytes, _call: CallContext) -> bytes:
        await asyncio.sleep(1.0)
        return request

    serving = await serve(UnaryMethod(ECHO, handle), max_idle_s=0.4)
    async with peer_of(serving.address) as peer:
        peer.send(opening(), call(1))
        assert (await peer.status(1))["grpc-status"] == "0"
    assert serving.ends.causes == []


async def test_old_connection_goes_after_its_calls(serve: Serve) -> None:
    gate = asyncio.Event()

    async def handle(request: bytes, _call: CallContext) -> bytes:
        await gate.wait()
        return request

    serving = await serve(UnaryMethod(ECHO, handle), max_age_s=0.5, drain_ping_s=0.02)
    async with peer_of(serving.address) as peer:
        peer.send(opening(), call(1))
        await peer.next(FrameType.GOAWAY)
        await peer.next(FrameType.GOAWAY)
        gate.set()
        assert (await peer.status(1))["grpc-status"] == "0"
        await peer.closed()
    assert await serving.ends.first() == "max_age"


async def test_call_that_outlives_the_grace_of_an_old_connection_is_told(serve: Serve) -> None:
    async def handle(_request: bytes, _call: CallContext) -> bytes:
        await asyncio.Event().wait()
        return b""

    serving = await serve(
        UnaryMethod(ECHO, handle), max_age_s=0.5, drain_ping_s=0.01, age_grace_s=0.05
    )
    async with peer_of(serving.address) as peer:
        peer.send(opening(), call(1))
        assert (await peer.status(1))["grpc-status"] == str(int(Code.UNAVAILABLE))


# ------------------------------------------------------------------ bad peers


async def test_bad_connection_is_one_line_and_one_cause(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    serving = await serve()
    with caplog.at_level(logging.INFO):
        async with peer_of(serving.address) as peer:
            peer.send(b"GET / HTTP/1.1\r\nhost: " + b"x" * 10_000 + b"\r\n\r\n")
            await peer.closed()
        assert await serving.ends.first() == "preface"
    (record,) = caplog.records
    fields = getattr(record, "fields", {})
    assert fields["cause"] == "preface"
    assert fields["peer"].startswith("ipv4:127.0.0.1:")
    assert len(fields["reason"]) < 250


async def test_many_connections_that_end_for_one_cause_are_one_line_a_minute(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    clock = VirtualClock()
    serving = await serve(clock=clock, handshake_s=0.1)
    with caplog.at_level(logging.INFO):
        for count in (5, 3):
            async with AsyncExitStack() as stack:
                peers = [
                    await stack.enter_async_context(peer_of(serving.address)) for _ in range(count)
                ]
                for peer in peers:
                    peer.send(PREFACE[:10])
                    await peer.next(FrameType.SETTINGS)  # so that the server knows of it
                clock.advance(60.0)
                for peer in peers:
                    await peer.closed()
        async with peer_of(serving.address) as peer:
            peer.send(b"GET / HTTP/1.1\r\n\r\n" + bytes(100))
            await peer.closed()
    lines = [getattr(record, "fields", {}) for record in caplog.records]
    told = [(fields["cause"], fields["held_back"]) for fields in lines]
    assert told == [("preface_timeout", 0), ("preface_timeout", 4), ("preface", 0)]


async def test_peer_learns_the_error_before_the_connection_closes(serve: Serve) -> None:
    serving = await serve()
    async with peer_of(serving.address) as peer:
        # More than the server reads: closing with unread bytes would destroy the GOAWAY.
        peer.send(opening(), frame_bytes(FrameType.DATA, b"x", stream_id=1), bytes(300_000))
        assert goaway(await peer.next(FrameType.GOAWAY))[1] == ErrorCode.PROTOCOL_ERROR


async def test_bad_connection_costs_no_good_one(serve: Serve) -> None:
    serving = await serve()
    async with peer_of(serving.address) as good:
        good.send(opening())
        for _ in range(5):
            async with peer_of(serving.address) as bad:
                bad.send(opening(), b"\0" * 1_000)
                await bad.closed()
        good.send(call(1))
        assert (await good.status(1))["grpc-status"] == "0"


async def test_calls_refused_for_their_clients_fault_are_counted_by_cause(serve: Serve) -> None:
    serving = await serve()
    async with peer_of(serving.address) as peer:
        malformed = literal(":method", "POST") + literal("te", "gzip")
        flags = Flag.END_HEADERS | Flag.END_STREAM
        peer.send(opening(), frame_bytes(FrameType.HEADERS, malformed, flags=flags, stream_id=1))
        await peer.next(FrameType.RST_STREAM)
        peer.send(call(3))
        await peer.status(3)
        peer.writer.close()
        assert await serving.ends.first() == "closed_by_peer"
    assert serving.ends.refused == [("malformed", 1)]


async def test_one_connection_more_than_allowed_is_closed(serve: Serve) -> None:
    serving = await serve(max_connections=2)
    async with peer_of(serving.address) as first, peer_of(serving.address) as second:
        for each in (first, second):
            each.send(opening(), call(1))
            assert (await each.status(1))["grpc-status"] == "0"
        async with peer_of(serving.address) as third:
            await third.closed()
            assert third.frames == []
        assert serving.ends.causes == ["too_many_connections"]
        first.send(call(3))
        assert (await first.status(3))["grpc-status"] == "0"


async def test_client_that_leaves_is_counted_as_such(serve: Serve) -> None:
    serving = await serve()
    async with peer_of(serving.address) as peer:
        peer.send(opening(), call(1))
        await peer.status(1)
        peer.writer.close()
        assert await serving.ends.first() == "closed_by_peer"


# ------------------------------------------------------------------ sockets


async def test_answers_do_not_wait_for_more(serve: Serve) -> None:
    serving = await serve()
    async with peer_of(serving.address) as peer:
        peer.send(opening())
        await peer.next(FrameType.SETTINGS)
        running = serving.server._running
        assert running is not None
        (connection,) = running._connections
        assert connection._transport is not None
        accepted = connection._transport.get_extra_info("socket")
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def test_idle_connection_keeps_few_objects(serve: Serve) -> None:
    """Objects of Python alone; `bench.transport` measures the process."""
    serving = await serve()
    running = serving.server._running
    assert running is not None
    kept = []
    tracemalloc.start()
    try:
        before = tracemalloc.take_snapshot()
        kept = [running._make(None) for _ in range(100)]
        after = tracemalloc.take_snapshot()
    finally:
        tracemalloc.stop()
    grown = sum(each.size_diff for each in after.compare_to(before, "filename"))
    assert grown / len(kept) < 6_000


# ------------------------------------------------------------------ drain


async def test_drain_has_two_steps_and_loses_no_call_between_them(serve: Serve) -> None:
    serving = await serve(drain_ping_s=PATIENCE_S)
    async with peer_of(serving.address) as peer, asyncio.TaskGroup() as tasks:
        peer.send(opening(), call(1))
        await peer.status(1)
        tasks.create_task(serving.server.drain(grace_s=PATIENCE_S))
        assert goaway(await peer.next(FrameType.GOAWAY)) == (HIGHEST_ID, ErrorCode.NO_ERROR)
        ping = await peer.next(FrameType.PING)
        peer.send(call(3), pong(ping))
        assert (await peer.status(3))["grpc-status"] == "0"
        assert goaway(await peer.next(FrameType.GOAWAY)) == (3, ErrorCode.NO_ERROR)
        await peer.closed()


async def test_connection_that_waits_to_be_accepted_is_served_in_a_drain(serve: Serve) -> None:
    serving = await serve()
    host, _, port = serving.address.rpartition(":")
    with socket.socket() as waiting:
        waiting.connect((host, int(port)))  # the loop has not run: nobody accepted it
        waiting.sendall(opening() + call(1))
        waiting.setblocking(False)  # noqa: FBT003 - its only argument
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(serving.server.drain(grace_s=PATIENCE_S))
            parser, frames = FrameReader(), []
            async with asyncio.timeout(PATIENCE_S):
                loop = asyncio.get_running_loop()
                while not any(each.kind == FrameType.DATA for each in frames):
                    octets = await loop.sock_recv(waiting, 65_536)
                    assert octets, "closed without an answer"
                    frames += parser.feed(octets)
            waiting.close()


async def test_peer_that_never_answers_holds_no_drain_up(serve: Serve) -> None:
    serving = await serve(drain_ping_s=0.05, linger_s=0.05)
    async with peer_of(serving.address) as peer:
        peer.send(opening())
        await peer.next(FrameType.SETTINGS)
        async with asyncio.timeout(PATIENCE_S):
            await serving.server.drain(grace_s=60.0)
    assert serving.ends.causes == ["drained"]


# ------------------------------------------------------------------ TLS


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> TlsFiles:
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = str(folder / "tls.crt"), str(folder / "tls.key")
    subprocess.run(  # noqa: S603 - fixed words
        [  # noqa: S607 - from the path
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
            "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=localhost",
            "-addext", "subjectAltName=DNS:localhost", "-out", certificate, "-keyout", key,
        ],
        check=True,
        capture_output=True,
    )  # fmt: skip
    return TlsFiles(certificate, key)


def client_context(files: TlsFiles, *protocols: str) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=files.certificate)
    if protocols:
        context.set_alpn_protocols(list(protocols))
    return context


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_tls_carries_calls_of_any_size(
    serve: Serve, files: TlsFiles, version: ssl.TLSVersion
) -> None:
    serving = await serve(tls=files)
    context = client_context(files, "h2")
    context.minimum_version = context.maximum_version = version
    async with peer_of(serving.address, tls=context) as peer:
        peer.send(opening(INITIAL_WINDOW_SIZE=1_000_000))
        peer.send(frame_bytes(FrameType.WINDOW_UPDATE, (1_000_000).to_bytes(4, "big")))
        peer.send(head(1))
        message = message_bytes(bytes(60_000))
        for at in range(0, len(message), 16_000):
            piece = message[at : at + 16_000]
            flags = Flag.END_STREAM if at + 16_000 >= len(message) else 0
            peer.send(frame_bytes(FrameType.DATA, piece, flags=flags, stream_id=1))
        assert (await peer.status(1))["grpc-status"] == "0"
        data = [each.payload for each in peer.frames if each.kind == FrameType.DATA]
        assert b"".join(data) == message


@pytest.mark.parametrize("protocols", [(), ("http/1.1",)])
async def test_client_without_h2_is_turned_away(
    serve: Serve, files: TlsFiles, protocols: tuple[str, ...]
) -> None:
    serving = await serve(tls=files)
    async with peer_of(serving.address, tls=client_context(files, *protocols)) as peer:
        await peer.closed()
        assert await serving.ends.first() == "alpn"


async def test_failed_handshake_is_one_line_and_one_cause(
    serve: Serve, files: TlsFiles, caplog: pytest.LogCaptureFixture
) -> None:
    serving = await serve(tls=files)
    with caplog.at_level(logging.INFO, "remixer"):
        async with peer_of(serving.address) as peer:
            peer.send(opening(), call(1))
            await peer.closed()
        assert await serving.ends.first() == "tls_handshake"
    assert len(caplog.records) == 1


async def test_handshake_that_stops_half_way_ends_in_time(serve: Serve, files: TlsFiles) -> None:
    serving = await serve(tls=files, handshake_s=0.05)
    async with peer_of(serving.address) as peer:
        peer.send(b"\x16\x03\x01\x02\x00\x01")
        assert await serving.ends.first() == "tls_timeout"


async def test_drain_over_tls_says_goodbye(serve: Serve, files: TlsFiles) -> None:
    serving = await serve(tls=files)
    async with (
        peer_of(serving.address, tls=client_context(files, "h2")) as peer,
        asyncio.TaskGroup() as tasks,
    ):
        peer.send(opening(), call(1))
        await peer.status(1)
        tasks.create_task(serving.server.drain(grace_s=PATIENCE_S))
        peer.send(pong(await peer.next(FrameType.PING)))
        await peer.closed()
        assert [goaway(each)[0] for each in peer.frames if each.kind == FrameType.GOAWAY] == [
            HIGHEST_ID,
            1,
        ]
