"""What to tell the autoscaler, and when: as Knative's Activator does it. Pure.

Theory of operation. A revision has an entry from its first request on. That one is reported at
once, as one request of concurrency 1. Then, at every tick, the average concurrency since the last
tick and the arrivals since are reported; the first time without the request that was reported
already. An entry whose average is 0 is reported once more, with 0, and forgotten, so that the next
request is a first one again. However many requests come, a revision is reported once a tick.

Unlike the Activator, who subtracts the first request also when its report was lost: an entry
remembers whether the autoscaler was told. What is not delivered stays, for a time, and is told
when there is a connection again.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from remixer.adapters.kactivator.readiness import Revision

MOST_REVISIONS: Final = 10_000
SMALLEST: Final = 0.000_001
"""The autoscaler rounds to six digits: less would be nothing."""
_DIGITS: Final = 6


class Report(NamedTuple):
    """What is told of one revision."""

    revision: Revision
    concurrency: float
    request_count: float
    is_first: bool = False
    """Told at once, outside of the ticks."""


@dataclass(slots=True)
class _Entry:
    """One revision since its first request."""

    since_s: float
    """When it was made, or reported at a tick."""
    changed_at_s: float
    held: int = 0
    area: float = 0.0
    """Requests times seconds since then."""
    arrived: int = 0
    told_before: int = 0
    """Requests of this interval that were reported at once."""
    undelivered_since_s: float | None = None

    def move_on(self, now_s: float) -> None:
        self.area += self.held * max(0.0, now_s - self.changed_at_s)
        self.changed_at_s = now_s


class Reporting:
    """All revisions that somebody asked for within about a second, or waits for."""

    def __init__(
        self,
        *,
        per_request: float = 1.0,
        most_revisions: int = MOST_REVISIONS,
        keep_undelivered_s: float = 30.0,
    ) -> None:
        """`per_request`: what one held request counts; above 0, at most 1."""
        self._per_request = per_request
        self._most_revisions = most_revisions
        self._keep_undelivered_s = keep_undelivered_s
        self._entries: OrderedDict[Revision, _Entry] = OrderedDict()
        self.forgotten = 0
        """Entries that made room for others."""

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def held(self) -> int:
        """Requests that have arrived and not left."""
        return sum(each.held for each in self._entries.values())

    def arrive(self, revision: Revision, *, now_s: float) -> Report | None:
        """A request begins to wait. The report that is due at once, if it is the first."""
        entry = self._entries.get(revision)
        if entry is not None:
            entry.move_on(now_s)
            entry.held += 1
            entry.arrived += 1
            self._entries.move_to_end(revision)
            return None
        if len(self._entries) >= self._most_revisions:
            self._make_room()
        entry = _Entry(now_s, now_s, held=1, arrived=1, told_before=1, undelivered_since_s=now_s)
        self._entries[revision] = entry
        return Report(revision, self._per_request, 1.0, is_first=True)

    def leave(self, revision: Revision, *, now_s: float, requests: int = 1) -> None:
        """Requests that arrived wait no more. Of a forgotten revision: nothing."""
        entry = self._entries.get(revision)
        if entry is not None:
            entry.move_on(now_s)
            entry.held = max(0, entry.held - requests)

    def delivered(self, revisions: Iterable[Revision]) -> None:
        """What was to be told of them is on the wire."""
        for revision in revisions:
            entry = self._entries.get(revision)
            if entry is not None:
                entry.undelivered_since_s = None

    def doubt(self, revision: Revision, *, now_s: float) -> None:
        """What was told of it may be lost: tell it to the next connection, if that comes soon."""
        entry = self._entries.get(revision)
        if entry is None:
            self.arrive(revision, now_s=now_s)
            self.leave(revision, now_s=now_s)
        else:
            entry.undelivered_since_s = now_s

    def tick(self, *, now_s: float) -> list[Report]:
        """What is due for all revisions; to be called about once a second."""
        return list(self._due(now_s))

    def held_now(self, *, now_s: float) -> list[Report]:
        """What a new connection is told at once: all that wait, and what never arrived."""
        reports = []
        for revision, entry in self._entries.items():
            requests = max(entry.held, int(entry.undelivered_since_s is not None))
            if requests:
                # Told with this: the next tick is of the time from now on.
                entry.since_s = entry.changed_at_s = now_s
                entry.area, entry.arrived, entry.told_before = 0.0, 0, 0
                count = float(requests)
                reports.append(Report(revision, self._weighed(count), count, is_first=True))
        return reports

    def _due(self, now_s: float) -> Iterator[Report]:
        for revision, entry in tuple(self._entries.items()):
            seconds = now_s - entry.since_s
            if seconds <= 0:
                continue
            entry.move_on(now_s)
            told = entry.told_before
            # One first request counts as one held through the whole interval, as it was told.
            average = max(0.0, entry.area / seconds - told)
            # The Activator tells the plain number, its interval being a second.
            count = (entry.arrived - told) / max(1.0, seconds)
            yield Report(revision, self._weighed(average), round(count, _DIGITS))
            entry.since_s, entry.area, entry.arrived, entry.told_before = now_s, 0.0, 0, 0
            if entry.held == 0 and average == 0 and not self._is_awaited(entry, now_s):
                del self._entries[revision]

    def _is_awaited(self, entry: _Entry, now_s: float) -> bool:
        """Whether the autoscaler has still to learn of it."""
        since_s = entry.undelivered_since_s
        return since_s is not None and now_s - since_s < self._keep_undelivered_s

    def _weighed(self, requests: float) -> float:
        if requests == 0:
            return 0.0
        return max(SMALLEST, round(requests * self._per_request, _DIGITS))

    def _make_room(self) -> None:
        """Forget who asked longest ago: of those nobody waits for, if there are any."""
        idle = next((each for each, entry in self._entries.items() if not entry.held), None)
        del self._entries[next(iter(self._entries)) if idle is None else idle]
        self.forgotten += 1
