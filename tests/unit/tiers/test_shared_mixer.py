"""Answers shared by instances: what is asked, what is found, what is refused, who pays."""

import asyncio
import contextlib
from dataclasses import replace

import pytest

from remixer.attributes.bag import plain_bag
from remixer.foundation.deadline import Deadline
from remixer.foundation.errors import CheckFailedError
from remixer.foundation.status import Status
from remixer.mixer.outcome import CacheHints, Provenance
from remixer.mixer.request import CheckRequest
from remixer.testing.clock import clock_of_running_loop, in_virtual_time
from remixer.testing.key_values import FakeKeyValues
from remixer.testing.shared_cache import Instance, Mesh
from remixer.tiers.shared.breaker import FAILURES_TO_OPEN
from remixer.tiers.shared.keys import encode_shapes
from remixer.tiers.shared.seal import Kind, Refusal, Seal
from remixer.tiers.shared.settings import SharedSettings

SECRET = b"a secret of an operator"


def _answers(mesh: Mesh) -> dict[bytes, bytes]:
    """Documents of answers, by key."""
    return {
        key: value
        for key, value in mesh.store.editions.items()
        if not key.endswith(b":shapes") and value.startswith(b"RX")
    }


# ------------------------------------------------------------ sharing


@in_virtual_time
async def test_the_second_instance_answers_from_what_the_first_learnt() -> None:
    async with Mesh() as mesh:
        one, two = await mesh.instance(), await mesh.instance()
        first = await one.ask(user="eve")
        second = await two.ask(user="eve")
    assert first.provenance is Provenance.COMPUTED
    assert second == replace(first, provenance=Provenance.SHARED)
    assert two.inner.asked == []
    assert two.mixer.counts.hits == 1


@in_virtual_time
async def test_an_instance_learns_shapes_that_appear_later() -> None:
    async with Mesh() as mesh:
        one, two = await mesh.instance(), await mesh.instance()
        await two.ask(user="adam")  # it knows the place, and no shape with `path`
        one.inner.reads = ("user", "path")
        await one.ask(user="eve", path="/a")
        await asyncio.sleep(mesh.settings.shapes_age_s)
        await two.ask(user="someone else")  # finds that its view is old
        outcome = await two.ask(user="eve", path="/a")
    assert outcome.provenance is Provenance.SHARED


@in_virtual_time
async def test_shapes_that_instances_overwrite_of_each_other_come_back() -> None:
    async with Mesh() as mesh:
        one, two = await mesh.instance(reads=("a",)), await mesh.instance(reads=("b",))
        await asyncio.gather(one.ask(a="1", b="1"), two.ask(a="1", b="1"))
        for _ in range(3):
            await asyncio.sleep(mesh.settings.shapes_age_s)
            await one.ask(a="2", b="2")
            await two.ask(a="2", b="2")
        three = await mesh.instance(reads=("none",))
        place_shapes = (await three.ask(a="1", b="3"), await three.ask(a="3", b="1"))
    assert [each.provenance for each in place_shapes] == [Provenance.SHARED] * 2


@in_virtual_time
async def test_denials_are_shared_as_denials() -> None:
    async with Mesh() as mesh:
        one, two = await mesh.instance(), await mesh.instance()
        await one.ask(user="bad")
        outcome = await two.ask(user="bad")
    assert outcome.provenance is Provenance.SHARED
    assert (outcome.status.code, outcome.status.message) == (7, "no")


@in_virtual_time
async def test_other_values_are_other_questions() -> None:
    async with Mesh() as mesh:
        one, two = await mesh.instance(), await mesh.instance()
        await one.ask(user="1")
        for value in ("2", 1, True, 1.0, b"1", ""):
            assert (await two.ask(user=value)).provenance is Provenance.COMPUTED
        assert (await two.ask()).provenance is Provenance.COMPUTED


