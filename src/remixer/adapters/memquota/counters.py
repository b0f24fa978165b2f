"""The two machines that count: a rolling window and a plain cell. Pure; time comes in as ticks.

Source: Mixer 1.3's memquota. Its window is a ring with one slot per tick, 864,000 of them for a
day; here only ticks in which something was taken have a slot, with the same answers.
"""

from collections import deque


class RollingWindow:
    """Amounts taken during the last `length` ticks.

    An amount taken in tick T is available again from tick T + `length` on.
    """

    __slots__ = ("_length", "_slots", "available")

    def __init__(self, *, max_amount: int, length: int) -> None:
        self.available = max_amount
        self._length = length
        self._slots: deque[tuple[int, int]] = deque()

    def roll(self, tick: int) -> None:
        """Give back what falls out of the window at `tick`."""
        slots = self._slots
        while slots and tick - slots[0][0] >= self._length:
            self.available += slots.popleft()[1]

    def take(self, amount: int, *, tick: int, best_effort: bool) -> int:
        """What was granted: all, or with best effort what is left, or 0."""
        slots = self._slots
        if slots and tick - slots[0][0] >= self._length:
            self.roll(tick)
        if amount > self.available:
            if not best_effort:
                return 0
            amount = self.available
        if amount:
            self.available -= amount
            if slots and slots[-1][0] >= tick:
                newest, before = slots[-1]
                slots[-1] = (newest, before + amount)
            else:
                slots.append((tick, amount))
        return amount

    def give_back(self, amount: int, *, tick: int) -> int:
        """What could be released, newest first."""
        self.roll(tick)
        left = amount
        while left and self._slots:
            newest, taken = self._slots.pop()
            if taken > left:
                self._slots.append((newest, taken - left))
                taken = left
            left -= taken
        self.available += amount - left
        return amount - left

    @property
    def is_free(self) -> bool:
        """Whether nothing is taken; true only after `roll`."""
        return not self._slots


class Cell:
    """An amount in use, until released."""

    __slots__ = ("_max_amount", "in_use")

    def __init__(self, *, max_amount: int) -> None:
        self._max_amount = max_amount
        self.in_use = 0

    def roll(self, _tick: int) -> None:
        """Time changes nothing."""

    def take(self, amount: int, *, tick: int, best_effort: bool) -> int:  # noqa: ARG002 - as a window's
        """What was granted: all, or with best effort what is left, or 0."""
        left = self._max_amount - self.in_use
        granted = amount if amount <= left else left if best_effort else 0
        self.in_use += granted
        return granted

    def give_back(self, amount: int, *, tick: int) -> int:  # noqa: ARG002 - as a window's
        """What could be released: at most what is in use."""
        released = min(amount, self.in_use)
        self.in_use -= released
        return released

    @property
    def is_free(self) -> bool:
        """Whether nothing is taken."""
        return self.in_use == 0
