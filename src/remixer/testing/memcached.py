"""Memcached for tests: a small server in this process, and a real one where it is installed.

async with FakeMemcached() as server:
    client = Memcached(server.address)
"""

import asyncio
import getpass
import secrets
import shutil
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from remixer.drivers.memcached_address import MemcachedAddress
from remixer.foundation.clock import Clock, SystemClock

_START_S: Final = 60.0
_STEP_S: Final = 0.01


class FakeMemcached:
    """The meta commands that the driver uses: `mg`, `ms`, `ma`, with lives."""

    def __init__(self, *, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._values: dict[bytes, tuple[bytes, float]] = {}
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self.is_silent = False
        """Whether it reads and does not answer."""
        self.answers_with: bytes | None = None
        """What it answers to each command, in place of the truth."""
        self.connections = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.end()

    @property
    def address(self) -> MemcachedAddress:
        assert self._server is not None, "the server does not run"  # noqa: S101 - misuse by the test's author
        host, port = self._server.sockets[0].getsockname()[:2]
        return MemcachedAddress(host, port)

    def cut(self) -> None:
        """Break all connections, as a network does."""
        for writer in self._writers:
            writer.transport.abort()

    async def end(self) -> None:
        """Stop to listen, and break all connections."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
            self.cut()
            await server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        try:
            while line := await reader.readline():
                answer = await self._answer(line.split(), reader)
                if self.answers_with is not None:
                    answer = self.answers_with
                if not self.is_silent:
                    writer.write(answer)
                    await writer.drain()
        except OSError:
            pass  # the client went away
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _answer(self, words: list[bytes], reader: asyncio.StreamReader) -> bytes:
        match words:
            case [b"mg", key, b"v"]:
                value = self._value(key)
                return b"EN\r\n" if value is None else _told(value)
            case [b"ms", key, size, life]:
                block = await reader.readexactly(int(size) + 2)
                self._put(key, block[:-2], life)
                return b"HD\r\n"
            case [b"ma", key, _, first, amount, life, b"v"]:
                value = self._value(key)
                if value is not None and not value.isdigit():
                    return b"CLIENT_ERROR cannot increment or decrement non-numeric value\r\n"
                total = int(first[1:]) if value is None else int(value) + int(amount[1:])
                self._put(key, b"%d" % total, life)
                return _told(b"%d" % total)
            case _:
                return b"ERROR\r\n"

    def _value(self, key: bytes) -> bytes | None:
        found = self._values.get(key)
        return found[0] if found is not None and self._clock.monotonic_s() < found[1] else None

    def _put(self, key: bytes, value: bytes, life: bytes) -> None:
        self._values[key] = value, self._clock.monotonic_s() + int(life[1:])


def _told(value: bytes) -> bytes:
    return b"VA %d\r\n%b\r\n" % (len(value), value)


def memcached_is_installed() -> bool:
    """Whether there is a server to start."""
    return shutil.which("memcached") is not None


class MemcachedProcess:
    """A real server on a socket file."""

    def __init__(self, folder: Path) -> None:
        self.address = MemcachedAddress(socket_path=str(folder / f"m{secrets.token_hex(4)}.sock"))
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Start and wait until it takes connections."""
        found = shutil.which("memcached")
        assert found is not None, "memcached is not installed"  # noqa: S101 - misuse by the test's author
        command = [found, "-s", self.address.socket_path, "-m", "16"]
        command += ["-u", getpass.getuser()]  # as root it wants to be told
        self._process = subprocess.Popen(command)  # noqa: S603, ASYNC220 - a server for tests
        async with asyncio.timeout(_START_S):
            while not await self._is_there():  # noqa: ASYNC110 - another process
                await asyncio.sleep(_STEP_S)

    async def _is_there(self) -> bool:
        try:
            _, writer = await asyncio.open_unix_connection(self.address.socket_path)
        except OSError:
            return False
        writer.close()
        await writer.wait_closed()
        return True

    def kill(self) -> None:
        """End it as a crash would; once or twice."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()
