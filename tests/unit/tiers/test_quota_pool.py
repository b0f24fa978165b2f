"""Tokens held ahead: what the conformance table does not say, mostly bounds."""

from remixer.tiers.quota_pool import PoolSettings, Prefetch, QuotaPool, SlidingCount

SETTINGS = PoolSettings()


def asked(pool: QuotaPool, amount: int, *, now_ms: int = 0) -> Prefetch:
    """The prefetch that this draw begins."""
    prefetch = pool.draw(amount, now_ms=now_ms).prefetch
    assert prefetch is not None
    return prefetch


def test_the_count_forgets_slot_by_slot() -> None:
    count = SlidingCount(SETTINGS, now_ms=0)
    for at_ms in (0, 49, 50, 999):
        count.move(now_ms=at_ms)
        count.add(1)
    totals = []
    for at_ms in (999, 1000, 1049, 1050, 1949, 1950):
        count.move(now_ms=at_ms)
        totals.append(count.total)
    assert totals == [4, 2, 2, 1, 1, 0]


def test_the_count_forgets_all_after_a_window_without_requests() -> None:
    count = SlidingCount(SETTINGS, now_ms=0)
    count.add(3)
    count.move(now_ms=999)
    assert count.total == 3
    count.move(now_ms=999 + 949)
    assert count.total == 0


def test_tokens_taken_from_two_parts_end_with_the_first() -> None:
    pool = QuotaPool(SETTINGS, now_ms=0)
    pool.answered(asked(pool, 6), 10, life_ms=1_000, now_ms=0)
    pool.answered(asked(pool, 1), 10, life_ms=500, now_ms=0)
    assert pool.available(now_ms=0) == 13
    assert pool.draw(3, now_ms=1).ends_ms == 1_000
    assert pool.draw(1, now_ms=1).ends_ms == 500


def test_lent_tokens_say_when_they_end() -> None:
    assert QuotaPool(SETTINGS, now_ms=0).draw(1, now_ms=7).ends_ms == 60_007


def test_an_open_pool_that_may_not_ask_grants_without_tokens() -> None:
    pool = QuotaPool(SETTINGS, now_ms=0)
    draw = pool.draw(3, may_ask=False, now_ms=5)
    assert (draw.granted, draw.ends_ms, draw.prefetch, draw.is_unbacked) == (3, 5, None, True)
    assert pool.in_flight == 0


def test_a_pool_with_tokens_that_may_not_ask_takes_them() -> None:
    pool = QuotaPool(SETTINGS, now_ms=0)
    pool.answered(asked(pool, 1), 10, life_ms=1_000, now_ms=0)
    draws = [pool.draw(1, may_ask=False, now_ms=1) for _ in range(10)]
    assert [draw.is_unbacked for draw in draws] == [False] * 9 + [True]


def test_a_closed_pool_that_may_not_ask_refuses() -> None:
    pool = QuotaPool(SETTINGS, now_ms=0)
    pool.answered(asked(pool, 1), 0, life_ms=0, now_ms=0)
    draw = pool.draw(1, may_ask=False, now_ms=900)
    assert (draw.granted, draw.is_unbacked) == (0, False)


def test_no_more_prefetches_are_under_way_than_parts_are_allowed() -> None:
    pool = QuotaPool(SETTINGS, now_ms=0)
    draws = [pool.draw(1_000 * 2**number, now_ms=0) for number in range(SETTINGS.max_parts + 1)]
    assert [draw.prefetch is not None for draw in draws] == [True] * SETTINGS.max_parts + [False]
    assert draws[-1].is_unbacked


def test_tokens_without_room_for_a_part_join_the_last_and_end_with_it() -> None:
    pool = QuotaPool(PoolSettings(max_parts=1), now_ms=0)
    first = asked(pool, 6)
    pool.answered(first, 15, life_ms=1_000, now_ms=0)
    assert pool.available(now_ms=0) == 9
    pool.receive(10, 8, spent=1, life_ms=300, now_ms=100)
    assert (pool.available(now_ms=399), pool.available(now_ms=400)) == (16, 0)


def test_the_size_of_a_prefetch_is_bounded_unless_one_request_wants_more() -> None:
    settings = PoolSettings(max_prefetch=100)
    pool = QuotaPool(settings, now_ms=0)
    assert [asked(pool, amount).size for amount in (90, 90, 90, 500)] == [90, 90, 100, 500]


def test_a_withdrawn_prefetch_takes_its_unspent_tokens_along() -> None:
    pool, other = QuotaPool(SETTINGS, now_ms=0), QuotaPool(SETTINGS, now_ms=0)
    prefetch = asked(pool, 3)
    spent = pool.withdraw(prefetch)
    other.receive(prefetch.size, 8, spent=spent, life_ms=1_000, now_ms=0)
    assert (spent, pool.available(now_ms=0), pool.in_flight) == (3, 0, 0)
    assert (other.available(now_ms=0), other.is_open) == (5, False)


def test_more_spent_than_granted_is_forgiven() -> None:
    pool = QuotaPool(SETTINGS, now_ms=0)
    pool.receive(10, 2, spent=5, life_ms=1_000, now_ms=0)
    assert pool.available(now_ms=0) == 0


def test_a_prefetch_whose_tokens_were_not_lent_is_withdrawn_with_nothing_spent() -> None:
    pool = QuotaPool(SETTINGS, now_ms=0)
    pool.answered(asked(pool, 6), 10, life_ms=1_000, now_ms=0)
    prefetch = asked(pool, 1)
    assert pool.withdraw(prefetch) == 0
    assert (pool.available(now_ms=0), pool.in_flight) == (3, 0)


def test_an_answer_to_lent_tokens_that_are_all_spent_adds_none() -> None:
    pool = QuotaPool(SETTINGS, now_ms=0)
    prefetch = asked(pool, 10)
    pool.answered(prefetch, 10, life_ms=1_000, now_ms=1)
    assert (pool.available(now_ms=1), pool.is_open) == (0, True)
