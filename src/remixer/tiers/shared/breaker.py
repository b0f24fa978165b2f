"""When a server of the shared cache is left alone. Pure."""

from collections.abc import Callable
from typing import Final

FAILURES_TO_OPEN: Final = 3
"""In a row. One or two may be a connection that broke, or a hiccup."""


class Breaker:
    """Open: nobody asks, and nothing is paid. `closed` again by who has seen that it is well."""

    __slots__ = ("_failures", "_on_open", "is_open")

    def __init__(self, *, on_open: Callable[[], None]) -> None:
        """Open at first: until it is known that there is a server."""
        self.is_open = True
        self._failures = 0
        self._on_open = on_open

    def failed(self) -> None:
        self._failures += 1
        if self._failures >= FAILURES_TO_OPEN and not self.is_open:
            self.is_open = True
            self._on_open()

    def succeeded(self) -> None:
        self._failures = 0

    def close(self) -> None:
        self.is_open = False
        self._failures = 0
