"""What an object does when its interpreter ends."""

import threading
import weakref
from collections.abc import Callable
from concurrent.futures import thread as executors
from contextlib import suppress
from typing import Final

_EXECUTORS: Final = executors.__name__
"""Imported before anything is registered: what was registered last is called first, and whoever
closes may need threads of executors, which end by a call of the same kind."""


def at_end(close: Callable[[], None]) -> None:
    """Call this method of an object, if it lives then, while there are threads still.

    It does not live for that. Children that are forked do the same with theirs.
    """
    method = weakref.WeakMethod(close)

    def call() -> None:
        again = method()
        if again is not None:
            again()

    # `atexit` comes too late: by then no executor takes work, and who closes may write to disk.
    # That of `threading` is private, and what concurrent.futures does its own end with (3.9 on).
    with suppress(RuntimeError):  # the end has begun: no thread will start, nothing is to be closed
        threading._register_atexit(call)  # type: ignore[attr-defined]  # noqa: SLF001 - see above
