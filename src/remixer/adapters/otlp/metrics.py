"""Metric and edge instances to instruments. Pure."""

from dataclasses import fields
from typing import Final

from remixer.adapters.otlp.instruments import Instrument, Shape
from remixer.adapters.otlp.params import Kind, MetricInfo, Params
from remixer.adapters.otlp.values import EntryError, attributes_of, legal_text, number_of
from remixer.drivers.otlp_records import MetricKind
from remixer.sdk import Edge, Metric
from remixer.sdk.buckets import bounds_of

_KINDS: Final = {
    Kind.GAUGE: MetricKind.GAUGE,
    Kind.COUNTER: MetricKind.COUNTER,
    Kind.DISTRIBUTION: MetricKind.DISTRIBUTION,
}
_EDGE_FIELDS: Final = tuple(
    each.name for each in fields(Edge) if each.name not in {"name", "timestamp"}
)


class MetricBook:
    """Which instance feeds which instrument. An edge is one call, counted by its two ends."""

    def __init__(self, params: Params) -> None:
        self._by_instance = {
            info.instance_name: Instrument(_shape_of(info)) for info in params.metrics
        }
        self._edges = Instrument(
            Shape(params.edge_metric, MetricKind.COUNTER, "Calls between workloads.", "{call}")
        )
        self.instruments = (*self._by_instance.values(), self._edges)

    def record_metric(self, metric: Metric, *, now_ns: int) -> None:
        """Raises `EntryError`."""
        instrument = self._by_instance.get(metric.name)
        if instrument is None:
            message = f"could not find metric info from adapter config for {metric.name}"
            raise EntryError(message)
        value = number_of(metric.value, instance=metric.name)
        attributes = attributes_of(
            metric.dimensions, metric.monitored_resource_type, metric.monitored_resource_dimensions
        )
        instrument.record(value, attributes, now_ns=now_ns)

    def record_edge(self, edge: Edge, *, now_ns: int) -> None:
        """Raises `EntryError`. Fields without text are left out."""
        attributes = {
            name: legal_text(text) for name in _EDGE_FIELDS if (text := getattr(edge, name))
        }
        self._edges.record(1.0, attributes, now_ns=now_ns)


def _shape_of(info: MetricInfo) -> Shape:
    kind = _KINDS[info.kind]
    return Shape(
        name=info.name or info.instance_name,
        kind=kind,
        description=info.description,
        unit=info.unit,
        scale=info.value_scale,
        bounds=bounds_of(info.buckets) if kind is MetricKind.DISTRIBUTION else (),
    )
