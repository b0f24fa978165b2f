"""Rule resources: conditions, actions, header operations, and what happens to faulty ones."""

from collections.abc import Callable

import pytest

from remixer.attributes.bag import plain_bag
from remixer.config import codes
from remixer.config.snapshot import RuleConfig, Snapshot
from remixer.foundation.problems import Location, Severity
from remixer.mixer.outcome import HeaderOperationKind

Resolve = Callable[..., Snapshot]

PARTS = """
kind: handler
metadata: {name: gate, namespace: shop}
spec: {compiledAdapter: gate}
---
kind: gate
metadata: {name: old, namespace: istio-system}
---
kind: checknothing
metadata: {name: nothing, namespace: shop}
---
kind: instance
metadata: {name: entry, namespace: shop}
spec: {compiledTemplate: listentry, params: {value: source.name}}
---
kind: metric
metadata: {name: size, namespace: shop}
spec: {value: request.size}
---
kind: metric
metadata: {name: broken, namespace: shop}
spec: {value: request.sise}
"""

RULE = """---
kind: rule
metadata: {name: r, namespace: shop}
spec:
"""
ACTIONS = "  actions: [{handler: gate, instances: [entry]}]\n"


def rule(resolve_text: Resolve, spec: str) -> tuple[RuleConfig | None, list[tuple[str, str]]]:
    """The rule, and code and field of each problem in it."""
    snapshot = resolve_text(PARTS + RULE + spec)
    problems = [
        (each.code, each.field) for each in snapshot.problems if each.resource == "r.rule.shop"
    ]
    return (snapshot.rules[0] if snapshot.rules else None), problems


def good(resolve_text: Resolve, spec: str) -> RuleConfig:
    found, problems = rule(resolve_text, spec)
    assert problems == []
    assert found is not None
    return found


# ------------------------------------------------------------ conditions


@pytest.mark.parametrize("match", ["", "  match: ''\n", "  match: '  '\n", "  match: ' true '\n"])
def test_empty_condition_and_true_mean_always(resolve_text: Resolve, match: str) -> None:
    assert good(resolve_text, match + ACTIONS).match is None


def test_condition_is_compiled(resolve_text: Resolve) -> None:
    match = good(resolve_text, '  match: source.name == "ann"\n' + ACTIONS).match
    assert match is not None
    assert match.evaluate(plain_bag({"source.name": "ann"})) is True


@pytest.mark.parametrize("match", ["source.nam == 'x'", "request.size", "source.name ==", "5"])
def test_condition_that_does_not_compile_drops_the_rule(resolve_text: Resolve, match: str) -> None:
    found, problems = rule(resolve_text, f"  match: {match}\n" + ACTIONS)
    assert found is None
    assert {field for _, field in problems} == {"spec.match"}


def test_bare_true_as_a_condition_is_a_problem(resolve_text: Resolve) -> None:
    found, problems = rule(resolve_text, "  match: true\n" + ACTIONS)
    assert (found, problems) == (None, [(codes.WRONG_TYPE, "spec.match")])


def test_faults_of_actions_show_even_if_the_condition_is_bad(resolve_text: Resolve) -> None:
    _, problems = rule(resolve_text, "  match: nope\n  actions: [{handler: x, instances: [entry]}]")
    assert {code for code, _ in problems} == {"EXPR004", codes.NO_SUCH_HANDLER}


# ------------------------------------------------------------ actions


def test_action_joins_handler_and_instances(resolve_text: Resolve) -> None:
    spec = "  actions:\n  - {handler: gate, instances: [nothing.checknothing, entry], name: a}\n"
    (action,) = good(resolve_text, spec).actions
    assert action.handler.name == "gate.handler.shop"
    assert [each.name for each in action.instances] == [
        "nothing.checknothing.shop",
        "entry.instance.shop",
    ]
    assert action.name == "a"


