"""What each frame of the peer does, outside the hot loop: the handlers, by frame type.

Faults are raised here and answered at the two borders: a stream's and a call's in `_on_frame`, a
connection's in `GrpcConnection.receive`.
"""

from collections.abc import Callable
from typing import Final

from remixer.transport.core import frames
from remixer.transport.core.events import (
    CallCancelled,
    PeerClosing,
    PingAnswered,
)
from remixer.transport.core.faults import (
    CallRefusedError,
    ConnectionFaultError,
    StreamFaultError,
)
from remixer.transport.core.frames import ErrorCode
from remixer.transport.core.limits import Cause
from remixer.transport.core.peer_calls import PeerCalls, missize, violate
from remixer.transport.core.streams import TABLE, Action, Input, State, Stream


class PeerFrames(PeerCalls):
    """Takes frames one by one."""

    __slots__ = ()

    def _on_frame(self, kind: int, flags: int, stream_id: int, payload: bytes) -> None:
        if self._partial is not None and kind != frames.CONTINUATION:
            violate("frame inside a header block")
        if not self._is_settled and (kind != frames.SETTINGS or flags & frames.ACK):
            reason = "first frame is not SETTINGS"
            raise ConnectionFaultError(ErrorCode.PROTOCOL_ERROR, Cause.PREFACE, reason)
        try:
            if kind < len(_HANDLERS):
                _HANDLERS[kind](self, flags, stream_id, payload)
            else:
                self._flood.count(self._limits.unknown_frames, now_s=self._now_s)
        except StreamFaultError as fault:
            self._on_fault(stream_id, fault)
        except CallRefusedError as refusal:
            self._refuse(stream_id, refusal)

    def _on_priority(self, _flags: int, stream_id: int, payload: bytes) -> None:
        if stream_id == 0:
            violate("PRIORITY on stream 0")
        self._flood.count(self._limits.priorities, now_s=self._now_s)
        if len(payload) != 5:  # noqa: PLR2004 - RFC 9113, section 6.3
            if self._state_of(stream_id) is State.IDLE:
                missize("PRIORITY", len(payload))  # an idle stream cannot be reset
            reason = f"PRIORITY of {len(payload)} bytes"
            raise StreamFaultError(ErrorCode.FRAME_SIZE_ERROR, Cause.FRAME_SIZE, reason)

    def _on_reset(self, _flags: int, stream_id: int, payload: bytes) -> None:
        if stream_id == 0:
            violate("RST_STREAM on stream 0")
        if len(payload) != 4:  # noqa: PLR2004 - RFC 9113, section 6.4
            missize("RST_STREAM", len(payload))
        action = TABLE[self._state_of(stream_id)][Input.RST_STREAM]
        if action is not Action.CANCEL:
            self._act(action, stream_id)
            return
        self._flood.count(self._limits.resets, now_s=self._now_s)
        if stream_id in self._pending:
            self._promote(stream_id)
        self._closed.add_reset(stream_id, by_peer=True)
        self._drop(stream_id)
        self._events.append(CallCancelled(stream_id, frames.UINT32.unpack(payload)[0]))

    def _on_settings(self, flags: int, stream_id: int, payload: bytes) -> None:
        if stream_id:
            violate("SETTINGS on a stream")
        if flags & frames.ACK:
            if payload:
                missize("acknowledgement of SETTINGS", len(payload))
            if self._has_acked:
                self._flood.count(self._limits.settings, now_s=self._now_s)
            self._has_acked = True
            return
        self._flood.count(self._limits.settings, now_s=self._now_s)
        peer = self._outbox.peer.updated(payload)
        for stream in self._streams.values():
            if (
                isinstance(stream, Stream)
                and peer.initial_window + stream.send_credit > frames.MAX_WINDOW
            ):
                reason = "SETTINGS_INITIAL_WINDOW_SIZE lets a stream's window overflow"
                raise ConnectionFaultError(ErrorCode.FLOW_CONTROL_ERROR, Cause.SETTINGS, reason)
        self._is_settled = True
        if not self._is_draining:
            self._capacity = self._limits.max_concurrent_streams
        # Before what the new windows let out: the peer holds us to the old ones until it reads this.
        self._outbox.chunks.append(frames.SETTINGS_ACK)
        self._apply(peer)

    def _on_push_promise(self, _flags: int, _stream_id: int, _payload: bytes) -> None:
        violate("PUSH_PROMISE from a client")

    def _on_ping(self, flags: int, stream_id: int, payload: bytes) -> None:
        if stream_id:
            violate("PING on a stream")
        if len(payload) != 8:  # noqa: PLR2004 - RFC 9113, section 6.7
            missize("PING", len(payload))
        if flags & frames.ACK and self._pings:
            self._pings -= 1
            self._events.append(PingAnswered(payload))
            return
        self._flood.count(self._limits.pings, now_s=self._now_s)
        if not flags & frames.ACK:
            self._outbox.chunks.append(frames.frame(frames.PING, frames.ACK, 0, payload))

    def _on_goaway(self, _flags: int, stream_id: int, payload: bytes) -> None:
        if stream_id:
            violate("GOAWAY on a stream")
        if len(payload) < 8:  # noqa: PLR2004 - RFC 9113, section 6.8
            missize("GOAWAY", len(payload))
        self._flood.count(self._limits.unknown_frames, now_s=self._now_s)
        self._events.append(PeerClosing(frames.UINT32.unpack_from(payload, 4)[0]))

    def _on_window_update(self, _flags: int, stream_id: int, payload: bytes) -> None:
        if len(payload) != 4:  # noqa: PLR2004 - RFC 9113, section 6.9
            missize("WINDOW_UPDATE", len(payload))
        self._count_window_update()
        increment = frames.UINT32.unpack(payload)[0] & frames.MAX_WINDOW
        if stream_id == 0:
            if increment == 0:
                violate("WINDOW_UPDATE by 0")
            if not self._outbox.grow(increment):
                reason = "WINDOW_UPDATE lets the connection's window overflow"
                raise ConnectionFaultError(ErrorCode.FLOW_CONTROL_ERROR, Cause.FLOW_CONTROL, reason)
            return
        action = TABLE[self._state_of(stream_id)][Input.WINDOW_UPDATE]
        if action is not Action.CREDIT:
            self._act(action, stream_id)
            return
        if increment == 0:
            reason = "WINDOW_UPDATE by 0"
            raise StreamFaultError(ErrorCode.PROTOCOL_ERROR, Cause.FLOW_CONTROL, reason)
        if not self._outbox.grow_stream(self._promote(stream_id), increment):
            reason = "WINDOW_UPDATE lets the stream's window overflow"
            raise StreamFaultError(ErrorCode.FLOW_CONTROL_ERROR, Cause.FLOW_CONTROL, reason)

    def _count_window_update(self) -> None:
        limits = self._limits
        earned = self._next_id // 2 * limits.window_updates_per_stream
        earned += self._outbox.data_frames * limits.window_updates_per_frame
        self._flood.count(limits.window_updates, now_s=self._now_s, earned=earned)

    @property
    def _last_id(self) -> int:
        return max(0, self._next_id - 2)

    def _write_goaway(self, last_id: int, error_code: int, debug: bytes = b"") -> None:
        self._outbox.chunks.append(frames.goaway_frame(last_id, error_code, debug))


_Handler = Callable[[PeerFrames, int, int, bytes], None]
# By frame type; all others are extensions. Methods of one class, called on one another's behalf.
_HANDLERS: Final[tuple[_Handler, ...]] = (
    PeerFrames._on_data,  # noqa: SLF001
    PeerFrames._on_headers,  # noqa: SLF001
    PeerFrames._on_priority,  # noqa: SLF001
    PeerFrames._on_reset,  # noqa: SLF001
    PeerFrames._on_settings,  # noqa: SLF001
    PeerFrames._on_push_promise,  # noqa: SLF001
    PeerFrames._on_ping,  # noqa: SLF001
    PeerFrames._on_goaway,  # noqa: SLF001
    PeerFrames._on_window_update,  # noqa: SLF001
    PeerFrames._on_continuation,  # noqa: SLF001
)
