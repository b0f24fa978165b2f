"""What this process did with the cache that instances share."""

from collections.abc import Iterator, Mapping

from prometheus_client.metrics_core import Metric

from remixer.tiers.shared.counts import SharedCounts
from remixer.tiers.shared.seal import Refusal


def shared_cache_metrics(counts: SharedCounts) -> Iterator[Metric]:
    """Read at each scrape; the tier itself only counts."""
    yield _counters(
        "remixer_shared_cache_checks",
        "Checks, by what the shared cache did",
        "result",
        {
            "hit": counts.hits,
            "miss": counts.misses,
            "bypassed": counts.bypassed,
            "late": counts.late,
            "failed": counts.failed,
            "crowded": counts.crowded,
        },
    )
    yield _counters(
        "remixer_shared_cache_writes",
        "Verdicts for the shared cache, by what became of them",
        "result",
        {
            "written": counts.written,
            "full": counts.write_dropped_full,
            "resting": counts.write_dropped_resting,
            "failed": counts.write_dropped_failed,
            "too_large": counts.too_large,
            "shape_refused": counts.shapes_refused,
        },
    )
    yield _counters(
        "remixer_shared_cache_refused",
        "Values that were found and of no use, by cause",
        "cause",
        {each.value: counts.refused[each] for each in Refusal},
    )
    yield _counters(
        "remixer_shared_cache_events",
        "Servers left alone after failures, and verdicts renewed ahead of their end",
        "event",
        {"rest": counts.rests, "renewal": counts.renewals},
    )


def _counters(name: str, about: str, label: str, values: Mapping[str, int]) -> Metric:
    metric = Metric(name, about, "counter")
    for value, count in values.items():
        metric.add_sample(f"{name}_total", {label: value}, count)
    return metric
