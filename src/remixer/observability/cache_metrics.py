"""What the memory of verdicts did, and what it holds."""

from collections.abc import Iterator

from prometheus_client.metrics_core import Metric

from remixer.tiers.cached import CachedMixer


def cache_metrics(cached: CachedMixer) -> Iterator[Metric]:
    """Read at each scrape; the tier itself only counts."""
    counts, table = cached.counts, cached.answers.table
    checks = Metric("remixer_cache_checks", "Checks, by what the memory did", "counter")
    results = {
        "hit": counts.hits,
        "miss": counts.misses,
        "stale": counts.stale,
        "joined": counts.joined,
        "bypassed": counts.bypassed,
    }
    for result, value in results.items():
        checks.add_sample("remixer_cache_checks_total", {"result": result}, value)
    yield checks
    yield _counter("remixer_cache_renewals", "Verdicts renewed ahead of their end", counts.renewals)
    yield _counter(
        "remixer_cache_evictions", "Verdicts that gave way to others", table.counts.evicted
    )
    yield _counter(
        "remixer_cache_shapes_replaced",
        "Sets of attributes that gave way to others of their place",
        cached.answers.shapes_replaced,
    )
    yield _gauge("remixer_cache_entries", "Verdicts remembered", len(table))
    yield _gauge("remixer_cache_bytes", "Memory of keys and entries, estimated", table.bytes)
    yield _gauge(
        "remixer_cache_shapes", "Sets of attributes that verdicts depend on", cached.answers.shapes
    )


def _counter(name: str, about: str, value: int) -> Metric:
    metric = Metric(name, about, "counter")
    metric.add_sample(f"{name}_total", {}, value)
    return metric


def _gauge(name: str, about: str, value: int) -> Metric:
    metric = Metric(name, about, "gauge")
    metric.add_sample(name, {}, value)
    return metric