@in_virtual_time
async def test_instances_with_other_rules_or_another_scope_share_nothing() -> None:
    async with Mesh() as mesh:
        one, two = await mesh.instance(), await mesh.instance()
        three = await mesh.instance(settings=replace(mesh.settings, scope="2.0"))
        two.rules.signature = b"rules of others!"
        await one.ask(user="eve")
        for other in (two, three):
            assert (await other.ask(user="eve")).provenance is Provenance.COMPUTED
        assert (await one.ask(user="eve")).provenance is Provenance.SHARED


@in_virtual_time
async def test_remaining_life_is_told_and_ends() -> None:
    async with Mesh() as mesh:
        one, two = await mesh.instance(), await mesh.instance()
        await one.ask(user="eve")
        await asyncio.sleep(20)
        assert (await two.ask(user="eve")).valid_duration == 40_000_000_000
        await asyncio.sleep(40)
        assert (await two.ask(user="eve")).provenance is Provenance.COMPUTED


@in_virtual_time
async def test_no_answer_is_kept_longer_than_the_operator_allows() -> None:
    async with Mesh(settings=SharedSettings(max_age_s=10)) as mesh:
        one, two = await mesh.instance(), await mesh.instance()
        assert (await one.ask(user="eve")).valid_duration == 60_000_000_000
        assert (await two.ask(user="eve")).valid_duration == 10_000_000_000


@in_virtual_time
async def test_quotas_are_granted_by_the_inner_mixer_unless_denied() -> None:
    async with Mesh() as mesh:
        one, two = await mesh.instance(), await mesh.instance()
        await one.ask(user="eve")
        await one.ask(user="bad")
        allowed = await two.ask_with_quota(user="eve")
        denied = await two.ask_with_quota(user="bad")
    assert allowed.provenance is denied.provenance is Provenance.SHARED
    assert (list(allowed.quotas), list(denied.quotas)) == (["rate"], [])
    assert two.inner.granted == 1


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"valid_duration": 0}, id="no life"),
        pytest.param({"valid_use_count": 0}, id="no use"),
        pytest.param({"valid_use_count": 1}, id="one use"),
        pytest.param({"provenance": Provenance.STALE}, id="stale"),
        pytest.param({"hints": CacheHints(is_shared=False)}, id="a policy"),
        pytest.param({"status": Status(14, "down")}, id="trouble"),
        pytest.param({"valid_use_count": 1 << 80}, id="numbers of no protocol"),
    ],
)
def test_what_must_not_be_shared_is_not(change: dict[str, object]) -> None:
    @in_virtual_time
    async def run() -> None:
        async with Mesh() as mesh:
            one = await mesh.instance()
            one.inner.change = lambda outcome: replace(outcome, **change)  # type: ignore[arg-type] # a table's row
            outcome = await one.ask(user="eve")
            assert outcome.valid_use_count == change.get("valid_use_count", -1)
            assert not _answers(mesh)

    run()


@in_virtual_time
async def test_failures_are_not_shared() -> None:
    async with Mesh() as mesh:
        one = await mesh.instance()
        one.inner.failure = CheckFailedError("broken")
        with pytest.raises(CheckFailedError):
            await one.ask(user="eve")
        assert not _answers(mesh)


@in_virtual_time
async def test_answers_that_are_too_large_stay_at_home() -> None:
    async with Mesh(settings=SharedSettings(max_value_bytes=50)) as mesh:
        one = await mesh.instance()
        await one.ask(user="eve")
        assert not _answers(mesh)
        assert one.mixer.counts.too_large == 1


@in_virtual_time
async def test_places_have_so_many_shapes_and_no_more() -> None:
    async with Mesh(settings=SharedSettings(max_shapes=2)) as mesh:
        one = await mesh.instance()
        for number, name in enumerate("abc"):
            one.inner.reads = (name,)
            await one.ask(a=f"{number}", b=f"{number}", c=f"{number}")
    assert len(_answers(mesh)) == 2
    assert one.mixer.counts.shapes_refused == 1


# ------------------------------------------------------------ who pays


@in_virtual_time
async def test_answers_that_need_no_waiting_are_not_asked_for() -> None:
    async with Mesh() as mesh:
        one = await mesh.instance()
        one.inner.is_quick = True
        mesh.store.calls.clear()
        request = CheckRequest(plain_bag({"user": "eve"}))
        assert one.mixer.check_now(request) is not None
        assert (await one.mixer.check(request)).provenance is Provenance.COMPUTED
        assert mesh.store.calls == []


