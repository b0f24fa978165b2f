"""A gate for TCP in front of the back end, which can refuse or fall silent.

What is behind goes on; for whoever is before it is down. Silence is the worse half: connections
stay, bytes do not pass. When it ends, the connections that saw it end too, as those of a machine
that came back do.
"""

import asyncio
from contextlib import suppress
from enum import Enum
from typing import Final

from remixer.transport.addresses import TcpAddress

_CHUNK_BYTES: Final = 64 << 10


class GateState(Enum):
    """What becomes of a connection."""

    OPEN = "open"
    REFUSING = "refusing"
    SILENT = "silent"


class Gate:
    """Relays connections to one address."""

    def __init__(self) -> None:
        self._server: asyncio.Server | None = None
        self._target: TcpAddress | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._relays: set[asyncio.Task[None] | None] = set()
        self._may_pass = asyncio.Event()
        self._may_pass.set()
        self.state = GateState.OPEN

    async def start(self, target: TcpAddress) -> TcpAddress:
        """Listen on a free loopback port."""
        self._target = target
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        host, port = self._server.sockets[0].getsockname()[:2]
        return TcpAddress(str(host), int(port))

    def use(self, state: GateState) -> None:
        """From now on; connections that there are end unless it is silence that begins."""
        self.state = state
        if state is GateState.SILENT:
            self._may_pass.clear()
            return
        self._may_pass.set()
        for writer in self._writers:
            writer.transport.abort()

    async def aclose(self) -> None:
        """Safe before `start`, and twice."""
        server, self._server = self._server, None
        if server is None:
            return
        server.close()
        self.use(GateState.REFUSING)
        await server.wait_closed()
        relays = {each for each in self._relays if each is not None}
        if relays:
            await asyncio.wait(relays)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.state is GateState.REFUSING:
            writer.transport.abort()
            return
        self._writers.add(writer)
        task = asyncio.current_task()  # the server's own
        self._relays.add(task)
        try:
            with suppress(OSError):
                await self._relay(reader, writer)
        finally:
            self._relays.discard(task)
            self._writers.discard(writer)
            writer.transport.abort()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert self._target is not None  # noqa: S101 - by `start`
        behind_reader, behind = await asyncio.open_connection(self._target.host, self._target.port)
        self._writers.add(behind)
        try:
            await asyncio.gather(self._pump(reader, behind), self._pump(behind_reader, writer))
        finally:
            self._writers.discard(behind)
            behind.transport.abort()

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while chunk := await source.read(_CHUNK_BYTES):
            await self._may_pass.wait()
            target.write(chunk)
            await target.drain()
        target.transport.abort()
