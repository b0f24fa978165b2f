"""Entries on their way to a network: a bounded buffer, emptied in batches by one task.

Theory of operation. `put` runs on the event loop and never waits. Entries gather in the open
batch; what does not fit there, or comes while a batch is under way, waits in the queue, and what
does not fit there either is refused. The task sends the open batch when it is full, at every
interval, and at the end. A failed attempt is repeated after a growing, jittered pause, as often
as the limits allow; then the batch is given up and counted. `aclose` lets the task send what is
there, one attempt per batch, and gives up at the first failure or after a second.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final, Generic, TypeVar

from remixer.foundation.backoff import Backoff
from remixer.foundation.clock import Clock
from remixer.foundation.errors import RemixerError
from remixer.foundation.event_limit import EventLimit
from remixer.foundation.log import event_log

T = TypeVar("T")

_FLUSH_TIMEOUT_S: Final = 1.0  # below what a handler's close may take
_BACKOFF: Final = Backoff(first_s=0.5, longest_s=30.0)  # the bound also for what a peer asks for
_LOG_INTERVAL_S: Final = 10.0

_log: Final = event_log(__name__)


class SendError(RemixerError):
    """One attempt to send a batch failed; `str()` says why, without secrets.

    `after_s` is how long the peer asked to wait; 0 if it did not.
    """

    def __init__(self, reason: str, *, can_retry: bool, after_s: float = 0.0) -> None:
        super().__init__(reason)
        self.can_retry = can_retry
        self.after_s = after_s


class OutboxFullError(RemixerError):
    """There is no room; these entries are lost."""


@dataclass(frozen=True, slots=True)
class OutboxLimits:
    """Bounds of one outbox. `most_attempts` None: a batch is kept while the handler lives."""

    batch_entries: int
    batch_bytes: int
    queue_entries: int
    queue_bytes: int
    interval_s: float
    most_attempts: int | None = None


class Outbox(Generic[T]):
    """Entries of one handler for one peer.

    `send` makes one attempt for a batch and raises `SendError` if it failed. It is told the
    number of the attempt, from 1; until it succeeds or the batch is given up, the batch is the
    same. It bounds its own time.
    """

    def __init__(
        self,
        send: Callable[[Sequence[T], int], Awaitable[None]],
        *,
        limits: OutboxLimits,
        name: str,
        random: Random,
        clock: Clock,
    ) -> None:
        self._send = send
        self._limits = limits
        self._name = name
        self._random = random
        self._clock = clock
        self._open: list[T] = []
        self._open_bytes = 0
        self._queue: deque[tuple[T, int]] = deque()
        self._queue_bytes = 0
        self._is_sending = False
        self._due = asyncio.Event()
        self._closing = asyncio.Event()
        self._finished = asyncio.Event()
        self._log_limit = EventLimit(interval_s=_LOG_INTERVAL_S)
        self.sent = 0
        """Entries of batches that the peer took."""
        self.dropped = 0
        """Entries that were refused for lack of room, or given up."""

    @property
    def waiting(self) -> int:
        """Entries not sent yet, those under way included."""
        return len(self._open) + len(self._queue)

    def put(self, entry: T, *, size_bytes: int) -> bool:
        """Take one entry; False if it is dropped, for lack of room or as larger than a batch."""
        if not self._has_room(size_bytes):
            self.dropped += 1
            return False
        if self._queue or self._is_sending or not self._fits(size_bytes):
            self._queue.append((entry, size_bytes))
            self._queue_bytes += size_bytes
            if not self._is_sending:
                self._due.set()
        else:
            self._add(entry, size_bytes)
        return True

    def put_or_raise(self, entry: T, *, size_bytes: int, of: str) -> None:
        """As `put`; raises `OutboxFullError` that names the instance `of` which it was made."""
        if not self.put(entry, size_bytes=size_bytes):
            message = f"{of}: dropped, no room for it ({self.dropped} so far)"
            raise OutboxFullError(message)

    async def work(self) -> None:
        """Send what comes, until closed."""
        try:
            while not (self._closing.is_set() and self.waiting == 0):
                await self._until_due()
                if self._open:
                    await self._ship()
        finally:
            self._finished.set()

    async def aclose(self) -> None:
        """Send the rest, for a second at most; once or twice."""
        if self._closing.is_set():
            return
        self._closing.set()
        self._due.set()
        try:
            async with asyncio.timeout(_FLUSH_TIMEOUT_S):
                await self._finished.wait()
        except TimeoutError:
            self._abandon("the end came first")

    def _has_room(self, size_bytes: int) -> bool:
        limits = self._limits
        if self._closing.is_set() or size_bytes > limits.batch_bytes:
            return False
        if not self._queue and not self._is_sending and self._fits(size_bytes):
            return True
        return (
            len(self._queue) < limits.queue_entries
            and self._queue_bytes + size_bytes <= limits.queue_bytes
        )

    def _fits(self, size_bytes: int) -> bool:
        """Whether the open batch may take one more of this size."""
        return (
            len(self._open) < self._limits.batch_entries
            and self._open_bytes + size_bytes <= self._limits.batch_bytes
        )

    def _add(self, entry: T, size_bytes: int) -> None:
        self._open.append(entry)
        self._open_bytes += size_bytes
        if len(self._open) == self._limits.batch_entries:
            self._due.set()

    async def _until_due(self) -> None:
        try:
            async with asyncio.timeout(self._limits.interval_s):
                await self._due.wait()
        except TimeoutError:
            return
        finally:
            self._due.clear()

    async def _ship(self) -> None:
        """Send the open batch, or give it up; then open the next one."""
        self._is_sending = True
        try:
            await self._deliver()
        finally:
            self._is_sending = False
        self._refill()

    async def _deliver(self) -> None:
        attempt = 0
        while self._open:
            attempt += 1
            was_last = self._closing.is_set() or attempt == self._limits.most_attempts
            try:
                await self._send(self._open, attempt)
            except SendError as error:
                if not error.can_retry or (was_last and not self._closing.is_set()):
                    self._give_up(str(error))
                elif was_last:
                    self._abandon(str(error))
                else:
                    await self._pause(attempt, error)
            else:
                self.sent += len(self._open)
                self._clear()

    def _clear(self) -> None:
        self._open = []
        self._open_bytes = 0

    def _refill(self) -> None:
        while self._queue and self._fits(self._queue[0][1]):
            entry, size_bytes = self._queue.popleft()
            self._queue_bytes -= size_bytes
            self._add(entry, size_bytes)
        if self._queue or self._closing.is_set():
            self._due.set()

    async def _pause(self, attempt: int, error: SendError) -> None:
        pause_s = max(
            _BACKOFF.pause_s(attempt, self._random), min(error.after_s, _BACKOFF.longest_s)
        )
        held_back = self._log_limit.pass_now("again", now_s=self._clock.monotonic_s())
        if held_back is not None:
            _log.warning(
                "outbox_send_failed",
                outbox=self._name,
                reason=str(error),
                attempt=attempt,
                next_in_s=round(pause_s, 3),
                waiting=self.waiting,
                held_back=held_back,
            )
        try:
            async with asyncio.timeout(pause_s):
                await self._closing.wait()
        except TimeoutError:
            return

    def _give_up(self, reason: str) -> None:
        """Drop the open batch."""
        lost = len(self._open)
        self._clear()
        self.lose(lost, reason)

    def _abandon(self, reason: str) -> None:
        """Drop everything: the handler ends."""
        lost = self.waiting
        self._clear()
        self._queue.clear()
        self._queue_bytes = 0
        self.lose(lost, reason)

    def lose(self, entries: int, reason: str) -> None:
        """Count entries as dropped, and log it; for those that the peer itself refused too."""
        if entries == 0:
            return
        self.dropped += entries
        held_back = self._log_limit.pass_now("lost", now_s=self._clock.monotonic_s())
        if held_back is not None:
            _log.warning(
                "outbox_entries_dropped",
                outbox=self._name,
                entries=entries,
                reason=reason,
                dropped_so_far=self.dropped,
                held_back=held_back,
            )
