"""`otlp`: what becomes of metrics, edges, log entries and spans."""

from dataclasses import replace
from typing import Any

import pytest

from remixer.adapters.otlp import Kind, LogInfo, MetricInfo, Params, Severity
from remixer.adapters.otlp.instruments import MOST_POINTS, MOST_SERIES, Instrument, Shape
from remixer.adapters.otlp.logs import LogBook
from remixer.adapters.otlp.metrics import MetricBook
from remixer.adapters.otlp.traces import span_record
from remixer.adapters.otlp.values import EntryError
from remixer.attributes.values import Duration, PlainStringMap, Timestamp, Value
from remixer.drivers.otlp_records import (
    DistributionPoint,
    LogRecord,
    MetricKind,
    MetricRecord,
    NumberPoint,
    SpanEvent,
    SpanRecord,
)
from remixer.sdk.buckets import BucketsDefinition, ExplicitBuckets
from remixer.sdk.spans import span_of
from remixer.templates.instances import Edge, LogEntry, Metric, TraceSpan


def _collected(book: MetricBook, *, now_ns: int = 9, expiration_ns: int = 0) -> list[MetricRecord]:
    return [
        part
        for instrument in book.instruments
        for part in instrument.collect(now_ns=now_ns, expiration_ns=expiration_ns)
    ]


def _metric_record(info: MetricInfo, *values: Value, **changes: Any) -> MetricRecord:
    book = MetricBook(Params(metrics=(info,)))
    for at_ns, value in enumerate(values, start=1):
        book.record_metric(replace(Metric(info.instance_name, value), **changes), now_ns=at_ns)
    (record,) = _collected(book)
    return record


# ---------------------------------------------------------------- metrics


def test_a_counter_adds_since_its_first_value() -> None:
    info = MetricInfo("hits", "http.hits", "Hits.", "{hit}", Kind.COUNTER)
    assert _metric_record(info, 2, 3, dimensions={"user": "alice"}) == MetricRecord(
        "http.hits",
        "Hits.",
        "{hit}",
        MetricKind.COUNTER,
        (NumberPoint({"user": "alice"}, 1, 9, 5.0),),
    )


def test_a_gauge_has_its_last_value() -> None:
    (point,) = _metric_record(MetricInfo("g", kind=Kind.GAUGE), 2, -3).numbers
    assert point.value == -3


def test_a_distribution_counts_by_bounds_its_own_upper_ones() -> None:
    buckets = BucketsDefinition(explicit_buckets=ExplicitBuckets((1.0, 5.0)))
    info = MetricInfo("d", kind=Kind.DISTRIBUTION, buckets=buckets)
    record = _metric_record(info, 1, 1.5, 5, 100)
    assert record.bounds == (1.0, 5.0)
    assert record.distributions == (DistributionPoint({}, 1, 9, 4, 107.5, 1.0, 100.0, (1, 2, 1)),)


@pytest.mark.parametrize(
    ("value", "number"),
    [(7, 7.0), (0.5, 0.5), (Duration(1_500_000_000), 1.5), ("2.5", 2.5)],
)
def test_numbers_durations_in_seconds_and_texts_that_read_as_numbers(
    value: Value, number: float
) -> None:
    (point,) = _metric_record(MetricInfo("g", kind=Kind.GAUGE), value).numbers
    assert point.value == number


@pytest.mark.parametrize(
    "value", [None, "x", True, b"\x0a\x00\x00\x01", Timestamp(1), "nan", 1e308]
)
def test_other_values_are_errors_of_their_instance(value: Value | None) -> None:
    book = MetricBook(Params(metrics=(MetricInfo("g", kind=Kind.GAUGE, value_scale=100.0),)))
    with pytest.raises(EntryError, match=r"^g: "):
        book.record_metric(Metric("g", value), now_ns=1)
    assert _collected(book) == []


def test_a_counter_never_falls() -> None:
    book = MetricBook(Params(metrics=(MetricInfo("c", kind=Kind.COUNTER),)))
    with pytest.raises(EntryError, match="negative"):
        book.record_metric(Metric("c", -1), now_ns=1)


