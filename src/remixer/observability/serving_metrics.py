"""What every serving process counts: calls, connections and the memory of verdicts.

Plain method calls that satisfy the ports of lower rooms; `render` gives Prometheus's text format.
Source: Mixer 1.3 self-monitoring names; bucket bounds of `grpc_io_*` are OpenCensus's defaults.
"""

import platform
from collections.abc import Iterable, Iterator
from typing import Final

from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from remixer import __version__
from remixer.observability.cache_metrics import cache_metrics
from remixer.observability.families import counters, distributions
from remixer.observability.http_metrics import HttpMetrics
from remixer.observability.series import Counter, Distribution, Family
from remixer.tiers.cached import CachedMixer
from remixer.transport.observed import CallRecorder

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

_MILLISECONDS_BOUNDS: Final = (
    *(0.01, 0.05, 0.1, 0.3, 0.6, 0.8, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 13.0),
    *(16.0, 20.0, 25.0, 30.0, 40.0, 50.0, 65.0, 80.0, 100.0, 130.0, 160.0, 200.0, 250.0),
    *(300.0, 400.0, 500.0, 650.0, 800.0, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5),
)


class ServingMetrics:
    """Call only on the event loop's thread."""

    def __init__(self) -> None:
        self._rpcs = Family(Counter, width=2)
        self._rpc_latency = Family(lambda: Distribution(_MILLISECONDS_BOUNDS), width=1)
        self._connections_ended = Family(Counter, width=1)
        self._calls_refused = Family(Counter, width=1)
        self._forwarded = Family(Counter, width=1)
        self.http = HttpMetrics()
        self._caches: list[CachedMixer] = []
        self._registry = _registry(_OwnCollector(self))

    def render(self) -> bytes:
        """All metrics in Prometheus's text format, `CONTENT_TYPE`."""
        return generate_latest(self._registry)

    def call_recorder(self, method: str) -> CallRecorder:
        """What to tell of each call of one method that ended. `method`: its path.

        Its series begin with the first call, in order of first use, as the limit of series wants.
        """
        name = method.removeprefix("/")
        by_code: dict[str, tuple[Counter, Distribution]] = {}

        def record(code: str, seconds: float) -> None:
            series = by_code.get(code)
            if series is None:
                series = by_code[code] = self._rpcs.of(name, code), self._rpc_latency.of(name)
            counter, latency = series
            counter.value += 1
            latency.observe(seconds * 1_000)

        return record

    def connection_ended(self, *, cause: str) -> None:
        """A connection of our own transport ended. `cause`: a constant word of the transport."""
        self._connections_ended.of(cause).add()

    def calls_refused(self, *, cause: str, count: int) -> None:
        """Calls that our own transport ended for their peer's fault."""
        self._calls_refused.of(cause).add(count)

    def forwarded_attributes(self, *, result: str) -> None:
        """A request had the header `x-istio-attributes`. `result`: a constant word."""
        self._forwarded.of(result).add()

    def watch_cache(self, cached: CachedMixer) -> None:
        """Show from now on what this memory of verdicts does."""
        self._caches.append(cached)

    def collect(self) -> Iterator[Metric]:
        """All of it as Prometheus's data model, for the registry."""
        yield counters(
            "grpc_io_server_completed_rpcs",
            "Calls that ended",
            ("grpc_server_method", "grpc_server_status"),
            ((labels, each.value) for labels, each in self._rpcs),
        )
        yield distributions(
            "grpc_io_server_server_latency",
            "Milliseconds per call",
            ("grpc_server_method",),
            self._rpc_latency,
        )
        yield counters(
            "remixer_grpc_connections_ended_total",
            "Connections that ended, by why",
            ("cause",),
            ((labels, each.value) for labels, each in self._connections_ended),
        )
        yield counters(
            "remixer_grpc_calls_refused_total",
            "Calls that the transport ended for their client's fault, by cause",
            ("cause",),
            ((labels, each.value) for labels, each in self._calls_refused),
        )
        yield counters(
            "remixer_forwarded_attributes_total",
            "Headers x-istio-attributes, by what became of them",
            ("result",),
            ((labels, each.value) for labels, each in self._forwarded),
        )
        yield from self.http.collect()
        for cached in self._caches:
            yield from cache_metrics(cached)


class _OwnCollector(Collector):
    """The registry's view of the metrics."""

    def __init__(self, metrics: ServingMetrics) -> None:
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
