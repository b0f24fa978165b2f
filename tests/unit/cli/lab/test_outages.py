"""When the back end of the experiment is down: the same for the same seed, within its bounds."""

import pytest

from remixer.cli.lab.outages import LONGEST_S, SHORTEST_S, Outage, Phase, Schedule, schedule


def test_a_seed_gives_the_same_outages_again() -> None:
    first, again, other = (schedule(seed=seed, total_s=600.0, steady_s=6.0) for seed in (1, 1, 2))
    assert first == again != other


@pytest.mark.parametrize("seed", range(20))
def test_outages_keep_their_bounds_and_leave_good_time(seed: int) -> None:
    timing = schedule(seed=seed, total_s=600.0, steady_s=6.0)
    well_s = 0.0
    for outage in timing.outages:
        assert SHORTEST_S <= outage.length_s <= LONGEST_S
        assert outage.begins_s == pytest.approx(well_s + 6.0)
        assert outage.forgotten_s >= outage.ends_s + outage.length_s, "a breaker's longest pause"
        well_s = outage.forgotten_s
    assert well_s + 6.0 <= 600.0
    silent = sum(each.is_silent for each in timing.outages)
    assert abs(len(timing.outages) - 2 * silent) <= 1, "half of them"


def test_too_little_time_has_no_outage() -> None:
    assert schedule(seed=1, total_s=10.0, steady_s=6.0).outages == ()


def test_an_outage_is_followed_by_its_recovery_and_then_all_is_well() -> None:
    outages = (Outage(10.0, 14.0, is_silent=False), Outage(40.0, 42.0, is_silent=True))
    timing = Schedule(outages, 60.0)

    assert [timing.phase_at(at) for at in (0.0, 9.9, 10.0, 13.9, 14.0, 26.9, 27.0, 40.0)] == [
        Phase.STEADY,
        Phase.STEADY,
        Phase.DOWN,
        Phase.DOWN,
        Phase.AFTER,
        Phase.AFTER,
        Phase.STEADY,
        Phase.DOWN,
    ]
    assert timing.down_s == 6.0
    assert timing.steady_s == 60.0 - 17.0 - 11.0
