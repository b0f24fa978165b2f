"""Attribute bindings and outputs: what they may name, and what is told when they do not fit."""

from collections.abc import Callable

import pytest

from remixer.attributes.values import ValueType
from remixer.config import codes
from remixer.config.snapshot import Snapshot
from remixer.foundation.problems import Problem, Severity
from remixer.templates.instances import BUILTIN_TEMPLATES
from remixer.testing.engine import snapshot_of
from remixer.testing.scripted import LOOKUP, Journal, scripted_adapters
from remixer.testing.texts import VOCABULARY, action, handler, instance, rule

Read = Callable[[str], Snapshot]
MANIFEST = VOCABULARY + (
    "kind: attributemanifest\nmetadata: {name: more, namespace: shop}\n"
    "spec: {attributes: {ip: {valueType: IP_ADDRESS}, labels: {valueType: STRING_MAP}}}\n---\n"
)


@pytest.fixture
def read() -> Read:
    """Resolve a text together with a vocabulary."""

    def run(text: str) -> Snapshot:
        adapters = {info.name: info for info in scripted_adapters(Journal())}
        files = {"f.yaml": text, "vocabulary.yaml": MANIFEST}
        return snapshot_of(files, adapters, templates=(*BUILTIN_TEMPLATES, LOOKUP))

    return run


def bound(bindings: str, name: str = "pod") -> str:
    return instance(name, "kubernetes", bindings=bindings)


def used(*instances: str, name: str = "r", match: str = "", namespace: str = "shop") -> str:
    return rule(name, action("h", *instances), match=match, namespace=namespace)


def told(snapshot: Snapshot) -> list[tuple[str, str, str]]:
    return [(each.code, each.field, each.message) for each in snapshot.problems]


@pytest.mark.parametrize(
    ("binding", "type_"),
    [
        ("user: $out.source_pod_name", ValueType.STRING),
        ("ip: $out.source_pod_ip", ValueType.IP_ADDRESS),
        ("labels: $out.source_labels", ValueType.STRING_MAP),
        ('user: \'$out.source_labels["app"] | "none"\'', ValueType.STRING),
        ("user: '\"$out.typo\"'", ValueType.STRING),
        ("user: adapter_template_kubernetes.output.source_pod_name", ValueType.STRING),
        ("size: size", ValueType.INT64),
    ],
)
def test_outputs_are_typed_by_the_template(read: Read, binding: str, type_: ValueType) -> None:
    snapshot = read(handler("h") + bound(binding) + used("pod"))
    assert snapshot.problems == ()
    (each,) = snapshot.rules[0].actions[0].instances[0].bindings.attributes
    assert each.value.type is type_


@pytest.mark.parametrize(
    ("binding", "code", "message"),
    [
        ("usr: $out.source_pod_name", codes.BAD_BINDING, "unknown attribute usr"),
        (
            "user: $out.source_pod_nme",
            "EXPR004",
            "unknown attribute $out.source_pod_nme",
        ),
        (
            "user: $out.source_pod_ip",
            "EXPR010",
            "expression '$out.source_pod_ip' evaluated to type IP_ADDRESS, expected type STRING",
        ),
        ("user: ''", codes.EMPTY_EXPRESSION, "the expression is empty"),
        ("user: 5", codes.EXPRESSION_NOT_TEXT, "found the number `5`; wanted an expression as a"),
    ],
)
def test_a_bad_binding_refuses_its_instance(
    read: Read, binding: str, code: str, message: str
) -> None:
    snapshot = read(bound(binding))
    (problem,) = snapshot.problems
    assert (problem.code, problem.severity) == (code, Severity.ERROR)
    assert problem.message.startswith(message)
    assert problem.field == f"spec.attribute_bindings[{binding.split(':', maxsplit=1)[0]}]"
    assert problem.location.line > 0


def test_the_hint_for_an_output_is_spelt_as_outputs_are(read: Read) -> None:
    (problem,) = read(bound("user: $out.source_pod_nme")).problems
    assert problem.hint == "Did you mean `$out.source_pod_name`?"


def test_every_bad_binding_is_told(read: Read) -> None:
    snapshot = read(bound("usr: $out.source_pod_name, user: $out.x, size: $out.source_pod_name"))
    assert [each.code for each in snapshot.problems] == [codes.BAD_BINDING, "EXPR004", "EXPR010"]


