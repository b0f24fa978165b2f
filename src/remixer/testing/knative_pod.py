"""A pod: an HTTP/1.1 server in a process of its own. Imports nothing but Python's own, and little.

    python -I -S knative_pod.py PORT READY_AT

It listens on loopback once the monotonic clock reads READY_AT seconds, writes the time when it
does, and ends with its standard input. It is plain because its own time is nobody's merit: no
event loop of a library stands between a request and its answer. Answers leave in one write: a head
without its body would wait for the peer's delayed acknowledgement. Probes of the activator get
what the queue-proxy says.
"""

import socket
import sys
import time
from collections.abc import Callable
from selectors import EVENT_READ, DefaultSelector
from typing import Final, TypeAlias

_BACKLOG: Final = 1024
_READ_BYTES: Final = 65_536
_HEAD_END: Final = b"\r\n\r\n"
_PROBE: Final = b"\r\nk-network-probe: queue"
_LENGTH: Final = b"\r\ncontent-length:"

_Ready: TypeAlias = Callable[[], None]
"""Called when there is something to read."""


def response(body: bytes) -> bytes:
    """A whole answer."""
    head = f"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


_ANSWER: Final = response(b"here I am\n")
_PROBED: Final = response(b"queue")


def _end_of_request(octets: bytes) -> int | None:
    """Where the first request ends; None if it is not complete."""
    end = octets.find(_HEAD_END)
    if end < 0:
        return None
    length = octets[:end].lower().partition(_LENGTH)[2].split(b"\r\n")[0].strip()
    whole = end + len(_HEAD_END) + int(length or b"0")
    return whole if len(octets) >= whole else None


class PodConnection:
    """Answers every request when its last byte has come."""

    def __init__(self, connection: socket.socket, selector: DefaultSelector) -> None:
        self._connection = connection
        self._selector = selector
        self._octets = b""
        selector.register(connection, EVENT_READ, self.read)

    def read(self) -> None:
        try:
            data = self._connection.recv(_READ_BYTES)
            self._octets += data
            while (end := _end_of_request(self._octets)) is not None:
                head = self._octets[:end].lower()
                self._octets = self._octets[end:]
                self._connection.sendall(_PROBED if _PROBE in head else _ANSWER)
        except OSError:  # reset, or nobody reads
            data = b""
        if not data:
            self._selector.unregister(self._connection)
            self._connection.close()


class Pod:
    """All of it; `serve` is its life."""

    def __init__(self, port: int) -> None:
        self._selector = DefaultSelector()
        self._listener = listening_socket(port)
        self._is_over = False

    def serve(self, ready_at_s: float) -> None:
        """Until standard input ends."""
        self._selector.register(sys.stdin, EVENT_READ, self._end)
        self._rehearse()
        while not self._is_over and (left_s := ready_at_s - time.monotonic()) > 0:
            self._turn(left_s)
        if self._is_over:
            return
        self._selector.register(self._listener, EVENT_READ, self._accept)
        self._listener.listen(_BACKLOG)
        sys.stdout.write(f"{time.monotonic():.6f}\n")
        sys.stdout.flush()
        while not self._is_over:
            self._turn(None)

    def _turn(self, within_s: float | None) -> None:
        for key, _ in self._selector.select(within_s):
            ready: _Ready = key.data
            ready()

    def _accept(self) -> None:
        connection, _ = self._listener.accept()
        PodConnection(connection, self._selector)

    def _end(self) -> None:
        self._is_over = not sys.stdin.read(1)

    def _rehearse(self) -> None:
        """Answer once, to nobody: a pod that says it is up has nothing left to load."""
        ours, theirs = socket.socketpair()
        with ours:
            ours.sendall(b"GET / HTTP/1.1\r\nhost: pod\r\n\r\n")
            connection = PodConnection(theirs, self._selector)
            connection.read()
        connection.read()


def listening_socket(port: int) -> socket.socket:
    """Bound beside whoever keeps the port, and beside other pods of the revision."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind(("127.0.0.1", port))
    return listener


if __name__ == "__main__":
    Pod(int(sys.argv[1])).serve(float(sys.argv[2]))
