"""`python -m bench.eviction`: which keys to keep. Hit ratios of four policies over made traces.

Every trace is the same in every run. `s3-fifo` is the table that Remixer uses, bound included; the
others are written here, as their papers have them, with the fastest that Python has for each.
"""

import sys
import time
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate, islice
from random import Random
from typing import Protocol

from rich.console import Console
from rich.table import Table

from remixer.tiers.memory import MemoryTable

REQUESTS = 200_000
KEYS = 50_000
ROOMS = (0.01, 0.1)  # of the keys
_SEED = 20_17


class Policy(Protocol):
    """Remembers keys, within its room."""

    def ask(self, key: str) -> bool:
        """Whether `key` is remembered; if not, it is from now on."""
        ...


# ------------------------------------------------------------ policies


class S3Fifo:
    """The table in `remixer.tiers.memory`."""

    def __init__(self, room: int) -> None:
        self._table = MemoryTable(max_entries=room, max_bytes=1 << 40)

    def ask(self, key: str) -> bool:
        if self._table.slot_of(key) is not None:
            return True
        self._table.put(key)
        return False


class Fifo:
    """First in, first out: the floor."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._keys: OrderedDict[str, None] = OrderedDict()

    def ask(self, key: str) -> bool:
        keys = self._keys
        if key in keys:
            return True
        keys[key] = None
        if len(keys) > self._room:
            keys.popitem(last=False)
        return False


class Lru:
    """Least recently used."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._keys: OrderedDict[str, None] = OrderedDict()

    def ask(self, key: str) -> bool:
        keys = self._keys
        if key in keys:
            keys.move_to_end(key)
            return True
        keys[key] = None
        if len(keys) > self._room:
            keys.popitem(last=False)
        return False


class Sketch:
    """How often a key was asked for lately, at most 15, seldom too high: count-min, ageing."""

    def __init__(self, room: int) -> None:
        width = 1 << (4 * room - 1).bit_length()
        self._mask = width - 1
        self._rows = [bytearray(width) for _ in range(4)]
        self._left = self._sample = 10 * room

    def add(self, key: str) -> None:
        spread = hash(key)
        for row in self._rows:
            place = spread & self._mask
            if row[place] < 15:
                row[place] += 1
            spread = (spread * 0x9E3779B97F4A7C15 + 1) & 0xFFFFFFFFFFFFFFFF
            spread ^= spread >> 29
        self._left -= 1
        if not self._left:
            self._left = self._sample // 2
            self._rows = [row.translate(_HALVED) for row in self._rows]

    def count(self, key: str) -> int:
        spread = hash(key)
        least = 15
        for row in self._rows:
            least = min(least, row[spread & self._mask])
            spread = (spread * 0x9E3779B97F4A7C15 + 1) & 0xFFFFFFFFFFFFFFFF
            spread ^= spread >> 29
        return least


