"""`prometheus`: metrics for Prometheus to scrape.

`shapes` says what a metric looks like, `families` hold its series, `store` is the one registry
of the process, shared by all handlers so that counters outlive a handler that is built anew;
`recorder` turns instances into updates, `handler` puts them together.
"""

from remixer.adapters.prometheus.handler import INFO, PrometheusHandler
from remixer.adapters.prometheus.params import (
    Kind,
    MetricInfo,
    MetricsExpirationPolicy,
    Params,
)
from remixer.sdk.buckets import (
    BucketsDefinition,
    ExplicitBuckets,
    ExponentialBuckets,
    LinearBuckets,
)

__all__ = [
    "INFO",
    "BucketsDefinition",
    "ExplicitBuckets",
    "ExponentialBuckets",
    "Kind",
    "LinearBuckets",
    "MetricInfo",
    "MetricsExpirationPolicy",
    "Params",
    "PrometheusHandler",
]
