"""Which steps of many are asked about which bags of a report, and when each is planned."""

import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from remixer.attributes.bag import Bag, plain_bag
from remixer.attributes.columns import columns_of
from remixer.attributes.values import Value
from remixer.runtime.report_steps import StepsOfRoute
from remixer.runtime.routes import ReportStep
from remixer.runtime.step_index import FEWEST_INDEXED
from remixer.testing.engine import running_engine
from remixer.testing.scripted import Journal, scripted_adapters
from remixer.testing.texts import EVENT, VOCABULARY, action, handler, rule

COUNT = 4 * FEWEST_INDEXED
MATCHES = [f'user == "u{number}"' for number in range(COUNT)]
MATCHES[3] = 'user == "u5" && size == 1'
MATCHES[7] = 'source.namespace == "bank"'
MATCHES[11] = "size != 2"
ALWAYS_ASKED = 11


@dataclass(slots=True)
class Planned:
    """Steps of one route, known by their numbers."""

    steps: StepsOfRoute[int]
    plan: Callable[[ReportStep], int]
    numbers: list[int] = field(default_factory=list)
    """Of those that were planned so far."""


@asynccontextmanager
async def planned(count: int = COUNT) -> AsyncIterator[Planned]:
    rules = [
        rule(f"r{number:03}", action("log", "event"), match=match)
        for number, match in enumerate(MATCHES[:count])
    ]
    text = VOCABULARY + handler("log") + EVENT + "".join(rules)
    async with running_engine({"a": text}, adapters=scripted_adapters(Journal())) as running:
        report = running.engine.generation.routes.by_namespace["shop"].report
        known: dict[int, int] = {}

        def plan(step: ReportStep) -> int:
            number = known.get(id(step))
            if number is None:
                number = known[id(step)] = report.index(step)
                made.numbers.append(number)
            return number

        made = Planned(StepsOfRoute(report), plan)
        yield made


@pytest.mark.parametrize(
    ("has", "asked"),
    [
        ({"user": "u5"}, [3, 5, ALWAYS_ASKED]),
        ({"user": "u40", "source.namespace": "bank"}, [7, ALWAYS_ASKED, 40]),
        ({}, [ALWAYS_ASKED]),
        ({"user": 5}, [ALWAYS_ASKED]),
        ({"user": {"u5": "u5"}, "source.namespace": "bank"}, [7, ALWAYS_ASKED]),
    ],
)
async def test_only_steps_that_may_apply_are_asked_and_planned(
    has: Mapping[str, Value | Mapping[str, str]], asked: list[int]
) -> None:
    async with planned() as made:
        assert [*made.steps.for_one(plain_bag(has), made.plan)] == asked
        bags = columns_of([plain_bag(has)] * 2)
        found = [*made.steps.for_many(bags, (4, 8), made.plan)]
        assert [(number, [*part.positions]) for number, part in found] == [
            (number, [4, 8]) for number in asked
        ]
        assert sorted(made.numbers) == asked


async def test_a_step_is_asked_about_the_bags_that_have_its_text() -> None:
    bags: list[Bag] = [plain_bag({"user": user}) for user in ("u5", "u1", "nobody", "u5", 3)]
    async with planned() as made:
        found = [*made.steps.for_many(columns_of(bags), range(10, 15), made.plan)]
    assert [(number, [*part.positions]) for number, part in found] == [
        (1, [11]),
        (3, [10, 13]),
        (5, [10, 13]),
        (ALWAYS_ASKED, [10, 11, 12, 13, 14]),
    ]
    assert [bag["user"] for bag in found[1][1].columns] == ["u5", "u5"]
    assert found[1][1] is found[2][1]


async def test_few_steps_are_asked_about_all() -> None:
    async with planned(FEWEST_INDEXED - 1) as made:
        assert [*made.steps.for_one(plain_bag({}), made.plan)] == [*range(FEWEST_INDEXED - 1)]


async def test_all_steps_are_asked_where_errors_are_shown(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bag = plain_bag({"user": "u5"})
    async with planned() as made:
        with caplog.at_level(logging.DEBUG, logger="remixer.runtime.conditions"):
            assert [*made.steps.for_one(bag, made.plan)] == [*range(COUNT)]
            many = made.steps.for_many(columns_of([bag, bag]), (0, 1), made.plan)
            assert [number for number, _ in many] == [*range(COUNT)]
