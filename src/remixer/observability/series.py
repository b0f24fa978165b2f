"""Numbers that grow while requests pass: plain additions, without locks.

All are written and read on the event loop's thread. They exist because an observation of
`prometheus_client` costs many times as much as an addition or an entry in a list.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import Final, Generic, TypeVar

MOST_SERIES: Final = 4_096
"""Of one metric; handler names come and go with configurations, and a scrape must stay small."""
OTHER_LABEL: Final = "_other"
"""Value of every label of what came after `MOST_SERIES`."""

_MOST_RECENT: Final = 128
"""Observations of one series that wait to be sorted in: 4 KB. More would make each no cheaper."""

T = TypeVar("T")


class Counter:
    """A number that only grows."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0

    def add(self, amount: int = 1) -> None:
        self.value += amount


class Distribution:
    """How many observations fell up to each bound, how many in all, and their sum.

    Theory of operation. An observation is put into a list, and nothing else. The list is sorted
    into the buckets when it is full and when somebody looks, so that a look sees every
    observation: a sorted list needs one search per bucket and not one per observation, which
    makes an observation three times as cheap. They are summed in their order of arrival.
    """

    __slots__ = ("_bounds", "_counts", "_recent", "_total")

    def __init__(self, bounds: Sequence[float]) -> None:
        """`bounds`: ascending, without infinity; a value equal to a bound counts under it."""
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._recent: list[float] = []
        self._total = 0.0

    def observe(self, value: float) -> None:
        """No NaN."""
        recent = self._recent
        recent.append(value)
        if len(recent) >= _MOST_RECENT:
            self._sort_in()

    @property
    def count(self) -> int:
        self._sort_in()
        return sum(self._counts)

    @property
    def total(self) -> float:
        """The sum."""
        self._sort_in()
        return self._total

    def cumulative(self) -> list[tuple[str, float]]:
        """Pairs of Prometheus's `le` text and the number of observations up to it."""
        self._sort_in()
        names = [*(repr(float(bound)) for bound in self._bounds), "+Inf"]
        return list(zip(names, map(float, accumulate(self._counts)), strict=True))

    def _sort_in(self) -> None:
        recent, bounds = self._recent, self._bounds
        self._total = sum(recent, self._total)
        recent.sort()
        first = 0
        while first < len(recent):
            bucket = bisect_left(bounds, recent[first])
            is_last = bucket == len(bounds)
            behind = len(recent) if is_last else bisect_right(recent, bounds[bucket], first)
            self._counts[bucket] += behind - first
            first = behind
        recent.clear()


class Family(Generic[T]):
    """Series of one metric by label values, made at first use, bounded in number."""

    __slots__ = ("_make", "_other", "_series", "_width")

    def __init__(self, make: Callable[[], T], *, width: int) -> None:
        """`width`: number of labels."""
        self._make = make
        self._width = width
        self._series: dict[tuple[str, ...], T] = {}
        self._other: T | None = None

    def of(self, *labels: str) -> T:
        found = self._series.get(labels)
        return self._first_use(labels) if found is None else found

    def _first_use(self, labels: tuple[str, ...]) -> T:
        assert len(labels) == self._width, labels  # noqa: S101 - our own callers
        if len(self._series) < MOST_SERIES:
            return self._series.setdefault(labels, self._make())
        if self._other is None:
            self._other = self._make()
        return self._other

    def __iter__(self) -> Iterator[tuple[tuple[str, ...], T]]:
        """Label values and series, in order of first use."""
        yield from self._series.items()
        if self._other is not None:
            yield (OTHER_LABEL,) * self._width, self._other
