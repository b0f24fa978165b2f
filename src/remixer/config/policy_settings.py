"""What policies for caching and failure say, once they are read: values without references."""

from dataclasses import dataclass
from enum import Enum

from remixer.attributes.values import Duration
from remixer.foundation.status import Code, Status


@dataclass(frozen=True, slots=True)
class CachePolicyConfig:
    """How long answers may be kept that it concerns; None leaves a setting to others.

    Several may concern one answer: the strictest counts, setting by setting.
    """

    name: str
    """`brief.CachePolicy.shop`."""
    is_enabled: bool = True
    max_age: Duration | None = None
    max_uses: int | None = None
    denial_max_age: Duration | None = None
    """In place of `max_age` for denials."""
    refresh_at: float | None = None
    stale_for: Duration | None = None
    is_shared: bool = True


class FailureStep(Enum):
    """What stands in for a handler's answer."""

    STALE = "stale"
    """The last good answer to the same question."""
    FALLBACK = "fallback"
    """The answer of another handler."""
    OPEN = "open"
    """As if the handler had no objection."""
    CLOSED = "closed"
    """A denial."""


LAST_STEPS = frozenset({FailureStep.OPEN, FailureStep.CLOSED})
"""They cannot fail, so nothing comes after them."""

UNANSWERED = Status(Code.UNAVAILABLE, "policy cannot be evaluated")
"""What `closed` says if the operator does not."""


@dataclass(frozen=True, slots=True)
class BreakerConfig:
    """When to stop asking a handler that fails, and for how long."""

    consecutive_failures: int
    open_for: Duration
