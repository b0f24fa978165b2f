"""Handler resources: adapter, params, validation, identity."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from remixer.attributes.values import Duration
from remixer.config import codes
from remixer.config.snapshot import HandlerConfig, Snapshot
from remixer.foundation.problems import Location, Problem

Resolve = Callable[..., Snapshot]
OnlyProblem = Callable[[str], Problem]

USE = """
---
kind: checknothing
metadata: {name: nothing, namespace: shop}
---
kind: quota
metadata: {name: count, namespace: shop}
spec: {dimensions: {who: source.name}}
---
kind: rule
metadata: {name: ask, namespace: shop}
spec:
  actions:
  - handler: %s
    instances: [%s]
"""


def handler(params: str = "{}") -> str:
    return f"""kind: handler
metadata: {{name: h, namespace: shop}}
spec:
  compiledAdapter: gate
  params: {params}
"""


def used(
    resolve_text: Resolve, text: str, *, name: str = "h", instances: str = "nothing.checknothing"
) -> HandlerConfig:
    snapshot = resolve_text(text + USE % (name, instances))
    assert snapshot.problems == ()
    (found,) = snapshot.handlers
    return found


def test_params_are_merged_over_the_adapters_defaults(resolve_text: Resolve) -> None:
    found = used(resolve_text, handler("{limits: [1, 2]}"))
    gate = found.adapter.defaults
    assert found.params == replace(gate, limits=(1, 2))
    assert found.params != gate


def test_display_name_of_a_handler_resource_has_two_parts(resolve_text: Resolve) -> None:
    found = used(resolve_text, handler())
    assert (found.name, found.display_name) == ("h.handler.shop", "h.shop")


def test_display_name_of_an_older_kind_has_three_parts(resolve_text: Resolve) -> None:
    text = "kind: gate\nmetadata: {name: h, namespace: shop}\nspec: {validDuration: 1m}\n"
    found = used(resolve_text, text, name="h.gate")
    assert (found.name, found.display_name) == ("h.gate.shop", "h.gate.shop")
    assert getattr(found.params, "valid_duration", None) == Duration(60_000_000_000)


def test_missing_params_are_the_defaults(resolve_text: Resolve) -> None:
    text = "kind: handler\nmetadata: {name: h, namespace: shop}\nspec: {compiledAdapter: gate}\n"
    found = used(resolve_text, text)
    assert found.params == found.adapter.defaults


@pytest.mark.parametrize(
    ("spec", "code", "field"),
    [
        ("{compiledAdapter: gaet}", codes.UNKNOWN_ADAPTER, "spec.compiled_adapter"),
        ("{compiledAdapter: stackdriver}", codes.NOT_SUPPORTED, "spec.compiled_adapter"),
        ("{adapter: keyval}", codes.NOT_SUPPORTED, "spec.adapter"),
        ("{params: {}}", codes.UNKNOWN_ADAPTER, "spec.adapter"),
        ("{compiledAdapter: gate, params: [1]}", codes.WRONG_TYPE, "spec.params"),
    ],
)
def test_faulty_handler_is_a_problem_even_if_no_rule_uses_it(
    only_problem: OnlyProblem, spec: str, code: str, field: str
) -> None:
    problem = only_problem(f"kind: handler\nmetadata: {{name: h, namespace: shop}}\nspec: {spec}\n")
    assert (problem.code, problem.field) == (code, field)
    assert problem.location.line == 3


def test_unknown_adapter_gets_the_nearest_name(only_problem: OnlyProblem) -> None:
    text = "kind: handler\nmetadata: {name: h, namespace: shop}\nspec: {compiledAdapter: gaet}\n"
    assert only_problem(text).hint == "Did you mean `gate`?"


def test_half_decoded_params_are_never_used(resolve_text: Resolve) -> None:
    text = handler("{limits: [1], valid_duration: soon}") + USE % ("h", "nothing.checknothing")
    snapshot = resolve_text(text)
    assert (snapshot.handlers, snapshot.rules) == ((), ())
    assert sorted(each.code for each in snapshot.problems) == [
        codes.BAD_DURATION,
        codes.TARGET_LEFT_OUT,
        codes.RULE_LEFT_EMPTY,
    ]


def test_adapters_own_finding_is_located_and_drops_the_handler(resolve_text: Resolve) -> None:
    text = handler("{limits: [1, -2]}") + USE % ("h", "nothing.checknothing")
    snapshot = resolve_text(text)
    assert (snapshot.handlers, snapshot.rules) == ((), ())
    first, *_ = snapshot.problems
    assert first == Problem(
        codes.PARAMS_REJECTED,
        "must not be negative",
        Location("f.yaml", 5, 24),
        "h.handler.shop",
        "spec.params.limits[1]",
        "Write 0 for none.",
    )


def test_adapter_that_fails_to_validate_costs_its_handler_only(resolve_text: Resolve) -> None:
    text = handler("{explodes: true}") + USE % ("h", "nothing.checknothing")
    snapshot = resolve_text(text)
    assert snapshot.handlers == ()
    assert codes.BROKEN_PLUGIN in {each.code for each in snapshot.problems}


def test_validation_sees_every_instance_that_rules_send(resolve_text: Resolve) -> None:
    text = handler("{wants_quota: true}")
    found = used(resolve_text, text, instances="nothing.checknothing, count.quota")
    assert [each.name for each in found.instances] == [
        "count.quota.shop",
        "nothing.checknothing.shop",
    ]
    snapshot = resolve_text(text + USE % ("h", "nothing.checknothing"))
    assert codes.PARAMS_REJECTED in {each.code for each in snapshot.problems}


def test_instances_of_a_handler_are_those_of_all_rules_once_each(resolve_text: Resolve) -> None:
    second = """
---
kind: rule
metadata: {name: also, namespace: shop}
spec: {actions: [{handler: h, instances: [count.quota, nothing.checknothing]}]}
"""
    text = handler() + second
    found = used(resolve_text, text)
    assert [each.name for each in found.instances] == [
        "count.quota.shop",
        "nothing.checknothing.shop",
    ]


def test_handler_that_no_rule_uses_is_not_in_the_snapshot(resolve_text: Resolve) -> None:
    snapshot = resolve_text(handler())
    assert (snapshot.handlers, snapshot.problems) == ((), ())


def test_signature_stays_when_only_rules_change(resolve_text: Resolve) -> None:
    text = handler() + USE % ("h", "nothing.checknothing")
    (before,) = resolve_text(text).handlers
    changed = text.replace("name: ask", "name: other").replace(
        "spec:\n  actions", "spec:\n  match: request.size > 1\n  actions"
    )
    (after,) = resolve_text(changed).handlers
    assert before.signature == after.signature


@pytest.mark.parametrize(
    ("old", "new"),
    [("params: {}", "params: {limits: [1]}"), ("who: source.name", "who: source.name | 'x'")],
)
def test_signature_changes_with_params_and_instances(
    resolve_text: Resolve, old: str, new: str
) -> None:
    text = handler() + USE % ("h", "count.quota")
    (before,) = resolve_text(text).handlers
    (after,) = resolve_text(text.replace(old, new)).handlers
    assert before.signature != after.signature


@dataclass(frozen=True)
class UnusableParams:
    names: frozenset[str] = frozenset()


def test_adapter_with_unusable_params_is_a_problem_not_a_crash(resolve_text: Resolve) -> None:
    gate = used(resolve_text, handler()).adapter
    broken = replace(gate, defaults=UnusableParams())
    (problem,) = resolve_text(handler(), adapters={"gate": broken}).problems
    assert problem.code == codes.BROKEN_PLUGIN
