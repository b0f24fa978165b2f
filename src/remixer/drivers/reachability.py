"""Whether somebody answers at an address: one connection, or one request, and nothing kept.

No pool of connections: what answered a moment ago says nothing of now, and a connection kept
open would stick to one of the pods behind a service's address.
"""

import asyncio
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

_MOST_LINE_BYTES: Final = 4096  # of a status line; real ones have twenty
_USER_AGENT: Final = "remixer-probe"
_STATUS_DIGITS: Final = 3
_DEFAULT_PORT: Final = 80


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


async def knock(target: ProbeTarget, *, timeout_s: float) -> str:
    """Why nobody answers as wanted; `""` if somebody does. Never raises for what peers do.

    Over HTTP a status of 2xx is wanted. The request has the header that makes Knative's
    queue-proxy answer for the pod: 200 only when the container behind it is ready.
    """
    try:
        async with asyncio.timeout(timeout_s):
            return await _exchange(target)
    except TimeoutError:
        return f"no answer within {timeout_s:g} s"
    except (OSError, ValueError) as error:
        return str(error) or type(error).__name__


async def _exchange(target: ProbeTarget) -> str:
    reader, writer = await asyncio.open_connection(target.host, target.port, limit=_MOST_LINE_BYTES)
    try:
        if not target.path:
            return ""
        writer.write(_request(target))
        line = await reader.readline()
        return _verdict(line)
    finally:
        # Not a polite end: whatever else the peer says is not waited for.
        writer.transport.abort()


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
