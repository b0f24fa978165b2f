"""How long a handler's method may take: still, and at all.

The guard around an adapter call cancels it in time; but a back end that is told the deadline can
stop by itself. What "in time" is, the operator says once for all adapters (`--adapter-timeout`) or
for one handler; between the two, a handler that holds requests on purpose says it itself.
"""

from contextvars import ContextVar
from typing import Final, Protocol, runtime_checkable

# Not state of the process: each call has a value of its own, as with a parameter.
_ENDS_AT_S: Final[ContextVar[float]] = ContextVar("remixer_call_ends_at_s")


def set_call_end(at_monotonic_s: float) -> None:
    """Called by the guard, in the context in which it awaits the adapter."""
    _ENDS_AT_S.set(at_monotonic_s)


def call_time_left_s(*, now_s: float, at_most_s: float) -> float:
    """Seconds until the call under way ends, never below zero; `at_most_s` outside of a call."""
    return max(0.0, min(_ENDS_AT_S.get(now_s + at_most_s) - now_s, at_most_s))


@runtime_checkable
class PatientHandler(Protocol):
    """A handler whose calls take long because its operator wants that, and says how long."""

    @property
    def call_timeout_s(self) -> float:
        """In place of the time that adapters have in general; above 0."""
        ...


def call_timeout_of(handler: object) -> float | None:
    """What a handler says of its calls; None if nothing."""
    return handler.call_timeout_s if isinstance(handler, PatientHandler) else None
