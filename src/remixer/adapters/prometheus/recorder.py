"""One instance's way into its metric: which value, which labels.

Dimensions recur, and those that recur are mostly one object (`remixer.templates.columnar`). So a
recorder remembers which series they led to, by identity: it holds them, and nobody changes them.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from remixer.adapters.prometheus.families import Family, Series
from remixer.adapters.prometheus.params import Kind
from remixer.adapters.prometheus.shapes import sanitised
from remixer.attributes.values import Duration, Value, ValueType
from remixer.sdk import stringify
from remixer.sdk.numbers import parse_number
from remixer.sdk.reports import MetricError
from remixer.templates.instances import Metric

_SECOND_NS: Final = 1_000_000_000
_MOST_REMEMBERED: Final = 1_000
"""Dimensions; then all are forgotten. Arbitrary: larger than most metrics have series."""


class CoarseClock:
    """The time of the latest expiry check: good enough to stamp updates with, and free."""

    __slots__ = ("now_s",)

    def __init__(self, now_s: float) -> None:
        self.now_s = now_s


class _Known(NamedTuple):
    """Where dimensions led to."""

    dimensions: Mapping[str, Value]
    labels: tuple[str, ...]
    series: Series


class Recorder:
    """Records metrics of one instance.

    An instance's dimensions must be exactly the metric's labels. They meet by sanitised name,
    so a dimension `request.path` feeds the label `request_path`; in the original it cannot.
    """

    __slots__ = ("_dimensions", "_expired", "_family", "_is_counter", "_known", "_stamps")

    def __init__(
        self,
        family: Family,
        dimension_types: Mapping[str, ValueType],
        *,
        stamps: CoarseClock | None,
    ) -> None:
        """`stamps` None: series never expire."""
        by_label = {sanitised(name): name for name in dimension_types}
        self._dimensions = [by_label.get(label, label) for label in family.shape.labels]
        self._family = family
        self._is_counter = family.shape.kind is Kind.COUNTER
        self._stamps = stamps
        self._known: dict[int, _Known] = {}
        self._expired = family.expired

    def mismatch(self, dimensions: frozenset[str]) -> str:
        """How these dimensions differ from the labels; `""` if they do not."""
        wanted = frozenset(self._dimensions)
        if dimensions == wanted:
            return ""
        parts = [f"lacks {name}" for name in sorted(wanted - dimensions)]
        parts += [f"has {name}" for name in sorted(dimensions - wanted)]
        return ", ".join(parts)

    def record(self, metric: Metric) -> None:
        """Raises `MetricError`; then nothing has changed."""
        value = metric.value
        if type(value) is Duration:
            value = value / _SECOND_NS
        elif type(value) is not int and type(value) is not float:
            value = _number(metric)
        if value != value:  # noqa: PLR0124 - NaN
            message = f"{metric.name}: NaN cannot be recorded"
            raise MetricError(message)
        if self._is_counter and value < 0:
            message = f"{metric.name}: a negative number cannot be added to a counter"
            raise MetricError(message)
        known = self._known.get(id(metric.dimensions))
        if known is None or self._expired != self._family.expired:
            known = self._find(metric)
        known.series.update(value)
        if self._stamps is not None:
            self._family.touch(known.labels, now_s=self._stamps.now_s)

    def _find(self, metric: Metric) -> _Known:
        labels = self._labels(metric)
        found = _Known(metric.dimensions, labels, self._family.series_of(labels))
        if len(self._known) >= _MOST_REMEMBERED or self._expired != self._family.expired:
            self._known.clear()
            self._expired = self._family.expired
        self._known[id(metric.dimensions)] = found
        return found

    def _labels(self, metric: Metric) -> tuple[str, ...]:
        dimensions = metric.dimensions
        if len(dimensions) == len(self._dimensions):
            try:
                return tuple(
                    [
                        value if type(value := dimensions[name]) is str else stringify(value)
                        for name in self._dimensions
                    ]
                )
            except KeyError:
                pass  # told below
        message = (
            f"{metric.name}: dimensions are not the labels of {self._family.shape.name}: "
            f"{self.mismatch(frozenset(dimensions))}"
        )
        raise MetricError(message)


def _number(metric: Metric) -> float:
    """Texts as the number they read as."""
    value: Value | None = metric.value
    number: float | None = None
    if type(value) is str:
        number = parse_number(value)
    if number is None:
        # Not the value itself: this text is logged, and requests hold secrets.
        shown = "no value" if value is None else f"this value of type {type(value).__name__}"
        message = f"{metric.name}: {shown} is not a number"
        raise MetricError(message)
    return number
