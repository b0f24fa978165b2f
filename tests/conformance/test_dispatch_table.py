"""The table of what a request meets, case by case."""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from remixer.attributes.bag import Condition, Reference, plain_bag
from remixer.attributes.values import Duration
from remixer.foundation.deadline import Deadline
from remixer.foundation.errors import PolicyError
from remixer.mixer.outcome import CheckOutcome, HeaderOperation, QuotaOutcome, RouteDirective
from remixer.mixer.request import CheckRequest, MatchingQuotas, QuotaArgs
from remixer.testing.clock import VirtualClock, run_in_virtual_time
from remixer.testing.engine import RunningEngine, running_engine
from remixer.testing.scripted import LOOKUP, Journal, scripted_adapters

TABLE = yaml.safe_load(Path(__file__).with_name("dispatch.yaml").read_text("utf-8"))
CASES = TABLE["cases"]


@pytest.mark.parametrize("case", CASES, ids=[case["note"] for case in CASES])
def test_dispatch(case: dict[str, Any]) -> None:
    journal, wanted = Journal(), {"status": 0, **case["expect"]}
    found = run_in_virtual_time(answer(case, journal))
    found["asked"] = list(asked(journal))
    quotas, wanted_quotas = found.pop("quotas", {}), wanted.pop("quotas", {})
    assert_subjects(found, wanted)
    assert found.get("error") == wanted.get("error")
    assert found.get("errors", []) == wanted.get("errors", [])
    assert quotas.keys() == wanted_quotas.keys()
    for name, wanted_quota in wanted_quotas.items():
        assert_subjects(quotas[name], {"status": 0, **wanted_quota})


def test_every_case_cites_a_section_and_no_two_are_called_alike() -> None:
    assert [case["note"] for case in CASES if not re.fullmatch(_SECTION, case["section"])] == []
    assert len({case["note"] for case in CASES}) == len(CASES)


_SECTION = r"(check|config|templates) \d+(\.\d+)?"


def assert_subjects(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """What a case does not mention is not its subject. References have no order."""
    expected = dict(wanted)
    if "references" in wanted:
        expected["references"] = sorted(wanted["references"])
    assert {subject: found.get(subject) for subject in expected} == expected


async def answer(case: Mapping[str, Any], journal: Journal) -> dict[str, Any]:
    clock = VirtualClock()
    files = {
        "base.yaml": TABLE["base"],
        "case.yaml": case.get("config", ""),
        "more.yaml": "---\n".join(documents(case.get("add", {}))),
    }
    async with running_engine(
        files, adapters=scripted_adapters(journal), templates=[LOOKUP], clock=clock
    ) as running:
        problems = [each.code for each in running.engine.generation.snapshot.problems]
        assert problems == case.get("problems", [])
        if "report" in case:
            return await reported(running, case["report"])
        return await checked(running, case, clock)


def documents(added: Mapping[str, Any]) -> Iterator[str]:
    """`kind name.namespace` to `spec`."""
    for title, spec in added.items():
        kind, _, full_name = title.partition(" ")
        name, _, namespace = full_name.rpartition(".")
        metadata = {"name": name, "namespace": namespace}
        yield yaml.safe_dump({"kind": kind, "metadata": metadata, "spec": spec})


async def checked(
    running: RunningEngine, case: Mapping[str, Any], clock: VirtualClock
) -> dict[str, Any]:
    deadline_s = case.get("deadline_s")
    quotas = case.get("quotas", {})
    request = CheckRequest(
        bag=plain_bag(case["request"]),
        quotas=MatchingQuotas()
        if quotas == "matching"
        else {name: QuotaArgs(amount) for name, amount in quotas.items()},
        deduplication_id=case.get("deduplication_id", "once-"),
        deadline=None if deadline_s is None else Deadline(clock.monotonic_s() + deadline_s),
    )
    try:
        outcome = running.engine.check_now(request)
        return seen(await running.engine.check(request) if outcome is None else outcome)
    except PolicyError as error:
        return {"status": 0, "error": error.message}


async def reported(running: RunningEngine, elements: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    outcome = running.engine.report([plain_bag(element) for element in elements])
    await running.reloader.flush()
    return {"status": 0, "errors": list(outcome.errors)}


def seen(outcome: CheckOutcome) -> dict[str, Any]:
    """An outcome in the words of the table."""
    directive = outcome.directive or RouteDirective()
    return {
        "status": outcome.status.code,
        "message": outcome.status.message,
        "duration": seconds(outcome.valid_duration),
        "uses": outcome.valid_use_count,
        "references": references(outcome.references),
        "direct": [directive.direct_response_code, directive.direct_response_body],
        "request_headers": headers(directive.request_header_operations),
        "response_headers": headers(directive.response_header_operations),
        "quotas": {name: quota(each) for name, each in outcome.quotas.items()},
    }


def quota(outcome: QuotaOutcome) -> dict[str, Any]:
    return {
        "granted": outcome.granted,
        "duration": seconds(outcome.valid_duration),
        "status": outcome.status.code,
        "message": outcome.status.message,
        "references": references(outcome.references),
    }


def seconds(duration: Duration) -> str:
    return f"{duration / 1e9:g}s"


def references(found: Iterable[Reference]) -> list[str]:
    return sorted(
        ("-" if each.condition is Condition.ABSENCE else "")
        + each.name
        + (f"[{each.key}]" if each.key is not None else "")
        for each in found
    )


def headers(operations: Iterable[HeaderOperation]) -> list[str]:
    return [f"{each.kind.name} {each.name} {each.value}".rstrip() for each in operations]


def asked(journal: Journal) -> Iterable[str]:
    """Whom the request reached: a handler's name; unless for a check, also what it was asked."""
    for event in journal.events:
        handler, verb, *_ = event.split()
        if verb == "check":
            yield handler
        elif verb == "generate":
            yield f"{handler} generate"
        elif verb in {"allocate", "report"}:
            yield event
