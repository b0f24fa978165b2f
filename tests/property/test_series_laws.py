"""A distribution agrees with one that sorts each observation in at once."""

from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remixer.observability.series import Distribution

BOUNDS = (0.5, 1.0, 2.0, 2.5, 10.0)
VALUES = st.one_of(st.sampled_from(BOUNDS), st.floats(-1.0, 20.0))


@given(st.lists(st.lists(VALUES, max_size=300), max_size=4))
def test_buckets_and_sum_are_those_of_single_observations(looks: list[list[float]]) -> None:
    distribution = Distribution(BOUNDS)
    counts = [0] * (len(BOUNDS) + 1)
    total = 0.0
    for values in looks:
        for value in values:
            distribution.observe(value)
            counts[sum(value > bound for bound in BOUNDS)] += 1
            total += value
        assert [count for _, count in distribution.cumulative()] == list(accumulate(counts))
        assert distribution.count == sum(counts)
        assert distribution.total == pytest.approx(total)
