"""A websocket server that behaves as Knative's autoscaler does on the wire, or worse.

    async with WebSocketServer(on_message=seen.append) as server:
        ... connect to server.url ...

It takes binary messages and sends nothing but pongs and close frames. As the real one it never
closes the TCP connection after a client's close frame: a client that waits for that hangs. Every
fault that a client must live with is a `Behaviour`, chosen at any time.
"""

import asyncio
import base64
import hashlib
from collections.abc import Callable
from enum import Enum
from types import TracebackType
from typing import Final, NamedTuple, Self

from remixer.testing.ports import KeptPort

MOST_MESSAGE_BYTES: Final = 1 << 20
_HEAD_BYTES: Final = 16 * 1024
_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455
_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PING = 0, 1, 2, 8, 9
_PONG: Final = 10
_RESTART: Final = 1012
_BROKEN: Final = 1002
_TOO_BIG: Final = 1009


class Behaviour(Enum):
    """What whoever connects meets."""

    SERVE = "serve"
    HANG = "accept and never answer"
    DROP = "accept and close"
    OK = "200"
    BAD_REQUEST = "400"
    FORBIDDEN = "403"
    NOT_FOUND = "404"
    REDIRECT = "302"


class _Frame(NamedTuple):
    opcode: int
    is_last: bool
    is_masked: bool
    payload: bytes


