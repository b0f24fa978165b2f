"""What EndpointSlices say: whose they are, who is ready, and what follows from changes."""

from typing import Any

import pytest

from remixer.adapters.kactivator import slices as slices_module
from remixer.adapters.kactivator.readiness import Revision
from remixer.adapters.kactivator.slices import (
    REVISION_LABEL,
    SERVICE_LABEL,
    SERVICE_TYPE_LABEL,
    SliceBook,
    has_ready_endpoint,
    revision_of,
)
from remixer.testing.knative import endpoint_slice

CART = Revision("shop", "cart-00001")


def labelled(**labels: str) -> dict[str, Any]:
    names = {"revision": REVISION_LABEL, "service": SERVICE_LABEL, "kind": SERVICE_TYPE_LABEL}
    return {
        "metadata": {
            "namespace": "shop",
            "name": "a-slice",
            "labels": {names[key]: value for key, value in labels.items()},
        }
    }


class Told:
    """A book, and who it told to be ready."""

    def __init__(self) -> None:
        self.ready: list[Revision] = []
        self.book = SliceBook(on_ready=self.ready.append)


@pytest.mark.parametrize(
    ("item", "revision"),
    [
        (labelled(kind="Private", revision="cart-00001", service="cart-00001-private"), CART),
        # The generated names of 0.7 to 0.9.
        (labelled(kind="Private", revision="cart-00001", service="cart-00001-x7k2p"), CART),
        # A name that was too long is shortened; the label has it whole.
        (labelled(revision="cart-00001", service="cart-0000d41d8cd98f00-private"), CART),
        (labelled(service="cart-00001-private"), CART),
        (labelled(service="cart-00001-priv"), CART),
        # The public service: its addresses are the Activator's.
        (labelled(kind="Public", revision="cart-00001", service="cart-00001"), None),
        (labelled(kind="Public", revision="cart-00001", service="cart-00001-private"), None),
        (labelled(revision="cart-00001", service="cart-00001"), None),
        (labelled(service="cart"), None),
        (labelled(service="-private"), None),
        (labelled(kind="Private"), None),
        ({"metadata": {"name": "a"}}, None),
        ({"metadata": None}, None),
        ({"metadata": {"namespace": 1, "name": "a", "labels": [1]}}, None),
        ({}, None),
    ],
)
def test_a_slice_is_of_the_revision_whose_private_service_it_is_of(
    item: dict[str, Any], revision: Revision | None
) -> None:
    assert revision_of(item) == revision


@pytest.mark.parametrize(
    ("endpoints", "is_ready"),
    [
        ([], False),
        (None, False),
        ("text", False),
        ([{"addresses": ["10.0.0.1"], "conditions": {"ready": True}}], True),
        ([{"addresses": ["10.0.0.1"], "conditions": {"ready": False}}], False),
        # Unknown counts as ready, says Kubernetes's API.
        ([{"addresses": ["10.0.0.1"], "conditions": {}}], True),
        ([{"addresses": ["10.0.0.1"], "conditions": {"ready": None}}], True),
        ([{"addresses": ["10.0.0.1"]}], True),
        ([{"addresses": [], "conditions": {"ready": True}}], False),
        ([{"addresses": ["a"], "conditions": {"ready": True, "terminating": True}}], False),
        ([{"addresses": ["a"], "conditions": {"ready": False}}, {"addresses": ["b"]}], True),
        ([None, 5], False),
    ],
)
def test_one_ready_endpoint_with_an_address_is_enough(endpoints: object, is_ready: bool) -> None:  # noqa: FBT001 - a column of the table
    assert has_ready_endpoint({"endpoints": endpoints}) is is_ready


def test_a_revision_without_pods_is_known_and_asleep() -> None:
    told = Told()
    told.book.put(endpoint_slice(CART))
    assert told.book.knows(CART)
    assert not told.book.is_ready(CART)
    assert told.ready == []


def test_the_first_ready_endpoint_is_told_once() -> None:
    told = Told()
    told.book.put(endpoint_slice(CART, not_ready=["10.0.0.1"]))
    told.book.put(endpoint_slice(CART, ready=["10.0.0.1"]))
    told.book.put(endpoint_slice(CART, ready=["10.0.0.1", "10.0.0.2"]))
    told.book.put(endpoint_slice(CART, ready=["10.0.0.9"], number=2))
    assert told.ready == [CART]


def test_a_revision_is_awake_until_its_last_slice_has_no_ready_endpoint() -> None:
    told = Told()
    for number in (1, 2):
        told.book.put(endpoint_slice(CART, ready=["10.0.0.1"], number=number))
    told.book.put(endpoint_slice(CART, not_ready=["10.0.0.1"], number=1))
    assert told.book.is_ready(CART)
    told.book.remove(endpoint_slice(CART, number=2))
    assert not told.book.is_ready(CART)
    assert told.book.knows(CART)


def test_deleting_all_slices_makes_a_revision_unknown() -> None:
    told = Told()
    told.book.put(endpoint_slice(CART, ready=["10.0.0.1"]))
    told.book.remove(endpoint_slice(CART))
    assert not told.book.is_ready(CART)
    assert not told.book.knows(CART)
    assert len(told.book) == 0


def test_who_wakes_up_again_is_told_again() -> None:
    told = Told()
    for ready in (["10.0.0.1"], [], ["10.0.0.2"]):
        told.book.put(endpoint_slice(CART, ready=ready))
    assert told.ready == [CART, CART]


def test_what_a_new_list_does_not_have_is_gone() -> None:
    told = Told()
    stock = Revision("shop", "stock-00001")
    told.book.put(endpoint_slice(CART, ready=["10.0.0.1"]))
    told.book.put(endpoint_slice(stock, ready=["10.0.0.2"]))
    told.book.begin()
    told.book.put(endpoint_slice(stock, ready=["10.0.0.2"]))
    told.book.sweep()
    assert not told.book.knows(CART)
    assert told.book.is_ready(stock)


def test_a_slice_that_changes_hands_is_counted_for_its_new_revision() -> None:
    told = Told()
    moved = endpoint_slice(CART, ready=["10.0.0.1"])
    told.book.put(moved)
    moved["metadata"]["labels"][REVISION_LABEL] = "cart-00002"
    told.book.put(moved)
    assert not told.book.knows(CART)
    assert told.ready == [CART, Revision("shop", "cart-00002")]


def test_a_slice_that_becomes_public_is_dropped() -> None:
    told = Told()
    item = endpoint_slice(CART, ready=["10.0.0.1"])
    told.book.put(item)
    item["metadata"]["labels"][SERVICE_TYPE_LABEL] = "Public"
    told.book.put(item)
    assert not told.book.knows(CART)


def test_slices_beyond_the_bound_are_left_out_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slices_module, "MOST_SLICES", 2)
    told = Told()
    for number in range(3):
        told.book.put(endpoint_slice(Revision("shop", f"r-{number}"), ready=["10.0.0.1"]))
    assert (len(told.book), told.book.not_kept, told.book.knows_all) == (2, 1, False)
    told.book.put(endpoint_slice(Revision("shop", "r-0")))
    assert not told.book.is_ready(Revision("shop", "r-0")), "a known slice is kept up to date"


@pytest.mark.parametrize("item", [{}, {"metadata": []}, {"metadata": {"name": 3}}])
def test_objects_without_a_name_change_nothing(item: dict[str, Any]) -> None:
    told = Told()
    told.book.put(item)
    told.book.remove(item)
    assert len(told.book) == 0
