"""Whether one address of several is worth a call. Pure.

Theory of operation. An address is GOOD until it has failed a few times in a row (late, or away);
then it is SHUNNED: others are asked while there are any. After a pause one call tries it; if that
says nothing within another pause, one more does. Any answer makes it good again, and so does a
new connection. Unlike a breaker it refuses nothing: an address that is the only one is asked.
"""

from typing import Final

_FAILURES_IN_A_ROW: Final = 3
"""One late call is no news on a busy back end; each costs somebody's time."""
_PAUSE_S: Final = 5.0
"""Between tries; each may cost one caller its time, if the address is still stuck."""


class Standing:
    """What became of the last calls to one address."""

    __slots__ = ("_failures", "_try_at_s")

    def __init__(self) -> None:
        self._failures = 0
        self._try_at_s: float | None = None

    @property
    def is_good(self) -> bool:
        return self._try_at_s is None

    def may_be_tried(self, *, now_s: float) -> bool:
        """Whether it is shunned and a call should find out whether it still must be: this one."""
        if self._try_at_s is None or now_s < self._try_at_s:
            return False
        self._try_at_s = now_s + _PAUSE_S
        return True

    def answered(self) -> None:
        """A call was answered, or there is a new connection."""
        self._failures = 0
        self._try_at_s = None

    def failed(self, *, now_s: float) -> None:
        """A call was late, or nobody was there."""
        self._failures += 1
        if self._failures >= _FAILURES_IN_A_ROW:
            self._try_at_s = now_s + _PAUSE_S
