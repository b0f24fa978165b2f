"""Handlers that fail under policies: breakers, quotas, who is told.

The table of verdicts is in `tests/conformance/failure_policies.yaml`.
"""

import asyncio
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

import pytest

from remixer.attributes.bag import plain_bag
from remixer.foundation.errors import CheckFailedError
from remixer.foundation.status import Code
from remixer.mixer.outcome import Provenance, QuotaOutcome
from remixer.mixer.request import CheckRequest, QuotaArgs
from remixer.runtime.engine import Engine
from remixer.runtime.metrics import NoMetrics
from remixer.testing.clock import clock_of_running_loop, in_virtual_time
from remixer.testing.engine import RunningEngine, running_engine
from remixer.testing.scripted import LOOKUP, Journal, Waiting, adapter_of, scripted_adapters
from remixer.testing.texts import FAIL, NOTHING, VOCABULARY, action, handler, instance, rule

SHOP = {"destination.namespace": "shop"}
BASE = VOCABULARY + NOTHING + instance("count", "quota") + handler("h", FAIL)
BREAKER = "handlers: [h], onFailure: [open], breaker: {consecutiveFailures: 2, openFor: 10s}"


@dataclass(slots=True)
class Covers(NoMetrics):
    """Remembers what stood in for what."""

    seen: list[str] = field(default_factory=list)

    def failure_covered(self, *, handler: str, step: str) -> None:
        self.seen.append(f"{handler} {step}")


def policy(spec: str) -> str:
    return f"\nkind: FailurePolicy\nmetadata: {{name: p, namespace: shop}}\nspec: {{{spec}}}\n---\n"


def check(engine: Engine) -> None:
    assert engine.check_now(CheckRequest(plain_bag(SHOP))) is not None


async def test_a_breaker_outlives_a_configuration_that_keeps_its_handler() -> None:
    journal = Journal()
    text = BASE + rule("r", action("h", "nothing")) + policy(BREAKER)
    async with running_engine({"a": text}, adapters=scripted_adapters(journal)) as running:
        check(running.engine)
        check(running.engine)
        await running.apply({"a": text + rule("s", action("h", "nothing"))})
        check(running.engine)
    assert len(journal.of("check")) == 2


class Patient(Waiting):
    """Holds requests on purpose."""

    call_timeout_s = 20.0


def patient_engine(more: str = "", *, delay_s: float) -> AbstractAsyncContextManager[RunningEngine]:
    """Adapters in general have a second."""
    journal = Journal()
    adapter = adapter_of("patient", lambda script, name: Patient(script, name, journal), journal)
    text = VOCABULARY + NOTHING + handler("h", f"delay_s: {delay_s}", adapter="patient")
    text += rule("r", action("h", "nothing")) + more
    return running_engine(
        {"a": text}, adapters=[adapter], clock=clock_of_running_loop(), adapter_timeout_s=1.0
    )


@in_virtual_time
async def test_a_handler_that_says_how_long_its_calls_take_has_that_time() -> None:
    request = CheckRequest(plain_bag(SHOP))
    async with patient_engine(delay_s=10) as running:
        assert (await running.engine.check(request)).status.is_ok
    async with patient_engine(delay_s=100) as running:
        with pytest.raises(CheckFailedError, match=r"no answer within 20\.000 s"):
            await running.engine.check(request)


@in_virtual_time
async def test_what_a_policy_says_counts_more_than_what_the_handler_says() -> None:
    request = CheckRequest(plain_bag(SHOP))
    async with patient_engine(policy("handlers: [h], timeout: 500ms"), delay_s=10) as running:
        with pytest.raises(CheckFailedError, match=r"no answer within 0\.500 s"):
            await running.engine.check(request)
    async with patient_engine(policy("handlers: [h], timeout: 60s"), delay_s=30) as running:
        assert (await running.engine.check(request)).status.is_ok


async def test_a_new_handler_has_a_breaker_that_is_closed() -> None:
    journal = Journal()
    text = BASE + rule("r", action("h", "nothing")) + policy(BREAKER)
    async with running_engine({"a": text}, adapters=scripted_adapters(journal)) as running:
        check(running.engine)
        check(running.engine)
        await running.apply({"a": text.replace(FAIL, FAIL + ", grant: 1")})
        check(running.engine)
    assert len(journal.of("check")) == 3


@in_virtual_time
async def test_a_success_after_the_pause_closes_the_breaker() -> None:
    journal = Journal()
    text = VOCABULARY + NOTHING + handler("h", "delay_s: 1", adapter="waiting")
    text += rule("r", action("h", "nothing"))
    spec = "handlers: [h], onFailure: [open], breaker: {consecutiveFailures: 1, openFor: 10s}"
    clock, adapters = clock_of_running_loop(), scripted_adapters(journal)
    request = CheckRequest(plain_bag(SHOP))
    async with running_engine(
        {"a": text + policy(spec + ", timeout: 500ms")}, adapters=adapters, clock=clock
    ) as running:
        await running.engine.check(request)
        assert (await running.engine.check(request)).provenance is Provenance.SUBSTITUTE
        await running.apply({"a": text + policy(spec + ", timeout: 2s")})
        await asyncio.sleep(10)
        for _ in range(2):
            assert (await running.engine.check(request)).provenance is Provenance.COMPUTED


