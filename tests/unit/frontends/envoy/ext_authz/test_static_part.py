"""What is remembered of operators' attributes is what the message says."""

from collections.abc import Mapping
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remixer.attributes.bag import Condition, Reference
from remixer.attributes.values import Value, ValueType
from remixer.attributes.vocabulary import Vocabulary
from remixer.foundation.errors import InvalidRequestError
from remixer.frontends.envoy.ext_authz import static_part
from remixer.frontends.envoy.ext_authz.attributes import CHECK_ATTRIBUTES, CheckBag
from remixer.frontends.envoy.ext_authz.codec import CheckDecoder
from remixer.frontends.envoy.ext_authz.static_part import KnownStaticParts, StaticPart
from remixer.wire._pb.envoy.service.auth.v3.attribute_context_pb2 import AttributeContext
from remixer.wire._pb.envoy.service.auth.v3.external_auth_pb2 import CheckRequest
from remixer.wire._pb.remixer.reading.ext_authz_pb2 import StaticParts
from remixer.wire.framing import embedded
from remixer.wire.key_plan import UNPLANNED, Wanted

NAMES = ("source.namespace", "destination.port", "request.size", "source.labels", "own")
TEXTS = st.sampled_from(["", "shop", "80", "true", "a=1,b=2", "10.0.0.1", "é"])
VOCABULARIES = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(list(ValueType))).map(
    Vocabulary
)


def message_with(texts: Mapping[str, str], *, path: str = "/", filters: str = "") -> bytes:
    request = CheckRequest()
    request.attributes.request.http.path = path
    request.attributes.context_extensions.update(texts)
    if filters:
        metadata = request.attributes.metadata_context.filter_metadata
        metadata["own.filter"].update({"said": filters})
    return request.SerializeToString()


def end_with(texts: Mapping[str, str]) -> bytes:
    return AttributeContext(context_extensions=texts).SerializeToString()


def read_by_itself(message: bytes, vocabulary: Vocabulary) -> CheckBag:
    """The oracle: nothing is known before it is read."""
    return CheckDecoder().decode(message, vocabulary)


def told(bag: CheckBag) -> dict[str, object]:
    return {name: plain(bag[name]) for name in (*NAMES, "own.filter", *CHECK_ATTRIBUTES)}


def plain(value: Value | None) -> object:
    whole = getattr(value, "whole", None)
    return (type(value), value) if whole is None else dict(whole())


@given(
    st.lists(
        st.tuples(
            st.dictionaries(st.sampled_from(NAMES), TEXTS),
            st.sampled_from(["/a", "/b?c"]),
            st.sampled_from(["", "this", "that"]),
        ),
        min_size=1,
        max_size=4,
    ),
    st.lists(VOCABULARIES, min_size=1, max_size=2),
)
def test_requests_say_what_they_say_by_themselves(
    requests: list[tuple[dict[str, str], str, str]], vocabularies: list[Vocabulary]
) -> None:
    decoder = CheckDecoder()
    for vocabulary in (*vocabularies, *vocabularies):
        for texts, path, filters in (*requests, *requests):
            message = message_with(texts, path=path, filters=filters)
            found = decoder.decode(message, vocabulary)
            wanted = read_by_itself(message, vocabulary)
            assert told(found) == told(wanted)
            assert set(found.names()) == set(wanted.names())
            assert {name: plain(value) for name, value in found.present().items()} == {
                name: plain(value) for name, value in wanted.present().items()
            }
            assert found.static == texts


def said(known: KnownStaticParts, end: bytes, vocabulary: Vocabulary) -> StaticPart:
    found = known.said_in(end, vocabulary)
    assert found is not None
    return found


def test_an_end_that_comes_again_is_not_read_again() -> None:
    known, vocabulary, end = KnownStaticParts(), Vocabulary(), end_with({"own": "1"})
    first = said(known, end, vocabulary)
    assert said(known, bytes(bytearray(end)), vocabulary) is first
    assert said(known, end, Vocabulary({"own": ValueType.INT64})).values == {"own": 1}


def test_entries_in_another_order_say_the_same() -> None:
    known, vocabulary = KnownStaticParts(), Vocabulary()
    ends = {b"".join(map(end_with, each)) for each in permutations([{"a": "1"}, {"b": "2"}])}
    assert len(ends) == 2
    assert len({id(said(known, end, vocabulary)) for end in ends}) == 1


def test_of_an_entry_that_is_there_twice_the_last_counts() -> None:
    known, vocabulary = KnownStaticParts(), Vocabulary()
    one, other = end_with({"a": "1"}), end_with({"a": "2"})
    assert said(known, one + other, vocabulary).texts == {"a": "2"}
    assert said(known, other + one, vocabulary).texts == {"a": "1"}


def test_beside_what_filters_say_the_operators_part_is_known() -> None:
    known, vocabulary = KnownStaticParts(), Vocabulary()
    ends = []
    for number in range(3):
        context = AttributeContext(context_extensions={"own": "1"})
        context.metadata_context.filter_metadata["filter"].update({"number": number})
        ends.append(context.SerializeToString())
    first, *others = (said(known, end, vocabulary) for end in ends)
    assert first.has_metadata
    assert all(each is first for each in others)
    assert said(known, end_with({"own": "1"}), vocabulary) is not first


