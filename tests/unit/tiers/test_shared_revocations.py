"""Revocations: in force here at once, elsewhere soon, and for whoever comes later."""

import asyncio

import pytest

from remixer.drivers.key_values import KeyValueUnavailableError
from remixer.mixer.outcome import Provenance
from remixer.testing.clock import in_virtual_time
from remixer.testing.shared_cache import Instance, Mesh
from remixer.tiers.shared.revocations import MOST_REVOCATIONS, BadRevocationError, Matches
from remixer.tiers.shared.seal import Kind, Refusal, Seal
from remixer.tiers.shared.settings import SharedSettings

COUNTER = b"rx1:revocations"


class Taker:
    """Hears what a memory in front of the shared cache would."""

    def __init__(self, instance: Instance) -> None:
        self.taken: list[Matches | None] = []
        instance.tier.revocations.subscribe(self._take)

    async def _take(self, matches: Matches | None) -> None:
        self.taken.append(matches)


async def _heard() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


@in_virtual_time
async def test_what_matches_is_asked_again_everywhere_and_the_rest_is_not() -> None:
    async with Mesh() as mesh:
        one, two = await mesh.instance(), await mesh.instance()
        await one.ask(user="eve")
        await one.ask(user="adam")
        await asyncio.sleep(2)
        await two.tier.revocations.publish("user=eve")
        await _heard()
        for each in (one, two):
            assert (await each.ask(user="adam")).provenance is Provenance.SHARED
        assert (await one.ask(user="eve")).provenance is Provenance.COMPUTED
        assert one.mixer.counts.refused == {Refusal.REVOKED: 1}


@in_virtual_time
async def test_all_may_be_revoked() -> None:
    async with Mesh() as mesh:
        one, two = await mesh.instance(), await mesh.instance()
        await one.ask(user="eve")
        await one.tier.revocations.publish()
        await _heard()
        assert (await two.ask(user="eve")).provenance is Provenance.COMPUTED


@in_virtual_time
async def test_answers_made_afterwards_count() -> None:
    async with Mesh() as mesh:
        one, two = await mesh.instance(), await mesh.instance()
        await one.tier.revocations.publish()
        await asyncio.sleep(mesh.settings.max_skew_s + 0.1)
        await one.ask(user="eve")
        assert (await two.ask(user="eve")).provenance is Provenance.SHARED


@in_virtual_time
async def test_an_answer_that_was_asked_for_before_is_revoked_though_it_came_after() -> None:
    async with Mesh() as mesh:
        one, two = await mesh.instance(), await mesh.instance()
        one.inner.delay_s = 10
        asking = asyncio.ensure_future(one.ask(user="eve"))  # noqa: TID251 - it takes its time
        await asyncio.sleep(5)
        await two.tier.revocations.publish("user=eve")
        await asking
        assert (await two.ask(user="eve")).provenance is Provenance.COMPUTED


@in_virtual_time
async def test_who_subscribes_hears_of_each_once_its_own_included() -> None:
    async with Mesh() as mesh:
        one, two = await mesh.instance(), await mesh.instance()
        own, other = Taker(one), Taker(two)
        await one.tier.revocations.publish("user=eve")
        await one.tier.revocations.publish()
        await asyncio.sleep(3 * mesh.settings.poll_s)
        for taker in (own, other):
            matches, everything = taker.taken
            assert everything is None
            assert matches is not None
            assert matches({"user": "eve"})
            assert not matches({"user": "adam"})


@in_virtual_time
async def test_without_notices_it_takes_no_longer_than_a_poll() -> None:
    async with Mesh() as mesh:
        one, two = await mesh.instance(), await mesh.instance(is_polling=True)
        taker = Taker(two)
        await one.tier.revocations.publish()
        await _heard()
        assert taker.taken == []
        await asyncio.sleep(mesh.settings.poll_s + 0.1)
        assert taker.taken == [None]


@in_virtual_time
async def test_who_starts_later_knows_it_too() -> None:
    async with Mesh() as mesh:
        one = await mesh.instance()
        await one.ask(user="eve")
        await one.ask(user="adam")
        await one.tier.revocations.publish("user=eve")
        two = await mesh.instance()
        assert (await two.ask(user="eve")).provenance is Provenance.COMPUTED
        assert (await two.ask(user="adam")).provenance is Provenance.SHARED


@in_virtual_time
async def test_revocations_end_when_no_older_answer_can_live() -> None:
    async with Mesh(settings=SharedSettings(max_age_s=100)) as mesh:
        one = await mesh.instance()
        await one.tier.revocations.publish("user=eve")
        assert one.tier.revocations._in_force
        await asyncio.sleep(120)
        assert not one.tier.revocations._in_force


