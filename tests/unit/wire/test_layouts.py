"""Which requests have a layout that is known, what a plan takes from them, and the bounds of both."""

from itertools import count

import pytest

from remixer.attributes.bag import Bag, Condition, Reference
from remixer.attributes.values import Timestamp
from remixer.frontends.mixer_v1.codec import CheckDecoder
from remixer.tiers.keys import Shape
from remixer.wire import layout as layout_module
from remixer.wire._pb.istio.mixer.v1.attributes_pb2 import CompressedAttributes
from remixer.wire._pb.istio.mixer.v1.check_pb2 import CheckRequest
from remixer.wire.bag import CompressedBag
from remixer.wire.dictionary import GLOBAL_INDICES
from remixer.wire.key_plan import UNPLANNED, Wanted
from remixer.wire.laid_out_bag import LaidOutBag
from remixer.wire.layout import Layouts

PATH = GLOBAL_INDICES["request.path"]
HEADERS = GLOBAL_INDICES["request.headers"]
TIME = GLOBAL_INDICES["request.time"]
PORT = GLOBAL_INDICES["destination.port"]


def message(*words: bytes, port: int = 80, times: tuple[int, ...] = (TIME,)) -> bytes:
    """A request for the path of the first word, with a header: the second word is the third."""
    attributes = CompressedAttributes(words=words, strings={PATH: -1}, int64s={PORT: port})
    attributes.string_maps[HEADERS].entries[-2] = -3
    for index in times:
        attributes.timestamps[index].seconds = len(b"".join(words[:1]))
    return CheckRequest(attributes=attributes).SerializeToString()


def read(decoder: CheckDecoder, *payloads: bytes) -> list[Bag]:
    return [decoder.decode(payload, None)[0].bag for payload in payloads]


def known(*words: bytes) -> LaidOutBag:
    """A request whose layout was seen before."""
    bag = read(CheckDecoder(), message(b"/", b"x", b"y"), message(*words))[-1]
    assert isinstance(bag, LaidOutBag)
    return bag


def test_a_layout_is_known_from_the_second_request_on_whatever_words_and_times() -> None:
    first, second = read(
        CheckDecoder(), message(b"/a", b"x-user", b"ann"), message(b"/long", b"x-role", b"bob")
    )
    assert isinstance(first, CompressedBag)
    assert isinstance(second, LaidOutBag)
    for name, value in (("request.path", "/long"), ("destination.port", 80), ("no.such", None)):
        assert second[name] == value
    assert second["request.time"] == Timestamp(5 * 10**9)


@pytest.mark.parametrize(("port", "times"), [(81, (TIME,)), (80, ()), (80, (TIME, PATH))])
def test_other_numbers_and_other_times_are_other_layouts(port: int, times: tuple[int, ...]) -> None:
    decoder = CheckDecoder()
    payload = message(b"/a", b"x", b"y")
    read(decoder, payload, payload)
    (bag,) = read(decoder, message(b"/a", b"x", b"y", port=port, times=times))
    assert isinstance(bag, CompressedBag)


def test_a_word_that_is_a_name_hides_the_global_one() -> None:
    bag = known(b"request.path", b"destination.port", b"y")
    assert (bag["request.path"], bag["destination.port"]) == (None, None)
    assert known(b"/", b"x", b"y")["request.path"] == "/"


def test_a_slot_that_the_message_does_not_have_is_an_absent_attribute() -> None:
    bag = known()
    assert (bag["request.path"], bag["request.headers"], bag["destination.port"]) == (
        None,
        None,
        80,
    )


def test_headers_are_decoded_one_by_one() -> None:
    headers = known(b"/", b"x-user", b"ann")["request.headers"]
    assert not isinstance(headers, str | int | float | bytes | None)
    assert (headers["x-user"], headers["x-role"], headers.whole()) == (
        "ann",
        None,
        {"x-user": "ann"},
    )


# ------------------------------------------------------------ bounds


