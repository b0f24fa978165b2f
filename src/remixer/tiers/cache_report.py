"""What the memory of verdicts holds and did, for operators."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from remixer.attributes.bag import Condition
from remixer.attributes.vocabulary import Vocabulary
from remixer.config.key_reads import Mention
from remixer.config.useless_keys import harm_of
from remixer.tiers.answers import Answers
from remixer.tiers.cached import CachedMixer
from remixer.tiers.keys import Shape
from remixer.tiers.places import Place
from remixer.tiers.shape_text import ordered_references

_MOST_PLACES: Final = 100
"""Told of, those with the most hits first; arbitrary, enough for a screen or a script."""
_SAMPLE: Final = 2_000
"""Entries looked at for ages: a millisecond's worth, and good for percentiles."""


@dataclass(frozen=True, slots=True)
class AttributeReport:
    """One thing that answers of a shape depend on."""

    name: str
    """`request.path`, `request.headers["x-user"]`."""
    is_absent: bool
    harm: str
    """Why it makes keys useless; empty if it may not."""


@dataclass(frozen=True, slots=True)
class ShapeReport:
    """One set of attributes that answers depend on."""

    attributes: tuple[AttributeReport, ...]
    hits: int
    learned: int
    keys: int
    """How many different ones; an estimate."""


@dataclass(frozen=True, slots=True)
class PlaceReport:
    """What chooses the rules of a request."""

    name: str
    shapes: tuple[ShapeReport, ...]

    @property
    def hits(self) -> int:
        return sum(shape.hits for shape in self.shapes)

    @property
    def learned(self) -> int:
        return sum(shape.learned for shape in self.shapes)


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Of some values; all zero for none."""

    least: float = 0.0
    median: float = 0.0
    p90: float = 0.0
    most: float = 0.0

    @classmethod
    def of(cls, values: Iterable[float]) -> "Quantiles":
        known = sorted(values)
        if not known:
            return cls()
        last = len(known) - 1
        return cls(known[0], known[last // 2], known[last * 9 // 10], known[last])


@dataclass(frozen=True, slots=True)
class CacheReport:
    """Everything at once. Seconds."""

    is_on: bool = False
    entries: int = 0
    size_bytes: int = 0
    counts: Mapping[str, int] | None = None
    places: tuple[PlaceReport, ...] = ()
    ages: Quantiles = Quantiles()
    left: Quantiles = Quantiles()
    """Of their lives; negative: only good to stand in for a failure."""


def cache_report(cached: CachedMixer, vocabulary: Vocabulary, *, now_s: float) -> CacheReport:
    """Of a memory as it is now."""
    answers, counts = cached.answers, cached.counts
    times = _times(answers)
    return CacheReport(
        is_on=True,
        entries=len(answers.table),
        size_bytes=answers.table.bytes,
        counts={
            "hit": counts.hits,
            "miss": counts.misses,
            "stale": counts.stale,
            "joined": counts.joined,
            "bypassed": counts.bypassed,
            "renewals": counts.renewals,
            "uses_spent": answers.uses_spent,
            "inserted": answers.table.counts.inserted,
            "evicted": answers.table.counts.evicted,
            "shapes": answers.shapes,
        },
        places=place_reports(answers, vocabulary),
        ages=Quantiles.of(now_s - born_s for born_s, _ in times),
        left=Quantiles.of(ends_s - now_s for _, ends_s in times),
    )


def place_reports(answers: Answers, vocabulary: Vocabulary) -> tuple[PlaceReport, ...]:
    """Of the places with the most hits."""
    found = (_place_report(place, vocabulary) for place in answers.places())
    ordered = sorted(found, key=lambda each: (-each.hits, -each.learned, each.name))
    return tuple(ordered[:_MOST_PLACES])


def _place_report(place: Place, vocabulary: Vocabulary) -> PlaceReport:
    shapes = (
        ShapeReport(
            attributes=tuple(_attributes(shape, vocabulary)),
            hits=shape.counts.hits,
            learned=shape.counts.learned,
            keys=shape.counts.keys,
        )
        for shape in place.shapes
    )
    ordered = sorted(shapes, key=lambda each: (-each.hits, -each.learned))
    return PlaceReport(str(place.name), tuple(ordered))


def _attributes(shape: Shape, vocabulary: Vocabulary) -> Iterable[AttributeReport]:
    for name, key, condition in ordered_references(shape):
        mention = Mention(name, key, 0)
        is_absent = condition is Condition.ABSENCE
        harm = "" if is_absent else harm_of(mention, vocabulary)
        yield AttributeReport(str(mention), is_absent, harm)


def _times(answers: Answers) -> list[tuple[float, float]]:
    """Birth and end of entries all over the table."""
    slots = answers.table.slots
    stride = max(1, slots // _SAMPLE)
    return [
        answers.times_at(slot)
        for first in range(0, slots, stride)
        for slot, _ in answers.table.entries(first, first + 1)
    ]
