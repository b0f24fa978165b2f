"""The table of what stands in for handlers that fail, case by case."""

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from remixer.attributes.bag import plain_bag
from remixer.attributes.values import Duration
from remixer.foundation.deadline import Deadline
from remixer.foundation.errors import PolicyError
from remixer.foundation.status import Status
from remixer.mixer.outcome import CheckOutcome
from remixer.mixer.request import CheckRequest
from remixer.runtime.engine import Engine
from remixer.testing.clock import clock_of_running_loop, run_in_virtual_time
from remixer.testing.engine import running_engine
from remixer.testing.scripted import Journal, scripted_adapters
from remixer.testing.texts import NOTHING, VOCABULARY, action, rule

TABLE = yaml.safe_load(Path(__file__).with_name("failure_policies.yaml").read_text("utf-8"))
CASES = TABLE["cases"]
LEAST_CASES = 40

LAST_GOOD = {
    "ok": CheckOutcome(Status(), Duration(9), 9, frozenset()),
    "denied": CheckOutcome(Status(7, "old:no"), Duration(9), 9, frozenset()),
}


@pytest.mark.parametrize("case", CASES, ids=[case["note"] for case in CASES])
def test_failure_policy(case: dict[str, Any]) -> None:
    found = run_in_virtual_time(answered(case))
    assert {subject: found.get(subject) for subject in case["expect"]} == case["expect"]


def test_no_two_cases_are_called_alike_and_there_are_enough() -> None:
    assert len({case["note"] for case in CASES}) == len(CASES) >= LEAST_CASES


def configuration(case: Mapping[str, Any]) -> Iterator[str]:
    yield VOCABULARY + NOTHING
    for name, spec in TABLE["handlers"].items():
        yield document("handler", name, spec)
    for name, spec in case.get("policies", {}).items():
        yield document("FailurePolicy", name, spec)
    for name, handlers in case["rules"].items():
        yield rule(name, *(action(each, "nothing") for each in handlers))


def document(kind: str, name: str, spec: Mapping[str, Any]) -> str:
    metadata = {"name": name, "namespace": "shop"}
    return yaml.safe_dump({"kind": kind, "metadata": metadata, "spec": spec})


async def answered(case: Mapping[str, Any]) -> dict[str, Any]:
    journal, clock = Journal(), clock_of_running_loop()
    files = {"a.yaml": "\n---\n".join(configuration(case))}
    async with running_engine(files, adapters=scripted_adapters(journal), clock=clock) as running:
        assert running.engine.generation.snapshot.problems == ()
        for _ in range(case.get("before", 0)):
            await asked(running.engine, case)
            await asyncio.sleep(1)
        await asyncio.sleep(case.get("later", 0))
        journal.events.clear()
        begun_s = clock.monotonic_s()
        found = await asked(running.engine, case)
        found["seconds"] = round(clock.monotonic_s() - begun_s, 3)
    found["asked"] = [event.split()[0] for event in journal.of("check")]
    return found


async def asked(engine: Engine, case: Mapping[str, Any]) -> dict[str, Any]:
    deadline_s = case.get("deadline_s")
    now_s = clock_of_running_loop().monotonic_s()
    request = CheckRequest(
        bag=plain_bag({"destination.namespace": "shop"}),
        deadline=None if deadline_s is None else Deadline(now_s + deadline_s),
        last_good=LAST_GOOD.get(case.get("last_good", "")),
    )
    try:
        outcome = engine.check_now(request) or await engine.check(request)
    except PolicyError as error:
        return {"error": error.message}
    return {
        "status": outcome.status.code,
        "message": outcome.status.message,
        "duration": f"{outcome.valid_duration / 1e9:g}s",
        "uses": outcome.valid_use_count,
        "provenance": outcome.provenance.name.lower(),
    }
