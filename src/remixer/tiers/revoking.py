"""Conditions that say which remembered verdicts to forget."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

from remixer.attributes.bag import PlainBag
from remixer.attributes.values import Value, ValueType
from remixer.attributes.vocabulary import Vocabulary
from remixer.expr.compile import Expression, compile_expression
from remixer.expr.errors import EvaluationError, ExpressionError
from remixer.foundation.errors import RemixerError

Matches: TypeAlias = Callable[[Mapping[str, Value]], bool]


class BadConditionError(RemixerError):
    """The text is no condition on attributes; `errors` has all that is wrong with it."""

    def __init__(self, text: str, errors: tuple[ExpressionError, ...]) -> None:
        super().__init__("\n".join(map(str, errors)))
        self.text = text
        self.errors = errors


def matcher(text: str, vocabulary: Vocabulary) -> Matches:
    """Whether an answer whose key tells these attributes matches.

    All other attributes count as absent; a condition that has no value without them does not
    match. Raises `BadConditionError`.
    """
    compiled = compile_expression(text, vocabulary, wanted=ValueType.BOOL)
    if not isinstance(compiled, Expression):
        raise BadConditionError(text, compiled)
    evaluate = compiled.evaluate

    def matches(told: Mapping[str, Value]) -> bool:
        try:
            return evaluate(PlainBag(told)) is True
        except EvaluationError:
            return False

    return matches
