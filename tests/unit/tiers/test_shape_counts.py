"""Counts of one shape: how many keys there were, within a tenth or so."""

from random import Random

import pytest

from remixer.tiers.shape_counts import ShapeCounts


@pytest.mark.parametrize("keys", [1, 10, 100, 1_000, 20_000])
def test_the_estimate_is_near_the_number_of_different_keys(keys: int) -> None:
    counts = ShapeCounts()
    random = Random(keys)
    for key in (str(random.getrandbits(60)) for _ in range(keys)):
        counts.learn(key)
        counts.learn(key)

    assert counts.learned == 2 * keys
    assert counts.keys == pytest.approx(keys, rel=0.3, abs=2)


def test_texts_that_differ_little_are_told_apart() -> None:
    counts = ShapeCounts()
    for key in range(5_000):
        counts.learn(f"user-{key}")
    assert counts.keys == pytest.approx(5_000, rel=0.3)


def test_without_keys_there_are_none() -> None:
    assert ShapeCounts().keys == 0


def test_never_more_keys_than_were_learnt() -> None:
    counts = ShapeCounts()
    for key in range(3):
        counts.learn(str(key))
    assert counts.keys <= 3