@in_virtual_time
async def test_they_are_if_the_operator_wants_it() -> None:
    async with Mesh(settings=SharedSettings(shares_quick_answers=True)) as mesh:
        one, two = await mesh.instance(), await mesh.instance()
        one.inner.is_quick = two.inner.is_quick = True
        assert one.mixer.check_now(CheckRequest(plain_bag({"user": "eve"}))) is None
        await one.ask(user="eve")
        assert (await two.ask(user="eve")).provenance is Provenance.SHARED


@in_virtual_time
async def test_checks_of_one_turn_take_one_round_trip() -> None:
    async with Mesh() as mesh:
        one, two = await mesh.instance(), await mesh.instance()
        for user in "abc":
            await one.ask(user=user)
        await two.ask(user="nobody")
        mesh.store.calls.clear()
        outcomes = await asyncio.gather(*(two.ask(user=user) for user in "abc"))
    assert {each.provenance for each in outcomes} == {Provenance.SHARED}
    assert mesh.store.calls == ["get 3"]


@in_virtual_time
async def test_a_place_that_must_not_be_shared_costs_nothing() -> None:
    async with Mesh() as mesh:
        one = await mesh.instance()
        one.rules.signature = None
        mesh.store.calls.clear()
        await one.ask(user="eve")
        assert mesh.store.calls == []
        assert one.mixer.counts.bypassed == 1


@in_virtual_time
async def test_a_slow_server_costs_the_budget_and_no_more() -> None:
    async with Mesh() as mesh:
        one, two = await mesh.instance(), await mesh.instance()
        await one.ask(user="eve")
        await two.ask(user="adam")
        mesh.store.delay_s = 0.5
        begun_s = clock_of_running_loop().monotonic_s()
        outcome = await two.ask(user="eve")
        spent_s = clock_of_running_loop().monotonic_s() - begun_s
        assert outcome.provenance is Provenance.COMPUTED
        assert spent_s <= mesh.settings.budget_s * 1.001
        assert two.mixer.counts.late == 1


@in_virtual_time
async def test_a_server_that_is_slow_at_every_step_costs_one_budget_all_the_same() -> None:
    async with Mesh() as mesh:
        one, two = await mesh.instance(), await mesh.instance()
        one.inner.uses = 1_000
        await one.ask(user="eve")
        mesh.store.delay_s = mesh.settings.budget_s * 0.6  # shapes, then the answer: more than 1
        begun_s = clock_of_running_loop().monotonic_s()
        outcome = await two.ask(user="eve")
        spent_s = clock_of_running_loop().monotonic_s() - begun_s
        assert spent_s <= mesh.settings.budget_s * 1.001
        assert outcome.provenance is Provenance.COMPUTED


@in_virtual_time
async def test_a_resting_cache_costs_no_call_and_no_time() -> None:
    async with Mesh() as mesh:
        one = await mesh.instance()
        mesh.store.break_down()
        while not one.tier.cache.is_resting:
            await one.ask(user="eve")
        mesh.store.calls.clear()
        before = one.mixer.counts.bypassed
        begun_s = clock_of_running_loop().monotonic_s()
        for number in range(100):
            await one.ask(user=str(number))
        assert mesh.store.calls == []
        assert clock_of_running_loop().monotonic_s() == begun_s
        assert one.mixer.counts.bypassed - before == 100
        assert one.mixer.counts.rests == 1


@in_virtual_time
async def test_a_hanging_server_is_left_alone_after_some_budgets() -> None:
    async with Mesh() as mesh:
        one = await mesh.instance()
        await one.ask(user="eve")
        mesh.store.delay_s = 3_600
        begun_s = clock_of_running_loop().monotonic_s()
        for number in range(10):
            await one.ask(user=str(number))
        spent_s = clock_of_running_loop().monotonic_s() - begun_s
        assert spent_s <= FAILURES_TO_OPEN * mesh.settings.budget_s * 1.01
        mesh.store.recover()


