"""`dogstatsd`: sampled, tagged metrics into datagrams."""

import random
from collections.abc import Mapping, Sequence
from typing import Final

from remixer.adapters.dogstatsd.params import Params, validate
from remixer.adapters.dogstatsd.recipes import Recipe
from remixer.drivers.datagrams import DatagramSender, parse_peer
from remixer.foundation.log import event_log
from remixer.sdk import AdapterInfo, Environment, HandlerContext
from remixer.sdk.datagram_lines import LineBuffer, LineLimits, Sampler
from remixer.sdk.reports import MetricError, take_each
from remixer.templates.instances import Metric

_MOST_BYTES: Final = 1_432
"""A datagram of this size crosses an Ethernet in one piece, with IPv6 and options."""
_FLUSH_AFTER_S: Final = 0.1  # as Datadog's own client for Go

_log: Final = event_log(__name__)


class DogstatsdHandler:
    """Writes lines and hands them to the buffer; nothing here waits."""

    def __init__(
        self,
        recipes: Mapping[str, Recipe],
        *,
        sampler: Sampler,
        sender: DatagramSender,
        buffer_length: int,
    ) -> None:
        self._recipes = recipes
        self._sampler = sampler
        self._sender = sender
        limits = LineLimits(
            most_bytes=_MOST_BYTES, most_lines=max(buffer_length, 1), flush_after_s=_FLUSH_AFTER_S
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
            message = f"no entry for {metric.name} in the handler's metrics"
            raise MetricError(message)
        line = recipe.line(metric, self._sampler.suffix)
        if self._sampler.keeps():
            self._buffer.put(line)


async def _build(
    params: Params, context: HandlerContext, environment: Environment
) -> DogstatsdHandler:
    peer = parse_peer(params.address)
    sender = DatagramSender(peer, name=context.name, clock=environment.clock)
    if params.sample_rate == 0:
        _log.warning("dogstatsd_sends_nothing", handler=context.name, sample_rate=0)
    recipes = {
        name: Recipe.of(name, info, prefix=params.prefix, global_tags=params.global_tags)
        for name, info in params.metrics.items()
    }
    # Samples need no secret of chance; each handler has its own.
    sampler = Sampler(params.sample_rate, random=random.Random())  # noqa: S311 - as said
    handler = DogstatsdHandler(
        recipes, sampler=sampler, sender=sender, buffer_length=params.buffer_length
    )
    await sender.open()
    environment.tasks.spawn(sender.keep_resolved(), name="resolver")
    return handler


INFO = AdapterInfo(
    name="dogstatsd",
    description="Sends tagged metrics to a Datadog agent.",
    templates=frozenset({"metric"}),
    defaults=Params(),
    build=_build,
    validate=validate,
)
