"""What is reported, and when: at once, then once a second, and zero at the end."""

import pytest

from remixer.adapters.kactivator.readiness import Revision
from remixer.adapters.kactivator.reporting import Report, Reporting

_A = Revision("shop", "a")
_B = Revision("shop", "b")


def _told(reports: list[Report]) -> list[tuple[str, float, float]]:
    return [(each.revision.name, each.concurrency, each.request_count) for each in reports]


def test_the_first_request_is_reported_at_once_and_the_next_are_not() -> None:
    reporting = Reporting()
    assert reporting.arrive(_A, now_s=0.0) == Report(_A, 1.0, 1.0, is_first=True)
    assert [reporting.arrive(_A, now_s=0.1) for _ in range(99)] == [None] * 99
    assert reporting.held == 100
    assert reporting.arrive(_B, now_s=0.1) is not None


def test_the_first_tick_leaves_out_what_was_reported_at_once() -> None:
    reporting = Reporting()
    reporting.arrive(_A, now_s=0.0)
    assert _told(reporting.tick(now_s=1.0)) == [("a", 0.0, 0.0)]
    assert _told(reporting.tick(now_s=2.0)) == [("a", 1.0, 0.0)]
    assert _told(reporting.tick(now_s=3.0)) == [("a", 1.0, 0.0)]


def test_concurrency_is_the_average_over_the_interval() -> None:
    reporting = Reporting()
    reporting.arrive(_A, now_s=0.0)
    reporting.tick(now_s=1.0)
    reporting.arrive(_A, now_s=1.5)
    reporting.leave(_A, now_s=1.75)
    assert _told(reporting.tick(now_s=2.0)) == [("a", 1.25, 1.0)]


def test_a_burst_is_told_as_what_it_is_and_once() -> None:
    reporting = Reporting()
    for _ in range(200):
        reporting.arrive(_A, now_s=0.0)
    assert _told(reporting.tick(now_s=1.0)) == [("a", 199.0, 199.0)]
    assert _told(reporting.tick(now_s=2.0)) == [("a", 200.0, 0.0)]


def test_zero_is_told_at_the_end_and_then_nothing() -> None:
    reporting = Reporting()
    reporting.arrive(_A, now_s=0.0)
    reporting.delivered([_A])
    reporting.tick(now_s=1.0)
    reporting.leave(_A, now_s=1.5)
    assert _told(reporting.tick(now_s=2.0)) == [("a", 0.5, 0.0)]
    assert _told(reporting.tick(now_s=3.0)) == [("a", 0.0, 0.0)]
    assert reporting.tick(now_s=4.0) == []
    assert len(reporting) == 0


def test_after_the_end_a_request_is_a_first_one_again() -> None:
    reporting = Reporting()
    reporting.arrive(_A, now_s=0.0)
    reporting.leave(_A, now_s=0.0)
    reporting.delivered([_A])
    assert reporting.arrive(_A, now_s=0.5) is None
    reporting.leave(_A, now_s=0.5)
    assert _told(reporting.tick(now_s=1.0)) == [("a", 0.0, 1.0)]
    assert reporting.arrive(_A, now_s=1.1) is not None


def test_a_tick_soon_after_the_first_request_counts_no_request_twice() -> None:
    reporting = Reporting()
    reporting.arrive(_A, now_s=0.99)
    assert _told(reporting.tick(now_s=1.0)) == [("a", 0.0, 0.0)]


def test_a_tick_at_the_same_instant_tells_nothing() -> None:
    reporting = Reporting()
    reporting.arrive(_A, now_s=1.0)
    assert reporting.tick(now_s=1.0) == []
    assert _told(reporting.tick(now_s=2.0)) == [("a", 0.0, 0.0)]


def test_a_late_tick_tells_requests_per_second() -> None:
    reporting = Reporting()
    for _ in range(9):
        reporting.arrive(_A, now_s=0.0)
    assert _told(reporting.tick(now_s=4.0)) == [("a", 8.0, 2.0)]


@pytest.mark.parametrize(
    ("per_request", "wanted"), [(0.01, 2.0), (0.000_001, 0.0002), (1.0, 200.0)]
)
def test_what_a_request_counts_is_the_operator_s(per_request: float, wanted: float) -> None:
    reporting = Reporting(per_request=per_request)
    first = reporting.arrive(_A, now_s=0.0)
    assert first is not None
    assert first.concurrency == per_request
    for _ in range(199):
        reporting.arrive(_A, now_s=0.0)
    reporting.tick(now_s=1.0)
    assert _told(reporting.tick(now_s=2.0)) == [("a", wanted, 0.0)]


def test_next_to_nothing_is_told_as_the_least_that_counts() -> None:
    reporting = Reporting(per_request=0.000_001)
    reporting.arrive(_A, now_s=0.0)
    reporting.tick(now_s=1.0)
    reporting.leave(_A, now_s=1.0001)
    assert _told(reporting.tick(now_s=2.0)) == [("a", 0.000_001, 0.0)]


def test_a_new_connection_is_told_who_waits_and_what_never_arrived() -> None:
    reporting = Reporting()
    reporting.arrive(_A, now_s=0.0)
    reporting.arrive(_A, now_s=0.0)
    reporting.arrive(_B, now_s=0.0)
    reporting.leave(_B, now_s=0.0)
    reporting.tick(now_s=1.0)
    assert _told(reporting.held_now(now_s=1.5)) == [("a", 2.0, 2.0), ("b", 1.0, 1.0)]
    reporting.delivered([_A, _B])
    reporting.leave(_A, now_s=1.5, requests=2)
    assert reporting.held_now(now_s=1.6) == []


def test_what_never_arrived_is_kept_for_a_time() -> None:
    reporting = Reporting(keep_undelivered_s=3.0)
    reporting.arrive(_A, now_s=0.0)
    reporting.leave(_A, now_s=0.0)
    for second in (1.0, 2.0):
        reporting.tick(now_s=second)
        assert len(reporting) == 1
    reporting.tick(now_s=3.0)
    assert len(reporting) == 0


def test_room_is_made_among_those_nobody_waits_for() -> None:
    reporting = Reporting(most_revisions=3)
    names = [Revision("shop", f"r{n}") for n in range(5)]
    reporting.arrive(names[0], now_s=0.0)
    for each in names[1:]:
        reporting.arrive(each, now_s=0.0)
        reporting.leave(each, now_s=0.0)
    assert (len(reporting), reporting.forgotten, reporting.held) == (3, 2, 1)
    reporting.leave(names[1], now_s=0.0)


def test_where_all_wait_the_oldest_is_forgotten() -> None:
    reporting = Reporting(most_revisions=2)
    for name in "abc":
        reporting.arrive(Revision("shop", name), now_s=0.0)
    assert len(reporting) == 2
    assert reporting.arrive(_A, now_s=0.1) is not None


def test_more_leave_than_came_is_none() -> None:
    reporting = Reporting()
    reporting.arrive(_A, now_s=0.0)
    reporting.leave(_A, now_s=0.0, requests=7)
    assert reporting.held == 0
