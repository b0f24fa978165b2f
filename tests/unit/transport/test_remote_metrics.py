"""What an operator sees of back ends on the scrape page."""

from dataclasses import replace

from prometheus_client.parser import text_string_to_metric_families

from remixer.foundation.breaker import BreakerState
from remixer.transport.remote_metrics import ChannelCounts, ChannelMetrics, ChannelStatus

WELL = ChannelStatus("a:1", BreakerState.CLOSED, ("x", "y"), 1, 3, ChannelCounts(10, 4, 2, 1))


def samples(metrics: ChannelMetrics) -> dict[str, float]:
    return {
        " ".join(
            (sample.name.removeprefix("remixer_back_end_"), *sample.labels.values())
        ): sample.value
        for family in text_string_to_metric_families(metrics.render().decode())
        for sample in family.samples
    }


def test_handlers_that_share_a_back_end_are_added_up() -> None:
    metrics = ChannelMetrics()
    metrics.add(lambda: WELL)
    metrics.add(lambda: replace(WELL, breaker=BreakerState.HALF_OPEN))
    metrics.add(lambda: replace(WELL, back_end="b:1"))
    found = samples(metrics)
    assert {name: value for name, value in found.items() if "a:1" in name} == {
        "breaker_open a:1": 1,
        "addresses a:1": 4,
        "addresses_connected a:1": 2,
        "calls_under_way a:1": 6,
        "calls_total a:1 succeeded": 20,
        "calls_total a:1 failed": 8,
        "calls_total a:1 refused": 4,
        "retries_total a:1": 2,
    }
    assert found["calls_total b:1 succeeded"] == 10


def test_counts_outlive_their_channels_and_states_do_not() -> None:
    metrics = ChannelMetrics()
    take_away = metrics.add(lambda: WELL)
    take_away()
    take_away()
    metrics.add(lambda: WELL)()
    assert samples(metrics) == {
        "calls_total a:1 succeeded": 20,
        "calls_total a:1 failed": 8,
        "calls_total a:1 refused": 4,
        "retries_total a:1": 2,
    }


def test_counts_of_a_thousand_closed_back_ends_are_kept() -> None:
    metrics = ChannelMetrics()
    for number in range(1_001):
        metrics.add(lambda name=f"{number}:1": replace(WELL, back_end=name))()
    found = samples(metrics)
    assert "retries_total 0:1" not in found
    assert {"retries_total 1:1", "retries_total 1000:1"} <= set(found)


def test_any_path_makes_a_legal_label() -> None:
    metrics = ChannelMetrics()
    metrics.add(lambda: replace(WELL, back_end='unix:/a"\\\nb'))
    assert samples(metrics)['breaker_open unix:/a"\\\nb'] == 0
