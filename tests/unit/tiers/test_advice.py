"""Advice from traces whose curves are known."""

from itertools import accumulate
from random import Random

import pytest

from remixer.tiers.advice import Advice, advise, hits_with
from remixer.tiers.trace import TracedCheck, TracedShape

SHAPE = TracedShape("shop", ("request.path", "request.id"))


def check(
    path: int, request: int = 0, *, at_s: float = 0.0, life_s: float = 3600.0, is_hit: bool = False
) -> TracedCheck:
    parts = (path.to_bytes(4, "big"), request.to_bytes(4, "big"))
    digest = Random(path * 1_000_003 + request).randbytes(8)
    return TracedCheck(SHAPE, is_hit, at_s, life_s, digest, parts)


def cycle(keys: int, rounds: int) -> list[TracedCheck]:
    return [check(number % keys) for number in range(keys * rounds)]


def zipf(keys: int, checks: int, *, seed: int = 1) -> list[TracedCheck]:
    weights = list(accumulate(1 / rank for rank in range(1, keys + 1)))
    drawn = Random(seed).choices(range(keys), cum_weights=weights, k=checks)
    return [check(number) for number in drawn]


def ratio_at(advice: Advice, entries: int) -> float:
    return next(each.ratio for each in advice.curves[0].points if each.entries == entries)


@pytest.mark.parametrize(("keys", "rounds"), [(64, 10), (500, 4), (1_000, 20)])
def test_a_cycle_that_fits_misses_each_key_once(keys: int, rounds: int) -> None:
    advice = advise(cycle(keys, rounds))

    assert advice.curves[0].points[-1].ratio == pytest.approx(1 - 1 / rounds)
    assert advice.keys == keys


def test_a_cycle_that_does_not_fit_has_no_more_hits_than_room() -> None:
    advice = advise(cycle(1_000, 10))

    for point in advice.curves[0].points:
        assert point.ratio <= min(1.0, point.entries / 1_000) + 0.01


def test_more_room_gives_no_fewer_hits() -> None:
    ratios = [point.ratio for point in advise(zipf(2_000, 20_000)).curves[0].points]
    assert ratios == sorted(ratios)
    assert ratios[0] < ratios[-1]


def test_a_sample_of_the_keys_tells_the_curve_of_all() -> None:
    checks = zipf(30_000, 60_000)
    advice = advise(checks)

    assert advice.sampled < 0.5
    for entries in (1_024, 16_384):
        assert ratio_at(advice, entries) == pytest.approx(
            hits_with(checks, entries=entries) / len(checks), abs=0.04
        )


def test_the_size_to_pick_is_the_first_that_comes_near_the_best() -> None:
    advice = advise(zipf(2_000, 40_000))
    (chosen,) = [each for each in advice.curves[0].points if each.entries == advice.entries]
    smaller = [each for each in advice.curves[0].points if each.entries < advice.entries]

    assert chosen.ratio >= 0.95 * advice.curves[0].best
    assert all(each.ratio < 0.95 * advice.curves[0].best for each in smaller)


def test_a_shorter_life_costs_hits() -> None:
    # One key, asked once a second, living ten seconds: nine of ten are hits; with five, four of five.
    advice = advise([check(1, at_s=float(second), life_s=10.0) for second in range(100)])
    by_cap = {curve.ttl_cap_s: curve.best for curve in advice.curves}

    assert by_cap == pytest.approx({None: 0.9, 5.0: 0.8, 1.0: 0.0})


def test_the_attribute_that_differs_in_every_request_costs_the_most() -> None:
    advice = advise([check(number % 10, number) for number in range(1_000)])

    assert [(each.attribute, each.values) for each in advice.costs] == [("request.id", 1_000)]
    assert advice.costs[0].ratio == pytest.approx(0.99)
    assert advice.curves[0].best == 0.0
    assert advice.entries == 0, "no size is of use"


def test_an_empty_trace_gives_no_advice() -> None:
    advice = advise([])
    assert (advice.checks, advice.keys, advice.entries, advice.costs) == (0, 0, 0, ())
