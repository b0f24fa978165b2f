"""Conditions that say which remembered verdicts to forget."""

from collections.abc import Callable, Mapping
from typing import TypeAlias, cast

from remixer.attributes.bag import PlainBag
from remixer.attributes.values import PlainStringMap, Value, ValueType
from remixer.attributes.vocabulary import Vocabulary
from remixer.expr.compile import Expression, compile_expression
from remixer.expr.errors import EvaluationError, ExpressionError
from remixer.tiers.shared.revocations import BadRevocationError

ConditionMatches: TypeAlias = Callable[[Mapping[str, object]], bool]
"""Takes an answer's known attributes; never raises."""


class BadConditionError(BadRevocationError):
    """The text is no condition on attributes; `errors` has all that is wrong with it."""

    def __init__(self, text: str, errors: tuple[ExpressionError, ...]) -> None:
        super().__init__("\n".join(map(str, errors)))
        self.text = text
        self.errors = errors


def matcher(text: str, vocabulary: Vocabulary) -> ConditionMatches:
    """Whether an answer whose key tells these attributes matches.

    All other attributes count as absent; a condition that has no value without them does not
    match. Raises `BadConditionError`.
    """
    compiled = compile_expression(text, vocabulary, wanted=ValueType.BOOL)
    if not isinstance(compiled, Expression):
        raise BadConditionError(text, compiled)
    evaluate = compiled.evaluate

    def matches(told: Mapping[str, object]) -> bool:
        bag = PlainBag((name, _carried(value)) for name, value in told.items())
        try:
            return evaluate(bag) is True
        except EvaluationError:
            return False

    return matches


def _carried(value: object) -> Value:
    if isinstance(value, Mapping) and not isinstance(value, PlainStringMap):
        return PlainStringMap(value)
    return cast("Value", value)
