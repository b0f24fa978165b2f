"""Attributes that spoil the keys of remembered verdicts are found in the text of the rules."""

from collections.abc import Callable

import pytest

from remixer.attributes.values import ValueType
from remixer.attributes.vocabulary import Vocabulary
from remixer.config import codes
from remixer.config.key_reads import mentions
from remixer.config.snapshot import Snapshot
from remixer.foundation.problems import Problem, Severity

Resolve = Callable[..., Snapshot]
KNOWN = Vocabulary(
    {
        "request.headers": ValueType.STRING_MAP,
        "request.path": ValueType.STRING,
        "request.time": ValueType.TIMESTAMP,
    }
)
PARTS = """
---
kind: handler
metadata: {name: h, namespace: shop}
spec: {compiledAdapter: gate}
---
kind: handler
metadata: {name: log, namespace: shop}
spec: {compiledAdapter: notes}
---
kind: instance
metadata: {name: nothing, namespace: shop}
spec: {compiledTemplate: checknothing}
---
kind: instance
metadata: {name: item, namespace: shop}
spec:
  compiledTemplate: listentry
  params:
    value: request.headers["X-Request-Id"]
---
kind: instance
metadata: {name: line, namespace: shop}
spec:
  compiledTemplate: logentry
  params: {timestamp: request.time, severity: '"info"'}
"""


def rule(text: str) -> str:
    return f"---\nkind: rule\nmetadata: {{name: r, namespace: shop}}\nspec:\n{text}"


def useless(snapshot: Snapshot) -> list[Problem]:
    return [each for each in snapshot.problems if each.code == codes.USELESS_KEY]


def test_a_condition_on_a_time_is_told_with_its_place(resolve_text: Resolve) -> None:
    text = (
        '  match: source.name == "a" && request.time < timestamp("2030-01-01T00:00:00Z")\n'
        "  actions: [{handler: h, instances: [nothing]}]\n"
    )
    (problem,) = useless(resolve_text(PARTS + rule(text)))

    assert problem.severity is Severity.WARNING
    assert problem.message == (
        "`request.time` differs in every request: "
        "no verdict of rule `r.rule.shop` can be remembered with profit"
    )
    assert (problem.resource, problem.field) == ("r.rule.shop", "spec.match")
    assert problem.location.column == text.index("request.time") + 1
    assert problem.hint


def test_an_instance_is_told_once_for_all_rules_that_send_it(resolve_text: Resolve) -> None:
    actions = "  actions: [{handler: h, instances: [item]}]\n"
    other = rule(actions).replace("name: r,", "name: s,")
    (problem,) = useless(resolve_text(PARTS + rule(actions) + other))

    assert problem.message.startswith('`request.headers["X-Request-Id"]` differs in every request')
    assert "rule `r.rule.shop` and 1 more" in problem.message
    assert (problem.resource, problem.field) == ("item.instance.shop", "spec.params.value")
    assert problem.location.line == PARTS[: PARTS.index("X-Request-Id")].count("\n") + 1


def test_header_values_count_too(resolve_text: Resolve) -> None:
    text = (
        "  requestHeaderOperations:\n"
        "  - {name: x-id, values: ['request.headers[\"traceparent\"]']}\n"
    )
    (problem,) = useless(resolve_text(PARTS + rule(text)))
    assert problem.field == "spec.request_header_operations[0].values[0]"


@pytest.mark.parametrize(
    "text",
    [
        (
            "  match: request.time < timestamp('2030-01-01T00:00:00Z')\n"
            "  actions: [{handler: log, instances: [line]}]\n"
        ),
        (
            "  match: request.headers['x-user'] == 'ann'\n"
            "  actions: [{handler: h, instances: [nothing]}]\n"
        ),
        "  actions: [{handler: log, instances: [line]}, {handler: h, instances: [nothing]}]\n",
    ],
    ids=["a rule that reports", "a header that many share", "a report beside a check"],
)
def test_what_no_verdict_depends_on_is_no_matter(resolve_text: Resolve, text: str) -> None:
    assert useless(resolve_text(PARTS + rule(text.replace("'", '"')))) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("request.path", ["request.path@1"]),
        ('request.headers["a"] == request.path', ['request.headers["a"]@1', "request.path@25"]),
        ("request.headers[request.path]", ["request.headers@1", "request.path@17"]),
        ("$out.name | request.path", ["request.path@13"]),
        ('"request.path"', []),
        ("unknown.name", []),
        ("(((", []),
        ("request.path == request.path", ["request.path@1"]),
        ('request.path ==\n"a"', ["request.path@0"]),
    ],
)
def test_mentions_are_known_attributes_with_their_columns(text: str, found: list[str]) -> None:
    assert [f"{each}@{each.column}" for each in mentions(text, KNOWN)] == found
