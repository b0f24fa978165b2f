"""What a metric looks like to Prometheus: full name, kind, labels, bounds. Pure."""

from dataclasses import dataclass
from typing import Final

from remixer.adapters.prometheus.params import DEFAULT_NAMESPACE, Kind, MetricInfo
from remixer.sdk.buckets import bounds_of

_SANITISED: Final = str.maketrans({"/": "_", ".": "_", " ": "_", "-": None})
_DISTRIBUTION_SUFFIXES: Final = ("_bucket", "_sum", "_count")


@dataclass(frozen=True, slots=True)
class MetricShape:
    """Two handlers that name one metric must agree on all of this.

    `labels` are sorted; `bounds` are empty unless it is a distribution.
    """

    name: str
    kind: Kind
    description: str
    labels: tuple[str, ...]
    bounds: tuple[float, ...] = ()

    @property
    def exposed_names(self) -> frozenset[str]:
        """Every name that its lines use."""
        if self.kind is not Kind.DISTRIBUTION:
            return frozenset({self.name})
        return frozenset({self.name, *(self.name + end for end in _DISTRIBUTION_SUFFIXES)})


def shape_of(info: MetricInfo) -> MetricShape:
    """The shape of a metric whose parameters are valid."""
    name = sanitised(info.name or info.instance_name)
    return MetricShape(
        name=f"{sanitised(info.namespace or DEFAULT_NAMESPACE)}_{name}",
        kind=info.kind,
        description=info.description or name,
        labels=tuple(sorted(map(sanitised, info.label_names))),
        bounds=bounds_of(info.buckets) if info.kind is Kind.DISTRIBUTION else (),
    )


def sanitised(name: str) -> str:
    """One leading `/` goes; `/`, `.` and blank become `_`; `-` goes.

    Source: `safeName` of Mixer 1.3's prometheus adapter.
    """
    return name.removeprefix("/").translate(_SANITISED)


def is_metric_name(name: str) -> bool:
    """Letters, digits, `_` and `:`, no digit first."""
    return name.isascii() and name.replace(":", "_").isidentifier()


def is_label_name(name: str) -> bool:
    """Letters, digits and `_`, no digit first; `__` at the start is Prometheus's own."""
    return name.isascii() and name.isidentifier() and not name.startswith("__")
