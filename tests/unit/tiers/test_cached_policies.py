"""The memory of verdicts and the policies of those it remembers, together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from random import Random

import pytest

from remixer.attributes.bag import plain_bag
from remixer.foundation.errors import CheckFailedError
from remixer.mixer.outcome import CheckOutcome, Provenance
from remixer.mixer.request import CheckRequest
from remixer.testing.clock import clock_of_running_loop, in_virtual_time
from remixer.testing.engine import RunningEngine, running_engine
from remixer.testing.scripted import Journal, Script, Scripted, adapter_of
from remixer.testing.texts import NOTHING, VOCABULARY, action, handler, rule
from remixer.tiers.cached import CachedMixer
from remixer.tiers.settings import CacheSettings


@dataclass(slots=True)
class Backend:
    """What the handlers depend on."""

    is_up: bool = True


class Dependent(Scripted):
    """Answers as long as its back end is up."""

    def __init__(self, script: Script, name: str, journal: Journal, backend: Backend) -> None:
        super().__init__(script, name, journal)
        self._backend = backend

    def _note(self, event: str) -> None:
        super()._note(event)
        if not self._backend.is_up:
            message = "the back end is down"
            raise OSError(message)


@dataclass(slots=True)
class Running:
    """A cache around an engine."""

    mixer: CachedMixer
    engine: RunningEngine
    backend: Backend
    journal: Journal

    async def check(self) -> CheckOutcome:
        request = CheckRequest(plain_bag({"destination.namespace": "shop", "user": "al"}))
        return self.mixer.check_now(request) or await self.mixer.check(request)

    @property
    def asked(self) -> int:
        return len(self.journal.of("check"))


BASE = VOCABULARY + NOTHING + handler("h", "valid_duration: 10s, valid_use_count: 1000")
BASE += rule("r", action("h", "nothing"), match='user == "al"')


def policy(kind: str, spec: str) -> str:
    return f"\nkind: {kind}\nmetadata: {{name: p, namespace: shop}}\nspec: {{rules: [r], {spec}}}\n---\n"


@asynccontextmanager
async def running(text: str = "", *, stale_for_s: float = 60.0) -> AsyncIterator[Running]:
    journal, backend, clock = Journal(), Backend(), clock_of_running_loop()
    adapter = adapter_of(
        "scripted", lambda script, name: Dependent(script, name, journal, backend), journal
    )
    async with (
        asyncio.TaskGroup() as group,
        running_engine({"a": BASE + text}, adapters=[adapter], clock=clock) as engine,
    ):
        assert engine.engine.generation.snapshot.problems == ()
        mixer = CachedMixer(
            engine.engine,
            settings=CacheSettings(stale_for_s=stale_for_s, jitter=0.0),
            policies=engine.engine,
            clock=clock,
            random=Random(1),
            background=group.create_task,
        )
        yield Running(mixer, engine, backend, journal)


@in_virtual_time
async def test_without_policies_an_old_answer_stands_in_by_the_servers_setting() -> None:
    async with running() as shop:
        await shop.check()
        shop.backend.is_up = False
        await asyncio.sleep(30)
        assert (await shop.check()).provenance is Provenance.STALE


@in_virtual_time
async def test_closed_is_stronger_than_the_servers_setting() -> None:
    async with running(policy("FailurePolicy", "onFailure: [closed]")) as shop:
        await shop.check()
        shop.backend.is_up = False
        await asyncio.sleep(30)
        outcome = await shop.check()
        assert (outcome.status.code, outcome.provenance) == (14, Provenance.SUBSTITUTE)
        assert shop.mixer.counts.stale == 0


@in_virtual_time
async def test_an_old_answer_stands_in_again_and_again_and_then_the_next_step_does() -> None:
    async with running(policy("FailurePolicy", "onFailure: [stale, closed]")) as shop:
        await shop.check()
        shop.backend.is_up = False
        await asyncio.sleep(30)
        for _ in range(3):
            assert (await shop.check()).provenance is Provenance.STALE
        assert shop.mixer.counts.stale == 3
        await asyncio.sleep(41)
        assert (await shop.check()).status.code == 14


@in_virtual_time
async def test_what_stood_in_displaces_nothing_and_is_not_remembered() -> None:
    async with running(policy("FailurePolicy", "onFailure: [open]")) as shop:
        await shop.check()
        shop.backend.is_up = False
        await asyncio.sleep(30)
        for _ in range(2):
            assert (await shop.check()).provenance is Provenance.SUBSTITUTE
        assert (shop.asked, len(shop.mixer.answers.table)) == (3, 1)
        shop.backend.is_up = True
        assert (await shop.check()).provenance is Provenance.COMPUTED
        assert (await shop.check()).provenance is Provenance.MEMORY


@in_virtual_time
async def test_a_policy_may_let_old_answers_stand_in_for_longer_or_never() -> None:
    async with running(policy("CachePolicy", "staleFor: 1h")) as shop:
        await shop.check()
        shop.backend.is_up = False
        await asyncio.sleep(3_000)
        assert (await shop.check()).provenance is Provenance.STALE
    async with running(policy("CachePolicy", "staleFor: 0s")) as shop:
        await shop.check()
        shop.backend.is_up = False
        await asyncio.sleep(11)
        with pytest.raises(CheckFailedError):
            await shop.check()


@in_virtual_time
async def test_a_policy_shortens_what_the_cache_keeps() -> None:
    async with running(policy("CachePolicy", "maxAge: 2s")) as shop:
        await shop.check()
        await asyncio.sleep(1)
        await shop.check()
        assert shop.asked == 1
        await asyncio.sleep(1.5)
        await shop.check()
        assert shop.asked == 2


@in_virtual_time
async def test_a_policy_counts_uses() -> None:
    async with running(policy("CachePolicy", "maxUses: 2")) as shop:
        for _ in range(4):
            await shop.check()
        assert shop.asked == 2


@in_virtual_time
async def test_nothing_is_kept_where_a_policy_forbids_it() -> None:
    async with running(policy("CachePolicy", "enabled: false")) as shop:
        for _ in range(3):
            assert (await shop.check()).valid_use_count == 0
        assert (shop.asked, len(shop.mixer.answers.table)) == (3, 0)


@in_virtual_time
async def test_a_policy_says_when_answers_are_renewed() -> None:
    async with running(policy("CachePolicy", "refreshAt: 0.3")) as shop:
        await shop.check()
        await asyncio.sleep(4)
        assert (await shop.check()).provenance is Provenance.MEMORY
        await asyncio.sleep(1)
        assert shop.asked == 2
    async with running(policy("CachePolicy", "refreshAt: 1")) as shop:
        await shop.check()
        await asyncio.sleep(9)
        await shop.check()
        await asyncio.sleep(0.5)
        assert shop.asked == 1


@in_virtual_time
async def test_answers_of_a_rule_are_forgotten_when_its_policy_changes() -> None:
    async with running(policy("CachePolicy", "maxAge: 9s")) as shop:
        await shop.check()
        await shop.engine.apply({"a": BASE + policy("CachePolicy", "maxAge: 8s")})
        await shop.check()
        assert shop.asked == 2
