"""More connections: idle ones beside busy ones, and calls that come over all of them in turn."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager

from bench import idle, raw_load, servers
from bench.bodies import recorded
from bench.growth.point import Reading, cpu_us
from bench.h2load import resident_mb, settled_cpu_s
from bench.subjects import CHECK

CONNECTIONS = (1, 10, 100, 1_000, 10_000)
_LEAST_CALLS = 2_000
_AT_ONCE = 100


def connections(count: int) -> list[Reading]:
    """At most as many as this process may open."""
    count = min(count, idle.possible())
    body = recorded("check-25")
    with servers.running("remixer", "lasting", "own", "on") as server:
        cpu_us(server, CHECK, body)
        started_mb = resident_mb(server.pid)
        with _open(server, count) as clients:
            held_mb = resident_mb(server.pid)
            beside = cpu_us(server, CHECK, body)
            spread = clients.calls_cpu_us(body)
    return [
        Reading("µs", "hit beside idle ones", beside),
        Reading("µs", "hit over all in turn", spread),
        Reading("MB", "all idle ones", max(held_mb - started_mb, 0.0)),
    ]


class _Clients:
    """Open connections, on a loop in a thread of its own."""

    def __init__(self, server: servers.ServerProcess) -> None:
        self._server = server
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="connections")
        self._streams: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self._thread.start()

    def open(self, count: int) -> None:
        self._run(self._opened(count))

    def calls_cpu_us(self, message: bytes) -> float:
        """Server CPU per call; each connection asks in its turn."""
        rounds = max(1, _LEAST_CALLS // len(self._streams))
        requests = raw_load.requests(CHECK, [message], rounds)
        before = settled_cpu_s(self._server.pid)
        self._run(self._asked(requests))
        calls = len(self._streams) * rounds
        return (settled_cpu_s(self._server.pid) - before) / calls * 1e6

    def close(self) -> None:
        self._run(self._closed())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work: Coroutine[object, None, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _opened(self, count: int) -> None:
        host, _, port = self._server.address.rpartition(":")

        async def connect() -> None:
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(raw_load.opening() + raw_load.SETTINGS_ACK)
            await _until(reader, raw_load.SETTINGS_ACK)
            self._streams.append((reader, writer))

        for begun in range(0, count, _AT_ONCE):
            async with asyncio.TaskGroup() as group:
                for _ in range(min(_AT_ONCE, count - begun)):
                    group.create_task(connect())

    async def _asked(self, requests: list[bytes]) -> None:
        for request in requests:
            for begun in range(0, len(self._streams), _AT_ONCE):
                part = self._streams[begun : begun + _AT_ONCE]
                for _, writer in part:
                    writer.write(request)
                for reader, _ in part:
                    answer = await reader.read(65_536)  # one write of the server's
                    assert answer, "the server closed a connection"

    async def _closed(self) -> None:
        for _, writer in self._streams:
            writer.transport.abort()


async def _until(reader: asyncio.StreamReader, end: bytes) -> None:
    seen = b""
    while end not in seen:
        seen += await reader.read(65_536)


@contextmanager
def _open(server: servers.ServerProcess, count: int) -> Iterator[_Clients]:
    clients = _Clients(server)
    try:
        clients.open(count)
        yield clients
    finally:
        clients.close()
