"""The gate before the back end: open, refusing, silent, and open again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress

import pytest

from remixer.cli.lab.gate import Gate, GateState
from remixer.transport.addresses import TcpAddress

PATIENCE_S = 60.0


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while line := await reader.readline():
            writer.write(line)
            await writer.drain()
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


class Caller:
    """One connection through the gate."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def ask(self, text: bytes) -> bytes:
        self.writer.write(text)
        async with asyncio.timeout(PATIENCE_S):
            return await self.reader.readline()

    async def ended(self) -> bool:
        async with asyncio.timeout(PATIENCE_S):
            try:
                return await self.reader.read() == b""
            except ConnectionError:
                return True

    async def aclose(self) -> None:
        self.writer.close()
        with suppress(ConnectionError):
            await self.writer.wait_closed()


class Gated:
    """A gate before an echo, and callers that end with the test."""

    def __init__(self, gate: Gate, at: TcpAddress, stack: AsyncExitStack) -> None:
        self.gate = gate
        self._at = at
        self._stack = stack

    async def caller(self) -> Caller:
        found = Caller(*await asyncio.open_connection(self._at.host, self._at.port))
        self._stack.push_async_callback(found.aclose)
        return found


@pytest.fixture
async def gated() -> AsyncIterator[Gated]:
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()[:2]
    gate = Gate()
    at = await gate.start(TcpAddress(host, port))
    async with AsyncExitStack() as stack:
        yield Gated(gate, at, stack)
    await gate.aclose()
    await gate.aclose()
    server.close()
    await server.wait_closed()
    await asyncio.sleep(0)


async def test_an_open_gate_lets_bytes_pass(gated: Gated) -> None:
    caller = await gated.caller()
    assert await caller.ask(b"hello\n") == b"hello\n"


async def test_a_refusing_gate_ends_connections_old_and_new(gated: Gated) -> None:
    before = await gated.caller()
    assert await before.ask(b"hello\n") == b"hello\n"
    gated.gate.use(GateState.REFUSING)

    assert await before.ended()
    assert await (await gated.caller()).ended()


async def test_a_silent_gate_keeps_connections_and_answers_nothing(gated: Gated) -> None:
    caller = await gated.caller()
    assert await caller.ask(b"hello\n") == b"hello\n"
    gated.gate.use(GateState.SILENT)
    caller.writer.write(b"anybody?\n")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await caller.reader.readline()

    gated.gate.use(GateState.OPEN)
    assert await caller.ended(), "as with a machine that came back"
    assert await (await gated.caller()).ask(b"hello\n") == b"hello\n"