@in_virtual_time
async def test_beyond_a_number_the_oldest_count_for_everything() -> None:
    async with Mesh() as mesh:
        one, two = await mesh.instance(), await mesh.instance()
        await one.ask(user="adam")
        await asyncio.sleep(5)
        for number in range(MOST_REVOCATIONS):
            await one.tier.revocations.publish(f"user={number}")
        assert (await one.ask(user="adam")).provenance is Provenance.SHARED
        await one.tier.revocations.publish("user=one too many")
        assert (await one.ask(user="adam")).provenance is Provenance.COMPUTED
        assert len(one.tier.revocations._in_force) == MOST_REVOCATIONS
        await _heard()
        assert len(two.tier.revocations._in_force) == MOST_REVOCATIONS


@in_virtual_time
async def test_whoever_missed_too_many_forgets_everything() -> None:
    async with Mesh() as mesh:
        one, two = await mesh.instance(), await mesh.instance(is_polling=True)
        await one.ask(user="adam")
        taker = Taker(two)
        for number in range(MOST_REVOCATIONS + 1):
            await one.tier.revocations.publish(f"user={number}")
        await asyncio.sleep(mesh.settings.poll_s + 0.1)
        assert None in taker.taken


@in_virtual_time
async def test_a_revocation_that_was_lost_counts_for_everything() -> None:
    async with Mesh() as mesh:
        one, two = await mesh.instance(), await mesh.instance(is_polling=True)
        taker = Taker(two)
        await one.tier.revocations.publish("user=eve")
        mesh.store._values.pop(COUNTER + b":1")
        await asyncio.sleep(mesh.settings.poll_s + 0.1)
        assert taker.taken == []  # it may be on its way
        await asyncio.sleep(3 * mesh.settings.poll_s)
        assert taker.taken == [None]


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"nonsense",
        Seal([b"another secret"]).close(Kind.REVOCATION, COUNTER + b":1", b"\x01\x00"),
    ],
)
def test_one_that_cannot_be_believed_counts_for_everything(document: bytes) -> None:
    @in_virtual_time
    async def run() -> None:
        async with Mesh() as mesh:
            one, two = await mesh.instance(), await mesh.instance(is_polling=True)
            taker = Taker(two)
            await one.tier.revocations.publish("user=eve")
            mesh.store.overwrite(COUNTER + b":1", document)
            await asyncio.sleep(mesh.settings.poll_s + 0.1)
            assert taker.taken == [None]
            assert two.mixer.counts.refused.total() == 1

    run()


@in_virtual_time
async def test_one_that_another_version_understands_counts_for_everything() -> None:
    async with Mesh() as mesh:
        one, two = await mesh.instance(), await mesh.instance()
        one.tier.revocations._compile = lambda _text: lambda _values: False
        taker = Taker(two)
        await one.tier.revocations.publish("newer language")
        await _heard()
        assert taker.taken == [None]


@in_virtual_time
async def test_a_condition_that_is_none_is_refused_and_nothing_happens() -> None:
    async with Mesh() as mesh:
        one = await mesh.instance()
        taker = Taker(one)
        with pytest.raises(BadRevocationError):
            await one.tier.revocations.publish("nonsense")
        with pytest.raises(BadRevocationError, match="more than"):
            await one.tier.revocations.publish("user=" + "x" * 20_000)
        assert taker.taken == []


@in_virtual_time
async def test_without_a_server_it_is_in_force_here_and_the_operator_is_told() -> None:
    async with Mesh() as mesh:
        one = await mesh.instance()
        taker = Taker(one)
        mesh.store.break_down()
        with pytest.raises(KeyValueUnavailableError):
            await one.tier.revocations.publish()
        assert taker.taken == [None]


@in_virtual_time
async def test_after_a_restart_of_the_server_new_ones_are_heard() -> None:
    async with Mesh() as mesh:
        one, two = await mesh.instance(), await mesh.instance()
        for _ in range(3):
            await one.tier.revocations.publish("user=eve")
        await _heard()
        taker = Taker(two)
        mesh.store.clear()
        await asyncio.sleep(2 * mesh.settings.poll_s)
        await one.tier.revocations.publish()
        await _heard()
        assert taker.taken == [None]


@in_virtual_time
async def test_a_counter_that_is_no_number_is_none() -> None:
    async with Mesh() as mesh:
        one = await mesh.instance()
        await one.tier.revocations.publish()
        mesh.store.overwrite(COUNTER, b"many")
        await one.tier.revocations.look()
        mesh.store.overwrite(COUNTER, "²".encode())
        await one.tier.revocations.look()
