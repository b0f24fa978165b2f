"""Metrics under the names that Mixer's dashboards know."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from remixer.observability.metrics import RuntimeMetrics
from remixer.runtime.metrics import ConfigCounts

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def samples(metrics: RuntimeMetrics) -> Samples:
    """Values by name and sorted labels, read back by Prometheus's own parser."""
    found: Samples = {}
    for family in text_string_to_metric_families(metrics.render().decode()):
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in found
            found[key] = sample.value
    return found


def value(metrics: RuntimeMetrics, name: str, **labels: str) -> float:
    return samples(metrics)[name, tuple(sorted(labels.items()))]


def test_dispatch_is_counted_and_timed() -> None:
    metrics = RuntimeMetrics()
    for seconds in (0.0001, 0.3):
        metrics.dispatched(
            template="metric", handler="h.shop", adapter="prometheus", error=False, seconds=seconds
        )
    labels = {
        "meshFunction": "metric",
        "handler": "h.shop",
        "adapter": "prometheus",
        "error": "false",
    }
    name = "mixer_runtime_dispatch_duration_seconds"
    assert value(metrics, "mixer_runtime_dispatches_total", **labels) == 2
    assert value(metrics, f"{name}_count", **labels) == 2
    assert value(metrics, f"{name}_sum", **labels) == pytest.approx(0.3001)
    assert value(metrics, f"{name}_bucket", le="0.0001", **labels) == 1
    assert value(metrics, f"{name}_bucket", le="0.25", **labels) == 1
    assert value(metrics, f"{name}_bucket", le="0.5", **labels) == 2


def test_failed_dispatch_is_a_series_of_its_own() -> None:
    metrics = RuntimeMetrics()
    metrics.dispatched(template="t", handler="h", adapter="a", error=True, seconds=0.1)
    name = "mixer_runtime_dispatches_total"
    assert value(metrics, name, meshFunction="t", handler="h", adapter="a", error="true") == 1


def test_destinations_and_instances_of_a_request_are_distributions() -> None:
    metrics = RuntimeMetrics()
    metrics.destinations(2, 9)
    metrics.destinations(0, 0)
    destinations = "mixer_dispatcher_destinations_per_request"
    instances = "mixer_dispatcher_instances_per_request"
    assert value(metrics, f"{destinations}_bucket", le="0.0") == 1
    assert value(metrics, f"{destinations}_bucket", le="2.0") == 2
    assert value(metrics, f"{instances}_bucket", le="8.0") == 1
    assert value(metrics, f"{instances}_bucket", le="10.0") == 2
    assert value(metrics, f"{instances}_sum") == 9


def test_counts_of_the_last_configuration_replace_earlier_ones() -> None:
    metrics = RuntimeMetrics()
    metrics.config_loaded(
        ConfigCounts(
            attributes=90,
            resources_by_class={"rule": 7, "handler": 1},
            errors_by_class={"rule_match": 2},
        )
    )
    metrics.config_loaded(
        ConfigCounts(
            attributes=60,
            resources_by_kind={"rule": 3, "denier": 2},
            resources_by_class={"rule": 3},
            problems_by_kind={"rule": 1, "odd": 4},
            errors_by_class={"rule": 1},
        )
    )
    assert value(metrics, "mixer_config_attributes_total") == 60
    assert value(metrics, "mixer_config_rule_configs_total") == 3
    assert value(metrics, "mixer_config_handler_configs_total") == 0
    assert value(metrics, "mixer_config_rule_config_errors_total") == 1
    assert value(metrics, "mixer_config_rule_config_match_error_total") == 0
    assert value(metrics, "remixer_config_resources", kind="denier") == 2
    assert value(metrics, "remixer_config_problems", kind="odd") == 4


@pytest.mark.parametrize(
    "name",
    [
        *(
            f"mixer_config_{kind}_configs_total"
            for kind in ("handler", "instance", "rule", "adapter_info", "template")
        ),
        *(
            f"mixer_config_{kind}_config_errors_total"
            for kind in ("instance", "rule", "adapter_info", "template")
        ),
        "mixer_config_rule_config_match_error_total",
        "mixer_config_unsatisfied_action_handler_total",
        "mixer_config_handler_validation_error_total",
        *(f"mixer_handler_{kind}_handlers_total" for kind in ("new", "reused", "closed")),
        "mixer_handler_handler_build_failures_total",
        "mixer_handler_handler_close_failures_total",
    ],
)
def test_gauges_are_there_before_the_first_configuration(name: str) -> None:
    assert value(RuntimeMetrics(), name) == 0


