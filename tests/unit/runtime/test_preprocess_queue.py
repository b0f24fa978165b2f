"""Reports whose generators wait: what is accepted, asked side by side, dropped and counted."""

import asyncio
from dataclasses import dataclass, field

from remixer.attributes.bag import Bag, plain_bag
from remixer.mixer.outcome import REPORTED
from remixer.runtime.metrics import NoMetrics
from remixer.runtime.preprocess_queue import MAX_BAGS
from remixer.testing.clock import in_virtual_time
from remixer.testing.engine import running_engine
from remixer.testing.scripted import Journal, scripted_adapters
from remixer.testing.texts import EVENT, VOCABULARY, action, handler, instance, rule


@dataclass(slots=True)
class Drops(NoMetrics):
    """Remembers what was dropped."""

    seen: dict[str, int] = field(default_factory=dict)

    def report_dropped(self, count: int, reason: str) -> None:
        self.seen[reason] = self.seen.get(reason, 0) + count


def text(delay_s: float, *, event_handler: str = "log") -> str:
    """A generator that waits, and a handler that takes reports of its result."""
    echo = f'output: {{source_pod_uid: "@source_uid"}}, delay_s: {delay_s}'
    team = instance(
        "team", "kubernetes", "source_uid: user", bindings="source.namespace: $out.source_pod_uid"
    )
    log = handler("log") + EVENT + rule("r", action(event_handler, "event"))
    return (
        VOCABULARY
        + handler("gen", echo, adapter="waiting")
        + team
        + rule("g", action("gen", "team"))
    ) + log


def bags(count: int) -> list[Bag]:
    return [plain_bag({"destination.namespace": "shop", "user": str(n)}) for n in range(count)]


@in_virtual_time
async def test_a_report_does_not_wait_for_generators() -> None:
    journal = Journal()
    async with running_engine({"a": text(0.5)}, adapters=scripted_adapters(journal)) as running:
        assert running.engine.report(bags(3)) is REPORTED
        assert journal.of("report") == []
        await running.reloader.flush()
        assert journal.of("report") == ["log.shop report 3"]


@in_virtual_time
async def test_generators_of_several_bags_are_asked_side_by_side() -> None:
    journal, count = Journal(), 40
    async with running_engine({"a": text(0.5)}, adapters=scripted_adapters(journal)) as running:
        loop_time = running.engine.generation.holders
        assert loop_time == 0
        running.engine.report(bags(count))
        assert running.engine.generation.holders == count
        await running.reloader.flush()
        assert running.engine.generation.holders == 0
    assert journal.of("report") == [f"log.shop report {count}"]


@in_virtual_time
async def test_a_bag_whose_generator_fails_is_dropped_and_counted() -> None:
    journal, drops = Journal(), Drops()
    async with running_engine(
        {"a": text(0.5)}, adapters=scripted_adapters(journal), metrics=drops
    ) as running:
        without = plain_bag({"destination.namespace": "shop"})
        running.engine.report([without, *bags(1)])
        await running.reloader.flush()
    assert journal.of("report") == ["log.shop report 1"]
    assert drops.seen == {"preprocess_failed": 1}


@in_virtual_time
async def test_a_full_queue_drops_and_counts() -> None:
    drops = Drops()
    async with running_engine(
        {"a": text(60)}, adapters=scripted_adapters(Journal()), metrics=drops
    ) as running:
        running.engine.report(bags(MAX_BAGS + 2))
        assert drops.seen == {"queue_full": 2}


@in_virtual_time
async def test_closing_reports_what_was_accepted() -> None:
    journal = Journal()
    async with running_engine({"a": text(0.2)}, adapters=scripted_adapters(journal)) as running:
        running.engine.report(bags(2))
    assert journal.events[-3:-2] == ["log.shop report 2"]


@in_virtual_time
async def test_closing_counts_what_there_is_no_time_for() -> None:
    journal, drops = Journal(), Drops()
    async with running_engine(
        {"a": text(0.9)}, adapters=scripted_adapters(journal), metrics=drops
    ) as running:
        running.engine.report(bags(70))
    assert journal.of("report") == []
    assert drops.seen == {"closed": 70}


@in_virtual_time
async def test_what_was_accepted_outlives_a_change_of_configuration() -> None:
    journal = Journal()
    async with running_engine({"a": text(0.5)}, adapters=scripted_adapters(journal)) as running:
        running.engine.report(bags(2))
        await running.apply({"a": VOCABULARY})
        assert journal.of("report") == []
        await asyncio.sleep(1)
    assert journal.events.index("log.shop report 2") < journal.events.index("log.shop close")
