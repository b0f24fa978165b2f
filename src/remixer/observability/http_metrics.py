"""What servers of HTTP/1.1 count, each under its name."""

from collections.abc import Iterator
from typing import Final

from prometheus_client.metrics_core import Metric

from remixer.observability.families import counters, distributions
from remixer.observability.series import Counter, Distribution, Family

_SECONDS_BOUNDS: Final = (
    *(0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025),
    *(0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)


class HttpMetrics:
    """Call only on the event loop's thread. Implements `remixer.transport.http1.port.HttpObserver`."""

    def __init__(self) -> None:
        self._answers = Family(Counter, width=2)
        self._latency = Family(lambda: Distribution(_SECONDS_BOUNDS), width=1)
        self._ended = Family(Counter, width=2)

    def http_answered(self, *, server: str, status: int, seconds: float) -> None:
        self._answers.of(server, str(status)).add()
        self._latency.of(server).observe(seconds)

    def http_connection_ended(self, *, server: str, cause: str) -> None:
        self._ended.of(server, cause).add()

    def collect(self) -> Iterator[Metric]:
        """All of it as Prometheus's data model."""
        yield counters(
            "remixer_http_answers_total",
            "Requests over HTTP/1.1 that were answered",
            ("server", "status"),
            ((labels, each.value) for labels, each in self._answers),
        )
        yield distributions(
            "remixer_http_answer_duration_seconds",
            "Seconds per request over HTTP/1.1",
            ("server",),
            self._latency,
        )
        yield counters(
            "remixer_http_connections_ended_total",
            "Connections over HTTP/1.1 that ended, by why",
            ("server", "cause"),
            ((labels, each.value) for labels, each in self._ended),
        )
