"""A coroutine that never suspends, run without a task."""

from collections.abc import Coroutine
from typing import TypeVar

from remixer.foundation.errors import InternalError

T = TypeVar("T")


def run_to_end(coroutine: Coroutine[object, None, T]) -> T:
    """Result of a coroutine that never suspends; 0.2 µs, where a task costs 3.

    Raises `InternalError` if it does suspend: a handler broke its promise not to wait.
    """
    try:
        coroutine.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    coroutine.close()
    message = "a check that promised not to wait did wait"
    raise InternalError(message)
