"""Unary calls as gRPC clients send them: without `content-length`, which h2load adds.

With metadata that varies, each call has a `traceparent` of its own, put into the peer's table as
real clients do (`literal with incremental indexing`), so that nothing of the header block can be
remembered. All bytes are made before the clock starts.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from bench.bodies import framed
from bench.h2load import settled_cpu_s

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _SETTINGS, _WINDOW_UPDATE = 0, 1, 4, 8
_END_STREAM, _END_HEADERS = 1, 4
_WIDE_WINDOW = 1 << 30
_FIRST_WINDOW = 65_535
_FRAME_BYTES = 16_384
"""The largest that every server takes."""
_FRAME_HEADER_BYTES = 9
CONNECTIONS, STREAMS = 2, 16


@dataclass(frozen=True, slots=True)
class RawLoad:
    """One run."""

    calls: int
    requests_per_s: float
    server_cpu_us: float


def frame(kind: int, flags: int, stream_id: int, payload: bytes) -> bytes:
    header = len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream_id.to_bytes(4, "big")
    return header + payload


SETTINGS_ACK = frame(_SETTINGS, 1, 0, b"")


def _string(text: bytes) -> bytes:
    assert len(text) < 127
    return bytes((len(text),)) + text


def _indexed_literal(name: bytes, value: bytes) -> bytes:
    return b"\x40" + _string(name) + _string(value)


def _block(path: str, trace: bytes) -> bytes:
    """The header block of one call: pseudo-headers and gRPC's own without indexing."""
    return (
        b"\x83\x86"  # POST, http
        + b"\x04" + _string(path.encode())
        + b"\x01" + _string(b"bench")
        + b"\x00" + _string(b"content-type") + _string(b"application/grpc")
        + b"\x00" + _string(b"te") + _string(b"trailers")
        + trace
    )  # fmt: skip


def _trace(number: int) -> bytes:
    return _indexed_literal(b"traceparent", b"00-%032x-%016x-01" % (number, number))


def requests(
    path: str, messages: Sequence[bytes], calls: int, *, varies: bool = False
) -> list[bytes]:
    """So many unary requests on one connection, with one message after another."""
    bodies = [framed(message) for message in messages]

    def block(number: int) -> bytes:
        return _block(path, _trace(number + 1) if varies else b"")

    return [
        frame(_HEADERS, _END_HEADERS, 2 * number + 1, block(number))
        + _data(2 * number + 1, bodies[number % len(bodies)])
        for number in range(calls)
    ]


def _data(stream_id: int, body: bytes) -> bytes:
    *before, last = (body[at : at + _FRAME_BYTES] for at in range(0, len(body), _FRAME_BYTES))
    frames = [frame(_DATA, 0, stream_id, part) for part in before]
    return b"".join([*frames, frame(_DATA, _END_STREAM, stream_id, last)])


def opening() -> bytes:
    """What a client says first: preface, settings, a wide window."""
    window = frame(_WINDOW_UPDATE, 0, 0, _WIDE_WINDOW.to_bytes(4, "big"))
    return PREFACE + frame(_SETTINGS, 0, 0, b"") + window


class _Asker:
    """One connection: `STREAMS` calls at a time, as far as the server's window lets them."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._rest = b""
        self._window = _FIRST_WINDOW
        self._is_acknowledged = False
        self._under_way = 0

    async def ask(self, calls: Sequence[bytes]) -> None:
        self._writer.write(opening())
        for first in range(0, len(calls), STREAMS):
            batch = calls[first : first + STREAMS]
            size = sum(map(len, batch))
            if size <= self._window:
                self._send(b"".join(batch), len(batch))
            else:
                for call in batch:
                    while len(call) > self._window:
                        await self._read()
                    self._send(call, 1)
            while self._under_way:
                await self._read()
        self._writer.close()
        await self._writer.wait_closed()

    def _send(self, octets: bytes, calls: int) -> None:
        # Headers do not count, so that this is a little too careful.
        self._window -= len(octets)
        self._under_way += calls
        self._writer.write(octets)

    async def _read(self) -> None:
        octets = await self._reader.read(65_536)
        if not octets:
            message = "the server closed the connection"
            raise ConnectionError(message)
        rest, at = self._rest + octets, 0
        while len(rest) - at >= _FRAME_HEADER_BYTES:
            size = int.from_bytes(rest[at : at + 3], "big")
            begins, at = at, at + _FRAME_HEADER_BYTES + size
            if len(rest) < at:
                at = begins
                break
            self._seen(rest[begins + 3], rest[begins + 4], rest[begins + 5 : at])
        self._rest = rest[at:]

    def _seen(self, kind: int, flags: int, stream_and_payload: bytes) -> None:
        if kind == _HEADERS and flags & _END_STREAM:
            self._under_way -= 1
        elif kind == _WINDOW_UPDATE and not any(stream_and_payload[:4]):
            self._window += int.from_bytes(stream_and_payload[4:8], "big")
        elif kind == _SETTINGS and not flags and not self._is_acknowledged:
            self._is_acknowledged = True
            self._writer.write(SETTINGS_ACK)


async def _ask(address: str, calls: Sequence[bytes]) -> None:
    host, _, port = address.rpartition(":")
    await _Asker(*await asyncio.open_connection(host, int(port))).ask(calls)


def run(
    address: str,
    path: str,
    messages: Sequence[bytes],
    *,
    server_pid: int,
    varies: bool = False,
    calls: int = 20_000,
) -> RawLoad:
    """2 connections of 16 streams each, as h2load's runs; each asks its part of `messages`."""
    per_connection = calls // CONNECTIONS // STREAMS * STREAMS
    shares = [messages[at::CONNECTIONS] or messages for at in range(CONNECTIONS)]
    calls_of = [requests(path, share, per_connection, varies=varies) for share in shares]

    async def load() -> float:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        async with asyncio.TaskGroup() as group:
            for each in calls_of:
                group.create_task(_ask(address, each))
        return loop.time() - begun

    before = settled_cpu_s(server_pid)
    took_s = asyncio.run(load())
    spent = settled_cpu_s(server_pid) - before
    made = per_connection * CONNECTIONS
    return RawLoad(made, made / took_s, spent / made * 1e6)
