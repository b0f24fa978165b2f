"""Building handlers: side by side, within limits, refused if they cannot do what they must."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from remixer.attributes.bag import plain_bag
from remixer.foundation.problems import Problem
from remixer.mixer.request import CheckRequest
from remixer.sdk import AdapterInfo, CheckResult, Environment, Handler, HandlerContext
from remixer.testing.clock import in_virtual_time
from remixer.testing.engine import RunningEngine, running_engine
from remixer.testing.scripted import Journal, Script, Scripted, scripted_adapters
from remixer.testing.texts import DENY, EVENT, NOTHING, VOCABULARY, action, handler, rule

Build = Callable[[Script, HandlerContext, Environment], Awaitable[Any]]


def odd(build: Build) -> AdapterInfo[Script]:
    return AdapterInfo(
        name="odd",
        description="",
        templates=frozenset({"checknothing", "reportnothing"}),
        defaults=Script(),
        build=build,
    )


def both(journal: Journal, build: Build) -> list[AdapterInfo[Script]]:
    return [*scripted_adapters(journal), odd(build)]


TEXT = (
    VOCABULARY
    + handler("a", adapter="odd")
    + handler("b", DENY)
    + NOTHING
    + EVENT
    + rule("r", action("a", "nothing"), action("b", "nothing"))
)


def request() -> CheckRequest:
    return CheckRequest(bag=plain_bag({"destination.namespace": "shop"}))


def problem_of(running: RunningEngine) -> Problem:
    (problem,) = running.engine.generation.snapshot.problems
    assert (problem.code, problem.resource) == ("HAND001", "a.handler.shop")
    return problem


async def test_a_handler_that_cannot_be_built_is_a_problem_and_the_rest_applies() -> None:
    async def refuse(_params: Script, _context: HandlerContext, _env: Environment) -> Handler:
        message = "no route to back end"
        raise OSError(message)

    async with running_engine({"a": TEXT}, adapters=both(Journal(), refuse)) as running:
        assert "no route to back end" in problem_of(running).message
        outcome = running.engine.check_now(request())
    assert outcome is not None
    assert outcome.status.message == "b.shop:denied"


@in_virtual_time
async def test_a_build_that_hangs_is_given_up_after_ten_seconds() -> None:
    async def hang(_params: Script, _context: HandlerContext, _env: Environment) -> Handler:
        await asyncio.Event().wait()
        raise AssertionError

    loop = asyncio.get_running_loop()
    async with running_engine({"a": TEXT}, adapters=both(Journal(), hang)) as running:
        assert "not done after 10 s" in problem_of(running).message
    assert loop.time() == pytest.approx(10.0, abs=0.5)


@in_virtual_time
async def test_handlers_are_built_side_by_side() -> None:
    async def hang(_params: Script, _context: HandlerContext, _env: Environment) -> Handler:
        await asyncio.Event().wait()
        raise AssertionError

    names = [f"h{number}" for number in range(20)]
    text = VOCABULARY + NOTHING + "".join(handler(name, adapter="odd") for name in names)
    text += rule("r", *(action(name, "nothing") for name in names))
    loop = asyncio.get_running_loop()
    async with running_engine({"a": text}, adapters=both(Journal(), hang)) as running:
        assert len(running.engine.generation.snapshot.problems) == 20
    assert loop.time() == pytest.approx(10.0, abs=0.5)


async def test_an_adapter_that_is_cancelled_from_within_is_not_built() -> None:
    async def cancelled(_params: Script, _context: HandlerContext, _env: Environment) -> Handler:
        raise asyncio.CancelledError

    async with running_engine({"a": TEXT}, adapters=both(Journal(), cancelled)) as running:
        assert "CancelledError" in problem_of(running).message


async def test_background_work_of_a_handler_that_cannot_be_built_is_ended() -> None:
    ended = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async def refuse(_params: Script, _context: HandlerContext, env: Environment) -> Handler:
        env.tasks.spawn(work(), name="work")
        await asyncio.sleep(0)
        message = "no"
        raise OSError(message)

    async with running_engine({"a": TEXT}, adapters=both(Journal(), refuse)):
        assert ended.is_set()


@pytest.mark.parametrize("missing", ["check", "aclose"])
async def test_a_handler_without_a_method_that_it_needs_is_refused(missing: str) -> None:
    class Partial:
        if missing != "check":

            def check(self, _instance: object) -> CheckResult:
                return CheckResult()

        if missing != "aclose":

            async def aclose(self) -> None:
                """Nothing to do."""

    async def build(_params: Script, _context: HandlerContext, _env: Environment) -> Any:
        return Partial()

    async with running_engine({"a": TEXT}, adapters=both(Journal(), build)) as running:
        assert f"its handler has no method `{missing}`" in problem_of(running).message
        assert running.engine.check_now(request()) is not None


async def test_a_build_that_gives_nothing_is_refused() -> None:
    async def nothing(_params: Script, _context: HandlerContext, _env: Environment) -> Any:
        return None

    async with running_engine({"a": TEXT}, adapters=both(Journal(), nothing)) as running:
        assert "`aclose`, `check`" in problem_of(running).message


async def test_a_refused_handler_is_closed() -> None:
    closed: list[str] = []

    class OnlyCloses:
        async def aclose(self) -> None:
            closed.append("closed")

    async def build(_params: Script, _context: HandlerContext, _env: Environment) -> Any:
        return OnlyCloses()

    async with running_engine({"a": TEXT}, adapters=both(Journal(), build)):
        assert closed == ["closed"]


async def test_an_equal_handler_is_carried_over() -> None:
    journal = Journal()
    text = VOCABULARY + handler("b") + NOTHING
    first = text + rule("r", action("b", "nothing"))
    other = text + rule("s", action("b", "nothing"), match='user == "al"')
    async with running_engine({"a": first}, adapters=scripted_adapters(journal)) as running:
        live = running.engine.generation.handlers.handlers["b.handler.shop"]
        await running.apply({"a": other})
        assert running.engine.generation.handlers.handlers["b.handler.shop"] is live
        assert journal.events == ["b.shop build"]
    assert journal.events == ["b.shop build", "b.shop close"]


async def test_a_changed_handler_is_rebuilt_and_the_old_one_closed() -> None:
    journal = Journal()
    text = VOCABULARY + NOTHING + rule("r", action("b", "nothing"))
    before, after = text + handler("b"), text + handler("b", "grant: 1")
    async with running_engine({"a": before}, adapters=scripted_adapters(journal)) as running:
        await running.apply({"a": after})
        assert journal.events[:2] == ["b.shop build", "b.shop build"]
    assert journal.events == ["b.shop build"] * 2 + ["b.shop close"] * 2


@pytest.mark.parametrize("error", [OSError("gone"), asyncio.CancelledError()])
async def test_a_handler_that_fails_to_close_is_logged_and_the_others_close(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    journal = Journal()

    class Rude(Scripted):
        async def aclose(self) -> None:
            raise error

    async def build(script: Script, context: HandlerContext, _env: Environment) -> Handler:
        return Rude(script, context.name, journal)

    async with running_engine({"a": TEXT}, adapters=both(journal, build)):
        pass
    assert journal.of("close") == ["b.shop close"]
    assert "handler_close_failed" in caplog.text


async def test_closing_that_is_cut_short_ends_background_work_all_the_same() -> None:
    seen: list[str] = []
    closing = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            seen.append("work ended")

    class Hanging(Scripted):
        async def aclose(self) -> None:
            closing.set()
            await asyncio.Event().wait()

    async def build(script: Script, context: HandlerContext, env: Environment) -> Handler:
        env.tasks.spawn(work(), name="work")
        return Hanging(script, context.name, Journal())

    async with running_engine({"a": TEXT}, adapters=both(Journal(), build)) as running:
        async with asyncio.TaskGroup() as group:
            cut = group.create_task(running.reloader.aclose())
            await closing.wait()
            cut.cancel()
        assert seen == ["work ended"]
