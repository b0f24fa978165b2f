"""`KeyValues` on one memcached server, 1.6 or newer, over one connection.

Theory of operation. Requests are written as they come; replies belong to the oldest that has none
yet. So batches need not wait for each other, and giving one up needs nothing: its replies are
thrown away. A connection ends for good when it breaks, when the server says what is no reply, or
when a batch waited longer than `command_timeout_s`; the next request makes a new one.

There is a client of our own because those of PyPI do less (aiomcache: one batch at a time on a
connection, no meta commands) or need a compiler (emcache).
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from remixer.drivers import memcached_protocol as protocol
from remixer.drivers.key_values import (
    READERS_LIFE_MS,
    Addition,
    KeyValueRefusedError,
    KeyValueUnavailableError,
    Put,
    Read,
    edition_of,
    value_of,
    with_edition,
)
from remixer.drivers.memcached_address import MemcachedAddress
from remixer.drivers.memcached_protocol import (
    MemcachedProtocolError,
    Reply,
    ReplyKind,
    ReplyReader,
)

_MOST_UNSENT_BYTES: Final = 4 << 20
"""Of a server that does not read. Above it, requests fail at once."""
_LONGEST_REASON: Final = 200


@dataclass(slots=True)
class _Exchange:
    """A batch of requests, and what came of it so far."""

    count: int
    done: "asyncio.Future[list[Reply]]"
    replies: list[Reply]


class _Connection(asyncio.Protocol):
    """One connection. Its replies go to `exchanges`, the oldest first."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.exchanges: deque[_Exchange] = deque()
        self.is_lost = False
        self._reader = ReplyReader()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - what stream protocols get
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        try:
            for reply in self._reader.feed(data):
                self._take(reply)
        except MemcachedProtocolError as error:
            self.end(str(error))

    def connection_lost(self, exc: Exception | None) -> None:
        self.end("the connection broke" if exc is None else str(exc) or type(exc).__name__)

    def end(self, reason: str) -> None:
        """Fail all that is under way, and close."""
        self.is_lost = True
        if self.transport is not None:
            self.transport.abort()
        while self.exchanges:
            exchange = self.exchanges.popleft()
            if not exchange.done.done():
                exchange.done.set_exception(KeyValueUnavailableError(reason))
                # Whoever waited may be gone: then nobody hears of it, which is no fault.
                exchange.done.exception()

    def _take(self, reply: Reply) -> None:
        if not self.exchanges:
            message = "a reply to nothing"
            raise MemcachedProtocolError(message)
        exchange = self.exchanges[0]
        exchange.replies.append(reply)
        if len(exchange.replies) == exchange.count:
            self.exchanges.popleft()
            if not exchange.done.done():
                exchange.done.set_result(exchange.replies)


class Memcached:
    """Values and counters of one server."""

    def __init__(
        self,
        address: MemcachedAddress,
        *,
        connect_timeout_s: float = 1.0,
        command_timeout_s: float = 1.0,
    ) -> None:
        self._address = address
        self._connect_timeout_s = connect_timeout_s
        self._command_timeout_s = command_timeout_s
        self._connection: _Connection | None = None
        self._connecting = asyncio.Lock()
        self._is_started = False

    def __str__(self) -> str:
        return str(self._address)

    async def start(self) -> None:
        self._is_started = True

    async def get_many(self, keys: Sequence[bytes]) -> Sequence[bytes | None]:
        replies = await self._exchange([protocol.get(key) for key in keys])
        return [reply.value if reply.kind is ReplyKind.VALUE else None for reply in replies]

    async def read_many(self, keys: Sequence[bytes]) -> Sequence[Read | None]:
        found = await self.get_many(keys)
        counters = {
            index: protocol.add(b"%b:%b" % (key, edition.hex().encode()), 1, READERS_LIFE_MS)
            for index, (key, kept) in enumerate(zip(keys, found, strict=True))
            if kept is not None and (edition := edition_of(kept))
        }
        replies = await self._exchange(list(counters.values()), refusals=True)
        tickets = {
            index: int(reply.value)
            for index, reply in zip(counters, replies, strict=True)
            if reply.kind is ReplyKind.VALUE and reply.value.isdigit()
        }
        return [
            None if kept is None else Read(value_of(kept), tickets.get(index, 0))
            for index, kept in enumerate(found)
        ]

    async def put_many(self, entries: Sequence[Put]) -> None:
        await self._exchange(
            [protocol.put(each.key, with_edition(each), each.life_ms) for each in entries]
        )

    async def add_many(self, additions: Sequence[Addition]) -> Sequence[int]:
        replies = await self._exchange([protocol.add(*each) for each in additions])
        if not all(each.kind is ReplyKind.VALUE and each.value.isdigit() for each in replies):
            raise KeyValueRefusedError(self._told("a counter is no number"))
        return [int(reply.value) for reply in replies]

    async def aclose(self) -> None:
        self._is_started = False
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.end("the client is closed")

    async def _exchange(self, requests: Sequence[bytes], *, refusals: bool = False) -> list[Reply]:
        """The reply to each request.

        Raises `KeyValueError` if none comes, or, unless `refusals` are replies too, one is refused.
        """
        if not requests:
            return []
        connection = self._connection
        if connection is None or connection.is_lost:
            connection = await self._connected()
        transport = connection.transport
        assert transport is not None  # noqa: S101 - it is connected
        if transport.get_write_buffer_size() > _MOST_UNSENT_BYTES:
            raise KeyValueUnavailableError(self._told("the server does not read"))
        done: asyncio.Future[list[Reply]] = asyncio.get_running_loop().create_future()
        connection.exchanges.append(_Exchange(len(requests), done, []))
        transport.write(b"".join(requests))
        replies = await self._replies(connection, done)
        for reply in replies:
            if reply.kind is ReplyKind.REFUSED and not refusals:
                reason = reply.value[:_LONGEST_REASON].decode("utf-8", "backslashreplace")
                raise KeyValueRefusedError(self._told(f"it says {reason}"))
        return replies

    async def _replies(
        self, connection: _Connection, done: "asyncio.Future[list[Reply]]"
    ) -> list[Reply]:
        try:
            async with asyncio.timeout(self._command_timeout_s):
                return await done
        except TimeoutError as error:
            reason = f"no answer within {self._command_timeout_s:g} s"
            connection.end(reason)
            raise KeyValueUnavailableError(self._told(reason)) from error
        except KeyValueUnavailableError as error:
            raise KeyValueUnavailableError(self._told(str(error))) from error

    async def _connected(self) -> _Connection:
        """A connection, made by the first who needs it."""
        async with self._connecting:
            connection = self._connection
            if connection is not None and not connection.is_lost:
                return connection
            if not self._is_started:
                raise KeyValueUnavailableError(self._told("the client is not started"))
            try:
                async with asyncio.timeout(self._connect_timeout_s):
                    connection = await self._connect()
            except TimeoutError as error:
                reason = f"no connection within {self._connect_timeout_s:g} s"
                raise KeyValueUnavailableError(self._told(reason)) from error
            except OSError as error:
                reason = error.strerror or str(error)
                raise KeyValueUnavailableError(self._told(reason)) from error
            self._connection = connection
            return connection

    async def _connect(self) -> _Connection:
        loop = asyncio.get_running_loop()
        address = self._address
        if address.socket_path:
            _, connection = await loop.create_unix_connection(_Connection, address.socket_path)
        else:
            _, connection = await loop.create_connection(_Connection, address.host, address.port)
        return connection

    def _told(self, reason: str) -> str:
        return f"{self._address}: {reason}"
