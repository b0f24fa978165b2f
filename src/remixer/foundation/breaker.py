"""When to stop calling a back end that fails, and when to try it again. Pure.

Theory of operation. CLOSED: calls pass and are counted. Too many failures in a row, or too
large a share of them within a window, move to OPEN: calls are refused at once. After a pause
the next call passes as a probe (HALF_OPEN) while others are still refused; its success closes
the breaker, its failure opens it again for twice the pause, up to a bound. Who learns that the
back end may be there again cuts the pause short (`may_probe`). A probe that ends without a
verdict (the caller gave up) hands the chance to the next call. Verdicts of calls that began
before the last move count for nothing: they tell of the past.
"""

from dataclasses import dataclass
from enum import Enum
from math import inf
from typing import Final

from remixer.foundation.status import Code

_FAILURES: Final = frozenset({Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED})
"""The back end is away or too slow. Any other code is an answer: it lives."""


def is_failure(code: Code) -> bool:
    """Whether a call that ended with `code` speaks against the back end."""
    return code in _FAILURES


class BreakerState(Enum):
    """See the module."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True)
class BreakerLimits:
    """When a breaker opens, and for how long."""

    failures_in_a_row: int = 5
    window_s: float = 10.0
    calls_in_window: int = 20
    """Fewer tell nothing about a share."""
    failed_share: float = 0.5
    first_pause_s: float = 1.0
    longest_pause_s: float = 5.0
    """A back end that is back should not wait longer to be found: one call each 5 s costs nothing."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The breaker lets nothing pass for `retry_after_s`; 0: a probe is under way."""

    retry_after_s: float


@dataclass(frozen=True, slots=True)
class Permit:
    """Leave to make one call; to be handed back with its result."""

    era: int
    is_probe: bool


class Breaker:
    """One back end's breaker. `enter`, then exactly one of `succeeded`, `failed`, `abandoned`."""

    __slots__ = (
        "_era",
        "_failed",
        "_in_a_row",
        "_limits",
        "_opened_at_s",
        "_ordinary",
        "_pause_s",
        "_total",
        "_window_began_s",
        "state",
    )

    def __init__(self, limits: BreakerLimits) -> None:
        self._limits = limits
        self._era = 0
        self.state = BreakerState.CLOSED
        self._pause_s = limits.first_pause_s
        self._opened_at_s = 0.0
        self._window_began_s = 0.0
        self._total = self._failed = self._in_a_row = 0
        self._ordinary = Permit(self._era, is_probe=False)

    def enter(self, *, now_s: float) -> Permit | Refused:
        """Ask to make a call."""
        if self.state is BreakerState.CLOSED:
            return self._ordinary
        if self.state is BreakerState.HALF_OPEN:
            return Refused(0.0)
        left_s = self._opened_at_s + self._pause_s - now_s
        if left_s > 0:
            return Refused(left_s)
        self._move(BreakerState.HALF_OPEN)
        return Permit(self._era, is_probe=True)

    def succeeded(self, permit: Permit, *, now_s: float) -> None:
        if permit.era != self._era:
            return
        if permit.is_probe:
            self._pause_s = self._limits.first_pause_s
            self._close(now_s=now_s)
            return
        self._in_a_row = 0
        self._count(now_s)

    def failed(self, permit: Permit, *, now_s: float) -> None:
        if permit.era != self._era:
            return
        if permit.is_probe:
            self._pause_s = min(self._pause_s * 2, self._limits.longest_pause_s)
            self._open(now_s)
            return
        self._in_a_row += 1
        self._count(now_s)
        self._failed += 1
        if self._is_too_much():
            self._open(now_s)

    def abandoned(self, permit: Permit) -> None:
        """The call ended without telling anything about the back end."""
        if permit.era == self._era and permit.is_probe:
            # The pause is over already: the next call is the probe.
            self._move(BreakerState.OPEN)

    def may_probe(self) -> None:
        """There is hope: if it is open, the next call is the probe, whatever is left of the pause."""
        if self.state is BreakerState.OPEN:
            self._opened_at_s = -inf

    def _count(self, now_s: float) -> None:
        if now_s - self._window_began_s >= self._limits.window_s:
            self._window_began_s, self._total, self._failed = now_s, 0, 0
        self._total += 1

    def _is_too_much(self) -> bool:
        limits = self._limits
        if self._in_a_row >= limits.failures_in_a_row:
            return True
        enough = self._total >= limits.calls_in_window
        return enough and self._failed >= limits.failed_share * self._total

    def _open(self, now_s: float) -> None:
        self._opened_at_s = now_s
        self._move(BreakerState.OPEN)

    def _close(self, *, now_s: float) -> None:
        self._in_a_row = self._total = self._failed = 0
        self._window_began_s = now_s
        self._move(BreakerState.CLOSED)
        # One object for all calls of this era: a call that passes costs no allocation.
        self._ordinary = Permit(self._era, is_probe=False)

    def _move(self, state: BreakerState) -> None:
        self.state = state
        self._era += 1


class RetryBudget:
    """Keeps retries from doubling the load of a back end that is in trouble.

    A failure costs one token, a success gives a tenth back; retries need more than half of them.
    Source: retry throttling of gRPC (gRFC A6).
    """

    __slots__ = ("_most", "_tokens")

    def __init__(self, *, most: float = 10.0) -> None:
        self._most = most
        self._tokens = most

    @property
    def allows_retry(self) -> bool:
        return self._tokens > self._most / 2

    def succeeded(self) -> None:
        if self._tokens < self._most:
            self._tokens = min(self._most, self._tokens + 0.1)

    def failed(self) -> None:
        self._tokens = max(0.0, self._tokens - 1.0)