def test_requests_that_never_recur_are_soon_read_without_layouts() -> None:
    decoder = CheckDecoder()
    ports = count()
    for _ in range(layout_module._FAILURES):
        read(decoder, message(b"/", b"x", b"y", port=next(ports)))
    again = message(b"/", b"x", b"y", port=0)
    assert {type(bag) for bag in read(decoder, *[again] * layout_module._REST)} == {CompressedBag}
    assert type(read(decoder, again, again)[-1]) is LaidOutBag


def test_no_more_layouts_are_kept_than_there_is_room_for() -> None:
    layouts = Layouts()
    for number in range(layout_module._MOST_LAYOUTS + 1):
        key = (CompressedAttributes(int64s={1: number}).SerializeToString(),)
        assert layouts.learned(key) is None
        assert layouts.learned(key) is not None
    assert len(layouts) == layout_module._MOST_LAYOUTS


def test_large_layouts_are_not_kept_and_many_smaller_ones_make_room() -> None:
    layouts = Layouts()
    for size in (
        layout_module._LARGEST + 1,
        *range(layout_module._LARGEST - 100, layout_module._LARGEST - 50),
    ):
        filled = CompressedAttributes(bytes={1: b"x" * (size - 9)}).SerializeToString()
        layouts.learned((filled,))
        layouts.learned((filled,))
    assert (
        sum(len(each[0]) for each in layouts if isinstance(each[0], bytes))
        <= layout_module._MOST_BYTES
    )
    assert (
        max(len(each[0]) for each in layouts if isinstance(each[0], bytes))
        <= layout_module._LARGEST
    )
    assert len(layouts) == layout_module._MOST_BYTES // layout_module._LARGEST


def test_names_without_end_are_looked_up_without_being_kept() -> None:
    bag = known(b"/", b"x", b"y")
    for number in range(1_000):
        assert bag[f"unknown.{number}"] is None
    assert len(bag._layout.by_name) == layout_module._MOST_NAMES
    assert bag["request.path"] == "/"


# ------------------------------------------------------------ plans

WANTED = Wanted(("no.such",), ("request.path",), (("request.headers", ("z",), ("x-user",)),))
REFERENCES = frozenset(
    {
        Reference("no.such", None, Condition.ABSENCE),
        Reference("request.path", None, Condition.EXACT),
        Reference("request.headers", "z", Condition.ABSENCE),
        Reference("request.headers", "x-user", Condition.EXACT),
    }
)


@pytest.mark.parametrize(
    ("words", "texts"),
    [
        ((b"/%s", b"x-user", b"ann"), "\0/%s\0ann"),
        ((b"/", b"x-role", b"ann"), None),
        ((b"/", b"x-user", b"\xff"), UNPLANNED),
        ((b"/", b"x-user", b"a\0b"), UNPLANNED),
        ((b"no.such", b"x-user", b"ann"), UNPLANNED),
        ((b"/", b"x-user"), UNPLANNED),
    ],
    ids=["plain", "no such header", "not UTF-8", "a NUL", "a name among the words", "no slot"],
)
def test_a_plan_takes_all_texts_at_once(words: tuple[bytes, ...], texts: str | None) -> None:
    bag = known(*words)
    bag.texts_of(REFERENCES, WANTED)
    # The layout hears of names the first time; from then on the plan holds.
    assert known_again(bag, *words).texts_of(REFERENCES, WANTED) == texts


def known_again(bag: LaidOutBag, *words: bytes) -> LaidOutBag:
    return LaidOutBag(message(*words), bag._layout, list(words))


def test_a_plan_knows_so_many_sets_of_header_names() -> None:
    bag = known(b"/", b"x-user", b"ann")
    bag.texts_of(REFERENCES, WANTED)
    found = [
        known_again(bag, b"/", b"x-%d" % number, b"v").texts_of(REFERENCES, WANTED)
        for number in range(20)
    ]
    assert found == [None] * 15 + [UNPLANNED] * 5
    assert known_again(bag, b"/", b"x-user", b"bob").texts_of(REFERENCES, WANTED) == "\0/\0bob"


def test_keys_are_the_same_with_and_without_a_plan() -> None:
    shape = Shape(REFERENCES, serial=7)
    bag = known(b"/", b"x-user", b"ann")
    assert shape.key_of(bag) == shape.key_of(bag) == shape.key_by_reading(bag) == "7\0/\0ann"
