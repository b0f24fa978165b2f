"""What the memory of verdicts did, and what it holds."""

import heapq
from collections.abc import Iterator
from typing import Final

from prometheus_client.metrics_core import Metric

from remixer.tiers.cached import CachedMixer
from remixer.tiers.places import Place
from remixer.tiers.shape_text import shape_text

MOST_PLACES: Final = 100
"""Told of; arbitrary, and small beside what a scrape holds otherwise."""
MOST_SHAPES: Final = 20
_LONGEST_LABEL: Final = 200


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
    yield _counter(
        "remixer_cache_uses_spent",
        "Uses spent of verdicts that may be used so many times",
        cached.answers.uses_spent,
    )
    yield from _by_place(cached)
    yield _gauge("remixer_cache_entries", "Verdicts remembered", len(table))
    yield _gauge("remixer_cache_bytes", "Memory of keys and entries, estimated", table.bytes)
    yield _gauge(
        "remixer_cache_shapes", "Sets of attributes that verdicts depend on", cached.answers.shapes
    )


def _by_place(cached: CachedMixer) -> Iterator[Metric]:
    """Hits and keys by namespace, and keys of the shapes that have most: bounded in number."""
    hits = Metric("remixer_cache_place_hits", "Hits, by whose rules decide", "counter")
    learned = Metric("remixer_cache_place_learned", "Verdicts remembered, likewise", "counter")
    keys = Metric(
        "remixer_cache_shape_keys", "Different keys of sets of attributes, estimated", "gauge"
    )
    places = heapq.nlargest(MOST_PLACES, cached.answers.places(), key=_learned)
    for place in places:
        labels = {"namespace": str(place.name)}
        place_hits = sum(shape.counts.hits for shape in place.shapes)
        hits.add_sample("remixer_cache_place_hits_total", labels, place_hits)
        learned.add_sample("remixer_cache_place_learned_total", labels, _learned(place))
    shapes = ((place, shape) for place in places for shape in place.shapes)
    for place, shape in heapq.nlargest(
        MOST_SHAPES, shapes, key=lambda each: each[1].counts.learned
    ):
        labels = {
            "namespace": str(place.name),
            "attributes": shape_text(shape)[:_LONGEST_LABEL],
            "shape": str(shape.serial),
        }
        keys.add_sample("remixer_cache_shape_keys", labels, shape.counts.keys)
    yield from (hits, learned, keys)


def _learned(place: Place) -> int:
    return sum(shape.counts.learned for shape in place.shapes)


def _counter(name: str, about: str, value: int) -> Metric:
    metric = Metric(name, about, "counter")
    metric.add_sample(f"{name}_total", {}, value)
    return metric


def _gauge(name: str, about: str, value: int) -> Metric:
    metric = Metric(name, about, "gauge")
    metric.add_sample(name, {}, value)
    return metric
