"""Families of metrics out of what is counted, as Prometheus's data model."""

from collections.abc import Iterable

from prometheus_client.metrics_core import Metric

from remixer.observability.series import Distribution


def counters(
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
        metric.add_sample(name, labelled(labels, values), count)
    return metric


def distributions(
    name: str,
    help_text: str,
    labels: tuple[str, ...],
    series: Iterable[tuple[tuple[str, ...], Distribution]],
) -> Metric:
    metric = Metric(name, help_text, "histogram")
    for values, distribution in series:
        named = labelled(labels, values)
        buckets = distribution.cumulative()
        for bound, count in buckets:
            metric.add_sample(f"{name}_bucket", {**named, "le": bound}, count)
        metric.add_sample(f"{name}_count", named, buckets[-1][1])
        metric.add_sample(f"{name}_sum", named, distribution.total)
    return metric


def labelled(labels: tuple[str, ...], values: tuple[str, ...]) -> dict[str, str]:
    """Values that UTF-8 cannot carry are replaced: one odd name must not end all scrapes."""
    shown = (value.encode("utf-8", "replace").decode() for value in values)
    return dict(zip(labels, shown, strict=True))
