"""Remixer's metrics about itself, under the names that Mixer 1.3 had.

`RuntimeMetrics` is told what happens, by plain method calls that satisfy the ports of lower
rooms; `render` gives Prometheus's text format. Names without a model in Mixer begin with
`remixer_`. Times of calls are in milliseconds where Mixer had them so.
Source: Mixer 1.3 self-monitoring names; bucket bounds of `grpc_io_*` are OpenCensus's defaults.
"""

import platform
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from remixer import __version__
from remixer.observability.cache_metrics import cache_metrics
from remixer.observability.series import Counter, Distribution, Family
from remixer.observability.shared_cache_metrics import shared_cache_metrics
from remixer.runtime.metrics import ConfigCounts
from remixer.tiers.cached import CachedMixer
from remixer.tiers.shared.counts import SharedCounts

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

_SECONDS_BOUNDS: Final = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025),
    *(0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
_COUNT_BOUNDS: Final = (0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 10.0, 15.0, 20.0)
_MILLISECONDS_BOUNDS: Final = (
    *(0.01, 0.05, 0.1, 0.3, 0.6, 0.8, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 13.0),
    *(16.0, 20.0, 25.0, 30.0, 40.0, 50.0, 65.0, 80.0, 100.0, 130.0, 160.0, 200.0, 250.0),
    *(300.0, 400.0, 500.0, 650.0, 800.0, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5),
)

_CONFIG_KINDS: Final[Mapping[str, str]] = {
    "handler": "handler_configs_total",
    "instance": "instance_configs_total",
    "rule": "rule_configs_total",
    "adapter": "adapter_info_configs_total",
    "template": "template_configs_total",
}
_PROBLEM_KINDS: Final[Mapping[str, str]] = {
    "instance": "instance_config_errors_total",
    "rule": "rule_config_errors_total",
    "adapter": "adapter_info_config_errors_total",
    "template": "template_config_errors_total",
    "handler": "handler_validation_error_total",
    "rule_match": "rule_config_match_error_total",
    "unsatisfied_action_handler": "unsatisfied_action_handler_total",
}


class RuntimeMetrics:
    """Everything the process counts. Call only on the event loop's thread."""

    def __init__(self) -> None:
        self._dispatches = Family(lambda: Distribution(_SECONDS_BOUNDS), width=4)
        self._destinations = Distribution(_COUNT_BOUNDS)
        self._instances = Distribution(_COUNT_BOUNDS)
        self._rpcs = Family(Counter, width=2)
        self._rpc_latency = Family(lambda: Distribution(_MILLISECONDS_BOUNDS), width=1)
        self._dropped = Family(Counter, width=1)
        self._covered = Family(Counter, width=2)
        self._connections_ended = Family(Counter, width=1)
        self._calls_refused = Family(Counter, width=1)
        self._forwarded = Family(Counter, width=1)
        self._caches: list[CachedMixer] = []
        self._shared_caches: list[SharedCounts] = []
        self._gauges: dict[str, tuple[str, Mapping[str, int]]] = {}
        self._registry = _registry(_RuntimeCollector(self))
        self.config_loaded(ConfigCounts())
        self.handlers_changed(new=0, reused=0, closed=0, build_failures=0, close_failures=0)

    def render(self) -> bytes:
        """All metrics in Prometheus's text format, `CONTENT_TYPE`."""
        return generate_latest(self._registry)

    def dispatched(
        self, *, template: str, handler: str, adapter: str, error: bool, seconds: float
    ) -> None:
        """One call of a handler ended."""
        outcome = "true" if error else "false"
        self._dispatches.of(template, handler, adapter, outcome).observe(seconds)

    def failure_covered(self, *, handler: str, step: str) -> None:
        """Something stood in for a handler's answer. `step`: a constant word of the runtime."""
        self._covered.of(handler, step).add()

    def destinations(self, count: int, instances: int) -> None:
        """One request matched so many handlers, with so many instances in all."""
        self._destinations.observe(count)
        self._instances.observe(instances)

    def config_loaded(self, counts: ConfigCounts) -> None:
        """A snapshot took effect. Classes that Mixer's metrics lack show by kind alone."""
        self._set("mixer_config_attributes_total", counts.attributes)
        for name_of_class, name in _CONFIG_KINDS.items():
            self._set(f"mixer_config_{name}", counts.resources_by_class.get(name_of_class, 0))
        for name_of_class, name in _PROBLEM_KINDS.items():
            self._set(f"mixer_config_{name}", counts.errors_by_class.get(name_of_class, 0))
        self._gauges["remixer_config_resources"] = ("kind", dict(counts.resources_by_kind))
        self._gauges["remixer_config_problems"] = ("kind", dict(counts.problems_by_kind))
        self._gauges["mixer_dispatcher_destinations_per_variety_total"] = (
            "variety",
            dict(counts.destinations_by_variety),
        )

    def handlers_changed(
        self, *, new: int, reused: int, closed: int, build_failures: int, close_failures: int
    ) -> None:
        """The handlers of a new snapshot took over from those of the old one."""
        self._set("mixer_handler_new_handlers_total", new)
        self._set("mixer_handler_reused_handlers_total", reused)
        self._set("mixer_handler_closed_handlers_total", closed)
        self._set("mixer_handler_handler_build_failures_total", build_failures)
        self._set("mixer_handler_handler_close_failures_total", close_failures)

    def report_dropped(self, count: int, reason: str) -> None:
        """So many report entries were not processed. `reason`: a constant word of the caller."""
        self._dropped.of(reason).add(count)

    def rpc_completed(self, *, method: str, code: str, seconds: float) -> None:
        """One call over gRPC ended. `method`: its path; `code`: the status's name."""
        name = method.removeprefix("/")
        self._rpcs.of(name, code).add()
        self._rpc_latency.of(name).observe(seconds * 1_000)

    def connection_ended(self, *, cause: str) -> None:
        """A connection of our own transport ended. `cause`: a constant word of the transport."""
        self._connections_ended.of(cause).add()

    def calls_refused(self, *, cause: str, count: int) -> None:
        """Calls that our own transport ended for their peer's fault."""
        self._calls_refused.of(cause).add(count)

    def forwarded_attributes(self, *, result: str) -> None:
        """A request had the header `x-istio-attributes`. `result`: a constant word."""
        self._forwarded.of(result).add()

    def watch_shared_cache(self, counts: SharedCounts) -> None:
        """Show from now on what this process does with the shared cache."""
        self._shared_caches.append(counts)

    def watch_cache(self, cached: CachedMixer) -> None:
        """Show from now on what this memory of verdicts does."""
        self._caches.append(cached)

    def _set(self, name: str, value: int) -> None:
        self._gauges[name] = ("", {"": value})

    def collect(self) -> Iterator[Metric]:
        """All of it as Prometheus's data model, for the registry."""
        dispatch_labels = ("meshFunction", "handler", "adapter", "error")
        yield _counters(
            "mixer_runtime_dispatches_total",
            "Handler calls",
            dispatch_labels,
            ((labels, each.count) for labels, each in self._dispatches),
        )
        yield _distributions(
            "mixer_runtime_dispatch_duration_seconds",
            "Seconds per handler call",
            dispatch_labels,
            self._dispatches,
        )
        for name, distribution in (
            ("destinations", self._destinations),
            ("instances", self._instances),
        ):
            full = f"mixer_dispatcher_{name}_per_request"
            yield _distributions(full, f"Matched {name} per request", (), [((), distribution)])
        yield _counters(
            "grpc_io_server_completed_rpcs",
            "Calls that ended",
            ("grpc_server_method", "grpc_server_status"),
            ((labels, each.value) for labels, each in self._rpcs),
        )
        yield _distributions(
            "grpc_io_server_server_latency",
            "Milliseconds per call",
            ("grpc_server_method",),
            self._rpc_latency,
        )
        yield _counters(
            "remixer_report_dropped_total",
            "Report entries that were not processed",
            ("reason",),
            ((labels, each.value) for labels, each in self._dropped),
        )
        yield _counters(
            "remixer_failures_covered_total",
            "Failed handler calls for which something stood in, by what",
            ("handler", "step"),
            ((labels, each.value) for labels, each in self._covered),
        )
        yield _counters(
            "remixer_grpc_connections_ended_total",
            "Connections that ended, by why",
            ("cause",),
            ((labels, each.value) for labels, each in self._connections_ended),
        )
        yield _counters(
            "remixer_grpc_calls_refused_total",
            "Calls that the transport ended for their client's fault, by cause",
            ("cause",),
            ((labels, each.value) for labels, each in self._calls_refused),
        )
        yield _counters(
            "remixer_forwarded_attributes_total",
            "Headers x-istio-attributes, by what became of them",
            ("result",),
            ((labels, each.value) for labels, each in self._forwarded),
        )
        for cached in self._caches:
            yield from cache_metrics(cached)
        for counts in self._shared_caches:
            yield from shared_cache_metrics(counts)
        for name, (label, values) in self._gauges.items():
            yield _gauge(name, label, values)


class _RuntimeCollector(Collector):
    """The registry's view of the metrics."""

    def __init__(self, metrics: RuntimeMetrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        yield from self._metrics.collect()
        build = Metric("remixer_build_info", "Versions of this process", "gauge")
        versions = {"version": __version__, "python": platform.python_version()}
        build.add_sample(build.name, versions, 1)
        yield build


def _registry(collector: Collector) -> CollectorRegistry:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(collector)
    ProcessCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


def _counters(
    name: str,
    help_text: str,
    labels: tuple[str, ...],
    series: Iterable[tuple[tuple[str, ...], int]],
) -> Metric:
    # A counter's sample gets `_total` from the library; where Mixer's name has none, the
    # metric goes out as untyped, so that existing dashboards find it.
    is_counter = name.endswith("_total")
    plain = name.removesuffix("_total")
    metric = Metric(
        plain if is_counter else name, help_text, "counter" if is_counter else "unknown"
    )
    for values, count in series:
        metric.add_sample(name, _labelled(labels, values), count)
    return metric


def _distributions(
    name: str,
    help_text: str,
    labels: tuple[str, ...],
    series: Iterable[tuple[tuple[str, ...], Distribution]],
) -> Metric:
    metric = Metric(name, help_text, "histogram")
    for values, distribution in series:
        named = _labelled(labels, values)
        buckets = distribution.cumulative()
        for bound, count in buckets:
            metric.add_sample(f"{name}_bucket", {**named, "le": bound}, count)
        metric.add_sample(f"{name}_count", named, buckets[-1][1])
        metric.add_sample(f"{name}_sum", named, distribution.total)
    return metric


def _gauge(name: str, label: str, values: Mapping[str, int]) -> Metric:
    metric = Metric(name, "As of the last configuration", "gauge")
    for value, amount in values.items():
        metric.add_sample(name, _labelled((label,), (value,)) if label else {}, amount)
    return metric


def _labelled(labels: tuple[str, ...], values: tuple[str, ...]) -> dict[str, str]:
    """Values that UTF-8 cannot carry are replaced: one odd name must not end all scrapes."""
    shown = (value.encode("utf-8", "replace").decode() for value in values)
    return dict(zip(labels, shown, strict=True))
