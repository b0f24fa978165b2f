"""How the back ends of all handlers are, in the text format of Prometheus.

One series per address as the operator wrote it: handlers that share a back end are added up.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from remixer.foundation.breaker import BreakerState

_MOST_PAST: Final = 1_000
"""Addresses whose counts are kept after their last channel closed; then the oldest go."""


@dataclass(frozen=True, slots=True)
class ChannelCounts:
    """Calls of a channel since it was opened."""

    succeeded: int = 0
    failed: int = 0
    """Calls that ended with a status of the back end, or because it was away."""
    refused: int = 0
    """Calls that were not made: breaker open, or too many under way."""
    retried: int = 0

    def __add__(self, other: "ChannelCounts") -> "ChannelCounts":
        return ChannelCounts(
            self.succeeded + other.succeeded,
            self.failed + other.failed,
            self.refused + other.refused,
            self.retried + other.retried,
        )


@dataclass(frozen=True, slots=True)
class ChannelStatus:
    """A channel at one moment."""

    back_end: str
    breaker: BreakerState
    addresses: tuple[str, ...]
    ready: int
    """Addresses that are connected."""
    calls_under_way: int
    counts: ChannelCounts


class ChannelMetrics:
    """Shows all channels of a process; a `ScrapeSource`."""

    def __init__(self) -> None:
        self._channels: list[Callable[[], ChannelStatus]] = []
        self._past: dict[str, ChannelCounts] = {}

    def add(self, status: Callable[[], ChannelStatus]) -> Callable[[], None]:
        """Show a channel; the returned function takes it away, once or twice."""
        self._channels.append(status)

        def take_away() -> None:
            if status in self._channels:
                self._channels.remove(status)
                self._remember(status())

        return take_away

    def render(self) -> bytes:
        """The current state, as one exposition."""
        now = [status() for status in self._channels]
        lines = [
            *_gauge(
                "remixer_back_end_breaker_open",
                "Channels to the back end whose circuit breaker is not closed.",
                ((each.back_end, each.breaker is not BreakerState.CLOSED) for each in now),
            ),
            *_gauge(
                "remixer_back_end_addresses",
                "Addresses that the back end's name stands for.",
                ((each.back_end, len(each.addresses)) for each in now),
            ),
            *_gauge(
                "remixer_back_end_addresses_connected",
                "Those of them that are connected.",
                ((each.back_end, each.ready) for each in now),
            ),
            *_gauge(
                "remixer_back_end_calls_under_way",
                "Calls that have not ended.",
                ((each.back_end, each.calls_under_way) for each in now),
            ),
            *_counters(self._totals(now)),
        ]
        return ("\n".join(lines) + "\n").encode()

    def _totals(self, now: Iterable[ChannelStatus]) -> Mapping[str, ChannelCounts]:
        totals = dict(self._past)
        for each in now:
            totals[each.back_end] = totals.get(each.back_end, ChannelCounts()) + each.counts
        return totals

    def _remember(self, last: ChannelStatus) -> None:
        before = self._past.pop(last.back_end, ChannelCounts())
        if len(self._past) >= _MOST_PAST:
            del self._past[next(iter(self._past))]
        self._past[last.back_end] = before + last.counts


def _gauge(name: str, about: str, values: Iterable[tuple[str, int]]) -> Iterable[str]:
    sums: dict[str, int] = {}
    for back_end, value in values:
        sums[back_end] = sums.get(back_end, 0) + value
    yield f"# HELP {name} {about}"
    yield f"# TYPE {name} gauge"
    for back_end, value in sorted(sums.items()):
        yield f'{name}{{back_end="{_escaped(back_end)}"}} {value}'


def _counters(totals: Mapping[str, ChannelCounts]) -> Iterable[str]:
    name = "remixer_back_end_calls_total"
    yield f"# HELP {name} Calls of the back end by how they ended; refused ones were not made."
    yield f"# TYPE {name} counter"
    for back_end, counts in sorted(totals.items()):
        label = f'back_end="{_escaped(back_end)}"'
        yield f'{name}{{{label},result="succeeded"}} {counts.succeeded}'
        yield f'{name}{{{label},result="failed"}} {counts.failed}'
        yield f'{name}{{{label},result="refused"}} {counts.refused}'
    name = "remixer_back_end_retries_total"
    yield f"# HELP {name} Calls that were made a second time."
    yield f"# TYPE {name} counter"
    for back_end, counts in sorted(totals.items()):
        yield f'{name}{{back_end="{_escaped(back_end)}"}} {counts.retried}'


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
