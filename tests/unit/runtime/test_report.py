"""Reports: one call per handler and template, errors named but bounded, nothing raised."""

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from remixer.attributes.bag import Bag, plain_bag
from remixer.mixer.outcome import REPORTED
from remixer.runtime.metrics import NoMetrics
from remixer.runtime.report import MAX_ERRORS
from remixer.testing.clock import in_virtual_time
from remixer.testing.engine import running_engine
from remixer.testing.scripted import Journal, Scripted, adapter_of, scripted_adapters
from remixer.testing.texts import EVENT, FAIL, VOCABULARY, action, handler, instance, rule

METRIC = instance("size", "metric", "value: size")


def bag(**attributes: str | int) -> Bag:
    return plain_bag({"destination.namespace": "shop", **attributes})


def text(params: str = "", *, adapter: str = "scripted") -> str:
    return (
        VOCABULARY
        + handler("log", params, adapter=adapter)
        + EVENT
        + METRIC
        + rule("r", action("log", "event"), match='(user | "") != "skip"')
    )


async def test_a_handler_is_called_once_with_the_instances_of_all_bags() -> None:
    journal = Journal()
    async with running_engine({"a": text()}, adapters=scripted_adapters(journal)) as running:
        outcome = running.engine.report([bag(user=user) for user in ("a", "skip", "b")])
    assert outcome is REPORTED
    assert journal.of("report") == ["log.shop report 2"]


async def test_templates_are_reported_apart() -> None:
    journal = Journal()
    both = text() + rule("s", action("log", "size"))
    async with running_engine({"a": both}, adapters=scripted_adapters(journal)) as running:
        running.engine.report([bag(size=1), bag(size=2)])
    assert journal.of("report") == ["log.shop report 2"] * 2


async def test_a_handler_without_instances_is_not_called() -> None:
    journal = Journal()
    async with running_engine({"a": text()}, adapters=scripted_adapters(journal)) as running:
        assert running.engine.report([bag(user="skip")]) is REPORTED
    assert journal.of("report") == []


async def test_bags_of_several_namespaces_go_by_their_own_rules() -> None:
    journal = Journal()
    async with running_engine({"a": text()}, adapters=scripted_adapters(journal)) as running:
        running.engine.report([bag(), plain_bag({"destination.namespace": "bank"}), bag()])
    assert journal.of("report") == ["log.shop report 2"]


async def test_an_instance_that_cannot_be_built_is_left_out_and_named() -> None:
    journal = Journal()
    metrics = text() + rule("s", action("log", "size"))
    async with running_engine({"a": metrics}, adapters=scripted_adapters(journal)) as running:
        outcome = running.engine.report([bag(size=1), bag()])
    assert outcome.errors == (
        "evaluation failed at [size.instance.shop]'Value': 'lookup failed: 'size''",
    )
    assert journal.of("report") == ["log.shop report 2", "log.shop report 1"]


async def test_a_handler_that_fails_is_named() -> None:
    async with running_engine({"a": text(FAIL)}, adapters=scripted_adapters(Journal())) as running:
        assert running.engine.report([bag()]).errors == ("log.shop: broken",)


async def test_many_errors_are_counted_instead_of_listed() -> None:
    metrics = VOCABULARY + handler("log") + METRIC + rule("s", action("log", "size"))
    async with running_engine({"a": metrics}, adapters=scripted_adapters(Journal())) as running:
        few = running.engine.report([bag()] * MAX_ERRORS)
        many = running.engine.report([bag()] * 1_000)
    assert len(few.errors) == MAX_ERRORS
    assert len(many.errors) == MAX_ERRORS + 1
    assert many.errors[-1] == f"and {1_000 - MAX_ERRORS} more"


class Half(Scripted):
    """Takes the first instance and gives up on the others."""

    def report(self, instances: Sequence[Any]) -> None:
        self.journal.note(self.name, "report 1")
        faults = [OSError(f"no {number}") for number in range(1, len(instances))]
        message = "some were not taken"
        raise ExceptionGroup(message, faults)


