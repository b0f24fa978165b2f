"""Records to OTLP messages, with the data model and encoders of the OpenTelemetry SDK.

Only `remixer.drivers.otlp` imports this module, and late: the SDK is an optional extra. Of the
SDK nothing global is made or asked: no providers, no detectors, no current context. Its exporters
are not used: they read a score of `OTEL_*` variables, some even where all is said, and what they
wait for cannot be cancelled.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from opentelemetry._logs import LogRecord as SdkLogRecord
from opentelemetry._logs import SeverityNumber
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import (
    INVALID_SPAN,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from remixer.drivers.otlp_records import (
    Attributes,
    LogRecord,
    MetricKind,
    MetricRecord,
    Signal,
    SpanRecord,
)

_SCOPE: Final = InstrumentationScope("remixer")
_CUMULATIVE: Final = AggregationTemporality.CUMULATIVE
_SERVICE: Final = "service.name"
_MOST_SERVICES: Final = 1_000  # resources kept; a mesh has some hundred services
_SAMPLED: Final = TraceFlags(TraceFlags.SAMPLED)


class OtlpEncoder:
    """Makes requests of one resource, and reads the answers; one signal in one thread at a time."""

    def __init__(self, resource: Attributes) -> None:
        self._attributes = dict(resource)
        self._resource = Resource(self._attributes)
        self._services: dict[str, Resource] = {}
        # Truthy, else the SDK asks for the thread's current context.
        self._no_context = set_span_in_context(INVALID_SPAN, Context())

    def metrics(self, records: Sequence[MetricRecord]) -> bytes:
        scope = ScopeMetrics(_SCOPE, [_metric(record) for record in records], "")
        data = MetricsData([ResourceMetrics(self._resource, [scope], "")])
        return bytes(encode_metrics(data).SerializeToString())

    def logs(self, records: Sequence[LogRecord]) -> bytes:
        entries = [
            ReadableLogRecord(self._log(record), self._resource, _SCOPE) for record in records
        ]
        return bytes(encode_logs(entries).SerializeToString())

    def spans(self, records: Sequence[SpanRecord]) -> bytes:
        return bytes(encode_spans([self._span(record) for record in records]).SerializeToString())

    @staticmethod
    def rejected(signal: Signal, answer: bytes) -> tuple[int, str]:
        """How many entries the peer did not take, and why.

        Raises ValueError for an answer that is none.
        """
        try:
            match signal:
                case Signal.METRICS:
                    metrics = ExportMetricsServiceResponse.FromString(answer).partial_success
                    return metrics.rejected_data_points, metrics.error_message
                case Signal.LOGS:
                    logs = ExportLogsServiceResponse.FromString(answer).partial_success
                    return logs.rejected_log_records, logs.error_message
                case Signal.TRACES:
                    spans = ExportTraceServiceResponse.FromString(answer).partial_success
                    return spans.rejected_spans, spans.error_message
        except Exception as error:  # protobuf's own class must not be named here
            message = "the answer is not an OTLP message"
            raise ValueError(message) from error

    def _log(self, record: LogRecord) -> SdkLogRecord:
        return SdkLogRecord(
            timestamp=record.time_ns,
            observed_timestamp=record.observed_ns,
            context=self._no_context,
            severity_text=record.severity_text,
            severity_number=SeverityNumber(record.severity),
            body=record.body,
            attributes=record.attributes,
            event_name=record.name,
        )

    def _span(self, record: SpanRecord) -> ReadableSpan:
        status = (
            Status(StatusCode.UNSET)
            if record.error is None
            else Status(StatusCode.ERROR, record.error)
        )
        return ReadableSpan(
            record.name,
            context=_context(record.trace_id, record.span_id, is_remote=False),
            parent=(
                None
                if record.parent_id is None
                else _context(record.trace_id, record.parent_id, is_remote=not record.is_client)
            ),
            resource=self._resource_of(record.service),
            attributes=record.attributes,
            events=[Event(event.name, event.attributes, event.time_ns) for event in record.events],
            kind=SpanKind.CLIENT if record.is_client else SpanKind.SERVER,
            status=status,
            start_time=record.start_ns,
            end_time=record.end_ns,
            instrumentation_scope=_SCOPE,
        )

    def _resource_of(self, service: str) -> Resource:
        if not service:
            return self._resource
        resource = self._services.get(service)
        if resource is None:
            if len(self._services) >= _MOST_SERVICES:
                self._services.clear()
            resource = Resource({**self._attributes, _SERVICE: service})
            self._services[service] = resource
        return resource


def _context(trace_id: bytes, span_id: bytes, *, is_remote: bool) -> SpanContext:
    return SpanContext(
        int.from_bytes(trace_id, "big"),
        int.from_bytes(span_id, "big"),
        is_remote=is_remote,
        trace_flags=_SAMPLED,
    )


def _metric(record: MetricRecord) -> Metric:
    match record.kind:
        case MetricKind.GAUGE:
            return Metric(
                record.name, record.description, record.unit, Gauge(list(_numbers(record)))
            )
        case MetricKind.COUNTER:
            total = Sum(list(_numbers(record)), _CUMULATIVE, is_monotonic=True)
            return Metric(record.name, record.description, record.unit, total)
        case MetricKind.DISTRIBUTION:
            histogram = Histogram(list(_distributions(record)), _CUMULATIVE)
            return Metric(record.name, record.description, record.unit, histogram)


def _numbers(record: MetricRecord) -> Iterator[NumberDataPoint]:
    for point in record.numbers:
        yield NumberDataPoint(
            attributes=point.attributes,
            start_time_unix_nano=point.start_ns,
            time_unix_nano=point.time_ns,
            value=float(point.value),
        )


def _distributions(record: MetricRecord) -> Iterator[HistogramDataPoint]:
    for point in record.distributions:
        yield HistogramDataPoint(
            attributes=point.attributes,
            start_time_unix_nano=point.start_ns,
            time_unix_nano=point.time_ns,
            count=point.count,
            sum=point.sum,
            bucket_counts=point.bucket_counts,
            explicit_bounds=record.bounds,
            min=point.least,
            max=point.most,
        )
