"""Finished requests read as columns arrive as they would if each were read by itself."""

import struct
from collections import Counter
from collections.abc import Hashable, Mapping

from hypothesis import given
from hypothesis import strategies as st

from remixer.attributes.bag import Bag, plain_bag
from remixer.attributes.byte_headers import ByteHeaders
from remixer.attributes.http_bag import HttpBag, HttpFacts
from remixer.attributes.http_columns import HttpReader
from remixer.attributes.http_report import CheckNote, HttpEnd, HttpReportBag
from remixer.attributes.values import Duration, PlainStringMap, StringMap, Timestamp, Value
from remixer.frontends.mixer_v1.codec import decode_report_call
from remixer.wire.report_batch import ReportBatch

_TEXTS = st.sampled_from(["", "a", "cart.shop", "/x", "/x?key=1&b=2", "é"])
_NAMES = st.sampled_from(
    [
        b"content-type",
        b"x-request-id",
        b"user-agent",
        b"X-Api-Key",
        b"host",
        b"grpc-status",
        b"grpc-message",
        b"referer",
        b"x-istio-attributes",
        b"x-\xff",
    ]
)
_BYTES = st.sampled_from([b"", b"a", b"application/grpc", b"text/plain", b"\xff", b"x" * 200])
_LINES = st.lists(st.tuples(_NAMES, _BYTES), max_size=4)
_HEADERS: st.SearchStrategy[StringMap] = st.one_of(
    _LINES.map(ByteHeaders), _LINES.map(ByteHeaders), st.just(PlainStringMap({"x-request-id": "1"}))
)
_ADDRESSES = st.sampled_from([None, b"\x0a\x00\x00\x01"])
_FACTS = st.builds(
    HttpFacts,
    method=st.sampled_from(["GET", "POST", ""]),
    path=_TEXTS,
    headers=_HEADERS,
    authority=_TEXTS,
    scheme=st.sampled_from(["", "http", "https"]),
    received_at=st.integers(0, 2**60).map(Timestamp),
    source_ip=_ADDRESSES,
    source_port=st.none() | st.integers(1, 65_535),
    peer_ip=_ADDRESSES,
    destination_ip=_ADDRESSES,
    destination_port=st.none() | st.integers(1, 65_535),
    source_principal=st.sampled_from([None, "cluster.local/ns/shop/sa/web", "somebody"]),
    destination_principal=st.sampled_from([None, "cart"]),
    has_client_certificate=st.booleans(),
    server_name=st.sampled_from([None, "", "cart"]),
)
_ENDS = st.builds(
    HttpEnd,
    code=st.sampled_from([0, 200, 404]),
    sent_status=st.sampled_from([0, 200, 404]),
    duration=st.integers(-5, 2**40).map(Duration),
    ended_at=st.integers(0, 2**60).map(Timestamp),
    headers=st.none() | _HEADERS,
    trailers=st.none() | _HEADERS,
    request_size=st.integers(0, 2**40),
    response_size=st.integers(0, 3),
    check=st.none()
    | st.builds(
        CheckNote,
        error_code=st.none() | st.integers(1, 16),
        error_message=st.none() | _TEXTS,
        is_cache_hit=st.booleans(),
    ),
    error_flag=st.sampled_from(["-", "DC"]),
)
_STATICS: st.SearchStrategy[Mapping[str, Value]] = st.sampled_from(
    [
        plain_bag({}),
        plain_bag({"destination.uid": "cart", "destination.labels": {"app": "cart"}}),
        plain_bag({"destination.port": 80, "destination.ip": b"\x0a\x00\x00\x02"}),
        plain_bag({"request.id": "none", "source.namespace": "here", "request.scheme": "x"}),
        plain_bag({"destination.port": "http", "check.error_code": 7, "own": 1.5}),
        plain_bag({"request.id": 5, "source.uid": 7}),
        plain_bag({"request.query_params": {"a": "b"}, "response.headers": {"c": "d"}}),
    ]
)
_FORWARDED = st.sampled_from(
    [None, {}, {"source.uid": "web"}, {"source.namespace": "far"}, {"request.id": "forged"}]
)
_BAGS = st.lists(
    st.builds(
        lambda facts, static, forwarded, end: HttpReportBag(
            HttpBag(facts, static=static, forwarded=forwarded), end
        ),
        _FACTS,
        _STATICS,
        _FORWARDED,
        _ENDS,
    ),
    min_size=1,
    max_size=8,
)


def content(bag: Bag) -> Hashable:
    return frozenset((name, plain(bag[name])) for name in bag.names())


def plain(value: object) -> Hashable:
    """Comparable by type and bits."""
    whole = getattr(value, "whole", None)
    if whole is not None:
        return ("map", frozenset(whole().items()))
    if isinstance(value, float):
        return ("double", struct.pack("<d", value))
    return (type(value).__name__, value)


@given(_BAGS)
def test_bags_arrive_as_they_are(bags: list[HttpReportBag]) -> None:
    expected = Counter(content(bag.present()) for bag in bags)
    batch = ReportBatch()
    for bag in bags:
        batch.add(bag)
    reports = batch.finish()
    arrived = [decode_report_call(report.payload) for report in reports]
    assert [each.errors for each in arrived] == [()] * len(reports)
    assert Counter(content(bag) for each in arrived for bag in each.bags) == expected
    assert batch.unreadable == 0


@given(_BAGS)
def test_columns_tell_every_bag_once(bags: list[HttpReportBag]) -> None:
    reader = HttpReader()
    told = [bag for bag in bags if reader.has_columns(bag)]
    records = [*reader.records(told)]
    assert sum(each.count for each in records) == len(told)
    for each in records:
        for column in each.columns.values():
            assert len(column.cells) == each.count
            assert None not in column.cells


@given(_FACTS.filter(lambda facts: isinstance(facts.headers, ByteHeaders)), _ENDS)
def test_what_servers_should_not_have_given_is_read_by_itself(
    facts: HttpFacts, end: HttpEnd
) -> None:
    facts.source_port = "4711"  # type: ignore[assignment] # as a server might
    batch = ReportBatch()
    batch.add(HttpReportBag(HttpBag(facts), end))
    (report,) = batch.finish()
    (bag,) = decode_report_call(report.payload).bags
    assert bag["source.port"] == "4711"


def test_headers_that_can_change_are_told_as_they_were_last() -> None:
    lines = [[b"x-request-id", bytearray(b"7")]]
    facts = HttpFacts("GET", "/", ByteHeaders(lines))  # type: ignore[arg-type] # as a server might
    batch = ReportBatch()
    batch.add(HttpReportBag(HttpBag(facts), HttpEnd()))
    (report,) = batch.finish()
    (bag,) = decode_report_call(report.payload).bags
    assert bag["request.id"] == "7"


def test_one_that_cannot_be_read_takes_no_other_with_it() -> None:
    good = HttpReportBag(HttpBag(HttpFacts("GET", "/", ByteHeaders([]))), HttpEnd())
    headers = ByteHeaders([("x", None)])  # type: ignore[list-item] # as an application might
    bad = HttpReportBag(HttpBag(HttpFacts("GET", "/", ByteHeaders([]))), HttpEnd(headers=headers))
    batch = ReportBatch()
    for bag in (good, bad, good):
        batch.add(bag)
    (report,) = batch.finish()
    assert (report.records, batch.unreadable) == (2, 1)
