"""The memory of answers already given, so that a repeated call is not counted twice."""

from collections import OrderedDict
from typing import Final, TypeAlias

from remixer.adapters.memquota.keys import KeyPart

MOST_IDS: Final = 100_000
"""Per generation: twice the calls that one process answers in the default second."""


GivenAnswer: TypeAlias = tuple[int, int]
"""An amount, and until when it holds on the caller's nanosecond clock.

A plain tuple of numbers: the garbage collector need not look at 200,000 of them.
"""


class Replays:
    """Answers by de-duplication id, in two generations.

    Every `period_ns` the younger generation becomes the older one and the older is dropped: an
    id is known for one to two periods. Denials are remembered as well.
    """

    __slots__ = ("_next_turn_ns", "_old", "_period_ns", "_recent")

    def __init__(self, *, period_ns: int, now_ns: int) -> None:
        self._period_ns = period_ns
        self._next_turn_ns = now_ns + period_ns
        # Ordered: the first key of a dict that lost many is found only after all that are gone.
        self._recent: OrderedDict[KeyPart, GivenAnswer] = OrderedDict()
        self._old: OrderedDict[KeyPart, GivenAnswer] = OrderedDict()

    def find(self, deduplication_id: KeyPart, *, now_ns: int) -> GivenAnswer | None:
        """The answer given before, if it is still known."""
        if now_ns >= self._next_turn_ns:
            self._turn(now_ns)
        return self._recent.get(deduplication_id) or self._old.get(deduplication_id)

    def remember(self, deduplication_id: KeyPart, answer: GivenAnswer) -> None:
        """Keep `answer`; at the limit the oldest of this generation is forgotten."""
        if len(self._recent) >= MOST_IDS:
            self._recent.popitem(last=False)
        self._recent[deduplication_id] = answer

    def __len__(self) -> int:
        return len(self._recent) + len(self._old)

    def _turn(self, now_ns: int) -> None:
        turns = 1 + (now_ns - self._next_turn_ns) // self._period_ns
        self._old = self._recent if turns == 1 else OrderedDict()
        self._recent = OrderedDict()
        self._next_turn_ns += turns * self._period_ns
