"""Laws of requests whose layout is known: whatever the bytes, they read as the whole message does.

The oracle decodes each request in full and looks at nothing else (`decode_check_call`); keys are
compared with those of the same attributes read one by one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from remixer.attributes.bag import Bag, Condition, Reference
from remixer.attributes.values import PlainStringMap
from remixer.foundation.errors import InvalidRequestError
from remixer.frontends.mixer_v1.codec import CheckDecoder, decode_check_call
from remixer.mixer.request import CheckRequest
from remixer.tiers.keys import Shape
from remixer.wire._pb.istio.mixer.v1.attributes_pb2 import CompressedAttributes
from remixer.wire.bag import CompressedBag
from remixer.wire.dictionary import GLOBAL_INDICES, GLOBAL_WORD_COUNT
from remixer.wire.framing import embedded
from remixer.wire.laid_out_bag import LaidOutBag
from remixer.wire.laid_out_map import LaidOutMap

GLOBAL_NAMES = ["request.path", "request.headers", "source.ip", "request.time", "x-user"]
NAMES = [*GLOBAL_NAMES, "custom", "caf\ufffd", "", "unheard of"]
KEYS = ["x-user", ":path", "caf\ufffd", "", "a", "\ud800", "request.path"]
WORDS = st.sampled_from(
    [
        b"request.path",
        b"request.headers",
        b"custom",
        b"x-user",
        b"caf\xe9",
        b"",
        b"a",
        b"b",
        b"a\x00b",
        b"%",
        b"x" * 300,
        b":path",
        b"\xc3\xa9",
    ]
)
WORD_LISTS = st.lists(WORDS, max_size=7)
INDICES = st.sampled_from(
    [
        *(GLOBAL_INDICES[name] for name in GLOBAL_NAMES if name in GLOBAL_INDICES),
        GLOBAL_INDICES[":path"],
        0,
        GLOBAL_WORD_COUNT,
        2**31 - 1,
        -1,
        -2,
        -3,
        -4,
        -5,
        -(2**31),
    ]
)
TIMES = st.tuples(st.sampled_from([0, 1, 2**62]), st.sampled_from([0, 5]))


def attributes(draw: st.DrawFn) -> CompressedAttributes:
    """Maps alone, of all types."""
    message = CompressedAttributes()
    message.strings.update(draw(st.dictionaries(INDICES, INDICES, max_size=5)))
    message.int64s.update(draw(st.dictionaries(INDICES, st.integers(-3, 3), max_size=2)))
    message.doubles.update(draw(st.dictionaries(INDICES, st.sampled_from([0.5, -0.0]), max_size=1)))
    message.bools.update(draw(st.dictionaries(INDICES, st.booleans(), max_size=1)))
    message.bytes.update(draw(st.dictionaries(INDICES, st.binary(max_size=4), max_size=2)))
    for index, entries in draw(
        st.dictionaries(INDICES, st.dictionaries(INDICES, INDICES, max_size=4), max_size=2)
    ).items():
        message.string_maps[index].entries.update(entries)
        message.string_maps[index].SetInParent()
    for index, (seconds, nanos) in draw(st.dictionaries(INDICES, TIMES, max_size=1)).items():
        message.durations[index].seconds, message.durations[index].nanos = seconds, nanos
    return message


@dataclass(frozen=True, slots=True)
class Layout:
    """What requests have in common, in several parts that protobuf merges."""

    parts: tuple[bytes, ...]
    times: tuple[int, ...]
    unknown: bytes


@st.composite
def layouts(draw: st.DrawFn) -> Layout:
    parts = tuple(attributes(draw).SerializeToString() for _ in range(draw(st.integers(1, 2))))
    times = tuple(draw(st.sets(INDICES, max_size=2)))
    # A field that nobody knows; a word list of a wrong type; a duplicate of an entry.
    unknown = draw(
        st.sampled_from([b"", b"\xa2\x06\x01x", b"\x08\x05", b"\x12\x04\x08\x22\x10\x01"])
    )
    return Layout(parts, times, unknown)


@st.composite
def requests(draw: st.DrawFn, layout: Layout) -> bytes:
    """The bytes of one request, with its words somewhere between."""
    words = draw(WORD_LISTS)
    cut = draw(st.integers(0, len(words)))
    times = CompressedAttributes()
    for index in layout.times:
        times.timestamps[index].seconds, times.timestamps[index].nanos = draw(TIMES)
    first = CompressedAttributes(words=words[:cut]).SerializeToString()
    second = CompressedAttributes(words=words[cut:]).SerializeToString()
    parts = [first + layout.parts[0], *layout.parts[1:], times.SerializeToString() + second]
    fields = [embedded(1, part) for part in parts]
    return b"".join(fields) + embedded(1, layout.unknown) + embedded(3, b"id") + b"\x10\xde\x01"


@st.composite
def conversations(draw: st.DrawFn) -> list[bytes]:
    """Requests of one or two layouts, more than one of each."""
    known = draw(st.lists(layouts(), min_size=1, max_size=2))
    # Twice the first: a layout is known from its second request on.
    return [draw(requests(each)) for each in [*known, *known, *known, *known]]


@st.composite
def references(draw: st.DrawFn) -> frozenset[Reference]:
    found = draw(
        st.lists(
            st.builds(
                Reference,
                st.sampled_from(NAMES),
                st.none(),
                st.sampled_from([Condition.ABSENCE, Condition.EXACT]),
            )
            | st.builds(
                Reference,
                st.sampled_from(["request.headers", "custom"]),
                st.none() | st.sampled_from(["x-user", ":path", "caf\ufffd", "", "a"]),
                st.sampled_from([Condition.ABSENCE, Condition.EXACT, Condition.PRESENCE]),
            ),
            max_size=4,
        )
    )
    return frozenset(found)


def told(value: object) -> tuple[type, object]:
    if isinstance(value, PlainStringMap | LaidOutMap):
        entries = value.whole()
        # Key by key first, whichever of the two is asked.
        assert {key: value[key] for key in [*KEYS, *entries]} == {
            key: entries.get(key) for key in [*KEYS, *entries]
        }
        return PlainStringMap, dict(entries)
    return type(value), repr(value)


def content(bag: Bag) -> dict[str, tuple[type, object]]:
    return {name: told(bag[name]) for name in [*NAMES, *bag.names()]}


def decoded(decoder: CheckDecoder, payloads: Sequence[bytes]) -> list[CheckRequest]:
    return [decoder.decode(payload, None)[0] for payload in payloads]


@settings(max_examples=150, deadline=None)
@given(conversations())
def test_a_known_layout_reads_as_the_whole_message(payloads: list[bytes]) -> None:
    decoder = CheckDecoder()
    seen = decoded(decoder, payloads)
    assert isinstance(seen[-1].bag, LaidOutBag)
    for payload, request in zip(payloads, seen, strict=True):
        oracle = decode_check_call(payload, None)
        assert content(request.bag) == content(oracle.request.bag)
        assert [*request.bag.names()] == [*oracle.request.bag.names()]
        assert request.deduplication_id == oracle.request.deduplication_id == "id"


@settings(max_examples=200, deadline=None)
@given(conversations(), st.lists(references(), min_size=1, max_size=3))
def test_a_plan_makes_the_key_that_reading_makes(
    payloads: list[bytes], wanted: list[frozenset[Reference]]
) -> None:
    shapes = [Shape(each, serial=number) for number, each in enumerate(wanted)]
    decoder = CheckDecoder()
    for payload, request in zip(payloads, decoded(decoder, payloads), strict=True):
        oracle = decode_check_call(payload, None).request.bag
        assert isinstance(oracle, CompressedBag)
        for shape in shapes:
            assert shape.key_of(request.bag) == shape.key_by_reading(oracle)


@settings(max_examples=150, deadline=None)
@given(conversations(), st.data())
def test_damage_is_refused_alike(payloads: list[bytes], data: st.DataObject) -> None:
    decoder = CheckDecoder()
    decoded(decoder, payloads)
    damaged = bytearray(payloads[-1])
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    wanted: object
    try:
        wanted = content(decode_check_call(bytes(damaged), None).request.bag)
    except InvalidRequestError as error:
        wanted = error.message
    # Three times, so that a layout that is new is known at the end.
    for _ in range(3):
        found: object
        try:
            found = content(decoder.decode(bytes(damaged), None)[0].bag)
        except InvalidRequestError as error:
            found = error.message
        assert found == wanted
