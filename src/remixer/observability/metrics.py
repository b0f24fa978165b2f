"""Remixer's metrics about itself, under the names that Mixer 1.3 had.

`RuntimeMetrics` is told what happens, by plain method calls that satisfy the ports of lower
rooms; `render` gives Prometheus's text format. Names without a model in Mixer begin with
`remixer_`. Times of calls are in milliseconds where Mixer had them so.
Source: Mixer 1.3 self-monitoring names; bucket bounds of `grpc_io_*` are OpenCensus's defaults.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from prometheus_client.metrics_core import Metric

from remixer.observability.families import counters, distributions, labelled
from remixer.observability.series import Counter, Distribution, Family
from remixer.observability.serving_metrics import ServingMetrics
from remixer.observability.shared_cache_metrics import shared_cache_metrics
from remixer.runtime.metrics import ConfigCounts
from remixer.tiers.shared.counts import SharedCounts

_SECONDS_BOUNDS: Final = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025),
    *(0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
_COUNT_BOUNDS: Final = (0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 10.0, 15.0, 20.0)
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


class RuntimeMetrics(ServingMetrics):
    """Everything the process counts. Call only on the event loop's thread."""

    def __init__(self) -> None:
        super().__init__()
        self._dispatches = Family(lambda: Distribution(_SECONDS_BOUNDS), width=4)
        self._destinations = Distribution(_COUNT_BOUNDS)
        self._instances = Distribution(_COUNT_BOUNDS)
        self._dropped = Family(Counter, width=1)
        self._covered = Family(Counter, width=2)
        self._shared_caches: list[SharedCounts] = []
        self._gauges: dict[str, tuple[str, Mapping[str, int]]] = {}
        self.config_loaded(ConfigCounts())
        self.handlers_changed(new=0, reused=0, closed=0, build_failures=0, close_failures=0)

    def dispatched(
        self, *, template: str, handler: str, adapter: str, error: bool, seconds: float
    ) -> None:
        """One call of a handler ended."""
        outcome = "true" if error else "false"
        self._dispatches.of(template, handler, adapter, outcome).observe(seconds)

    def successes_of(self, *, template: str, handler: str, adapter: str) -> Callable[[float], None]:
        """As `dispatched`, with the series looked up once, at the first call."""
        series: Distribution | None = None

        def observe(seconds: float) -> None:
            nonlocal series
            if series is None:
                series = self._dispatches.of(template, handler, adapter, "false")
            series.observe(seconds)

        return observe

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

    def watch_shared_cache(self, counts: SharedCounts) -> None:
        """Show from now on what this process does with the shared cache."""
        self._shared_caches.append(counts)

    def _set(self, name: str, value: int) -> None:
        self._gauges[name] = ("", {"": value})

    def collect(self) -> Iterator[Metric]:
        yield from super().collect()
        dispatch_labels = ("meshFunction", "handler", "adapter", "error")
        yield counters(
            "mixer_runtime_dispatches_total",
            "Handler calls",
            dispatch_labels,
            ((labels, each.count) for labels, each in self._dispatches),
        )
        yield distributions(
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
            yield distributions(full, f"Matched {name} per request", (), [((), distribution)])
        yield counters(
            "remixer_report_dropped_total",
            "Report entries that were not processed",
            ("reason",),
            ((labels, each.value) for labels, each in self._dropped),
        )
        yield counters(
            "remixer_failures_covered_total",
            "Failed handler calls for which something stood in, by what",
            ("handler", "step"),
            ((labels, each.value) for labels, each in self._covered),
        )
        for counts in self._shared_caches:
            yield from shared_cache_metrics(counts)
        for name, (label, values) in self._gauges.items():
            yield _gauge(name, label, values)


def _gauge(name: str, label: str, values: Mapping[str, int]) -> Metric:
    metric = Metric(name, "As of the last configuration", "gauge")
    for value, amount in values.items():
        metric.add_sample(name, labelled((label,), (value,)) if label else {}, amount)
    return metric
