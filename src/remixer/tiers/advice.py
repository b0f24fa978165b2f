"""What a recorded trace says of the cache: hits by size and lifetime, and what costs the most hits.

Theory of operation. The trace is played against small copies of the real table: of all keys a part
is taken by its digest, and a copy of that part of the size stands for the whole. So the curve is
that of the policy which really evicts, for the work of a few thousand checks per point.

What an attribute costs is told by taking it out of the keys: how many checks of its shape would then
have found an answer that was made for the same other values. That an answer would be right without
the attribute is for the operator to know.

Source: "Cache modeling and optimization using miniature simulations", ATC 2017; spatial sampling as
in "Efficient MRC construction with SHARDS", FAST 2015.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from remixer.tiers.memory import MemoryTable
from remixer.tiers.trace import TracedCheck, TracedShape

TTL_CAPS_S: Final[tuple[float, ...]] = (1.0, 5.0, 15.0, 60.0, 300.0)
_ENOUGH_KEYS: Final = 4_000
"""Of the sample. More would not move a point by one part in a hundred."""
_FEWEST_KEYS: Final = 1_000
_ENOUGH_CHECKS: Final = 40_000
"""What keeps the whole at a few seconds."""
_FEWEST_SLOTS: Final = 16
"""A copy of fewer entries does not behave like the whole."""
_GOOD_ENOUGH: Final = 0.95
_DIGEST_SPACE: Final = 1 << 32
_SMALLEST: Final = 64
_UNBOUNDED: Final = 1 << 62


@dataclass(frozen=True, slots=True)
class Point:
    """Hits of all checks, with so many entries. `ratio` from 0 to 1."""

    entries: int
    ratio: float


@dataclass(frozen=True, slots=True)
class Curve:
    """`ttl_cap_s` None: answers live as long as they may."""

    ttl_cap_s: float | None
    points: tuple[Point, ...]

    @property
    def best(self) -> float:
        return max((point.ratio for point in self.points), default=0.0)


@dataclass(frozen=True, slots=True)
class Cost:
    """How many more of all checks would be hits if keys went without an attribute."""

    attribute: str
    place: str
    ratio: float
    values: int
    """How many different ones there were."""


@dataclass(frozen=True, slots=True)
class Advice:
    """All that is told."""

    checks: int
    keys: int
    hit_ratio: float
    """As it was while recording."""
    sampled: float
    """The part of the keys that the curves come of."""
    curves: tuple[Curve, ...]
    """Without a cap first."""
    entries: int
    """The fewest with which hits come to 95 % of the best; 0 without checks."""
    costs: tuple[Cost, ...]
    """The dearest first."""


def advise(checks: Sequence[TracedCheck], *, most_costs: int = 10) -> Advice:
    """Advice from checks in order of time."""
    keys = {check.digest for check in checks}
    part = _part_of(len(keys), len(checks))
    taken = [check for check in checks if _position(check.digest) < part]
    sample = _Sample(taken, part, len(checks))
    sizes = tuple(_sizes(len(keys)))
    caps: tuple[float | None, ...] = (None, *_useful_caps(checks))
    curves = tuple(Curve(cap, tuple(sample.curve(sizes, cap))) for cap in caps)
    return Advice(
        checks=len(checks),
        keys=len(keys),
        hit_ratio=sum(check.is_hit for check in checks) / len(checks) if checks else 0.0,
        sampled=part,
        curves=curves,
        entries=_fewest(curves[0]),
        costs=tuple(_costs(checks))[:most_costs],
    )


def _part_of(keys: int, checks: int) -> float:
    """Of the keys: no more than is needed, and fewer, down to a bound, where checks are many."""
    enough = min(1.0, _ENOUGH_KEYS / max(1, keys), _ENOUGH_CHECKS / max(1, checks))
    return max(enough, min(1.0, _FEWEST_KEYS / max(1, keys)))


def hits_with(
    checks: Iterable[TracedCheck], *, entries: int, ttl_cap_s: float | None = None
) -> int:
    """How many would have been hits with a table of so many entries."""
    table = MemoryTable(max_entries=entries, max_bytes=_UNBOUNDED)
    ends_s: dict[int, float] = {}  # by slot
    hits = 0
    for check in checks:
        key = check.digest.hex()
        slot = table.slot_of(key)
        if slot is not None and check.at_s < ends_s[slot]:
            hits += 1
            continue
        slot = table.put(key)
        life_s = check.life_s if ttl_cap_s is None else min(check.life_s, ttl_cap_s)
        if slot is not None:
            ends_s[slot] = check.at_s + life_s
    return hits


@dataclass(frozen=True, slots=True)
class _Sample:
    """Checks of a part of the keys, to stand for `all_checks`."""

    checks: Sequence[TracedCheck]
    part: float
    all_checks: int

    def curve(self, sizes: Iterable[int], cap: float | None) -> Iterator[Point]:
        for size in sizes:
            slots = round(size * self.part)
            if slots >= min(_FEWEST_SLOTS, size):
                hits = hits_with(self.checks, entries=slots, ttl_cap_s=cap)
                yield Point(size, self._ratio(hits))

    def _ratio(self, hits: int) -> float:
        """Of all checks.

        How many checks fall into the sample hangs on whether the few keys of the most demand do.
        What is too much or too little is theirs, and theirs are hits: SHARDS' own correction.
        """
        expected = self.all_checks * self.part
        if not expected:
            return 0.0
        return min(1.0, max(0.0, (hits + expected - len(self.checks)) / expected))


def _sizes(keys: int) -> Iterator[int]:
    """Powers of two up to the first that holds all keys."""
    size = _SMALLEST
    while size < keys:
        yield size
        size *= 2
    yield size


def _useful_caps(checks: Sequence[TracedCheck]) -> Iterator[float]:
    longest = max((check.life_s for check in checks), default=0.0)
    yield from (cap for cap in TTL_CAPS_S if cap < longest)


def _fewest(curve: Curve) -> int:
    wanted = curve.best * _GOOD_ENOUGH
    return next((each.entries for each in curve.points if each.ratio >= wanted > 0), 0)


def _costs(checks: Sequence[TracedCheck]) -> list[Cost]:
    by_shape: dict[TracedShape, list[TracedCheck]] = {}
    for check in checks:
        by_shape.setdefault(check.shape, []).append(check)
    costs: list[Cost] = []
    for shape, of_shape in by_shape.items():
        whole = _hits_without(of_shape, None)
        for number, name in enumerate(shape.parts):
            gain = (_hits_without(of_shape, number) - whole) / len(checks)
            values = len({check.parts[number] for check in of_shape})
            if gain > 0:
                costs.append(Cost(name, shape.place, gain, values))
    return sorted(costs, key=lambda each: (-each.ratio, each.attribute, each.place))


def _hits_without(checks: Iterable[TracedCheck], number: int | None) -> int:
    """Hits of an endless table whose keys lack one part."""
    ends: dict[tuple[bytes, ...], float] = {}
    hits = 0
    for check in checks:
        parts = check.parts
        if number is not None:
            parts = parts[:number] + parts[number + 1 :]
        if check.at_s < ends.get(parts, 0.0):
            hits += 1
        else:
            ends[parts] = check.at_s + check.life_s
    return hits


def _position(digest: bytes) -> float:
    """From 0 to 1, evenly over all digests."""
    return int.from_bytes(digest[:4], "big") / _DIGEST_SPACE
