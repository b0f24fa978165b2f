"""Metrics as CloudWatch takes them. Pure."""

from collections.abc import Iterator, Mapping
from typing import Final

from remixer.adapters.cloudwatch.params import Unit
from remixer.attributes.values import Duration, Value
from remixer.drivers.aws import MetricDatum
from remixer.sdk import stringify
from remixer.sdk.numbers import parse_number
from remixer.sdk.reports import MetricError
from remixer.templates.instances import Metric

DURATION_UNITS: Final[Mapping[Unit, int]] = {
    Unit["Seconds"]: 1_000_000_000,
    Unit["Milliseconds"]: 1_000_000,
    Unit["Microseconds"]: 1_000,
}
"""Nanoseconds of the units that measure a duration."""
_LARGEST_VALUE: Final = 2.0**360
_LONGEST_NAME: Final = 255
_LONGEST_DIMENSION_VALUE: Final = 1_024


def datum_of(metric: Metric, unit: Unit, *, unix_ns: int) -> MetricDatum:
    """Raises `MetricError` for a value that is no number, or none that the service knows."""
    value = _number(metric.value, unit)
    if value is None or not abs(value) <= _LARGEST_VALUE:
        found = "nothing" if metric.value is None else f"a {type(metric.value).__name__}"
        message = f"{metric.name}: the value, {found}, is not a number that CloudWatch takes"
        raise MetricError(message)
    return MetricDatum(
        name=cleaned(metric.name, _LONGEST_NAME),
        value=value,
        unit=unit.name.replace("_", "/"),
        dimensions=tuple(_dimensions(metric.dimensions)),
        unix_ns=unix_ns,
    )


def _number(value: Value | None, unit: Unit) -> float | None:
    if type(value) is str:
        return parse_number(value)
    if type(value) is Duration:
        unit_ns = DURATION_UNITS.get(unit)
        whole = abs(value) // unit_ns if unit_ns else None
        return None if whole is None else float(-whole if value < 0 else whole)
    if type(value) is int or type(value) is float:
        return float(value)
    return None


def _dimensions(dimensions: Mapping[str, Value]) -> Iterator[tuple[str, str]]:
    """Sorted by name; the service takes no empty ones, and one bad one costs a whole request."""
    for name in sorted(dimensions):
        value = cleaned(stringify(dimensions[name]), _LONGEST_DIMENSION_VALUE)
        if value.strip():
            yield cleaned(name, _LONGEST_NAME), value


def cleaned(text: str, most: int) -> str:
    """At most so long, and `_` for what is not ASCII or a control character."""
    clipped = text[:most]
    return "".join(each if each.isascii() and each.isprintable() else "_" for each in clipped)
