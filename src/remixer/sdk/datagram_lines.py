"""Lines for a metrics daemon, gathered into datagrams.

Theory of operation. `put` appends a line to the open datagram and never waits. The datagram goes
out when the next line would make it too long, when it has its number of lines, `flush_after_s`
after its first line, and at the end. So an idle buffer has no timer.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from remixer.sdk.text import stringify


@dataclass(frozen=True, slots=True)
class LineLimits:
    """When a datagram is sent. A longer line than `most_bytes` goes alone."""

    most_bytes: int
    most_lines: int
    flush_after_s: float


class LineBuffer:
    """Lines of one handler; `send` takes a whole datagram."""

    def __init__(self, send: Callable[[bytes], object], *, limits: LineLimits) -> None:
        self._send = send
        self._limits = limits
        self._lines: list[bytes] = []
        self._size = 0
        self._timer: asyncio.TimerHandle | None = None

    def put(self, line: bytes) -> None:
        """Take one line, without its end."""
        if self._lines and self._size + len(line) > self._limits.most_bytes:
            self.flush()
        self._lines.append(line)
        self._size += len(line) + 1
        if len(self._lines) >= self._limits.most_lines or self._size > self._limits.most_bytes:
            self.flush()
        elif self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._limits.flush_after_s, self.flush)

    def flush(self) -> None:
        """Send what is there."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._lines:
            payload = b"\n".join(self._lines)
            self._lines = []
            self._size = 0
            self._send(payload)


class Sampler:
    """Keeps a share of events; the daemon is told the rate and multiplies."""

    def __init__(self, rate: float, *, random: Random) -> None:
        self.rate = rate
        self._random = random

    @property
    def suffix(self) -> str:
        """What a line says of the rate: `|@0.25`, or nothing."""
        return f"|@{stringify(self.rate)}" if self.rate < 1 else ""

    def keeps(self) -> bool:
        """Whether this event counts."""
        return self.rate >= 1 or self._random.random() < self.rate
