"""The wall around one resource."""

from remixer.attributes.vocabulary import Vocabulary
from remixer.config import codes
from remixer.config.context import Context
from remixer.config.expressions import ExpressionCompiler
from remixer.expr.semantics import Semantics
from remixer.foundation.problems import Location, Problem


def context(problems: list[Problem]) -> Context:
    return Context(
        adapters={},
        templates={},
        expressions=ExpressionCompiler(Vocabulary()),
        semantics=Semantics.FIXED,
        default_namespace="istio-system",
        problems=problems,
    )


def test_what_can_be_read_passes() -> None:
    problems: list[Problem] = []
    assert context(problems).walled("r.rule.shop", Location("a.yaml", 3), lambda: 7) == 7
    assert problems == []


def test_a_fault_is_a_problem_of_its_resource() -> None:
    def read() -> int:
        message = "unforeseen"
        raise ZeroDivisionError(message)

    problems: list[Problem] = []
    assert context(problems).walled("r.rule.shop", Location("a.yaml", 3), read) is None
    (problem,) = problems
    assert (problem.code, problem.resource) == (codes.RESOURCE_FAULT, "r.rule.shop")
    assert problem.location == Location("a.yaml", 3)
    assert "ZeroDivisionError: unforeseen" in problem.message
