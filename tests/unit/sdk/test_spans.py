"""Spans of instances, and the choice which traces to keep."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remixer.attributes.values import Duration, PlainStringMap, Timestamp
from remixer.foundation.status import Code
from remixer.sdk.spans import Endpoint, MessageEvent, Span, SpanKind, SpanSampler, span_of
from remixer.templates.instances import TraceSpan

_SOURCE = bytes([10, 0, 0, 1])
_DESTINATION = bytes.fromhex("20010db8000000000000000000000001")
_INSTANCE = TraceSpan(
    "span.instance.shop",
    trace_id="463ac35c9f6413ad48485a3953bb6124",
    span_id="a2fb4a1d1a96d312",
    parent_span_id="0020000000000001",
    span_name="GET /cart",
    start_time=Timestamp(1_000),
    end_time=Timestamp(3_000),
    source_name="web.shop",
    source_ip=_SOURCE,
    destination_name="cart.shop",
    destination_ip=_DESTINATION,
    request_size=1,
    request_total_size=10,
    response_size=2,
    response_total_size=20,
)


def _span(**changes: Any) -> Span:
    span = span_of(replace(_INSTANCE, **changes))
    assert span is not None
    return span


def test_ids_times_and_name_are_taken_over() -> None:
    span = _span()
    assert span.trace_id.hex() == "463ac35c9f6413ad48485a3953bb6124"
    assert span.span_id.hex() == "a2fb4a1d1a96d312"
    assert span.parent_id is not None
    assert span.parent_id.hex() == "0020000000000001"
    assert (span.name, span.start_ns, span.end_ns) == ("GET /cart", 1_000, 3_000)


def test_a_trace_id_of_64_bits_is_the_lower_half() -> None:
    assert _span(trace_id="48485a3953bb6124").trace_id.hex() == "0" * 16 + "48485a3953bb6124"


@pytest.mark.parametrize(
    "text", ["", "xyz", "1" * 33, "0" * 32, "-1", " 1", "1_0", "0x1", "\u0661"]
)
@pytest.mark.parametrize("field", ["trace_id", "span_id"])
def test_a_span_without_usable_ids_is_none(field: str, text: str) -> None:
    assert span_of(replace(_INSTANCE, **{field: text})) is None


@pytest.mark.parametrize("text", ["", "xyz", "0" * 16, "1" * 17])
def test_a_parent_that_is_no_id_is_no_parent(text: str) -> None:
    assert _span(parent_span_id=text).parent_id is None


def test_the_kind_tells_which_end_is_local() -> None:
    server, client = _span(), _span(client_span=True)
    source, destination = Endpoint("web.shop", _SOURCE), Endpoint("cart.shop", _DESTINATION)
    assert (server.kind, server.local, server.remote) == (SpanKind.SERVER, destination, source)
    assert (client.kind, client.local, client.remote) == (SpanKind.CLIENT, source, destination)


def test_an_address_of_zeros_is_not_known() -> None:
    assert _span(source_ip=bytes(4)).remote == Endpoint("web.shop", b"")


def test_addresses_as_text() -> None:
    assert _span().local.address == "2001:db8::1"
    assert _span().remote.address == "10.0.0.1"
    assert Endpoint("n", b"").address == ""


def test_a_rewritten_server_span_names_the_rewritten_client_span_as_its_parent() -> None:
    client = _span(client_span=True, rewrite_client_span_id=True)
    server = _span(rewrite_client_span_id=True)
    assert client.span_id == bytes.fromhex("9d9164ded28611b9")
    assert client.parent_id == _span().parent_id
    assert server.span_id == _span().span_id
    assert server.parent_id == client.span_id


def test_message_events_go_out_and_come_in_by_kind() -> None:
    assert _span().events == (
        MessageEvent(1_000, was_sent=False, size_bytes=10),
        MessageEvent(3_000, was_sent=True, size_bytes=20),
    )
    assert [each.was_sent for each in _span(client_span=True).events] == [True, False]


@pytest.mark.parametrize(
    ("http", "code"),
    [
        (0, Code.OK),
        (-1, Code.OK),
        (200, Code.OK),
        (302, Code.OK),
        (399, Code.OK),
        (100, Code.UNKNOWN),
        (404, Code.NOT_FOUND),
        (418, Code.UNKNOWN),
        (429, Code.RESOURCE_EXHAUSTED),
        (500, Code.UNKNOWN),
        (503, Code.UNAVAILABLE),
    ],
)
def test_the_status_follows_the_http_status(http: int, code: Code) -> None:
    assert _span(httpStatusCode=http).status is code


def test_text_and_numbers_stay_and_other_tags_become_text() -> None:
    tags = {
        "t": "x",
        "i": 1,
        "d": 0.5,
        "b": True,
        "ip": _SOURCE,
        "for": Duration(1_500_000_000),
        "at": Timestamp(0),
        "map": PlainStringMap({"k": "v"}),
    }
    assert _span(span_tags=tags, httpStatusCode=204).tags == {
        "t": "x",
        "i": 1,
        "d": 0.5,
        "b": "true",
        "ip": "10.0.0.1",
        "for": "1.5s",
        "at": "1970-01-01T00:00:00.000000Z",
        "map": "stringmap[k:v]",
        "http.status_code": 204,
    }


# ---------------------------------------------------------------- sampling


def _trace_id(upper: int) -> bytes:
    return upper.to_bytes(8, "big") + bytes(7) + b"\x01"


def test_nothing_is_kept_at_0_and_all_at_1() -> None:
    for upper in (0, 1, 2**63, 2**64 - 1):
        assert not SpanSampler(0.0).keeps(_trace_id(upper))
        assert SpanSampler(1.0).keeps(_trace_id(upper))


@pytest.mark.parametrize("probability", [5e-324, 1e-9, 0.5])
def test_trace_ids_of_64_bits_are_always_kept(probability: float) -> None:
    assert SpanSampler(probability).keeps(_trace_id(0))


def test_the_bound_is_on_the_upper_half_shifted_by_one() -> None:
    sampler = SpanSampler(0.25)
    bound = 2**61
    assert sampler.keeps(_trace_id((bound - 1) << 1))
    assert sampler.keeps(_trace_id(((bound - 1) << 1) | 1))
    assert not sampler.keeps(_trace_id(bound << 1))


@given(st.integers(0, 2**64 - 1), st.floats(0, 1), st.floats(0, 1))
@settings(max_examples=200)
def test_what_a_smaller_share_keeps_a_larger_one_keeps(upper: int, one: float, two: float) -> None:
    small, large = sorted((one, two))
    assert SpanSampler(large).keeps(_trace_id(upper)) or not SpanSampler(small).keeps(
        _trace_id(upper)
    )
