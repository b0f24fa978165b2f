"""Finished reports that wait to be sent: first in, first out, bounded by bytes."""

from collections import deque
from collections.abc import Sequence
from typing import Final

from remixer.wire.report_batch import EncodedReport

_OVERHEAD_BYTES: Final = 200
"""Of Python's objects around one report: many small ones must not escape the bound."""


class Backlog:
    """The bound counts what was taken and not settled yet, too: it may come back."""

    def __init__(self, *, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._waiting: deque[EncodedReport] = deque()
        self._waiting_bytes = 0
        self._taken_bytes = 0
        self._records = 0

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def records(self) -> int:
        """In reports that wait."""
        return self._records

    @property
    def waiting_bytes(self) -> int:
        return self._waiting_bytes

    def put(self, report: EncodedReport) -> int:
        """Take one as the newest; how many records of the oldest ones were dropped for it."""
        self._waiting.append(report)
        self._count(report, 1)
        dropped = 0
        while self._waiting and self._waiting_bytes + self._taken_bytes > self._most_bytes:
            oldest = self._waiting.popleft()
            self._count(oldest, -1)
            dropped += oldest.records
        return dropped

    def take(self) -> EncodedReport | None:
        """The oldest; None if there is none. To be settled, and perhaps put back."""
        if not self._waiting:
            return None
        report = self._waiting.popleft()
        self._count(report, -1)
        self._taken_bytes += _size(report)
        return report

    def settle(self, report: EncodedReport) -> None:
        """It needs no room any more."""
        self._taken_bytes -= _size(report)

    def put_back(self, reports: Sequence[EncodedReport]) -> None:
        """What was taken and settled, oldest first: it is the oldest again."""
        for report in reversed(reports):
            self._waiting.appendleft(report)
            self._count(report, 1)

    def _count(self, report: EncodedReport, sign: int) -> None:
        self._waiting_bytes += sign * _size(report)
        self._records += sign * report.records


def _size(report: EncodedReport) -> int:
    return len(report.payload) + _OVERHEAD_BYTES
