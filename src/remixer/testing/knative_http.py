"""As much of HTTP/1.1 as a proxy stand-in needs: whole messages, framed by `content-length`.

A message is bytes from its first line to its last byte. Chunked messages are refused: nobody in
the laboratory sends any.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Final

from remixer.transport.addresses import TcpAddress

MOST_BYTES: Final = 1 << 20
"""Of one message."""
_HEAD_END: Final = b"\r\n\r\n"
_LENGTH: Final = b"\r\ncontent-length:"
_CHUNKED: Final = b"\r\ntransfer-encoding:"
_TOO_MUCH: Final = (
    b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
)


class MessageReader:
    """Takes bytes as they come, gives whole messages."""

    def __init__(self) -> None:
        self._octets = bytearray()

    def feed(self, data: bytes) -> None:
        self._octets += data

    def next(self) -> bytes | None:
        """None if the next is not complete. Raises `ValueError` for one that cannot be had."""
        end = self._octets.find(_HEAD_END)
        if end < 0:
            if len(self._octets) > MOST_BYTES:
                message = "a head without end"
                raise ValueError(message)
            return None
        head = bytes(self._octets[:end]).lower() + b"\r\n"
        if _CHUNKED in head:
            message = "chunked messages are not read here"
            raise ValueError(message)
        length = int(head.partition(_LENGTH)[2].partition(b"\r\n")[0].strip() or b"0")
        whole = end + len(_HEAD_END) + length
        if whole > MOST_BYTES:
            message = f"a message of {whole} bytes"
            raise ValueError(message)
        if len(self._octets) < whole:
            return None
        message_bytes = bytes(self._octets[:whole])
        del self._octets[:whole]
        return message_bytes


def header(message: bytes, name: str) -> str:
    """The first value; empty if there is none."""
    head = message.partition(_HEAD_END)[0]
    for line in head.split(b"\r\n")[1:]:
        found, _, value = line.partition(b":")
        if found.lower() == name.encode():
            return value.strip().decode("latin-1")
    return ""


class _Upstream(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self._reader = MessageReader()
        self._answer: asyncio.Future[bytes] | None = None

    async def ask(self, request: bytes) -> bytes:
        if self.transport is None:
            message = "closed before the request"
            raise ConnectionResetError(message)
        self._answer = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return await self._answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - a stream's
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        try:
            message = self._reader.next()
        except ValueError as error:
            self._settle(ConnectionError(str(error)))
            return
        if message is not None:
            self._settle(message)

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        self._settle(exc or ConnectionResetError("closed before the answer"))

    def _settle(self, outcome: bytes | Exception) -> None:
        answer, self._answer = self._answer, None
        if answer is None or answer.done():
            return
        if isinstance(outcome, bytes):
            answer.set_result(outcome)
        else:
            answer.set_exception(outcome)


class HttpUpstreams:
    """Connections that are kept and used again, by address."""

    def __init__(self) -> None:
        self._idle: dict[TcpAddress, list[_Upstream]] = defaultdict(list)

    async def ask(self, address: TcpAddress, request: bytes) -> bytes:
        """The answer. Raises `OSError`."""
        upstream = await self._connected(address)
        try:
            answer = await upstream.ask(request)
        except BaseException:
            if upstream.transport is not None:
                upstream.transport.abort()
            raise
        self._idle[address].append(upstream)
        return answer

    def close(self) -> None:
        for upstreams in self._idle.values():
            for each in upstreams:
                if each.transport is not None:
                    each.transport.abort()
        self._idle.clear()

    async def _connected(self, address: TcpAddress) -> _Upstream:
        idle = self._idle[address]
        while idle:
            upstream = idle.pop()
            if upstream.transport is not None and not upstream.transport.is_closing():
                return upstream
        loop = asyncio.get_running_loop()
        _, upstream = await loop.create_connection(_Upstream, address.host, address.port)
        return upstream


class Downstream(asyncio.Protocol):
    """A connection of a client: each whole request is given to `answer`, one after the other."""

    def __init__(
        self, *, group: asyncio.TaskGroup, answer: Callable[[bytes], Awaitable[bytes]]
    ) -> None:
        self._group = group
        self._answer = answer
        self._reader = MessageReader()
        self._transport: asyncio.Transport | None = None
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - a stream's
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        if self._task is None:
            self._take()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._transport = None
        if self._task is not None:
            self._task.cancel()

    def _take(self) -> None:
        try:
            request = self._reader.next()
        except ValueError:
            if self._transport is not None:
                self._transport.write(_TOO_MUCH)
                self._transport.close()
            return
        if request is not None:
            self._task = self._group.create_task(self._serve(request))

    async def _serve(self, request: bytes) -> None:
        answer = await self._answer(request)
        self._task = None
        if self._transport is not None:
            self._transport.write(answer)
            self._take()
