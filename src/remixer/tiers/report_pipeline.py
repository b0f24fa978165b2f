"""Finished requests on their way to a Mixer: taken at once, sent in batches, kept while it is away.

Theory of operation. `put` takes note and returns; records are encoded where one more makes enough
of them to be encoded together, or an interval after the first. What is encoded becomes a *report*
when it is large enough, or after that interval; reports wait in the backlog, oldest first.
`run` sends them, a few at a time. There are three fates of a call:

* taken: the next one goes;
* the Mixer is away or late: the report goes back to the front, and after a pause that grows with
  each failure one call tries again, for ever. A Mixer that was late may have processed what it
  was sent: records arrive at least once;
* refused, or processed in part: dropped, for it would fare no better again. A Mixer that does
  not know our dictionary is an exception: reports are encoded again with the smallest one, which
  is used from then on.

When the backlog is full the oldest reports go: to the spool, if there is one, from half of the
bound on; else they are dropped. The spool is read again once the Mixer takes reports and memory
has room, and before newer reports are sent. Every record is counted where it ends.

Source: the C++ client of Istio 1.1 to 1.3 for intervals, dictionary and names of counts; it sent
each batch once and kept nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import count
from random import Random
from typing import Final, Protocol, TypeAlias

from remixer.attributes.bag import Bag
from remixer.drivers.spill_directory import SpillError
from remixer.foundation.clock import Clock
from remixer.foundation.errors import PolicyError
from remixer.foundation.event_limit import EventLimit
from remixer.foundation.log import event_log
from remixer.foundation.status import Code
from remixer.tiers.report_backlog import Backlog
from remixer.tiers.report_settings import ReportCounts, ReportSettings
from remixer.tiers.report_spool import SEGMENT_BYTES, SpillStore, Spool
from remixer.transport.remote_port import RpcFailed
from remixer.wire.dictionary import FALLBACK_WORD_COUNT, GLOBAL_WORD_COUNT, refuses_dictionary
from remixer.wire.report_batch import EncodedReport, ReportBatch, with_fewer_words

__all__ = ["ReportCounts", "ReportPipeline", "ReportSettings"]

_log: Final = event_log(__name__)

_LOG_INTERVAL_S: Final = 10.0
_SPILL_PAUSE_S: Final = 10.0
"""After a disk that was full, say."""
_SPILL_RESERVE_S: Final = 1.0
"""Of the time to close, for writing what could not be sent; at most half of it."""
_AWAY: Final = frozenset(
    # The last one: tokens expire, and are renewed.
    {Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED, Code.CANCELLED, Code.UNAUTHENTICATED}
)
_Failure: TypeAlias = RpcFailed | PolicyError


class _Source(Protocol):
    """Where a report came from: the backlog or the spool."""

    def settle(self, report: EncodedReport) -> None: ...
    def put_back(self, reports: Sequence[EncodedReport]) -> None: ...


@dataclass(frozen=True, slots=True)
class _Call:
    """One that is under way: there is no answer yet."""

    report: EncodedReport
    source: _Source
    task: asyncio.Task[None]


class ReportPipeline:
    """`put` on the event loop; `run` in a task of the owner's, until `aclose`.

    `send` makes one call with a serialized `ReportRequest`; it raises `RpcFailed` or a
    `PolicyError`. `spill`: where reports go that memory has no room for.
    """

    def __init__(
        self,
        *,
        send: Callable[[bytes], Awaitable[None]],
        settings: ReportSettings,
        clock: Clock,
        random: Random,
        spill: SpillStore | None = None,
    ) -> None:
        self._send = send
        self._settings = settings
        self._clock = clock
        self._random = random
        self._global_word_count = GLOBAL_WORD_COUNT
        self._batch = ReportBatch(limits=settings.batch)
        self._due_at_s: float | None = None
        self._backlog = Backlog(most_bytes=settings.backlog_bytes)
        self._spool = Spool(spill)
        self._calls: dict[int, _Call] = {}
        self._call_numbers = count()
        self._failures = 0
        self._resume_at_s = 0.0
        self._spill_at_s = 0.0
        self._disk_is_busy = False
        self._is_running = False
        self._is_closing = False
        self._is_abandoned = False
        self._settled_records = 0
        self._changed = asyncio.Event()
        self._settled = asyncio.Event()
        self._finished = asyncio.Event()
        self._log_limit = EventLimit(interval_s=_LOG_INTERVAL_S)
        self.counts = ReportCounts()

    @property
    def waiting(self) -> int:
        """Records in memory that nobody took yet, those under way left out."""
        return self._batch.records + self._backlog.records

    def put(self, bags: Sequence[Bag]) -> None:
        """Take note; never waits. What changes of `bags` afterwards changes nothing."""
        self.counts.report_calls += len(bags)
        if self._is_closing:
            self._drop(len(bags), "the client is closed")
            return
        batch = self._batch
        for bag in bags:
            batch.add(bag)
            if batch.is_pressing:
                self._encode()
        if self._due_at_s is None and batch.records:
            self._due_at_s = self._clock.monotonic_s() + self._settings.interval_s
            self._changed.set()

    def use_smallest_dictionary(self) -> None:
        """From now on; for who learns elsewhere that the Mixer does not know ours."""
        if self._global_word_count > FALLBACK_WORD_COUNT:
            self._global_word_count = FALLBACK_WORD_COUNT
            self.counts.report_dictionary_fallbacks += 1
            self._flush_open()
            self._batch = ReportBatch(
                global_word_count=FALLBACK_WORD_COUNT, limits=self._settings.batch
            )

    async def flush(self) -> None:
        """Return when as many records as are waiting now were sent, dropped, or written to disk.

        That can be for ever: while the Mixer is away nothing is sent.
        """
        self._flush_open()
        self._resume_at_s = 0.0
        self._changed.set()
        aim = self.counts.report_calls
        while self._settled_records < aim and not self._finished.is_set():
            self._settled.clear()
            await self._settled.wait()

    async def run(self) -> None:
        """Send what comes, until closed."""
        self._is_running = True
        try:
            await self._spool.open()
            async with asyncio.TaskGroup() as group:
                while not self._is_over():
                    self._flush_if_due()
                    self._start_calls(group)
                    self._start_disk_work(group)
                    await self._until_something_is_due()
        finally:
            self._is_running = False
            self._finished.set()
            self._settled.set()

    async def aclose(self, grace_s: float) -> None:
        """Send what is left, within `grace_s`; what cannot be sent is written to disk, or lost."""
        if self._is_closing:
            return
        self._is_closing = True
        self._flush_open()
        self._failures, self._resume_at_s = 0, 0.0
        self._changed.set()
        reserve_s = min(_SPILL_RESERVE_S, grace_s / 2) if self._spool.is_open else 0.0
        ends_at_s = self._clock.monotonic_s() + grace_s
        if self._is_running:
            await self._wait_for_end(grace_s - reserve_s)
            self._is_abandoned = True
            self._changed.set()
            for call in self._calls.values():
                call.task.cancel()
            await self._wait_for_end(max(0.0, ends_at_s - self._clock.monotonic_s()))
        await self._leave(ends_at_s)

    # ------------------------------------------------------------ the loop

    def _is_over(self) -> bool:
        if not self._is_closing:
            return False
        if self._is_abandoned or (self._spool.is_open and self._failures):
            return True
        has_work = self._backlog or self._calls or self._disk_is_busy or self._spool.is_settled
        return not has_work

    def _flush_if_due(self) -> None:
        if self._due_at_s is not None and self._clock.monotonic_s() >= self._due_at_s:
            self._flush_open()

    def _flush_open(self) -> None:
        while self._batch.waiting:
            self._encode()
        self._due_at_s = None
        self._enqueue(self._batch.finish())

    def _encode(self) -> None:
        """Some of the records that wait for it."""
        batch = self._batch
        unreadable = batch.unreadable
        self._enqueue(batch.encode())
        if batch.unreadable > unreadable:
            self._drop(batch.unreadable - unreadable, "they cannot be read")
        if not batch.records:
            self._due_at_s = None

    def _enqueue(self, reports: Sequence[EncodedReport]) -> None:
        for report in reports:
            dropped = self._backlog.put(report)
            if dropped:
                self._drop(dropped, "memory is full")
        if reports:
            self._changed.set()

    def _start_calls(self, group: asyncio.TaskGroup) -> None:
        while self._may_call():
            source: _Source = self._spool
            report = self._spool.take()
            if report is None:
                source = self._backlog
                report = self._backlog.take()
            if report is None:
                return
            if report.global_word_count > self._global_word_count:
                self._encode_again(report, source)
                continue
            number = next(self._call_numbers)
            task = group.create_task(self._call(number, report, source), name="report")
            self._calls[number] = _Call(report, source, task)
            task.add_done_callback(partial(self._unanswered, number))

    def _may_call(self) -> bool:
        if self._clock.monotonic_s() < self._resume_at_s:
            return False
        # While the Mixer is away one call at a time finds out whether it is back.
        return len(self._calls) < (1 if self._failures else self._settings.most_calls)

    async def _until_something_is_due(self) -> None:
        now_s = self._clock.monotonic_s()
        instants = [] if self._due_at_s is None else [self._due_at_s]
        if self._resume_at_s > now_s:
            instants.append(self._resume_at_s)
        if self._spill_at_s > now_s:
            instants.append(self._spill_at_s)
        wait_s = max(0.0, min(instants) - now_s) if instants else None
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._changed.wait()
        self._changed.clear()

    # ------------------------------------------------------------ one call

    async def _call(self, number: int, report: EncodedReport, source: _Source) -> None:
        failure = await self._attempt(report.payload)
        del self._calls[number]
        if failure is not None and failure.code in _AWAY:
            source.settle(report)
            source.put_back([report])
            self._pause(failure)
        else:
            self._failures, self._resume_at_s = 0, 0.0
            self._judge(report, source, failure)
        self._changed.set()

    def _unanswered(self, number: int, _task: asyncio.Task[None]) -> None:
        """A call that was cancelled, perhaps before it began, leaves its report where it was."""
        call = self._calls.pop(number, None)
        if call is not None:
            call.source.settle(call.report)
            call.source.put_back([call.report])

    async def _attempt(self, payload: bytes) -> _Failure | None:
        """None if the Mixer took it."""
        counts = self.counts
        counts.remote_report_calls += 1
        failure: _Failure
        try:
            async with asyncio.timeout(self._settings.call_timeout_s):
                await self._send(payload)
        except TimeoutError:
            text = f"no answer within {self._settings.call_timeout_s:g} s"
            failure = RpcFailed(Code.DEADLINE_EXCEEDED, text)
        except (RpcFailed, PolicyError) as error:
            failure = error
        else:
            counts.remote_report_successes += 1
            return None
        if failure.code is Code.DEADLINE_EXCEEDED:
            counts.remote_report_timeouts += 1
        elif failure.code is Code.UNAVAILABLE:
            counts.remote_report_send_errors += 1
        else:
            counts.remote_report_other_errors += 1
        return failure

    def _judge(self, report: EncodedReport, source: _Source, failure: _Failure | None) -> None:
        """What becomes of a report that was answered."""
        if failure is None:
            self.counts.report_records_sent += report.records
        elif refuses_dictionary(failure.code, failure.message) and (
            report.global_word_count > FALLBACK_WORD_COUNT
        ):
            self.use_smallest_dictionary()
            self._encode_again(report, source)
            return
        else:
            self._refuse(report.records, str(failure))
        source.settle(report)
        self._settle_records(report.records, source)

    def _encode_again(self, report: EncodedReport, source: _Source) -> None:
        """In place of a report that was taken, the same with fewer words."""
        source.settle(report)
        try:
            reports = with_fewer_words(
                report.payload,
                global_word_count=self._global_word_count,
                limits=self._settings.batch,
            )
        except PolicyError as error:
            self._refuse(report.records, error.message)
            self._settle_records(report.records, source)
        else:
            source.put_back(reports)

    def _pause(self, failure: _Failure) -> None:
        now_s = self._clock.monotonic_s()
        if now_s >= self._resume_at_s:  # else another call failed at the same time
            self._failures += 1
            pause_s = self._settings.backoff.pause_s(self._failures, self._random)
            self._resume_at_s = now_s + pause_s
            self._tell("report_not_sent", str(failure), failures=self._failures)

    # ------------------------------------------------------------ the disk

    def _start_disk_work(self, group: asyncio.TaskGroup) -> None:
        """One thing at a time."""
        if not self._disk_is_busy and (work := self._next_disk_work()) is not None:
            self._disk_is_busy = True
            group.create_task(work(), name="reports on disk")

    def _next_disk_work(self) -> Callable[[], Coroutine[None, None, object]] | None:
        if not self._spool.is_open:
            return None
        half = self._settings.backlog_bytes // 2
        waiting = self._backlog.waiting_bytes
        if waiting > half and self._clock.monotonic_s() >= self._spill_at_s:
            return self._spill_some
        if self._spool.is_settled:
            return self._forget
        is_back = not self._failures and not self._is_closing
        if is_back and waiting <= half // 2 and self._spool.can_restore:
            return self._restore_some
        return None

    async def _spill_some(self) -> bool:
        """Write the oldest; False if that failed."""
        reports = self._oldest()
        is_kept = False
        try:
            is_kept = await self._spill(reports)
        finally:
            for each in reports:
                self._backlog.settle(each)
            if not is_kept:
                self._backlog.put_back(reports)
            self._disk_is_busy = False
            self._changed.set()
        return is_kept

    def _oldest(self) -> list[EncodedReport]:
        """As many as are written at a time, taken from the backlog."""
        reports: list[EncodedReport] = []
        size_bytes = 0
        while size_bytes < SEGMENT_BYTES and (report := self._backlog.take()) is not None:
            reports.append(report)
            size_bytes += len(report.payload)
        return reports

    async def _spill(self, reports: Sequence[EncodedReport]) -> bool:
        try:
            lost = await self._spool.spill(reports)
        except SpillError as error:
            self._spill_at_s = self._clock.monotonic_s() + _SPILL_PAUSE_S
            self._tell("report_spill_failed", str(error))
            return False
        records = sum(report.records for report in reports)
        self.counts.report_records_spilled += records
        self._lose_spilled(lost, "the bound of the directory")
        self._settle_records(records)
        return True

    async def _forget(self) -> None:
        try:
            await self._spool.forget()
        finally:
            self._disk_is_busy = False
            self._changed.set()

    async def _restore_some(self) -> None:
        try:
            restored = await self._spool.restore()
        finally:
            self._disk_is_busy = False
            self._changed.set()
        self.counts.report_records_restored += restored.records
        self._lose_spilled(restored.lost_records, "no longer readable")

    # ------------------------------------------------------------ the end

    async def _wait_for_end(self, bound_s: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(bound_s):
                await self._finished.wait()

    async def _leave(self, ends_at_s: float) -> None:
        """What could not be sent: to disk, if that can be done in time."""
        try:
            async with asyncio.timeout(max(0.0, ends_at_s - self._clock.monotonic_s())):
                while self._spool.is_open and self._backlog:
                    if not await self._spill_some():
                        break
                if self._spool.is_settled:
                    await self._spool.forget()
                await self._spool.aclose()
        except TimeoutError:
            _log.warning("report_spill_timed_out")
        left = self._backlog.records
        if left:
            self.counts.report_records_left += left
            self._settle_records(left)
            _log.warning("report_records_left", records=left)

    # ------------------------------------------------------------ telling

    def _settle_records(self, records: int, source: _Source | None = None) -> None:
        if source is not self._spool:  # those were settled when they were written
            self._settled_records += records
            self._settled.set()

    def _drop(self, records: int, reason: str) -> None:
        self.counts.report_records_dropped += records
        self._settle_records(records)
        self._tell("report_records_dropped", reason, records=records)

    def _refuse(self, records: int, reason: str) -> None:
        self.counts.report_records_refused += records
        self._tell("report_refused", reason, records=records)

    def _lose_spilled(self, records: int, reason: str) -> None:
        if records:
            self.counts.report_records_spill_lost += records
            self._tell("report_spill_lost", reason, records=records)

    def _tell(self, event: str, reason: str, **fields: int) -> None:
        """The first of its kind, then one per interval."""
        held_back = self._log_limit.pass_now(event, now_s=self._clock.monotonic_s())
        if held_back is not None:
            _log.warning(event, reason=reason, held_back=held_back, **fields)