@in_virtual_time
async def test_a_probe_whose_request_is_cancelled_leaves_the_chance_to_the_next() -> None:
    journal = Journal()
    text = VOCABULARY + NOTHING + handler("h", "delay_s: 100", adapter="waiting")
    text += rule("r", action("h", "nothing"))
    spec = "handlers: [h], timeout: 1s, breaker: {consecutiveFailures: 1, openFor: 10s}"
    text += policy(spec + ", onFailure: [open]")
    clock, adapters = clock_of_running_loop(), scripted_adapters(journal)
    request = CheckRequest(plain_bag(SHOP))
    async with running_engine({"a": text}, adapters=adapters, clock=clock) as running:
        await running.engine.check(request)
        await asyncio.sleep(10)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(running.engine.check(request), 0.5)
        begun_s = clock.monotonic_s()
        await running.engine.check(request)
        assert clock.monotonic_s() - begun_s == pytest.approx(1.0)


async def test_what_stood_in_is_counted_and_named_in_the_decision() -> None:
    covers = Covers()
    text = BASE + rule("r", action("h", "nothing")) + policy("rules: [r], onFailure: [open]")
    async with running_engine(
        {"a": text}, adapters=scripted_adapters(Journal()), metrics=covers
    ) as running:
        outcome = running.engine.check_now(CheckRequest(plain_bag(SHOP)))
    assert covers.seen == ["h.handler.shop open"]
    assert outcome is not None
    assert [each.status.message for each in outcome.decisions] == ["open by p.FailurePolicy.shop"]


async def test_a_fallback_fills_the_outputs_of_its_action() -> None:
    text = VOCABULARY + handler("h", FAIL) + handler("g", "output: {value: spare}")
    text += instance("key", "lookup", "key: user")
    headers = "requestHeaderOperations: [{name: a, values: [x.output.value]}]"
    text += rule("r", action("h", "key", name="x"), more=headers)
    text += policy("handlers: [h], onFailure: [fallback, open], fallback: g")
    async with running_engine(
        {"a": text}, adapters=scripted_adapters(Journal()), templates=[LOOKUP]
    ) as running:
        assert running.engine.generation.snapshot.problems == ()
        outcome = running.engine.check_now(CheckRequest(plain_bag({**SHOP, "user": "al"})))
    assert outcome is not None
    assert outcome.directive is not None
    assert [each.value for each in outcome.directive.request_header_operations] == ["spare"]


# ---------------------------------------------------------------- quotas


async def granted(text: str, amount: int = 5) -> QuotaOutcome:
    text = BASE + rule("r", action("h", "count")) + text
    async with running_engine({"a": text}, adapters=scripted_adapters(Journal())) as running:
        assert running.engine.generation.snapshot.problems == ()
        request = CheckRequest(plain_bag(SHOP), quotas={"count": QuotaArgs(amount)})
        outcome = running.engine.check_now(request)
    assert outcome is not None
    return outcome.quotas["count"]


async def test_a_quota_that_is_open_grants_what_is_asked() -> None:
    found = await granted(policy("handlers: [h], onFailure: [stale, open]"))
    assert (found.granted, found.valid_duration, found.status.is_ok) == (5, 0, True)


async def test_a_quota_that_is_closed_grants_nothing_and_says_why() -> None:
    spec = "handlers: [h], onFailure: [closed], closed: {code: RESOURCE_EXHAUSTED, message: full}"
    found = await granted(policy(spec))
    assert (found.granted, found.status.code, found.status.message) == (
        0,
        Code.RESOURCE_EXHAUSTED,
        "full",
    )


async def test_another_handler_may_count_instead() -> None:
    spare = handler("spare", "grant: 3")
    found = await granted(
        spare + policy("handlers: [h], onFailure: [fallback, open], fallback: spare")
    )
    assert found.granted == 3
    assert found.decision is not None
    assert found.decision.handler == "spare.shop"


async def test_if_the_other_counter_fails_too_the_next_step_follows() -> None:
    spare = handler("spare", FAIL)
    found = await granted(
        spare + policy("handlers: [h], onFailure: [fallback, open], fallback: spare")
    )
    assert found.granted == 5


async def test_a_working_counter_that_is_empty_is_not_opened_by_a_broken_one() -> None:
    text = handler("empty") + rule("s", action("empty", "count"))
    found = await granted(text + policy("handlers: [h], onFailure: [open]"))
    assert found.granted == 0


async def test_a_counter_without_a_policy_is_unavailable_as_ever() -> None:
    found = await granted("")
    assert (found.granted, found.status.code) == (0, Code.UNAVAILABLE)
