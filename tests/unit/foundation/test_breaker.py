"""When a back end is left alone, and when it is tried again."""

import pytest

from remixer.foundation.breaker import (
    Breaker,
    BreakerLimits,
    BreakerState,
    Permit,
    Refused,
    RetryBudget,
    is_failure,
)
from remixer.foundation.status import Code

LIMITS = BreakerLimits(
    failures_in_a_row=3,
    window_s=10.0,
    calls_in_window=10,
    failed_share=0.5,
    first_pause_s=1.0,
    longest_pause_s=3.0,
)


def permit(breaker: Breaker, now_s: float) -> Permit:
    answer = breaker.enter(now_s=now_s)
    assert isinstance(answer, Permit)
    return answer


def fail(breaker: Breaker, now_s: float, *, times: int = 1) -> None:
    for _ in range(times):
        breaker.failed(permit(breaker, now_s), now_s=now_s)


def succeed(breaker: Breaker, now_s: float, *, times: int = 1) -> None:
    for _ in range(times):
        breaker.succeeded(permit(breaker, now_s), now_s=now_s)


def opened(now_s: float = 0.0) -> Breaker:
    breaker = Breaker(LIMITS)
    fail(breaker, now_s, times=3)
    assert breaker.state is BreakerState.OPEN
    return breaker


def test_failures_in_a_row_open_it_and_a_success_between_starts_the_row_anew() -> None:
    breaker = Breaker(LIMITS)
    fail(breaker, 0.0, times=2)
    succeed(breaker, 0.0)
    fail(breaker, 0.0, times=2)
    assert breaker.state is BreakerState.CLOSED
    fail(breaker, 0.0)
    assert breaker.state is BreakerState.OPEN


def test_half_of_the_calls_of_a_window_open_it_though_never_in_a_row() -> None:
    breaker = Breaker(LIMITS)
    for second in range(4):
        fail(breaker, second)
        succeed(breaker, second)
    succeed(breaker, 5.0)
    assert breaker.state is BreakerState.CLOSED
    fail(breaker, 5.0)
    assert breaker.state is BreakerState.OPEN


def test_a_new_window_forgets_the_old_one() -> None:
    breaker = Breaker(LIMITS)
    for _ in range(4):
        fail(breaker, 0.0)
        succeed(breaker, 0.0)
    fail(breaker, 10.0)
    succeed(breaker, 10.0)
    fail(breaker, 10.0)
    assert breaker.state is BreakerState.CLOSED


def test_open_it_refuses_until_the_pause_is_over_and_says_how_long() -> None:
    breaker = opened(now_s=5.0)
    assert breaker.enter(now_s=5.25) == Refused(0.75)
    assert permit(breaker, 6.0).is_probe


def test_while_one_probes_all_others_are_refused() -> None:
    breaker = opened()
    permit(breaker, 1.0)
    assert breaker.state is BreakerState.HALF_OPEN
    assert breaker.enter(now_s=100.0) == Refused(0.0)


def test_probe_that_succeeds_closes_it_and_the_row_begins_anew() -> None:
    breaker = opened()
    succeed(breaker, 1.0)
    assert breaker.state is BreakerState.CLOSED
    fail(breaker, 1.0, times=2)
    assert breaker.state is BreakerState.CLOSED


def test_probes_that_fail_double_the_pause_up_to_its_bound() -> None:
    breaker = opened()
    now_s = 0.0
    for pause_s in (1.0, 2.0, 3.0, 3.0):
        assert breaker.enter(now_s=now_s) == Refused(pause_s)
        now_s += pause_s
        fail(breaker, now_s)
    succeed(breaker, now_s + 3.0)
    fail(breaker, now_s + 3.0, times=3)
    assert breaker.enter(now_s=now_s + 3.0) == Refused(1.0)


def test_probe_without_a_verdict_leaves_the_chance_to_the_next() -> None:
    breaker = opened()
    breaker.abandoned(permit(breaker, 1.0))
    assert breaker.state is BreakerState.OPEN
    assert permit(breaker, 1.0).is_probe


def test_hope_makes_the_next_call_the_probe_and_only_that() -> None:
    breaker = opened()
    breaker.may_probe()
    probe = permit(breaker, 0.1)
    assert probe.is_probe
    breaker.may_probe()
    assert breaker.enter(now_s=0.1) == Refused(0.0)
    breaker.failed(probe, now_s=0.2)
    assert breaker.enter(now_s=0.2) == Refused(2.0)


def test_hope_changes_nothing_while_closed() -> None:
    breaker = Breaker(LIMITS)
    breaker.may_probe()
    assert not permit(breaker, 0.0).is_probe


def test_calls_that_began_before_it_opened_count_for_nothing() -> None:
    breaker = Breaker(LIMITS)
    old = permit(breaker, 0.0)
    fail(breaker, 0.0, times=3)
    breaker.succeeded(old, now_s=0.5)
    assert breaker.state is BreakerState.OPEN
    probe = permit(breaker, 1.0)
    breaker.failed(old, now_s=1.0)
    breaker.abandoned(old)
    assert breaker.state is BreakerState.HALF_OPEN
    breaker.succeeded(probe, now_s=1.0)
    breaker.failed(old, now_s=1.0)
    assert breaker.state is BreakerState.CLOSED


def test_call_without_a_verdict_changes_nothing_while_closed() -> None:
    breaker = Breaker(LIMITS)
    for _ in range(10):
        breaker.abandoned(permit(breaker, 0.0))
    assert breaker.state is BreakerState.CLOSED


@pytest.mark.parametrize("code", list(Code))
def test_only_absence_and_lateness_speak_against_a_back_end(code: Code) -> None:
    assert is_failure(code) is (code in {Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED})


def test_budget_allows_retries_until_half_of_it_is_spent_and_successes_refill_it() -> None:
    budget = RetryBudget(most=10.0)
    for _ in range(4):
        budget.failed()
    assert budget.allows_retry
    budget.failed()
    assert not budget.allows_retry
    budget.succeeded()
    assert budget.allows_retry
    for _ in range(100):
        budget.succeeded()
    for _ in range(5):
        budget.failed()
    assert not budget.allows_retry, "successes fill it no further than to its bound"
