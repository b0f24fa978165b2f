"""What a request makes the interpreter do does not grow unnoticed: counts, pinned with a reason.

The table is beside this file. What is found above its number has made requests dearer: find out
why, or raise the number and say the reason. What falls far below it has to lower the number, so
that the next change is held to it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from remixer.testing.call_costs import CallCosts, costs_of

if TYPE_CHECKING:
    from bench.subjects import Subject

REPOSITORY = Path(__file__).parents[3]
PINNED = yaml.safe_load(Path(__file__).with_name("request_costs.yaml").read_text())
COUNTS = ("python_calls", "builtin_calls", "parses", "look_ups", "instructions", "peak_bytes")
LOWER_BELOW = 0.85
"""A count under this part of its pin is to be pinned anew."""
TRIES = 3
"""The clock runs: an answer that is told for a tenth of a second less is made anew."""


@pytest.fixture(autouse=True)
def _bench_can_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(REPOSITORY))


def test_every_count_has_a_number_and_every_row_a_reason() -> None:
    for row, pins in PINNED.items():
        assert pins.keys() == {*COUNTS, "why"}, row
        assert len(pins["why"].split()) > 5, row


@pytest.mark.parametrize("key", PINNED)
async def test_a_request_costs_what_is_pinned(key: str) -> None:
    found = await _costs(key)
    pinned = PINNED[key]
    dearer = {name: count for name, count in found.items() if count > pinned[name]}
    assert not dearer, f"{key} costs {found}, more than {pinned}"
    cheaper = {name: count for name, count in found.items() if count < pinned[name] * LOWER_BELOW}
    assert not cheaper, f"{key} costs {found}, less than {pinned}: lower the numbers"


async def _costs(key: str) -> dict[str, int]:
    """The least of each count, of a call after others like it."""
    from bench.in_process import BenchContext, answering  # noqa: PLC0415 - outside the sources
    from bench.policies import policy_text  # noqa: PLC0415 - outside the sources
    from bench.subjects import SUBJECTS  # noqa: PLC0415 - outside the sources

    subject = next(each for each in SUBJECTS if each.key == key)
    policy = policy_text(subject.config)
    async with answering(policy, subject.path, has_cache=subject.has_cache) as handle:
        messages = _messages(subject)
        context = BenchContext()

        def call() -> object:
            return handle(next(messages), context)

        await _settled(call)
        found = [costs_of(call) for _ in range(TRIES)]
    return {name: min(getattr(each, name) for each in found) for name in COUNTS}


async def _settled(call: Callable[[], object]) -> None:
    """What is made in the background after first calls is there."""
    for _ in range(50):
        answer = call()
        assert not isinstance(answer, Awaitable)
        await asyncio.sleep(0)


def _messages(subject: "Subject") -> Iterator[bytes]:
    from bench.bodies import recorded, recording  # noqa: PLC0415 - outside the sources
    from bench.subjects import Ask  # noqa: PLC0415 - outside the sources

    if subject.ask is Ask.VARIED:
        yield from recording.checks(subject.body, 2_000)
    message = recorded(subject.body)
    while True:
        yield message


def test_the_names_of_counts_are_those_that_are_counted() -> None:
    assert set(COUNTS) == asdict(CallCosts(0, 0, 0, 0, 0, 0)).keys()
