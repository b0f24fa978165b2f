"""The shape of a connection, as its shell and its tests use it.

Time enters only as `now_s` (monotonic seconds), where rates are judged.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from remixer.transport.core.events import Event
from remixer.transport.core.limits import Cause


class ServerConnection(Protocol):
    """One HTTP/2 connection that serves gRPC."""

    def start(self) -> None:
        """Queue our SETTINGS; call once, first."""
        ...

    def receive(self, data: bytes, *, now_s: float) -> Sequence[Event]:
        """Take bytes from the peer, cut anywhere. Never raises for what the peer sent."""
        ...

    def take_output(self) -> bytes:
        """All bytes to write now; b"" if none. Respects the peer's windows and settings."""
        ...

    def respond(
        self, stream_id: int, message: bytes, trailing_metadata: Mapping[str, str] | None = None
    ) -> None:
        """A whole successful answer: headers, one message, trailers with status OK.

        Commands for a stream that is gone are ignored: the peer may cancel at any time.
        """
        ...

    def send_headers(self, stream_id: int, metadata: Mapping[str, str | bytes]) -> None:
        """Initial metadata; at most once, before the first message (sent by itself otherwise)."""
        ...

    def send_message(self, stream_id: int, message: bytes, *, compress: bool = False) -> bool:
        """Queue a message; False if the stream's queue is now over its high-water mark.

        Then wait for `SendReady` before sending more.
        """
        ...

    def finish(
        self,
        stream_id: int,
        code: int,
        message: str = "",
        *,
        trailing_metadata: Mapping[str, str | bytes] | None = None,
        details: bytes = b"",
    ) -> None:
        """End the call with a status; trailers-only if nothing was sent before.

        If the request is not over, the stream is reset with NO_ERROR after the trailers.
        """
        ...

    def reset(self, stream_id: int, error_code: int) -> None:
        """RST_STREAM."""
        ...

    def consume(self, stream_id: int, cost: int) -> None:
        """The shell has used `cost` bytes of received messages: the windows may grow again."""
        ...

    def ping(self, opaque: bytes) -> None:
        """Send PING; eight bytes."""
        ...

    def begin_drain(self) -> None:
        """First step: GOAWAY with the highest stream id; calls under way and new ones go on."""
        ...

    def finish_drain(self) -> None:
        """Second step: GOAWAY with the last stream id seen; newer streams are refused."""
        ...

    def end(self, error_code: int, cause: str, reason: str) -> None:
        """End the connection for a reason of the shell's, e.g. its clock."""
        ...

    @property
    def is_established(self) -> bool:
        """Preface and the peer's first SETTINGS have come."""
        ...

    @property
    def queued_bytes(self) -> int:
        """Waiting for the peer's windows; above 0 for long, the peer is a slow reader."""
        ...

    def take_stream_faults(self) -> Mapping[Cause, int]:
        """How many calls were ended for the peer's fault, by cause, since this was last asked."""
        ...

    @property
    def open_streams(self) -> int:
        """Calls under way."""
        ...

    @property
    def is_over(self) -> bool:
        """After `ConnectionEnded`, or drained with no call left: write the output and close."""
        ...
