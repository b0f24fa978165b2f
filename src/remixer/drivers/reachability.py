"""Whether somebody answers at an address: one connection, or one request, and nothing kept.

No pool of connections: what answered a moment ago says nothing of now, and a connection kept
open would stick to one of the pods behind a service's address.
"""

import asyncio
import errno
import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

_MOST_LINE_BYTES: Final = 4096  # of a status line; real ones have twenty
_USER_AGENT: Final = "remixer-probe"
_STATUS_DIGITS: Final = 3
_DEFAULT_PORT: Final = 80
_FOUND_FOR_S: Final = 1.0
"""A service without a cluster IP gets its addresses only once there are pods."""

_Where: TypeAlias = tuple[Any, ...]  # as a socket's family has it
_Address: TypeAlias = tuple[socket.AddressFamily, _Where]


@dataclass(frozen=True, slots=True)
class ProbeTarget:
    """Where to knock. `path` `""`: a connection is enough."""

    host: str
    port: int
    path: str = ""

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORT else f"{host}:{self.port}"


def parse_target(url: str) -> ProbeTarget:
    """Of `http://HOST[:PORT]/PATH` or `tcp://HOST:PORT`. Raises `ValueError` that says why."""
    parts = urlsplit(url)
    port = parts.port  # raises ValueError for what is no port
    if not parts.hostname:
        message = "has no host"
        raise ValueError(message)
    if not url.isascii() or not url.isprintable() or " " in url:
        message = "has characters that a URL must escape"
        raise ValueError(message)
    if port == 0 or parts.username is not None:
        message = "has port 0 or a user name"
        raise ValueError(message)
    match parts.scheme:
        case "http":
            query = f"?{parts.query}" if parts.query else ""
            return ProbeTarget(parts.hostname, port or _DEFAULT_PORT, f"{parts.path or '/'}{query}")
        case "tcp" if port is not None and parts.path in {"", "/"}:
            return ProbeTarget(parts.hostname, port)
        case _:
            message = "is neither http://HOST[:PORT]/PATH nor tcp://HOST:PORT"
            raise ValueError(message)


class Door:
    """One address, to knock at again and again.

    Made for a thousand knocks a second at an address that refuses them: plain sockets, no streams,
    no timer where the system decides at once, and a name is looked up once a second.
    """

    def __init__(self, target: ProbeTarget) -> None:
        self._target = target
        self._request = _request(target) if target.path else b""
        self._found: Sequence[_Address] = ()
        self._found_until_s = -inf

    async def knock(self, *, timeout_s: float) -> str:
        """Why nobody answers as wanted; `""` if somebody does. Never raises for what peers do.

        Over HTTP a status of 2xx is wanted. The request has the header that makes Knative's
        queue-proxy answer for the pod: 200 only when the container behind it is ready.
        """
        try:
            if asyncio.get_running_loop().time() > self._found_until_s:
                async with asyncio.timeout(timeout_s):
                    await self._look_up()
            *others, last = self._found
            for each in others:
                if not await self._tried(each, timeout_s=timeout_s):
                    return ""
            return await self._tried(last, timeout_s=timeout_s)
        except TimeoutError:
            return f"no answer within {timeout_s:g} s"
        except (OSError, ValueError) as error:
            return str(error) or type(error).__name__

    async def _look_up(self) -> None:
        """Raises `OSError` or `ValueError` for a name that is none."""
        target, loop = self._target, asyncio.get_running_loop()
        stream = socket.SOCK_STREAM
        try:
            flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
            found = socket.getaddrinfo(target.host, target.port, type=stream, flags=flags)
            self._found_until_s = inf
        except socket.gaierror:
            found = await loop.getaddrinfo(target.host, target.port, type=stream)
            self._found_until_s = loop.time() + _FOUND_FOR_S
        self._found = [(family, address) for family, _, _, _, address in found]

    async def _tried(self, found: _Address, *, timeout_s: float) -> str:
        family, address = found
        with socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as made:
            code = made.connect_ex(address)
            if code == errno.EINPROGRESS:
                # A peer on this machine has decided by now: asked again, the kernel says what.
                code = made.connect_ex(address)
            if code == errno.EISCONN:
                code = 0
            if code == errno.EALREADY or (not code and self._request):
                async with asyncio.timeout(timeout_s):
                    return await self._waited(made, code)
            return self._reason(code)

    async def _waited(self, connection: socket.socket, code: int) -> str:
        loop = asyncio.get_running_loop()
        if code:
            await _told(loop.add_writer, loop.remove_writer, connection)
            code = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code or not self._request:
            return self._reason(code)
        connection.send(self._request)  # fits: nothing was sent before
        line = b""
        while b"\n" not in line and len(line) < _MOST_LINE_BYTES:
            await _told(loop.add_reader, loop.remove_reader, connection)
            octets = connection.recv(_MOST_LINE_BYTES)
            if not octets:
                break
            line += octets
        # Not a polite end: whatever else the peer says is not waited for.
        return _verdict(line)

    def _reason(self, code: int) -> str:
        if not code:
            return ""
        return f"connecting to {self._target.authority} failed: {os.strerror(code)}"


async def knock(target: ProbeTarget, *, timeout_s: float) -> str:
    """As `Door.knock`, once."""
    return await Door(target).knock(timeout_s=timeout_s)


async def _told(
    begin: Callable[..., object], end: Callable[[socket.socket], object], connection: socket.socket
) -> None:
    """Until the loop says so. The loop's own `sock_recv` forgets too late whom it listens to."""
    told: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    begin(connection, _settle, told)
    try:
        await told
    finally:
        end(connection)


def _settle(told: asyncio.Future[None]) -> None:
    if not told.done():
        told.set_result(None)


def _request(target: ProbeTarget) -> bytes:
    return (
        f"GET {target.path} HTTP/1.1\r\nHost: {target.authority}\r\n"
        f"User-Agent: {_USER_AGENT}\r\nK-Network-Probe: queue\r\nConnection: close\r\n\r\n"
    ).encode("ascii")


def _verdict(line: bytes) -> str:
    version, _, rest = line.partition(b" ")
    code = rest[:_STATUS_DIGITS]
    if not version.startswith(b"HTTP/1.") or len(code) < _STATUS_DIGITS or not code.isdigit():
        return "the answer is not HTTP/1"
    return "" if code.startswith(b"2") else f"status {code.decode('ascii')}, wanted 2xx"
