"""How one metric becomes a line. Pure.

Source: the DogStatsD protocol, and Mixer 1.3's dogstatsd adapter for which value becomes what.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, assert_never

from remixer.adapters.dogstatsd.params import MetricInfo, MetricType
from remixer.attributes.values import Duration, Value
from remixer.sdk import stringify
from remixer.sdk.reports import MetricError
from remixer.templates.instances import Metric

_MS_NS: Final = 1_000_000
# What ends a name, a tag or a line would let a value of a request write tags and lines of its
# own. A colon ends a tag's key and is nothing special in its value; addresses have some.
_CONTROLS: Final = {code: "_" for code in (*range(0x20), 0x7F)}
_REPLACED_IN_VALUES: Final = str.maketrans(dict.fromkeys("|,#", "_")) | _CONTROLS
_REPLACED_IN_NAMES: Final = str.maketrans(dict.fromkeys("|,#@:", "_")) | _CONTROLS


def cleaned_name(text: str) -> str:
    """A metric's name, or a tag's key, without what the protocol takes for itself."""
    return text.translate(_REPLACED_IN_NAMES)


def tag_texts(tags: Mapping[str, str]) -> list[str]:
    """`key:value`, sorted by key."""
    return [
        f"{cleaned_name(key)}:{tags[key].translate(_REPLACED_IN_VALUES)}" for key in sorted(tags)
    ]


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is known of a metric before its first value."""

    type: MetricType
    name: str
    tags: Mapping[str, str]
    global_tags: tuple[str, ...]

    @classmethod
    def of(
        cls, instance: str, info: MetricInfo, *, prefix: str, global_tags: Mapping[str, str]
    ) -> "Recipe":
        """A prefix without its final dot gets one."""
        start = prefix if prefix.endswith(".") or not prefix else f"{prefix}."
        name = cleaned_name(start + (info.name or instance))
        return cls(info.type, name, info.tags, tuple(tag_texts(global_tags)))

    def line(self, metric: Metric, suffix: str) -> bytes:
        """Raises `MetricError`. `suffix` tells the sampling rate."""
        value, kind = self._measured(metric.name, metric.value)
        own = {**self.tags, **{key: stringify(v) for key, v in metric.dimensions.items()}}
        tags = ",".join([*self.global_tags, *tag_texts(own)])
        end = f"|#{tags}" if tags else ""
        return f"{self.name}:{value}|{kind}{suffix}{end}".encode("utf-8", "replace")

    def _measured(self, instance: str, value: Value | None) -> tuple[str, str]:
        """The value's text, and the protocol's letter for its kind."""
        match self.type:
            case MetricType.COUNTER if type(value) is int:
                return str(value), "c"
            case MetricType.GAUGE if type(value) is int:
                return str(value), "g"
            case MetricType.DISTRIBUTION if type(value) is int:
                return str(value), "h"
            case MetricType.DISTRIBUTION if type(value) is Duration:
                return stringify(value / _MS_NS), "ms"
            case (
                MetricType.COUNTER
                | MetricType.GAUGE
                | MetricType.DISTRIBUTION
                | MetricType.UNKNOWN_TYPE
            ):
                found = "nothing" if value is None else f"a {type(value).__name__}"
                message = f"{instance}: a {self.type.name} cannot record {found}"
                raise MetricError(message)
            case _:
                assert_never(self.type)
