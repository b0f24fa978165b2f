"""Reports on disk, for a pipeline: writes and reads in threads, one thing at a time.

What is read comes back in the order in which it was written, a segment at a time; the segment is
deleted when every report of it was settled. So what a crash repeats is one segment at most.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from remixer.drivers.spill_directory import LoadedSegment, SpillError
from remixer.drivers.spill_segments import SpillEntry
from remixer.foundation.log import event_log
from remixer.wire.dictionary import GLOBAL_WORD_COUNT
from remixer.wire.report_batch import EncodedReport

SEGMENT_BYTES: Final = 4 << 20
"""At most so much is written, read, or repeated after a crash, at a time."""
_log: Final = event_log(__name__)


class SpillStore(Protocol):
    """Keeps entries, oldest first; `remixer.drivers.spill_directory` is one. Methods may block."""

    @property
    def has_more(self) -> bool: ...
    def open(self) -> None: ...
    def close(self) -> None: ...
    def store(self, entries: Sequence[SpillEntry]) -> int: ...
    def load(self) -> LoadedSegment | None: ...
    def forget(self, name: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Restored:
    """Records that came back, and those of which is known that they will not."""

    records: int
    lost_records: int


class Spool:
    """Of one pipeline. Without a store, or with one that cannot be used, it is not open."""

    def __init__(self, store: SpillStore | None) -> None:
        self._store = store
        self._restored: deque[EncodedReport] = deque()
        self._segment: str | None = None
        self._unsettled = 0
        self.is_open = False

    @property
    def can_restore(self) -> bool:
        """Something is on disk, and nothing of it is being sent just now."""
        return (
            self.is_open
            and self._segment is None
            and self._store is not None
            and self._store.has_more
        )

    async def open(self) -> None:
        """Goes without a store that cannot be used, and says so."""
        if self._store is None:
            return
        try:
            await asyncio.to_thread(self._store.open)
        except SpillError as error:
            _log.warning("report_spill_unusable", reason=str(error))
        else:
            self.is_open = True

    async def aclose(self) -> None:
        if self._store is not None and self.is_open:
            self.is_open = False
            await asyncio.to_thread(self._store.close)

    async def spill(self, reports: Sequence[EncodedReport]) -> int:
        """Records of older reports that were given up for these. Raises `SpillError`."""
        assert self._store is not None  # noqa: S101 - asked only while open
        entries = [SpillEntry(report.payload, report.records) for report in reports]
        return await asyncio.to_thread(self._store.store, entries)

    async def restore(self) -> Restored:
        """Have the oldest segment in memory."""
        assert self._store is not None  # noqa: S101 - asked only while open
        segment = await asyncio.to_thread(self._store.load)
        if segment is None:
            return Restored(0, 0)
        self._segment = segment.name
        # Which words it was made with is not told: the most there are, to be on the safe side.
        reports = [
            EncodedReport(payload, records, GLOBAL_WORD_COUNT)
            for payload, records in segment.entries
        ]
        self._restored.extend(reports)
        self._unsettled = len(reports)
        return Restored(sum(report.records for report in reports), segment.lost_weight)

    @property
    def is_settled(self) -> bool:
        """Whether there is a segment to forget: every report of it was dealt with."""
        return self._segment is not None and not self._unsettled

    async def forget(self) -> None:
        """Delete the segment that is settled."""
        if self._segment is not None and self._store is not None:
            await asyncio.to_thread(self._store.forget, self._segment)
            self._segment = None

    def take(self) -> EncodedReport | None:
        """The oldest that was restored; None if there is none. To be settled."""
        return self._restored.popleft() if self._restored else None

    def settle(self, _report: EncodedReport) -> None:
        self._unsettled -= 1

    def put_back(self, reports: Sequence[EncodedReport]) -> None:
        """What was taken and settled, oldest first: it is the oldest again."""
        self._restored.extendleft(reversed(reports))
        self._unsettled += len(reports)
