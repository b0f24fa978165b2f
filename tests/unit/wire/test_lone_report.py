"""What lone reports are asked for is known, and bounded."""

from remixer.wire._pb.istio.mixer.v1.attributes_pb2 import CompressedAttributes
from remixer.wire.dictionary import CHEAP_BYTES, GLOBAL_INDICES
from remixer.wire.global_words import GLOBAL_WORDS
from remixer.wire.lone_report import AskedNames

PATH = GLOBAL_INDICES["request.path"]
HEADERS = GLOBAL_INDICES["request.headers"]


def test_a_name_is_read_ahead_once_it_was_asked_for() -> None:
    asked = AskedNames()
    attributes = CompressedAttributes(strings={PATH: -1})
    assert {**asked.bag_of(attributes, [b"/a"])} == {}
    assert asked.bag_of(attributes, [b"/a"])["request.path"] == "/a"
    assert {**asked.bag_of(attributes, [b"/b"])} == {"request.path": "/b"}


def test_a_word_of_the_message_hides_the_global_one_that_was_asked_for() -> None:
    asked = AskedNames()
    asked.add("request.path")
    attributes = CompressedAttributes(strings={PATH: -1, -2: -1})
    assert asked.bag_of(attributes, [b"/a", b"other"])["request.path"] == "/a"
    assert asked.bag_of(attributes, [b"/a", b"request.path"])["request.path"] == "/a"
    assert asked.bag_of(CompressedAttributes(strings={PATH: -1}), [b"request.path"])[
        "request.path"
    ] is None  # fmt: skip


def test_names_that_no_global_word_is_are_not_remembered() -> None:
    asked = AskedNames()
    attributes = CompressedAttributes(strings={-1: -2})
    assert asked.bag_of(attributes, [b"own.name", b"x"])["own.name"] == "x"
    assert asked.names == ()


def test_a_name_is_remembered_once() -> None:
    asked = AskedNames()
    asked.add("request.path")
    asked.add("request.path")
    assert asked.names == ("request.path",)
    assert asked.indices == (PATH,)


def test_of_very_many_names_some_are_remembered() -> None:
    asked = AskedNames()
    for name in GLOBAL_WORDS:
        asked.add(name)
    assert len(asked.names) == len(asked.encoded) == len(asked.indices) == 64


def test_what_is_no_longer_asked_for_is_forgotten() -> None:
    asked = AskedNames()
    attributes = CompressedAttributes(strings={PATH: -1})
    asked.add("request.path")
    for _ in range(4_096):
        assert {**asked.bag_of(attributes, [b"/a"])} == {"request.path": "/a"}
    assert {**asked.bag_of(attributes, [b"/a"])} == {}
    assert not asked.texts


def test_decoded_words_are_one_object_and_bounded() -> None:
    asked = AskedNames()
    asked.add("request.path")
    attributes = CompressedAttributes(strings={PATH: -1})
    first, again = (asked.bag_of(attributes, [b"/a"])["request.path"] for _ in range(2))
    assert first is again
    for number in range(2_000):
        asked.bag_of(attributes, [b"/%d" % number])
    assert len(asked.texts) == 1_024


def test_long_texts_and_large_maps_wait_until_they_are_asked_for() -> None:
    asked = AskedNames()
    asked.add("request.path")
    asked.add("request.headers")
    attributes = CompressedAttributes(strings={PATH: -1})
    for slot in range(9):
        attributes.string_maps[HEADERS].entries[-2 - slot] = -1
    words = [b"x" * (CHEAP_BYTES + 1), *(b"h%d" % slot for slot in range(9))]
    bag = asked.bag_of(attributes, words)
    assert {**bag} == {}
    assert bag["request.path"] == "x" * (CHEAP_BYTES + 1)
    assert bag["request.headers"] == {f"h{slot}": bag["request.path"] for slot in range(9)}
    assert not asked.texts
