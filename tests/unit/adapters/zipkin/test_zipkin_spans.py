"""`zipkin`: how a span looks on the wire."""

import json
from dataclasses import replace
from typing import Any

from remixer.adapters.zipkin.encoding import encode_span
from remixer.attributes.values import Timestamp
from remixer.sdk.spans import span_of
from remixer.templates.instances import TraceSpan

_S = 1_000_000_000
_INSTANCE = TraceSpan(
    "span.instance.shop",
    trace_id="463ac35c9f6413ad48485a3953bb6124",
    span_id="a2fb4a1d1a96d312",
    parent_span_id="0020000000000001",
    span_name="GET /cart",
    start_time=Timestamp(1_622_505_600 * _S),
    end_time=Timestamp(1_622_505_600 * _S + 1_500_000),
    source_name="web.shop",
    source_ip=bytes([10, 0, 0, 1]),
    destination_name="cart.shop",
    destination_ip=bytes.fromhex("20010db8000000000000000000000001"),
    span_tags={"request.path": "/cart", "n": 7, "share": 0.5},
    httpStatusCode=404,
)


def _encoded(**changes: Any) -> dict[str, Any]:
    span = span_of(replace(_INSTANCE, **changes))
    assert span is not None
    decoded: dict[str, Any] = json.loads(encode_span(span))
    return decoded


def test_a_span_of_a_server_looks_so() -> None:
    assert _encoded() == {
        "traceId": "463ac35c9f6413ad48485a3953bb6124",
        "id": "a2fb4a1d1a96d312",
        "parentId": "0020000000000001",
        "name": "GET /cart",
        "kind": "SERVER",
        "timestamp": 1_622_505_600_000_000,
        "duration": 1_500,
        "localEndpoint": {"serviceName": "cart.shop", "ipv6": "2001:db8::1"},
        "remoteEndpoint": {"serviceName": "web.shop", "ipv4": "10.0.0.1"},
        "annotations": [
            {"timestamp": 1_622_505_600_000_000, "value": "RECV"},
            {"timestamp": 1_622_505_600_001_500, "value": "SENT"},
        ],
        "tags": {
            "request.path": "/cart",
            "n": "7",
            "share": "0.5",
            "http.status_code": "404",
            "error": "NOT_FOUND",
        },
    }


def test_a_client_is_local_at_the_source_and_sends_first() -> None:
    span = _encoded(client_span=True)
    assert span["kind"] == "CLIENT"
    assert span["localEndpoint"] == {"serviceName": "web.shop", "ipv4": "10.0.0.1"}
    assert [each["value"] for each in span["annotations"]] == ["SENT", "RECV"]


def test_trace_ids_of_64_bits_have_16_digits() -> None:
    assert _encoded(trace_id="48485a3953bb6124")["traceId"] == "48485a3953bb6124"


def test_an_unknown_local_end_is_shown_as_the_original_does() -> None:
    span = _encoded(destination_name="", destination_ip=b"")
    assert span["localEndpoint"] == {"serviceName": "default", "ipv4": "0.0.0.0"}  # noqa: S104 - nothing is bound


def test_an_unknown_remote_end_is_left_out() -> None:
    assert "remoteEndpoint" not in _encoded(source_name="", source_ip=b"")


def test_mapped_addresses_are_ipv4() -> None:
    mapped = bytes(10) + b"\xff\xff" + bytes([10, 0, 0, 9])
    assert _encoded(destination_ip=mapped)["localEndpoint"]["ipv4"] == "10.0.0.9"


def test_a_root_has_no_parent_and_an_instant_no_duration() -> None:
    span = _encoded(parent_span_id="", end_time=_INSTANCE.start_time)
    assert "parentId" not in span
    assert "duration" not in span


def test_a_span_shorter_than_a_microsecond_took_one() -> None:
    assert _encoded(end_time=Timestamp(_INSTANCE.start_time + 10))["duration"] == 1


def test_success_has_no_error_tag() -> None:
    assert "error" not in _encoded(httpStatusCode=204)["tags"]


def test_text_that_is_no_utf_8_breaks_nothing() -> None:
    assert _encoded(span_tags={"t": "\udc80"})["tags"]["t"] == "\udc80"
