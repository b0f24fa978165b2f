"""What every gRPC server of ours does, whichever HTTP/2 stack is under it.

The client is grpcio's own, as the reference. A new stack joins by one line in `STACKS`.
"""

import asyncio
import logging
import os
import socket
import stat
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import grpc
import pytest
from grpc import aio

from remixer.foundation.clock import SystemClock
from remixer.foundation.errors import StartupError
from remixer.foundation.status import Code
from remixer.transport.client import ClientTls, GrpcClient, RpcFailed
from remixer.transport.grpcio_server import grpcio_servers
from remixer.transport.own_server import own_servers
from remixer.transport.port import (
    CallContext,
    GrpcServer,
    GrpcServerFactory,
    Listener,
    Method,
    RpcError,
    StreamMethod,
    TlsFiles,
    TransportLimits,
    UnaryMethod,
)

StreamCall: TypeAlias = "aio.StreamStreamCall[bytes, bytes]"
EOF: object = aio.EOF  # type: ignore[attr-defined]  # missing in the stubs

STACKS: dict[str, Callable[[], GrpcServerFactory]] = {
    "grpcio": lambda: grpcio_servers(clock=SystemClock()),
    "own": lambda: own_servers(clock=SystemClock()),
}
ECHO = "/test.Service/Echo"
OTHER = "/test.Service/Other"
PATIENCE_S = 60.0
"""No test waits so long unless it fails."""
ANY_PORT = "127.0.0.1:0"


@pytest.fixture(params=sorted(STACKS))
def servers(request: pytest.FixtureRequest) -> GrpcServerFactory:
    return STACKS[request.param]()


@dataclass(frozen=True)
class Running:
    server: GrpcServer
    addresses: tuple[str, ...]

    @property
    def address(self) -> str:
        return self.addresses[0]


Serve = Callable[..., Awaitable[Running]]


@pytest.fixture
async def serve(servers: GrpcServerFactory) -> AsyncIterator[Serve]:
    """Starts servers with given methods; they are gone when the test ends."""
    started: list[GrpcServer] = []

    async def start(
        *methods: Method,
        listeners: Sequence[Listener] = (Listener(ANY_PORT),),
        limits: TransportLimits | None = None,
    ) -> Running:
        server = servers(methods=methods, listeners=listeners, limits=limits or TransportLimits())
        addresses = await server.start()
        started.append(server)
        return Running(server, addresses)

    yield start
    for server in started:
        await server.drain(grace_s=0.0)


@asynccontextmanager
async def client_of(address: str, *, tls: ClientTls | None = None) -> AsyncIterator[GrpcClient]:
    client = GrpcClient(address, tls=tls)
    try:
        yield client
    finally:
        await client.aclose()


async def ask(
    address: str, request: bytes = b"", *, path: str = ECHO, tls: ClientTls | None = None
) -> bytes:
    """One call over its own connection."""
    async with client_of(address, tls=tls) as client:
        return await client.unary(path, request, timeout_s=PATIENCE_S)


async def refusal(address: str, request: bytes = b"", *, path: str = ECHO) -> RpcFailed:
    with pytest.raises(RpcFailed) as caught:
        await ask(address, request, path=path)
    return caught.value


@asynccontextmanager
async def channel_to(address: str) -> AsyncIterator[aio.Channel]:
    """The bare channel, for what `GrpcClient` does not do."""
    options = (("grpc.use_local_subchannel_pool", 1),)
    channel = aio.insecure_channel(address, options)
    try:
        yield channel
    finally:
        await channel.close(None)


@asynccontextmanager
async def stream_to(address: str, path: str = ECHO) -> AsyncIterator[StreamCall]:
    async with channel_to(address) as channel, asyncio.timeout(PATIENCE_S):
        call = channel.stream_stream(path, None, None)()  # type: ignore[call-arg]  # may be none
        try:
            yield call
        finally:
            call.cancel()


async def rest_of(call: StreamCall) -> list[bytes]:
    found: list[bytes] = []
    while (response := await call.read()) is not EOF:
        assert isinstance(response, bytes)
        found.append(response)
    return found


def echo(request: bytes, _call: CallContext) -> bytes:
    return request


async def echo_each(requests: AsyncIterator[bytes], _call: CallContext) -> AsyncIterator[bytes]:
    async for request in requests:
        yield request


async def count_all(requests: AsyncIterator[bytes], _call: CallContext) -> AsyncIterator[bytes]:
    """A client-streaming method, as access logs are: one response at the end."""
    count = 0
    async for _ in requests:
        count += 1
    yield b"%d" % count