def test_values_are_scaled() -> None:
    info = MetricInfo("latency", kind=Kind.GAUGE, unit="ms", value_scale=1000.0)
    (point,) = _metric_record(info, Duration(1_500_000)).numbers
    assert point.value == pytest.approx(1.5)


def test_an_instance_without_an_entry_is_an_error() -> None:
    with pytest.raises(EntryError, match="could not find metric info from adapter config for x"):
        MetricBook(Params()).record_metric(Metric("x", 1), now_ns=1)


def test_dimensions_and_the_monitored_resource_are_attributes() -> None:
    record = _metric_record(
        MetricInfo("g", kind=Kind.GAUGE),
        1,
        dimensions={"ok": True, "n": 1, "ip": bytes([10, 0, 0, 1]), "t": "\udc80"},
        monitored_resource_type="pod",
        monitored_resource_dimensions={"zone": "a"},
    )
    assert record.numbers[0].attributes == {
        "ok": True,
        "n": 1,
        "ip": "10.0.0.1",
        "t": "?",
        "monitored_resource_type": "pod",
        "monitored_resource_zone": "a",
    }


def test_the_order_of_dimensions_makes_no_series() -> None:
    book = MetricBook(Params(metrics=(MetricInfo("c", kind=Kind.COUNTER),)))
    book.record_metric(Metric("c", 1, {"a": "1", "b": "2"}), now_ns=1)
    book.record_metric(Metric("c", 1, {"b": "2", "a": "1"}), now_ns=1)
    (record,) = _collected(book)
    assert [point.value for point in record.numbers] == [2]


def test_an_edge_is_a_call_counted_by_its_ends() -> None:
    book = MetricBook(Params(edge_metric="mesh.calls"))
    edge = Edge("e", Timestamp(5), source_workload_name="web", destination_workload_name="cart")
    book.record_edge(edge, now_ns=1)
    book.record_edge(edge, now_ns=2)
    (record,) = _collected(book)
    assert (record.name, record.kind) == ("mesh.calls", MetricKind.COUNTER)
    attributes = {"source_workload_name": "web", "destination_workload_name": "cart"}
    assert record.numbers == (NumberPoint(attributes, 1, 9, 2.0),)


def _counter() -> Instrument:
    return Instrument(Shape("c", MetricKind.COUNTER))


