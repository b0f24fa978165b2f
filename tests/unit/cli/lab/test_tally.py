"""Availability of a back end that is down so often, from a run with more outages than that."""

import pytest

from remixer.cli.lab.outages import Outage, Schedule
from remixer.cli.lab.tally import Sample, steady_weight, tally, weighted_quantile

# A tenth down; ten requests a second.
TIMING = Schedule((Outage(10.0, 14.0, is_silent=False), Outage(34.0, 40.0, is_silent=False)), 100.0)
MOMENTS = [number / 10 for number in range(1_000)]


def is_down(at_s: float) -> bool:
    return any(each.begins_s <= at_s < each.ends_s for each in TIMING.outages)


def samples(*, covered: float = 0.0, latency_s: float = 0.01) -> list[Sample]:
    """Failures in every outage but for its first part, `covered`."""
    found = []
    for at_s in MOMENTS:
        outage = next((o for o in TIMING.outages if o.begins_s <= at_s < o.ends_s), None)
        fails = outage is not None and at_s - outage.begins_s >= covered * outage.length_s
        found.append(Sample(at_s, latency_s, 503 if fails else 200, 200))
    return found


@pytest.mark.parametrize("share", [0.05, 0.01, 0.001])
def test_without_a_cache_what_is_down_is_not_available(share: float) -> None:
    row = tally(samples(), TIMING, cache="off", down_share=share, baseline_s=0.0)

    assert row.availability == pytest.approx(1 - share, rel=1e-3)
    assert (row.sent, row.failed, row.failed_while_down) == (1_000, 100, 1.0)


def test_nines_count_what_is_left() -> None:
    off = tally(samples(), TIMING, cache="off", down_share=0.001, baseline_s=0.0)
    half = tally(samples(covered=0.9), TIMING, cache="on", down_share=0.001, baseline_s=0.0)

    assert off.nines == pytest.approx(3.0, abs=0.01)
    assert half.nines == pytest.approx(4.0, abs=0.15), "nine tenths are covered"
    assert not off.is_at_least


def test_without_failures_the_nines_are_what_so_many_requests_can_tell() -> None:
    row = tally(samples(covered=1.0), TIMING, cache="on", down_share=0.1, baseline_s=0.0)

    assert row.is_at_least
    assert row.availability == 1.0
    assert row.nines == pytest.approx(2.52, abs=0.01), "none of 1,000 failed: rule of three"


def test_a_wrong_answer_is_none() -> None:
    row = tally(
        [Sample(1.0, 0.01, 200, 403), Sample(2.0, 0.01, 403, 403)],
        TIMING,
        cache="on",
        down_share=0.1,
        baseline_s=0.0,
    )
    assert (row.right, row.failed, row.wrong) == (1, 1, 1)


def test_steady_requests_stand_for_the_time_that_was_not_lived() -> None:
    # 10 s down are 1 % of 1,000 s; 900 of these are not lived, and 60 s steady are.
    assert steady_weight(TIMING, 0.01) == pytest.approx(1 + 900 / 60)
    assert steady_weight(TIMING, 0.5) == 1.0, "never for less than itself"


def test_latencies_are_above_the_baseline_and_weighted() -> None:
    slow = [
        Sample(each.at_s, 1.0 if is_down(each.at_s) else 0.002, each.status, 200)
        for each in samples()
    ]
    often = tally(slow, TIMING, cache="off", down_share=0.1, baseline_s=0.001)
    seldom = tally(slow, TIMING, cache="off", down_share=0.001, baseline_s=0.001)

    assert often.added_p50_ms == pytest.approx(1.0)
    assert often.added_p99_ms == pytest.approx(999.0)
    assert seldom.added_p99_ms == pytest.approx(1.0)


def test_the_longest_recovery_is_to_the_last_failure_before_the_next_outage() -> None:
    late = [Sample(16.5, 0.01, 503, 200), Sample(41.0, 0.01, 503, 200)]
    row = tally([*samples(), *late], TIMING, cache="off", down_share=0.01, baseline_s=0.0)
    assert row.longest_recovery_s == pytest.approx(2.5)
    assert row.failed_afterwards > 0
    assert row.failed_while_well == 0


def test_a_quantile_of_nothing_is_zero() -> None:
    assert weighted_quantile([], [], 0.5) == 0.0
    assert weighted_quantile([1.0, 2.0], [1.0, 99.0], 0.5) == 2.0