@in_virtual_time
async def test_it_is_asked_again_when_it_is_well_and_not_before() -> None:
    async with Mesh() as mesh:
        one, two = await mesh.instance(), await mesh.instance()
        await one.ask(user="eve")
        mesh.store.break_down()
        for number in range(FAILURES_TO_OPEN):
            await two.ask(user=str(number))
        mesh.store.failure = None
        mesh.store.delay_s = 10 * mesh.settings.budget_s  # there, but too slow
        await asyncio.sleep(10)
        assert two.tier.cache.is_resting
        mesh.store.recover()
        await asyncio.sleep(5.2)
        assert not two.tier.cache.is_resting
        assert (await two.ask(user="eve")).provenance is Provenance.SHARED


@in_virtual_time
async def test_a_cache_that_is_not_there_at_the_start_delays_nobody() -> None:
    async with Mesh() as mesh:
        mesh.store.break_down()
        one = await mesh.instance()
        mesh.store.calls.clear()
        assert (await one.ask(user="eve")).provenance is Provenance.COMPUTED
        assert mesh.store.calls == []
        mesh.store.recover()
        await asyncio.sleep(0.2)
        await one.ask(user="eve")
        assert (await one.ask(user="eve")).provenance is Provenance.SHARED


@in_virtual_time
async def test_a_request_in_a_hurry_does_not_ask() -> None:
    async with Mesh() as mesh:
        one = await mesh.instance()
        await one.ask(user="eve")
        mesh.store.calls.clear()
        soon = clock_of_running_loop().monotonic_s() + mesh.settings.budget_s
        request = CheckRequest(plain_bag({"user": "eve"}), deadline=Deadline(soon))
        assert (await one.mixer.check(request)).provenance is Provenance.COMPUTED
        assert mesh.store.calls == []


@in_virtual_time
async def test_a_server_that_refuses_writes_is_read_all_the_same() -> None:
    async with Mesh() as mesh:
        one, two = await mesh.instance(), await mesh.instance()
        await one.ask(user="eve")
        mesh.store.refuse_writes()
        for number in range(10):
            await two.ask(user=str(number))
        assert two.mixer.counts.write_dropped_failed >= 10
        assert not two.tier.cache.is_resting
        assert (await two.ask(user="eve")).provenance is Provenance.SHARED


@in_virtual_time
async def test_writes_are_bounded_and_what_is_dropped_is_counted() -> None:
    async with Mesh(settings=SharedSettings(max_unwritten=3, max_batch=2)) as mesh:
        one = await mesh.instance()
        await one.ask(user="first")
        requests = [CheckRequest(plain_bag({"user": str(number)})) for number in range(10)]
        mesh.store.calls.clear()
        await asyncio.gather(*map(one.mixer.check, requests))
        await asyncio.sleep(1)
        counts = one.mixer.counts
        assert counts.writes_dropped == counts.write_dropped_full > 0
        assert len(_answers(mesh)) == 11 - counts.write_dropped_full
        assert set(mesh.store.calls) <= {"get 1", "get 2", "put 1", "put 2"}
        assert counts.crowded > 0


@in_virtual_time
async def test_an_orderly_end_writes_what_waits() -> None:
    async with Mesh() as mesh:
        one = await mesh.instance()
        await one.mixer.check(CheckRequest(plain_bag({"user": "eve"})))
        assert not _answers(mesh)
        await one.tier.aclose()
        assert _answers(mesh)


# ------------------------------------------------------------ uses


@in_virtual_time
async def test_uses_are_spent_once_whoever_spends_them() -> None:
    async with Mesh() as mesh:
        instances = [await mesh.instance() for _ in range(5)]
        instances[0].inner.uses = 100
        granted = [(await instances[0].ask(user="eve")).valid_use_count]
        for each in instances[1:]:
            each.inner.failure = CheckFailedError("nobody must ask")
        for _ in range(10):
            for each in instances[1:]:
                with contextlib.suppress(CheckFailedError):
                    granted.append((await each.ask(user="eve")).valid_use_count)
        assert granted[0] == 25
        assert sum(granted) == 100
        assert min(granted) > 0
        assert sum(each.mixer.counts.refused[Refusal.SPENT] for each in instances) > 0


