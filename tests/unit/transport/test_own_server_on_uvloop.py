"""The server on the loop that production runs; its other tests are on asyncio's own."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from tempfile import TemporaryDirectory

import pytest
import uvloop
from grpc import aio

from remixer.foundation.clock import SystemClock
from remixer.transport.client import GrpcClient
from remixer.transport.own_server import OwnServer, own_servers
from remixer.transport.port import CallContext, Listener, StreamMethod, TransportLimits, UnaryMethod

ECHO, LATER, PUSH = "/t.T/Echo", "/t.T/Later", "/t.T/Push"
PATIENCE_S = 60.0
MESSAGES, SIZE = 300, 100_000


async def later(request: bytes, _call: CallContext) -> bytes:
    async with asyncio.timeout(PATIENCE_S):
        await asyncio.sleep(0.001)
    return request


async def push(_requests: AsyncIterator[bytes], _call: CallContext) -> AsyncIterator[bytes]:
    for _ in range(MESSAGES):
        yield bytes(SIZE)


METHODS = (
    UnaryMethod(ECHO, lambda request, _call: request),
    UnaryMethod(LATER, later),
    StreamMethod(PUSH, push),
)


async def started(*addresses: str) -> tuple[OwnServer, tuple[str, ...]]:
    assert isinstance(asyncio.get_running_loop(), uvloop.Loop)
    server = own_servers(clock=SystemClock())(
        methods=METHODS,
        listeners=[Listener(address) for address in addresses],
        limits=TransportLimits(),
    )
    assert isinstance(server, OwnServer)
    return server, await server.start()


async def answer_on_all_listeners() -> None:
    with TemporaryDirectory() as folder:
        server, addresses = await started("127.0.0.1:0", f"unix:{folder}/s")
        for address in addresses:
            client = GrpcClient(address)
            for path in (ECHO, LATER):
                assert await client.unary(path, b"x" * 70_000, timeout_s=PATIENCE_S)
            await client.aclose()
        await server.drain(grace_s=PATIENCE_S)


async def wait_for_a_slow_reader() -> None:
    server, (address,) = await started("127.0.0.1:0")
    async with aio.insecure_channel(address) as channel:
        call = channel.stream_stream(PUSH, None, None)(iter([b""]), timeout=PATIENCE_S)
        sizes = []
        async for message in call:
            sizes.append(len(message))
            await asyncio.sleep(0)
    assert sizes == [SIZE] * MESSAGES
    await server.drain(grace_s=PATIENCE_S)


async def drain_under_load() -> None:
    server, (address,) = await started("127.0.0.1:0")
    client = GrpcClient(address)
    async with asyncio.TaskGroup() as tasks:
        calls = [
            tasks.create_task(client.unary(LATER, b"x", timeout_s=PATIENCE_S)) for _ in range(200)
        ]
        await calls[0]
        tasks.create_task(server.drain(grace_s=PATIENCE_S))
    assert {call.result() for call in calls} == {b"x"}
    await client.aclose()


async def pause_while_nothing_is_read() -> None:
    server, (address,) = await started("127.0.0.1:0")
    running = server._running
    assert running is not None
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    await reader.read(9)
    (connection,) = running._connections
    transport = connection._transport
    assert transport is not None
    transport.write(bytes(30_000_000))
    assert connection.is_stalled
    while connection.is_stalled:
        assert await reader.read(1_000_000)
    writer.close()
    await server.drain(grace_s=0.0)


SCENARIOS = (
    answer_on_all_listeners,
    wait_for_a_slow_reader,
    drain_under_load,
    pause_while_nothing_is_read,
)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_it_holds_on_uvloop(scenario: Callable[[], Coroutine[None, None, None]]) -> None:
    """In a process of its own: grpcio's client does not change loops."""
    done = subprocess.run(  # noqa: S603 - this file
        [sys.executable, __file__, scenario.__name__],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")


if __name__ == "__main__":
    uvloop.run({each.__name__: each for each in SCENARIOS}[sys.argv[1]]())
