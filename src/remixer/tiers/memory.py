"""A bounded table of keys in memory that keeps what is in demand: S3-FIFO.

Theory of operation. A key sits at a *slot*, a small number; who keeps something by key keeps it in
a column, at that slot. New keys enter a *small* queue of a tenth of the room. At its end, those that
were asked for meanwhile move to the *main* queue, the others go, and their hashes are remembered for
a while as *ghosts*: a ghost that comes back enters the main queue at once. At the end of the main
queue a key that was asked for goes round again, up to three times. So a scan of keys that nobody
asks for twice passes through a tenth of the room and leaves the rest alone; and a hit changes one
small number, where an LRU moves links.

Nothing here stops the process for long, at a million keys: tables are many small dicts, because
growing one large dict takes 60 ms; all columns are arrays and all keys texts, which the garbage
collector need not visit (a million small objects cost it 140 ms each time); and one eviction takes
a bounded number of steps, however many keys are in demand.

Source: "FIFO queues are all you need for cache eviction", SOSP 2023. The bound is ours.
"""

import sys
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_SMALL_SHARE: Final = 10  # one part in ten
_MOST_ROUNDS: Final = 3
_MOST_STEPS: Final = 100  # of one eviction; after that demand counts no more
_SHARD_KEYS: Final = 8_192  # a dict of so many grows in half a millisecond
_MOST_SHARDS: Final = 1_024
_ROWS_AT_ONCE: Final = 256
"""Slots that are added together when none is free: one by one costs a microsecond each."""
_LARGEST_PART: Final = 100  # one entry may fill a hundredth of the room
_NOWHERE: Final = -1

ENTRY_BYTES: Final = 150
"""What an entry takes beside its key: its places in dicts and columns. Measured, rounded up."""


@dataclass(slots=True)
class MemoryCounts:
    """What became of keys."""

    inserted: int = 0
    evicted: int = 0
    promoted: int = 0


class _Links:
    """A ring of slots for each queue: both neighbours of every slot."""

    __slots__ = ("after", "before")

    def __init__(self) -> None:
        self.after = array("i")
        self.before = array("i")


class _Queue:
    """Slots in the order of their coming. A slot is in one queue at a time."""

    __slots__ = ("_after", "_before", "first", "last", "length")

    def __init__(self, links: _Links) -> None:
        self._after = links.after
        self._before = links.before
        self.first = self.last = _NOWHERE
        self.length = 0

    def append(self, slot: int) -> None:
        last, after = self.last, self._after
        self._before[slot] = last
        after[slot] = _NOWHERE
        if last == _NOWHERE:
            self.first = slot
        else:
            after[last] = slot
        self.last = slot
        self.length += 1

    def remove(self, slot: int) -> None:
        before, after = self._before[slot], self._after[slot]
        if before == _NOWHERE:
            self.first = after
        else:
            self._after[before] = after
        if after == _NOWHERE:
            self.last = before
        else:
            self._before[after] = before
        self.length -= 1


class Ghosts:
    """Hashes of keys that were evicted lately: each until another one needs its row."""

    __slots__ = ("_mask", "_rows")

    def __init__(self, rows: int) -> None:
        """`rows` is a power of two."""
        self._mask = rows - 1
        self._rows = array("q", bytes(8 * rows))

    def add(self, key_hash: int) -> None:
        self._rows[key_hash & self._mask] = key_hash

    def take(self, key_hash: int) -> bool:
        """Whether it is one; then it is none any more."""
        row = key_hash & self._mask
        if self._rows[row] != key_hash:
            return False
        self._rows[row] = 0
        return True


