"""The example `outages`, run: what a request gets before, during and after an outage."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path
from random import Random

from remixer.adapters.registry import load_adapters
from remixer.attributes.bag import plain_bag
from remixer.attributes.values import PlainStringMap
from remixer.mixer.outcome import CheckOutcome, Provenance
from remixer.mixer.request import CheckRequest
from remixer.testing.clock import clock_of_running_loop, in_virtual_time
from remixer.testing.engine import running_engine
from remixer.testing.http import Answer, FakeHttpClient
from remixer.tiers.cached import CachedMixer
from remixer.tiers.settings import CacheSettings

EXAMPLE = Path(__file__).parents[3] / "examples" / "outages" / "rules.yaml"
URL = "http://127.0.0.1:8099/staff.txt"
_DOWN = Answer(error="connection refused")


class Shop:
    """The example behind a cache, and the server that its list comes from."""

    def __init__(self, mixer: CachedMixer, http: FakeHttpClient) -> None:
        self._mixer = mixer
        self.http = http

    async def ask(self, user: str) -> CheckOutcome:
        bag = plain_bag(
            {
                "destination.namespace": "shop",
                "request.path": "/orders/7",
                "request.headers": PlainStringMap({"x-user": user}),
            }
        )
        request = CheckRequest(bag)
        return self._mixer.check_now(request) or await self._mixer.check(request)


@asynccontextmanager
async def shop(*, is_up: bool) -> AsyncIterator[Shop]:
    http, clock = FakeHttpClient(), clock_of_running_loop()
    http.serve(URL, b"ann\ncarl\n" if is_up else _DOWN)
    vocabulary = (files("remixer.config") / "defaults" / "attributes.yaml").read_text()
    texts = {"rules.yaml": EXAMPLE.read_text(), "words.yaml": vocabulary}
    adapters = load_adapters().adapters.values()
    async with running_engine(texts, adapters=adapters, clock=clock, http=http) as running:
        assert running.engine.generation.snapshot.problems == ()
        mixer = CachedMixer(
            running.engine,
            settings=CacheSettings(jitter=0.0),
            policies=running.engine,
            clock=clock,
            random=Random(1),
        )
        yield Shop(mixer, http)


@in_virtual_time
async def test_as_long_as_the_list_is_there_it_decides() -> None:
    async with shop(is_up=True) as example:
        assert (await example.ask("carl")).status.is_ok
        assert (await example.ask("carl")).provenance is Provenance.MEMORY
        assert (await example.ask("bob")).status.code == 7


@in_virtual_time
async def test_an_answer_outlives_an_outage_and_strangers_meet_those_on_call() -> None:
    async with shop(is_up=True) as example:
        await example.ask("carl")
        example.http.serve(URL, _DOWN)
        await asyncio.sleep(600)
        assert (await example.ask("carl")).provenance is Provenance.STALE
        bob = await example.ask("bob")
        assert (bob.status.is_ok, bob.provenance) == (True, Provenance.SUBSTITUTE)
        assert not (await example.ask("eve")).status.is_ok
        await asyncio.sleep(3_600)
        assert not (await example.ask("carl")).status.is_ok


@in_virtual_time
async def test_after_an_outage_the_list_decides_again() -> None:
    async with shop(is_up=False) as example:
        assert (await example.ask("bob")).provenance is Provenance.SUBSTITUTE
        example.http.serve(URL, b"carl\n")
        await asyncio.sleep(20)
        assert (await example.ask("carl")).provenance is Provenance.COMPUTED
        assert not (await example.ask("bob")).status.is_ok
