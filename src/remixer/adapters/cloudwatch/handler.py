"""`cloudwatch`: two outboxes, one for metrics and one for log entries."""

import asyncio
import random
from collections.abc import Mapping, Sequence
from typing import Final

from remixer.adapters.cloudwatch.logs import event_of, log_template, requests_of, size_of
from remixer.adapters.cloudwatch.metrics import datum_of
from remixer.adapters.cloudwatch.params import LogInfo, Params, Unit
from remixer.adapters.cloudwatch.validation import validate
from remixer.drivers.aws import (
    AwsError,
    CloudWatchClient,
    LogEvent,
    MetricDatum,
    open_cloudwatch,
)
from remixer.foundation.clock import Clock
from remixer.sdk import (
    AdapterInfo,
    Environment,
    HandlerContext,
    Outbox,
    OutboxFullError,
    OutboxLimits,
    SendError,
)
from remixer.sdk.go_template import Template, TemplateError
from remixer.sdk.reports import MetricError, take_each
from remixer.templates.instances import LogEntry, Metric

_MOST_ATTEMPTS: Final = 5  # some eight seconds; with more, a queue behind them would overflow
_INTERVAL_S: Final = 1.0
"""Calls cost money: what comes within a second shares them."""
_DATUM_BYTES: Final = 512  # about; the numbers of entries are the bounds
_METRIC_LIMITS: Final = OutboxLimits(
    batch_entries=20,
    batch_bytes=20 * _DATUM_BYTES,
    queue_entries=10_000,
    queue_bytes=10_000 * _DATUM_BYTES,
    interval_s=_INTERVAL_S,
    most_attempts=_MOST_ATTEMPTS,
)
_LOG_LIMITS: Final = OutboxLimits(
    batch_entries=10_000,
    batch_bytes=1_048_576,
    queue_entries=20_000,
    queue_bytes=16 * 1_048_576,
    interval_s=_INTERVAL_S,
    most_attempts=_MOST_ATTEMPTS,
)
_LEFT_OUT: Final = (MetricError, TemplateError, OutboxFullError)


class CloudWatchHandler:
    """Takes instances; sending happens behind, `report` never waits for it."""

    def __init__(
        self,
        params: Params,
        *,
        client: CloudWatchClient,
        clock: Clock,
        chance: random.Random,
        name: str,
    ) -> None:
        self._params = params
        self._client = client
        self._clock = clock
        self._units: Mapping[str, Unit] = {
            instance: info.unit for instance, info in params.metric_info.items()
        }
        self._templates: Mapping[str, Template] = {
            instance: log_template(info) for instance, info in params.logs.items()
        }
        self._default_template = log_template(LogInfo())
        self._requests: list[list[LogEvent]] = []
        self.metrics: Outbox[MetricDatum] = Outbox(
            self._send_metrics,
            limits=_METRIC_LIMITS,
            name=f"{name} metrics",
            random=chance,
            clock=clock,
        )
        self.logs: Outbox[LogEvent] = Outbox(
            self._send_logs, limits=_LOG_LIMITS, name=f"{name} logs", random=chance, clock=clock
        )

    def report(self, instances: Sequence[Metric | LogEntry], /) -> None:
        """Raises `ExceptionGroup`, with one error per instance that was left out."""
        take_each(instances, self._take, leaves_out=_LEFT_OUT, what="instances")

    def _take(self, instance: Metric | LogEntry) -> None:
        if isinstance(instance, Metric):
            self._take_metric(instance)
        else:
            self._take_entry(instance)

    async def aclose(self) -> None:
        """Send what is there, for a moment; once or twice."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.metrics.aclose())
                group.create_task(self.logs.aclose())
        finally:
            self._client.close()

    # ------------------------------------------------------------ in

    def _take_metric(self, metric: Metric) -> None:
        unit = self._units.get(metric.name)
        if unit is None:
            message = f"no entry for {metric.name} in the handler's metric_info"
            raise MetricError(message)
        datum = datum_of(metric, unit, unix_ns=self._clock.unix_ns())
        self.metrics.put_or_raise(datum, size_bytes=_DATUM_BYTES, of=metric.name)

    def _take_entry(self, entry: LogEntry) -> None:
        template = self._templates.get(entry.name, self._default_template)
        event = event_of(entry, template, now_ns=self._clock.unix_ns())
        # The service takes no empty message, and there is nothing to lose.
        if event.message:
            self.logs.put_or_raise(event, size_bytes=size_of(event), of=entry.name)

    # ------------------------------------------------------------ out

    async def _send_metrics(self, batch: Sequence[MetricDatum], _attempt: int) -> None:
        try:
            await self._client.put_metrics(self._params.namespace, batch)
        except AwsError as error:
            raise SendError(str(error), can_retry=error.can_retry) from error

    async def _send_logs(self, batch: Sequence[LogEvent], attempt: int) -> None:
        """What an earlier attempt delivered is not sent again."""
        if attempt == 1:
            self._requests = list(requests_of(batch))
        group, stream = self._params.log_group_name, self._params.log_stream_name
        while self._requests:
            try:
                refused = await self._client.put_logs(group, stream, self._requests[0])
            except AwsError as error:
                raise SendError(str(error), can_retry=error.can_retry) from error
            del self._requests[0]
            self.logs.lose(refused, "the service found them too old or too new")


async def _build(
    params: Params, context: HandlerContext, environment: Environment
) -> CloudWatchHandler:
    """Raises `AwsError` if boto3, or a region, is missing."""
    client = await open_cloudwatch(region=params.region, endpoint_url=params.endpoint_url)
    handler = CloudWatchHandler(
        params,
        client=client,
        clock=environment.clock,
        chance=random.Random(),  # noqa: S311 - spreads attempts, protects nothing
        name=context.name,
    )
    environment.tasks.spawn(handler.metrics.work(), name="metrics")
    environment.tasks.spawn(handler.logs.work(), name="logs")
    return handler


INFO = AdapterInfo(
    name="cloudwatch",
    description="Sends metrics and log entries to Amazon CloudWatch.",
    templates=frozenset({"logentry", "metric"}),
    defaults=Params(),
    build=_build,
    validate=validate,
)