class WebSocketServer:
    """Listens on a port of its own of the loopback interface."""

    def __init__(self, *, on_message: Callable[[bytes], None]) -> None:
        self._on_message = on_message
        self._server: asyncio.Server | None = None
        self._port = 0
        self._kept: KeptPort | None = None
        """The port between two starts."""
        self._writers: set[asyncio.StreamWriter] = set()
        self._upgraded: set[asyncio.StreamWriter] = set()
        self.behaviour = Behaviour.SERVE
        self.answers_pings = True
        self.reading = asyncio.Event()
        """Cleared: what upgraded connections send is not read."""
        self.reading.set()
        self.connections = 0
        """Accepted ones, whatever became of them."""
        self.upgrades = 0
        self.pings = 0
        self.texts = 0
        """Text messages, which are dropped."""
        self.closes: list[int] = []
        """Codes of clients' close frames; 0 for one without."""
        self.heads: list[str] = []
        """Requests for an upgrade, as sent; the last hundred."""

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        await self.stop(graceful=False)
        self._let_go()

    def _let_go(self) -> None:
        kept, self._kept = self._kept, None
        if kept is not None:
            kept.close()

    @property
    def url(self) -> str:
        """Where it listens; known once started, and the same after a restart."""
        return f"ws://127.0.0.1:{self._port}"

    @property
    def open_connections(self) -> int:
        """Sockets that clients have not closed."""
        return len(self._writers)

    @property
    def open_websockets(self) -> int:
        return len(self._upgraded)

    async def start(self) -> None:
        """Listen; at the same port again if it did before."""
        self._server = await asyncio.start_server(
            self._accept, "127.0.0.1", self._port, limit=_HEAD_BYTES
        )
        self._port = self._server.sockets[0].getsockname()[1]
        self._let_go()

    async def stop(self, *, graceful: bool = True) -> None:
        """Listen no more; with grace, tell clients 1012 first, as a restart does."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
            self._kept = KeptPort(self._port)
        for writer in tuple(self._upgraded):
            if graceful:
                _send_close(writer, _RESTART, "Restarting")
        self.cut(graceful=graceful)
        await asyncio.sleep(0)

    def cut(self, *, graceful: bool = False) -> None:
        """Break all connections; with grace, after what is written."""
        for writer in tuple(self._writers):
            if graceful:
                writer.close()
            else:
                writer.transport.abort()

    def say(self, payload: bytes) -> None:
        """Send a binary message to all, which no autoscaler does."""
        for writer in self._upgraded:
            _send(writer, _BINARY, payload)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        try:
            await self._converse(reader, writer)
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError):
            pass  # a client that goes is the ordinary end
        finally:
            self._writers.discard(writer)
            self._upgraded.discard(writer)
            if not writer.is_closing():
                writer.transport.abort()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.behaviour is Behaviour.DROP:
            return
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        self.heads = [*self.heads[-99:], head]
        if self.behaviour is Behaviour.HANG:
            await reader.read()
            return
        status, key = self._judge(head)
        if status is not None:
            writer.write(
                f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n".encode()
            )
            writer.write(b"Location: /elsewhere\r\n\r\n" if status.startswith("302") else b"\r\n")
            await writer.drain()
            writer.close()
            return
        accept = base64.b64encode(hashlib.sha1(key.encode() + _GUID).digest())  # noqa: S324 - RFC 6455
        writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )
        self.upgrades += 1
        self._upgraded.add(writer)
        await self._listen(reader, writer)

    def _judge(self, head: str) -> tuple[str | None, str]:
        """The status that refuses an upgrade, or None; and the client's key."""
        refusals = {
            Behaviour.OK: "200 OK",
            Behaviour.BAD_REQUEST: "400 Bad Request",
            Behaviour.FORBIDDEN: "403 Forbidden",
            Behaviour.NOT_FOUND: "404 Not Found",
            Behaviour.REDIRECT: "302 Found",
        }
        if self.behaviour in refusals:
            return refusals[self.behaviour], ""
        first, *lines = head.split("\r\n")
        pairs = (line.partition(":") for line in lines if line)
        fields = {name.lower(): value.strip() for name, _, value in pairs}
        return _refusal(first.partition(" ")[0], fields), fields.get("sec-websocket-key", "")

    async def _listen(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        parts = b""
        opcode = 0
        while True:
            await self.reading.wait()
            frame = await _read_frame(reader)
            if not frame.is_masked:
                _send_close(writer, _BROKEN, "bad MASK")
                return
            if frame.opcode > _BINARY:
                self._control(frame, writer)
                continue
            opcode = frame.opcode or opcode
            parts += frame.payload
            if len(parts) > MOST_MESSAGE_BYTES:
                _send_close(writer, _TOO_BIG, "too big")
                return
            if frame.is_last:
                self._take(opcode, parts)
                parts = b""

    def _take(self, opcode: int, message: bytes) -> None:
        if opcode == _TEXT:
            self.texts += 1
        else:
            self._on_message(message)

    def _control(self, frame: _Frame, writer: asyncio.StreamWriter) -> None:
        if frame.opcode == _PING:
            self.pings += 1
            if self.answers_pings:
                _send(writer, _PONG, frame.payload)
        elif frame.opcode == _CLOSE:
            self.closes.append(int.from_bytes(frame.payload[:2], "big"))
            self._upgraded.discard(writer)
            _send(writer, _CLOSE, frame.payload)  # and TCP stays, until the client closes it


def _refusal(method: str, fields: dict[str, str]) -> str | None:
    if fields.get("user-agent", "").startswith("kube-probe/") or "k-kubelet-probe" in fields:
        return "200 OK"
    if method == "POST":
        return "405 Method Not Allowed"
    if fields.get("host", "").startswith("autoscaler-bucket"):
        return "200 OK"
    is_upgrade = fields.get("upgrade", "").lower() == "websocket"
    if not is_upgrade or fields.get("sec-websocket-version") != "13":
        return "400 Bad Request"
    origin = fields.get("origin")
    if origin is not None and origin.partition("://")[2] != fields.get("host"):
        return "403 Forbidden"
    return None


async def _read_frame(reader: asyncio.StreamReader) -> _Frame:
    first, second = await reader.readexactly(2)
    size = second & 0x7F
    if size > 125:  # noqa: PLR2004 - RFC 6455: the size follows, in two or eight bytes
        size = int.from_bytes(await reader.readexactly(2 if size == 126 else 8), "big")  # noqa: PLR2004
    if size > MOST_MESSAGE_BYTES:
        message = f"a frame of {size} bytes, beyond all bounds"
        raise ConnectionError(message)
    is_masked = bool(second & 0x80)
    mask = await reader.readexactly(4) if is_masked else bytes(4)
    payload = await reader.readexactly(size)
    plain = int.from_bytes(payload, "big") ^ int.from_bytes((mask * (size // 4 + 1))[:size], "big")
    return _Frame(first & 0xF, bool(first & 0x80), is_masked, plain.to_bytes(size, "big"))


def _send(writer: asyncio.StreamWriter, opcode: int, payload: bytes) -> None:
    if writer.is_closing():
        return
    size = len(payload)
    length = bytes((size,)) if size <= 125 else b"\x7e" + size.to_bytes(2, "big")  # noqa: PLR2004 - RFC 6455
    writer.write(bytes((0x80 | opcode,)) + length + payload)


def _send_close(writer: asyncio.StreamWriter, code: int, reason: str) -> None:
    _send(writer, _CLOSE, code.to_bytes(2, "big") + reason.encode())
