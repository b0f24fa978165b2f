"""`prometheus`: handlers over the shared store."""

import asyncio
from collections.abc import Sequence
from typing import Final

from remixer.adapters.prometheus.families import Family
from remixer.adapters.prometheus.params import MetricInfo, MetricsExpirationPolicy, Params
from remixer.adapters.prometheus.recorder import CoarseClock, Recorder
from remixer.adapters.prometheus.shapes import shape_of
from remixer.adapters.prometheus.store import MetricConflictError, MetricStore
from remixer.adapters.prometheus.validation import validate
from remixer.foundation.clock import Clock
from remixer.foundation.log import event_log
from remixer.sdk import AdapterInfo, Environment, HandlerContext
from remixer.sdk.reports import MetricError, raise_left_out
from remixer.templates.instances import Metric

_SECOND_NS: Final = 1_000_000_000
_SHORTEST_CHECK_S: Final = 0.1  # a check walks over all series; more often helps nobody

_log: Final = event_log(__name__)


class PrometheusHandler:
    """Records instances in the families of its metrics."""

    def __init__(
        self, params: Params, context: HandlerContext, *, store: MetricStore, clock: Clock
    ) -> None:
        """Raises `MetricConflictError` that names all conflicts; then nothing is held."""
        self._name = context.name
        self._store = store
        self._clock = clock
        policy = params.metrics_expiration_policy
        self._stamps = CoarseClock(clock.monotonic_s()) if policy is not None else None
        self._families = self._hold(params.metrics)
        self._recorders = self._make_recorders(context)

    def report(self, instances: Sequence[Metric], /) -> None:
        """Raises `ExceptionGroup` of `MetricError`, one per instance that was left out."""
        # As `take_each`, with one call less: there may be thousands.
        find = self._recorders.get
        failures: list[Exception] = []
        for metric in instances:
            recorder = find(metric.name)
            try:
                if recorder is None:
                    raise _unknown(metric)
                recorder.record(metric)
            except MetricError as error:
                failures.append(error)
        raise_left_out(failures, instances, what="metrics")

    async def expire_forever(self, policy: MetricsExpirationPolicy) -> None:
        """Drop series without updates, at every check interval."""
        expiry_ns = policy.metrics_expiry_duration
        interval_ns = policy.expiry_check_interval_duration or expiry_ns // 2
        interval_s = max(interval_ns / _SECOND_NS, _SHORTEST_CHECK_S)
        while self._stamps is not None:
            await asyncio.sleep(interval_s)
            now_s = self._stamps.now_s = self._clock.monotonic_s()
            for family in self._families.values():
                family.expire(updated_before_s=now_s - expiry_ns / _SECOND_NS)

    async def aclose(self) -> None:
        """Let go of all families; once or twice."""
        families, self._families = self._families, {}
        self._recorders = {}
        for family in families.values():
            self._store.release(family, owner=self._name)

    def _hold(self, metrics: tuple[MetricInfo, ...]) -> dict[str, Family]:
        """Families by instance."""
        held: dict[str, Family] = {}
        conflicts: list[MetricConflictError] = []
        for info in metrics:
            try:
                held[info.instance_name] = self._store.hold(shape_of(info), owner=self._name)
            except MetricConflictError as conflict:
                conflicts.append(conflict)
        if conflicts:
            for family in held.values():
                self._store.release(family, owner=self._name)
            raise MetricConflictError("; ".join(map(str, conflicts)))
        return held

    def _make_recorders(self, context: HandlerContext) -> dict[str, Recorder]:
        types = {
            instance.name: instance.map_types("dimensions")
            for instance in context.of_template("metric")
        }
        recorders: dict[str, Recorder] = {}
        for instance_name, family in self._families.items():
            dimensions = types.get(instance_name, {})
            recorder = Recorder(family, dimensions, stamps=self._stamps)
            recorders[instance_name] = recorder
            if self._stamps is not None:
                family.touch_all(now_s=self._stamps.now_s)
            mismatch = recorder.mismatch(frozenset(dimensions))
            if instance_name in types and mismatch:
                _log.warning(
                    "prometheus_labels_differ", instance=instance_name, difference=mismatch
                )
        for missing in sorted(types.keys() - recorders.keys()):
            _log.warning("prometheus_metric_info_missing", instance=missing)
        return recorders


def _unknown(metric: Metric) -> MetricError:
    return MetricError(f"could not find metric info from adapter config for {metric.name}")


async def _build(
    params: Params, context: HandlerContext, environment: Environment
) -> PrometheusHandler:
    store = environment.scrape.shared("prometheus", MetricStore)
    handler = PrometheusHandler(params, context, store=store, clock=environment.clock)
    policy = params.metrics_expiration_policy
    if policy is not None:
        environment.tasks.spawn(handler.expire_forever(policy), name="expiry")
    return handler


INFO = AdapterInfo(
    name="prometheus",
    description="Metrics for Prometheus to scrape.",
    templates=frozenset({"metric"}),
    defaults=Params(),
    build=_build,
    validate=validate,
)
