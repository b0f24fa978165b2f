"""The only source of time. Everything that needs "now" takes a `Clock`."""

import time
from typing import Protocol


class Clock(Protocol):
    """Two clocks that a machine has; tests hand in virtual ones (`remixer.testing.clock`)."""

    def unix_ns(self) -> int:
        """Wall-clock nanoseconds since 1970-01-01T00:00:00Z; may jump."""
        ...

    def monotonic_s(self) -> float:
        """Seconds from an arbitrary start; never goes back."""
        ...


class SystemClock:
    """The machine's own clocks: the very functions, because each request asks several times."""

    unix_ns = staticmethod(time.time_ns)
    monotonic_s = staticmethod(time.monotonic)
