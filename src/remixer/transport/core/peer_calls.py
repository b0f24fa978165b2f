"""Calls as the peer's frames begin, feed and end them: HEADERS, CONTINUATION and DATA.

These are the ways for whatever is not in its usual shape; the usual one is in `connection`'s loop.
"""

from typing import NoReturn

from remixer.foundation.status import Code
from remixer.transport.core import answers, frames
from remixer.transport.core.calls import Calls
from remixer.transport.core.events import (
    CallCancelled,
    CallHead,
    CallStarted,
    MessageReceived,
    RequestEnded,
)
from remixer.transport.core.faults import (
    CallRefusedError,
    ConnectionFaultError,
    StreamFaultError,
)
from remixer.transport.core.flood import FloodGuard
from remixer.transport.core.frames import ErrorCode
from remixer.transport.core.heads import KnownHeads, ParsedHead, Refusal, check_trailers
from remixer.transport.core.hpack_blocks import BlockReader
from remixer.transport.core.limits import Cause, ConnectionLimits
from remixer.transport.core.streams import TABLE, Action, Input, State, Stream


class PartialBlock:
    """A header block whose CONTINUATION frames are still to come."""

    __slots__ = ("block", "end_stream", "frames", "stream_id")

    def __init__(self, stream_id: int, block: bytes, *, end_stream: bool) -> None:
        self.stream_id = stream_id
        self.block = bytearray(block)
        self.end_stream = end_stream
        self.frames = 0