def test_handler_of_another_namespace_is_reached_by_its_full_name(resolve_text: Resolve) -> None:
    spec = "  actions: [{handler: old.gate.istio-system, instances: [entry]}]\n"
    assert good(resolve_text, spec).actions[0].handler.name == "old.gate.istio-system"


@pytest.mark.parametrize(
    ("action", "problem"),
    [
        ("{handler: gat, instances: [entry]}", (codes.NO_SUCH_HANDLER, "spec.actions[1].handler")),
        ("{instances: [entry]}", (codes.NO_SUCH_HANDLER, "spec.actions[1].handler")),
        (
            "{handler: gate, instances: [entri]}",
            (codes.NO_SUCH_INSTANCE, "spec.actions[1].instances[0]"),
        ),
        (
            "{handler: gate, instances: [broken.metric]}",
            (codes.TARGET_LEFT_OUT, "spec.actions[1].instances[0]"),
        ),
        (
            "{handler: gate, instances: [size.metric]}",
            (codes.TEMPLATE_NOT_TAKEN, "spec.actions[1].instances[0]"),
        ),
        ("{handler: gate}", (codes.ACTION_WITHOUT_INSTANCES, "spec.actions[1]")),
    ],
)
def test_unusable_action_is_left_out_and_the_others_apply(
    resolve_text: Resolve, action: str, problem: tuple[str, str]
) -> None:
    spec = f"  actions:\n  - {{handler: gate, instances: [entry]}}\n  - {action}\n"
    found, problems = rule(resolve_text, spec)
    assert found is not None
    assert len(found.actions) == 1
    assert problems == [problem]


def test_unusable_instance_is_left_out_and_the_others_apply(resolve_text: Resolve) -> None:
    spec = "  actions: [{handler: gate, instances: [nope, entry]}]\n"
    found, problems = rule(resolve_text, spec)
    assert found is not None
    assert [each.name for each in found.actions[0].instances] == ["entry.instance.shop"]
    assert problems == [(codes.NO_SUCH_INSTANCE, "spec.actions[0].instances[0]")]


def test_instance_listed_twice_counts_once_with_a_warning(resolve_text: Resolve) -> None:
    spec = "  actions: [{handler: gate, instances: [entry, entry.instance.shop]}]\n"
    found, problems = rule(resolve_text, spec)
    assert found is not None
    assert len(found.actions[0].instances) == 1
    assert problems == [(codes.INSTANCE_TWICE, "spec.actions[0].instances[1]")]


def test_rule_of_which_nothing_is_left_says_so(resolve_text: Resolve) -> None:
    for spec in ("  {}\n", "  actions: []\n"):
        found, problems = rule(resolve_text, spec)
        assert (found, problems) == (None, [(codes.RULE_LEFT_EMPTY, "spec")])


def test_reference_to_nothing_is_located_with_a_hint(resolve_text: Resolve) -> None:
    snapshot = resolve_text(
        PARTS + RULE + "  actions:\n  - handler: gaet\n    instances: [entry]\n"
    )
    found = next(each for each in snapshot.problems if each.code == codes.NO_SUCH_HANDLER)
    lines = (PARTS + RULE).count("\n")
    assert found.location == Location("f.yaml", lines + 2, 14)
    assert found.hint == "Did you mean `gate`?"


def test_unknown_field_drops_the_rule(resolve_text: Resolve) -> None:
    found, problems = rule(resolve_text, "  macth: 'false'\n" + ACTIONS)
    assert (found, problems) == (None, [(codes.UNKNOWN_FIELD, "spec.macth")])


def test_sampling_is_accepted_with_a_warning(resolve_text: Resolve) -> None:
    snapshot = resolve_text(PARTS + RULE + ACTIONS + "  sampling: {random: {}}\n")
    assert len(snapshot.rules) == 1
    (found,) = [each for each in snapshot.problems if each.resource == "r.rule.shop"]
    assert (found.code, found.severity) == (codes.UNUSED_FIELD, Severity.WARNING)


