"""The attributes of an HTTP request and of its end."""

import pytest

from remixer.attributes.bag import plain_bag
from remixer.attributes.http_bag import HttpBag, HttpFacts, inbound_attributes
from remixer.attributes.http_report import CheckNote, HttpEnd, HttpReportBag
from remixer.attributes.values import Duration, PlainStringMap, Timestamp, Value
from remixer.testing.app_mixers import seen

PRINCIPAL = "cluster.local/ns/shop/sa/web"
FACTS = HttpFacts(
    method="GET",
    path="/cart?item=1&key=secret",
    headers=PlainStringMap(
        {
            "host": "cart.shop",
            "user-agent": "curl",
            "referer": "http://a/",
            "x-request-id": "7",
            "x-istio-attributes": "never seen",
        }
    ),
    authority="cart.shop",
    received_at=Timestamp(5),
    source_ip=b"\x0a\x00\x00\x01",
    source_port=4711,
    peer_ip=b"\x0a\x00\x00\x02",
    destination_ip=b"\x0a\x00\x00\x03",
    destination_port=80,
    source_principal=PRINCIPAL,
    destination_principal="cluster.local/ns/shop/sa/cart",
    server_name="cart.local",
)


def bare(**changes: str) -> HttpFacts:
    return HttpFacts(**{"method": "GET", "path": "/", **changes}, headers=PlainStringMap())  # type: ignore[arg-type]  # test data


def test_a_check_sees_what_a_sidecar_would_tell() -> None:
    assert seen(HttpBag(FACTS)) == {
        "source.ip": b"\x0a\x00\x00\x01",
        "source.port": 4711,
        "source.principal": PRINCIPAL,
        "source.user": PRINCIPAL,
        "source.namespace": "shop",
        "origin.ip": b"\x0a\x00\x00\x02",
        "destination.ip": b"\x0a\x00\x00\x03",
        "destination.port": 80,
        "destination.principal": "cluster.local/ns/shop/sa/cart",
        "connection.mtls": True,
        "connection.requested_server_name": "cart.local",
        "context.protocol": "http",
        "context.time": 5,
        "request.time": 5,
        "request.id": "7",
        "request.method": "GET",
        "request.path": "/cart?item=1&key=secret",
        "request.url_path": "/cart",
        "request.query_params": {"item": "1", "key": "secret"},
        "request.host": "cart.shop",
        "request.scheme": "http",
        "request.headers": {
            ":authority": "cart.shop",
            ":method": "GET",
            ":path": "/cart?item=1&key=secret",
            ":scheme": "http",
            "user-agent": "curl",
            "referer": "http://a/",
            "x-request-id": "7",
        },
        "request.useragent": "curl",
        "request.referer": "http://a/",
        "request.api_key": "secret",
    }


def test_what_a_request_does_not_tell_is_absent_or_as_a_sidecar_fills_it() -> None:
    assert seen(HttpBag(bare(path="", scheme=""))) == {
        "connection.mtls": False,
        "context.protocol": "http",
        "context.time": 0,
        "request.time": 0,
        "request.method": "GET",
        "request.path": "",
        "request.host": "",
        "request.scheme": "http",
        "request.headers": {":method": "GET"},
    }


@pytest.mark.parametrize("name", ["host", "x-istio-attributes"])
def test_headers_of_the_mesh_and_of_http_1_alone_are_not_seen_by_key_either(name: str) -> None:
    headers = HttpBag(FACTS)["request.headers"]
    assert not isinstance(headers, str | int | float | bytes | None)
    assert (headers[name], headers[":authority"]) == (None, "cart.shop")


def test_grpc_is_known_by_its_content_type() -> None:
    facts = HttpFacts("POST", "/s/m", PlainStringMap({"content-type": "application/grpc"}))
    assert HttpBag(facts)["context.protocol"] == "grpc"


def test_static_attributes_stand_below_what_the_request_tells() -> None:
    static: dict[str, Value] = {"request.method": "PUT", "destination.uid": "kubernetes://c.shop"}
    bag = HttpBag(FACTS, static=static)
    assert (bag["request.method"], bag["destination.uid"]) == ("GET", "kubernetes://c.shop")


