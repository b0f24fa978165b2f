"""Bags and the tracking of what was read."""

from collections.abc import Iterator, Mapping

from remixer.attributes.bag import (
    Bag,
    Condition,
    PlainBag,
    Reference,
    TrackedBag,
    TrackedStringMap,
    plain_bag,
)
from remixer.attributes.values import Duration, PlainStringMap, Timestamp, Value, ValueType
from remixer.attributes.vocabulary import Vocabulary

EXACT, ABSENCE = Condition.EXACT, Condition.ABSENCE


class CountingBag:
    """Counts how often the underlying attributes are decoded."""

    def __init__(self, values: Mapping[str, Value]) -> None:
        self.values = values
        self.decoded: list[str] = []

    def __getitem__(self, name: str) -> Value | None:
        self.decoded.append(name)
        return self.values.get(name)

    def names(self) -> Iterator[str]:
        return iter(self.values)


def headers(bag: TrackedBag) -> TrackedStringMap:
    value = bag["h"]
    assert isinstance(value, TrackedStringMap)
    return value


def test_an_absent_attribute_is_none() -> None:
    assert PlainBag()["a"] is None


def test_a_plain_bag_makes_dicts_into_string_maps() -> None:
    assert isinstance(plain_bag({"h": {"k": "v"}})["h"], PlainStringMap)


def test_reading_an_absent_attribute_of_a_plain_bag_stores_nothing() -> None:
    bag: Bag = plain_bag({"a": 1})
    assert bag["b"] is None
    assert list(bag.names()) == ["a"]


def test_nothing_read_is_nothing_referenced() -> None:
    assert TrackedBag(plain_bag({"a": 1})).references() == frozenset()


def test_present_and_absent_reads_are_told_apart() -> None:
    bag = TrackedBag(plain_bag({"a": ""}))
    assert (bag["a"], bag["b"]) == ("", None)
    assert bag.references() == {Reference("a", None, EXACT), Reference("b", None, ABSENCE)}


def test_an_attribute_is_decoded_once() -> None:
    inner = CountingBag({"a": 1})
    bag = TrackedBag(inner)
    assert [bag["a"], bag["a"], bag["b"], bag["b"]] == [1, 1, None, None]
    assert inner.decoded == ["a", "b"]


def test_scalars_of_every_carrier_are_referenced_by_name() -> None:
    values: dict[str, Value] = {
        "s": "x", "i": 1, "d": 1.5, "b": True, "t": Timestamp(1), "u": Duration(1), "p": b"\x7f",
    }  # fmt: skip
    bag = TrackedBag(PlainBag(values))
    assert {name: bag[name] for name in values} == values
    assert bag.references() == {Reference(name, None, EXACT) for name in values}


def test_a_map_is_referenced_by_the_keys_read() -> None:
    bag = TrackedBag(plain_bag({"h": {"k": "v"}}))
    assert (headers(bag)["k"], headers(bag)["x"]) == ("v", None)
    assert bag.references() == {Reference("h", "k", EXACT), Reference("h", "x", ABSENCE)}


def test_a_map_of_which_no_key_was_read_is_referenced_by_its_presence() -> None:
    bag = TrackedBag(plain_bag({"h": {"k": "v"}}))
    assert headers(bag) is headers(bag)
    assert bag.references() == {Reference("h", None, Condition.PRESENCE)}


def test_a_map_passed_on_is_referenced_as_a_whole() -> None:
    bag = TrackedBag(plain_bag({"h": {"k": "v"}}))
    assert headers(bag)["k"] == "v"
    assert headers(bag).whole() == {"k": "v"}
    assert bag.references() == {Reference("h", None, EXACT)}


def test_an_absent_map_is_absent_as_a_whole() -> None:
    bag = TrackedBag(PlainBag())
    assert bag["h"] is None
    assert bag.references() == {Reference("h", None, ABSENCE)}


def test_listing_names_is_not_reading() -> None:
    bag = TrackedBag(plain_bag({"a": 1}))
    assert list(bag.names()) == ["a"]
    assert bag.references() == frozenset()


def test_the_vocabulary_knows_declared_names_only() -> None:
    vocabulary = Vocabulary({"a": ValueType.INT64})
    assert (vocabulary.type_of("a"), vocabulary.type_of("b")) == (ValueType.INT64, None)


def test_the_same_reads_give_the_same_set_whatever_the_values() -> None:
    sets = []
    for value in ("x", "y"):
        bag = TrackedBag(plain_bag({"a": value, "h": {"k": value}}))
        assert (bag["a"], bag["b"], headers(bag)["k"], headers(bag)["l"]) == (
            value,
            None,
            value,
            None,
        )
        sets.append(bag.references())
    assert sets[0] is sets[1]


def test_sets_with_long_keys_are_not_remembered() -> None:
    def read(key: str) -> frozenset[Reference]:
        bag = TrackedBag(plain_bag({"h": {}}))
        assert headers(bag)[key] is None
        return bag.references()

    assert read("k" * 256) is read("k" * 256)
    assert read("k" * 257) is not read("k" * 257)
    assert read("k" * 257) == read("k" * 257)


def test_a_map_that_was_read_whole_differs_from_one_that_was_not() -> None:
    bags = [TrackedBag(plain_bag({"h": {}})) for _ in range(2)]
    for bag in bags:
        headers(bag)
    headers(bags[0]).whole()
    assert [bag.references() for bag in bags] == [
        {Reference("h", None, EXACT)},
        {Reference("h", None, Condition.PRESENCE)},
    ]
