"""However Envoy's messages are read, and however answers are made, the outcome is the same."""

from urllib.parse import parse_qsl

from hypothesis import given, settings
from hypothesis import strategies as st

from remixer.attributes.columns import SameColumn
from remixer.attributes.http_request import query_params
from remixer.attributes.values import Duration, Value, ValueType
from remixer.attributes.vocabulary import Vocabulary
from remixer.foundation.status import Status
from remixer.frontends.envoy.access_log.attributes import HTTP_ATTRIBUTES, TCP_ATTRIBUTES
from remixer.frontends.envoy.access_log.codec import StreamDecoder
from remixer.frontends.envoy.ext_authz.codec import OutcomeEncoder, encode_outcome
from remixer.mixer.outcome import (
    CheckOutcome,
    Decision,
    HeaderOperation,
    Provenance,
    RouteDirective,
)
from remixer.wire._pb.envoy.service.accesslog.v3.als_pb2 import StreamAccessLogsMessage
from remixer.wire._pb.envoy.service.auth.v3.external_auth_pb2 import CheckResponse

_TYPES = [type_ for type_ in ValueType if type_ is not ValueType.VALUE_TYPE_UNSPECIFIED]
_NAMES = sorted({*HTTP_ATTRIBUTES, *TCP_ATTRIBUTES, "own.filter", "own.tag"})
_TEXTS = st.sampled_from(["", "a", "1", "true", "5s", "outbound", "10.0.0.1", "/x?key=1&a=b"])
_TAGS = st.dictionaries(st.sampled_from([*_NAMES, "context.reporter.kind"]), _TEXTS, max_size=4)
_FIELDS = st.dictionaries(
    st.sampled_from(["decision", "code", "message", "cache_hit"]),
    st.sampled_from(["allow", "deny", "text", 7.0, True]),
)
_HEADERS = st.dictionaries(
    st.sampled_from(["grpc-status", "content-type", "x-istio-attributes", "x-user"]),
    st.sampled_from(["", "0", "application/grpc"]),
)


@st.composite
def log_messages(draw: st.DrawFn) -> bytes:
    message = StreamAccessLogsMessage()
    is_http = draw(st.booleans())
    for _ in range(draw(st.integers(0, 4))):
        entry = (message.http_logs if is_http else message.tcp_logs).log_entry.add()
        common = entry.common_properties
        common.access_log_type = draw(st.sampled_from([0, 4, 6]))
        common.start_time.seconds = draw(st.integers(0, 2**33))
        common.upstream_cluster = draw(st.sampled_from(["", "a", "outbound|80||web.shop.svc"]))
        common.custom_tags.update(draw(_TAGS))
        metadata = common.metadata.filter_metadata
        if draw(st.booleans()):
            metadata["own.filter"].update(draw(_FIELDS))
        if draw(st.booleans()):
            name = draw(st.sampled_from(["http", "network"]))
            check = metadata[f"envoy.filters.{name}.ext_authz"]
            check.update(draw(_FIELDS))
            check.update({"forwarded": draw(_TAGS)})
    for entry in message.http_logs.log_entry:
        entry.request.path = draw(_TEXTS)
        entry.request.request_headers.update(draw(_HEADERS))
        entry.response.response_headers.update(draw(_HEADERS))
        entry.response.response_trailers.update(draw(_HEADERS))
    return message.SerializeToString()


def _plain(value: Value | None) -> object:
    """Comparable, with its type."""
    whole = getattr(value, "whole", None)
    return (type(value), value) if whole is None else dict(whole())