class Gate:
    """A unary handler that tells when it was entered and waits to be let go."""

    def __init__(self) -> None:
        self.entered = asyncio.Semaphore(0)
        self.opened = asyncio.Event()
        self.cancelled = asyncio.Event()
        self.started = 0

    async def handle(self, request: bytes, _call: CallContext) -> bytes:
        self.started += 1
        self.entered.release()
        try:
            await self.opened.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return request

    async def wait_entered(self, times: int = 1) -> None:
        async with asyncio.timeout(PATIENCE_S):
            for _ in range(times):
                await self.entered.acquire()


# ------------------------------------------------------------------ unary


async def test_plain_handler_answers(serve: Serve) -> None:
    running = await serve(UnaryMethod(ECHO, echo))
    assert await ask(running.address, b"hello") == b"hello"


async def test_awaitable_of_a_handler_is_awaited(serve: Serve) -> None:
    async def later(request: bytes, _call: CallContext) -> bytes:
        await asyncio.sleep(0)
        return request * 2

    running = await serve(UnaryMethod(ECHO, later))
    assert await ask(running.address, b"ab") == b"abab"


@pytest.mark.parametrize("payload", [b"", bytes(range(256)), b"\0" * 70_000])
async def test_bytes_pass_unchanged(serve: Serve, payload: bytes) -> None:
    running = await serve(UnaryMethod(ECHO, echo))
    assert await ask(running.address, payload) == payload


async def test_each_path_has_its_own_handler(serve: Serve) -> None:
    running = await serve(UnaryMethod(ECHO, echo), UnaryMethod(OTHER, lambda _r, _c: b"other"))
    assert await ask(running.address, b"x", path=OTHER) == b"other"


@pytest.mark.parametrize("path", ["/test.Service/None", "/none.Service/Echo", "/"])
async def test_unknown_method_is_unimplemented(serve: Serve, path: str) -> None:
    running = await serve(UnaryMethod(ECHO, echo))
    assert (await refusal(running.address, path=path)).code is Code.UNIMPLEMENTED


async def test_hundred_concurrent_calls_wait_together(serve: Serve) -> None:
    gate = Gate()
    running = await serve(UnaryMethod(ECHO, gate.handle))
    async with client_of(running.address) as client, asyncio.TaskGroup() as calls:
        tasks = [
            calls.create_task(client.unary(ECHO, b"%d" % number, timeout_s=PATIENCE_S))
            for number in range(100)
        ]
        await gate.wait_entered(100)
        gate.opened.set()
    assert [task.result() for task in tasks] == [b"%d" % number for number in range(100)]


# ------------------------------------------------------------------ errors


@pytest.mark.parametrize("code", [code for code in Code if code is not Code.OK])
async def test_rpc_error_becomes_the_status(serve: Serve, code: Code) -> None:
    def fail(_request: bytes, _call: CallContext) -> bytes:
        raise RpcError(code, "grüße; 100% \n ok")

    running = await serve(UnaryMethod(ECHO, fail))
    error = await refusal(running.address)
    assert (error.code, error.message) == (code, "grüße; 100% \n ok")


async def test_rpc_error_of_a_coroutine_becomes_the_status(serve: Serve) -> None:
    async def fail(_request: bytes, _call: CallContext) -> bytes:
        raise RpcError(Code.UNAVAILABLE, "later")

    running = await serve(UnaryMethod(ECHO, fail))
    assert (await refusal(running.address)).code is Code.UNAVAILABLE


async def status_of(address: str, path: str = ECHO) -> tuple[grpc.StatusCode, dict[str, object]]:
    """Code and trailing metadata of one call."""
    async with channel_to(address) as channel:
        call = channel.unary_unary(path, None, None)(b"", timeout=PATIENCE_S)
        return await call.code(), dict(await call.trailing_metadata())


async def test_details_travel_as_status_details(serve: Serve) -> None:
    def fail(_request: bytes, call: CallContext) -> bytes:
        call.set_trailing_metadata({"retry": "no"})
        raise RpcError(Code.PERMISSION_DENIED, "no", details=b"\x08\x07\xff")

    running = await serve(UnaryMethod(ECHO, fail))
    code, trailing = await status_of(running.address)
    assert code is grpc.StatusCode.PERMISSION_DENIED
    assert trailing["grpc-status-details-bin"] == b"\x08\x07\xff"
    assert trailing["retry"] == "no"


async def test_long_message_still_reaches_the_client(serve: Serve) -> None:
    def fail(_request: bytes, _call: CallContext) -> bytes:
        raise RpcError(Code.NOT_FOUND, "é\ud800" * 100_000, details=b"x" * 100_000)

    running = await serve(UnaryMethod(ECHO, fail))
    error = await refusal(running.address)
    assert error.code is Code.NOT_FOUND
    assert error.message.startswith("é")


def raises(error: BaseException) -> Callable[[bytes, CallContext], bytes]:
    def handle(_request: bytes, _call: CallContext) -> bytes:
        raise error

    return handle


def awaits_what_was_cancelled(_request: bytes, _call: CallContext) -> Awaitable[bytes]:
    future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    future.cancel()
    return future


