"""The configuration service: a first state, later states, and faults that end nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from remixer.attributes.bag import plain_bag
from remixer.config.resources import LoadedResources, combine, parse_file
from remixer.config.stores.memory import MemoryStore
from remixer.config.stores.port import ConfigStore
from remixer.expr.semantics import Semantics
from remixer.foundation.errors import StartupError
from remixer.foundation.problems import Location, Problem
from remixer.runtime.engine import Engine
from remixer.runtime.guard import Guard
from remixer.runtime.handlers import HandlerBuilder
from remixer.runtime.metrics import NoMetrics
from remixer.runtime.reload import Reloader
from remixer.server.configuration import Configuration, Resolver
from remixer.server.lifecycle import Readiness
from remixer.server.task_home import TaskHome
from remixer.templates.registry import load_templates
from remixer.testing.adapters import FakeScrapeRegistry
from remixer.testing.clock import clock_of_running_loop, in_virtual_time
from remixer.testing.http import FakeHttpClient
from remixer.testing.scripted import Journal, scripted_adapters
from remixer.testing.texts import EVENT, NOTHING, VOCABULARY, action, handler, rule

RULES = VOCABULARY + handler("h") + NOTHING + rule("r", action("h", "nothing"))
BROKEN_PLUGIN = Problem("CONF032", "entry point `x` cannot be imported", Location("x"))


def loaded(text: str, *, is_available: bool = True) -> LoadedResources:
    found = combine([parse_file(text.encode(), "a.yaml")])
    problems = () if is_available else (Problem("CONF001", "cannot be read", Location("/etc/x")),)
    return LoadedResources(found.resources, found.problems + problems, is_available=is_available)


@dataclass(slots=True)
class Script:
    """A store that plays its states; an exception among them is raised."""

    first: list[LoadedResources]
    later: list[LoadedResources | Exception] = field(default_factory=list)

    async def load(self) -> LoadedResources:
        return self.first.pop(0) if len(self.first) > 1 else self.first[0]

    async def changes(self) -> AsyncIterator[LoadedResources]:
        while self.later:
            await asyncio.sleep(1.0)
            state = self.later.pop(0)
            if isinstance(state, Exception):
                raise state
            yield state


@dataclass(slots=True)
class World:
    """One configuration service, and what one can see of it."""

    configuration: Configuration
    engine: Engine
    readiness: Readiness
    journal: Journal

    @property
    def rules(self) -> list[str]:
        return [each.name for each in self.engine.generation.snapshot.rules]


@asynccontextmanager
async def world(store: ConfigStore, *, wait_s: float = 5.0) -> AsyncIterator[World]:
    clock, journal, metrics = clock_of_running_loop(), Journal(), NoMetrics()
    guard = Guard(clock=clock, metrics=metrics, adapter_timeout_s=60.0)
    engine = Engine(guard=guard, metrics=metrics)

    def make_reloader(group: asyncio.TaskGroup) -> Reloader:
        handlers = HandlerBuilder(
            clock=clock,
            http=FakeHttpClient(),
            scrape=FakeScrapeRegistry(),
            group=group,
            guard=guard,
            metrics=metrics,
        )
        return Reloader(engine=engine, handlers=handlers, metrics=metrics, group=group)

    resolver = Resolver(
        adapters={each.name: each for each in scripted_adapters(journal)},
        templates=load_templates(()).templates,
        default_namespace="istio-system",
        semantics=Semantics.FIXED,
        problems=(BROKEN_PLUGIN,),
    )
    home, readiness = TaskHome(), Readiness()
    configuration = Configuration(
        store=store,
        resolver=resolver,
        make_reloader=make_reloader,
        home=home,
        clock=clock,
        readiness=readiness,
        wait_s=wait_s,
    )
    async with asyncio.TaskGroup() as group:
        running = group.create_task(home.run())
        try:
            yield World(configuration, engine, readiness, journal)
        finally:
            await configuration.aclose()
            running.cancel()


def reasons(readiness: Readiness) -> list[str]:
    return [each for each in readiness.reasons() if each.startswith("configuration")]


@in_virtual_time
async def test_the_first_state_is_in_force_when_start_returns() -> None:
    async with world(MemoryStore({"a.yaml": RULES})) as it:
        assert reasons(it.readiness) == ["configuration: not loaded yet"]
        await it.configuration.start()
        assert reasons(it.readiness) == []
        assert it.rules == ["r.rule.shop"]
    assert it.journal.events == ["h.shop build", "h.shop close"]


@in_virtual_time
async def test_faults_of_plug_ins_are_among_the_problems() -> None:
    async with world(MemoryStore()) as it:
        await it.configuration.start()
        assert it.engine.generation.snapshot.problems == (BROKEN_PLUGIN,)


@in_virtual_time
async def test_a_store_that_is_not_available_is_waited_for() -> None:
    store = Script([loaded("", is_available=False)] * 3 + [loaded(RULES)])
    async with world(store) as it:
        await it.configuration.start()
        assert asyncio.get_running_loop().time() == pytest.approx(1.5)
        assert it.rules == ["r.rule.shop"]


@in_virtual_time
async def test_a_store_that_can_be_read_in_part_is_worth_starting_with() -> None:
    async with world(Script([loaded(RULES, is_available=False)])) as it:
        await it.configuration.start()
        assert asyncio.get_running_loop().time() == 0.0
        assert it.rules == ["r.rule.shop"]


@in_virtual_time
async def test_the_wait_for_a_store_ends_with_a_message_for_the_operator() -> None:
    async with world(Script([loaded("", is_available=False)]), wait_s=2.0) as it:
        with pytest.raises(StartupError, match=r"within 2 s.*\n.*cannot be read.*\n.*--config-st"):
            await it.configuration.start()
        assert reasons(it.readiness) == ["configuration: not loaded yet"]


async def run_to_its_end(it: World) -> None:
    await it.configuration.start()
    await it.configuration.run()


@in_virtual_time
async def test_later_states_are_put_in_force_in_order() -> None:
    other = RULES.replace("name: r,", "name: s,")
    async with world(Script([loaded("")], [loaded(RULES), loaded(other)])) as it:
        await run_to_its_end(it)
        assert it.rules == ["s.rule.shop"]
        assert it.engine.generation.number == 3


@in_virtual_time
async def test_a_state_that_is_not_available_any_more_is_shown_with_its_problem() -> None:
    async with world(Script([loaded(RULES)], [loaded(RULES, is_available=False)])) as it:
        await run_to_its_end(it)
        assert it.rules == ["r.rule.shop"]
        assert "CONF001" in {each.code for each in it.engine.generation.snapshot.problems}


@in_virtual_time
async def test_a_fault_in_watching_is_logged_and_the_watch_begun_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = Script([loaded("")], [OSError("watch broke"), loaded(RULES)])
    async with world(store) as it:
        await run_to_its_end(it)
        assert it.rules == ["r.rule.shop"]
    assert "config_watch_failed" in caplog.text


@in_virtual_time
async def test_a_change_while_running_is_followed() -> None:
    store = MemoryStore({"a.yaml": ""})
    async with world(store) as it, asyncio.TaskGroup() as group:
        await it.configuration.start()
        running = group.create_task(it.configuration.run())
        store.put("a.yaml", RULES)
        while not it.rules:  # noqa: ASYNC110 - a thread resolves; there is nothing to wait on
            await asyncio.sleep(0.01)
        running.cancel()
    assert it.journal.of("build") == ["h.shop build"]


def reporting(delay_s: float) -> str:
    return (
        VOCABULARY
        + handler("log", f"delay_s: {delay_s}", adapter="waiting")
        + EVENT
        + rule("r", action("log", "event"))
    )


@pytest.mark.parametrize(("grace_s", "handed_over"), [(10.0, 8), (2.5, 2)])
@in_virtual_time
async def test_draining_hands_over_reports_as_long_as_the_grace_lasts(
    grace_s: float, handed_over: int
) -> None:
    async with world(MemoryStore({"a.yaml": reporting(1.0)})) as it:
        await it.configuration.start()
        for _ in range(8):
            it.engine.report([plain_bag({"destination.namespace": "shop"})])
        await it.configuration.drain(grace_s=grace_s)
        assert len(it.journal.of("report")) == handed_over


@pytest.mark.parametrize("is_started", [False, True])
@in_virtual_time
async def test_draining_and_closing_are_safe_at_any_time(*, is_started: bool) -> None:
    async with world(MemoryStore({"a.yaml": RULES})) as it:
        if is_started:
            await it.configuration.start()
        await it.configuration.drain(grace_s=1.0)
        await it.configuration.aclose()
        await it.configuration.aclose()


@in_virtual_time
async def test_a_state_before_the_start_is_our_own_fault(caplog: pytest.LogCaptureFixture) -> None:
    async with world(Script([loaded("")], [loaded(RULES)])) as it:
        await it.configuration.run()
    (record,) = [each for each in caplog.records if each.msg == "config_watch_failed"]
    assert "before the start" in record.__dict__["fields"]["reason"]