@given(log_messages(), st.integers(0, 20), st.lists(st.sampled_from(_NAMES), max_size=5))
@settings(deadline=None)
def test_a_column_of_entries_is_what_their_bags_say(
    message: bytes, seed: int, read_before: list[str]
) -> None:
    types = {name: _TYPES[(at + seed) % len(_TYPES)] for at, name in enumerate(_NAMES[::2])}
    vocabulary = Vocabulary(types)
    columns = StreamDecoder().decode(message, vocabulary)
    for bag in columns:
        for name in read_before:
            _ = bag[name]
    apart = list(StreamDecoder().decode(message, vocabulary))
    for name in _NAMES:
        column = columns.column(name)
        assert [_plain(value) for value in column] == [_plain(bag[name]) for bag in apart]
        if isinstance(column, SameColumn):
            assert all(_plain(value) == _plain(column[0]) for value in column)


@given(log_messages(), log_messages())
@settings(deadline=None)
def test_entries_of_two_messages_are_one_sequence_if_they_are_of_one_kind(
    one: bytes, other: bytes
) -> None:
    vocabulary = Vocabulary()
    first, second = (StreamDecoder().decode(each, vocabulary) for each in (one, other))
    both = first.followed_by(second)  # type: ignore[arg-type] # the kinds are what is tested
    kinds = {type(bag) for bag in (*first, *second)}
    if len(kinds) > 1:
        assert both is None
        return
    assert both is not None
    for name in ("source.namespace", "request.path", "own.tag"):
        assert [_plain(each) for each in both.column(name)] == [
            _plain(bag[name]) for bag in (*first, *second)
        ]


@given(log_messages())
@settings(deadline=None)
def test_a_part_of_the_entries_has_columns_of_its_own(message: bytes) -> None:
    columns = StreamDecoder().decode(message, Vocabulary())
    whole = columns.column("source.namespace")
    middle = columns.part(1, 3)
    assert list(middle) == list(columns)[1:3]
    assert list(middle.column("source.namespace")) == list(whole[1:3])


@given(log_messages())
@settings(deadline=None)
def test_all_of_an_entry_at_once_is_what_it_says_one_by_one(message: bytes) -> None:
    bags = StreamDecoder().decode(message, Vocabulary())
    for at_once, apart in zip(bags, StreamDecoder().decode(message, Vocabulary()), strict=True):
        found = {name: _plain(value) for name, value in at_once.present().items()}
        assert found == {name: _plain(apart[name]) for name in apart.names()}


@given(st.text("ab=&%+2é?;#", max_size=20))
def test_a_query_is_split_as_the_general_parser_splits_it(text: str) -> None:
    expected = dict(parse_qsl(text, keep_blank_values=True))
    assert query_params(f"/path?{text}") == expected


_DECISIONS = st.builds(
    Decision,
    st.sampled_from(["a.rule.shop", "b.rule.shop"]),
    st.just("list.shop"),
    st.just("caller.shop"),
    st.builds(Status, st.sampled_from([0, 7])),
)
_OUTCOMES = st.builds(
    CheckOutcome,
    st.builds(Status, st.sampled_from([0, 7, 16]), st.sampled_from(["", "no", "x" * 300])),
    st.sampled_from([0, 5_000_000_000]).map(Duration),
    st.integers(-1, 3),
    st.just(frozenset()),
    directive=st.none()
    | st.sampled_from([RouteDirective(), RouteDirective((HeaderOperation("x-a", "1"),))]),
    decisions=st.lists(_DECISIONS, max_size=2).map(tuple),
    provenance=st.sampled_from(Provenance),
)
_FORWARDED = st.sampled_from([None, {}, {"source.uid": "kubernetes://web-1.shop"}])


@given(st.lists(_OUTCOMES, max_size=3), st.lists(_FORWARDED, min_size=1, max_size=4))
@settings(deadline=None)
def test_a_prepared_answer_is_the_one_that_would_be_made(
    outcomes: list[CheckOutcome], asked: list[dict[str, str] | None]
) -> None:
    encoder = OutcomeEncoder()
    for forwarded in asked:
        for outcome in outcomes:
            given_ = CheckResponse.FromString(encoder.encode(outcome, None, forwarded))
            made = CheckResponse.FromString(encode_outcome(outcome, None, forwarded))
            assert given_ == made
