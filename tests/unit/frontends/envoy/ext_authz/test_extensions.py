"""What is remembered of `context_extensions` is what the entries say."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remixer.attributes.values import Value, ValueType
from remixer.attributes.vocabulary import Vocabulary
from remixer.foundation.errors import InvalidRequestError
from remixer.frontends.envoy.ext_authz import extensions
from remixer.frontends.envoy.ext_authz.attributes import CHECK_ATTRIBUTES, CheckBag
from remixer.frontends.envoy.ext_authz.codec import CheckDecoder
from remixer.frontends.envoy.ext_authz.extensions import KnownExtensions
from remixer.wire._pb.envoy.service.auth.v3.external_auth_pb2 import CheckRequest
from remixer.wire._pb.remixer.reading.ext_authz_pb2 import AuthorizationParts

NAMES = ("source.namespace", "destination.port", "request.size", "source.labels", "own")
TEXTS = st.sampled_from(["", "shop", "80", "true", "a=1,b=2", "10.0.0.1", "é"])
VOCABULARIES = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(list(ValueType))).map(
    Vocabulary
)


def message_with(texts: Mapping[str, str], *, path: str = "/") -> bytes:
    request = CheckRequest()
    request.attributes.request.http.path = path
    request.attributes.context_extensions.update(texts)
    return request.SerializeToString()


def read_by_itself(message: bytes, texts: Mapping[str, str], vocabulary: Vocabulary) -> CheckBag:
    """The oracle: nothing is known before it is read."""
    return CheckBag(AuthorizationParts.FromString(message).attributes, texts, {}, vocabulary)


def told(bag: CheckBag) -> dict[str, object]:
    return {name: plain(bag[name]) for name in (*NAMES, *CHECK_ATTRIBUTES)}


def plain(value: Value | None) -> object:
    whole = getattr(value, "whole", None)
    return (type(value), value) if whole is None else dict(whole())


@given(
    st.lists(
        st.tuples(st.dictionaries(st.sampled_from(NAMES), TEXTS), st.sampled_from(["/a", "/b?c"])),
        min_size=1,
        max_size=4,
    ),
    st.lists(VOCABULARIES, min_size=1, max_size=2),
)
def test_requests_say_what_they_say_by_themselves(
    requests: list[tuple[dict[str, str], str]], vocabularies: list[Vocabulary]
) -> None:
    decoder = CheckDecoder()
    for vocabulary in (*vocabularies, *vocabularies):
        for texts, path in (*requests, *requests):
            message = message_with(texts, path=path)
            found = decoder.decode(message, vocabulary)
            wanted = read_by_itself(message, texts, vocabulary)
            assert told(found) == told(wanted)
            assert set(found.names()) == set(wanted.names())
            assert {name: plain(value) for name, value in found.present().items()} == {
                name: plain(value) for name, value in wanted.present().items()
            }


def test_entries_that_come_again_are_not_read_again() -> None:
    known = KnownExtensions()
    (entry,) = AuthorizationParts.FromString(
        message_with({"own": "1"})
    ).attributes.context_extensions
    vocabulary = Vocabulary()
    first = known.said_by((entry,), vocabulary)
    assert known.said_by((bytes(bytearray(entry)),), vocabulary) is first
    assert known.said_by((entry,), Vocabulary({"own": ValueType.INT64})).values == {"own": 1}


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
    for counts in ({"own": "forwarded"}, {}):
        said_by_header = {"anything": counts}
        bag = decoder.decode(request.SerializeToString(), vocabulary, said_by_header.__getitem__)
        assert bag["own"] == counts.get("own", "operator")
        assert bag["request.size"] == 1


def test_entries_that_are_none_make_no_request() -> None:
    parts = AuthorizationParts()
    parts.attributes.context_extensions.append(b"\xff\xff")
    for _ in range(2):
        with pytest.raises(InvalidRequestError, match="not an envoy"):
            CheckDecoder().decode(parts.SerializeToString(), Vocabulary())


def test_neither_many_nor_long_entries_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extensions, "_MOST_KNOWN", 3)
    known, vocabulary = KnownExtensions(), Vocabulary()
    for number in range(10):
        parts = AuthorizationParts.FromString(message_with({"own": str(number)}))
        entries = tuple(parts.attributes.context_extensions)
        assert known.said_by(entries, vocabulary).texts == {"own": str(number)}
        assert len(known._known) <= 3
    before = len(known._known)
    long = AuthorizationParts.FromString(message_with({"own": "x" * 5000}))
    assert known.said_by(tuple(long.attributes.context_extensions), vocabulary).values
    assert len(known._known) == before
