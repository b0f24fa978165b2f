"""Instance resources: which expressions they may hold, and what becomes of them."""

from collections.abc import Callable

import pytest

from remixer.attributes.bag import plain_bag
from remixer.attributes.values import ValueType
from remixer.config import codes
from remixer.config.snapshot import InstanceConfig, Snapshot
from remixer.expr.semantics import Semantics
from remixer.foundation.problems import Location, Problem
from remixer.templates.instances import ApiKey, Authorization, Metric

Resolve = Callable[..., Snapshot]
OnlyProblem = Callable[[str], Problem]

USE = """
---
kind: handler
metadata: {name: sink, namespace: shop}
spec: {compiledAdapter: notes}
---
kind: rule
metadata: {name: send, namespace: shop}
spec:
  actions:
  - handler: sink
    instances: [it.%s]
"""


def metric(params: str, *, annotations: str = "{}") -> str:
    return f"""
kind: instance
metadata: {{name: it, namespace: shop, annotations: {annotations}}}
spec:
  compiledTemplate: metric
  params:
{params}"""


def used(resolve_text: Resolve, text: str, kind: str = "instance") -> InstanceConfig:
    snapshot = resolve_text(text + USE % kind)
    assert snapshot.problems == ()
    return snapshot.rules[0].actions[0].instances[0]


def test_instance_is_built_from_its_expressions(resolve_text: Resolve) -> None:
    text = """
    value: request.size
    dimensions:
      who: source.name | "nobody"
      fixed: '"x"'
"""
    config = used(resolve_text, metric(text))
    assert config.name == "it.instance.shop"
    assert config.short_name == "it"
    assert config.type.types == {
        "value": ValueType.INT64,
        "dimensions[who]": ValueType.STRING,
        "dimensions[fixed]": ValueType.STRING,
    }
    assert config.build(plain_bag({"request.size": 3})) == Metric(
        "it.instance.shop", 3, {"who": "nobody", "fixed": "x"}
    )


def test_older_kind_has_its_fields_in_the_spec(resolve_text: Resolve) -> None:
    text = "kind: metric\nmetadata: {name: it, namespace: shop}\nspec: {value: request.size}\n"
    config = used(resolve_text, text, "metric")
    assert config.name == "it.metric.shop"
    assert config.build(plain_bag({"request.size": 3})) == Metric("it.metric.shop", 3)


@pytest.mark.parametrize("key", ["api_version", "apiVersion"])
def test_both_spellings_of_a_field_are_taken(resolve_text: Resolve, key: str) -> None:
    text = f"""
kind: apikey
metadata: {{name: it, namespace: shop}}
spec: {{{key}: source.name}}
"""
    config = used(resolve_text, text, "apikey")
    assert config.build(plain_bag({"source.name": "v1"})) == ApiKey(
        "it.apikey.shop", api_version="v1"
    )


def test_nested_message(resolve_text: Resolve) -> None:
    text = """
kind: authorization
metadata: {name: it, namespace: shop}
spec:
  subject:
    user: source.name
    properties: {size: request.size}
"""
    config = used(resolve_text, text, "authorization")
    assert config.type.types == {
        "subject.user": ValueType.STRING,
        "subject.properties[size]": ValueType.INT64,
    }
    built = config.build(plain_bag({"source.name": "ann", "request.size": 1}))
    assert isinstance(built, Authorization)
    assert (built.subject.user, built.subject.properties) == ("ann", {"size": 1})


@pytest.mark.parametrize("value", ['""', "", "~"])
def test_empty_text_means_not_configured(resolve_text: Resolve, value: str) -> None:
    config = used(resolve_text, metric(f"    value: {value}\n    dimensions: ~\n"))
    assert config.type.types == {}


def test_missing_params_are_empty_params(resolve_text: Resolve) -> None:
    text = """
kind: instance
metadata: {name: it, namespace: shop}
spec: {compiledTemplate: metric}
"""
    assert used(resolve_text, text).build(plain_bag({})) == Metric("it.instance.shop")


@pytest.mark.parametrize(
    ("value", "hint"),
    [("1", 'Quote it: `"1"`.'), ("true", 'Quote it: `"true"`.'), ("[a]", ""), ("{a: b}", "")],
)
def test_what_is_no_text_is_a_problem(only_problem: OnlyProblem, value: str, hint: str) -> None:
    problem = only_problem(metric(f"    value: {value}\n"))
    assert (problem.code, problem.hint) == (codes.EXPRESSION_NOT_TEXT, hint)
    assert problem.field == "spec.params.value"


def test_empty_expression_in_a_map_is_a_problem(only_problem: OnlyProblem) -> None:
    problem = only_problem(metric('    dimensions: {a: ""}\n'))
    assert (problem.code, problem.field) == (
        codes.EMPTY_EXPRESSION,
        "spec.params.dimensions[a]",
    )


