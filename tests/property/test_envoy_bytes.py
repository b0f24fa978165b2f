"""Whatever bytes come from Envoy's side, nothing but the documented error is raised."""

from base64 import b64encode
from contextlib import suppress

from google.protobuf.struct_pb2 import Struct
from hypothesis import given, settings
from hypothesis import strategies as st

from remixer.attributes.bag import Bag, TrackedBag, plain_bag
from remixer.attributes.values import ValueType
from remixer.attributes.vocabulary import Vocabulary
from remixer.foundation.errors import InvalidRequestError
from remixer.frontends.envoy.access_log.codec import StreamDecoder
from remixer.frontends.envoy.decision_metadata import CheckRecord
from remixer.frontends.envoy.ext_authz.attributes import CHECK_ATTRIBUTES
from remixer.frontends.envoy.ext_authz.codec import CheckDecoder
from remixer.transport.peer_trust import PeerTrust
from remixer.transport.port import Peer
from remixer.wire._pb.envoy.service.accesslog.v3.als_pb2 import StreamAccessLogsMessage
from remixer.wire._pb.envoy.service.auth.v3.external_auth_pb2 import CheckRequest
from remixer.wire.forwarded import ACCEPTED, accepted, encode_forwarded
from remixer.wire.forwarded_reader import ForwardedReader

_TYPES = [type_ for type_ in ValueType if type_ is not ValueType.VALUE_TYPE_UNSPECIFIED]
_INT64 = st.integers(-(2**63), 2**63 - 1)
_UINT64 = st.integers(0, 2**64 - 1)
_NAMES = st.sampled_from(
    [*CHECK_ATTRIBUTES, "envoy.filters.http.ext_authz", "envoy.filters.http.jwt_authn", "iss", ""]
)


@st.composite
def structs(draw: st.DrawFn) -> Struct:
    struct = Struct()
    leaf = st.none() | st.booleans() | st.floats() | st.text(max_size=5)
    values = st.recursive(
        leaf,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=3),
        max_leaves=6,
    )
    struct.update(draw(st.dictionaries(_NAMES, values, max_size=4)))
    return struct


@st.composite
def check_requests(draw: st.DrawFn) -> bytes:
    """Well-formed on the wire, senseless in content."""
    request = CheckRequest()
    attributes = request.attributes
    attributes.source.address.socket_address.address = draw(st.text(max_size=20))
    attributes.source.principal = draw(st.text(max_size=20))
    attributes.request.time.seconds = draw(_INT64)
    attributes.request.time.nanos = draw(st.integers(-(2**31), 2**31 - 1))
    if draw(st.booleans()):
        attributes.request.http.path = draw(st.text(max_size=30))
        attributes.request.http.size = draw(_INT64)
        header = attributes.request.http.header_map.headers.add()
        header.raw_value = draw(st.binary(max_size=10))
    for name, text in draw(st.dictionaries(_NAMES, st.text(max_size=20), max_size=4)).items():
        attributes.context_extensions[name] = text
    for context in (attributes.metadata_context, attributes.route_metadata_context):
        for name in ("envoy.filters.http.jwt_authn", "remixer"):
            context.filter_metadata[name].CopyFrom(draw(structs()))
    return request.SerializeToString()


@st.composite
def log_messages(draw: st.DrawFn) -> bytes:
    message = StreamAccessLogsMessage()
    message.identifier.node.metadata.CopyFrom(draw(structs()))
    http = message.http_logs if draw(st.booleans()) else None
    entry = (http or message.tcp_logs).log_entry.add()
    common = entry.common_properties
    common.start_time.seconds = draw(_INT64)
    common.duration.seconds = draw(_INT64)
    common.time_to_first_downstream_tx_byte.seconds = draw(_INT64)
    common.access_log_type = draw(st.integers(0, 50))  # type: ignore[assignment] # an open enum
    common.upstream_cluster = draw(st.text("ab|.svc", max_size=20))
    common.metadata.filter_metadata["envoy.filters.http.ext_authz"].CopyFrom(draw(structs()))
    if http is not None:
        request = http.log_entry[0].request
        request.request_method = draw(st.integers(0, 50))  # type: ignore[assignment] # an open enum
        request.request_body_bytes = draw(_UINT64)
    else:
        message.tcp_logs.log_entry[0].connection_properties.sent_bytes = draw(_UINT64)
    return message.SerializeToString()


def _read_everything(bag: Bag) -> None:
    tracked = TrackedBag(bag)
    for name in [*CHECK_ATTRIBUTES, *bag.names()]:
        value = tracked[name]
        if value is not None and not isinstance(value, (str, int, float, bytes)):
            value.whole()
    tracked.references()


def _vocabulary(seed: int) -> Vocabulary:
    names = enumerate(CHECK_ATTRIBUTES)
    return Vocabulary({name: _TYPES[(at + seed) % len(_TYPES)] for at, name in names})


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_a_check_or_an_invalid_request(message: bytes) -> None:
    with suppress(InvalidRequestError):
        _read_everything(CheckDecoder().decode(message, Vocabulary()))


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_a_log_or_an_invalid_request(message: bytes) -> None:
    with suppress(InvalidRequestError):
        for bag in StreamDecoder().decode(message, Vocabulary()):
            _read_everything(bag)


@given(check_requests(), st.integers(0, 20))
@settings(max_examples=200, deadline=None)
def test_any_well_formed_check_can_be_read_whole(message: bytes, seed: int) -> None:
    _read_everything(CheckDecoder().decode(message, _vocabulary(seed)))


@given(log_messages(), st.integers(0, 20))
@settings(max_examples=200, deadline=None)
def test_any_well_formed_log_can_be_read_whole(message: bytes, seed: int) -> None:
    for bag in StreamDecoder().decode(message, _vocabulary(seed)):
        _read_everything(bag)


@given(structs())
def test_any_metadata_is_a_check_record(struct: Struct) -> None:
    record = CheckRecord({"envoy.filters.http.ext_authz": struct})
    if record.error_code() is None:
        assert record.error_message() is None


_TRUST = PeerTrust.of(["unix"])
_HEADERS = (
    st.text(max_size=100)
    | st.binary(max_size=100).map(lambda content: b64encode(content).decode())
    | st.dictionaries(
        st.sampled_from(sorted(ACCEPTED)) | st.text(st.characters(codec="utf-8")),
        st.text(st.characters(codec="utf-8")) | st.integers(-(2**63), 2**63 - 1) | st.binary(),
    ).map(lambda found: encode_forwarded(plain_bag(found)))
)


@given(_HEADERS)
def test_any_forwarded_header_gives_accepted_text_or_nothing(header: str) -> None:
    found = ForwardedReader(trust=_TRUST).read(header, Peer("unix:"))
    assert found.keys() <= ACCEPTED
    assert all(isinstance(value, str) and value for value in found.values())


@given(st.dictionaries(st.sampled_from(sorted(ACCEPTED)), st.text(st.characters(codec="utf-8"))))
def test_accepted_attributes_come_back_as_they_were_sent(sent: dict[str, str]) -> None:
    header = encode_forwarded(plain_bag(dict(sent)))
    assert accepted(header) == {name: value for name, value in sent.items() if value}