@in_virtual_time
async def test_readers_at_the_same_time_do_not_spend_a_use_twice() -> None:
    async with Mesh() as mesh:
        one = await mesh.instance()
        others = [await mesh.instance() for _ in range(20)]
        one.inner.uses = 4
        await one.ask(user="eve")
        for each in others:
            each.inner.failure = CheckFailedError("nobody must ask")
        answers = await asyncio.gather(
            *(each.ask(user="eve") for each in others), return_exceptions=True
        )
    used = [each.valid_use_count for each in answers if not isinstance(each, BaseException)]
    assert used == [1, 1, 1]


@in_virtual_time
async def test_unlimited_answers_need_no_counter() -> None:
    async with Mesh() as mesh:
        one, two = await mesh.instance(), await mesh.instance()
        await one.ask(user="eve")
        mesh.store.calls.clear()
        assert (await two.ask(user="eve")).valid_use_count == -1
        assert not [each for each in mesh.store.calls if each.startswith("add")]


@in_virtual_time
async def test_when_nobody_knows_how_many_uses_are_left_there_are_none() -> None:
    async with Mesh() as mesh:
        one, two = await mesh.instance(), await mesh.instance()
        one.inner.uses = 100
        await one.ask(user="eve")
        mesh.store.refuse_writes()
        assert (await two.ask(user="eve")).provenance is Provenance.COMPUTED


# ------------------------------------------------------------ renewal


@in_virtual_time
async def test_near_its_end_an_answer_is_renewed_by_one_instance_and_answers_meanwhile() -> None:
    async with Mesh() as mesh:
        instances = [await mesh.instance() for _ in range(4)]
        await instances[0].ask(user="eve")
        await asyncio.sleep(45)
        outcomes = [await each.ask(user="eve") for each in instances]
        assert {each.provenance for each in outcomes} == {Provenance.SHARED}
        assert sum(len(each.inner.asked) for each in instances) == 2  # the first, and the renewal
        await asyncio.sleep(10)
        assert (await instances[3].ask(user="eve")).valid_duration == 50_000_000_000


@in_virtual_time
async def test_a_failed_renewal_leaves_the_answer_as_it_was() -> None:
    async with Mesh() as mesh:
        one = await mesh.instance()
        await one.ask(user="eve")
        await asyncio.sleep(45)
        one.inner.failure = CheckFailedError("broken")
        for _ in range(3):
            assert (await one.ask(user="eve")).provenance is Provenance.SHARED


@in_virtual_time
async def test_a_caller_that_renews_gets_a_new_answer_or_one_that_others_renewed() -> None:
    async with Mesh() as mesh:
        one, two = await mesh.instance(), await mesh.instance()
        await one.ask(user="eve")
        await asyncio.sleep(50)
        assert (await one.ask(renews=True, user="eve")).provenance is Provenance.COMPUTED
        assert (await two.ask(renews=True, user="eve")).provenance is Provenance.SHARED


@in_virtual_time
async def test_an_old_answer_does_not_come_back_after_a_newer_one_that_is_not_for_others() -> None:
    async with Mesh() as mesh:
        one, two = await mesh.instance(), await mesh.instance()
        await one.ask(user="eve")
        await asyncio.sleep(50)
        two.inner.reads, two.inner.life_s = ("user", "path"), 0.0
        assert (await two.ask(renews=True, user="eve")).provenance is Provenance.COMPUTED
        await asyncio.sleep(0.1)
        assert (await one.ask(user="eve")).provenance is Provenance.COMPUTED


@in_virtual_time
async def test_an_answer_during_which_the_rules_changed_is_not_shared() -> None:
    async with Mesh() as mesh:
        one = await mesh.instance()
        one.inner.delay_s = 1
        asking = asyncio.ensure_future(one.ask(user="eve"))  # noqa: TID251 - it takes its time
        await asyncio.sleep(0.5)
        one.rules.signature = b"rules of others!"
        await asking
        assert not _answers(mesh)


