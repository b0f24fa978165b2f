"""Records as the OTLP messages that collectors read."""

from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.metrics.v1.metrics_pb2 import AGGREGATION_TEMPORALITY_CUMULATIVE

from remixer.drivers.otlp_encoding import OtlpEncoder
from remixer.drivers.otlp_records import (
    DistributionPoint,
    LogRecord,
    MetricKind,
    MetricRecord,
    NumberPoint,
    Signal,
    SpanEvent,
    SpanRecord,
)

_SPAN = SpanRecord(
    trace_id=bytes(range(1, 17)),
    span_id=bytes(range(1, 9)),
    parent_id=bytes(range(11, 19)),
    name="GET /",
    service="cart",
    is_client=True,
    start_ns=1,
    end_ns=2,
    attributes={"text": "x", "whole": 1, "part": 0.5, "yes": True},
    error="UNAVAILABLE",
    events=(SpanEvent("message", 1, {"message.type": "SENT"}),),
)


def test_a_counter_is_a_cumulative_monotonic_sum() -> None:
    record = MetricRecord(
        "hits", "Hits.", "1", MetricKind.COUNTER, (NumberPoint({"user": "alice"}, 1, 2, 3),)
    )
    request = ExportMetricsServiceRequest.FromString(OtlpEncoder({"k": "v"}).metrics([record]))
    (resource,) = request.resource_metrics
    assert resource.resource.attributes[0].value.string_value == "v"
    (metric,) = resource.scope_metrics[0].metrics
    assert (metric.name, metric.description, metric.unit) == ("hits", "Hits.", "1")
    assert metric.sum.is_monotonic
    assert metric.sum.aggregation_temporality == AGGREGATION_TEMPORALITY_CUMULATIVE
    (point,) = metric.sum.data_points
    assert (point.start_time_unix_nano, point.time_unix_nano, point.as_double) == (1, 2, 3.0)
    assert point.attributes[0].value.string_value == "alice"


def test_a_gauge_has_its_value() -> None:
    record = MetricRecord("g", "", "", MetricKind.GAUGE, (NumberPoint({}, 1, 2, -0.5),))
    request = ExportMetricsServiceRequest.FromString(OtlpEncoder({}).metrics([record]))
    (metric,) = request.resource_metrics[0].scope_metrics[0].metrics
    assert metric.gauge.data_points[0].as_double == -0.5


def test_a_distribution_has_bounds_and_counts() -> None:
    point = DistributionPoint({}, 1, 2, 3, 6.5, 0.5, 5.0, (1, 1, 1))
    record = MetricRecord("d", "", "s", MetricKind.DISTRIBUTION, (), (point,), (1.0, 2.0))
    request = ExportMetricsServiceRequest.FromString(OtlpEncoder({}).metrics([record]))
    (metric,) = request.resource_metrics[0].scope_metrics[0].metrics
    assert metric.histogram.aggregation_temporality == AGGREGATION_TEMPORALITY_CUMULATIVE
    (got,) = metric.histogram.data_points
    assert (list(got.explicit_bounds), list(got.bucket_counts)) == ([1.0, 2.0], [1, 1, 1])
    assert (got.count, got.sum, got.min, got.max) == (3, 6.5, 0.5, 5.0)


def test_a_log_record_has_name_severity_body_and_attributes() -> None:
    record = LogRecord("log.instance.shop", 1, 2, 13, "Warning", "text", {"code": 404})
    request = ExportLogsServiceRequest.FromString(OtlpEncoder({}).logs([record]))
    (got,) = request.resource_logs[0].scope_logs[0].log_records
    assert (got.event_name, got.time_unix_nano, got.observed_time_unix_nano) == (record.name, 1, 2)
    assert (got.severity_number, got.severity_text) == (13, "Warning")
    assert got.body.string_value == "text"
    assert [(each.key, each.value.int_value) for each in got.attributes] == [("code", 404)]
    assert (got.trace_id, got.span_id) == (b"", b"")