def test_bindings_must_be_a_mapping(read: Read) -> None:
    text = (
        "kind: kubernetes\nmetadata: {name: old, namespace: shop}\nspec: {attributeBindings: [a]}"
    )
    (problem,) = read(text).problems
    assert (problem.code, problem.field) == (codes.WRONG_TYPE, "spec.attribute_bindings")


def test_another_template_has_nothing_to_bind(read: Read) -> None:
    (problem,) = read(instance("i", "quota", bindings="user: user")).problems
    assert (problem.code, problem.message) == (
        codes.BAD_BINDING,
        "template `quota` gives no attributes",
    )


def doubles(snapshot: Snapshot) -> list[Problem]:
    assert all(each.severity is Severity.WARNING for each in snapshot.problems)
    return [each for each in snapshot.problems if each.code == codes.BOUND_TWICE]


ONE = bound("user: $out.source_pod_name", "one")
TWO = bound("user: $out.source_pod_uid", "two")


def test_two_instances_of_one_attribute_are_told_with_the_one_that_counts(read: Read) -> None:
    (problem,) = doubles(read(handler("h") + ONE + TWO + used("two", "one")))
    assert problem.resource == "one.instance.shop"
    assert problem.message == "two.instance.shop generates `user` too; where both apply it counts"


def test_a_mesh_wide_generator_counts_before_that_of_a_namespace(read: Read) -> None:
    mesh = ONE.replace("namespace: shop", "namespace: istio-system")
    text = handler("h") + handler("h", namespace="istio-system") + mesh + TWO
    text += used("two", name="a") + used("one", name="z", namespace="istio-system")
    (problem,) = doubles(read(text))
    assert problem.resource == "two.instance.shop"


@pytest.mark.parametrize(
    "text",
    [
        ONE + TWO + used("one"),
        ONE + used("one", name="a") + used("one", name="b", match='user == "x"'),
        ONE
        + TWO.replace("namespace: shop", "namespace: bank")
        + handler("h", namespace="bank")
        + used("one")
        + used("two", namespace="bank"),
    ],
    ids=["one of them unused", "the same instance twice", "for other requests"],
)
def test_instances_that_do_not_meet_are_no_doubles(read: Read, text: str) -> None:
    assert doubles(read(handler("h") + text)) == []


# ------------------------------------------------------------ outputs of actions

KEY = instance("key", "lookup", "key: user")


def looked(value: str, name: str = "x") -> str:
    headers = f"requestHeaderOperations: [{{name: a, values: [{value}]}}]"
    return handler("h") + KEY + rule("r", action("h", "key", name=name), more=headers)


def test_an_output_has_the_type_that_its_template_says(read: Read) -> None:
    assert read(looked("x.output.value")).problems == ()
    assert [each[0] for each in told(read(looked("x.output.hits")))] == ["EXPR010"]


@pytest.mark.parametrize(
    "value", ["x.output.typo", "z.output.value"], ids=["of no field", "of no action"]
)
def test_an_output_that_nobody_gives_is_an_unknown_attribute(read: Read, value: str) -> None:
    snapshot = read(looked(value))
    assert [each[:2] for each in told(snapshot)] == [
        ("EXPR004", "spec.request_header_operations[0].values[0]")
    ]
    assert snapshot.rules[0].request_header_operations == ()


def test_an_action_without_a_name_gives_no_names(read: Read) -> None:
    assert [each[0] for each in told(read(looked("output.value", name="")))] == ["EXPR004"]


def test_conditions_do_not_see_outputs(read: Read) -> None:
    text = handler("h") + KEY
    text += rule("r", action("h", "key", name="x"), match='x.output.value == "a"')
    assert [each[0] for each in told(read(text))] == ["EXPR004"]


def test_outputs_of_one_rule_are_not_those_of_another(read: Read) -> None:
    text = looked("x.output.value") + rule(
        "s", more="responseHeaderOperations: [{name: a, values: [x.output.value]}]"
    )
    assert [(each.code, each.resource) for each in read(text).problems] == [
        (codes.RULE_LEFT_EMPTY, "s.rule.shop"),
        ("EXPR004", "s.rule.shop"),
    ]
