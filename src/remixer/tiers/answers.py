"""The answers that one process remembers: by place, then shape, then key.

A *place* is what chooses the rules of a request: its direction and namespace. Answers of a place
are forgotten together when the rules that made them change (`stamp`).
"""

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, replace
from random import Random
from typing import Final

from remixer.attributes.bag import Bag, Reference
from remixer.mixer.outcome import CheckOutcome, Provenance
from remixer.tiers.keys import Key, Shape
from remixer.tiers.memory import MemoryTable
from remixer.tiers.settings import CacheSettings

_NS_PER_S: Final = 1_000_000_000
_TEXT_BYTES: Final = 56  # of an empty text; its characters come on top
_VALUE_BYTES: Final = 64  # of any other value, with the tuple that tells its type
_UNLIMITED: Final = -1


class Entry:
    """An answer and how long it is good for. `outcome` is shared by all entries alike."""

    __slots__ = ("ends_s", "is_renewing", "outcome", "place", "renews_s", "uses")

    def __init__(
        self, outcome: CheckOutcome, *, place: "Place", ends_s: float, renews_s: float, uses: int
    ) -> None:
        self.outcome = outcome
        self.place = place
        self.ends_s = ends_s
        self.renews_s = renews_s
        self.uses = uses
        """Left; below zero for ever."""
        self.is_renewing = False


class Place:
    """The shapes seen at one place, the most useful first."""

    __slots__ = ("by_references", "name", "shapes", "stamp")

    def __init__(self, name: Hashable, stamp: object) -> None:
        self.name = name
        self.stamp = stamp
        self.shapes: list[Shape] = []
        self.by_references: dict[frozenset[Reference], Shape] = {}


@dataclass(slots=True)
class Found:
    """What a look-up came to. `entry` may have ended; then it can only stand in for a failure."""

    place: Place
    keys: tuple[Key, ...]
    """The request's key of every shape it may be of: equal tuples are probably one question."""
    key: Key | None = None
    entry: Entry | None = None


class Answers:
    """Single thread. Times are the caller's monotonic seconds."""

    def __init__(self, settings: CacheSettings, *, random: Random) -> None:
        self._settings = settings
        self._random = random
        self._places: dict[Hashable, Place] = {}
        self._serial = 0
        self._interned: dict[CheckOutcome, CheckOutcome] = {}
        self.table: MemoryTable[Entry] = MemoryTable(
            max_entries=settings.max_entries, max_bytes=settings.max_bytes
        )
        self.shapes_refused = 0
        """Answers not kept because their place has as many shapes as are allowed."""

    def find(self, bag: Bag, *, place: Hashable, stamp: object, now_s: float) -> Found:
        """Look a request up. An entry that still answers comes first, one that has ended else."""
        known = self._place(place, stamp)
        keys: list[Key] = []
        ended: tuple[Key, Entry] | None = None
        for shape in known.shapes:
            key = shape.key_of(bag)
            if key is None:
                continue
            keys.append(key)
            entry = self.table.get(key)
            if entry is None or entry.place is not known:
                continue
            if now_s < entry.ends_s and entry.uses:
                return Found(known, tuple(keys), key, entry)
            if now_s < entry.ends_s + self._settings.stale_for_s:
                ended = key, entry
        if ended is None:
            return Found(known, tuple(keys))
        return Found(known, tuple(keys), *ended)

    def learn(self, bag: Bag, outcome: CheckOutcome, *, place: Place, now_s: float) -> Entry | None:
        """Remember an answer for this request; None if it may not be, or cannot be."""
        life_s = min(outcome.valid_duration / _NS_PER_S, self._settings.max_age_s)
        if life_s <= 0 or not outcome.valid_use_count or place is not self._places.get(place.name):
            return None
        shape = self._shape(place, outcome.references)
        key = None if shape is None else shape.key_of(bag)
        if key is None:
            return None
        life_s *= 1.0 - self._settings.jitter * self._random.random()
        entry = Entry(
            self._shared(outcome),
            place=place,
            ends_s=now_s + life_s,
            renews_s=now_s + life_s * self._settings.refresh_at,
            uses=max(outcome.valid_use_count, _UNLIMITED),
        )
        self.table.put(key, entry, key_bytes=sum(map(_bytes_of, key)))
        return entry

    def drop(self, key: Key) -> None:
        """Forget one answer."""
        self.table.drop(key)

    def entries(self) -> Iterator[tuple[Shape, Key, Entry]]:
        """All that is remembered and still counts; change nothing meanwhile."""
        shapes = {shape.serial: shape for place in self._places.values() for shape in place.shapes}
        for key, entry in self.table.items():
            assert isinstance(key, tuple)  # noqa: S101 - `learn` made it
            shape = shapes.get(key[0])
            if shape is not None:
                yield shape, key, entry

    def clear(self) -> None:
        """Forget all."""
        self._places.clear()
        self._interned.clear()
        self.table.clear()

    @property
    def shapes(self) -> int:
        """How many shapes are known, of all places."""
        return sum(len(place.shapes) for place in self._places.values())

    def _place(self, name: Hashable, stamp: object) -> Place:
        known = self._places.get(name)
        if known is not None and (known.stamp is stamp or known.stamp == stamp):
            known.stamp = stamp  # equal ones need not be compared again
            return known
        if known is None and len(self._places) >= self._settings.max_places:
            del self._places[next(iter(self._places))]
        # Entries of the former rules are found by nobody any more, and leave in their turn.
        fresh = self._places[name] = Place(name, stamp)
        return fresh

    def _shape(self, place: Place, references: frozenset[Reference]) -> Shape | None:
        shape = place.by_references.get(references)
        if shape is not None:
            return shape
        if len(place.shapes) >= self._settings.max_shapes:
            self.shapes_refused += 1
            return None
        self._serial += 1
        shape = place.by_references[references] = Shape(references, serial=self._serial)
        place.shapes.append(shape)
        return shape

    def _shared(self, outcome: CheckOutcome) -> CheckOutcome:
        """One object for equal answers: most entries differ in nothing but their key."""
        plain = replace(outcome, quotas={}, provenance=Provenance.MEMORY)
        if len(self._interned) > self._settings.max_entries // 10 + 100:
            # Answers that are all different cannot be shared; forgetting costs memory, no more.
            self._interned.clear()
        return self._interned.setdefault(plain, plain)


def _bytes_of(part: object) -> int:
    return _TEXT_BYTES + len(part) if isinstance(part, str) else _VALUE_BYTES
