"""Whether a rule applies to a request."""

from typing import Final

from remixer.attributes.bag import Bag
from remixer.expr.errors import EvaluationError
from remixer.foundation.log import event_log
from remixer.runtime.routes import Condition

_log: Final = event_log(__name__)


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


def not_evaluated(rule: str, reason: str) -> None:
    """Tell that a rule does not apply, because its condition has an error."""
    _log.debug("match_not_evaluated", rule=rule, reason=reason)
