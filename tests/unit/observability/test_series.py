"""Counting without locks: bounds, and a bounded number of series."""

import tracemalloc

import pytest

from remixer.observability.series import MOST_SERIES, OTHER_LABEL, Counter, Distribution, Family


@pytest.mark.parametrize(
    ("value", "expected"),
    [(-1.0, [1, 1, 1]), (1.0, [1, 1, 1]), (1.5, [0, 1, 1]), (2.0, [0, 1, 1]), (2.1, [0, 0, 1])],
)
def test_value_counts_under_every_bound_that_is_not_below_it(
    value: float, expected: list[int]
) -> None:
    distribution = Distribution((1.0, 2.0))
    distribution.observe(value)
    assert distribution.cumulative() == list(zip(("1.0", "2.0", "+Inf"), expected, strict=True))
    assert (distribution.count, distribution.total) == (1, value)


def test_each_look_sees_every_observation() -> None:
    distribution = Distribution((1.0,))
    for number in range(1, 1_000):
        distribution.observe(number)
        if number % 97 == 0:
            assert distribution.count == number
    assert distribution.cumulative() == [("1.0", 1), ("+Inf", 999)]
    assert distribution.total == sum(range(1_000))


def test_observations_that_nobody_looks_at_do_not_pile_up() -> None:
    distribution = Distribution((1.0,))
    tracemalloc.start()
    try:
        for number in range(20_000):
            distribution.observe(number / 7)
        held_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held_bytes < 16_384


def test_series_of_equal_labels_are_one() -> None:
    family = Family(Counter, width=2)
    family.of("a", "b").add()
    family.of("a", "b").add(2)
    family.of("b", "a").add()
    assert [(labels, each.value) for labels, each in family] == [(("a", "b"), 3), (("b", "a"), 1)]


def test_series_past_the_limit_are_counted_together() -> None:
    family = Family(Counter, width=1)
    for number in range(MOST_SERIES + 2):
        family.of(str(number)).add()
    family.of("0").add()
    found = {labels: each.value for labels, each in family}
    assert len(found) == MOST_SERIES + 1
    assert found[OTHER_LABEL,] == 2
    assert found["0",] == 2
