"""`otlp`: intervals, bounds and losses, in virtual time and with a sender that a test commands."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from remixer.adapters.otlp import Kind, MetricInfo, OtlpHandler, Params, Trace
from remixer.adapters.otlp.values import EntryError
from remixer.attributes.values import Duration
from remixer.drivers.otlp import OtlpError, Rejected
from remixer.drivers.otlp_records import LogRecord, MetricRecord, SpanRecord
from remixer.sdk import Int32, OutboxFullError
from remixer.templates.instances import Edge, LogEntry, Metric, TraceSpan
from remixer.testing.clock import clock_of_running_loop, in_virtual_time

_S = 1_000_000_000
_PARAMS = Params(metrics=(MetricInfo("hits", kind=Kind.COUNTER),), trace=Trace(1.0))
_LOG = LogEntry("log", {"path": "/"})
_SPAN = TraceSpan("span", "463ac35c9f6413ad48485a3953bb6124", "a2fb4a1d1a96d312")


class _Sender:
    """Takes records, or fails as told."""

    def __init__(self, *failures: OtlpError | Rejected | None, takes_s: float = 0.0) -> None:
        self._failures = list(failures)
        self._takes_s = takes_s
        self.metrics: list[MetricRecord] = []
        self.logs: list[list[LogRecord]] = []
        self.spans: list[list[SpanRecord]] = []
        self.is_closed = False

    async def send_metrics(self, records: Sequence[MetricRecord]) -> Rejected:
        answer = await self._answer()
        self.metrics += records
        return answer

    async def send_logs(self, records: Sequence[LogRecord]) -> Rejected:
        answer = await self._answer()
        self.logs.append(list(records))
        return answer

    async def send_spans(self, records: Sequence[SpanRecord]) -> Rejected:
        answer = await self._answer()
        self.spans.append(list(records))
        return answer

    async def aclose(self) -> None:
        self.is_closed = True

    async def _answer(self) -> Rejected:
        await asyncio.sleep(self._takes_s)
        failure = self._failures.pop(0) if self._failures else None
        if isinstance(failure, OtlpError):
            raise failure
        return failure or Rejected(0, "")


class _Running:
    """A handler with its three tasks."""

    def __init__(self, sender: _Sender, params: Params = _PARAMS) -> None:
        self.handler = OtlpHandler(params, sender=sender, clock=clock_of_running_loop(), name="h")
        self._group = asyncio.TaskGroup()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> OtlpHandler:
        await self._group.__aenter__()
        handler = self.handler
        for work in (handler.exports.work, handler.log_outbox.work, handler.span_outbox.work):
            self._tasks.append(self._group.create_task(work()))
        return handler

    async def __aexit__(self, *_details: object) -> None:
        await self.handler.aclose()
        for task in self._tasks:
            task.cancel()
        await self._group.__aexit__(None, None, None)


_BUSY = OtlpError("busy", can_retry=True)
_NEVER = OtlpError("bad", can_retry=False)


@in_virtual_time
async def test_metrics_go_at_every_interval_and_say_all_since_their_start() -> None:
    sender = _Sender()
    async with _Running(sender) as handler:
        handler.report([Metric("hits", 1)])
        await asyncio.sleep(10.5)
        handler.report([Metric("hits", 2)])
        await asyncio.sleep(10)
        assert [record.numbers[0].value for record in sender.metrics] == [1, 3]
    assert sender.is_closed


@in_virtual_time
async def test_an_export_that_fails_loses_nothing() -> None:
    sender = _Sender(_BUSY)
    async with _Running(sender) as handler:
        handler.report([Metric("hits", 1), Edge("e")])
        await asyncio.sleep(10.5)
        assert (sender.metrics, handler.exports.failed) == ([], 1)
        await asyncio.sleep(10)
        assert [record.numbers[0].value for record in sender.metrics] == [1, 1]


@in_virtual_time
async def test_a_metric_that_is_never_taken_holds_up_no_other() -> None:
    sender = _Sender(_NEVER)
    async with _Running(sender) as handler:
        handler.report([Metric("hits", 1), Edge("e")])
        await asyncio.sleep(10.5)
        assert [record.name for record in sender.metrics] == ["istio.edge.calls"]


@in_virtual_time
async def test_points_that_were_rejected_are_counted() -> None:
    async with _Running(_Sender(Rejected(1, "old"))) as handler:
        handler.report([Metric("hits", 1)])
        await asyncio.sleep(10.5)
        assert handler.exports.rejected == 1


@in_virtual_time
async def test_an_expired_series_is_not_exported() -> None:
    sender = _Sender()
    async with _Running(sender, replace(_PARAMS, metric_expiration=Duration(5 * _S))) as handler:
        handler.report([Metric("hits", 1)])
        await asyncio.sleep(10.5)
        assert sender.metrics == []


@in_virtual_time
async def test_one_bad_instance_holds_up_no_other() -> None:
    sender = _Sender()
    async with _Running(sender) as handler:
        with pytest.raises(ExceptionGroup, match="2 of 4 instances left out") as caught:
            handler.report([Metric("lost", 1), _LOG, Metric("hits", "x"), Metric("hits", 1)])
        assert {type(each) for each in caught.value.exceptions} == {EntryError}
    assert (len(sender.logs), len(sender.metrics)) == (1, 1)


@in_virtual_time
async def test_without_room_each_entry_is_an_error_and_counted() -> None:
    params = replace(_PARAMS, max_batch_size=Int32(2), max_queue_size=Int32(3))
    async with _Running(_Sender(), params) as handler:
        for instance, outbox in ((_LOG, handler.log_outbox), (_SPAN, handler.span_outbox)):
            handler.report([instance] * 5)
            with pytest.raises(ExceptionGroup) as caught:
                handler.report([instance])
            assert isinstance(caught.value.exceptions[0], OutboxFullError)
            assert outbox.dropped == 1


@in_virtual_time
async def test_spans_are_chosen_by_their_trace() -> None:
    sender = _Sender()
    async with _Running(sender, replace(_PARAMS, trace=Trace(0.5))) as handler:
        dropped = replace(_SPAN, trace_id="f" * 32)
        half = replace(_SPAN, trace_id="48485a3953bb6124")
        handler.report([dropped, half, replace(_SPAN, span_id="none")])
    assert [[span.trace_id.hex() for span in batch] for batch in sender.spans] == [
        ["0" * 16 + "48485a3953bb6124"]
    ]


@in_virtual_time
async def test_without_trace_no_span_is_sent() -> None:
    sender = _Sender()
    async with _Running(sender, replace(_PARAMS, trace=None)) as handler:
        handler.report([_SPAN])
    assert sender.spans == []


@in_virtual_time
async def test_a_batch_is_sent_eight_times_at_most() -> None:
    sender = _Sender(*[_BUSY] * 8)
    async with _Running(sender) as handler:
        handler.report([_LOG])
        await asyncio.sleep(300)
        assert (sender.logs, handler.log_outbox.dropped) == ([], 1)


@in_virtual_time
async def test_the_end_takes_a_second_at_most_for_all_three_together() -> None:
    sender = _Sender(takes_s=3600)
    loop = asyncio.get_running_loop()
    async with _Running(sender) as handler:
        handler.report([Metric("hits", 1), _LOG, _SPAN])
        begun_s = loop.time()
        await handler.aclose()
        assert loop.time() - begun_s == pytest.approx(1)
    assert (handler.log_outbox.dropped, handler.span_outbox.dropped) == (1, 1)
    assert handler.exports.failed == 1


@in_virtual_time
async def test_closing_twice_sends_once() -> None:
    sender = _Sender()
    async with _Running(sender) as handler:
        handler.report([Metric("hits", 1)])
        await handler.aclose()
    assert len(sender.metrics) == 1
