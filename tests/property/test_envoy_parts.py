"""However a CheckRequest is written, it says what protobuf reads from it."""

from collections.abc import Sequence
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from remixer.attributes.values import Value, ValueType
from remixer.attributes.vocabulary import Vocabulary
from remixer.frontends.envoy.ext_authz.attributes import CHECK_ATTRIBUTES, CheckBag
from remixer.frontends.envoy.ext_authz.codec import CheckDecoder
from remixer.wire._pb.envoy.service.auth.v3.attribute_context_pb2 import AttributeContext
from remixer.wire._pb.envoy.service.auth.v3.external_auth_pb2 import CheckRequest
from remixer.wire.framing import embedded

_TEXTS = st.sampled_from(["", "a", "80", "cluster.local/ns/shop/sa/web", "x" * 200])
_NAMES = [*CHECK_ATTRIBUTES, "own.filter", "own", "absent"]
_TYPES = [type_ for type_ in ValueType if type_ is not ValueType.VALUE_TYPE_UNSPECIFIED]
_HEADERS = st.dictionaries(
    st.sampled_from(["content-type", "x-istio-attributes", "x-user", "user-agent"]),
    st.sampled_from(
        ["", "a", "application/grpc", "application/grpc+proto", "application/grpc-web"]
    ),
)


@st.composite
def requests(draw: st.DrawFn) -> list[AttributeContext.Request]:
    """Parts of one request, in any order: protobuf merges what comes twice."""
    parts = []
    if draw(st.booleans()):
        parts.append(AttributeContext.Request())
        parts[-1].time.seconds = draw(st.integers(0, 2**33))
    for _ in range(draw(st.integers(0, 2))):
        part = AttributeContext.Request()
        part.http.SetInParent()
        part.http.path = draw(_TEXTS)
        part.http.id = draw(st.sampled_from(["", "42"]))
        part.http.headers.update(draw(_HEADERS))
        if draw(st.integers(0, 4)) == 0:
            header = part.http.header_map.headers.add()
            header.key, header.raw_value = "content-type", b"application/grpc"
        parts.append(part)
    return parts


@st.composite
def fields(draw: st.DrawFn) -> list[bytes]:
    """Fields of an AttributeContext, as Envoy writes them."""
    found = []
    for number in (1, 2):
        for _ in range(draw(st.integers(0, 2))):
            peer = AttributeContext.Peer(principal=draw(_TEXTS))
            if draw(st.booleans()):
                peer.address.socket_address.address = draw(st.sampled_from(["", "10.0.0.1"]))
            found.append(embedded(number, peer.SerializeToString()))
    found += [embedded(4, part.SerializeToString()) for part in draw(requests())]
    end = AttributeContext()
    names = st.sampled_from(["own", "source.namespace", "destination.labels", "request.path"])
    for name, text in draw(st.dictionaries(names, _TEXTS)).items():
        entry = AttributeContext(context_extensions={name: text})
        found.append(entry.SerializeToString())
    if draw(st.booleans()):
        end.metadata_context.filter_metadata["own.filter"].update({"said": draw(_TEXTS)})
    if draw(st.booleans()):
        end.tls_session.sni = draw(_TEXTS)
    if draw(st.booleans()):
        end.route_metadata_context.filter_metadata["remixer"].update({"own": draw(_TEXTS)})
    return [*found, end.SerializeToString()]


def plain(value: Value | None) -> object:
    """Comparable, with its type."""
    whole = getattr(value, "whole", None)
    return (type(value), value) if whole is None else dict(whole())


def told(bag: CheckBag, names: Sequence[str]) -> dict[str, object]:
    return {name: plain(bag[name]) for name in names}


_VOCABULARIES = st.integers(0, 20).map(
    lambda seed: Vocabulary(
        {name: _TYPES[(at + seed) % len(_TYPES)] for at, name in enumerate(_NAMES[::2])}
    )
)


@given(
    st.lists(st.tuples(fields(), st.randoms(use_true_random=False)), min_size=1, max_size=3),
    _VOCABULARIES,
    st.permutations(_NAMES),
)
@settings(deadline=None)
def test_the_order_of_fields_and_of_reading_is_of_no_importance(
    messages: list[tuple[list[bytes], Random]], vocabulary: Vocabulary, names: list[str]
) -> None:
    decoder = CheckDecoder()
    for parts, random in messages:
        usual = embedded(1, b"".join(parts))
        random.shuffle(parts)
        at = len(parts) // 2
        turned = embedded(1, b"".join(parts[:at])) + embedded(1, b"".join(parts[at:]))
        # What protobuf makes of both, where the order of parts that are there twice counts.
        for octets in (usual, turned):
            anew = CheckRequest.FromString(octets).SerializeToString()
            bag, oracle = (
                decoder.decode(octets, vocabulary),
                CheckDecoder().decode(anew, vocabulary),
            )
            wanted = told(oracle, _NAMES)
            assert told(bag, names) == {name: wanted[name] for name in names}
            assert bag.forwarded == oracle.forwarded
            assert bag.deduplication_id() == oracle.deduplication_id()
            again = decoder.decode(octets, vocabulary)
            assert {name: plain(value) for name, value in again.present().items()} == {
                name: value for name, value in wanted.items() if value != (type(None), None)
            }


@given(requests())
@settings(deadline=None)
def test_the_protocol_is_what_the_parsed_request_says(
    parts: list[AttributeContext.Request],
) -> None:
    octets = embedded(1, b"".join(embedded(4, each.SerializeToString()) for each in parts))
    closed, opened = (CheckDecoder().decode(octets, Vocabulary()) for _ in range(2))
    request = CheckRequest.FromString(octets).attributes.request
    headers = opened.open().headers
    kind = headers.get("content-type", "")
    is_grpc = kind == "application/grpc" or kind.startswith("application/grpc+")
    wanted = ("grpc" if is_grpc else "http") if request.HasField("http") else "tcp"
    assert closed["context.protocol"] == opened["context.protocol"] == wanted
