"""Whether a rule applies to a request."""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple, TypeVar

from remixer.attributes.bag import Bag
from remixer.attributes.values import Value, ValueType
from remixer.expr.errors import EvaluationError
from remixer.expr.interpret import unreadable
from remixer.foundation.log import event_log
from remixer.runtime.routes import Condition
from remixer.runtime.step_index import Conditional, StepIndex

_log: Final = event_log(__name__)

S = TypeVar("S", bound=Conditional)


def applies(condition: Condition | None, rule: str, bag: Bag) -> bool:
    """Whether the condition holds; one that cannot be evaluated does not hold.

    Source: Mixer logs and treats it as no match. Logged at debug: a request without the
    attribute is ordinary, and this runs for every rule of every request.
    """
    if condition is None:
        return True
    try:
        return condition(bag)
    except EvaluationError as error:
        not_evaluated(rule, str(error))
        return False


def shows_errors() -> bool:
    """Whether somebody wants to see why conditions have no value."""
    return _log.shows_debug


def which_may_apply(steps: Sequence[S], index: StepIndex[S] | None, bag: Bag) -> Sequence[S]:
    """Those of `steps` whose condition must be evaluated; all if somebody wants to see errors."""
    if index is None or _log.shows_debug:
        return steps
    return index.candidates(bag)


class NotEvaluated(NamedTuple):
    """Why a condition has no value: an error's text, or an attribute that could not be read."""

    rule: str
    reason: str = ""
    attribute: str = ""
    value: Value | None = None
    wanted: ValueType = ValueType.VALUE_TYPE_UNSPECIFIED


def tell(errors: Iterable[tuple[object, ...]]) -> None:
    """As `not_evaluated`, of many; `errors` have the fields of `NotEvaluated`.

    Texts are made only if somebody sees them.
    """
    if _log.shows_debug:
        for each in map(NotEvaluated._make, errors):
            reason = each.reason
            if each.attribute:
                reason = str(unreadable(each.attribute, each.value, each.wanted))
            not_evaluated(each.rule, reason)


def not_evaluated(rule: str, reason: str) -> None:
    """Tell that a rule does not apply, because its condition has an error."""
    _log.debug("match_not_evaluated", rule=rule, reason=reason)
