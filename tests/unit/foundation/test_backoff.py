"""Pauses between failures."""

from random import Random

from remixer.foundation.backoff import Backoff


def test_pauses_double_up_to_the_bound() -> None:
    backoff = Backoff(first_s=1.0, longest_s=5.0)
    longest = [
        max(backoff.pause_s(failures, Random(seed)) for seed in range(200))
        for failures in (1, 2, 3, 4, 10_000)
    ]
    assert [round(each, 1) for each in longest] == [1.0, 2.0, 4.0, 5.0, 5.0]


def test_chance_takes_up_to_half() -> None:
    backoff = Backoff(first_s=1.0, longest_s=5.0)
    pauses = [backoff.pause_s(1, Random(seed)) for seed in range(200)]
    assert min(pauses) >= 0.5
    assert max(pauses) - min(pauses) > 0.4
