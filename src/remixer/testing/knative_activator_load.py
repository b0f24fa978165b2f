"""What an activator reports, and when: Knative 1.23's rules. Pure.

Theory of operation. A revision without an entry gets one with its first request, which is reported
at once: concurrency 1, count 1. Then every second the average concurrency and the count of the
last second are reported; what was reported at once is subtracted in the first of these. A second
without concurrency is reported, too, and ends the entry.
"""

from dataclasses import dataclass, field
from typing import Final

from remixer.wire.knative_stats import RevisionKey, Stat

REPORT_S: Final = 1.0


@dataclass(slots=True)
class _Entry:
    """One revision, since the last report."""

    changed_at_s: float
    reported_at_s: float
    held: int = 0
    request_seconds: float = 0.0
    arrived: int = 0
    already_told: int = 1

    def change(self, by: int, now_s: float) -> None:
        self.request_seconds += self.held * (now_s - self.changed_at_s)
        self.changed_at_s = now_s
        self.held += by


@dataclass(slots=True)
class ActivatorLoad:
    """Of all revisions. `pod_name` is the activator's."""

    pod_name: str
    _entries: dict[RevisionKey, _Entry] = field(default_factory=dict)

    def arrived(self, key: RevisionKey, *, now_s: float) -> Stat | None:
        """A request came; the stat to send at once, if any."""
        entry = self._entries.get(key)
        is_first = entry is None
        if entry is None:
            entry = self._entries[key] = _Entry(now_s, now_s)
        entry.change(1, now_s)
        entry.arrived += 1
        return self._stat(key, 1.0, 1.0) if is_first else None

    def left(self, key: RevisionKey, *, now_s: float) -> None:
        """A request was answered, or given up."""
        entry = self._entries.get(key)
        if entry is not None:
            entry.change(-1, now_s)

    def report(self, *, now_s: float) -> list[Stat]:
        """Due every `REPORT_S`: what the last second was like."""
        return [self._report(key, entry, now_s) for key, entry in tuple(self._entries.items())]

    def _report(self, key: RevisionKey, entry: _Entry, now_s: float) -> Stat:
        entry.change(0, now_s)
        seconds = max(now_s - entry.reported_at_s, 1e-6)
        average = max(0.0, entry.request_seconds / seconds - entry.already_told)
        count = max(0.0, entry.arrived / seconds - entry.already_told)
        if not entry.request_seconds:
            del self._entries[key]
        else:
            entry.request_seconds, entry.arrived, entry.already_told = 0.0, 0, 0
            entry.reported_at_s = now_s
        return self._stat(key, average, count)

    def _stat(self, key: RevisionKey, concurrency: float, count: float) -> Stat:
        return Stat(key, self.pod_name, concurrency, 0.0, count)
