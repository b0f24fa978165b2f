"""One call after another over one connection, and a bare echo of the same bytes as its floor.

What a lonely call costs is mostly the kernel's and the loop's: to be woken, to read, to write. So
the same bytes are sent to a protocol that only echoes; the difference is the transport's own.
"""

import socket

from bench import raw_load
from bench.h2load import cpu_s

CALLS = 20_000
_READ_BYTES = 65_536


def _connected(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    connection = socket.create_connection((host, int(port)))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def call_cpu_us(address: str, path: str, message: bytes, *, server_pid: int) -> float:
    """Server CPU per unary call."""
    with _connected(address) as connection:
        connection.sendall(raw_load.opening())
        while not _has_acknowledged(connection.recv(_READ_BYTES)):
            pass
        return _exchange(connection, raw_load.requests(path, [message], CALLS), server_pid)


def echo_cpu_us(address: str, path: str, message: bytes, *, server_pid: int) -> float:
    """Server CPU per echo of such a request."""
    with _connected(address) as connection:
        return _exchange(connection, raw_load.requests(path, [message], CALLS), server_pid)


def _has_acknowledged(octets: bytes) -> bool:
    """Our SETTINGS have been acknowledged: all that the server says by itself has come."""
    return raw_load.SETTINGS_ACK in octets


def _exchange(connection: socket.socket, requests: list[bytes], server_pid: int) -> float:
    before = cpu_s(server_pid)
    for request in requests:
        connection.sendall(request)
        connection.recv(_READ_BYTES)  # an answer is one write
    return (cpu_s(server_pid) - before) / len(requests) * 1e6