def test_the_operator_knows_best_where_the_service_listens() -> None:
    bag = HttpBag(FACTS, static={"destination.ip": b"abcd", "destination.port": 8080})
    assert (bag["destination.ip"], bag["destination.port"]) == (b"abcd", 8080)


def test_forwarded_attributes_stand_above_all() -> None:
    forwarded = {"source.uid": "kubernetes://w.shop", "destination.service.name": "cart"}
    bag = HttpBag(FACTS, static={"destination.service.name": "other"}, forwarded=forwarded)
    assert (bag["source.uid"], bag["destination.service.name"]) == ("kubernetes://w.shop", "cart")
    assert "source.uid" in set(bag.names())


def test_a_forwarded_namespace_does_not_replace_one_that_a_certificate_proves() -> None:
    assert HttpBag(FACTS, forwarded={"source.namespace": "admin"})["source.namespace"] == "shop"
    assert HttpBag(bare(), forwarded={"source.namespace": "admin"})["source.namespace"] == "admin"


def test_names_are_told_once() -> None:
    bag = HttpBag(FACTS, static={"request.method": "x"}, forwarded={"source.uid": "u"})
    names = list(bag.names())
    assert len(names) == len(set(names))


def test_a_reporter_is_inbound_and_the_destination_unless_said_otherwise() -> None:
    assert inbound_attributes({"destination.uid": "u"}) == {
        "context.reporter.kind": "inbound",
        "context.reporter.uid": "u",
        "destination.uid": "u",
    }
    assert inbound_attributes({"context.reporter.kind": "outbound"}) == {
        "context.reporter.kind": "outbound"
    }


# ---------------------------------------------------------------- the report


def test_a_report_adds_the_end_to_what_the_check_saw() -> None:
    end = HttpEnd(
        code=200,
        sent_status=200,
        duration=Duration(7),
        ended_at=Timestamp(12),
        headers=PlainStringMap({"content-type": "text/html"}),
        request_size=1,
        request_overhead=10,
        response_size=2,
        response_overhead=20,
        check=CheckNote(is_cache_hit=True),
    )
    checked = plain_bag({"request.method": "GET", "context.time": Timestamp(5)})
    assert seen(HttpReportBag(checked, end)) == {
        "request.method": "GET",
        "context.time": 12,
        "request.size": 1,
        "request.total_size": 11,
        "response.code": 200,
        "response.duration": 7,
        "response.headers": {":status": "200", "content-type": "text/html"},
        "response.size": 2,
        "response.total_size": 22,
        "response.time": 12,
        "context.proxy_error_code": "-",
        "check.cache_hit": True,
        "quota.cache_hit": False,
    }


def test_where_nobody_answered_the_code_is_500_and_there_are_no_headers() -> None:
    bag = HttpReportBag(plain_bag({}), HttpEnd())
    assert (bag["response.code"], bag["response.headers"], bag["check.cache_hit"]) == (
        500,
        None,
        None,
    )


def test_a_denial_is_told_with_its_code_text_and_flag() -> None:
    note = CheckNote(error_code=7, error_message="PERMISSION_DENIED:no")
    bag = HttpReportBag(plain_bag({}), HttpEnd(check=note, error_flag="DC"))
    assert (
        bag["check.error_code"],
        bag["check.error_message"],
        bag["context.proxy_error_code"],
    ) == (7, "PERMISSION_DENIED:no", "UAEX")


@pytest.mark.parametrize(
    ("headers", "trailers", "status", "message"),
    [
        ({"grpc-status": "5"}, None, "5", ""),
        ({"grpc-status": "5"}, {"grpc-status": "0", "grpc-message": "m"}, "0", "m"),
        ({}, {"x": "y"}, None, None),
    ],
)
def test_a_grpc_status_stands_in_the_trailers_or_else_in_the_headers(
    headers: dict[str, str],
    trailers: dict[str, str] | None,
    status: str | None,
    message: str | None,
) -> None:
    end = HttpEnd(
        headers=PlainStringMap(headers),
        trailers=None if trailers is None else PlainStringMap(trailers),
    )
    bag = HttpReportBag(plain_bag({}), end)
    assert (bag["response.grpc_status"], bag["response.grpc_message"]) == (status, message)
