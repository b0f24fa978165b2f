"""The series of one metric, and their text for a scrape.

Counters are shown under exactly their name: Mixer's operators have dashboards that do not know
the suffix `_total`, which Prometheus's own Python client would add.
"""

from bisect import bisect_left
from collections.abc import Iterator
from math import isinf
from typing import Final, Protocol, assert_never

from remixer.adapters.prometheus.params import Kind
from remixer.adapters.prometheus.shapes import MetricShape
from remixer.sdk.reports import MetricError

MOST_SERIES: Final = 100_000
"""Per metric; more means that a dimension holds something unbounded."""
MOST_LABEL_CHARACTERS: Final = 64 * 1024 * 1024
"""Per metric, over all series: clients choose how long a path or a header is."""
_TYPE_TEXTS: Final = {
    Kind.GAUGE: "gauge",
    Kind.COUNTER: "counter",
    Kind.DISTRIBUTION: "histogram",
    Kind.UNSPECIFIED: "untyped",
}
_VALUE_ESCAPES: Final = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
_HELP_ESCAPES: Final = str.maketrans({"\\": r"\\", "\n": r"\n"})
_EXACT: Final = 2.0**53  # below it every whole double is written digit by digit


class Series(Protocol):
    """Values of one combination of labels."""

    def update(self, value: float) -> None:
        """Take one value in."""
        ...

    def lines(self, shape: MetricShape, labels: str) -> Iterator[str]:
        """Its lines; `labels` is `a="b",c="d"`, or nothing."""
        ...


class _Sum:
    __slots__ = ("_value",)

    def __init__(self) -> None:
        self._value = 0.0

    def update(self, value: float) -> None:
        self._value += value

    def lines(self, shape: MetricShape, labels: str) -> Iterator[str]:
        yield _line(shape.name, labels, self._value)


class _Latest:
    __slots__ = ("_value",)

    def __init__(self) -> None:
        self._value = 0.0

    def update(self, value: float) -> None:
        self._value = value

    def lines(self, shape: MetricShape, labels: str) -> Iterator[str]:
        yield _line(shape.name, labels, self._value)


class _Histogram:
    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def update(self, value: float) -> None:
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def lines(self, shape: MetricShape, labels: str) -> Iterator[str]:
        start = f'{shape.name}_bucket{{{labels}{"," if labels else ""}le="'
        total = 0
        for bound, count in zip((*self._bounds, float("inf")), self._counts, strict=True):
            total += count
            yield f'{start}{_number_text(bound)}"}} {total}\n'
        yield _line(f"{shape.name}_sum", labels, self._sum)
        yield _line(f"{shape.name}_count", labels, total)


class Family:
    """All series of one metric, by label values in the order of `shape.labels`."""

    def __init__(self, shape: MetricShape) -> None:
        self.shape = shape
        self._series: dict[tuple[str, ...], Series] = {}
        # Made once: most of a scrape's time would go into them, and requests wait for it.
        self._label_texts: dict[tuple[str, ...], str] = {}
        self._label_characters = 0
        self._updated_at_s: dict[tuple[str, ...], float] = {}
        self.expired = 0
        """How often series were dropped: what `series_of` gave before is no longer shown."""

    def series_of(self, labels: tuple[str, ...]) -> Series:
        """The series to update, a new one if need be. Raises `MetricError`."""
        series = self._series.get(labels)
        return self._begin(labels) if series is None else series

    def touch(self, labels: tuple[str, ...], *, now_s: float) -> None:
        """Remember when a series was last updated; without it a series never expires."""
        self._updated_at_s[labels] = now_s

    def touch_all(self, *, now_s: float) -> None:
        """Let series that nobody has touched yet expire from now on."""
        for labels in self._series:
            self._updated_at_s.setdefault(labels, now_s)

    def expire(self, *, updated_before_s: float) -> None:
        """Drop series whose last update is older than that."""
        old = [labels for labels, at_s in self._updated_at_s.items() if at_s < updated_before_s]
        self.expired += bool(old)
        for labels in old:
            del self._updated_at_s[labels]
            if self._series.pop(labels, None) is not None:
                self._label_characters -= len(self._label_texts.pop(labels))

    def lines(self) -> Iterator[str]:
        """Text format 0.0.4; nothing at all without series."""
        if not self._series:
            return
        shape = self.shape
        yield f"# HELP {shape.name} {shape.description.translate(_HELP_ESCAPES)}\n"
        yield f"# TYPE {shape.name} {_TYPE_TEXTS[shape.kind]}\n"
        for values, series in self._series.items():
            yield from series.lines(shape, self._label_texts[values])

    def _begin(self, labels: tuple[str, ...]) -> Series:
        pairs = zip(self.shape.labels, labels, strict=True)
        text = ",".join(f'{name}="{v.translate(_VALUE_ESCAPES)}"' for name, v in pairs)
        if len(self._series) >= MOST_SERIES:
            message = f"{self.shape.name} has {MOST_SERIES} series already; this one is left out"
            raise MetricError(message)
        if self._label_characters + len(text) > MOST_LABEL_CHARACTERS:
            message = (
                f"{self.shape.name} has {MOST_LABEL_CHARACTERS} characters of labels already; "
                f"a series of {len(text)} more is left out"
            )
            raise MetricError(message)
        series = self._series[labels] = _new_series(self.shape)
        self._label_texts[labels] = text
        self._label_characters += len(text)
        return series


def _new_series(shape: MetricShape) -> Series:
    match shape.kind:
        case Kind.COUNTER:
            return _Sum()
        case Kind.GAUGE | Kind.UNSPECIFIED:
            return _Latest()
        case Kind.DISTRIBUTION:
            return _Histogram(shape.bounds)
        case _:
            assert_never(shape.kind)


def _line(name: str, labels: str, value: float) -> str:
    block = f"{{{labels}}}" if labels else ""
    return f"{name}{block} {_number_text(value)}\n"


def _number_text(value: float) -> str:
    if -_EXACT < value < _EXACT:
        whole = int(value)
        return str(whole) if value == whole else repr(value)
    if value != value:  # noqa: PLR0124 - NaN
        return "NaN"
    if isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return repr(value)
