"""`otlp`: takes instances of four templates; sending happens behind."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from random import Random
from typing import Final, Protocol, TypeVar, assert_never

from remixer.adapters.otlp.exports import MetricExports
from remixer.adapters.otlp.logs import LogBook
from remixer.adapters.otlp.metrics import MetricBook
from remixer.adapters.otlp.params import Compression, Params
from remixer.adapters.otlp.params import Protocol as WireProtocol
from remixer.adapters.otlp.traces import span_record
from remixer.adapters.otlp.validation import validate
from remixer.adapters.otlp.values import EntryError, size_of
from remixer.drivers.otlp import OtlpError, OtlpSettings, OtlpTls, Rejected, open_otlp
from remixer.drivers.otlp_records import LogRecord, MetricRecord, SpanRecord
from remixer.sdk import (
    AdapterInfo,
    Clock,
    Edge,
    Environment,
    HandlerContext,
    LogEntry,
    Metric,
    Outbox,
    OutboxFullError,
    OutboxLimits,
    SendError,
    TraceSpan,
)
from remixer.sdk.reports import take_each
from remixer.sdk.spans import SpanSampler, span_of

T = TypeVar("T")

_NS_PER_S: Final = 1_000_000_000
_MOST_ATTEMPTS: Final = 8  # about a minute
_MOST_BATCH_BYTES: Final = 3 * 1024 * 1024  # a gRPC server takes 4 MiB at once
_MOST_QUEUE_BYTES: Final = 32 * 1024 * 1024
_ENTRY_BYTES: Final = 128  # ids, times and lengths around the texts


class OtlpSender(Protocol):
    """Takes records to the collector; raises `OtlpError`."""

    async def send_metrics(self, records: Sequence[MetricRecord]) -> Rejected: ...

    async def send_logs(self, records: Sequence[LogRecord]) -> Rejected: ...

    async def send_spans(self, records: Sequence[SpanRecord]) -> Rejected: ...

    async def aclose(self) -> None: ...


class OtlpHandler:
    """Sums metrics and edges up; log entries and spans wait in a bounded buffer each."""

    def __init__(self, params: Params, *, sender: OtlpSender, clock: Clock, name: str) -> None:
        limits = _limits(params)
        probability = 0.0 if params.trace is None else params.trace.sample_probability
        self._clock = clock
        self._sender = sender
        self._sampler = SpanSampler(probability)
        self._metrics = MetricBook(params)
        self._logs = LogBook(params.logs)
        self.exports = MetricExports(
            sender.send_metrics,
            instruments=self._metrics.instruments,
            interval_s=params.export_interval / _NS_PER_S,
            expiration_ns=params.metric_expiration,
            name=name,
            clock=clock,
        )
        self.log_outbox = _outbox(sender.send_logs, limits, name=f"{name} logs", clock=clock)
        self.span_outbox = _outbox(sender.send_spans, limits, name=f"{name} spans", clock=clock)

    def report(self, instances: Sequence[Metric | LogEntry | TraceSpan | Edge], /) -> None:
        """Raises `ExceptionGroup`, with one error per instance that was left out."""
        take = partial(self._take, now_ns=self._clock.unix_ns())
        take_each(instances, take, leaves_out=(EntryError, OutboxFullError), what="instances")

    async def aclose(self) -> None:
        """Send what is there, all three signals at once, for a second at most."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.exports.aclose())
                group.create_task(self.log_outbox.aclose())
                group.create_task(self.span_outbox.aclose())
        finally:
            await self._sender.aclose()

    def _take(self, instance: Metric | LogEntry | TraceSpan | Edge, now_ns: int) -> None:
        match instance:
            case Metric():
                self._metrics.record_metric(instance, now_ns=now_ns)
            case Edge():
                self._metrics.record_edge(instance, now_ns=now_ns)
            case LogEntry():
                record = self._logs.record(instance, now_ns=now_ns)
                size = _ENTRY_BYTES + len(record.body or "") + size_of(record.attributes)
                self.log_outbox.put_or_raise(record, size_bytes=size, of=instance.name)
            case TraceSpan():
                self._take_span(instance)
            case _:
                assert_never(instance)

    def _take_span(self, instance: TraceSpan) -> None:
        """A span without usable ids, or of a trace that is not kept, is left out silently."""
        span = span_of(instance)
        if span is not None and self._sampler.keeps(span.trace_id):
            record = span_record(span)
            size = _ENTRY_BYTES + len(record.name) + size_of(record.attributes)
            self.span_outbox.put_or_raise(record, size_bytes=size, of=instance.name)


def _limits(params: Params) -> OutboxLimits:
    return OutboxLimits(
        batch_entries=params.max_batch_size,
        batch_bytes=_MOST_BATCH_BYTES,
        queue_entries=params.max_queue_size,
        queue_bytes=_MOST_QUEUE_BYTES,
        interval_s=params.batch_interval / _NS_PER_S,
        most_attempts=_MOST_ATTEMPTS,
    )


def _outbox(
    send: Callable[[Sequence[T]], Awaitable[Rejected]],
    limits: OutboxLimits,
    *,
    name: str,
    clock: Clock,
) -> Outbox[T]:
    async def attempt(batch: Sequence[T], _number: int) -> None:
        try:
            rejected = await send(batch)
        except OtlpError as error:
            raise SendError(str(error), can_retry=error.can_retry, after_s=error.after_s) from error
        outbox.lose(rejected.count, rejected.reason)

    outbox: Outbox[T] = Outbox(
        attempt,
        limits=limits,
        name=name,
        random=Random(),  # noqa: S311 - spreads attempts, protects nothing
        clock=clock,
    )
    return outbox


def settings_of(params: Params) -> OtlpSettings:
    """What the client needs of the parameters."""
    tls = params.tls
    return OtlpSettings(
        endpoint=params.endpoint,
        over_http=params.protocol is WireProtocol.HTTP_PROTOBUF,
        headers=params.headers,
        header_files=params.header_files,
        tls=(
            None
            if tls is None
            else OtlpTls(tls.ca_certificates, tls.client_certificate, tls.private_key)
        ),
        use_gzip=params.compression is Compression.GZIP,
        timeout_s=params.timeout / _NS_PER_S,
        resource=params.resource_attributes,
    )


async def _build(params: Params, context: HandlerContext, environment: Environment) -> OtlpHandler:
    """Raises `OtlpMissingError`, OSError or ValueError for files that cannot be used."""
    sender = await open_otlp(settings_of(params))
    handler = OtlpHandler(params, sender=sender, clock=environment.clock, name=context.name)
    environment.tasks.spawn(handler.exports.work(), name="metrics")
    environment.tasks.spawn(handler.log_outbox.work(), name="logs")
    environment.tasks.spawn(handler.span_outbox.work(), name="spans")
    return handler


INFO = AdapterInfo(
    name="otlp",
    description="Sends metrics, logs and spans to an OpenTelemetry collector.",
    templates=frozenset({"edge", "logentry", "metric", "tracespan"}),
    defaults=Params(),
    build=_build,
    validate=validate,
)
