"""A bounded table in memory that keeps what is in demand: S3-FIFO.

Theory of operation. New entries enter a *small* queue of a tenth of the room. At its end, those
that were asked for meanwhile move to the *main* queue, the others go, and their keys are remembered
for a while as *ghosts*: a ghost that comes back enters the main queue at once. At the end of the
main queue an entry that was asked for goes round again, up to three times. So a scan of keys that
nobody asks for twice passes through a tenth of the room and leaves the rest alone; and a hit
changes one small number, where an LRU moves links.

Source: "FIFO queues are all you need for cache eviction", SOSP 2023.
"""

from collections import deque
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

_SMALL_SHARE: Final = 10  # one part in ten
_MOST_ROUNDS: Final = 3
ENTRY_BYTES: Final = 250
"""What an entry takes beside its key: itself, its places in table and queue. Measured."""

V = TypeVar("V")


class Slot(Generic[V]):
    """One entry's place."""

    __slots__ = ("is_gone", "is_main", "key", "rounds", "size", "value")

    def __init__(self, key: Hashable, value: V, size: int, *, is_main: bool) -> None:
        self.key = key
        self.value = value
        self.size = size
        self.rounds = 0
        """How often it was asked for since it last passed the end of its queue; at most 3."""
        self.is_main = is_main
        self.is_gone = False


@dataclass(slots=True)
class MemoryCounts:
    """What became of entries."""

    inserted: int = 0
    evicted: int = 0
    promoted: int = 0


class MemoryTable(Generic[V]):
    """Entries by key, at most so many and so large. Single thread."""

    def __init__(self, *, max_entries: int, max_bytes: int) -> None:
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._slots: dict[Hashable, Slot[V]] = {}
        self._small: deque[Slot[V]] = deque()
        self._main: deque[Slot[V]] = deque()
        self._small_entries = 0
        self._ghosts: dict[Hashable, None] = {}
        self._bytes = 0
        self.counts = MemoryCounts()

    def __len__(self) -> int:
        return len(self._slots)

    @property
    def bytes(self) -> int:
        """Of keys and entries, estimated; values that entries share are not counted."""
        return self._bytes

    def get(self, key: Hashable) -> V | None:
        """The value; counts as demand."""
        slot = self._slots.get(key)
        if slot is None:
            return None
        if slot.rounds < _MOST_ROUNDS:
            slot.rounds += 1
        return slot.value

    def put(self, key: Hashable, value: V, *, key_bytes: int) -> None:
        """Insert or replace; whatever must go for it, goes."""
        size = key_bytes + ENTRY_BYTES
        slot = self._slots.get(key)
        if slot is not None:
            self._bytes += size - slot.size
            slot.value, slot.size = value, size
        else:
            if size > self._max_bytes:
                return
            is_main = self._ghosts.pop(key, self) is None
            slot = Slot(key, value, size, is_main=is_main)
            self._slots[key] = slot
            (self._main if is_main else self._small).append(slot)
            self._small_entries += not is_main
            self._bytes += size
            self.counts.inserted += 1
        while len(self._slots) > self._max_entries or self._bytes > self._max_bytes:
            self._evict()

    def drop(self, key: Hashable) -> bool:
        """Remove; whether it was there."""
        slot = self._slots.pop(key, None)
        if slot is None:
            return False
        self._forget(slot)
        self._compact()
        return True

    def clear(self) -> None:
        """Remove all."""
        self._slots.clear()
        self._small.clear()
        self._main.clear()
        self._ghosts.clear()
        self._small_entries = self._bytes = 0

    def items(self) -> Iterator[tuple[Hashable, V]]:
        """All entries; change nothing meanwhile."""
        for key, slot in self._slots.items():
            yield key, slot.value

    def _evict(self) -> None:
        """One step: an entry leaves, moves to the main queue, or goes round it again."""
        if self._small_entries * _SMALL_SHARE >= len(self._slots) or not self._main:
            self._step_small()
        else:
            self._step_main()

    def _step_small(self) -> None:
        slot = self._small.popleft()
        if slot.is_gone:
            return
        self._small_entries -= 1
        if slot.rounds:
            slot.rounds = 0
            slot.is_main = True
            self._main.append(slot)
            self.counts.promoted += 1
            return
        slot.is_main = True  # so that it is not counted as small once more
        self._remove(slot)
        self._ghosts[slot.key] = None
        if len(self._ghosts) > len(self._slots):
            del self._ghosts[next(iter(self._ghosts))]

    def _step_main(self) -> None:
        slot = self._main.popleft()
        if slot.is_gone:
            return
        if slot.rounds:
            slot.rounds -= 1
            self._main.append(slot)
        else:
            self._remove(slot)

    def _remove(self, slot: Slot[V]) -> None:
        del self._slots[slot.key]
        self._forget(slot)
        self.counts.evicted += 1

    def _forget(self, slot: Slot[V]) -> None:
        slot.is_gone = True
        self._bytes -= slot.size
        self._small_entries -= not slot.is_main

    def _compact(self) -> None:
        """Queues must not grow by what was dropped from their middle."""
        waiting = len(self._small) + len(self._main)
        if waiting > 2 * len(self._slots) + _SMALL_SHARE:
            self._small = deque(slot for slot in self._small if not slot.is_gone)
            self._main = deque(slot for slot in self._main if not slot.is_gone)
