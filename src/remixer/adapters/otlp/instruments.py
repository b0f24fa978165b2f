"""Series of metrics, summed up here between exports. Pure.

All series are cumulative: an export that fails loses nothing, the next one says the same and
more. A series begins with its first value; one that expired begins anew, with a later start.
"""

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import isfinite
from typing import Final, TypeAlias, assert_never

from remixer.adapters.otlp.values import EntryError
from remixer.drivers.otlp_records import (
    Attributes,
    DistributionPoint,
    MetricKind,
    MetricRecord,
    NumberPoint,
)

MOST_SERIES: Final = 10_000
"""Per metric; more means that a dimension holds something unbounded."""
MOST_POINTS: Final = 2_000
"""Per request: some hundred bytes each stay far below the 4 MiB that a gRPC server takes."""

SeriesKey: TypeAlias = tuple[tuple[str, object], ...]


@dataclass(frozen=True, slots=True)
class Shape:
    """What a metric is. `bounds` are those of a distribution."""

    name: str
    kind: MetricKind
    description: str = ""
    unit: str = ""
    scale: float = 1.0
    bounds: tuple[float, ...] = ()


@dataclass(slots=True)
class _Series:
    """Values of one combination of attributes since `start_ns`."""

    attributes: Attributes
    start_ns: int
    updated_ns: int
    total: float = 0.0
    count: int = 0
    least: float = float("inf")
    most: float = float("-inf")
    buckets: list[int] = field(default_factory=list)


class Instrument:
    """All series of one metric."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self._series: dict[SeriesKey, _Series] = {}

    def record(self, value: float, attributes: Attributes, *, now_ns: int) -> None:
        """Raises `EntryError`; then nothing has changed."""
        value *= self.shape.scale
        if not isfinite(value):
            message = f"{self.shape.name}: {value} cannot be exported"
            raise EntryError(message)
        if self.shape.kind is MetricKind.COUNTER and value < 0:
            message = f"{self.shape.name}: a negative number cannot be added to a counter"
            raise EntryError(message)
        self._update(self._series_of(attributes, now_ns), value)

    def collect(self, *, now_ns: int, expiration_ns: int) -> Iterator[MetricRecord]:
        """All series, in parts of bounded size. With an expiration, old ones go first; 0: never."""
        if expiration_ns:
            self._expire(now_ns - expiration_ns)
        series = list(self._series.values())
        for start in range(0, len(series), MOST_POINTS):
            yield self._part(series[start : start + MOST_POINTS], now_ns)

    def _series_of(self, attributes: Attributes, now_ns: int) -> _Series:
        key = tuple(sorted(attributes.items()))
        series = self._series.get(key)
        if series is None:
            if len(self._series) >= MOST_SERIES:
                message = f"{self.shape.name} has {MOST_SERIES} series already; one is left out"
                raise EntryError(message)
            series = self._series[key] = _Series(attributes, now_ns, now_ns)
            series.buckets = [0] * (len(self.shape.bounds) + 1)
        series.updated_ns = now_ns
        return series

    def _update(self, series: _Series, value: float) -> None:
        match self.shape.kind:
            case MetricKind.GAUGE:
                series.total = value
            case MetricKind.COUNTER:
                series.total += value
            case MetricKind.DISTRIBUTION:
                series.total += value
                series.count += 1
                series.least = min(series.least, value)
                series.most = max(series.most, value)
                series.buckets[bisect_left(self.shape.bounds, value)] += 1
            case _:
                assert_never(self.shape.kind)

    def _expire(self, updated_before_ns: int) -> None:
        old = [key for key, each in self._series.items() if each.updated_ns < updated_before_ns]
        for key in old:
            del self._series[key]

    def _part(self, series: list[_Series], now_ns: int) -> MetricRecord:
        shape = self.shape
        if shape.kind is MetricKind.DISTRIBUTION:
            points = tuple(
                DistributionPoint(
                    attributes=each.attributes,
                    start_ns=each.start_ns,
                    time_ns=now_ns,
                    count=each.count,
                    sum=each.total,
                    least=each.least,
                    most=each.most,
                    bucket_counts=tuple(each.buckets),
                )
                for each in series
            )
            return MetricRecord(
                shape.name, shape.description, shape.unit, shape.kind, (), points, shape.bounds
            )
        numbers = tuple(
            NumberPoint(each.attributes, each.start_ns, now_ns, each.total) for each in series
        )
        return MetricRecord(shape.name, shape.description, shape.unit, shape.kind, numbers)