class Promising(Scripted):
    """Says that it never waits, and does."""

    def report(self, instances: Sequence[Any]) -> Awaitable[None]:  # type: ignore[override] # the lie
        async def take() -> None:
            self.journal.note(self.name, f"report {len(instances)}")

        return take()


@pytest.mark.parametrize(
    ("odd", "error"),
    [(Half, "log.shop: no 1; no 2"), (Promising, "log.shop: answered with something to wait for")],
)
async def test_whatever_one_handler_does_the_others_get_theirs(
    odd: type[Scripted], error: str
) -> None:
    journal = Journal()
    odd_info = adapter_of("odd", lambda script, name: odd(script, name, journal), journal)
    both = text(adapter="odd") + handler("other") + rule("s", action("other", "event"))
    async with running_engine(
        {"a": both}, adapters=[*scripted_adapters(journal), odd_info]
    ) as running:
        outcome = running.engine.report([bag()] * 3)
    assert len(outcome.errors) == 1
    assert outcome.errors[0].startswith(error)
    assert "other.shop report 3" in journal.events


@in_virtual_time
async def test_reports_for_a_handler_that_waits_are_handed_over_before_it_is_closed() -> None:
    journal = Journal()
    slow = text("delay_s: 0.1", adapter="waiting")
    async with running_engine({"a": slow}, adapters=scripted_adapters(journal)) as running:
        for _ in range(3):
            assert running.engine.report([bag()]) is REPORTED
    assert journal.events == ["log.shop build", *["log.shop report 1"] * 3, "log.shop close"]


@in_virtual_time
async def test_a_handler_that_waits_and_fails_loses_only_that_batch() -> None:
    journal = Journal()
    slow = text("fails: true, delay_s: 0.1", adapter="waiting")
    async with running_engine({"a": slow}, adapters=scripted_adapters(journal)) as running:
        for _ in range(2):
            running.engine.report([bag()])
    assert journal.of("report") == ["log.shop report 1"] * 2


@dataclass(slots=True)
class Reached(NoMetrics):
    """Remembers how far requests reached."""

    seen: list[tuple[int, int]] = field(default_factory=list)

    def destinations(self, count: int, instances: int) -> None:
        self.seen.append((count, instances))


async def test_destinations_and_instances_are_counted() -> None:
    metrics = Reached()
    both = text() + rule("s", action("log", "size"))
    async with running_engine(
        {"a": both}, adapters=scripted_adapters(Journal()), metrics=metrics
    ) as running:
        running.engine.report([bag(size=1), bag(size=1, user="skip")])
    assert metrics.seen == [(2, 3)]


async def test_handlers_and_errors_come_in_the_order_of_the_bags() -> None:
    journal = Journal()
    first = text() + rule("s", action("other", "size"), match='user == "skip"') + handler("other")
    async with running_engine({"a": first}, adapters=scripted_adapters(journal)) as running:
        running.engine.report([bag(user="skip", size=1), bag(user="a"), bag(user="b")])
        assert journal.of("report") == ["other.shop report 1", "log.shop report 2"]
        outcome = running.engine.report([bag(user="skip"), bag(user="skip", size="x")])
    assert [error.partition("'Value'")[2] for error in outcome.errors] == [
        ": 'lookup failed: 'size''",
        ": 'error converting value to integer or duration: 'x''",
    ]


async def test_what_was_remembered_ends_with_its_configuration() -> None:
    journal = Journal()
    async with running_engine({"a": text()}, adapters=scripted_adapters(journal)) as running:
        running.engine.report([bag(user="a"), bag(user="b")])
        await running.apply({"a": text().replace('(user | "") != "skip"', 'user == "b"')})
        running.engine.report([bag(user="a"), bag(user="b")])
    assert journal.of("report") == ["log.shop report 2", "log.shop report 1"]
