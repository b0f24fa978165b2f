"""From one configuration to the next: order, sharing, draining, closing."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest

from remixer.attributes.bag import plain_bag
from remixer.foundation.status import Code
from remixer.mixer.request import CheckRequest
from remixer.runtime.metrics import ConfigCounts, NoMetrics
from remixer.sdk import AdapterInfo, Environment, Handler, HandlerContext
from remixer.testing.clock import in_virtual_time
from remixer.testing.engine import running_engine
from remixer.testing.scripted import Journal, Script, Scripted, adapter_of, scripted_adapters
from remixer.testing.texts import DENY, EVENT, NOTHING, VOCABULARY, action, handler, rule

SLOW = VOCABULARY + handler("slow", f"{DENY}, delay_s: 5.0", adapter="waiting") + NOTHING
SLOW_RULE = rule("r", action("slow", "nothing"))


def request() -> CheckRequest:
    return CheckRequest(bag=plain_bag({"destination.namespace": "shop"}))


@in_virtual_time
async def test_a_request_in_flight_keeps_its_configuration_to_its_end() -> None:
    journal = Journal()
    async with running_engine(
        {"a": SLOW + SLOW_RULE}, adapters=scripted_adapters(journal), adapter_timeout_s=9.0
    ) as running:
        async with asyncio.TaskGroup() as group:
            asked = group.create_task(running.engine.check(request()))
            await asyncio.sleep(0.1)
            await running.apply({"a": VOCABULARY})
            assert running.engine.check_now(request()) is not None
            assert journal.of("close") == []
        assert asked.result().status.code == Code.PERMISSION_DENIED
    assert journal.of("close") == ["slow.shop close"]


@in_virtual_time
async def test_a_handler_that_two_generations_share_outlives_requests_of_the_older() -> None:
    """The request holds the first generation; nobody holds the second, which ends first."""
    journal = Journal()
    async with running_engine(
        {"a": SLOW + SLOW_RULE}, adapters=scripted_adapters(journal), adapter_timeout_s=9.0
    ) as running:
        async with asyncio.TaskGroup() as group:
            asked = group.create_task(running.engine.check(request()))
            await asyncio.sleep(0.1)
            await running.apply({"a": SLOW + rule("other", action("slow", "nothing"))})
            await running.apply({"a": VOCABULARY})
            await asyncio.sleep(1.0)
            assert journal.of("close") == []
        assert asked.result().status.code == Code.PERMISSION_DENIED
    assert journal.of("close") == ["slow.shop close"]


@in_virtual_time
async def test_a_cancelled_request_no_longer_holds_its_configuration() -> None:
    journal = Journal()
    async with running_engine(
        {"a": SLOW + SLOW_RULE}, adapters=scripted_adapters(journal), adapter_timeout_s=9.0
    ) as running:
        async with asyncio.TaskGroup() as group:
            asked = group.create_task(running.engine.check(request()))
            await asyncio.sleep(0.1)
            await running.apply({"a": VOCABULARY})
            asked.cancel()
        await asyncio.sleep(0.1)
        assert journal.of("close") == ["slow.shop close"]


@in_virtual_time
async def test_a_request_that_never_ends_delays_closing_by_ten_seconds() -> None:
    journal = Journal()
    async with (
        running_engine(
            {"a": SLOW.replace("5.0", "60.0") + SLOW_RULE},
            adapters=scripted_adapters(journal),
            adapter_timeout_s=90.0,
        ) as running,
        asyncio.TaskGroup() as group,
    ):
        group.create_task(running.engine.check(request()))
        await asyncio.sleep(0.1)
        await running.apply({"a": VOCABULARY})
        await asyncio.sleep(9.0)
        assert journal.of("close") == []
        await asyncio.sleep(1.5)
        assert journal.of("close") == ["slow.shop close"]


@in_virtual_time
async def test_reloads_at_one_time_take_turns() -> None:
    """Otherwise both would build against the same predecessor, and one handler would leak."""
    journal = Journal()

    async def build(script: Script, context: HandlerContext, _env: Environment) -> Handler:
        await asyncio.sleep(1.0)
        journal.note(context.name, "build")
        return Scripted(script, context.name, journal)

    slow_to_build = AdapterInfo(
        name="scripted",
        description="",
        templates=frozenset({"checknothing"}),
        defaults=Script(),
        build=build,
    )
    text = VOCABULARY + handler("h") + NOTHING
    async with running_engine({"a": VOCABULARY}, adapters=[slow_to_build]) as running:
        async with asyncio.TaskGroup() as group:
            group.create_task(running.apply({"a": text + rule("r", action("h", "nothing"))}))
            group.create_task(running.apply({"a": text + rule("s", action("h", "nothing"))}))
        assert journal.events == ["h.shop build"]
        assert running.engine.generation.number == 3
        assert [each.name for each in running.engine.generation.snapshot.rules] == ["s.rule.shop"]
    assert journal.events == ["h.shop build", "h.shop close"]


@in_virtual_time
async def test_a_reload_that_is_cancelled_closes_what_it_had_built() -> None:
    journal = Journal()

    async def hang(_script: Script, _context: HandlerContext, _env: Environment) -> Handler:
        await asyncio.Event().wait()
        raise AssertionError

    hanging = AdapterInfo(
        name="hanging",
        description="",
        templates=frozenset({"checknothing"}),
        defaults=Script(),
        build=hang,
    )
    text = VOCABULARY + handler("a") + handler("b", adapter="hanging") + NOTHING
    text += rule("r", action("a", "nothing"), action("b", "nothing"))
    adapters: list[AdapterInfo[Any]] = [*scripted_adapters(journal), hanging]
    async with running_engine({"a": VOCABULARY}, adapters=adapters) as running:
        async with asyncio.TaskGroup() as group:
            applying = group.create_task(running.apply({"a": text}))
            await asyncio.sleep(1.0)
            assert journal.events == ["a.shop build"]
            applying.cancel()
        assert journal.events == ["a.shop build", "a.shop close"]
        assert running.engine.generation.number == 1


@in_virtual_time
async def test_closing_does_not_wait_for_requests_that_never_end() -> None:
    journal = Journal()
    adapters = scripted_adapters(journal)
    loop = asyncio.get_running_loop()
    files = {"a": SLOW.replace("5.0", "60.0") + SLOW_RULE}
    async with asyncio.TaskGroup() as group:
        async with running_engine(files, adapters=adapters, adapter_timeout_s=90.0) as running:
            asked = group.create_task(running.engine.check(request()))
            await asyncio.sleep(0.1)
            await running.apply({"a": VOCABULARY})
            await asyncio.sleep(0.1)
        assert journal.of("close") == ["slow.shop close"]
        assert loop.time() < 1.0
        asked.cancel()


@in_virtual_time
async def test_closing_twice_is_safe() -> None:
    journal = Journal()
    text = VOCABULARY + handler("h") + NOTHING + rule("r", action("h", "nothing"))
    async with running_engine({"a": text}, adapters=scripted_adapters(journal)) as running:
        await running.reloader.aclose()
        await running.reloader.aclose()
    assert journal.of("close") == ["h.shop close"]


@in_virtual_time
async def test_a_handler_that_hangs_in_closing_keeps_no_other_from_closing() -> None:
    journal = Journal()

    class Hanging(Scripted):
        async def aclose(self) -> None:
            self.journal.note(self.name, "close begun")
            await asyncio.Event().wait()

    hanging = adapter_of("hanging", lambda s, name: Hanging(s, name, journal), journal)
    text = VOCABULARY + handler("a", adapter="hanging") + handler("b", adapter="hanging")
    text += handler("c") + NOTHING
    text += rule("r", *(action(name, "nothing") for name in "abc"))
    loop = asyncio.get_running_loop()
    async with running_engine(
        {"a": text}, adapters=[*scripted_adapters(journal), hanging]
    ) as running:
        begun_s = loop.time()
        await running.reloader.aclose()
        assert loop.time() - begun_s < 5.0
    assert journal.of("close") == ["a.shop close begun", "b.shop close begun", "c.shop close"]


@in_virtual_time
async def test_flush_returns_when_reports_were_handed_over() -> None:
    journal = Journal()
    text = VOCABULARY + handler("log", "delay_s: 0.5", adapter="waiting") + EVENT
    text += handler("other") + rule("r", action("log", "event"), action("other", "event"))
    async with running_engine({"a": text}, adapters=scripted_adapters(journal)) as running:
        for _ in range(3):
            running.engine.report([request().bag])
        await running.reloader.flush()
        assert journal.of("log.shop report") == ["log.shop report 1"] * 3


@dataclass(slots=True)
class Changes(NoMetrics):
    """Remembers what reloads told."""

    handlers: list[tuple[int, int, int, int, int]] = field(default_factory=list)
    problems: list[dict[str, int]] = field(default_factory=list)

    def handlers_changed(
        self, *, new: int, reused: int, closed: int, build_failures: int, close_failures: int
    ) -> None:
        self.handlers.append((new, reused, closed, build_failures, close_failures))

    def config_loaded(self, counts: ConfigCounts) -> None:
        self.problems.append(dict(counts.problems_by_kind))


@in_virtual_time
async def test_what_became_of_handlers_is_counted() -> None:
    journal, metrics = Journal(), Changes()
    both = VOCABULARY + handler("a") + handler("b") + NOTHING
    both += rule("r", action("a", "nothing"), action("b", "nothing"))
    changed = both.replace("name: a, ", "name: c, ").replace("handler: a,", "handler: c,")
    async with running_engine(
        {"a": both}, adapters=scripted_adapters(journal), metrics=metrics
    ) as running:
        await running.apply({"a": changed})
        await asyncio.sleep(0.1)
    assert metrics.handlers == [(2, 0, 0, 0, 0), (1, 1, 1, 0, 0)]


@in_virtual_time
async def test_problems_are_counted_by_kind_of_resource() -> None:
    metrics = Changes()
    text = rule("r", action("missing", "nothing")) + "kind: [\n"
    async with running_engine({"a": text}, adapters=[], metrics=metrics):
        pass
    (counts,) = metrics.problems
    assert counts[""] == 1
    assert counts["rule"] >= 1


@in_virtual_time
async def test_of_many_problems_the_first_hundred_are_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    text = "".join(rule(f"r{number}", action("gone", "gone")) for number in range(60))
    async with running_engine({"a": text}, adapters=[]) as running:
        problems = len(running.engine.generation.snapshot.problems)
    logged = [record for record in caplog.records if record.msg == "config_problem"]
    assert len(logged) == 100
    (more,) = [each for each in caplog.records if each.msg == "config_problems_not_shown"]
    assert more.__dict__["fields"]["count"] == problems - 100
