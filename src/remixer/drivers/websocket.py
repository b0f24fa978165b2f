"""A websocket to a peer that only listens, as a port. The real one is in `remixer.drivers.aio_websocket`.

Binary messages go out; nothing is expected back but pongs and the end. What the peer sends
nevertheless is read and dropped, so that no buffer grows. No `Origin`, no subprotocol, no
compression is offered, no proxy of the environment is asked, no redirect followed.
"""

from dataclasses import dataclass
from typing import Final, Protocol
from urllib.parse import SplitResult, urlsplit

from remixer.foundation.errors import RemixerError

GOING_AWAY_CODES: Final = frozenset({1001, 1012})
"""The peer restarts, and said so: whoever comes back at once is welcome."""
NO_CODE: Final = 1006
"""What an end without a close frame is called."""
_SCHEMES: Final = frozenset({"ws", "wss"})


class WebSocketError(RemixerError):
    """No connection, or not any more. `str()` says where and why, without secrets."""


class HandshakeRefusedError(WebSocketError):
    """An HTTP server answered, but not by switching to the websocket protocol."""

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class WebSocketTiming:
    """Bounds of one connection, in seconds. Source of the numbers: Knative's own sender."""

    handshake_s: float = 3.0
    """To connect and be answered."""
    ping_every_s: float = 10 / 3
    pong_within_s: float = 10.0
    """A peer that is silent for longer is taken for dead."""
    send_s: float = 3.0
    """To hand one message to the kernel."""
    close_s: float = 0.1
    """For the peer's answer to our close frame: there are servers that never close TCP."""
    largest_message: int = 4 * 1024
    """Bytes that the peer may send in one message."""


@dataclass(frozen=True, slots=True)
class WebSocketEnd:
    """How a connection ended."""

    code: int
    """Of the close frame, or `NO_CODE`."""
    reason: str

    @property
    def is_restart(self) -> bool:
        return self.code in GOING_AWAY_CODES

    def __str__(self) -> str:
        return f"{self.code} {self.reason}".rstrip()


class WebSocket(Protocol):
    """An open connection. Whoever opened it closes it."""

    async def send(self, payload: bytes) -> None:
        """One binary message. Returning means: handed to the kernel. Raises `WebSocketError`."""
        ...

    def send_now(self, payload: bytes) -> bool:
        """As `send`, without waiting. False: not sent, for the peer does not read. Raises alike."""
        ...

    async def ended(self) -> WebSocketEnd:
        """Ping, listen and return when the connection has ended. Called once."""
        ...

    async def aclose(self) -> None:
        """Say goodbye, and close the socket whatever the peer does; once or twice."""
        ...


class WebSocketConnector(Protocol):
    """Opens connections."""

    async def connect(self, url: str) -> WebSocket:
        """Raises `HandshakeRefusedError` for another HTTP answer, else `WebSocketError`."""
        ...


def websocket_url(text: str) -> SplitResult | None:
    """The parts of a URL of ws or wss with a host; None if `text` is none."""
    try:
        parts = urlsplit(text)
        is_usable = parts.scheme in _SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return None
    return parts if is_usable and text.isprintable() and " " not in text else None