@in_virtual_time
async def test_a_policy_may_renew_earlier() -> None:
    async with Mesh() as mesh:
        one, two = await mesh.instance(), await mesh.instance()
        hints = CacheHints(refresh_at=0.1, stale_for_s=3.0)
        one.inner.change = lambda outcome: replace(outcome, hints=hints)
        await one.ask(user="eve")
        assert (await two.ask(user="eve")).hints == hints
        await asyncio.sleep(7)
        await two.ask(user="eve")
        assert two.mixer.counts.renewals == 1


# ------------------------------------------------------------ what cannot be believed


async def _refused(reader: Instance, cause: Refusal) -> None:
    outcome = await reader.ask(user="eve")
    assert outcome.provenance is Provenance.COMPUTED
    assert reader.mixer.counts.refused == {cause: 1}


@pytest.mark.parametrize(
    ("damage", "cause"),
    [
        (lambda _: b"", Refusal.TRUNCATED),
        (lambda _: b"hello, I am somebody else's value", Refusal.FOREIGN),
        (lambda value: value[:10], Refusal.TRUNCATED),
        (lambda value: value[:-1], Refusal.SEAL),
        (lambda value: value + b"x", Refusal.SEAL),
        (lambda value: value[:2] + b"\x02" + value[3:], Refusal.VERSION),
        (lambda value: value[:3] + b"\x02" + value[4:], Refusal.FOREIGN),
        (lambda value: value[:-3] + bytes([value[-3] ^ 1]) + value[-2:], Refusal.SEAL),
    ],
)
def test_what_is_damaged_or_foreign_is_a_miss(damage: object, cause: Refusal) -> None:
    @in_virtual_time
    async def run() -> None:
        async with Mesh() as mesh:
            one, two = await mesh.instance(), await mesh.instance()
            await one.ask(user="eve")
            ((key, value),) = _answers(mesh).items()
            mesh.store.forge(key, damage(value))  # type: ignore[operator] # a table's function
            await _refused(two, cause)

    run()


@in_virtual_time
async def test_a_document_without_sense_is_a_miss() -> None:
    async with Mesh() as mesh:
        one, two = await mesh.instance(), await mesh.instance()
        await one.ask(user="eve")
        ((key, _),) = _answers(mesh).items()
        mesh.store.forge(key, Seal().close(Kind.ANSWER, key, b"no answer"))
        await _refused(two, Refusal.MALFORMED)


@in_virtual_time
async def test_a_good_answer_at_another_place_is_a_miss() -> None:
    async with Mesh() as mesh:
        one, two = await mesh.instance(), await mesh.instance()
        await one.ask(user="eve")
        ((_, allowed),) = _answers(mesh).items()
        await one.ask(user="bad")
        denied = next(key for key, value in _answers(mesh).items() if value != allowed)
        mesh.store.forge(denied, allowed)
        assert (await two.ask(user="bad")).status.code == 7
        assert two.mixer.counts.refused == {Refusal.SEAL: 1}


@in_virtual_time
async def test_with_a_secret_nobody_without_it_turns_a_denial_into_an_allow() -> None:
    async with Mesh() as mesh:
        one, two = await mesh.instance(secrets=[SECRET]), await mesh.instance(secrets=[SECRET])
        await one.ask(user="bad")
        ((key, denied),) = _answers(mesh).items()
        for secret in ([], [b"another secret"]):
            forger = await mesh.instance(secrets=secret)
            forger.inner.change = lambda outcome: replace(outcome, status=type(outcome.status)())
            await forger.ask(user="bad")
            assert mesh.store.editions[key] != denied
            assert (await two.ask(user="bad")).status.code == 7
            mesh.store.forge(key, denied)
        assert two.mixer.counts.refused[Refusal.SEAL] >= 2
        assert (await two.ask(user="bad")).provenance is Provenance.SHARED