def test_a_log_record_without_a_body_has_none() -> None:
    record = LogRecord("log", 1, 2, 0, "", None, {})
    request = ExportLogsServiceRequest.FromString(OtlpEncoder({}).logs([record]))
    (got,) = request.resource_logs[0].scope_logs[0].log_records
    assert got.body.WhichOneof("value") is None
    assert got.severity_number == 0


def test_a_span_has_its_own_ids_kind_status_and_events() -> None:
    request = ExportTraceServiceRequest.FromString(OtlpEncoder({}).spans([_SPAN]))
    (span,) = request.resource_spans[0].scope_spans[0].spans
    assert (span.trace_id, span.span_id) == (_SPAN.trace_id, _SPAN.span_id)
    assert span.parent_span_id == _SPAN.parent_id
    assert (span.name, span.kind) == ("GET /", span.SPAN_KIND_CLIENT)
    assert (span.start_time_unix_nano, span.end_time_unix_nano) == (1, 2)
    assert (span.status.code, span.status.message) == (span.status.STATUS_CODE_ERROR, "UNAVAILABLE")
    values = {each.key: each.value for each in span.attributes}
    assert values["text"].string_value == "x"
    assert values["whole"].int_value == 1
    assert values["part"].double_value == 0.5
    assert values["yes"].bool_value
    assert [event.name for event in span.events] == ["message"]


def test_spans_of_one_service_share_a_resource_that_names_it() -> None:
    unnamed = SpanRecord(**{**_fields(_SPAN), "service": ""})
    encoder = OtlpEncoder({"cluster": "east", "service.name": "mesh"})
    request = ExportTraceServiceRequest.FromString(encoder.spans([_SPAN, unnamed, _SPAN]))
    seen = {
        values["service.name"]: (values["cluster"], len(group.scope_spans[0].spans))
        for group in request.resource_spans
        for values in [{each.key: each.value.string_value for each in group.resource.attributes}]
    }
    assert seen == {"cart": ("east", 2), "mesh": ("east", 1)}


def test_resources_of_services_are_bounded() -> None:
    encoder = OtlpEncoder({})
    spans = [SpanRecord(**{**_fields(_SPAN), "service": f"s{n}"}) for n in range(2_500)]
    request = ExportTraceServiceRequest.FromString(encoder.spans(spans))
    assert len(request.resource_spans) == 2_500
    assert len(encoder._services) <= 1_000


def _fields(span: SpanRecord) -> dict[str, Any]:
    return {name: getattr(span, name) for name in span.__dataclass_fields__}


# ---------------------------------------------------------------- answers


def test_an_empty_answer_rejects_nothing() -> None:
    for signal in Signal:
        assert OtlpEncoder.rejected(signal, b"") == (0, "")


def test_a_partial_success_says_how_many_and_why() -> None:
    metrics, logs, spans = (
        ExportMetricsServiceResponse(),
        ExportLogsServiceResponse(),
        ExportTraceServiceResponse(),
    )
    metrics.partial_success.rejected_data_points = 1
    logs.partial_success.rejected_log_records = 2
    spans.partial_success.rejected_spans = 3
    for answer in (metrics, logs, spans):
        answer.partial_success.error_message = "old"
    assert OtlpEncoder.rejected(Signal.METRICS, metrics.SerializeToString()) == (1, "old")
    assert OtlpEncoder.rejected(Signal.LOGS, logs.SerializeToString()) == (2, "old")
    assert OtlpEncoder.rejected(Signal.TRACES, spans.SerializeToString()) == (3, "old")


@pytest.mark.parametrize("signal", list(Signal))
def test_garbage_is_told(signal: Signal) -> None:
    with pytest.raises(ValueError, match="not an OTLP message"):
        OtlpEncoder.rejected(signal, b"\xff\xff\xff")
