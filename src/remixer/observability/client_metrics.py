"""What a sidecar counts besides what every server does: its own calls of Mixers."""

from collections.abc import Callable, Iterator, Mapping

from prometheus_client.metrics_core import Metric

from remixer.observability.serving_metrics import ServingMetrics
from remixer.transport.remote_metrics import ChannelMetrics

_PREFIX = "total_"


class ClientMetrics(ServingMetrics):
    """Counters of Mixer's client, as `remixer_client_…_total`."""

    def __init__(self) -> None:
        super().__init__()
        self.channels = ChannelMetrics()
        self._statistics: list[Callable[[], Mapping[str, int]]] = []

    def watch_client(self, statistics: Callable[[], Mapping[str, int]]) -> None:
        """Show from now on what this client counts; names begin with `total_`."""
        self._statistics.append(statistics)

    def render(self) -> bytes:
        return super().render() + self.channels.render()

    def collect(self) -> Iterator[Metric]:
        yield from super().collect()
        for statistics in self._statistics:
            for name, number in statistics().items():
                plain = f"remixer_client_{name.removeprefix(_PREFIX)}"
                metric = Metric(plain, "As Mixer's client counts it", "counter")
                metric.add_sample(f"{plain}_total", {}, number)
                yield metric
