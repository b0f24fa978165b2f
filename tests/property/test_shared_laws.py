"""Laws of what instances share: encodings, keys, seals, uses."""

import contextlib
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remixer.attributes.bag import Condition, Reference, TrackedBag, plain_bag
from remixer.attributes.values import Duration, PlainStringMap, Timestamp, Value
from remixer.drivers.hash_ring import HashRing
from remixer.drivers.memcached_protocol import MemcachedProtocolError, ReplyReader
from remixer.foundation.status import Status
from remixer.mixer.outcome import (
    CacheHints,
    CheckOutcome,
    Decision,
    HeaderOperation,
    HeaderOperationKind,
    RouteDirective,
)
from remixer.tiers.keys import Shape
from remixer.tiers.shared.bytes import MalformedError
from remixer.tiers.shared.keys import SharedShape, decode_shapes, encode_shapes
from remixer.tiers.shared.seal import Kind, RefusedError, Seal
from remixer.tiers.shared.values import AnswerCodec

INT32 = st.integers(-(1 << 31), (1 << 31) - 1)
TEXTS = st.text(st.characters(), max_size=20)
STATUSES = st.builds(Status, INT32, TEXTS)
OPERATIONS = st.lists(
    st.builds(HeaderOperation, TEXTS, TEXTS, st.sampled_from(HeaderOperationKind)), max_size=3
).map(tuple)
PARTS = st.none() | st.floats(0, 1e6)
OUTCOMES = st.builds(
    CheckOutcome,
    status=STATUSES,
    valid_duration=st.just(Duration(0)),
    valid_use_count=st.just(0),
    references=st.just(frozenset()),
    directive=st.none() | st.builds(RouteDirective, OPERATIONS, OPERATIONS, INT32, TEXTS),
    decisions=st.lists(st.builds(Decision, TEXTS, TEXTS, TEXTS, STATUSES), max_size=3).map(tuple),
    hints=st.none() | st.builds(CacheHints, PARTS, PARTS),
)
INSTANTS = st.integers(0, (1 << 64) - 1)
INT64 = st.integers(-(1 << 63), (1 << 63) - 1)

NAMES = ("a", "b", "m")
SMALL_TEXTS = st.sampled_from(["", "1", "x", "\0", "1\0", "é", "\ud800"])
SMALL_INTS = st.integers(-1, 2)
SCALARS = st.one_of(
    SMALL_TEXTS,
    SMALL_INTS,
    st.booleans(),
    st.sampled_from([0.0, -0.0, 1.0, float("nan")]),
    SMALL_INTS.map(Timestamp),
    SMALL_INTS.map(Duration),
    st.sampled_from([b"", b"1", b"x"]),
)
MAPS = st.dictionaries(st.sampled_from(["k", "l"]), SMALL_TEXTS, max_size=2)
BAGS = st.dictionaries(st.sampled_from(NAMES), SCALARS | MAPS.map(PlainStringMap), max_size=3)
READS = st.lists(
    st.tuples(st.sampled_from(NAMES), st.sampled_from([None, "k", "l", "whole"])), max_size=4
)


def _references(
    bag: Mapping[str, Value], reads: list[tuple[str, str | None]]
) -> frozenset[Reference]:
    """What reading all that of a bag refers to."""
    tracked = TrackedBag(plain_bag(bag))
    for name, key in reads:
        value = tracked[name]
        if key is not None and hasattr(value, "whole"):
            value.whole() if key == "whole" else value[key]  # type: ignore[union-attr] # a map
    return tracked.references()


@given(OUTCOMES, INSTANTS, INSTANTS, INT64)
def test_decoding_an_encoded_answer_gives_it_again(
    outcome: CheckOutcome, made_ms: int, ends_ms: int, uses: int
) -> None:
    codec = AnswerCodec()
    body = codec.encode(outcome, made_ms=made_ms, ends_ms=ends_ms, uses=uses)
    for _ in range(2):  # from the bytes, and from memory
        stored = codec.decode(body)
        assert (stored.made_ms, stored.ends_ms, stored.uses) == (made_ms, ends_ms, uses)
        assert stored.answer.status == outcome.status
        assert stored.answer.directive == outcome.directive
        assert stored.answer.decisions == outcome.decisions
        assert stored.answer.hints == outcome.hints


@given(st.binary(max_size=200))
def test_bytes_at_random_are_refused_and_nothing_worse(content: bytes) -> None:
    with pytest.raises(RefusedError):
        Seal().open(Kind.ANSWER, b"key", content)
    for read in (AnswerCodec().decode, lambda body: decode_shapes(body, most=10)):
        with contextlib.suppress(MalformedError, RefusedError):
            read(content)


@given(OUTCOMES, st.data())
def test_an_answer_with_some_bytes_changed_raises_nothing_else(
    outcome: CheckOutcome, data: st.DataObject
) -> None:
    body = bytearray(AnswerCodec().encode(outcome, made_ms=1, ends_ms=2, uses=3))
    body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(RefusedError):
        AnswerCodec().decode(bytes(body[: data.draw(st.integers(0, len(body)))]))