def test_series_are_bounded_and_known_ones_go_on() -> None:
    instrument = _counter()
    for number in range(MOST_SERIES):
        instrument.record(1, {"n": number}, now_ns=1)
    with pytest.raises(EntryError, match="10000 series already"):
        instrument.record(1, {"n": MOST_SERIES}, now_ns=1)
    instrument.record(1, {"n": 0}, now_ns=1)
    parts = list(instrument.collect(now_ns=2, expiration_ns=0))
    assert [len(part.numbers) for part in parts] == [MOST_POINTS] * (MOST_SERIES // MOST_POINTS)
    assert parts[0].numbers[0].value == 2


def test_a_series_without_updates_expires_and_begins_anew() -> None:
    instrument = _counter()
    instrument.record(1, {"n": "old"}, now_ns=10)
    instrument.record(1, {"n": "new"}, now_ns=15)
    (part,) = instrument.collect(now_ns=25, expiration_ns=10)
    assert [point.attributes for point in part.numbers] == [{"n": "new"}]
    instrument.record(1, {"n": "old"}, now_ns=30)
    (part,) = instrument.collect(now_ns=31, expiration_ns=100)
    assert [(point.start_ns, point.value) for point in part.numbers] == [(15, 1), (30, 1)]


# ---------------------------------------------------------------- logs

_ENTRY = LogEntry(
    "log.instance.shop",
    {"path": "/cart", "code": 404, "took": Duration(1_500_000)},
    Timestamp(7),
    "Warning",
)


def _log(entry: LogEntry = _ENTRY, **info: Any) -> LogRecord:
    return LogBook([LogInfo("log.instance.shop", **info)]).record(entry, now_ns=9)


def test_by_default_all_variables_are_attributes_and_there_is_no_body() -> None:
    wanted = LogRecord(
        "log.instance.shop",
        7,
        9,
        Severity.WARN,
        "Warning",
        None,
        {"path": "/cart", "code": 404, "took": "1.5ms"},
    )
    assert _log() == wanted
    assert LogBook([]).record(_ENTRY, now_ns=9) == wanted


def test_the_body_is_a_go_template_over_variables_timestamp_and_severity() -> None:
    record = _log(body_template='{{.severity}} {{.path}} {{.code}} {{or .user "-"}}')
    assert record.body == "Warning /cart 404 -"


def test_a_template_that_fails_is_an_error_of_its_instance() -> None:
    with pytest.raises(EntryError, match=r"^log\.instance\.shop: body_template"):
        _log(body_template="{{index .path 1 2}}")


def test_attribute_names_choose_variables() -> None:
    assert _log(attribute_names=("code", "missing")).attributes == {"code": 404}


@pytest.mark.parametrize(
    ("text", "severity"),
    [
        ("", Severity.UNSPECIFIED),
        ("info", Severity.INFO),
        ("NOTICE", Severity.INFO),
        ("Default", Severity.INFO),
        ("err", Severity.ERROR),
        ("CRITICAL", Severity.ERROR),
        ("emergency", Severity.FATAL),
        ("loud", Severity.UNSPECIFIED),
    ],
)
def test_usual_severities_are_known_in_any_case(text: str, severity: Severity) -> None:
    record = _log(replace(_ENTRY, severity=text))
    assert (record.severity, record.severity_text) == (severity, text)


def test_own_severities_come_first() -> None:
    severities = {"loud": Severity.ERROR, "info": Severity.DEBUG}
    entries = [replace(_ENTRY, severity=text) for text in ("loud", "info", "warn")]
    assert [_log(entry, severities=severities).severity for entry in entries] == [17, 5, 13]


def test_string_maps_are_text() -> None:
    entry = replace(_ENTRY, variables={"headers": PlainStringMap({"a": "b"})})
    assert _log(entry).attributes == {"headers": "stringmap[a:b]"}


# ---------------------------------------------------------------- spans

_SPAN = TraceSpan(
    "span",
    trace_id="463ac35c9f6413ad48485a3953bb6124",
    span_id="a2fb4a1d1a96d312",
    parent_span_id="0020000000000001",
    span_name="GET /cart",
    start_time=Timestamp(1_000),
    end_time=Timestamp(3_000),
    source_name="web.shop",
    source_ip=bytes([10, 0, 0, 1]),
    destination_name="cart.shop",
    destination_ip=bytes([10, 0, 0, 2]),
    span_tags={"t": "x", "ok": True},
    httpStatusCode=503,
    request_total_size=10,
    response_total_size=20,
)


def _span_record(**changes: Any) -> SpanRecord:
    span = span_of(replace(_SPAN, **changes))
    assert span is not None
    return span_record(span)


def test_a_span_keeps_the_ids_of_the_mesh() -> None:
    assert _span_record() == SpanRecord(
        trace_id=bytes.fromhex("463ac35c9f6413ad48485a3953bb6124"),
        span_id=bytes.fromhex("a2fb4a1d1a96d312"),
        parent_id=bytes.fromhex("0020000000000001"),
        name="GET /cart",
        service="cart.shop",
        is_client=False,
        start_ns=1_000,
        end_ns=3_000,
        attributes={
            "t": "x",
            "ok": "true",
            "http.status_code": 503,
            "http.response.status_code": 503,
            "peer.service": "web.shop",
            "network.peer.address": "10.0.0.1",
            "network.local.address": "10.0.0.2",
        },
        error="UNAVAILABLE",
        events=(
            SpanEvent(
                "message", 1_000, {"message.type": "RECEIVED", "message.uncompressed_size": 10}
            ),
            SpanEvent("message", 3_000, {"message.type": "SENT", "message.uncompressed_size": 20}),
        ),
    )


@pytest.mark.parametrize(
    ("http", "client_error", "server_error"),
    [(200, None, None), (404, "NOT_FOUND", None), (500, "UNKNOWN", "UNKNOWN"), (0, None, None)],
)
def test_a_clients_fault_is_no_servers_fault(
    http: int, client_error: str | None, server_error: str | None
) -> None:
    assert _span_record(httpStatusCode=http, client_span=True).error == client_error
    assert _span_record(httpStatusCode=http).error == server_error