def test_the_routes_metadata_is_the_operators_too() -> None:
    context = AttributeContext(context_extensions={"own": "1"})
    context.route_metadata_context.filter_metadata["remixer"].update({"own": "2", "other": True})
    found = said(KnownStaticParts(), context.SerializeToString(), Vocabulary())
    assert found.texts == {"own": "1", "other": "true"}


@pytest.mark.parametrize("number", [1, 2, 4])
def test_parts_that_do_not_belong_to_an_end_make_it_none(number: int) -> None:
    end = end_with({"own": "1"}) + embedded(number, b"")
    assert KnownStaticParts().said_in(end, Vocabulary()) is None


def test_string_maps_are_each_bags_own() -> None:
    decoder, vocabulary = CheckDecoder(), Vocabulary({"own": ValueType.STRING_MAP})
    message = message_with({"own": "a=1"})
    one, other = (decoder.decode(message, vocabulary)["own"] for _ in range(2))
    assert one == other
    assert one is not other


def test_what_is_forwarded_and_counts_is_laid_over_them() -> None:
    decoder = CheckDecoder()
    request = CheckRequest.FromString(message_with({"own": "operator", "request.size": "1"}))
    request.attributes.request.http.headers["x-istio-attributes"] = "anything"
    vocabulary = Vocabulary({"own": ValueType.STRING, "request.size": ValueType.INT64})
    for counts in ({"own": "forwarded"}, {}, {"absent": "forwarded"}, {}):
        said_by_header = {"anything": counts}
        bag = decoder.decode(request.SerializeToString(), vocabulary, said_by_header.__getitem__)
        assert bag["own"] == counts.get("own", "operator")
        assert bag["absent"] == counts.get("absent")
        assert bag["request.size"] == 1


def test_names_that_nobody_tells_are_noted_up_to_a_limit() -> None:
    decoder, vocabulary, message = CheckDecoder(), Vocabulary(), message_with({"own": "1"})
    bag = decoder.decode(message, vocabulary)
    for number in range(200):
        assert bag[f"absent.{number}"] is None
    again = decoder.decode(message, vocabulary)
    assert len(again) == len(again.static) + static_part.MOST_ABSENT
    assert again["absent.199"] is None
    assert set(again.names()) == set(read_by_itself(message, vocabulary).names())


@pytest.mark.parametrize(
    "parts",
    [StaticParts(context_extensions=[b"\xff\xff"]), StaticParts(route_metadata_context=[b"\xff"])],
)
def test_what_is_malformed_makes_no_request(parts: StaticParts) -> None:
    for _ in range(2):
        with pytest.raises(InvalidRequestError, match="not an envoy"):
            CheckDecoder().decode(embedded(1, parts.SerializeToString()), Vocabulary())


def test_neither_many_nor_long_ones_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(static_part, "_MOST_KNOWN", 3)
    known, vocabulary = KnownStaticParts(), Vocabulary()
    for number in range(10):
        end = end_with({"own": str(number)})
        assert said(known, end, vocabulary).texts == {"own": str(number)}
        assert len(known._known) <= 3
    before = len(known._known)
    assert said(known, end_with({"own": "x" * 5000}), vocabulary).values
    assert len(known._known) == before


@pytest.mark.parametrize(
    ("absent", "whole", "texts"),
    [
        ((), ("own", "a"), "\0x\0y"),
        (("nowhere",), ("own",), "\0x"),
        ((), (), ""),
        # What contradicts the part is of no request with it, whatever else is read.
        (("own",), ("request.path",), None),
        ((), ("own", "nowhere"), None),
        ((), ("unfit",), None),
        (("unfit",), ("own",), "\0x"),
        # What the rest of a message may tell, what is no text, and what could pass for two.
        ((), ("own", "request.path"), UNPLANNED),
        (("request.path",), ("own",), UNPLANNED),
        ((), ("number",), UNPLANNED),
        ((), ("map",), UNPLANNED),
        ((), ("nul",), UNPLANNED),
    ],
)
def test_texts_of_keys_are_told_if_all_requests_share_them(
    absent: tuple[str, ...], whole: tuple[str, ...], texts: str | None
) -> None:
    types = {
        "number": ValueType.INT64,
        "unfit": ValueType.INT64,
        "map": ValueType.STRING_MAP,
    }
    known = KnownStaticParts(derived=CHECK_ATTRIBUTES.keys())
    entries = {"own": "x", "a": "y", "number": "1", "unfit": "none", "map": "a=b", "nul": "a\0b"}
    part = said(known, end_with(entries), Vocabulary(types))
    references = frozenset(
        {Reference(name, None, Condition.ABSENCE) for name in absent}
        | {Reference(name, None, Condition.EXACT) for name in whole}
    )
    for _ in range(2):
        assert part.texts_of(references, Wanted(absent, whole, ())) == texts


def test_what_filters_may_say_is_not_told() -> None:
    context = AttributeContext(context_extensions={"own": "1"})
    context.metadata_context.filter_metadata["filter"].update({"a": "b"})
    part = said(KnownStaticParts(), context.SerializeToString(), Vocabulary())
    assert part.tells("own")
    assert not part.tells("nowhere")


def test_keys_of_many_kinds_of_answers_are_not_all_kept() -> None:
    part = said(KnownStaticParts(), end_with({"own": "1"}), Vocabulary())
    for number in range(200):
        name = f"absent.{number}"
        references = frozenset({Reference(name, None, Condition.ABSENCE)})
        assert part.texts_of(references, Wanted((name,), ("own",), ())) == "\0" + "1"
    assert len(part._key_texts) <= static_part.MOST_KEYS
