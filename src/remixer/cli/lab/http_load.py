"""Requests over a few HTTP/1.1 connections, one after the other on each, as fast as answers come.

A client of its own, for one of a library takes longer for a request than Envoy and all that it
asks. It knows as much of HTTP as Envoy's own answers need: a status and a `content-length`.
"""

import asyncio
from collections.abc import Callable, Iterator
from typing import Final

from remixer.cli.lab.guests import USER_HEADER
from remixer.cli.lab.tally import Sample
from remixer.foundation.clock import Clock
from remixer.transport.addresses import TcpAddress

_TIMEOUT_S: Final = 10.0
_PAUSE_S: Final = 0.05  # before connecting again
_HEAD_END: Final = b"\r\n\r\n"
_LENGTH: Final = b"content-length: "


class _Connection(asyncio.Protocol):
    """One connection, at most one request at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._octets = b""
        self._answer: asyncio.Future[int] | None = None

    async def ask(self, request: bytes) -> int:
        """The status; 0 if the connection broke."""
        if self._transport is None:
            return 0
        self._octets = b""
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    # ------------------------------------------------------------ called by the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - a stream's
        self._transport = transport

    def data_received(self, octets: bytes) -> None:
        self._octets += octets
        if _is_whole(self._octets):
            self._settle(int(self._octets.split(None, 2)[1]))

    def connection_lost(self, _error: Exception | None) -> None:
        self._transport = None
        self._settle(0)

    def _settle(self, status: int) -> None:
        answer, self._answer = self._answer, None
        if answer is not None and not answer.done():
            answer.set_result(status)


def _is_whole(octets: bytes) -> bool:
    head, end, body = octets.partition(_HEAD_END)
    if not end:
        return False
    _, found, length = head.lower().partition(_LENGTH)
    return len(body) >= (int(length.split(b"\r\n")[0]) if found else 0)


async def send_all(
    users: Iterator[str],
    envoy: TcpAddress,
    *,
    connections: int,
    clock: Clock,
    wanted: Callable[[str], int],
    until: asyncio.Event | None = None,
) -> list[Sample]:
    """One request for each user, until there are no more or `until` is set. `wanted`: status by user."""
    samples: list[Sample] = []
    began_s = clock.monotonic_s()

    async def work() -> None:
        connection = await _connected(envoy)
        try:
            for user in users:
                if until is not None and until.is_set():
                    return
                at_s = clock.monotonic_s()
                status = await _asked(connection, user)
                ended_s = clock.monotonic_s()
                samples.append(Sample(at_s - began_s, ended_s - at_s, status, wanted(user)))
                if not status:
                    connection.close()
                    await asyncio.sleep(_PAUSE_S)
                    connection = await _connected(envoy)
        finally:
            connection.close()

    async with asyncio.TaskGroup() as group:
        for _ in range(connections):
            group.create_task(work())
    return samples


async def _connected(envoy: TcpAddress) -> _Connection:
    _, connection = await asyncio.get_running_loop().create_connection(
        _Connection, envoy.host, envoy.port
    )
    return connection


async def _asked(connection: _Connection, user: str) -> int:
    request = f"GET / HTTP/1.1\r\nhost: lab\r\n{USER_HEADER}: {user}\r\n\r\n".encode()
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            return await connection.ask(request)
    except TimeoutError:
        return 0