class MemoryTable:
    """Slots by key, at most so many and so large. Single thread."""

    def __init__(
        self, *, max_entries: int, max_bytes: int, counts: MemoryCounts | None = None
    ) -> None:
        """`counts`: those of the table that this one follows."""
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._max_entry_bytes = min(max_bytes // _LARGEST_PART, 2**31)
        shards = min(_power_of_two(max_entries // _SHARD_KEYS), _MOST_SHARDS)
        self._mask = shards - 1
        self._shards: tuple[dict[str, int], ...] = tuple({} for _ in range(shards))
        self._keys: list[dict[int, str]] = []
        """By slot, in blocks; "" or none of those that are free. No lists: a collection would visit
        each of their items."""
        self._entry_bytes = array("I")
        self._rounds = bytearray()
        """By slot: how often its key was asked for since it passed the end of its queue, to 3."""
        self._is_main = bytearray()
        self._free = array("I")
        links = _Links()
        self._links = links
        self._small = _Queue(links)
        self._main = _Queue(links)
        self._ghosts = Ghosts(_power_of_two(max_entries))
        self._bytes = 0
        self.counts = counts or MemoryCounts()

    def __len__(self) -> int:
        return self._small.length + self._main.length

    @property
    def bytes(self) -> int:
        """Of keys and what is kept by them, estimated."""
        return self._bytes

    @property
    def slots(self) -> int:
        """Slots in use and free; columns need so many rows."""
        return len(self._rounds)

    def slot_of(self, key: str) -> int | None:
        """Where `key` is; counts as demand."""
        slot = self._shards[hash(key) & self._mask].get(key)
        if slot is not None and self._rounds[slot] < _MOST_ROUNDS:
            self._rounds[slot] += 1
        return slot

    def key_at(self, slot: int) -> str:
        """The key at a slot in use; "" at one that is free."""
        return self._keys[slot // _SHARD_KEYS].get(slot, "")

    def put(self, key: str, *, extra_bytes: int = 0) -> int | None:
        """The slot of `key`, new or as it was; whatever must go for it, goes.

        `extra_bytes` are those of what is kept there. None if it is too large.
        """
        size = sys.getsizeof(key) + ENTRY_BYTES + extra_bytes
        if size > self._max_entry_bytes or self._max_entries < 1:
            self.drop(key)
            return None
        key_hash = hash(key)
        shard = self._shards[key_hash & self._mask]
        slot = shard.get(key)
        if slot is None:
            slot = self._new_row(key, key_hash, size)
            shard[key] = slot
            return slot
        self._bytes += size - self._entry_bytes[slot]
        self._entry_bytes[slot] = size
        while self._bytes > self._max_bytes:
            self._evict()
        return shard.get(key)

    def drop(self, key: str) -> bool:
        """Remove; whether it was there."""
        slot = self._shards[hash(key) & self._mask].get(key)
        if slot is None:
            return False
        self._remove(slot)
        return True

    def entries(self, first: int, end: int) -> Iterator[tuple[int, str]]:
        """Slots in use from `first` to before `end`, and their keys."""
        for slot in range(first, min(end, self.slots)):
            key = self.key_at(slot)
            if key:
                yield slot, key

    # ------------------------------------------------------------ inside

    def _new_row(self, key: str, key_hash: int, size: int) -> int:
        """A slot for a key that has none."""
        # First, because what must go for this key may take its row.
        is_main = self.counts.evicted > 0 and self._ghosts.take(key_hash)
        queue = self._main if is_main else self._small
        used = self._small.length + self._main.length
        if used >= self._max_entries or self._bytes + size > self._max_bytes:
            self._make_room(size)
        if not self._free:
            self._add_slots()
        slot = self._free.pop()
        self._keys[slot // _SHARD_KEYS][slot] = key
        self._entry_bytes[slot] = size
        self._rounds[slot] = 0
        self._is_main[slot] = is_main
        queue.append(slot)
        self._bytes += size
        self.counts.inserted += 1
        return slot

    def _make_room(self, size: int) -> None:
        while len(self) >= self._max_entries or self._bytes + size > self._max_bytes:
            self._evict()

    def _add_slots(self) -> None:
        """More of them, free; the lowest is given out first."""
        first = len(self._rounds)
        if first % _SHARD_KEYS == 0:
            self._keys.append({})
        # Blocks of keys have a multiple of these, so that new slots are all in the last one.
        count = max(1, min(_ROWS_AT_ONCE, self._max_entries - first))
        self._rounds.extend(bytes(count))
        self._is_main.extend(bytes(count))
        add_zeros(self._entry_bytes, count)
        add_zeros(self._links.after, count)
        add_zeros(self._links.before, count)
        self._free.extend(range(first + count - 1, first - 1, -1))

    def _evict(self) -> None:
        """One key leaves; those in demand before it move to the main queue, or to its end."""
        small, main, rounds = self._small, self._main, self._rounds
        for _ in range(_MOST_STEPS):
            is_small = small.length * _SMALL_SHARE >= len(self) or not main.length
            slot = small.first if is_small else main.first
            if not rounds[slot]:
                break
            if is_small:
                small.remove(slot)
                rounds[slot] = 0
                self._is_main[slot] = True
                self.counts.promoted += 1
            else:
                main.remove(slot)
                rounds[slot] -= 1
            main.append(slot)
        self._evict_next()

    def _evict_next(self) -> None:
        small = self._small
        is_small = small.length * _SMALL_SHARE >= len(self) or not self._main.length
        slot = small.first if is_small else self._main.first
        if is_small:
            self._ghosts.add(hash(self.key_at(slot)))
        self._remove(slot)
        self.counts.evicted += 1

    def _remove(self, slot: int) -> None:
        of_block = self._keys[slot // _SHARD_KEYS]
        key = of_block[slot]
        of_block[slot] = ""
        del self._shards[hash(key) & self._mask][key]
        (self._main if self._is_main[slot] else self._small).remove(slot)
        self._bytes -= self._entry_bytes[slot]
        self._free.append(slot)


def add_zeros(column: "array[int] | array[float]", count: int) -> None:
    """At the end, all at once: number by number takes many times as long."""
    column.frombytes(bytes(count * column.itemsize))


def _power_of_two(least: int) -> int:
    return 1 << max(0, least - 1).bit_length()
