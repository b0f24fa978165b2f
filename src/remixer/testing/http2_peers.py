"""The two peers that scripts play against: a bare core, and a server behind a socket."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator

from remixer.testing.http2_lines import Line
from remixer.testing.http2_script import error_code
from remixer.testing.http2_seen import Seen, seen_events
from remixer.testing.http2_service import CoreShell
from remixer.transport.core.api import ServerConnection

Cut = Callable[[bytes], Iterator[bytes]]

_WAIT_S = 60.0
"""For a server that says nothing though the script wants something; never reached by a good one."""
_CUT_EACH_BELOW = 40_000
_LONG_PIECE = 997
"""A prime, so that cuts fall everywhere within frames of any usual size."""


def whole(octets: bytes) -> Iterator[bytes]:
    """All at once, as one read from a socket."""
    yield octets


def everywhere(octets: bytes) -> Iterator[bytes]:
    """Octet by octet; what is long is cut into pieces, to keep the suite short."""
    size = 1 if len(octets) < _CUT_EACH_BELOW else _LONG_PIECE
    return (octets[at : at + size] for at in range(0, len(octets), size))


class CorePeer:
    """A core, its shell, and a clock that stands still until told."""

    def __init__(self, connection: ServerConnection, *, cut: Cut) -> None:
        self._connection = connection
        self._shell = CoreShell(connection)
        self._cut = cut
        self._now_s = 1000.0
        self._output = b""
        self._seen: deque[Seen] = deque()
        connection.start()
        self._take_output()

    async def send(self, octets: bytes) -> None:
        for piece in self._cut(octets):
            if self._connection.is_over:
                return
            events = self._connection.receive(piece, now_s=self._now_s)
            self._seen.extend(seen_events(events))
            self._shell.take(events)
            self._take_output()

    async def read(self) -> bytes:
        output, self._output = self._output, b""
        return output

    def is_over(self) -> bool:
        return self._connection.is_over

    def next_event(self) -> Seen | None:
        return self._seen.popleft() if self._seen else None

    def command(self, line: Line) -> None:
        if line.actor == "time":
            self._now_s += float(line.verb)
            return
        _COMMANDS[line.verb](self._connection, line)
        self._take_output()

    def _take_output(self) -> None:
        self._output += self._connection.take_output()


class SocketPeer:
    """A server at the other end of a stream."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, cut: Cut
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._cut = cut

    async def send(self, octets: bytes) -> None:
        try:
            for piece in self._cut(octets):
                self._writer.write(piece)
                async with asyncio.timeout(_WAIT_S):
                    await self._writer.drain()
        except ConnectionError:
            pass  # it has closed; what it said before can still be read

    async def read(self) -> bytes:
        try:
            async with asyncio.timeout(_WAIT_S):
                return await self._reader.read(65_536)
        except ConnectionError:
            return b""

    def is_over(self) -> bool:
        return True

    def next_event(self) -> Seen | None:
        return None

    def command(self, line: Line) -> None:
        """What only a core can be asked is not asked here."""


def _metadata(line: Line) -> dict[str, str | bytes]:
    metadata: dict[str, str | bytes] = {
        name: bytes.fromhex(value) if name.endswith("-bin") else value
        for name, value in line.fields()
    }
    if line.verb == "headers" and line.get("long"):
        metadata["x-long"] = "t" * line.number("long")
    return metadata


def _respond(connection: ServerConnection, line: Line) -> None:
    connection.respond(line.number("stream"), line.get("message").encode())


def _headers(connection: ServerConnection, line: Line) -> None:
    connection.send_headers(line.number("stream"), _metadata(line))


def _message(connection: ServerConnection, line: Line) -> None:
    message = line.get("text").encode() + bytes(line.number("size"))
    goes_on = connection.send_message(
        line.number("stream"), message, compress=line.get("compress") == "1"
    )
    wanted = line.get("takes")
    assert not wanted or goes_on is (wanted == "more"), f"{line.text}: send_message said {goes_on}"  # noqa: S101 - an expectation of the script


def _finish(connection: ServerConnection, line: Line) -> None:
    connection.finish(
        line.number("stream"),
        line.number("code"),
        line.get("message") + "t" * line.number("long"),
        trailing_metadata=_metadata(line) or None,
        details=bytes.fromhex(line.get("details")),
    )


def _reset(connection: ServerConnection, line: Line) -> None:
    connection.reset(line.number("stream"), error_code(line.get("error")))


def _consume(connection: ServerConnection, line: Line) -> None:
    connection.consume(line.number("stream"), line.number("cost"))


def _ping(connection: ServerConnection, line: Line) -> None:
    connection.ping(bytes.fromhex(line.get("hex")))


def _drain(connection: ServerConnection, _line: Line) -> None:
    connection.begin_drain()


def _drained(connection: ServerConnection, _line: Line) -> None:
    connection.finish_drain()


def _open(connection: ServerConnection, line: Line) -> None:
    wanted = int(line.words[0][0])
    assert connection.open_streams == wanted, f"{line.text}: {connection.open_streams} are"  # noqa: S101 - an expectation of the script


_COMMANDS: dict[str, Callable[[ServerConnection, Line], None]] = {
    "respond": _respond,
    "headers": _headers,
    "message": _message,
    "finish": _finish,
    "reset": _reset,
    "consume": _consume,
    "ping": _ping,
    "drain": _drain,
    "drained": _drained,
    "open": _open,
}