@pytest.mark.parametrize(
    "handle",
    [
        pytest.param(raises(KeyError("secret")), id="exception"),
        pytest.param(lambda _r, _c: None, id="no bytes"),
        pytest.param(raises(RpcError(Code.OK, "fine")), id="error that says OK"),
        pytest.param(awaits_what_was_cancelled, id="own cancellation"),
    ],
)
async def test_defect_of_a_handler_is_internal_and_tells_nothing(
    serve: Serve, handle: Callable[[bytes, CallContext], bytes]
) -> None:
    running = await serve(UnaryMethod(ECHO, handle))
    error = await refusal(running.address)
    assert error.code is Code.INTERNAL
    assert "secret" not in error.message


async def test_defect_is_logged_once_with_its_method(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    running = await serve(UnaryMethod(ECHO, raises(KeyError("secret"))))
    with caplog.at_level(logging.INFO):
        await refusal(running.address)
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert getattr(record, "fields", None) == {"method": ECHO}
    assert record.exc_info is not None


async def test_rpc_error_is_not_logged(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    running = await serve(UnaryMethod(ECHO, raises(RpcError(Code.NOT_FOUND, "none"))))
    with caplog.at_level(logging.INFO):
        await refusal(running.address)
    assert caplog.records == []


async def test_calls_go_on_after_a_defect(serve: Serve) -> None:
    running = await serve(UnaryMethod(ECHO, echo), UnaryMethod(OTHER, raises(KeyError())))
    async with client_of(running.address) as client:
        with pytest.raises(RpcFailed):
            await client.unary(OTHER, b"", timeout_s=PATIENCE_S)
        assert await client.unary(ECHO, b"x", timeout_s=PATIENCE_S) == b"x"


# ------------------------------------------------------------------ streams


async def test_stream_answers_while_requests_arrive(serve: Serve) -> None:
    running = await serve(StreamMethod(ECHO, echo_each))
    async with stream_to(running.address) as call:
        for payload in (b"a", b"", b"c" * 70_000):
            await call.write(payload)
            assert await call.read() == payload
        await call.done_writing()
        assert await rest_of(call) == []
        assert await call.code() is grpc.StatusCode.OK


async def test_stream_may_answer_once_at_the_end(serve: Serve) -> None:
    running = await serve(StreamMethod(ECHO, count_all))
    async with channel_to(running.address) as channel:
        requests = iter([b"x"] * 500)
        count = channel.stream_unary(ECHO, None, None)(requests, timeout=PATIENCE_S)
        assert await count == b"500"


async def test_stream_may_answer_without_requests(serve: Serve) -> None:
    async def push(_requests: AsyncIterator[bytes], _call: CallContext) -> AsyncIterator[bytes]:
        yield b"one"
        yield b"two"

    running = await serve(StreamMethod(ECHO, push))
    async with stream_to(running.address) as call:
        assert await rest_of(call) == [b"one", b"two"]
        assert await call.code() is grpc.StatusCode.OK


async def test_error_in_a_stream_comes_after_what_was_answered(serve: Serve) -> None:
    async def fail(requests: AsyncIterator[bytes], call: CallContext) -> AsyncIterator[bytes]:
        call.set_trailing_metadata({"seen": "1"})
        async for request in requests:
            yield request
            raise RpcError(Code.ABORTED, "enough")

    running = await serve(StreamMethod(ECHO, fail))
    async with stream_to(running.address) as call:
        await call.write(b"x")
        assert await call.read() == b"x"
        assert (await call.code(), await call.details()) == (grpc.StatusCode.ABORTED, "enough")
        assert dict(await call.trailing_metadata())["seen"] == "1"


async def test_defect_in_a_stream_is_internal(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(requests: AsyncIterator[bytes], _call: CallContext) -> AsyncIterator[bytes]:
        async for request in requests:
            raise KeyError(request)
        yield b""

    running = await serve(StreamMethod(ECHO, fail))
    async with stream_to(running.address) as call:
        await call.write(b"secret")
        assert await call.code() is grpc.StatusCode.INTERNAL
        assert "secret" not in (await call.details() or "")
    assert [getattr(each, "fields", None) for each in caplog.records] == [{"method": ECHO}]


# ------------------------------------------------------------------ context of a call


async def test_names_of_metadata_are_lower_case_and_binary_entries_left_out(serve: Serve) -> None:
    seen: list[dict[str, str]] = []

    def look(_request: bytes, call: CallContext) -> bytes:
        seen.append(dict(call.metadata))
        return b""

    running = await serve(UnaryMethod(ECHO, look))
    pairs = (("x-one", "1"), ("x-two", "a"), ("x-two", "b"), ("raw-bin", b"\0\1"))
    async with channel_to(running.address) as channel:
        await channel.unary_unary(ECHO, None, None)(b"", timeout=PATIENCE_S, metadata=pairs)
    (metadata,) = seen
    assert metadata["x-one"] == "1"
    assert metadata["x-two"] == "a,b"
    assert "raw-bin" not in metadata
    assert all(name == name.lower() for name in metadata)


async def test_trailing_metadata_comes_with_a_good_status(serve: Serve) -> None:
    def tell(_request: bytes, call: CallContext) -> bytes:
        call.set_trailing_metadata({"x-served-by": "remixer"})
        return b""

    running = await serve(UnaryMethod(ECHO, tell))
    code, trailing = await status_of(running.address)
    assert code is grpc.StatusCode.OK
    assert trailing["x-served-by"] == "remixer"


async def test_deadline_is_on_the_monotonic_clock(serve: Serve) -> None:
    remaining: list[float | None] = []

    def look(_request: bytes, call: CallContext) -> bytes:
        now_s = SystemClock().monotonic_s()
        remaining.append(call.deadline.remaining_s(now_s=now_s) if call.deadline else None)
        return b""

    running = await serve(UnaryMethod(ECHO, look))
    async with client_of(running.address) as client:
        await client.unary(ECHO, b"", timeout_s=500.0)
    (left,) = remaining
    assert left is not None
    assert 400.0 < left < 501.0


async def test_no_timeout_means_no_deadline(serve: Serve) -> None:
    deadlines: list[object] = []

    def look(_request: bytes, call: CallContext) -> bytes:
        deadlines.append(call.deadline)
        return b""

    running = await serve(UnaryMethod(ECHO, look))
    async with channel_to(running.address) as channel:
        await channel.unary_unary(ECHO, None, None)(b"")
    assert deadlines == [None]


async def test_peer_is_the_address_of_the_client(serve: Serve) -> None:
    def look(_request: bytes, call: CallContext) -> bytes:
        assert call.peer.uri_sans == ()
        return call.peer.address.encode()

    running = await serve(UnaryMethod(ECHO, look))
    kind, host, port = (await ask(running.address)).decode().split(":")
    assert (kind, host, port.isdigit()) == ("ipv4", "127.0.0.1", True)


# ------------------------------------------------------------------ ends that are not answers


async def test_handler_is_cancelled_when_the_deadline_passes(serve: Serve) -> None:
    gate = Gate()
    running = await serve(UnaryMethod(ECHO, gate.handle))
    async with client_of(running.address) as client:
        with pytest.raises(RpcFailed) as caught:
            await client.unary(ECHO, b"", timeout_s=0.2)
        assert caught.value.code is Code.DEADLINE_EXCEEDED
        async with asyncio.timeout(PATIENCE_S):
            await gate.cancelled.wait()


async def test_handler_is_cancelled_when_the_client_cancels(serve: Serve) -> None:
    gate = Gate()
    running = await serve(UnaryMethod(ECHO, gate.handle))
    async with channel_to(running.address) as channel:
        call = channel.unary_unary(ECHO, None, None)(b"", timeout=PATIENCE_S)
        await gate.wait_entered()
        call.cancel()
        async with asyncio.timeout(PATIENCE_S):
            await gate.cancelled.wait()


async def test_stream_is_cancelled_when_the_client_goes_away(serve: Serve) -> None:
    ended = asyncio.Event()

    async def wait(requests: AsyncIterator[bytes], _call: CallContext) -> AsyncIterator[bytes]:
        try:
            async for request in requests:
                yield request
        finally:
            ended.set()

    running = await serve(StreamMethod(ECHO, wait))
    async with stream_to(running.address) as call:
        await call.write(b"x")
        assert await call.read() == b"x"
    async with asyncio.timeout(PATIENCE_S):
        await ended.wait()


# ------------------------------------------------------------------ limits

LIMIT = 1_000
SMALL = TransportLimits(max_message_bytes=LIMIT)


async def test_request_of_the_largest_size_passes(serve: Serve) -> None:
    running = await serve(UnaryMethod(ECHO, lambda _r, _c: b"ok"), limits=SMALL)
    assert await ask(running.address, b"x" * LIMIT) == b"ok"


async def test_request_one_byte_larger_is_refused(serve: Serve) -> None:
    running = await serve(UnaryMethod(ECHO, lambda _r, _c: b"ok"), limits=SMALL)
    error = await refusal(running.address, b"x" * (LIMIT + 1))
    assert error.code is Code.RESOURCE_EXHAUSTED
    assert "1001" in error.message
    assert "1000" in error.message


async def test_response_of_the_largest_size_passes(serve: Serve) -> None:
    running = await serve(UnaryMethod(ECHO, lambda _r, _c: b"x" * LIMIT), limits=SMALL)
    assert len(await ask(running.address)) == LIMIT


async def test_response_one_byte_larger_is_refused(serve: Serve) -> None:
    running = await serve(UnaryMethod(ECHO, lambda _r, _c: b"x" * (LIMIT + 1)), limits=SMALL)
    error = await refusal(running.address)
    assert error.code is Code.RESOURCE_EXHAUSTED
    assert "1001 vs. 1000" in error.message


async def test_stream_has_the_same_limits(serve: Serve) -> None:
    async def double(requests: AsyncIterator[bytes], _call: CallContext) -> AsyncIterator[bytes]:
        async for request in requests:
            yield request * 2

    running = await serve(StreamMethod(ECHO, double), limits=SMALL)
    async with stream_to(running.address) as call:
        await call.write(b"x" * (LIMIT // 2))
        assert await call.read() == b"x" * LIMIT
        await call.write(b"x" * (LIMIT // 2 + 1))
        assert await call.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_one_connection_has_no_more_calls_than_the_limit(serve: Serve) -> None:
    gate = Gate()
    limits = TransportLimits(max_concurrent_streams=2)
    running = await serve(UnaryMethod(ECHO, gate.handle), UnaryMethod(OTHER, echo), limits=limits)
    async with client_of(running.address) as client, asyncio.TaskGroup() as calls:
        # The first answer shows that the client knows the server's settings.
        await client.unary(OTHER, b"", timeout_s=PATIENCE_S)
        for _ in range(3):
            calls.create_task(client.unary(ECHO, b"", timeout_s=PATIENCE_S))
        await gate.wait_entered(2)
        # A call on another connection overtakes the third, which still waits.
        assert await ask(running.address, b"x", path=OTHER) == b"x"
        assert gate.started == 2
        gate.opened.set()
    assert gate.started == 3


# ------------------------------------------------------------------ listeners


async def test_bound_addresses_come_in_order_of_the_listeners(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "s"
    listeners = [Listener(ANY_PORT), Listener(f"unix:{path}"), Listener("localhost:0")]
    running = await serve(UnaryMethod(ECHO, echo), listeners=listeners)
    first, second, third = running.addresses
    assert first.startswith("127.0.0.1:")
    assert not first.endswith(":0")
    assert second == f"unix:{path}"
    assert third.startswith("localhost:")
    for address in running.addresses:
        assert await ask(address, b"x") == b"x"


@pytest.mark.parametrize(
    "text", ["9091", "localhost", "127.0.0.1:http", "127.0.0.1:65536", "::1:80", "unix:", ""]
)
async def test_unreadable_address_is_a_startup_error(servers: GrpcServerFactory, text: str) -> None:
    server = servers(
        methods=(), listeners=[Listener(text, setting="--here")], limits=TransportLimits()
    )
    with pytest.raises(StartupError, match="--here"):
        await server.start()


async def test_taken_port_is_a_startup_error_with_the_next_step(
    serve: Serve, servers: GrpcServerFactory
) -> None:
    address = (await serve(UnaryMethod(ECHO, echo))).address
    second = servers(
        methods=(), listeners=[Listener(address, setting="--here")], limits=TransportLimits()
    )
    with pytest.raises(StartupError) as caught:
        await second.start()
    assert address in str(caught.value)
    assert "another process listens there" in str(caught.value)
    assert "--here" in str(caught.value)
    assert await ask(address, b"x") == b"x"


async def test_failed_start_leaves_no_listener_behind(
    servers: GrpcServerFactory, tmp_path: Path
) -> None:
    path = tmp_path / "s"
    listeners = [Listener(f"unix:{path}"), Listener("no address")]
    server = servers(methods=(), listeners=listeners, limits=TransportLimits())
    with pytest.raises(StartupError):
        await server.start()
    assert not path.exists()


async def test_unix_socket_belongs_to_the_user_alone(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "s"
    running = await serve(UnaryMethod(ECHO, echo), listeners=[Listener(f"unix:{path}")])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert await ask(running.address, b"x") == b"x"


async def test_peer_on_a_unix_socket_is_unix(serve: Serve, tmp_path: Path) -> None:
    method = UnaryMethod(ECHO, lambda _r, call: call.peer.address.encode())
    running = await serve(method, listeners=[Listener(f"unix:{tmp_path / 's'}")])
    assert await ask(running.address) == b"unix:"


async def test_unix_socket_is_removed_at_the_end(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "s"
    running = await serve(UnaryMethod(ECHO, echo), listeners=[Listener(f"unix:{path}")])
    await running.server.drain(grace_s=1.0)
    assert not path.exists()


async def test_socket_of_a_dead_server_is_replaced(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    running = await serve(UnaryMethod(ECHO, echo), listeners=[Listener(f"unix:{path}")])
    assert await ask(running.address, b"x") == b"x"


async def test_socket_of_a_live_server_is_left_alone(
    serve: Serve, servers: GrpcServerFactory, tmp_path: Path
) -> None:
    listener = Listener(f"unix:{tmp_path / 's'}")
    running = await serve(UnaryMethod(ECHO, echo), listeners=[listener])
    second = servers(methods=(), listeners=[listener], limits=TransportLimits())
    with pytest.raises(StartupError, match="another process listens there"):
        await second.start()
    assert await ask(running.address, b"x") == b"x"


async def test_file_that_is_no_socket_is_left_alone(
    servers: GrpcServerFactory, tmp_path: Path
) -> None:
    path = tmp_path / "precious"
    path.write_text("data")
    server = servers(methods=(), listeners=[Listener(f"unix:{path}")], limits=TransportLimits())
    with pytest.raises(StartupError, match="not a socket"):
        await server.start()
    assert path.read_text() == "data"


async def test_missing_directory_of_a_socket_is_named(
    servers: GrpcServerFactory, tmp_path: Path
) -> None:
    listener = Listener(f"unix:{tmp_path / 'none' / 's'}")
    server = servers(methods=(), listeners=[listener], limits=TransportLimits())
    with pytest.raises(StartupError, match=str(tmp_path / "none")):
        await server.start()


# ------------------------------------------------------------------ TLS

CLIENT_URI = "spiffe://cluster.local/ns/shop/sa/cart"


class Authority:
    """Makes certificates with the openssl command."""

    def __init__(self, directory: Path, name: str) -> None:
        self._directory = directory
        self._name = name
        self.certificate = str(directory / f"{name}.pem")
        self._key = str(directory / f"{name}.key")
        subject = ["-subj", f"/CN={name}", "-days", "2"]
        files = ["-keyout", self._key, "-out", self.certificate]
        _openssl("req", "-x509", *_NEW_KEY, *subject, *files)

    def issue(self, name: str, san: str) -> tuple[str, str]:
        """Paths of certificate and key."""
        whole = self._directory / f"{self._name}-{name}"
        key, request, certificate = f"{whole}.key", f"{whole}.csr", f"{whole}.pem"
        extension = f"{whole}.ext"
        Path(extension).write_text(f"subjectAltName={san}\n")
        _openssl("req", *_NEW_KEY, "-subj", f"/CN={name}", "-keyout", key, "-out", request)
        signer = ["-CA", self.certificate, "-CAkey", self._key, "-CAcreateserial"]
        files = ["-in", request, "-out", certificate, "-extfile", extension]
        _openssl("x509", "-req", "-days", "2", *signer, *files)
        return certificate, key


_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)  # noqa: S603, S607 - fixed words


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"), "one")


@pytest.fixture(scope="module")
def other_authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"), "two")


SERVER_SAN = "DNS:localhost,IP:127.0.0.1"


@pytest.fixture(scope="module")
def server_files(authority: Authority) -> TlsFiles:
    return TlsFiles(*authority.issue("server", SERVER_SAN))


def secure(files: TlsFiles) -> list[Listener]:
    return [Listener(ANY_PORT, tls=files)]


async def test_tls_serves_who_trusts_the_authority(
    serve: Serve, authority: Authority, server_files: TlsFiles
) -> None:
    running = await serve(UnaryMethod(ECHO, echo), listeners=secure(server_files))
    trusting = ClientTls(server_ca=authority.certificate)
    assert await ask(running.address, b"x", tls=trusting) == b"x"


async def test_plaintext_client_gets_nothing_from_a_tls_listener(
    serve: Serve, server_files: TlsFiles
) -> None:
    running = await serve(UnaryMethod(ECHO, echo), listeners=secure(server_files))
    assert (await refusal(running.address)).code is Code.UNAVAILABLE


async def test_mutual_tls_shows_the_uri_sans_of_the_client(
    serve: Serve, authority: Authority, server_files: TlsFiles
) -> None:
    def look(_request: bytes, call: CallContext) -> bytes:
        return " ".join(call.peer.uri_sans).encode()

    files = TlsFiles(server_files.certificate, server_files.key, authority.certificate)
    running = await serve(UnaryMethod(ECHO, look), listeners=secure(files))
    certificate, key = authority.issue("client", f"URI:{CLIENT_URI},DNS:cart.shop")
    known = ClientTls(server_ca=authority.certificate, certificate=certificate, key=key)
    assert await ask(running.address, tls=known) == CLIENT_URI.encode()


async def test_mutual_tls_refuses_who_shows_no_certificate(
    serve: Serve, authority: Authority, server_files: TlsFiles
) -> None:
    files = TlsFiles(server_files.certificate, server_files.key, authority.certificate)
    running = await serve(UnaryMethod(ECHO, echo), listeners=secure(files))
    with pytest.raises(RpcFailed):
        await ask(running.address, tls=ClientTls(server_ca=authority.certificate))


async def test_mutual_tls_refuses_a_certificate_of_another_authority(
    serve: Serve, authority: Authority, other_authority: Authority, server_files: TlsFiles
) -> None:
    files = TlsFiles(server_files.certificate, server_files.key, authority.certificate)
    running = await serve(UnaryMethod(ECHO, echo), listeners=secure(files))
    certificate, key = other_authority.issue("client", f"URI:{CLIENT_URI}")
    with pytest.raises(RpcFailed):
        await ask(running.address, tls=ClientTls(authority.certificate, certificate, key))


def install(source: tuple[str, str], target: TlsFiles) -> None:
    """Replace the files as a certificate rotation does: write beside, then rename."""
    for path, place in zip(source, (target.certificate, target.key), strict=True):
        beside = Path(f"{place}.new")
        beside.write_bytes(Path(path).read_bytes())
        beside.replace(place)


def spoil(target: TlsFiles) -> None:
    Path(target.certificate).write_text("half a certif")


@pytest.fixture
def rotating(tmp_path: Path, authority: Authority) -> TlsFiles:
    files = TlsFiles(str(tmp_path / "tls.crt"), str(tmp_path / "tls.key"))
    install(authority.issue("rotating", SERVER_SAN), files)
    return files


async def test_new_certificate_is_used_for_new_connections(
    serve: Serve, authority: Authority, other_authority: Authority, rotating: TlsFiles
) -> None:
    running = await serve(UnaryMethod(ECHO, echo), listeners=secure(rotating))
    old, new = ClientTls(authority.certificate), ClientTls(other_authority.certificate)
    async with client_of(running.address, tls=old) as connected:
        await connected.unary(ECHO, b"", timeout_s=PATIENCE_S)
        install(other_authority.issue("server", SERVER_SAN), rotating)
        assert await ask(running.address, b"x", tls=new) == b"x"
        # Whoever is connected stays so.
        assert await connected.unary(ECHO, b"y", timeout_s=PATIENCE_S) == b"y"


async def test_broken_new_certificate_keeps_the_old_one_and_is_logged(
    serve: Serve, authority: Authority, rotating: TlsFiles, caplog: pytest.LogCaptureFixture
) -> None:
    running = await serve(UnaryMethod(ECHO, echo), listeners=secure(rotating))
    spoil(rotating)
    for _ in range(2):
        assert await ask(running.address, b"x", tls=ClientTls(authority.certificate)) == b"x"
    errors = [each for each in caplog.records if each.levelno >= logging.ERROR]
    assert len(errors) == 1
    assert "old one stays in use" in errors[0].getMessage()


async def test_missing_certificate_is_a_startup_error(
    servers: GrpcServerFactory, tmp_path: Path
) -> None:
    files = TlsFiles(str(tmp_path / "none.crt"), str(tmp_path / "none.key"))
    server = servers(methods=(), listeners=secure(files), limits=TransportLimits())
    with pytest.raises(StartupError, match=r"none\.crt"):
        await server.start()


# ------------------------------------------------------------------ drain


async def test_drain_before_start_does_nothing(servers: GrpcServerFactory) -> None:
    server = servers(methods=(), listeners=(), limits=TransportLimits())
    await server.drain(grace_s=1.0)


async def test_drain_twice_is_safe(serve: Serve) -> None:
    running = await serve(UnaryMethod(ECHO, echo))
    await running.server.drain(grace_s=1.0)
    await running.server.drain(grace_s=1.0)


async def test_nothing_new_is_accepted_after_a_drain(serve: Serve) -> None:
    running = await serve(UnaryMethod(ECHO, echo))
    await running.server.drain(grace_s=1.0)
    assert (await refusal(running.address)).code is Code.UNAVAILABLE


async def test_accepted_call_is_answered_during_a_drain(serve: Serve) -> None:
    gate = Gate()
    running = await serve(UnaryMethod(ECHO, gate.handle))
    async with client_of(running.address) as client, asyncio.TaskGroup() as tasks:
        answer = tasks.create_task(client.unary(ECHO, b"x", timeout_s=PATIENCE_S))
        await gate.wait_entered()
        drain = tasks.create_task(running.server.drain(grace_s=PATIENCE_S))
        await asyncio.sleep(0)
        gate.opened.set()
    assert answer.result() == b"x"
    assert drain.done()


async def test_connections_that_never_speak_hold_up_no_drain(serve: Serve) -> None:
    running = await serve(UnaryMethod(ECHO, echo))
    host, _, port = running.address.rpartition(":")
    async with client_of(running.address) as client:
        assert await client.unary(ECHO, b"x", timeout_s=PATIENCE_S) == b"x"
        writers = [(await asyncio.open_connection(host, int(port)))[1] for _ in range(5)]
        async with asyncio.timeout(PATIENCE_S):
            await running.server.drain(grace_s=10 * PATIENCE_S)
    for writer in writers:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def test_call_that_outlives_the_grace_is_cancelled(serve: Serve) -> None:
    gate = Gate()
    running = await serve(UnaryMethod(ECHO, gate.handle))
    async with channel_to(running.address) as channel:
        call = channel.unary_unary(ECHO, None, None)(b"", timeout=PATIENCE_S)
        await gate.wait_entered()
        await running.server.drain(grace_s=0.1)
        async with asyncio.timeout(PATIENCE_S):
            await gate.cancelled.wait()
            assert await call.code() is not grpc.StatusCode.OK


async def test_drain_under_load_loses_no_call_that_a_handler_saw(serve: Serve) -> None:
    started, answered = 0, 0
    refusals: list[Code] = []
    enough = asyncio.Event()

    async def handle(request: bytes, _call: CallContext) -> bytes:
        nonlocal started
        started += 1
        if started == 200:
            enough.set()
        await asyncio.sleep(0.001)
        return request

    running = await serve(UnaryMethod(ECHO, handle))

    async def call_until_refused(client: GrpcClient) -> None:
        nonlocal answered
        while True:
            try:
                await client.unary(ECHO, b"x", timeout_s=PATIENCE_S)
                answered += 1
            except RpcFailed as error:
                refusals.append(error.code)
                return

    async with client_of(running.address) as client, asyncio.TaskGroup() as tasks:
        for _ in range(20):
            tasks.create_task(call_until_refused(client))
        await enough.wait()
        await running.server.drain(grace_s=PATIENCE_S)
    assert answered == started
    assert len(refusals) == 20
    # grpcio says CANCELLED to calls that it had read but not yet handed to a handler.
    assert set(refusals) <= {Code.UNAVAILABLE, Code.CANCELLED}


async def test_endless_stream_ends_in_order_with_all_that_arrived(serve: Serve) -> None:
    running = await serve(StreamMethod(ECHO, count_all))
    async with stream_to(running.address) as call:
        for _ in range(50):
            await call.write(b"entry")
        await running.server.drain(grace_s=1.0)
        assert await rest_of(call) == [b"50"]
        assert await call.code() is grpc.StatusCode.OK


async def test_busy_stream_ends_within_the_grace(serve: Serve) -> None:
    requests_ended = asyncio.Event()

    async def echo_to_the_end(
        requests: AsyncIterator[bytes], _call: CallContext
    ) -> AsyncIterator[bytes]:
        async for request in requests:
            yield request
        requests_ended.set()

    running = await serve(StreamMethod(ECHO, echo_to_the_end))

    async def talk(call: StreamCall) -> None:
        # grpcio's client tells in several ways that a stream is over while it writes.
        with suppress(asyncio.InvalidStateError, aio.AioRpcError):
            while await call.read() is not EOF:
                await call.write(b"entry")

    async with stream_to(running.address) as call, asyncio.TaskGroup() as tasks:
        await call.write(b"entry")
        tasks.create_task(talk(call))
        await running.server.drain(grace_s=1.0)
        assert requests_ended.is_set()


async def test_stream_that_only_pushes_is_cancelled_after_the_grace(serve: Serve) -> None:
    ended = asyncio.Event()

    async def push(_requests: AsyncIterator[bytes], _call: CallContext) -> AsyncIterator[bytes]:
        try:
            yield b"first"
            await asyncio.Event().wait()
        finally:
            ended.set()

    running = await serve(StreamMethod(ECHO, push))
    async with stream_to(running.address) as call:
        assert await call.read() == b"first"
        await running.server.drain(grace_s=0.2)
        assert ended.is_set()
        assert await call.code() is not grpc.StatusCode.OK


# ------------------------------------------------------------------ peers that speak no gRPC

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = b"\0\0\0\4\0\0\0\0\0"


@pytest.mark.parametrize(
    "garbage",
    [
        pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", id="HTTP/1.1"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00", id="TLS to plaintext"),
        pytest.param(os.urandom(4096), id="noise"),
        pytest.param(PREFACE + SETTINGS + b"\0\0\5\1\4\0\0\0\1" + b"\xff" * 5, id="bad headers"),
        pytest.param(PREFACE + SETTINGS + b"\xff\xff\xff\0\0\0\0\0\1", id="frame too large"),
        pytest.param(PREFACE[:10], id="half a preface"),
    ],
)
async def test_malformed_bytes_hurt_nobody_else(serve: Serve, garbage: bytes) -> None:
    running = await serve(UnaryMethod(ECHO, echo))
    host, _, port = running.address.rpartition(":")
    async with client_of(running.address) as client:
        await client.unary(ECHO, b"before", timeout_s=PATIENCE_S)
        _reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(garbage)
        await writer.drain()
        assert await client.unary(ECHO, b"after", timeout_s=PATIENCE_S) == b"after"
        writer.close()
    assert await ask(running.address, b"new") == b"new"
