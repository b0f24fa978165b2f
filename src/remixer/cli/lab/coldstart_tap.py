"""Listens on loopback: when which segment of TCP left, as the kernel saw it.

Nobody who is measured knows, nor is woken: the kernel stamps each packet and keeps it until it is
fetched, between two wakes. Linux, and the right to see packets (`CAP_NET_RAW`).
"""

import socket
import struct
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Final, NamedTuple, Self

from remixer.foundation.clock import Clock
from remixer.foundation.errors import StartupError

_LOOPBACK: Final = "lo"
_IPV4: Final = 0x0800
_TCP: Final = 6
_SO_TIMESTAMPNS: Final = 35
_SO_RCVBUFFORCE: Final = 33
_KEPT_BYTES: Final = 64 * 1024 * 1024
"""Of the kernel, for a wake: some thousand segments."""
_HEAD_BYTES: Final = 128
"""Longer than the longest headers of IP and TCP."""
_STAMP: Final = struct.Struct("@qq")
_NS_PER_S: Final = 1e9
_SYN, _ACK = 0x02, 0x10


class Segment(NamedTuple):
    """One segment. Seconds of the monotonic clock."""

    at_s: float
    source: int
    destination: int
    octets: int
    """Of its payload."""
    opens: bool = False
    """SYN: somebody connects."""
    accepts: bool = False
    """SYN and ACK: somebody listened there."""


def segment(packet: bytes, at_s: float) -> Segment | None:
    """Of an IPv4 packet's first bytes; None if it is not TCP."""
    if len(packet) < 20 or packet[0] >> 4 != 4 or packet[9] != _TCP:  # noqa: PLR2004 - IPv4's head
        return None
    head = (packet[0] & 15) * 4
    if len(packet) < head + 20:
        return None
    (length,) = struct.unpack_from("!H", packet, 2)
    source, destination = struct.unpack_from("!HH", packet, head)
    octets = length - head - (packet[head + 12] >> 4) * 4
    flags = packet[head + 13]
    is_syn, is_ack = bool(flags & _SYN), bool(flags & _ACK)
    return Segment(
        at_s, source, destination, octets, opens=is_syn and not is_ack, accepts=is_syn and is_ack
    )


class LoopbackTap:
    """A context manager. `drain` gives what was seen since the last time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._socket: socket.socket | None = None

    def __enter__(self) -> Self:
        """Raises `StartupError` where packets may not be seen."""
        try:
            made = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_IPV4))
        except (AttributeError, PermissionError) as error:
            message = "--steps: packets may not be seen here; wanted Linux and CAP_NET_RAW (root)"
            raise StartupError(message) from error
        self._socket = made
        made.bind((_LOOPBACK, _IPV4))
        made.setblocking(False)
        made.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        try:
            made.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _KEPT_BYTES)
        except PermissionError:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _KEPT_BYTES)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._socket is not None:
            self._socket.close()

    def drain(self) -> Sequence[Segment]:
        """In their order."""
        behind_s = self._clock.unix_ns() / _NS_PER_S - self._clock.monotonic_s()
        return [
            found
            for packet, stamp_s in self._packets()
            if (found := segment(packet, stamp_s - behind_s)) is not None
        ]

    def _packets(self) -> Iterator[tuple[bytes, float]]:
        assert self._socket is not None  # noqa: S101 - entered
        room = socket.CMSG_SPACE(_STAMP.size)
        while True:
            try:
                packet, extra, _, _ = self._socket.recvmsg(_HEAD_BYTES, room)
            except BlockingIOError:
                return
            if extra:
                seconds, nanoseconds = _STAMP.unpack(extra[0][2])
                yield packet, seconds + nanoseconds / _NS_PER_S
