"""One HTTP/2 connection that serves gRPC: bytes in, in batches, and the connection's own life.

Theory of operation. `receive` runs one loop over the frames of a batch of bytes (`_take_frames`).
Three frames are so frequent that the loop handles them itself: HEADERS of a known block, the DATA
frame that is a whole request, and the DATA frame that is one message of a stream. All others, and
these three in any unusual shape, take the slow path through `_on_frame`. A call that begins is
*pending* until the end of the batch; if its request has ended by then it becomes one `UnaryCall`
and never has a `Stream`.

Faults travel as exceptions inside and end here: a connection's in GOAWAY and `ConnectionEnded`, a
stream's in RST_STREAM and `CallCancelled`.
"""

from collections.abc import Sequence
from typing import Final, NoReturn

from remixer.transport.core import frames
from remixer.transport.core.events import (
    ConnectionEnded,
    Event,
    MessageReceived,
    UnaryCall,
)
from remixer.transport.core.faults import ConnectionFaultError
from remixer.transport.core.frames import (
    DATA_START_BYTES,
    END_HEADERS,
    HEADER_BYTES,
    ErrorCode,
)
from remixer.transport.core.frames import DEFAULT_FRAME_BYTES as _MAX_FRAME  # we announce no other
from remixer.transport.core.limits import Cause, ConnectionLimits
from remixer.transport.core.messages import PREFIX_BYTES
from remixer.transport.core.peer_calls import missize
from remixer.transport.core.peer_frames import PeerFrames
from remixer.transport.core.settings import announced
from remixer.transport.core.streams import State, Stream

_unpack_start: Final = frames.DATA_START.unpack_from
_unpack_header: Final = frames.FRAME_HEADER.unpack_from
_new_tuple: Final = tuple.__new__
_OPEN: Final = State.OPEN
_MANY_CHUNKS: Final = 4096  # below it, unsent output is not worth counting in bytes
_GRPC_PINGS: Final = b"too_many_pings"  # gRPC clients answer it by pinging less


