"""Layers around a request's attributes: what they cost, and what they leave alone.

Which layer wins is told in tests/conformance/client_config/precedence.yaml.
"""

from collections.abc import Iterator

from remixer.attributes.bag import Condition, PlainBag, Reference, TrackedBag, plain_bag
from remixer.attributes.values import Value
from remixer.sidecar.client_config.api_spec import ApiTable
from remixer.sidecar.client_config.attribute_layers import Layers, local_node
from remixer.sidecar.client_config.messages import (
    APIKey,
    Attributes,
    AttributeValue,
    HTTPAPISpec,
    HTTPAPISpecPattern,
)

OPERATION = Attributes({"api.operation": AttributeValue(string_value="read")})
BOOKS = HTTPAPISpec(patterns=(HTTPAPISpecPattern(OPERATION, "GET", uri_template="/books/*"),))


class CountingBag:
    """A bag that knows how often it was read."""

    def __init__(self, values: PlainBag) -> None:
        self._values = values
        self.reads: list[str] = []

    def __getitem__(self, name: str) -> Value | None:
        self.reads.append(name)
        return self._values[name]

    def names(self) -> Iterator[str]:
        return self._values.names()


def request() -> CountingBag:
    return CountingBag(
        plain_bag({"request.method": "GET", "request.path": "/books/1", "source.uid": "u"})
    )


def test_making_a_bag_reads_nothing() -> None:
    inner = request()
    Layers({"a": "b"}, ApiTable([BOOKS])).over(inner, {"source.uid": "told"})
    assert inner.reads == []


def test_an_attribute_of_the_request_costs_one_read() -> None:
    inner = request()
    bag = Layers({"a": "b"}, ApiTable([BOOKS])).over(inner)
    assert bag["source.uid"] == "u"
    assert inner.reads == ["source.uid"]


def test_specifications_are_evaluated_once_and_only_for_what_they_provide() -> None:
    inner = request()
    bag = Layers({}, ApiTable([BOOKS])).over(inner)
    assert bag["api.operation"] == bag["api.operation"] == "read"
    assert inner.reads == ["request.method", "request.path"]


def test_without_layers_the_request_is_its_own_bag() -> None:
    inner = request()
    assert Layers().over(inner) is inner


def test_what_is_read_through_layers_is_referenced() -> None:
    headers = plain_bag({"request.headers": {"x-token": "k", "other": "o"}})
    layers = Layers({"a": "b"}, ApiTable([HTTPAPISpec(api_keys=(APIKey(header="x-token"),))]))
    tracked = TrackedBag(layers.over(headers))
    assert (tracked["request.api_key"], tracked["a"], tracked["c"]) == ("k", "b", None)
    assert tracked.references() == {
        Reference("request.api_key", None, Condition.EXACT),
        Reference("a", None, Condition.EXACT),
        Reference("c", None, Condition.ABSENCE),
    }


def test_values_of_other_types_than_the_usual_do_no_harm() -> None:
    odd = plain_bag(
        {"request.method": 1, "request.path": b"/", "request.headers": "x", "source.principal": 2}
    )
    bag = Layers({}, ApiTable([BOOKS])).over(odd, {"source.namespace": "told"})
    assert (bag["api.operation"], bag["request.api_key"]) == (None, None)
    assert bag["source.namespace"] == "told"
    assert "request.api_key" not in list(bag.names())


def test_texts_that_no_encoding_has_do_no_harm() -> None:
    spec = HTTPAPISpec(patterns=(HTTPAPISpecPattern(OPERATION, "GET", regex="/.*"),))
    request = plain_bag({"request.method": "GET", "request.path": "/\udcff"})
    assert ApiTable([spec]).attributes(request) == {"api.operation": "read"}


def test_a_node_without_a_namespace_adds_no_namespace() -> None:
    node = local_node(uid="u")
    assert node is not None
    assert (node.uid, node.namespace) == ("u", "")
    assert local_node() is None