def test_expression_error_points_into_the_text(only_problem: OnlyProblem) -> None:
    problem = only_problem(metric("    value: request.sise\n"))
    assert problem.code == "EXPR004"
    assert problem.resource == "it.instance.shop"
    assert problem.location == Location("f.yaml", 7, 12)
    assert "request.size" in problem.hint


def test_all_faults_of_an_instance_are_found_at_once(resolve_text: Resolve) -> None:
    text = metric("    value: nope\n    dimensions: {a: nope, b: 5}\n    colour: x\n")
    assert [each.field for each in resolve_text(text).problems] == [
        "spec.params.value",
        "spec.params.dimensions[a]",
        "spec.params.dimensions[b]",
        "spec.params.colour",
    ]


def test_expression_must_have_the_fields_type(only_problem: OnlyProblem) -> None:
    problem = only_problem(metric("    monitored_resource_type: request.size\n"))
    assert problem.code == "EXPR010"


def test_unknown_field_gets_the_nearest_name(only_problem: OnlyProblem) -> None:
    problem = only_problem(metric("    dimension: {}\n"))
    assert (problem.code, problem.hint) == (codes.UNKNOWN_FIELD, "Did you mean `dimensions`?")


def test_nested_message_wants_a_mapping(only_problem: OnlyProblem) -> None:
    text = "kind: authorization\nmetadata: {name: it, namespace: shop}\nspec: {subject: ann}\n"
    problem = only_problem(text)
    assert (problem.code, problem.field) == (codes.WRONG_TYPE, "spec.subject")


def test_field_in_both_spellings_is_a_problem(only_problem: OnlyProblem) -> None:
    text = "    monitored_resource_type: source.name\n    monitoredResourceType: source.name\n"
    assert only_problem(metric(text)).code == codes.FIELD_TWICE


@pytest.mark.parametrize("params", ["    dimensions: request.headers\n", "    dimensions: [a]\n"])
def test_map_field_wants_a_mapping(only_problem: OnlyProblem, params: str) -> None:
    assert only_problem(metric(params)).code == codes.WRONG_TYPE


@pytest.mark.parametrize(
    ("spec", "code", "field"),
    [
        ("{compiledTemplate: metrc}", codes.UNKNOWN_TEMPLATE, "spec.compiled_template"),
        ("{template: keyval}", codes.NOT_SUPPORTED, "spec.template"),
        ("{params: {}}", codes.UNKNOWN_TEMPLATE, "spec.template"),
        (
            "{compiledTemplate: metric, attribute_bindings: {a: b}}",
            codes.BAD_BINDING,
            "spec.attribute_bindings",
        ),
        ("{compiledTemplate: metric, parms: {}}", codes.UNKNOWN_FIELD, "spec.parms"),
    ],
)
def test_template_must_be_one_of_this_version(
    only_problem: OnlyProblem, spec: str, code: str, field: str
) -> None:
    problem = only_problem(
        f"kind: instance\nmetadata: {{name: it, namespace: shop}}\nspec: {spec}\n"
    )
    assert (problem.code, problem.field) == (code, field)


@pytest.mark.parametrize("language", ["CEL", "COMPAT"])
def test_other_languages_are_not_supported(only_problem: OnlyProblem, language: str) -> None:
    text = metric("    value: request.size\n", annotations=f"{{policy.istio.io/lang: {language}}}")
    assert only_problem(text).code == codes.LANGUAGE_NOT_SUPPORTED


def test_annotation_for_mixers_own_language_is_fine(resolve_text: Resolve) -> None:
    text = metric("    value: request.size\n", annotations="{policy.istio.io/lang: CEXL}")
    assert resolve_text(text).problems == ()


QUIRK = "    value: size(source.name, source.name)\n"  # Mixer 1.3 took surplus arguments


def test_semantics_are_chosen_by_annotation(resolve_text: Resolve) -> None:
    annotation = "{remixer.dev/expression-semantics: mixer-1.3}"
    assert resolve_text(metric(QUIRK, annotations=annotation)).problems == ()
    (problem,) = resolve_text(metric(QUIRK)).problems
    assert problem.code.startswith("EXPR")


def test_annotation_is_stronger_than_the_default_semantics(resolve_text: Resolve) -> None:
    annotation = "{remixer.dev/expression-semantics: fixed}"
    assert resolve_text(metric(QUIRK), semantics=Semantics.MIXER_1_3).problems == ()
    text = metric(QUIRK, annotations=annotation)
    assert len(resolve_text(text, semantics=Semantics.MIXER_1_3).problems) == 1


def test_unknown_semantics_are_a_problem(only_problem: OnlyProblem) -> None:
    annotation = "{remixer.dev/expression-semantics: mixer-1.4}"
    problem = only_problem(metric("    value: request.size\n", annotations=annotation))
    assert (problem.code, problem.hint) == (
        codes.UNKNOWN_SEMANTICS,
        "Did you mean `mixer-1.3`?",
    )
