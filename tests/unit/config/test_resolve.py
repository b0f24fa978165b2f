"""The whole run: order, counts, kinds that are not ours, manifests."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import cast

import pytest

from remixer.attributes.values import ValueType
from remixer.config import codes
from remixer.config.resolve import resolve
from remixer.config.resources import LoadedResources, combine, parse_file
from remixer.config.snapshot import Snapshot
from remixer.foundation.problems import Problem, Severity
from remixer.templates.registry import load_templates
from remixer.templates.schema import Message

Resolve = Callable[..., Snapshot]
OnlyProblem = Callable[[str], Problem]


def resource(kind: str, name: str = "a", spec: str = "{}") -> str:
    return f"---\nkind: {kind}\nmetadata: {{name: {name}, namespace: shop}}\nspec: {spec}\n"


WHOLE = (
    resource("rule", "z", "{actions: [{handler: h, instances: [nothing.checknothing]}]}")
    + resource("rule", "b", "{actions: [{handler: g.gate, instances: [nothing.checknothing]}]}")
    + resource("handler", "h", "{compiledAdapter: gate}")
    + resource("gate", "g")
    + resource("checknothing", "nothing")
)


def test_rules_and_handlers_are_sorted_by_name(resolve_text: Resolve) -> None:
    snapshot = resolve_text(WHOLE)
    assert [each.name for each in snapshot.rules] == ["b.rule.shop", "z.rule.shop"]
    assert [each.name for each in snapshot.handlers] == ["g.gate.shop", "h.handler.shop"]
    assert snapshot.problems == ()


def test_order_of_documents_does_not_matter(resolve_text: Resolve) -> None:
    documents = WHOLE.split("---\n")[1:]
    turned = resolve_text("---\n" + "---\n".join(reversed(documents)))
    straight = resolve_text(WHOLE)
    assert [each.name for each in turned.rules] == [each.name for each in straight.rules]
    assert [each.signature for each in turned.handlers] == [
        each.signature for each in straight.handlers
    ]


def test_counts_are_by_kind_and_count_faulty_resources_too(resolve_text: Resolve) -> None:
    text = WHOLE + resource("rule", "bad", "{macth: x}") + resource("fluentd") + resource("other")
    assert resolve_text(text).counts == {
        "attributemanifest": 1,
        "checknothing": 1,
        "fluentd": 1,
        "gate": 1,
        "handler": 1,
        "rule": 3,
    }


def test_problems_of_loading_are_kept_and_all_are_in_reading_order(resolve_text: Resolve) -> None:
    text = resource("rule", "q", "{macth: x}") + "---\n[\n" + resource("rule", "a", "{macth: x}")
    lines = [each.location.line for each in resolve_text(text).problems]
    assert len(lines) == 3
    assert lines == sorted(lines)


def test_nothing_gives_an_empty_snapshot() -> None:
    assert resolve(LoadedResources(), adapters={}, templates={}) == Snapshot()


@pytest.mark.parametrize("kind", ["circonus", "stackdriver", "signalfx", "adapter", "template"])
def test_kind_of_mixers_that_is_missing_here_is_an_error(
    only_problem: OnlyProblem, kind: str
) -> None:
    problem = only_problem(resource(kind))
    assert (problem.code, problem.severity) == (codes.NOT_SUPPORTED, Severity.ERROR)
    assert problem.resource == f"a.{kind}.shop"


def test_rule_that_uses_a_missing_kind_is_told_so(resolve_text: Resolve) -> None:
    text = resource("circonus", "f") + resource("checknothing", "nothing")
    text += resource(
        "rule", "r", "{actions: [{handler: f.circonus, instances: [nothing.checknothing]}]}"
    )
    assert [each.code for each in resolve_text(text).problems] == [
        codes.NOT_SUPPORTED,
        codes.RULE_LEFT_EMPTY,
        codes.TARGET_LEFT_OUT,
    ]


@pytest.mark.parametrize(("kind", "meant"), [("Rule", "rule"), ("handlers", "handler")])
def test_misspelt_kind_is_a_warning(only_problem: OnlyProblem, kind: str, meant: str) -> None:
    problem = only_problem(resource(kind))
    assert (problem.code, problem.severity) == (codes.KIND_NEAR_MISS, Severity.WARNING)
    assert problem.hint == f"Did you mean `{meant}`?"


@pytest.mark.parametrize("kind", ["QuotaSpec", "QuotaSpecBinding", "HTTPAPISpec", "somethingelse"])
def test_foreign_kind_is_ignored(resolve_text: Resolve, kind: str) -> None:
    assert resolve_text(resource(kind)).problems == ()


# ------------------------------------------------------------ manifests


def manifest(name: str, attributes: str) -> str:
    return resource("attributemanifest", name, f"{{attributes: {attributes}}}")


def vocabulary(text: str) -> tuple[dict[str, ValueType], list[Problem]]:
    loaded = combine([parse_file(text.encode(), "f.yaml")])
    snapshot = resolve(loaded, adapters={}, templates={})
    return dict(snapshot.vocabulary.types), list(snapshot.problems)


def test_vocabulary_is_the_union_of_all_manifests() -> None:
    types, problems = vocabulary(
        manifest("a", "{x.y: {value_type: STRING}}") + manifest("b", "{z: {valueType: INT64}}")
    )
    assert types == {"x.y": ValueType.STRING, "z": ValueType.INT64}
    assert problems == []


def test_bad_declaration_is_left_out_alone() -> None:
    types, problems = vocabulary(
        manifest(
            "a",
            "{a: {value_type: STRNG}, b: {}, c: {value_type: BOOL, typo: 1}, d: {value_type: URI}}",
        )
    )
    assert types == {"d": ValueType.URI}
    assert [each.code for each in problems] == [
        codes.UNKNOWN_ENUM,
        codes.ATTRIBUTE_UNTYPED,
        codes.UNKNOWN_FIELD,
    ]


def test_manifest_that_cannot_be_decoded_is_left_out() -> None:
    text = manifest("a", "[x]") + manifest("b", "{z: {value_type: URI}}")
    types, problems = vocabulary(text)
    assert types == {"z": ValueType.URI}
    assert [each.code for each in problems] == [codes.WRONG_TYPE]


def test_of_two_types_the_first_manifest_by_name_counts() -> None:
    types, problems = vocabulary(
        manifest("b", "{x: {value_type: INT64}}") + manifest("a", "{x: {value_type: STRING}}")
    )
    assert types == {"x": ValueType.STRING}
    (problem,) = problems
    assert (problem.code, problem.severity) == (codes.ATTRIBUTE_CONFLICT, Severity.WARNING)
    assert problem.resource == "b.attributemanifest.shop"


def test_same_type_twice_is_fine() -> None:
    text = manifest("b", "{x: {value_type: INT64}}") + manifest("a", "{x: {value_type: INT64}}")
    assert vocabulary(text) == ({"x": ValueType.INT64}, [])


@dataclass(frozen=True, slots=True)
class Picky:
    """Parameters of a third party's adapter whose class checks them itself."""

    size: int = 1

    def __post_init__(self) -> None:
        if self.size > 9:
            message = "size is limited to 9"
            raise ValueError(message)


