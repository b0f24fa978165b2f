"""Keys beyond the table, and the operator's list of revisions."""

import pytest

from remixer.adapters.kactivator.keys import KeyRules, KnownRevisions, entry_fault, revision_of
from remixer.adapters.kactivator.readiness import Revision

_CART = Revision("shop", "cart-00001")


@pytest.mark.parametrize("value", [None, 1, b"cart", {"a": "b"}, object()])
def test_what_is_no_text_is_no_revision(value: object) -> None:
    assert revision_of(value, "cart", KeyRules()) is None
    assert revision_of("shop", value, KeyRules()) is None


def test_a_text_without_end_is_not_looked_at() -> None:
    assert revision_of("shop", "a." * 160, KeyRules()) is None
    assert revision_of("shop", "a" * 1_000_000, KeyRules()) is None


def test_suffixes_are_the_operator_s() -> None:
    rules = KeyRules(("-inner",))
    assert revision_of("shop", "cart-inner", rules) == Revision("shop", "cart")
    assert revision_of("shop", "cart-priv", rules) == Revision("shop", "cart-priv")
    assert revision_of("shop", "cart-priv", KeyRules(())) == Revision("shop", "cart-priv")


def test_a_list_knows_revisions_and_whole_namespaces() -> None:
    known = KnownRevisions(["shop/cart-00001", "till/*"])
    assert known.holds(_CART)
    assert known.holds(Revision("till", "anything"))
    assert not known.holds(Revision("shop", "cart-00002"))
    assert KnownRevisions().holds(_CART)


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        ("shop/cart-00001", ""),
        ("shop/*", ""),
        ("cart", "has no namespace"),
        ("shop/Cart", "is no name that Kubernetes takes"),
        ("*/cart", "is no name that Kubernetes takes"),
        ("a/b/c", "is no name that Kubernetes takes"),
        ("shop/", "is no name that Kubernetes takes"),
    ],
)
def test_a_list_s_entry_is_a_key(entry: str, fault: str) -> None:
    assert entry_fault(entry) == fault