@in_virtual_time
async def test_a_new_secret_is_taken_over_without_losing_answers() -> None:
    async with Mesh() as mesh:
        one = await mesh.instance(secrets=[SECRET])
        two = await mesh.instance(secrets=[b"the next secret", SECRET])
        await one.ask(user="eve")
        assert (await two.ask(user="eve")).provenance is Provenance.SHARED
        one.tier.use_seal(Seal([b"the next secret"]))
        await two.ask(user="adam")
        assert (await one.ask(user="adam")).provenance is Provenance.SHARED


@in_virtual_time
async def test_forged_shapes_are_not_taken_over() -> None:
    async with Mesh() as mesh:
        one, two = await mesh.instance(secrets=[SECRET]), await mesh.instance(secrets=[SECRET])
        await one.ask(user="bad")
        (shapes,) = [key for key in mesh.store.contents if key.endswith(b":shapes")]
        body = encode_shapes([frozenset()])  # "an answer that depends on nothing"
        mesh.store.forge(shapes, Seal().close(Kind.SHAPES, shapes, body))
        assert (await two.ask(user="bad")).provenance is Provenance.COMPUTED
        assert two.mixer.counts.refused == {Refusal.SEAL: 1}
        await one.ask(user="eve")
        assert (await two.ask(user="eve")).provenance is Provenance.SHARED


@in_virtual_time
async def test_shapes_without_sense_are_not_taken_over() -> None:
    async with Mesh() as mesh:
        one, two = await mesh.instance(), await mesh.instance()
        await one.ask(user="eve")
        (shapes,) = [key for key in mesh.store.contents if key.endswith(b":shapes")]
        mesh.store.forge(shapes, Seal().close(Kind.SHAPES, shapes, b"\x09x"))
        await two.ask(user="eve")
        assert two.mixer.counts.refused == {Refusal.MALFORMED: 1}


# ------------------------------------------------------------ clocks


@pytest.mark.parametrize("skew_s", [-0.9, -0.5, 0.5, 0.9])
def test_clocks_that_differ_a_little_share(skew_s: float) -> None:
    @in_virtual_time
    async def run() -> None:
        async with Mesh() as mesh:
            one, two = await mesh.instance(), await mesh.instance(skew_s=skew_s)
            await one.ask(user="eve")
            outcome = await two.ask(user="eve")
            assert outcome.provenance is Provenance.SHARED
            assert outcome.valid_duration <= 60_000_000_000

    run()


@in_virtual_time
async def test_an_answer_from_the_future_is_a_miss() -> None:
    async with Mesh() as mesh:
        one, two = await mesh.instance(skew_s=3_600), await mesh.instance()
        await one.ask(user="eve")
        await _refused(two, Refusal.SKEWED)


@in_virtual_time
async def test_for_a_clock_that_is_far_ahead_answers_have_ended() -> None:
    async with Mesh() as mesh:
        one, two = await mesh.instance(), await mesh.instance(skew_s=3_600)
        await one.ask(user="eve")
        await _refused(two, Refusal.EXPIRED)


# ------------------------------------------------------------ several servers


@in_virtual_time
async def test_servers_have_a_share_of_the_keys_each_and_rest_for_themselves() -> None:
    clock = clock_of_running_loop()
    stores = {name: FakeKeyValues(clock=clock) for name in ("a", "b", "c")}
    async with Mesh(stores=stores) as mesh:
        one, two = await mesh.instance(), await mesh.instance()
        for number in range(60):
            await one.ask(user=str(number))
        sizes = [len(store.contents) for store in stores.values()]
        assert min(sizes) > 5
        place_key = next(
            key for store in stores.values() for key in store.contents if key.endswith(b":shapes")
        )
        await two.ask(user="0")  # it knows the shapes now
        broken = next(store for store in stores.values() if place_key not in store.contents)
        broken.break_down()
        outcomes = [await two.ask(user=str(number)) for number in range(60)]
        found = [each.provenance for each in outcomes].count(Provenance.SHARED)
        assert found == 60 - len(broken.contents)
        assert not two.tier.cache.is_resting
        broken.calls.clear()
        for number in range(60):
            await two.ask(user=str(number))
        assert broken.calls == []
