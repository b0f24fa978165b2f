"""Keys: what they are made of, what they tell, what they tell apart."""

import pytest

from remixer.attributes.bag import Condition, Reference, plain_bag
from remixer.attributes.values import Duration, PlainStringMap, Timestamp, Value
from remixer.tiers.keys import Key, Shape, serial_of

EXACT, ABSENCE, PRESENCE = Condition.EXACT, Condition.ABSENCE, Condition.PRESENCE


def shape(*references: tuple[str, str | None, Condition]) -> Shape:
    return Shape(frozenset(Reference(*each) for each in references), serial=3)


WHOLE = shape(("a", None, EXACT))


def key_of(value: Value) -> Key:
    key = WHOLE.key_of(plain_bag({"a": value}))
    assert key is not None
    return key


ALL_KINDS: list[Value] = [
    "1",
    1,
    1.0,
    True,
    b"1",
    Timestamp(1),
    Duration(1),
    PlainStringMap(),
    PlainStringMap({"1": "1"}),
    PlainStringMap({"": "1", "1": ""}),
    "",
    b"",
    0.0,
    -0.0,
    False,
]


def test_no_two_of_these_share_a_key() -> None:
    assert len({key_of(value) for value in ALL_KINDS}) == len(ALL_KINDS)


@pytest.mark.parametrize("value", ALL_KINDS, ids=repr)
def test_a_key_tells_its_value_and_type(value: Value) -> None:
    told = WHOLE.values_of(key_of(value))["a"]
    assert (type(told), repr(told)) == (type(value), repr(value))


def test_a_nan_is_known_again() -> None:
    assert key_of(float("nan")) == key_of(float("nan"))


def test_maps_are_equal_in_any_order() -> None:
    assert key_of(PlainStringMap(a="1", b="2")) == key_of(PlainStringMap(b="2", a="1"))


def test_an_absent_attribute_is_no_empty_one() -> None:
    absent = shape(("a", None, ABSENCE))
    assert absent.key_of(plain_bag({})) is not None
    assert absent.key_of(plain_bag({"a": ""})) is None
    assert WHOLE.key_of(plain_bag({})) is None


def test_an_absent_entry_is_no_empty_one_and_no_absent_map() -> None:
    absent = shape(("m", "k", ABSENCE))
    assert absent.key_of(plain_bag({"m": {}})) is not None
    assert absent.key_of(plain_bag({"m": {"k": ""}})) is None
    assert absent.key_of(plain_bag({})) is None
    assert absent.key_of(plain_bag({"m": "text"})) is None


def test_the_presence_of_a_map_says_nothing_of_its_entries() -> None:
    present = shape(("m", None, PRESENCE))
    keys = {present.key_of(plain_bag({"m": entries})) for entries in ({}, {"k": "v"})}
    assert len(keys) == 1
    assert present.key_of(plain_bag({})) is None
    assert present.key_of(plain_bag({"m": 1})) is None


def test_values_with_separators_inside_are_not_mixed_up() -> None:
    two = shape(("a", None, EXACT), ("b", None, EXACT))
    bags = [
        plain_bag({"a": "x\0", "b": "y"}),
        plain_bag({"a": "x", "b": "\0y"}),
        plain_bag({"a": "x", "b": "y"}),
    ]
    keys = [two.key_of(bag) for bag in bags]
    assert len(set(keys)) == 3
    assert [plain_bag(two.values_of(key or "")) for key in keys] == bags


def test_a_map_read_as_a_whole_and_by_key_is_told_once() -> None:
    both = shape(("m", None, EXACT), ("m", "k", EXACT))
    key = both.key_of(plain_bag({"m": {"k": "v", "l": "w"}}))
    assert plain_bag(both.values_of(key or "")) == plain_bag({"m": {"k": "v", "l": "w"}})


def test_a_key_names_its_shape() -> None:
    for value in ("a\1b", "a\0b", 1):
        assert serial_of(key_of(value)) == 3
    nothing = shape()
    assert nothing.key_of(plain_bag({"a": 1})) == nothing.key_of(plain_bag({})) == "3"
    assert (serial_of("3"), nothing.values_of("3")) == (3, {})
