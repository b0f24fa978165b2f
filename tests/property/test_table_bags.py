"""Reading all of a bag at once gives what reading one attribute after the other gives."""

from hypothesis import given
from hypothesis import strategies as st

from remixer.attributes.bag import Bag, plain_bag
from remixer.attributes.http_bag import HttpBag, HttpFacts
from remixer.attributes.http_report import CheckNote, HttpEnd, HttpReportBag
from remixer.attributes.table_bag import TableBag
from remixer.attributes.values import Duration, PlainStringMap, Timestamp, Value
from remixer.attributes.vocabulary import Vocabulary
from remixer.frontends.envoy.ext_authz.codec import CheckDecoder
from remixer.wire._pb.envoy.service.auth.v3.external_auth_pb2 import CheckRequest

_TEXTS = st.sampled_from(["", "a", "cart.shop", "/x?key=1&b=2", "application/grpc"])
_NAMES = st.sampled_from(
    [
        "source.namespace",
        "source.ip",
        "destination.ip",
        "destination.port",
        "destination.uid",
        "request.id",
        "request.headers",
        "response.code",
        "check.error_code",
        "own.name",
    ]
)
_HEADERS = st.dictionaries(
    st.sampled_from(["content-type", "x-request-id", "user-agent", "x-api-key", "host"]), _TEXTS
).map(PlainStringMap)
_STATIC = st.dictionaries(_NAMES, _TEXTS)
_PRINCIPALS = st.sampled_from([None, "cluster.local/ns/shop/sa/web", "somebody"])
_FACTS = st.builds(
    HttpFacts,
    method=_TEXTS,
    path=_TEXTS,
    headers=_HEADERS,
    authority=_TEXTS,
    scheme=_TEXTS,
    received_at=st.integers(0, 2**60).map(Timestamp),
    source_ip=st.none() | st.just(b"\x0a\x00\x00\x01"),
    destination_ip=st.none() | st.just(b"\x0a\x00\x00\x02"),
    destination_port=st.none() | st.integers(1, 65_535),
    source_principal=_PRINCIPALS,
    server_name=st.none() | _TEXTS,
)
_ENDS = st.builds(
    HttpEnd,
    code=st.integers(0, 599),
    sent_status=st.integers(0, 599),
    duration=st.integers(0, 2**40).map(Duration),
    headers=st.none() | _HEADERS,
    trailers=st.none() | st.just(PlainStringMap({"grpc-status": "0"})),
    check=st.none() | st.builds(CheckNote, error_code=st.none() | st.integers(1, 16)),
)


def one_by_one(bag: Bag) -> dict[str, object]:
    return {name: plain(bag[name]) for name in bag.names()}


def at_once(bag: TableBag) -> dict[str, object]:
    return {name: plain(value) for name, value in bag.present().items()}


def plain(value: Value | None) -> object:
    """Comparable, with its type."""
    whole = getattr(value, "whole", None)
    return (type(value), value) if whole is None else dict(whole())


@given(_FACTS, _STATIC, _STATIC)
def test_of_a_request(facts: HttpFacts, static: dict[str, str], forwarded: dict[str, str]) -> None:
    def bag() -> HttpBag:
        return HttpBag(facts, static=plain_bag(static), forwarded=forwarded)

    assert at_once(bag()) == one_by_one(bag())


@given(_FACTS, _STATIC, _STATIC, _ENDS)
def test_of_a_finished_request(
    facts: HttpFacts, static: dict[str, str], forwarded: dict[str, str], end: HttpEnd
) -> None:
    def bag() -> HttpReportBag:
        checked = HttpBag(facts, static=plain_bag(static), forwarded=forwarded)
        return HttpReportBag(checked, end)

    assert at_once(bag()) == one_by_one(bag())


@given(_HEADERS, _TEXTS, _STATIC, st.sampled_from([(), ("own.name", "another")]))
def test_of_a_message_of_envoy(
    headers: PlainStringMap, path: str, extensions: dict[str, str], filters: tuple[str, ...]
) -> None:
    message = CheckRequest()
    attributes = message.attributes
    attributes.request.http.path = path
    attributes.request.http.headers.update(headers)
    attributes.context_extensions.update(extensions)
    for name in filters:
        attributes.metadata_context.filter_metadata[name].fields["a"].string_value = "b"

    def bag() -> TableBag:
        found = CheckDecoder().decode(message.SerializeToString(), Vocabulary())
        assert isinstance(found, TableBag)
        return found

    assert at_once(bag()) == one_by_one(bag())
