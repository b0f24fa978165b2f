"""Tokens of one quota and key that a client holds ahead of the requests that will need them.

Theory of operation. A pool is a FIFO of tokens, each part with the instant of its end, a sliding
count of what was asked lately, and a mode. It starts *open*: the server gave all that it was asked
for, or was never asked. An open pool that is empty lends itself what it asks for (*optimistic*
tokens) and settles at the answer, so that nobody waits. An answer with less than was asked for
*closes* it: then nothing is lent, and it asks one call at a time, with a pause between them. The
next full answer opens it again.

    draw      by a request: maybe begins a prefetch, then takes tokens
    answered  by whoever carried the prefetch out; every prefetch is answered once
    withdraw, receive   instead of `answered`: the tokens belong to another pool

Invariants: no part of the FIFO is below zero; `in_flight` is the number of prefetches not answered;
there are at most `max_parts` parts and as many prefetches under way.

Pure: times are whole milliseconds, of any one clock. Source: `QuotaPrefetch` of the C++ client of
Istio 1.0 to 1.3; `max_parts`, `max_prefetch`, `best_effort` and `may_ask` are ours.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple


@dataclass(frozen=True, slots=True)
class PoolSettings:
    """How far ahead a pool looks. The original compiled these in."""

    window_ms: int = 1_000
    """What was asked within the last so many milliseconds will be asked again."""
    window_slots: int = 20
    """The window moves on in steps of this part of it."""
    min_prefetch: int = 10
    max_prefetch: int = 2**31 - 1
    """Unless one request wants more. Any server and any language can tell such a number."""
    close_wait_ms: int = 500
    """Between two prefetches of a closed pool."""
    optimistic_life_ms: int = 60_000
    """Of tokens that are lent; also of those that nobody could be asked for."""
    max_parts: int = 64
    """Of the FIFO, and prefetches under way. An open pool usually has one or two."""


class Tokens:
    """One part of the FIFO: what came, or is expected, by one answer."""

    __slots__ = ("ends_ms", "left")

    def __init__(self, left: int, *, ends_ms: int) -> None:
        self.left = left
        self.ends_ms = ends_ms


@dataclass(frozen=True, slots=True, eq=False)
class Prefetch:
    """Tokens to ask the server for, best effort."""

    size: int
    lent: Tokens | None
    """The optimistic tokens, if there are any."""


class Draw(NamedTuple):
    """What a request got."""

    granted: int
    ends_ms: int
    """When the first of these tokens ends; now if there are none."""
    prefetch: Prefetch | None
    """To be begun now."""
    is_unbacked: bool = False
    """Granted without a token, because nobody may be asked for one."""


class SlidingCount:
    """A sum over the last `window_ms`, which moves on in whole slots."""

    __slots__ = ("_at", "_moved_ms", "_slot_ms", "_slots", "total")

    def __init__(self, settings: PoolSettings, *, now_ms: int) -> None:
        self._slot_ms = settings.window_ms // settings.window_slots
        self._slots = [0] * settings.window_slots
        self._at = 0
        self._moved_ms = now_ms
        self.total = 0

    def move(self, *, now_ms: int) -> None:
        """Forget what is out of the window."""
        steps = (now_ms - self._moved_ms) // self._slot_ms
        if steps <= 0:
            return
        slots = self._slots
        if steps >= len(slots):
            self._slots = [0] * len(slots)
            self._at, self._moved_ms, self.total = 0, now_ms, 0
            return
        for _ in range(steps):
            self._at = (self._at + 1) % len(slots)
            self.total -= slots[self._at]
            slots[self._at] = 0
        self._moved_ms += steps * self._slot_ms

    def add(self, amount: int) -> None:
        """To the slot of the last move."""
        self._slots[self._at] += amount
        self.total += amount


_NEVER_MS: Final = -(2**62)


class QuotaPool:
    """Single thread. `now_ms` never goes back."""

    __slots__ = ("_asked_ms", "_count", "_parts", "_settings", "in_flight", "is_open")

    def __init__(self, settings: PoolSettings, *, now_ms: int) -> None:
        self._settings = settings
        self._parts: list[Tokens] = []
        self._count = SlidingCount(settings, now_ms=now_ms)
        self._asked_ms = _NEVER_MS
        self.is_open = True
        self.in_flight = 0

    def available(self, *, now_ms: int) -> int:
        """Tokens that are good now."""
        available = 0
        for part in self._parts:
            if now_ms < part.ends_ms:
                available += part.left
        return available

    # ------------------------------------------------------------ by requests

    def draw(
        self, amount: int, *, best_effort: bool = False, may_ask: bool = True, now_ms: int
    ) -> Draw:
        """Take `amount` tokens, all or none; with `best_effort` as many as there are.

        `amount` is above 0. Where `may_ask` is false and an open pool is short of tokens, the
        request is granted all the same: a quota that cannot be asked for fails open.
        """
        available = self.available(now_ms=now_ms)
        prefetch = None
        size = self._wanted(amount, available, now_ms=now_ms)
        can_ask = may_ask and max(self.in_flight, len(self._parts)) < self._settings.max_parts
        if size and can_ask:
            prefetch = self._begin(size, is_lent=available == 0 and self.is_open, now_ms=now_ms)
            available += size if prefetch.lent else 0
        self._count.add(amount)
        taken = min(amount, available) if best_effort or amount <= available else 0
        if taken:
            return Draw(taken, self._take(taken, now_ms=now_ms), prefetch)
        self._drop_spent(now_ms=now_ms)
        if size and not can_ask and self.is_open:
            return Draw(amount, now_ms, None, is_unbacked=True)
        return Draw(0, now_ms, prefetch)

    def _wanted(self, amount: int, available: int, *, now_ms: int) -> int:
        """How much to ask for now; 0 for nothing."""
        settings = self._settings
        self._count.move(now_ms=now_ms)
        if not self.is_open:
            rests = now_ms - self._asked_ms < settings.close_wait_ms
            if self.in_flight or rests:
                return 0
        want = max(self._count.total, settings.min_prefetch)
        is_low = available < want // 2 and not self.in_flight
        if not is_low and available >= amount:
            return 0
        return max(amount, min(want, settings.max_prefetch))

    def _begin(self, size: int, *, is_lent: bool, now_ms: int) -> Prefetch:
        lent = None
        if is_lent:
            lent = Tokens(size, ends_ms=now_ms + self._settings.optimistic_life_ms)
            self._parts.append(lent)
        self._asked_ms = now_ms
        self.in_flight += 1
        return Prefetch(size, lent)

    def _take(self, amount: int, *, now_ms: int) -> int:
        """Take so many tokens, which there are; when the first of them ends."""
        ends_ms = None
        while amount:
            self._drop_spent(now_ms=now_ms)
            part = self._parts[0]
            taken = min(part.left, amount)
            part.left -= taken
            amount -= taken
            ends_ms = part.ends_ms if ends_ms is None else min(ends_ms, part.ends_ms)
        return now_ms if ends_ms is None else ends_ms

    def _drop_spent(self, *, now_ms: int) -> None:
        """Leave out parts at the head that have ended or are empty."""
        parts = self._parts
        while parts and (not parts[0].left or parts[0].ends_ms <= now_ms):
            parts.pop(0).left = 0

    # ------------------------------------------------------------ by answers

    def answered(
        self, prefetch: Prefetch, granted: int | None, *, life_ms: int, now_ms: int
    ) -> None:
        """The server grants so many tokens for `life_ms`; None: there was no answer.

        Without an answer all is granted. A server may grant more than it was asked for: as many as
        one likes.
        """
        if granted is None:
            granted, life_ms = prefetch.size, self._settings.optimistic_life_ms
        self.in_flight -= 1
        self.is_open = granted >= prefetch.size
        lent, more = prefetch.lent, granted
        if lent is not None:
            more = granted - prefetch.size
            self._remove(lent, -more)
            if lent.left:
                lent.ends_ms = now_ms + life_ms
        if more > 0:
            self._add(more, ends_ms=now_ms + life_ms, now_ms=now_ms)

    def withdraw(self, prefetch: Prefetch) -> int:
        """The answer is another pool's: how many of the lent tokens are spent already."""
        self.in_flight -= 1
        if prefetch.lent is None:
            return 0
        spent = prefetch.size - prefetch.lent.left
        prefetch.lent.left = 0
        return spent

    def receive(self, size: int, granted: int, *, spent: int, life_ms: int, now_ms: int) -> None:
        """Of `size` tokens that another pool asked for, `granted` came and `spent` are gone."""
        self.is_open = granted >= size
        if granted > spent:
            self._add(granted - spent, ends_ms=now_ms + life_ms, now_ms=now_ms)

    def _add(self, amount: int, *, ends_ms: int, now_ms: int) -> None:
        """Append tokens; where there is no room for a part, they join the last and end with it."""
        self._drop_spent(now_ms=now_ms)
        if len(self._parts) < self._settings.max_parts:
            self._parts.append(Tokens(amount, ends_ms=ends_ms))
            return
        last = self._parts[-1]
        last.left += amount
        last.ends_ms = min(last.ends_ms, ends_ms)

    def _remove(self, lent: Tokens, amount: int) -> None:
        """Take back what was lent and not granted: there, then from the head. The rest is gone."""
        for part in (lent, *self._parts):
            if amount <= 0:
                return
            taken = min(part.left, amount)
            part.left -= taken
            amount -= taken
