"""When one address of several is passed over, and when a call tries it again."""

from remixer.transport.remote_standing import Standing


def shunned(*, at_s: float = 0.0) -> Standing:
    standing = Standing()
    for _ in range(3):
        standing.failed(now_s=at_s)
    return standing


def test_an_address_is_good_until_three_calls_in_a_row_failed() -> None:
    standing = Standing()
    standing.failed(now_s=0.0)
    standing.failed(now_s=0.0)
    standing.answered()
    standing.failed(now_s=0.0)
    standing.failed(now_s=0.0)
    assert standing.is_good
    standing.failed(now_s=0.0)
    assert not standing.is_good


def test_a_good_address_needs_no_try() -> None:
    assert not Standing().may_be_tried(now_s=1e9)


def test_after_a_pause_one_call_tries_it() -> None:
    standing = shunned(at_s=10.0)
    assert not standing.may_be_tried(now_s=14.9)
    assert standing.may_be_tried(now_s=15.0)
    assert not standing.may_be_tried(now_s=15.0)
    assert not standing.is_good


def test_a_try_that_says_nothing_is_followed_by_another_after_the_same_pause() -> None:
    standing = shunned()
    assert standing.may_be_tried(now_s=5.0)
    assert not standing.may_be_tried(now_s=9.9)
    assert standing.may_be_tried(now_s=10.0)


def test_a_try_that_fails_begins_the_pause_anew() -> None:
    standing = shunned()
    assert standing.may_be_tried(now_s=5.0)
    standing.failed(now_s=9.0)
    assert not standing.may_be_tried(now_s=13.9)
    assert standing.may_be_tried(now_s=14.0)


def test_any_answer_makes_it_good_and_three_more_failures_are_needed() -> None:
    standing = shunned()
    standing.answered()
    standing.failed(now_s=1.0)
    standing.failed(now_s=1.0)
    assert standing.is_good
    standing.failed(now_s=1.0)
    assert not standing.is_good