@pytest.mark.parametrize("language", ["CEL", "COMPAT"])
def test_rule_in_another_language_is_left_out(resolve_text: Resolve, language: str) -> None:
    header = RULE.replace(
        "namespace: shop", f"namespace: shop, annotations: {{policy.istio.io/lang: {language}}}"
    )
    snapshot = resolve_text(PARTS + header + ACTIONS)
    assert snapshot.rules == ()
    assert codes.LANGUAGE_NOT_SUPPORTED in {each.code for each in snapshot.problems}


# ------------------------------------------------------------ header operations


def test_header_operation_per_value_in_order(resolve_text: Resolve) -> None:
    spec = """
  requestHeaderOperations:
  - name: x-who
    values: ['source.name', '"b"']
    operation: APPEND
  response_header_operations:
  - {name: server, operation: REMOVE}
  - {name: x-a, values: ['"a"']}
"""
    found = good(resolve_text, spec)
    assert found.actions == ()
    request = [(each.name, each.kind) for each in found.request_header_operations]
    assert request == [("x-who", HeaderOperationKind.APPEND)] * 2
    value = found.request_header_operations[0].value
    assert value is not None
    assert value.evaluate(plain_bag({"source.name": "ann"})) == "ann"
    response = [(each.name, each.kind) for each in found.response_header_operations]
    assert response == [
        ("server", HeaderOperationKind.REMOVE),
        ("x-a", HeaderOperationKind.REPLACE),
    ]
    assert found.response_header_operations[0].value is None


@pytest.mark.parametrize(
    ("operation", "problem"),
    [
        ("{name: x, values: [request.size]}", ("EXPR010", ".values[0]")),
        ("{name: x, values: ['\"a\"', nope]}", ("EXPR004", ".values[1]")),
        ("{name: x, values: ['']}", (codes.EMPTY_EXPRESSION, ".values[0]")),
        ("{name: '', values: ['\"a\"']}", (codes.BAD_HEADER_OPERATION, ".name")),
        ("{name: 'a b', operation: REMOVE}", (codes.BAD_HEADER_OPERATION, ".name")),
        ("{name: x}", (codes.BAD_HEADER_OPERATION, "")),
        ("{name: Content-Length, values: ['\"1\"']}", (codes.BAD_HEADER_OPERATION, ".name")),
        (
            "{name: te, values: ['\"x\"'], operation: APPEND}",
            (codes.BAD_HEADER_OPERATION, ".name"),
        ),
    ],
)
def test_bad_header_operation_is_left_out_alone(
    resolve_text: Resolve, operation: str, problem: tuple[str, str]
) -> None:
    spec = f"""
  requestHeaderOperations:
  - {{name: secret, operation: REMOVE}}
  - {operation}
"""
    found, problems = rule(resolve_text, spec)
    assert found is not None
    assert [each.name for each in found.request_header_operations] == ["secret"]
    code, field = problem
    assert problems == [(code, f"spec.request_header_operations[1]{field}")]


def test_what_says_where_messages_end_may_be_removed_and_writing_it_is_a_warning(
    resolve_text: Resolve,
) -> None:
    spec = """
  responseHeaderOperations:
  - {name: Transfer-Encoding, operation: REMOVE}
  - {name: transfer-encoding, values: ['"chunked"']}
"""
    snapshot = resolve_text(PARTS + RULE + spec)
    (found,) = snapshot.rules
    kinds = [each.kind for each in found.response_header_operations]
    assert kinds == [HeaderOperationKind.REMOVE]
    (problem,) = (each for each in snapshot.problems if each.resource == "r.rule.shop")
    assert problem.severity is Severity.WARNING


@pytest.mark.parametrize("name", [":path", "X-Request-Id", "a!#$%&'*+-.^_`|~b"])
def test_legal_header_names(resolve_text: Resolve, name: str) -> None:
    quoted = "'" + name.replace("'", "''") + "'"
    spec = f"  requestHeaderOperations: [{{name: {quoted}, operation: REMOVE}}]\n"
    assert good(resolve_text, spec).request_header_operations[0].name == name
