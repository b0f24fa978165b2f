"""How one metric becomes a line. Pure.

Source: the StatsD line protocol, and Mixer 1.3's statsd adapter for which value becomes what.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, assert_never

from remixer.adapters.statsd.params import MetricInfo, MetricType
from remixer.attributes.values import (
    EMPTY_STRING_MAP,
    EPOCH,
    Duration,
    Value,
    ValueType,
)
from remixer.sdk import stringify
from remixer.sdk.go_template import Template, TemplateError, parse_template
from remixer.sdk.reports import MetricError
from remixer.templates.instances import Metric

_MS_NS: Final = 1_000_000
# What ends a name or a line would let a value of a request write lines of its own.
_REPLACED: Final = str.maketrans(dict.fromkeys(":|@#", "_")) | {
    code: "_" for code in (*range(0x20), 0x7F)
}
_SAMPLES: Final[Mapping[ValueType, Value]] = {
    ValueType.INT64: 1,
    ValueType.DOUBLE: 1.0,
    ValueType.BOOL: True,
    ValueType.TIMESTAMP: EPOCH,
    ValueType.DURATION: Duration(1),
    ValueType.IP_ADDRESS: bytes(4),
    ValueType.STRING_MAP: EMPTY_STRING_MAP,
}


def cleaned(name: str) -> str:
    """`name` without what the line protocol takes for itself."""
    return name.translate(_REPLACED)


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is known of a metric before its first value."""

    type: MetricType
    prefix: str
    name: str
    template: Template | None

    @classmethod
    def of(cls, name: str, info: MetricInfo, *, prefix: str) -> "Recipe":
        """`info` has passed validation."""
        start = f"{cleaned(prefix)}." if prefix else ""
        template = parse_template(info.name_template) if info.name_template else None
        return cls(info.type, start, start + cleaned(name), template)

    def try_out(self, dimensions: Mapping[str, ValueType]) -> None:
        """Raises `TemplateError` if the name cannot be made of dimensions of these types."""
        if self.template is not None:
            self.template.render({key: _SAMPLES.get(t, "a") for key, t in dimensions.items()})

    def lines(self, metric: Metric, suffix: str) -> list[bytes]:
        """Its lines; raises `MetricError`. `suffix` tells the sampling rate."""
        value, kind = self._measured(metric)
        name = self._name(metric)
        lines = [f"{name}:{value}|{kind}{suffix}"]
        if kind == "g" and value.startswith("-"):
            # A sign makes a gauge's value relative: from 0, it is the value itself.
            lines.insert(0, f"{name}:0|g{suffix}")
        return [line.encode("utf-8", "replace") for line in lines]

    def _name(self, metric: Metric) -> str:
        if self.template is None:
            return self.name
        try:
            return self.prefix + cleaned(self.template.render(metric.dimensions))
        except TemplateError as error:
            message = f"{metric.name}: its name could not be made: {error}"
            raise MetricError(message) from error

    def _measured(self, metric: Metric) -> tuple[str, str]:
        """The value's text, and the protocol's letter for its kind."""
        value = metric.value
        match self.type:
            case MetricType.COUNTER if type(value) is int:
                return str(value), "c"
            case MetricType.GAUGE if type(value) is int:
                return str(value), "g"
            case MetricType.DISTRIBUTION if type(value) is int:
                return str(value), "c"
            case MetricType.DISTRIBUTION if type(value) is Duration:
                return stringify(value / _MS_NS), "ms"
            case (
                MetricType.COUNTER | MetricType.GAUGE | MetricType.DISTRIBUTION | MetricType.UNKNOWN
            ):
                found = "nothing" if value is None else f"a {type(value).__name__}"
                message = f"{metric.name}: a {self.type.name} cannot record {found}"
                raise MetricError(message)
            case _:
                assert_never(self.type)
