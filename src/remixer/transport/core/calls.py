"""The calls of one connection, and what a service commands for them.

A call that came whole is kept as nothing but its head (`streams[id]` is a `CallHead`); a `Stream`
is made only when more than one answer can follow. Commands for calls that are gone do nothing.
"""

from collections.abc import Mapping
from typing import Final

from remixer.foundation.status import Code
from remixer.transport.core import answers, frames
from remixer.transport.core.events import CallCancelled, CallHead, Event, SendReady
from remixer.transport.core.frames import ErrorCode
from remixer.transport.core.limits import Cause, ConnectionLimits
from remixer.transport.core.messages import PREFIX_BYTES, framed
from remixer.transport.core.outbox import Outbox
from remixer.transport.core.settings import DEFAULT_TABLE_BYTES, PeerSettings
from remixer.transport.core.streams import ClosedStreams, State, Stream
from remixer.transport.core.windows import ReceiveWindow

_OPENING: Final = answers.OPENING.pack
_START: Final = answers.OPENING_START
_HEADERS: Final = answers.HEADERS_BLOCK
_CLOSING: Final = answers.CLOSING.pack
_CLOSING_START: Final = answers.CLOSING_START
_OK_TRAILERS: Final = answers.OK_TRAILERS
_DATA_START: Final = frames.DATA_START.pack
_NO_FAULTS: Final[Mapping[Cause, int]] = {}
_NO_METADATA: Final[Mapping[str, str | bytes]] = {}
# Of fields that an answer always has; RFC 9113, section 10.5.1, counts 32 for each.
_OWN_FIELDS: Final = 5
_FIELD_OVERHEAD: Final = 32


