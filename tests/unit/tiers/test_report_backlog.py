"""Reports that wait."""

from remixer.tiers.report_backlog import Backlog
from remixer.wire.report_batch import EncodedReport

OVERHEAD = 200


def report(name: str, records: int = 1) -> EncodedReport:
    return EncodedReport(name.encode() * 100, records, 222)


def test_the_first_comes_first() -> None:
    backlog = Backlog(most_bytes=10_000)
    assert [backlog.put(report(name)) for name in "ab"] == [0, 0]
    assert (len(backlog), backlog.records) == (2, 2)
    assert [backlog.take(), backlog.take(), backlog.take()] == [report("a"), report("b"), None]
    assert (backlog.records, backlog.waiting_bytes) == (0, 0)


def test_the_bound_is_met_and_not_passed() -> None:
    backlog = Backlog(most_bytes=2 * (100 + OVERHEAD))
    assert [backlog.put(report(name, 3)) for name in "ab"] == [0, 0]
    assert backlog.put(report("c", 5)) == 3
    assert backlog.take() == report("b", 3)


def test_what_was_taken_needs_its_room_until_it_is_settled() -> None:
    backlog = Backlog(most_bytes=2 * (100 + OVERHEAD))
    backlog.put(report("a"))
    taken = backlog.take()
    assert taken is not None
    backlog.put(report("b"))
    assert backlog.put(report("c", 2)) == 1
    backlog.settle(taken)
    assert backlog.put(report("d")) == 0


def test_what_is_put_back_is_the_oldest_again() -> None:
    backlog = Backlog(most_bytes=10_000)
    for name in "abc":
        backlog.put(report(name))
    taken = [backlog.take(), backlog.take()]
    reports = [each for each in taken if each is not None]
    for each in reports:
        backlog.settle(each)
    backlog.put_back(reports)
    assert [backlog.take() for _ in range(3)] == [report(name) for name in "abc"]


def test_a_report_larger_than_the_bound_is_dropped_itself() -> None:
    backlog = Backlog(most_bytes=100)
    assert backlog.put(report("a", 7)) == 7
    assert len(backlog) == 0