_HALVED = bytes(value // 2 for value in range(256))


class WTinyLfu:
    """A window of 1 % before a segmented LRU that a key enters by its frequency."""

    def __init__(self, room: int) -> None:
        self._window_room = max(1, room // 100)
        self._protected_room = (room - self._window_room) * 8 // 10
        self._probation_room = room - self._window_room - self._protected_room
        self._window: OrderedDict[str, None] = OrderedDict()
        self._probation: OrderedDict[str, None] = OrderedDict()
        self._protected: OrderedDict[str, None] = OrderedDict()
        self._sketch = Sketch(room)

    def ask(self, key: str) -> bool:
        self._sketch.add(key)
        if key in self._protected:
            self._protected.move_to_end(key)
            return True
        if key in self._probation:
            self._promote(key)
            return True
        if key in self._window:
            self._window.move_to_end(key)
            return True
        self._window[key] = None
        if len(self._window) > self._window_room:
            self._admit(self._window.popitem(last=False)[0])
        return False

    def _promote(self, key: str) -> None:
        del self._probation[key]
        self._protected[key] = None
        if len(self._protected) > self._protected_room:
            self._probation[self._protected.popitem(last=False)[0]] = None

    def _admit(self, key: str) -> None:
        main_room = self._probation_room + self._protected_room
        if len(self._probation) + len(self._protected) < main_room:
            self._probation[key] = None
            return
        victim = next(iter(self._probation), None)
        if victim is not None and self._sketch.count(key) > self._sketch.count(victim):
            del self._probation[victim]
            self._probation[key] = None


POLICIES: dict[str, Callable[[int], Policy]] = {
    "fifo": Fifo,
    "lru": Lru,
    "s3-fifo": S3Fifo,
    "w-tinylfu": WTinyLfu,
}


# ------------------------------------------------------------ traces


def zipf(skew: float) -> Iterator[int]:
    """Key n is asked for in proportion to 1 / n ** skew."""
    draw = Random(_SEED)  # noqa: S311 - the same trace each time
    weights = list(accumulate(1 / rank**skew for rank in range(1, KEYS + 1)))
    while True:
        yield bisect_left(weights, draw.random() * weights[-1])


def with_scans() -> Iterator[int]:
    """Zipf 0.9; every 20,000 requests somebody goes through 10,000 keys that nobody else wants."""
    ordinary = zipf(0.9)
    first = KEYS
    while True:
        yield from islice(ordinary, 20_000)
        yield from range(first, first + 10_000)
        first += 10_000


def loop() -> Iterator[int]:
    """6,000 keys in a ring: a little more than the larger room, at which an LRU finds nothing."""
    while True:
        yield from range(6_000)


def moving() -> Iterator[int]:
    """Zipf 1.0, whose favourites are others every 25,000 requests."""
    ordinary = zipf(1.0)
    shift = 0
    while True:
        yield from ((key + shift) % KEYS for key in islice(ordinary, 25_000))
        shift += 1_000


def mesh() -> Iterator[int]:
    """Like a mesh's checks: callers of services come and go, some keys are used once.

    Of ten requests six are of a caller and service by Zipf, three of a session that asks on for a
    while, one has something in its key that never recurs.
    """
    draw = Random(_SEED)  # noqa: S311 - the same trace each time
    pairs = zipf(0.8)
    sessions: list[int] = [KEYS]
    fresh = KEYS + 1
    while True:
        kind = draw.randrange(10)
        if kind < 6:
            yield next(pairs)
        elif kind < 9:
            if draw.random() < 0.05 or not sessions:
                sessions.append(fresh)
                fresh += 1
                if len(sessions) > 200:
                    sessions.pop(draw.randrange(200))
            yield draw.choice(sessions)
        else:
            yield fresh
            fresh += 1


TRACES: dict[str, Callable[[], Iterator[int]]] = {
    "zipf 0.6": lambda: zipf(0.6),
    "zipf 0.8": lambda: zipf(0.8),
    "zipf 1.0": lambda: zipf(1.0),
    "zipf 1.2": lambda: zipf(1.2),
    "zipf 0.9 with scans": with_scans,
    "loop": loop,
    "moving favourites": moving,
    "mesh": mesh,
}


# ------------------------------------------------------------ the table


def hits(policy: Policy, trace: Iterable[str]) -> int:
    return sum(map(policy.ask, trace))


def main() -> int:
    """Run and print."""
    console = Console()
    table = Table("trace", "room", *POLICIES, title="hits, %")
    spent_s = dict.fromkeys(POLICIES, 0.0)
    runs = 0
    for name, make in TRACES.items():
        keys = [f"key-{number}" for number in islice(make(), REQUESTS)]
        for share in ROOMS:
            room = int(KEYS * share)
            ratios: dict[str, float] = {}
            for policy, new in POLICIES.items():
                begun = time.process_time()
                ratios[policy] = hits(new(room), keys) / REQUESTS
                spent_s[policy] += time.process_time() - begun
            best = max(ratios.values())
            cells = (_cell(ratio, is_best=ratio > best - 0.0005) for ratio in ratios.values())
            table.add_row(name, f"{room:,}", *cells)
            runs += 1
    cost = (f"{spent / runs / REQUESTS * 1e6:.2f}" for spent in spent_s.values())
    table.add_section()
    table.add_row("CPU µs per request", "", *cost)
    console.print(table)
    return 0


def _cell(ratio: float, *, is_best: bool) -> str:
    text = f"{ratio * 100:.1f}"
    return f"[bold]{text}[/bold]" if is_best else text


if __name__ == "__main__":
    sys.exit(main())
