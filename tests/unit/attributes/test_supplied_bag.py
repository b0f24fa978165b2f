"""Attributes that somebody supplies: the request's own count first, and only these are noted."""

from remixer.attributes.bag import Condition, Reference, SuppliedBag, TrackedBag, plain_bag
from remixer.attributes.values import PlainStringMap

LABELS = PlainStringMap({"app": "web"})


def supplied(**own: str) -> SuppliedBag:
    return SuppliedBag(TrackedBag(plain_bag(own)), {"user": "al", "labels": LABELS})


def test_a_supplied_attribute_is_there_and_its_absence_in_the_request_is_noted() -> None:
    bag = supplied()
    assert bag["user"] == "al"
    assert bag.references() == {Reference("user", None, Condition.ABSENCE)}


def test_the_request_s_own_counts_first() -> None:
    bag = supplied(user="bob")
    assert bag["user"] == "bob"
    assert bag.references() == {Reference("user", None, Condition.EXACT)}


def test_what_nobody_has_is_absent() -> None:
    bag = supplied()
    assert bag["size"] is None
    assert bag.references() == {Reference("size", None, Condition.ABSENCE)}


def test_keys_of_a_supplied_map_are_nobody_s_business() -> None:
    bag = supplied()
    assert bag["labels"] is LABELS
    assert bag.references() == {Reference("labels", None, Condition.ABSENCE)}


def test_what_was_read_before_counts_too() -> None:
    earlier = frozenset({Reference("size", None, Condition.EXACT)})
    bag = SuppliedBag(TrackedBag(plain_bag({})), {}, earlier=earlier)
    assert bag.references() == earlier


def test_names_are_those_of_both_without_being_read() -> None:
    bag = supplied(user="bob", team="red")
    assert sorted(bag.names()) == ["labels", "team", "user"]
    assert bag.references() == frozenset()
