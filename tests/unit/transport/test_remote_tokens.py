"""When an access token is fetched, used, renewed and given up."""

import pytest

from remixer.transport.remote_tokens import Fail, TokenLife, Use, Wait


def living(lifetime_s: float | None, *, now_s: float = 0.0) -> TokenLife:
    life = TokenLife()
    assert life.ask(now_s=now_s) == Wait(must_fetch=True)
    life.fetched("t1", lifetime_s=lifetime_s, now_s=now_s)
    return life


def test_of_many_callers_exactly_one_is_told_to_fetch() -> None:
    life = TokenLife()
    advice = [life.ask(now_s=0.0) for _ in range(5)]
    assert advice == [Wait(must_fetch=True), *[Wait(must_fetch=False)] * 4]


def test_a_token_is_renewed_a_minute_early_while_it_is_used() -> None:
    life = living(3600.0)
    assert life.ask(now_s=3539.0) == Use("t1", must_fetch=False)
    assert life.ask(now_s=3540.0) == Use("t1", must_fetch=True)
    assert life.ask(now_s=3541.0) == Use("t1", must_fetch=False)
    life.fetched("t2", lifetime_s=3600.0, now_s=3542.0)
    assert life.ask(now_s=3543.0) == Use("t2", must_fetch=False)


def test_a_token_is_not_used_in_its_last_seconds() -> None:
    life = living(3600.0)
    assert isinstance(life.ask(now_s=3589.0), Use)
    assert life.ask(now_s=3590.0) == Wait(must_fetch=False)  # the early renewal is under way


def test_a_short_lived_token_is_renewed_after_nine_tenths() -> None:
    life = living(100.0)
    assert life.ask(now_s=89.0) == Use("t1", must_fetch=False)
    assert life.ask(now_s=90.0) == Wait(must_fetch=True)


@pytest.mark.parametrize("lifetime_s", [0.001, 1.0, 5.0])
def test_tokens_of_seconds_do_not_make_a_storm_of_fetches(lifetime_s: float) -> None:
    life = living(lifetime_s)
    advice = life.ask(now_s=0.9)
    assert not isinstance(advice, Use) or not advice.must_fetch
    assert not isinstance(advice, Wait)


@pytest.mark.parametrize(("said", "lasts_s"), [(None, 3_600), (10_000_000.0, 86_400)])
def test_lifetimes_unsaid_or_absurd_are_bounded(said: float | None, lasts_s: int) -> None:
    life = living(said)
    assert life.ask(now_s=lasts_s - 61) == Use("t1", must_fetch=False)
    assert life.ask(now_s=lasts_s - 60) == Use("t1", must_fetch=True)


def test_failed_fetches_pause_longer_and_longer_and_tell_why() -> None:
    life = TokenLife()
    now_s, pauses = 0.0, []
    for _ in range(8):
        assert life.ask(now_s=now_s) == Wait(must_fetch=True)
        life.failed("refused", now_s=now_s)
        advice = life.ask(now_s=now_s)
        assert isinstance(advice, Fail)
        assert advice.reason == "refused"
        pauses.append(advice.retry_after_s)
        now_s += advice.retry_after_s
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]


def test_a_failed_renewal_keeps_the_old_token_as_long_as_it_is_good() -> None:
    life = living(3600.0)
    assert life.ask(now_s=3540.0) == Use("t1", must_fetch=True)
    life.failed("refused", now_s=3541.0)
    assert life.ask(now_s=3541.5) == Use("t1", must_fetch=False)
    assert life.ask(now_s=3542.0) == Use("t1", must_fetch=True)
    life.failed("refused", now_s=3589.0)
    assert life.ask(now_s=3590.0) == Fail("refused", 1.0)


def test_a_rejected_token_is_not_used_again_and_an_older_rejection_is_ignored() -> None:
    life = living(3600.0)
    life.rejected("t0")
    assert life.ask(now_s=5.0) == Use("t1", must_fetch=False)
    life.rejected("t1")
    assert life.ask(now_s=5.0) == Wait(must_fetch=True)


def test_a_back_end_that_rejects_every_token_does_not_make_a_storm_of_fetches() -> None:
    life = living(3600.0)
    life.rejected("t1")
    assert isinstance(life.ask(now_s=0.5), Fail)


def test_tokens_are_not_shown_by_repr() -> None:
    assert "s3cret" not in repr(Use("Bearer s3cret", must_fetch=False))
