"""Requests over HTTP/1.1 with the times of their first and last bytes.

A client of its own: the one of a library takes longer than what is measured.
"""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Final, NamedTuple

from remixer.foundation.clock import Clock
from remixer.transport.addresses import TcpAddress

NO_ANSWER: Final = 0
_HEAD_END: Final = b"\r\n\r\n"
_LENGTH: Final = b"\r\ncontent-length: "


class Answer(NamedTuple):
    """Seconds of the monotonic clock; status `NO_ANSWER` if the connection broke or time is up."""

    asked_at_s: float
    answered_at_s: float
    status: int


class ClientConnection(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._transport: asyncio.Transport | None = None
        self._octets = b""
        self._answer: asyncio.Future[tuple[float, int]] | None = None

    @staticmethod
    async def to(envoy: TcpAddress, clock: Clock) -> "ClientConnection":
        loop = asyncio.get_running_loop()
        _, made = await loop.create_connection(
            lambda: ClientConnection(clock), envoy.host, envoy.port
        )
        return made

    async def ask(self, host: str, *, within_s: float) -> Answer:
        request = f"GET / HTTP/1.1\r\nhost: {host}\r\n\r\n".encode()
        self._octets = b""
        asked_at_s = self._clock.monotonic_s()
        if self._transport is None:
            return Answer(asked_at_s, asked_at_s, NO_ANSWER)
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        try:
            async with asyncio.timeout(within_s):
                answered_at_s, status = await self._answer
        except TimeoutError:
            self.close()
            return Answer(asked_at_s, self._clock.monotonic_s(), NO_ANSWER)
        return Answer(asked_at_s, answered_at_s, status)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    # ------------------------------------------------------------ called by the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - a stream's
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._octets += data
        head, end, body = self._octets.partition(_HEAD_END)
        if end:
            _, found, length = head.lower().partition(_LENGTH)
            if len(body) >= (int(length.partition(b"\r\n")[0]) if found else 0):
                self._settle(int(head.split(None, 2)[1]))

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._transport = None
        self._settle(NO_ANSWER)

    def _settle(self, status: int) -> None:
        answer, self._answer = self._answer, None
        if answer is not None and not answer.done():
            answer.set_result((self._clock.monotonic_s(), status))


async def ask_at_once(
    envoy: TcpAddress, host: str, *, requests: int, within_s: float, clock: Clock
) -> Sequence[Answer]:
    """Each on a connection of its own, all opened before the first request is sent."""
    async with AsyncExitStack() as stack:
        connections = []
        for _ in range(requests):
            connection = await ClientConnection.to(envoy, clock)
            stack.callback(connection.close)
            connections.append(connection)
        async with asyncio.TaskGroup() as group:
            asked = [group.create_task(each.ask(host, within_s=within_s)) for each in connections]
    return [each.result() for each in asked]
