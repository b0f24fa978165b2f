"""Which service a request is for, by the host that it names."""

import pytest

from remixer.attributes.values import PlainStringMap, ValueType
from remixer.attributes.vocabulary import Vocabulary
from remixer.frontends.forward_auth.destinations import Destinations, host_of

TYPES = Vocabulary(
    {
        "destination.namespace": ValueType.STRING,
        "destination.port": ValueType.INT64,
        "destination.labels": ValueType.STRING_MAP,
    }
)


def table(*hosts: str) -> Destinations:
    """Each host a namespace of its own name."""
    texts = {host: {"destination.namespace": host} for host in hosts}
    return Destinations(texts, vocabulary=lambda: TYPES)


def found(destinations: Destinations, authority: str) -> object:
    attributes = destinations.attributes_of(authority)
    return None if attributes is None else attributes["destination.namespace"]


@pytest.mark.parametrize(
    ("authority", "host"),
    [
        ("shop.example", "shop.example"),
        ("Shop.Example:8080", "shop.example"),
        ("shop.example.", "shop.example"),
        ("shop.example.:80", "shop.example"),
        ("10.0.0.1:80", "10.0.0.1"),
        ("[::1]:80", "[::1]"),
        ("[FE80::1]", "[fe80::1]"),
        ("[::1", "[::1]"),
        ("", ""),
        (":80", ""),
    ],
)
def test_a_host_is_one_however_it_is_written(authority: str, host: str) -> None:
    assert host_of(authority) == host
    assert host_of(host) == host


def test_the_most_exact_entry_counts() -> None:
    entries = table("a.shop.example", "*.shop.example", "*.example", "*")
    assert found(entries, "a.shop.example") == "a.shop.example"
    assert found(entries, "b.shop.example:443") == "*.shop.example"
    assert found(entries, "x.a.shop.example") == "*.shop.example"
    assert found(entries, "shop.example") == "*.example"
    assert found(entries, "example") == "*"
    assert found(entries, "") == "*"


@pytest.mark.parametrize("host", ["example", "shop.example.org", "xshop.example", "", "[::1]"])
def test_a_host_that_no_entry_covers_is_for_no_service(host: str) -> None:
    assert found(table("shop.example", "*.shop.example"), host) is None


def test_a_name_that_no_host_can_have_is_looked_up_no_further() -> None:
    label = "a." * 126
    assert found(table("*.b", "*"), f"{label}b") == "*.b"
    assert found(table("*.b", "*"), f"{label}bb") == "*"
    assert found(table("*.b", "*"), "a." * 30_000 + "b") == "*"


def test_an_entry_counts_alone() -> None:
    texts = {"a": {"destination.port": "80"}, "*": {"destination.namespace": "all"}}
    attributes = Destinations(texts, vocabulary=lambda: TYPES).attributes_of("a")
    assert attributes is not None
    assert attributes["destination.namespace"] is None


def test_texts_are_values_of_the_declared_types() -> None:
    texts = {"*": {"destination.port": "80", "destination.labels": "app=web,v=1", "mine": "80"}}
    attributes = Destinations(texts, vocabulary=lambda: TYPES).attributes_of("a")
    assert attributes is not None
    assert attributes["destination.port"] == 80
    assert attributes["destination.labels"] == PlainStringMap(app="web", v="1")
    assert attributes["mine"] == "80"
    assert attributes["context.reporter.kind"] == "inbound"


def test_the_vocabulary_in_force_decides() -> None:
    vocabularies = [Vocabulary({"mine": ValueType.INT64}), TYPES, TYPES]
    entries = Destinations({"*": {"mine": "80"}}, vocabulary=lambda: vocabularies.pop(0))
    values = [(entries.attributes_of("a") or {})["mine"] for _ in range(3)]
    assert values == [80, "80", "80"]


def test_a_text_that_does_not_fit_its_type_leaves_the_attribute_absent() -> None:
    entries = Destinations({"*": {"destination.port": "http"}}, vocabulary=lambda: TYPES)
    attributes = entries.attributes_of("a")
    assert attributes is not None
    assert "destination.port" not in attributes
