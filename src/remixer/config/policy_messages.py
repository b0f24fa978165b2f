"""The resources of `remixer.dev/v1alpha1`, as configuration decodes them."""

from dataclasses import dataclass, field

from remixer.attributes.values import Duration
from remixer.config.policy_settings import UNANSWERED
from remixer.foundation.status import Code


@dataclass(frozen=True, slots=True)
class CachePolicy:
    """How long answers may be kept. A setting that is not given is left to the server's own."""

    rules: tuple[str, ...] = ()
    handlers: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()
    enabled: bool = True
    max_age: Duration | None = None
    max_uses: int | None = None
    denial_max_age: Duration | None = None
    refresh_at: float | None = None
    stale_for: Duration | None = None
    shared: bool = True


@dataclass(frozen=True, slots=True)
class Breaker:
    """Handlers that fail are not asked for a while."""

    consecutive_failures: int = 5
    open_for: Duration = Duration(10_000_000_000)  # noqa: RUF009 - an int subclass, immutable


@dataclass(frozen=True, slots=True)
class Closed:
    """The denial of `closed`."""

    code: Code = Code.UNAVAILABLE
    message: str = UNANSWERED.message


@dataclass(frozen=True, slots=True)
class FailurePolicy:
    """What to do when calls of handlers fail."""

    rules: tuple[str, ...] = ()
    handlers: tuple[str, ...] = ()
    on_failure: tuple[str, ...] = ()
    fallback: str = ""
    closed: Closed = field(default_factory=Closed)
    timeout: Duration | None = None
    breaker: Breaker | None = None
