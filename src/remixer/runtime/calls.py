"""What goes into the guard and comes out: values without a loop."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeAlias, TypeVar

from remixer.foundation.breaker import Breaker

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Failure:
    """An adapter call that gave no result. `reason` is for people."""

    reason: str
    is_timeout: bool = False


@dataclass(frozen=True, slots=True)
class Entry(Generic[T]):
    """One method of one handler, and what metrics and logs call it. Made once per route."""

    template: str
    handler: str
    adapter: str
    method: Callable[..., T | Awaitable[T]]
    may_wait: bool
    """Whether the method is `async def`; a plain one is a promise not to wait."""
    answer: type[T]
    """What the method must answer with."""
    timeout_s: float | None = None
    """In place of the guard's own."""
    breaker: Breaker | None = None
    """Asked before each call, and told what came of it."""


class Call(NamedTuple, Generic[T]):
    """One adapter call that is ready to go. A tuple, because every request makes some."""

    entry: Entry[T]
    arguments: tuple[object, ...]


Result: TypeAlias = T | Failure
