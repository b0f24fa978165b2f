"""`statsd`: sampled metrics into datagrams."""

import random
from collections.abc import Mapping, Sequence
from typing import Final

from remixer.adapters.statsd.params import (
    DEFAULT_FLUSH_BYTES,
    DEFAULT_FLUSH_NS,
    MetricType,
    Params,
    validate,
)
from remixer.adapters.statsd.recipes import Recipe
from remixer.drivers.datagrams import DatagramSender, parse_peer
from remixer.foundation.log import event_log
from remixer.sdk import AdapterInfo, Environment, HandlerContext
from remixer.sdk.datagram_lines import LineBuffer, LineLimits, Sampler
from remixer.sdk.go_template import TemplateError
from remixer.sdk.reports import MetricError, take_each
from remixer.templates.instances import Metric

_SECOND_NS: Final = 1_000_000_000
_MOST_LINES: Final = 10_000  # the bytes of a datagram come first

_log: Final = event_log(__name__)


class StatsdHandler:
    """Writes lines and hands them to the buffer; nothing here waits."""

    def __init__(
        self,
        recipes: Mapping[str, Recipe],
        *,
        sampler: Sampler,
        sender: DatagramSender,
        params: Params,
    ) -> None:
        self._recipes = recipes
        self._sampler = sampler
        self._sender = sender
        limits = LineLimits(
            most_bytes=params.flush_bytes or DEFAULT_FLUSH_BYTES,
            most_lines=_MOST_LINES,
            flush_after_s=(params.flush_duration or DEFAULT_FLUSH_NS) / _SECOND_NS,
        )
        self._buffer = LineBuffer(sender.send, limits=limits)

    def report(self, instances: Sequence[Metric], /) -> None:
        """Raises `ExceptionGroup` of `MetricError`, one per instance that was left out."""
        take_each(instances, self._record, leaves_out=MetricError, what="metrics")

    async def aclose(self) -> None:
        """Send what is there; once or twice."""
        self._buffer.flush()
        self._sender.close()

    def _record(self, metric: Metric) -> None:
        recipe = self._recipes.get(metric.name)
        if recipe is None:
            message = f"no usable entry for {metric.name} in the handler's metrics"
            raise MetricError(message)
        lines = recipe.lines(metric, self._sampler.suffix)
        if self._sampler.keeps():
            for line in lines:
                self._buffer.put(line)


def _recipes(params: Params, context: HandlerContext) -> dict[str, Recipe]:
    """By instance, without those whose name cannot be made of the instance's dimensions."""
    recipes = {
        name: Recipe.of(name, info, prefix=params.prefix) for name, info in params.metrics.items()
    }
    for instance in context.of_template("metric"):
        recipe = recipes.get(instance.name)
        if recipe is None:
            _log.warning("statsd_metric_missing", handler=context.name, instance=instance.name)
            continue
        if recipe.type is MetricType.UNKNOWN:
            _log.warning("statsd_type_missing", handler=context.name, instance=instance.name)
        try:
            recipe.try_out(instance.map_types("dimensions"))
        except TemplateError as error:
            _log.error(
                "statsd_name_impossible",
                handler=context.name,
                instance=instance.name,
                reason=str(error),
            )
            del recipes[instance.name]
    return recipes


async def _build(
    params: Params, context: HandlerContext, environment: Environment
) -> StatsdHandler:
    peer = parse_peer(params.address)
    sender = DatagramSender(peer, name=context.name, clock=environment.clock)
    # Samples need no secret of chance; each handler has its own.
    sampler = Sampler(params.sampling_rate, random=random.Random())  # noqa: S311 - as said
    handler = StatsdHandler(
        _recipes(params, context), sampler=sampler, sender=sender, params=params
    )
    await sender.open()
    environment.tasks.spawn(sender.keep_resolved(), name="resolver")
    return handler


INFO = AdapterInfo(
    name="statsd",
    description="Sends metrics to a StatsD daemon.",
    templates=frozenset({"metric"}),
    defaults=Params(),
    build=_build,
    validate=validate,
)