@dataclass(frozen=True, slots=True)
class Unsignable:
    """Parameters whose default is of a type that the annotation does not tell."""

    names: tuple[str, ...] = cast("tuple[str, ...]", frozenset({"a"}))


BESIDE = (
    resource("handler", "h", "{compiledAdapter: gate}")
    + resource("handler", "x", "{compiledAdapter: odd, params: %s}")
    + resource("checknothing", "nothing")
    + resource("rule", "good", "{actions: [{handler: h, instances: [nothing.checknothing]}]}")
    + resource("rule", "bad", "{actions: [{handler: x, instances: [nothing.checknothing]}]}")
)


@pytest.mark.parametrize(
    ("defaults", "params"), [(Picky(), "{size: 10}"), (Unsignable(), "{}")], ids=["raises", "type"]
)
def test_a_fault_in_an_adapters_parameters_leaves_out_its_handler_alone(
    resolve_text: Resolve, defaults: object, params: str
) -> None:
    (used,) = resolve_text(WHOLE).handlers[1:]
    gate = used.adapter
    odd = replace(gate, name="odd", defaults=defaults, validate=lambda _params, _context: ())
    snapshot = resolve_text(BESIDE % params, adapters={"gate": gate, "odd": odd})
    assert [rule.name for rule in snapshot.rules] == ["good.rule.shop"]
    fault = next(each for each in snapshot.problems if each.code == codes.RESOURCE_FAULT)
    assert fault.resource == "x.handler.shop"
    assert fault.location.line > 0


def test_a_fault_in_a_templates_carrier_leaves_out_the_instance_alone() -> None:
    class Refusing:
        def __init__(self, **_fields: object) -> None:
            message = "no"
            raise RuntimeError(message)

    nothing = load_templates(()).templates["checknothing"]
    odd = replace(nothing, name="odd", message=Message("Template", Refusing))
    text = resource("odd", "x") + resource("attributemanifest", "m", "{attributes: {a: {}}}")
    loaded = combine([parse_file(text.encode(), "f.yaml")])
    snapshot = resolve(loaded, adapters={}, templates={"odd": odd})
    assert {each.code for each in snapshot.problems} == {
        codes.RESOURCE_FAULT,
        codes.ATTRIBUTE_UNTYPED,
    }
