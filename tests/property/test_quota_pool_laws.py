"""Laws of tokens held ahead, over random requests and answers in any order."""

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from remixer.tiers.quota_pool import PoolSettings, Prefetch, QuotaPool

SETTINGS = PoolSettings(max_parts=8)

DRAWS = st.tuples(st.just("draw"), st.integers(1, 30), st.booleans(), st.booleans())
ANSWERS = st.tuples(
    st.just("answer"), st.integers(0, 7), st.none() | st.integers(0, 60), st.integers(0, 2_000)
)
WAITS = st.tuples(st.just("wait"), st.integers(0, 1_500))


@dataclass(slots=True)
class Player:
    """A pool with a server that answers in any order, and what went over the counter."""

    pool: QuotaPool = field(default_factory=lambda: QuotaPool(SETTINGS, now_ms=0))
    under_way: list[Prefetch] = field(default_factory=list)
    now_ms: int = 0
    drawn: int = 0
    backed: int = 0
    """What the server granted, or was lent: the larger for each prefetch."""
    asked_ms: int = -(10**9)

    def draw(self, amount: int, best_effort: bool, may_ask: bool) -> None:  # noqa: FBT001 - as generated
        pool = self.pool
        was_open, in_flight = pool.is_open, pool.in_flight
        available = pool.available(now_ms=self.now_ms)
        draw = pool.draw(amount, best_effort=best_effort, may_ask=may_ask, now_ms=self.now_ms)
        if draw.prefetch is not None:
            assert may_ask
            assert draw.prefetch.size >= max(amount, SETTINGS.min_prefetch)
            assert was_open or (not in_flight and self.now_ms - self.asked_ms >= 500)
            assert (draw.prefetch.lent is not None) is (was_open and available == 0)
            self.under_way.append(draw.prefetch)
            self.asked_ms = self.now_ms
            self.backed += draw.prefetch.size if draw.prefetch.lent is not None else 0
            available += draw.prefetch.size if draw.prefetch.lent is not None else 0
        if draw.is_unbacked:
            assert was_open
            assert available < amount
            return
        wanted = min(amount, available) if best_effort else amount if available >= amount else 0
        assert draw.granted == wanted
        assert draw.ends_ms > self.now_ms or not draw.granted
        assert pool.available(now_ms=self.now_ms) == available - draw.granted
        self.drawn += draw.granted

    def answer(self, index: int, granted: int | None, life_ms: int) -> None:
        if not self.under_way:
            return
        prefetch = self.under_way.pop(index % len(self.under_way))
        self.pool.answered(prefetch, granted, life_ms=life_ms, now_ms=self.now_ms)
        gained = prefetch.size if granted is None else granted
        lent = prefetch.size if prefetch.lent is not None else 0
        self.backed += max(0, gained - lent)
        assert self.pool.is_open is (gained >= prefetch.size)


@settings(max_examples=200, deadline=None)
@given(st.lists(DRAWS | ANSWERS | WAITS, max_size=60))
def test_tokens_are_granted_once_and_never_below_zero(events: list[tuple[object, ...]]) -> None:
    player = Player()
    for event in events:
        match event:
            case ("draw", int(amount), bool(best_effort), bool(may_ask)):
                player.draw(amount, best_effort, may_ask)
            case ("answer", int(index), int() | None as granted, int(life_ms)):
                player.answer(index, granted, life_ms)
            case ("wait", int(milliseconds)):
                player.now_ms += milliseconds
            case _:
                raise AssertionError(event)
        pool = player.pool
        assert pool.in_flight == len(player.under_way) <= SETTINGS.max_parts
        assert len(pool._parts) <= SETTINGS.max_parts
        assert all(part.left >= 0 for part in pool._parts)
        assert player.drawn <= player.backed


@settings(max_examples=100, deadline=None)
@given(
    st.integers(0, 50),
    st.lists(st.tuples(st.integers(1, 5), st.integers(0, 300)), max_size=60),
)
def test_over_a_limit_no_more_than_the_first_prefetch_passes(
    budget: int, requests: list[tuple[int, int]]
) -> None:
    """With answers between requests, only tokens that were lent can pass the limit."""
    pool, now_ms, left, passed, lent = QuotaPool(SETTINGS, now_ms=0), 0, budget, 0, 0
    for amount, later_ms in requests:
        now_ms += later_ms
        draw = pool.draw(amount, now_ms=now_ms)
        passed += draw.granted
        if draw.prefetch is not None:
            granted = min(left, draw.prefetch.size)
            left -= granted
            if draw.prefetch.lent is not None:
                lent += max(0, draw.granted - granted)
            pool.answered(draw.prefetch, granted, life_ms=60_000, now_ms=now_ms)
    assert passed <= budget + lent