class PeerCalls(Calls):
    """Takes the frames of calls."""

    __slots__ = (
        "_capacity",
        "_flood",
        "_has_acked",
        "_heads",
        "_is_draining",
        "_is_settled",
        "_next_id",
        "_now_s",
        "_partial",
        "_pings",
        "_reader",
    )

    def __init__(self, limits: ConnectionLimits) -> None:
        super().__init__(limits)
        self._reader = BlockReader(limits=limits)
        self._heads = KnownHeads(limits=limits)
        self._flood = FloodGuard()
        self._is_settled = False
        """The peer's first SETTINGS have come."""
        self._has_acked = False
        """The peer knows our settings."""
        self._is_draining = False
        self._capacity = 0
        """How many calls may be under way: none before the peer's SETTINGS, nor while draining."""
        self._next_id = 1
        """The lowest stream id that the peer may still open."""
        self._partial: PartialBlock | None = None
        self._pings = 0
        """Of ours, not answered yet."""
        self._now_s = 0.0

    def _on_fault(self, stream_id: int, fault: StreamFaultError) -> None:
        self._flood.count(self._limits.stream_errors, now_s=self._now_s)
        if stream_id in self._pending:
            self._promote(stream_id)
        self._fail(stream_id, fault.code, fault.cause)

    def _on_new_call(self, stream_id: int, block: bytes) -> CallHead | None:
        """The shortest way for HEADERS in their usual shape, of a block that is not remembered.

        None if the call has come to its end already. The caller checks that the stream is the
        next one, and that there is room for it.
        """
        sized = self._reader.sized_memo.get(block)
        if sized is not None:
            self._promised[stream_id] = sized[1]
            return sized[0]
        known = self._reader.recurring(block)
        if known is not None:
            return known
        try:
            head, content_length = self._parse(block)
        except StreamFaultError as fault:
            self._on_fault(stream_id, fault)
            return None
        if isinstance(head, Refusal):
            self._answer(stream_id, head, end_stream=False)
            return None
        if content_length is not None:
            self._promised[stream_id] = content_length
        return head

    def _refuse(self, stream_id: int, refusal: CallRefusedError) -> None:
        """End a live call with a status for the client's fault."""
        self._causes[refusal.cause] = self._causes.get(refusal.cause, 0) + 1
        self._events.append(CallCancelled(stream_id, ErrorCode.NO_ERROR))
        stream = self._stream(stream_id)
        if stream is not None:
            # What waits to be sent goes nowhere: the status is all that still matters.
            self._outbox.forget(stream)
            self.finish(stream_id, refusal.code, refusal.message)

    def _state_of(self, stream_id: int) -> State:
        stream = self._streams.get(stream_id)
        if isinstance(stream, Stream):
            return stream.state
        if stream is not None:
            return State.ENDED
        if stream_id in self._pending:
            return State.OPEN
        if stream_id >= self._next_id or stream_id % 2 == 0:
            return State.IDLE
        return self._closed.state_of(stream_id)

    def _promote(self, stream_id: int) -> Stream:
        """The live stream, made from what is known of it if need be."""
        head = self._pending.pop(stream_id, None)
        if head is not None:
            return self._begin(stream_id, head, self._promised.pop(stream_id, None))
        stream = self._stream(stream_id)
        assert stream is not None  # noqa: S101 - its state says that it is alive
        return stream

    def _begin(self, stream_id: int, head: CallHead, content_length: int | None = None) -> Stream:
        stream = Stream(stream_id, head, limits=self._limits, content_length=content_length)
        self._streams[stream_id] = stream
        self._events.append(CallStarted(stream_id, head))
        return stream

    def _on_data(self, flags: int, stream_id: int, payload: bytes) -> None:
        if stream_id == 0:
            violate("DATA on stream 0")
        self._take_window(len(payload))
        content = _unpadded(payload, flags, 0)
        is_last = bool(flags & frames.END_STREAM)
        if not content and not is_last:
            self._flood.count(self._limits.empty_frames, now_s=self._now_s)
        action = TABLE[self._state_of(stream_id)][Input.DATA_END if is_last else Input.DATA]
        if action in {Action.DELIVER, Action.DELIVER_END}:
            stream = self._promote(stream_id)
            if is_last:
                stream.state = State.ENDED
            self._deliver(stream, content, len(payload), is_last=is_last)
            if is_last:
                self._end_request(stream)
        elif action in {Action.DROP, Action.DROP_END}:
            self._drop_data(self._promote(stream_id), len(payload), is_last=is_last)
        else:
            self._act(action, stream_id)

    def _deliver(self, stream: Stream, content: bytes, size: int, *, is_last: bool) -> None:
        """DATA of an open stream; `size` with its padding."""
        window = stream.window
        if not window.take(size):
            reason = f"{-window.window} bytes beyond the stream's window"
            raise StreamFaultError(ErrorCode.FLOW_CONTROL_ERROR, Cause.FLOW_CONTROL, reason)
        if stream.content_left is not None:
            stream.content_left -= len(content)
            if stream.content_left < 0:
                _mislead()
        assembler = stream.assembler
        before = len(assembler.buffer)
        try:
            messages = assembler.feed(content)
        finally:
            self._unfinished += len(assembler.buffer) - before
        for message, cost in messages:
            # A compressed message counts as what it became.
            weight = max(cost, len(message))
            window.held += weight
            self._unconsumed += weight
            self._events.append(MessageReceived(stream.stream_id, message, weight))
        self._check_memory()
        if not is_last:
            self._grant(stream.stream_id, window)

    def _check_memory(self) -> None:
        """Neither unfinished messages nor decompressed ones are bounded by windows alone."""
        limits = self._limits
        if (
            self._unfinished > limits.max_buffered_bytes
            or self._unconsumed > limits.max_unconsumed_bytes + limits.max_connection_window
        ):
            text = "too many bytes of messages that are unfinished or not consumed"
            raise CallRefusedError(Code.RESOURCE_EXHAUSTED, Cause.MESSAGE_BUFFER, text)

    def _end_request(self, stream: Stream) -> None:
        stream.state = State.ENDED
        if stream.content_left:
            _mislead()
        if stream.assembler.buffer:
            text = "request ends inside a message"
            raise CallRefusedError(Code.INTERNAL, Cause.GRPC, text)
        self._events.append(RequestEnded(stream.stream_id))

    def _drop_data(self, stream: Stream, size: int, *, is_last: bool) -> None:
        """DATA for a call whose service has said its last word, still on the way out."""
        if not stream.window.take(size):
            reason = f"{-stream.window.window} bytes beyond the stream's window"
            raise StreamFaultError(ErrorCode.FLOW_CONTROL_ERROR, Cause.FLOW_CONTROL, reason)
        if is_last:
            stream.state = State.ENDED

    def _act(self, action: Action, stream_id: int) -> None:
        """What a frame means that is not what its stream waits for."""
        match action:
            case Action.IGNORE:
                return
            case Action.LATE:
                self._flood.count(self._limits.unknown_frames, now_s=self._now_s)
            case Action.MALFORMED:
                reason = "trailers without END_STREAM"
                raise StreamFaultError(ErrorCode.PROTOCOL_ERROR, Cause.MALFORMED, reason)
            case Action.STREAM_CLOSED:
                reason = "frame behind the end of its stream"
                raise StreamFaultError(ErrorCode.STREAM_CLOSED, Cause.STREAM_CLOSED, reason)
            case Action.FATAL_CLOSED:
                reason = f"HEADERS on stream {stream_id}, which has closed"
                raise ConnectionFaultError(ErrorCode.STREAM_CLOSED, Cause.STREAM_CLOSED, reason)
            case Action.FATAL_PROTOCOL:
                reason = f"frame on stream {stream_id}, which was never opened"
                raise ConnectionFaultError(ErrorCode.PROTOCOL_ERROR, Cause.STREAM_ID, reason)
            case _:
                text = f"{action} is not for any stream"
                raise AssertionError(text)

    def _on_headers(self, flags: int, stream_id: int, payload: bytes) -> None:
        if stream_id % 2 == 0:
            reason = f"HEADERS on stream {stream_id}: a client's are odd"
            raise ConnectionFaultError(ErrorCode.PROTOCOL_ERROR, Cause.STREAM_ID, reason)
        block = _unpadded(payload, flags, 5 if flags & frames.PRIORITY_FLAG else 0)
        end_stream = bool(flags & frames.END_STREAM)
        if flags & frames.END_HEADERS:
            self._on_block(stream_id, block, end_stream=end_stream)
        else:
            self._partial = PartialBlock(stream_id, block, end_stream=end_stream)

    def _on_continuation(self, flags: int, stream_id: int, payload: bytes) -> None:
        partial = self._partial
        if partial is None or partial.stream_id != stream_id:
            violate("CONTINUATION without its HEADERS")
        partial.block += payload
        partial.frames += 1
        limits = self._limits
        if (
            partial.frames > limits.max_continuations
            or len(partial.block) > limits.max_header_block_bytes
        ):
            reason = f"header block of {len(partial.block)} bytes, {partial.frames} continuations"
            raise ConnectionFaultError(
                ErrorCode.ENHANCE_YOUR_CALM, Cause.CONTINUATION_FLOOD, reason
            )
        if flags & frames.END_HEADERS:
            self._partial = None
            self._on_block(stream_id, bytes(partial.block), end_stream=partial.end_stream)

    def _on_block(self, stream_id: int, block: bytes, *, end_stream: bool) -> None:
        """A whole header block: of a request, or of trailers."""
        what = Input.HEADERS_END if end_stream else Input.HEADERS
        action = TABLE[self._state_of(stream_id)][what]
        if action in {Action.START, Action.START_ENDED}:
            self._start_call(stream_id, block, end_stream=end_stream)
            return
        # Whatever the frame means, the table of the decoder must follow.
        fields = self._reader.fields(block)
        if action is Action.TRAILERS:
            stream = self._promote(stream_id)
            check_trailers(fields)
            self._end_request(stream)
        elif action is Action.DROP_END:
            self._promote(stream_id).state = State.ENDED
        else:
            self._act(action, stream_id)

    def _start_call(self, stream_id: int, block: bytes, *, end_stream: bool) -> None:
        room = self._room()
        if stream_id > self._next_id:
            self._closed.add_gap(self._next_id, stream_id - 2)
        self._next_id = stream_id + 2
        head, content_length = self._remembered(block) or self._parse(block)
        if isinstance(head, Refusal):
            self._answer(stream_id, head, end_stream=end_stream)
        elif room <= 0:
            self._refuse_stream(stream_id)
        elif end_stream:
            self._end_request(self._begin(stream_id, head, content_length))
        else:
            self._pending[stream_id] = head
            if content_length is not None:
                self._promised[stream_id] = content_length

    def _remembered(self, block: bytes) -> tuple[CallHead, int | None] | None:
        known = self._reader.memo.get(block)
        return self._reader.sized_memo.get(block) if known is None else (known, None)

    def _parse(self, block: bytes) -> ParsedHead:
        """Of a block that is not remembered."""
        fields = self._reader.fields(block)
        parsed = self._heads.read(fields, self._reader.fresh)
        if isinstance(parsed.head, CallHead):
            if not self._reader.fresh:
                self._reader.remember(block, parsed.head, parsed.content_length)
            elif parsed.content_length is None:
                self._reader.learn(block, fields, parsed.head)
        return parsed

    def _refuse_stream(self, stream_id: int) -> None:
        """One call too many, or too late: the client may try it elsewhere or again."""
        if self._has_acked and not self._is_draining:
            # It knew our limit.
            self._flood.count(self._limits.stream_errors, now_s=self._now_s)
        self._causes[Cause.REFUSED] = self._causes.get(Cause.REFUSED, 0) + 1
        self._write_reset(stream_id, ErrorCode.REFUSED_STREAM)

    def _answer(self, stream_id: int, refusal: Refusal, *, end_stream: bool) -> None:
        """A request that no service sees: status at once."""
        self._causes[refusal.cause] = self._causes.get(refusal.cause, 0) + 1
        limit = self._limits.max_status_message_bytes
        status = answers.status_block(refusal.code, refusal.message, b"", max_message_bytes=limit)
        block = answers.response_block(refusal.http_status) + status
        if refusal.code is Code.UNIMPLEMENTED:
            block += answers.ACCEPTED_ENCODINGS
        self._write_block(stream_id, block, end_stream=True)
        if not end_stream:
            self._write_reset(stream_id, ErrorCode.NO_ERROR)

    def _room(self) -> int:
        """How many more calls may begin; 0 or less if none."""
        return self._capacity - len(self._streams) - len(self._pending)

    def _take_window(self, size: int) -> None:
        window = self._window
        window.window -= size
        if window.window < 0:
            reason = f"{-window.window} bytes beyond the connection's window"
            raise ConnectionFaultError(ErrorCode.FLOW_CONTROL_ERROR, Cause.FLOW_CONTROL, reason)


def _unpadded(payload: bytes, flags: int, skipped: int) -> bytes:
    """Without padding, and without `skipped` bytes of priority fields."""
    padding = 0
    if flags & frames.PADDED:
        padding = payload[0] if payload else 0
        skipped += 1
    elif not skipped:
        return payload
    if len(payload) < skipped:
        missize("frame too short for its flags", len(payload))
    end = len(payload) - padding
    if end < skipped:
        violate("padding longer than its frame")
    return payload[skipped:end]


def violate(reason: str) -> NoReturn:
    raise ConnectionFaultError(ErrorCode.PROTOCOL_ERROR, Cause.PROTOCOL, reason)


def missize(what: str, size: int) -> NoReturn:
    reason = f"{what}: {size} bytes"
    raise ConnectionFaultError(ErrorCode.FRAME_SIZE_ERROR, Cause.FRAME_SIZE, reason)


def _mislead() -> NoReturn:
    reason = "content-length differs from the bytes of DATA"
    raise StreamFaultError(ErrorCode.PROTOCOL_ERROR, Cause.MALFORMED, reason)
