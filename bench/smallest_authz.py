"""What asking costs whoever answers: the smallest server that Envoy's `ext_authz` can have.

`python -m bench.smallest_authz PATH` listens on a Unix socket, prints a line, and says yes to every
question until its standard input is closed. Of HTTP/2 it reads the headers of frames and nothing
else; its answers are the same bytes but for the number of the stream. One blocking thread for each
connection: no loop, no timer, nothing decoded. What an Envoy that asks it takes longer than one
that asks nobody is Envoy's own, and the system's for waking three processes in turn.
"""

import os
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.servers import ANSWERS, ServerProcess

_PREFACE_BYTES = 24
_HEADER_BYTES = 9
_DATA, _HEADERS, _SETTINGS, _PING, _WINDOW = 0, 1, 4, 6, 8
_END_STREAM, _ACK, _END_HEADERS = 1, 1, 4
# `:status: 200` and `content-type`, whose name is in the static table; then a literal.
_HEAD = b"\x88\x0f\x10\x10application/grpc"
_TRAILERS = b"\x00\x0bgrpc-status\x010"
_MESSAGE = b"\0" + struct.pack(">I", len(ANSWERS["constant-authz"])) + ANSWERS["constant-authz"]


@contextmanager
def running() -> Iterator[ServerProcess]:
    """The server in a process of its own."""
    with TemporaryDirectory() as folder:
        path = str(Path(folder) / "smallest.sock")
        command = [sys.executable, "-m", "bench.smallest_authz", path]
        with subprocess.Popen(  # noqa: S603 - this interpreter, our own arguments
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdout.readline()
            try:
                yield ServerProcess(f"unix:{path}", process.pid)
            finally:
                process.stdin.close()
                process.wait(timeout=30)


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def _answer(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """What is to be said to one frame; mostly nothing."""
    if kind in {_SETTINGS, _PING} and not flags & _ACK:
        return _frame(kind, _ACK, 0, payload if kind == _PING else b"")
    if kind != _DATA:
        return b""
    said = b""
    if flags & _END_STREAM:
        said = (
            _frame(_HEADERS, _END_HEADERS, stream, _HEAD)
            + _frame(_DATA, 0, stream, _MESSAGE)
            + _frame(_HEADERS, _END_HEADERS | _END_STREAM, stream, _TRAILERS)
        )
    return said + (_frame(_WINDOW, 0, 0, struct.pack(">I", len(payload))) if payload else b"")


def _serve(connection: socket.socket) -> None:
    connection.sendall(_frame(_SETTINGS, 0, 0, b""))
    unread = b""
    is_begun = False
    while received := connection.recv(1 << 16):
        unread += received
        if not is_begun and len(unread) >= _PREFACE_BYTES:
            unread, is_begun = unread[_PREFACE_BYTES:], True
        said = b""
        while is_begun and len(unread) >= _HEADER_BYTES:
            end = _HEADER_BYTES + int.from_bytes(unread[:3], "big")
            if len(unread) < end:
                break
            kind, flags, stream = struct.unpack(">BBI", unread[3:_HEADER_BYTES])
            said += _answer(kind, flags, stream, unread[_HEADER_BYTES:end])
            unread = unread[end:]
        if said:
            connection.sendall(said)


def _accept(listener: socket.socket) -> None:
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=_serve, args=(connection,), daemon=True).start()


def main(path: str) -> None:
    """Serve until standard input ends."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    threading.Thread(target=_accept, args=(listener,), daemon=True).start()
    print("listening", flush=True)
    sys.stdin.read()
    os._exit(0)  # threads wait for connections that nobody closes


if __name__ == "__main__":
    main(sys.argv[1])
