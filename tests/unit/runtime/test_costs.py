"""What a request costs, in calls of functions: equal work for whom a rule does not concern."""

import sys
from types import FrameType

import pytest

from remixer.attributes.bag import plain_bag
from remixer.mixer.outcome import CheckOutcome
from remixer.mixer.request import CheckRequest, QuotaArgs
from remixer.runtime.engine import Engine
from remixer.testing.engine import running_engine
from remixer.testing.scripted import Journal, scripted_adapters
from remixer.testing.texts import (
    EVENT,
    NOTHING,
    VOCABULARY,
    action,
    handler,
    instance,
    rule,
)

OWN = VOCABULARY + handler("h", "grant: 5") + NOTHING + EVENT + instance("count", "quota")
OWN += rule("r", action("h", "nothing", "event", "count"), match='user == "al"')
BAG = {"destination.namespace": "shop", "user": "al"}


def others(rules: int, namespaces: int = 100) -> str:
    text = ""
    for number in range(namespaces):
        name = f"n{number}"
        text += handler("h", namespace=name) + instance("nothing", "checknothing", namespace=name)
        for each in range(rules // namespaces):
            text += rule(
                f"r{each}", action("h", "nothing"), match=f'user == "u{each}"', namespace=name
            )
    return text


def check(engine: Engine) -> CheckOutcome:
    request = CheckRequest(plain_bag(BAG), quotas={"count": QuotaArgs(1)})
    outcome = engine.check_now(request)
    assert outcome is not None
    return outcome


def calls_of_a_check_and_a_report(engine: Engine) -> int:
    """Python's and C's functions that one check with a quota, and one report, call."""
    calls = 0

    def count(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in {"call", "c_call"}

    check(engine)
    sys.setprofile(count)
    try:
        check(engine)
        engine.report([plain_bag(BAG)])
    finally:
        sys.setprofile(None)
    return calls


async def measured(text: str) -> int:
    async with running_engine({"a": text}, adapters=scripted_adapters(Journal())) as running:
        assert running.engine.generation.snapshot.problems == ()
        return calls_of_a_check_and_a_report(running.engine)


@pytest.fixture(name="alone")
async def calls_with_one_rule() -> int:
    return await measured(OWN)


async def test_a_thousand_rules_of_other_namespaces_cost_a_request_nothing(alone: int) -> None:
    assert alone > 50
    assert await measured(OWN + others(1_000)) == alone


async def test_generators_of_other_namespaces_cost_a_request_nothing(alone: int) -> None:
    generator = handler("g", namespace="bank") + instance("pod", "kubernetes", namespace="bank")
    generator += rule("g", action("g", "pod"), namespace="bank")
    assert await measured(OWN + generator) == alone


async def test_the_count_notices_one_rule_more_that_applies(alone: int) -> None:
    assert await measured(OWN + rule("s", action("h", "nothing"), match='user == "al"')) > alone


async def test_policies_of_other_namespaces_cost_a_request_nothing(alone: int) -> None:
    text = handler("h", namespace="bank") + instance("nothing", "checknothing", namespace="bank")
    text += rule("r", action("h", "nothing"), namespace="bank")
    for kind, spec in (("CachePolicy", "maxAge: 5s"), ("FailurePolicy", "onFailure: [open]")):
        text += f"\nkind: {kind}\nmetadata: {{name: p, namespace: bank}}\n"
        text += f"spec: {{handlers: [h], {spec}}}\n---\n"
    assert await measured(OWN + text) == alone


async def test_a_policy_for_failures_costs_a_request_that_succeeds_one_look(alone: int) -> None:
    text = "\nkind: FailurePolicy\nmetadata: {name: p, namespace: shop}\n"
    text += "spec: {handlers: [h], onFailure: [open], timeout: 1s}\n---\n"
    assert await measured(OWN + text) - alone <= 8