class GrpcConnection(PeerFrames):
    """The server's side of a connection; satisfies `core.api.ServerConnection`."""

    __slots__ = (
        "_is_greeted",
        "_quick_in",
        "_rest",
        "_wanted",
    )

    def __init__(self, limits: ConnectionLimits | None = None) -> None:
        super().__init__(limits or ConnectionLimits())
        self._rest: bytearray | None = bytearray()
        """The beginning of a preface or a frame that is not whole yet; None between frames."""
        self._wanted = 1
        """How many bytes `_rest` needs before looking at it again is of use."""
        self._is_greeted = False
        """The preface has come."""
        self._quick_in = min(_MAX_FRAME, self._limits.max_message_bytes + PREFIX_BYTES)

    # ------------------------------------------------------------ commands on the connection

    def start(self) -> None:
        """Queue our SETTINGS, and the connection's window, which SETTINGS cannot say."""
        chunks = self._outbox.chunks
        chunks.append(frames.settings_frame(announced(self._limits)))
        window = self._window
        increment = self._limits.initial_connection_window - window.window
        if increment > 0:
            window.window = window.target = self._limits.initial_connection_window
            chunks.append(frames.window_update_frame(0, increment))

    def ping(self, opaque: bytes) -> None:
        """Send PING; eight bytes."""
        if not self._has_ended:
            self._pings += 1
            self._outbox.chunks.append(frames.frame(frames.PING, 0, 0, opaque))

    def begin_drain(self) -> None:
        """First step: GOAWAY with the highest stream id; calls under way and new ones go on."""
        if not self._has_ended and not self._is_draining:
            self._write_goaway(frames.MAX_STREAM_ID, ErrorCode.NO_ERROR)

    def finish_drain(self) -> None:
        """Second step: GOAWAY with the last stream id seen; newer streams are refused."""
        if not self._has_ended and not self._is_draining:
            self._is_draining = True
            self._capacity = 0
            self._write_goaway(self._last_id, ErrorCode.NO_ERROR)

    def end(self, error_code: int, cause: str, reason: str) -> None:
        """End the connection for a reason of the shell's, e.g. its clock: GOAWAY, and no more."""
        if self._has_ended:
            return
        self._has_ended = True
        for stream in self._streams.values():
            if isinstance(stream, Stream):
                self._outbox.forget(stream)
        self._streams.clear()
        self._pending.clear()
        self._promised.clear()
        self._rest = None
        debug = _GRPC_PINGS if cause == Cause.PING_FLOOD else str(cause).encode()
        self._write_goaway(self._last_id, error_code, debug)
        self._events.append(ConnectionEnded(error_code, str(cause), reason))

    @property
    def is_established(self) -> bool:
        """The preface and the peer's first SETTINGS have come. Until then the shell's clock runs."""
        return self._is_settled

    @property
    def is_over(self) -> bool:
        """After `ConnectionEnded`, or drained with no call left: write the output and close."""
        return self._has_ended or (self._is_draining and not self._streams)

    # ------------------------------------------------------------ bytes in

    def receive(self, data: bytes, *, now_s: float) -> Sequence[Event]:
        """Take bytes from the peer, cut anywhere. Never raises for what the peer sent."""
        if not self._has_ended:
            self._now_s = now_s
            try:
                if self._rest is None:
                    position = self._take_frames(data, 0)
                    if position < len(data):
                        self._keep(data, position)
                else:
                    self._resume(data, self._rest)
                self._settle()
            except ConnectionFaultError as fault:
                self.end(fault.code, fault.cause, fault.reason)
        events = self._events
        if not events:
            return ()
        self._events = []
        return events

    def _resume(self, data: bytes, rest: bytearray) -> None:
        """Go on with a frame, or a preface, whose beginning came before."""
        rest += data
        if len(rest) < self._wanted:
            return
        data = bytes(rest)
        self._rest = None
        position = 0 if self._is_greeted else self._take_preface(data)
        if self._is_greeted:
            position = self._take_frames(data, position)
        if position < len(data):
            self._keep(data, position)

    def _keep(self, data: bytes, position: int) -> None:
        """What is not whole yet waits for the rest."""
        self._rest = bytearray(data[position:])
        if not self._is_greeted:
            self._wanted = len(data) + 1
        elif len(self._rest) < HEADER_BYTES:
            self._wanted = HEADER_BYTES
        else:
            self._wanted = HEADER_BYTES + (_unpack_header(data, position)[0] >> 8)

    def _settle(self) -> None:
        """What is done once per batch."""
        if self._pending:
            for stream_id in tuple(self._pending):
                self._promote(stream_id)
        if self._window.window * 2 <= self._window.target:
            self._grant_connection()
        if self._outbox.drained:
            self._settle_drained()
        if len(self._outbox.chunks) > _MANY_CHUNKS:
            self._check_unsent()

    def _take_preface(self, data: bytes) -> int:
        """The position behind the preface, 0 if it is not whole; refuses its first wrong byte."""
        start = data[: len(frames.PREFACE)]
        if not frames.PREFACE.startswith(start):
            reason = (
                f"connection begins with {ascii(bytes(start))[2:-1]}, not with HTTP/2's preface"
            )
            raise ConnectionFaultError(ErrorCode.PROTOCOL_ERROR, Cause.PREFACE, reason)
        self._is_greeted = len(start) == len(frames.PREFACE)
        return len(start) if self._is_greeted else 0

    def _take_frames(self, data: bytes, position: int) -> int:  # noqa: C901, PLR0912, PLR0915 - the hot loop: see below
        """Handle all whole frames from `position` on; the position of the first that is not.

        Written by hand, in one function, with local names: a busy connection runs it twice per
        call, and a function call or an attribute costs as much as the frame's own work. What it
        handles itself is counted in locals, which `_sync` writes back before anything else looks.
        """
        size = len(data)
        # Up to here a frame header and a message prefix can be read in one step. Never while a
        # header block is unfinished: then nothing but its continuation is legal.
        last_start = size - DATA_START_BYTES if self._partial is None else -1
        streams = self._streams
        pending = self._pending
        promised = self._promised
        memo = self._reader.memo
        events = self._events
        quick_in = self._quick_in
        next_id = self._next_id
        room = self._capacity - len(streams) - len(pending)
        taken = held = 0
        # Declared, because `struct` cannot say it: compiled, they are machine integers.
        word: int
        flags: int
        stream_id: int
        is_compressed: int
        message_size: int
        while True:
            if position <= last_start:
                word, flags, stream_id, is_compressed, message_size = _unpack_start(data, position)
                length = word >> 8
                end = position + HEADER_BYTES + length
                if end > size:
                    if length > _MAX_FRAME:
                        _overrun(length)
                    break
                kind = word & 0xFF
                if kind == 0:  # DATA: a whole message in one frame?
                    if message_size + 5 == length and not is_compressed and length <= quick_in:
                        if flags == 1:
                            if not promised:
                                head = pending.pop(stream_id, None)
                            elif promised.get(stream_id, length) == length:
                                head = pending.pop(stream_id, None)
                                promised.pop(stream_id, None)
                            else:
                                head = None
                            if head is not None:
                                streams[stream_id] = head
                                message = data[position + 14 : end]
                                events.append(_new_tuple(UnaryCall, (stream_id, head, message)))
                                taken += length
                                position = end
                                continue
                        elif flags == 0:
                            stream = streams.get(stream_id)
                            if (
                                stream.__class__ is Stream
                                and stream.state is _OPEN
                                and stream.content_left is None
                                and not stream.assembler.buffer
                                and length <= stream.window.window
                            ):
                                window = stream.window
                                window.window -= length
                                window.held += length
                                message = data[position + 14 : end]
                                events.append(
                                    _new_tuple(MessageReceived, (stream_id, message, length))
                                )
                                taken += length
                                held += length
                                position = end
                                continue
                elif kind == 1 and flags == END_HEADERS and stream_id == next_id and room > 0:
                    block = data[position + 9 : end]
                    head = memo.get(block)
                    next_id += 2
                    if head is None:
                        if length > _MAX_FRAME:
                            _overrun(length)
                        self._next_id = next_id
                        head = self._on_new_call(stream_id, block)
                    if head is not None:
                        pending[stream_id] = head
                        room -= 1
                    else:
                        room = self._room()
                    position = end
                    continue
            elif position + HEADER_BYTES <= size:
                word, flags, stream_id = _unpack_header(data, position)
                length = word >> 8
                end = position + HEADER_BYTES + length
                if end > size:
                    if length > _MAX_FRAME:
                        _overrun(length)
                    break
                kind = word & 0xFF
            else:
                break
            # The slow path, for everything else.
            if length > _MAX_FRAME:
                _overrun(length)
            self._sync(next_id, taken, held)
            self._on_frame(kind, flags, stream_id & frames.MAX_STREAM_ID, data[position + 9 : end])
            position = end
            last_start = size - DATA_START_BYTES if self._partial is None else -1
            next_id = self._next_id
            room = self._room()
            taken = held = 0
        self._sync(next_id, taken, held)
        return position

    def _sync(self, next_id: int, taken: int, held: int) -> None:
        """Account for what the hot loop has handled."""
        self._next_id = next_id
        if taken:
            self._unconsumed += held
            self._take_window(taken)

    def _check_unsent(self) -> None:
        if self._outbox.unsent_bytes() > self._limits.max_unsent_bytes:
            reason = "output was not taken while input was given"
            raise ConnectionFaultError(ErrorCode.ENHANCE_YOUR_CALM, Cause.UNSENT_OUTPUT, reason)


def _overrun(length: int) -> NoReturn:
    missize(f"frame longer than {_MAX_FRAME}", length)
