"""Signatures of rules and routes: equal everywhere exactly if the same is done."""

import pytest

from remixer.attributes.bag import plain_bag
from remixer.config.snapshot import Snapshot
from remixer.runtime.route_signatures import RouteSignatures
from remixer.testing.engine import running_engine, snapshot_of
from remixer.testing.scripted import Journal, scripted_adapters

BASE = """
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {name: r, namespace: istio-system}
spec:
  match: a == "x"
  actions: [{handler: h, instances: [i], name: act}]
  requestHeaderOperations: [{name: x-a, values: ["a"]}]
---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {name: own, namespace: shop}
spec:
  actions: [{handler: h.istio-system, instances: [i.istio-system]}]
---
apiVersion: config.istio.io/v1alpha2
kind: handler
metadata: {name: h, namespace: istio-system}
spec: {compiledAdapter: scripted, params: {valid_use_count: 1000}}
---
apiVersion: config.istio.io/v1alpha2
kind: instance
metadata: {name: i, namespace: istio-system}
spec: {compiledTemplate: listentry, params: {value: a | "none"}}
---
apiVersion: config.istio.io/v1alpha2
kind: attributemanifest
metadata: {name: m, namespace: istio-system}
spec:
  attributes:
    a: {valueType: STRING}
    b: {valueType: STRING}
    destination.namespace: {valueType: STRING}
"""


def _snapshot(text: str) -> Snapshot:
    adapters = {info.name: info for info in scripted_adapters(Journal())}
    snapshot = snapshot_of({"a.yaml": text}, adapters)
    assert not snapshot.problems
    return snapshot


async def _signature(text: str, namespace: str = "elsewhere") -> bytes:
    async with running_engine({"a.yaml": text}, adapters=scripted_adapters(Journal())) as running:
        assert not running.engine.generation.snapshot.problems
        signatures = RouteSignatures(lambda: running.engine.generation)
        bag = plain_bag({"destination.namespace": namespace})
        found = signatures.signature_of(bag)
        assert found is not None
        assert signatures.signature_of(bag) == found
        return found


def test_the_same_text_has_the_same_signature_each_time() -> None:
    one, two = _snapshot(BASE), _snapshot(BASE)
    assert [rule.signature for rule in one.rules] == [rule.signature for rule in two.rules]
    assert len({rule.signature for rule in one.rules}) == len(one.rules)


def test_layout_and_comments_do_not_matter() -> None:
    moved = "\n\n# a comment\n" + BASE.replace("params: {value:", "params:   {value:")
    assert [rule.signature for rule in _snapshot(moved).rules] == [
        rule.signature for rule in _snapshot(BASE).rules
    ]


CHANGES = [
    pytest.param('a == "x"', 'a == "y"', id="the condition"),
    pytest.param("valid_use_count: 1000", "valid_use_count: 999", id="the handler"),
    pytest.param("compiledAdapter: scripted", "compiledAdapter: waiting", id="the adapter"),
    pytest.param('value: a | "none"', 'value: b | "none"', id="the instance"),
    pytest.param('values: ["a"]', 'values: ["b"]', id="a header's value"),
    pytest.param("name: x-a", "name: x-b", id="a header's name"),
    pytest.param("name: act}", "name: oct}", id="the action's name"),
    pytest.param(
        "name: r, namespace: istio-system}",
        "name: r, namespace: istio-system,"
        " annotations: {remixer.dev/expression-semantics: mixer-1.3}}",
        id="how the rule is read",
    ),
    pytest.param(
        "name: i, namespace: istio-system}",
        "name: i, namespace: istio-system,"
        " annotations: {remixer.dev/expression-semantics: mixer-1.3}}",
        id="how the instance is read",
    ),
    pytest.param("b: {valueType: STRING}", "b: {valueType: INT64}", id="an attribute's type"),
]


@pytest.mark.parametrize(("before", "after"), CHANGES)
async def test_whatever_may_change_an_answer_changes_the_signature(before: str, after: str) -> None:
    assert before in BASE
    assert await _signature(BASE.replace(before, after)) != await _signature(BASE)


async def test_rules_of_other_namespaces_do_not_matter() -> None:
    other = BASE.replace("namespace: shop", "namespace: other")
    assert await _signature(other) == await _signature(BASE)
    assert await _signature(BASE, "shop") != await _signature(BASE)
    assert await _signature(other, "shop") == await _signature(BASE)


async def test_a_new_configuration_has_its_own_at_once() -> None:
    adapters = scripted_adapters(Journal())
    async with running_engine({"a.yaml": BASE}, adapters=adapters) as running:
        signatures = RouteSignatures(lambda: running.engine.generation)
        before = signatures.signature_of(plain_bag({}))
        await running.apply({"a.yaml": BASE.replace('"x"', '"y"')})
        between = signatures.signature_of(plain_bag({}))
        await running.apply({"a.yaml": BASE})
        assert signatures.signature_of(plain_bag({})) == before != between