class Calls:
    """Streams alive, and the commands upon them; `GrpcConnection` adds what the peer sends."""

    __slots__ = (
        "_causes",
        "_closed",
        "_events",
        "_has_ended",
        "_is_choked",
        "_limits",
        "_outbox",
        "_pending",
        "_promised",
        "_quick_bytes",
        "_streams",
        "_table_update",
        "_unconsumed",
        "_unfinished",
        "_window",
    )

    def __init__(self, limits: ConnectionLimits) -> None:
        self._limits = limits
        self._streams: dict[int, Stream | CallHead] = {}
        self._pending: dict[int, CallHead] = {}
        """Calls begun in this batch of bytes; most of them end in it."""
        self._promised: dict[int, int] = {}
        """What `content-length` says of those pending calls that have one."""
        self._closed = ClosedStreams(limits=limits)
        self._outbox = Outbox(limits=limits)
        self._window = ReceiveWindow(frames.DEFAULT_WINDOW, bound=limits.max_connection_window)
        self._unconsumed = 0
        """Bytes of whole messages that services have not consumed yet."""
        self._unfinished = 0
        """Bytes of messages that are not whole yet."""
        self._is_choked = False
        """Those not consumed are too many: the connection's window does not grow."""
        self._events: list[Event] = []
        self._has_ended = False
        self._causes: dict[Cause, int] = {}
        self._table_update: bytes | None = None
        """Sent before our next header block; b"" when it has been, None if never wanted."""
        self._quick_bytes = 0
        self._set_quick_bytes()

    @property
    def open_streams(self) -> int:
        """Calls under way."""
        return len(self._streams)

    @property
    def stream_faults(self) -> Mapping[Cause, int]:
        """How many calls were ended for the peer's fault, by cause; since they were last taken."""
        return self._causes

    def take_stream_faults(self) -> Mapping[Cause, int]:
        """The same, once."""
        if not self._causes:
            return _NO_FAULTS
        faults, self._causes = self._causes, {}
        return faults

    @property
    def queued_bytes(self) -> int:
        """Waiting for the peer's windows: above 0 for long, the peer is a slow reader."""
        return self._outbox.queued_bytes

    def take_output(self) -> bytes:
        """All bytes to write now; b"" if none."""
        return self._outbox.take()

    def respond(
        self, stream_id: int, message: bytes, trailing_metadata: Mapping[str, str] | None = None
    ) -> None:
        """A whole successful answer: headers, one message, trailers with status OK."""
        size = len(message) + PREFIX_BYTES
        outbox = self._outbox
        streams = self._streams
        if (
            isinstance(streams.get(stream_id), CallHead)
            and trailing_metadata is None
            and size <= self._quick_bytes
            and size <= outbox.window
        ):
            del streams[stream_id]
            outbox.window -= size
            opening = _OPENING(
                _START, stream_id, _HEADERS, size << 8, 0, stream_id, 0, len(message)
            )
            closing = _CLOSING(_CLOSING_START, stream_id, _OK_TRAILERS)
            outbox.chunks += (opening, message, closing)
            return
        self.send_message(stream_id, message)
        self.finish(stream_id, Code.OK, trailing_metadata=trailing_metadata)

    def send_headers(self, stream_id: int, metadata: Mapping[str, str | bytes]) -> None:
        """Initial metadata; at most once, before the first message."""
        block = answers.metadata_block(metadata)
        stream = self._stream(stream_id)
        if stream is not None and not stream.has_finished and not stream.has_headers:
            self._open_answer(stream, block, may_compress=stream.head.accepts_gzip)

    def send_message(self, stream_id: int, message: bytes, *, compress: bool = False) -> bool:
        """Queue a message; False: wait for `SendReady` before sending more."""
        stream = self._stream(stream_id)
        if stream is None or stream.has_finished:
            return True
        if len(message) > self._limits.max_send_message_bytes:
            text = f"answer of {len(message)} bytes, at most "
            text += f"{self._limits.max_send_message_bytes} may be sent"
            self.finish(stream_id, Code.RESOURCE_EXHAUSTED, text)
            return True
        if not stream.has_headers:
            may_compress = compress and stream.head.accepts_gzip
            self._open_answer(stream, b"", may_compress=may_compress)
        outbox = self._outbox
        size = len(message) + PREFIX_BYTES
        if not compress and stream.queue is None and size <= outbox.peer.max_frame_bytes:
            room = outbox.peer.initial_window + stream.send_credit
            if size <= room and size <= outbox.window:
                # What `Outbox.send` does, without copying: the path of each streamed message.
                outbox.window -= size
                stream.send_credit -= size
                outbox.data_frames += 1
                outbox.chunks += (
                    _DATA_START(size << 8, 0, stream_id, 0, size - PREFIX_BYTES),
                    message,
                )
                return True
        outbox.send(stream, framed(message, compress=compress and stream.gzip_announced))
        return self._is_below_mark(stream)

    def finish(
        self,
        stream_id: int,
        code: int,
        message: str = "",
        *,
        trailing_metadata: Mapping[str, str | bytes] | None = None,
        details: bytes = b"",
    ) -> None:
        """End the call with a status; trailers-only if nothing was sent before."""
        metadata = answers.metadata_block(trailing_metadata or _NO_METADATA)
        limit = self._limits.max_status_message_bytes
        status = answers.status_block(code, message, details, max_message_bytes=limit)
        fields = _OWN_FIELDS + len(trailing_metadata or ())
        if not self._fits_peer(len(status) + len(metadata), fields):
            # The status matters more than its text: a peer drops the whole list when it is too big.
            status, metadata = answers.status_block(code, "", b"", max_message_bytes=limit), b""
        self._end_answer(stream_id, status + metadata)

    def reset(self, stream_id: int, error_code: int) -> None:
        """RST_STREAM."""
        if stream_id in self._streams:
            self._drop(stream_id)
            self._write_reset(stream_id, error_code)

    def consume(self, stream_id: int, cost: int) -> None:
        """The shell has used `cost` bytes of received messages: the windows may grow again."""
        stream = self._streams.get(stream_id)
        if stream.__class__ is not Stream:
            return
        assert isinstance(stream, Stream)  # noqa: S101 - said twice for the type checker
        window = stream.window
        cost = min(cost, window.held)
        window.held -= cost
        self._unconsumed -= cost
        if stream.state is State.OPEN:
            self._grant(stream_id, window)
        if self._is_choked:
            self._grant_connection()

    def _end_answer(self, stream_id: int, block: bytes) -> None:
        stream = self._streams.get(stream_id)
        if isinstance(stream, Stream):
            if stream.has_finished:
                return
            stream.has_finished = True
            stream.ending = block if stream.has_headers else _HEADERS + block
            if stream.queue is None:
                self._close(stream)
            elif stream.state is State.OPEN:
                stream.state = State.FINISHING
        elif stream is not None:
            # Came whole and gets nothing but a status: never has a `Stream`.
            del self._streams[stream_id]
            self._write_block(stream_id, _HEADERS + block, end_stream=True)

    def _stream(self, stream_id: int) -> Stream | None:
        """The call with room for more than one answer; None if it is gone."""
        stream = self._streams.get(stream_id)
        if stream.__class__ is CallHead:
            return self._unfold(stream_id, State.ENDED)
        assert not isinstance(stream, CallHead)  # noqa: S101 - said twice for the type checker
        return stream

    def _unfold(self, stream_id: int, state: State) -> Stream:
        """Make a `Stream` of a call that is known by its head only."""
        head = self._streams[stream_id]
        assert isinstance(head, CallHead)  # noqa: S101 - by the caller
        stream = Stream(stream_id, head, limits=self._limits)
        stream.state = state
        self._streams[stream_id] = stream
        return stream

    def _open_answer(self, stream: Stream, metadata: bytes, *, may_compress: bool) -> None:
        stream.has_headers = True
        stream.gzip_announced = may_compress
        block = _HEADERS + (answers.GZIP_ENCODING if may_compress else b"") + metadata
        self._write_block(stream.stream_id, block, end_stream=False)

    def _is_below_mark(self, stream: Stream) -> bool:
        """Whether the sender may go on; a queue beyond all bounds costs the call."""
        if self._outbox.drained:
            self._settle_drained()
        if self._outbox.queued_bytes > self._limits.max_queued_bytes:
            self._fail(stream.stream_id, ErrorCode.ENHANCE_YOUR_CALM, Cause.SLOW_READER)
            return True
        if stream.queued_bytes <= self._limits.queue_high_bytes:
            return True
        stream.wants_ready = True
        return False

    def _settle_drained(self) -> None:
        """Streams whose queue has run (almost) dry: end them, or let their sender go on."""
        drained = self._outbox.drained
        for stream in drained:
            if self._streams.get(stream.stream_id) is not stream:
                continue
            if stream.has_finished:
                if stream.queue is None:
                    self._close(stream)
            elif stream.wants_ready:
                stream.wants_ready = False
                self._events.append(SendReady(stream.stream_id))
        drained.clear()

    def _close(self, stream: Stream) -> None:
        """Send the trailers; the stream is gone."""
        stream_id = stream.stream_id
        self._write_block(stream_id, stream.ending, end_stream=True)
        is_over = stream.state is State.ENDED
        self._drop(stream_id)
        if not is_over:
            # The client need not send the rest of its request (RFC 9113, section 8.1).
            self._write_reset(stream_id, ErrorCode.NO_ERROR)

    def _fail(self, stream_id: int, error_code: int, cause: Cause) -> None:
        """End a live call for the peer's fault; its service learns of it."""
        self._causes[cause] = self._causes.get(cause, 0) + 1
        if stream_id in self._streams:
            self._events.append(CallCancelled(stream_id, error_code))
            self._drop(stream_id)
        self._write_reset(stream_id, error_code)

    def _drop(self, stream_id: int) -> None:
        """Forget the call, and give back all that it held."""
        stream = self._streams.pop(stream_id)
        if isinstance(stream, Stream):
            self._outbox.forget(stream)
            self._unconsumed -= stream.window.held
            self._unfinished -= len(stream.assembler.buffer)
            stream.window.held = 0
            if self._is_choked:
                self._grant_connection()

    def _write_reset(self, stream_id: int, error_code: int) -> None:
        self._closed.add_reset(stream_id, by_peer=False)
        self._outbox.chunks.append(frames.reset_frame(stream_id, error_code))

    def _write_block(self, stream_id: int, block: bytes, *, end_stream: bool) -> None:
        if self._table_update:
            block = self._table_update + block
            self._table_update = b""
            self._set_quick_bytes()
        max_frame = self._outbox.peer.max_frame_bytes
        self._outbox.chunks.append(
            frames.header_frames(stream_id, block, end_stream=end_stream, max_frame=max_frame)
        )

    def _apply(self, peer: PeerSettings) -> None:
        """The peer has other settings now."""
        if peer.header_table_bytes < DEFAULT_TABLE_BYTES and self._table_update is None:
            # A smaller table must be confirmed before the next block, though we never use it
            # (RFC 9113, section 4.3.1).
            self._table_update = answers.TABLE_OF_NOTHING
        self._outbox.apply(peer)
        self._set_quick_bytes()

    def _set_quick_bytes(self) -> None:
        """How large a framed answer may be for `respond` to send it in one step."""
        peer = self._outbox.peer
        limit = self._limits.max_send_message_bytes + PREFIX_BYTES
        room = min(peer.max_frame_bytes, peer.initial_window, limit)
        self._quick_bytes = -1 if self._table_update else room

    def _fits_peer(self, block_bytes: int, fields: int) -> bool:
        limit = self._outbox.peer.max_header_list_bytes
        return limit is None or block_bytes + fields * _FIELD_OVERHEAD <= limit

    def _grant(self, stream_id: int, window: ReceiveWindow) -> None:
        increment = window.grant()
        if increment:
            self._outbox.chunks.append(frames.window_update_frame(stream_id, increment))

    def _grant_connection(self) -> None:
        """Let the peer send more, unless too many whole messages wait for their services."""
        self._is_choked = self._unconsumed > self._limits.max_unconsumed_bytes
        if not self._is_choked:
            self._grant(0, self._window)
