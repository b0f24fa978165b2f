"""A pod: an HTTP/1.1 server in a process of its own. Imports nothing but Python's own.

    python -I -S knative_pod.py PORT READY_AT

It listens on loopback once the monotonic clock reads READY_AT seconds, writes the time when it
does, and ends with its standard input. Answers leave in one write: a head without its body would
wait for the peer's delayed acknowledgement. Probes of the activator get what the queue-proxy says.
"""

import asyncio
import socket
import sys
import time
from typing import Final

_BACKLOG: Final = 1024
_HEAD_END: Final = b"\r\n\r\n"
_PROBE: Final = b"\r\nk-network-probe: queue"
_LENGTH: Final = b"\r\ncontent-length:"


def response(body: bytes) -> bytes:
    """A whole answer."""
    head = f"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


_ANSWER: Final = response(b"here I am\n")
_PROBED: Final = response(b"queue")


class PodConnection(asyncio.Protocol):
    """Answers every request when its last byte has come."""

    def __init__(self) -> None:
        self._octets = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - a stream's
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._octets += data
        while (end := _end_of_request(self._octets)) is not None:
            head = self._octets[:end].lower()
            self._octets = self._octets[end:]
            if self._transport is not None:
                self._transport.write(_PROBED if _PROBE in head else _ANSWER)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._transport = None


def _end_of_request(octets: bytes) -> int | None:
    """Where the first request ends; None if it is not complete."""
    end = octets.find(_HEAD_END)
    if end < 0:
        return None
    length = octets[:end].lower().partition(_LENGTH)[2].split(b"\r\n")[0].strip()
    whole = end + len(_HEAD_END) + int(length or b"0")
    return whole if len(octets) >= whole else None


def listening_socket(port: int) -> socket.socket:
    """Bound beside whoever keeps the port, and beside other pods of the revision."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind(("127.0.0.1", port))
    return listener


async def serve(port: int, ready_at_s: float) -> None:
    """Until standard input ends."""
    loop = asyncio.get_running_loop()
    stdin = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stdin), sys.stdin)
    await asyncio.sleep(ready_at_s - time.monotonic())
    server = await loop.create_server(PodConnection, sock=listening_socket(port), backlog=_BACKLOG)
    sys.stdout.write(f"{time.monotonic():.6f}\n")
    sys.stdout.flush()
    await stdin.read()
    server.close()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), float(sys.argv[2])))