@given(st.binary(max_size=50), st.binary(min_size=1, max_size=50), st.binary(min_size=1), st.data())
def test_a_seal_opens_what_it_closed_and_nothing_else(
    body: bytes, key: bytes, secret: bytes, data: st.DataObject
) -> None:
    seal = Seal([secret])
    document = seal.close(Kind.ANSWER, key, body)
    assert seal.open(Kind.ANSWER, key, document) == body
    assert Seal([b"new", secret]).open(Kind.ANSWER, key, document) == body
    changed = bytearray(document)
    changed[data.draw(st.integers(0, len(document) - 1))] ^= data.draw(st.integers(1, 255))
    for kind, other_key, other, reader in (
        (Kind.ANSWER, key, bytes(changed), seal),
        (Kind.SHAPES, key, document, seal),
        (Kind.ANSWER, key + b"x", document, seal),
        (Kind.ANSWER, key, document[:-1], seal),
        (Kind.ANSWER, key, document, Seal([secret + b"x"])),
        (Kind.ANSWER, key, document, Seal()),
    ):
        with pytest.raises(RefusedError):
            reader.open(kind, other_key, other)


@given(BAGS, BAGS, READS)
@settings(max_examples=200)
def test_two_requests_share_a_key_exactly_when_they_agree_on_what_was_read(
    left: dict[str, Value], right: dict[str, Value], reads: list[tuple[str, str | None]]
) -> None:
    references = _references(left, reads)
    shared = SharedShape(references, signature=b"s")
    own = Shape(references, serial=1)
    keys = [shared.key_of(plain_bag(bag)) for bag in (left, right)]
    own_keys = [own.key_of(plain_bag(bag)) for bag in (left, right)]
    assert keys[0] is not None
    assert (keys[1] is None) == (own_keys[1] is None)
    assert (keys[0] == keys[1]) == (own_keys[0] == own_keys[1])


@given(BAGS, READS, READS)
def test_different_shapes_or_rules_never_share_a_key(
    bag: dict[str, Value], reads: list[tuple[str, str | None]], others: list[tuple[str, str | None]]
) -> None:
    one, two = _references(bag, reads), _references(bag, others)
    key = SharedShape(one, signature=b"s").key_of(plain_bag(bag))
    assert key is not None
    assert len(key) <= 100
    assert key.isascii()
    assert not any(each.isspace() for each in key.decode())
    assert (key == SharedShape(two, signature=b"s").key_of(plain_bag(bag))) == (one == two)
    assert key != SharedShape(one, signature=b"t").key_of(plain_bag(bag))


@given(BAGS, READS)
def test_the_values_of_a_shape_are_those_that_its_key_tells(
    bag: dict[str, Value], reads: list[tuple[str, str | None]]
) -> None:
    references = _references(bag, reads)
    own = Shape(references, serial=1)
    key = own.key_of(plain_bag(bag))
    assert key is not None
    told = SharedShape(references, signature=b"s").values_of(plain_bag(bag))
    assert _comparable(told) == _comparable(own.values_of(key))


def _comparable(values: Mapping[str, Value]) -> dict[str, str]:
    """Texts, because NaN equals nothing and 1 equals True."""
    return {
        name: repr(dict(sorted(value.items())) if isinstance(value, PlainStringMap) else value)
        for name, value in values.items()
    }


@given(
    st.lists(
        st.frozensets(
            st.builds(Reference, TEXTS, st.none() | TEXTS, st.sampled_from(Condition)), max_size=4
        ),
        max_size=5,
    )
)
def test_shapes_are_read_as_they_were_written(shapes: list[frozenset[Reference]]) -> None:
    body = encode_shapes(set(shapes))
    assert set(decode_shapes(body, most=5)) == set(shapes)
    assert body == encode_shapes(reversed(list(set(shapes))))
    assert len(decode_shapes(body, most=2)) == min(2, len(set(shapes)))


@given(st.integers(2, 8))
@settings(max_examples=7, deadline=None)
def test_one_server_more_moves_the_keys_of_its_share_alone(count: int) -> None:
    names = [f"memcached://cache-{number}:11211" for number in range(count)]
    before, after = HashRing(names[:-1]), HashRing(names)
    keys = [b"rx1:%d" % number for number in range(2_000)]
    moved = [key for key in keys if before.index_of(key) != after.index_of(key)]
    assert {after.index_of(key) for key in moved} <= {count - 1}
    assert 0.5 / count < len(moved) / len(keys) < 1.6 / count
    backwards = HashRing(names[::-1])
    assert all(names[after.index_of(key)] == names[::-1][backwards.index_of(key)] for key in keys)


@given(st.lists(st.binary(max_size=30), max_size=5))
def test_replies_at_random_are_read_or_refused(pieces: list[bytes]) -> None:
    reader = ReplyReader()
    with contextlib.suppress(MemcachedProtocolError):
        for piece in pieces:
            list(reader.feed(piece))


@given(st.lists(st.binary(max_size=20), max_size=5), st.integers(1, 7))
def test_replies_do_not_depend_on_how_they_are_cut(values: list[bytes], size: int) -> None:
    sent = b"".join(b"VA %d\r\n%b\r\nEN\r\n" % (len(value), value) for value in values)
    reader = ReplyReader()
    replies = [
        reply
        for begin in range(0, len(sent), size)
        for reply in reader.feed(sent[begin : begin + size])
    ]
    assert [reply.value for reply in replies[::2]] == values
