"""What an HTTP/1.1 server of ours offers to services."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from remixer.transport.port import Peer

Line: TypeAlias = tuple[str, str]
"""A header's name in lower case, and one value."""


@dataclass(slots=True)  # not frozen: every request makes one, and freezing doubles that
class HttpRequest:
    r"""The head of one request. To be left as it was made.

    Bytes that are no UTF-8 read `\xNN`, so that different bytes stay different texts.
    """

    method: str
    target: str
    """As sent: a path with its query, `*`, or whatever else has no blanks."""
    lines: Sequence[Line]
    peer: Peer


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """One answer. The server adds what frames it: `content-length`, `connection`, `date`."""

    status: int
    lines: Sequence[Line] = ()
    body: bytes = b""
    """Not sent where HTTP allows none (HEAD, 204, 304)."""
    ends_connection: bool = False


HttpHandler: TypeAlias = Callable[[HttpRequest], "HttpResponse | Awaitable[HttpResponse]"]
"""A plain answer is sent within the read that brought the request: no task, no future."""


class HttpObserver(Protocol):
    """Counts; must be cheap and must not raise."""

    def http_answered(self, *, server: str, status: int, seconds: float) -> None:
        """A request was answered; also one that could not be understood."""
        ...

    def http_connection_ended(self, *, server: str, cause: str) -> None:
        """`cause`: a constant word of the server."""
        ...


class NobodyCounts:
    """The observer when none is given."""

    def http_answered(self, *, server: str, status: int, seconds: float) -> None:
        """Tell nobody."""

    def http_connection_ended(self, *, server: str, cause: str) -> None:
        """Tell nobody."""


@dataclass(frozen=True, slots=True)
class Http1Limits:
    """Bounds on one peer, and on all. Times in seconds; tests shorten them."""

    max_head_bytes: int = 65_536
    """Request line and headers. nginx and Envoy take about as much, and tell it all to us."""
    max_headers: int = 200
    """Envoy takes 100, nginx any number; proxies add some."""
    head_s: float = 10.0
    """From the first byte of a head to its last: one that trickles in is cut."""
    idle_s: float = 120.0
    """Between requests; longer than nginx keeps its own connections (60 s), so that it closes."""
    write_stall_s: float = 10.0
    """A peer that reads nothing of what waits for it for so long is dropped."""
    linger_s: float = 1.0
    """For a peer to read the last bytes and close first; closing at once could destroy them."""
    max_connections: int = 1_024
    """Full, the oldest that has had no answer yet gives way; if none, the newcomer is closed."""
    backlog: int = 512
    """Connections that the system holds until we accept them."""
