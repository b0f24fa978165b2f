"""How long a handler's method may still take, for handlers that pass deadlines on.

The guard around an adapter call cancels it in time; but a back end that is told the deadline can
stop by itself.
"""

from contextvars import ContextVar
from typing import Final

# Not state of the process: each call has a value of its own, as with a parameter.
_ENDS_AT_S: Final[ContextVar[float]] = ContextVar("remixer_call_ends_at_s")


def set_call_end(at_monotonic_s: float) -> None:
    """Called by the guard, in the context in which it awaits the adapter."""
    _ENDS_AT_S.set(at_monotonic_s)


def call_time_left_s(*, now_s: float, at_most_s: float) -> float:
    """Seconds until the call under way ends, never below zero; `at_most_s` outside of a call."""
    return max(0.0, min(_ENDS_AT_S.get(now_s + at_most_s) - now_s, at_most_s))