def test_change_of_handlers_is_shown() -> None:
    metrics = RuntimeMetrics()
    metrics.handlers_changed(new=1, reused=2, closed=3, build_failures=4, close_failures=5)
    assert value(metrics, "mixer_handler_new_handlers_total") == 1
    assert value(metrics, "mixer_handler_reused_handlers_total") == 2
    assert value(metrics, "mixer_handler_closed_handlers_total") == 3
    assert value(metrics, "mixer_handler_handler_build_failures_total") == 4
    assert value(metrics, "mixer_handler_handler_close_failures_total") == 5


def test_destinations_are_shown_by_variety() -> None:
    metrics = RuntimeMetrics()
    metrics.config_loaded(ConfigCounts(destinations_by_variety={"CHECK": 4, "REPORT": 2}))
    name = "mixer_dispatcher_destinations_per_variety_total"
    assert value(metrics, name, variety="REPORT") == 2


def test_rpc_has_opencensus_names_and_milliseconds() -> None:
    metrics = RuntimeMetrics()
    metrics.call_recorder("/istio.mixer.v1.Mixer/Check")("OK", 0.004)
    method = "istio.mixer.v1.Mixer/Check"
    counter = "grpc_io_server_completed_rpcs"
    latency = "grpc_io_server_server_latency"
    labels = {"grpc_server_method": method, "grpc_server_status": "OK"}
    assert value(metrics, counter, **labels) == 1
    assert value(metrics, f"{latency}_sum", grpc_server_method=method) == 4
    assert value(metrics, f"{latency}_bucket", grpc_server_method=method, le="4.0") == 1
    assert value(metrics, f"{latency}_bucket", grpc_server_method=method, le="3.0") == 0


def test_rpc_is_counted_by_status_and_timed_by_method() -> None:
    metrics = RuntimeMetrics()
    record = metrics.call_recorder("/s/m")
    for code in ("OK", "NOT_FOUND", "OK"):
        record(code, 0.004)
    counter = "grpc_io_server_completed_rpcs"
    method = {"grpc_server_method": "s/m"}
    assert value(metrics, counter, **method, grpc_server_status="OK") == 2
    assert value(metrics, counter, **method, grpc_server_status="NOT_FOUND") == 1
    assert value(metrics, "grpc_io_server_server_latency_count", **method) == 3


def test_method_that_nobody_called_is_not_shown() -> None:
    metrics = RuntimeMetrics()
    metrics.call_recorder("/s/m")
    names = {name for name, _labels in samples(metrics)}
    assert not {name for name in names if name.startswith("grpc_io_")}


def test_dropped_reports_are_counted_by_reason() -> None:
    metrics = RuntimeMetrics()
    metrics.report_dropped(3, "queue full")
    metrics.report_dropped(2, "queue full")
    assert value(metrics, "remixer_report_dropped_total", reason="queue full") == 5


@pytest.mark.parametrize("name", ['quote"', "back\\slash", "new\nline", "é", ""])
def test_any_name_survives_the_exposition(name: str) -> None:
    metrics = RuntimeMetrics()
    metrics.report_dropped(1, name)
    assert value(metrics, "remixer_report_dropped_total", reason=name) == 1


def test_name_that_is_no_unicode_does_not_end_the_scrape() -> None:
    metrics = RuntimeMetrics()
    metrics.report_dropped(1, "\ud800")
    assert value(metrics, "remixer_report_dropped_total", reason="?") == 1


def test_process_and_build_are_shown() -> None:
    names = {name for name, _labels in samples(RuntimeMetrics())}
    assert {"remixer_build_info", "process_resident_memory_bytes"} <= names
    assert "process_cpu_seconds_total" in names
    assert "python_gc_collections_total" in names


def test_two_metrics_share_nothing() -> None:
    first, second = RuntimeMetrics(), RuntimeMetrics()
    first.report_dropped(1, "x")
    assert ("remixer_report_dropped_total", (("reason", "x"),)) not in samples(second)


def test_what_stood_in_for_failures_is_counted_by_handler_and_step() -> None:
    metrics = RuntimeMetrics()
    for _ in range(2):
        metrics.failure_covered(handler="h.handler.shop", step="stale")
    name = "remixer_failures_covered_total"
    assert value(metrics, name, handler="h.handler.shop", step="stale") == 2


def test_refused_calls_are_counted_by_cause() -> None:
    metrics = RuntimeMetrics()
    metrics.calls_refused(cause="malformed", count=2)
    metrics.calls_refused(cause="malformed", count=3)
    assert value(metrics, "remixer_grpc_calls_refused_total", cause="malformed") == 5


def test_ended_connections_are_counted_by_cause() -> None:
    metrics = RuntimeMetrics()
    for cause in ("rapid_reset", "closed_by_peer", "rapid_reset"):
        metrics.connection_ended(cause=cause)
    name = "remixer_grpc_connections_ended_total"
    assert value(metrics, name, cause="rapid_reset") == 2
    assert value(metrics, name, cause="closed_by_peer") == 1
