"""Problems of a configuration as `remixer validate` tells them."""

import io
import json

from rich.console import Console, RenderableType

from remixer.cli.problem_list import problem_list_text, snapshot_json, summary_text
from remixer.config.snapshot import RuleConfig, Snapshot
from remixer.foundation.problems import NO_LOCATION, Location, Problem, Severity

SECOND = Problem(
    code="EXPR004",
    message="`request.sise` is unknown.",
    location=Location("shop.yaml", 12, 9),
    resource="limit.rule.shop",
    field="spec.match",
    hint="Did you mean `request.size`?",
)
FIRST = Problem(
    code="REF002",
    message="no rule uses it.",
    location=Location("shop.yaml", 3),
    severity=Severity.WARNING,
)
SNAPSHOT = Snapshot(
    rules=(RuleConfig(name="a.rule.shop", namespace="shop", match=None, actions=()),),
    problems=(SECOND, FIRST),
    counts={"rule": 2, "handler": 1},
)


def rendered(renderable: RenderableType) -> list[str]:
    console = Console(file=io.StringIO(), width=200, highlight=False, markup=False)
    console.print(renderable)
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines() if line.strip()]


def test_problems_are_told_in_file_order_with_place_code_and_next_step() -> None:
    assert rendered(problem_list_text(SNAPSHOT.problems)) == [
        "shop.yaml:3: warning REF002",
        "    no rule uses it.",
        "shop.yaml:12:9: error EXPR004  limit.rule.shop spec.match",
        "    `request.sise` is unknown.",
        "    Did you mean `request.size`?",
    ]


def test_a_problem_outside_any_file_still_has_a_place() -> None:
    problem = Problem(code="X", message="m", location=NO_LOCATION)

    assert rendered(problem_list_text([problem])) == ["<memory>: error X", "    m"]


def test_the_summary_counts_what_was_read_and_what_is_in_force() -> None:
    assert rendered(summary_text(SNAPSHOT)) == [
        "resources  1 handler, 2 rule",
        "in force   1 rule, 0 handlers in use",
        "problems   1 error, 1 warning",
    ]


def test_json_has_every_field_of_every_problem() -> None:
    assert json.loads(json.dumps(snapshot_json(SNAPSHOT, is_good=False))) == {
        "ok": False,
        "errors": 1,
        "warnings": 1,
        "problems": [
            {
                "severity": "warning",
                "code": "REF002",
                "message": "no rule uses it.",
                "hint": "",
                "file": "shop.yaml",
                "line": 3,
                "column": 0,
                "resource": "",
                "field": "",
            },
            {
                "severity": "error",
                "code": "EXPR004",
                "message": "`request.sise` is unknown.",
                "hint": "Did you mean `request.size`?",
                "file": "shop.yaml",
                "line": 12,
                "column": 9,
                "resource": "limit.rule.shop",
                "field": "spec.match",
            },
        ],
        "resources": {"handler": 1, "rule": 2},
        "rules": ["a.rule.shop"],
        "handlers": [],
    }
