"""What can be exported by OTLP, as plain data. Pure; `otlp_encoding` makes messages of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

AttributeValue: TypeAlias = str | int | float | bool
Attributes: TypeAlias = Mapping[str, AttributeValue]


class Signal(Enum):
    """What is exported, with its method, and its path below an HTTP endpoint."""

    METRICS = ("metrics.v1.MetricsService", "v1/metrics")
    LOGS = ("logs.v1.LogsService", "v1/logs")
    TRACES = ("trace.v1.TraceService", "v1/traces")

    @property
    def method(self) -> str:
        """Path of the gRPC method."""
        return f"/opentelemetry.proto.collector.{self.value[0]}/Export"

    @property
    def path(self) -> str:
        """Path of the HTTP resource."""
        return self.value[1]


class MetricKind(Enum):
    """How points of a metric are to be understood."""

    GAUGE = "gauge"
    COUNTER = "counter"
    DISTRIBUTION = "distribution"


@dataclass(frozen=True, slots=True)
class NumberPoint:
    """A series of a gauge, or of a counter since `start_ns`."""

    attributes: Attributes
    start_ns: int
    time_ns: int
    value: float


@dataclass(frozen=True, slots=True)
class DistributionPoint:
    """A series of a distribution since `start_ns`. One count more than there are bounds."""

    attributes: Attributes
    start_ns: int
    time_ns: int
    count: int
    sum: float
    least: float
    most: float
    bucket_counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class MetricRecord:
    """A metric and some of its series. `bounds` are those of a distribution."""

    name: str
    description: str
    unit: str
    kind: MetricKind
    numbers: tuple[NumberPoint, ...] = ()
    distributions: tuple[DistributionPoint, ...] = ()
    bounds: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class LogRecord:
    """A log entry. `severity` is a number of OpenTelemetry's, 0 if it is not known."""

    name: str
    time_ns: int
    observed_ns: int
    severity: int
    severity_text: str
    body: str | None
    attributes: Attributes


@dataclass(frozen=True, slots=True)
class SpanEvent:
    """Something that happened at one moment of a span."""

    name: str
    time_ns: int
    attributes: Attributes


@dataclass(frozen=True, slots=True)
class SpanRecord:
    """A span with its own ids, of 16 and 8 bytes.

    `service` is whose span it is: it becomes `service.name` of the resource. `error` is the text
    of a failed span's status; None if it did not fail.
    """

    trace_id: bytes
    span_id: bytes
    parent_id: bytes | None
    name: str
    service: str
    is_client: bool
    start_ns: int
    end_ns: int
    attributes: Attributes
    error: str | None = None
    events: tuple[SpanEvent, ...] = field(default=())
