"""The engine behind the port: what it answers at once, what it waits for, and for how long.

What a request meets is a table: `tests/conformance/dispatch.yaml`.
"""

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest

from remixer.attributes.bag import plain_bag
from remixer.foundation.deadline import Deadline
from remixer.foundation.errors import CheckFailedError, InternalError
from remixer.foundation.status import Code
from remixer.mixer.request import CheckRequest, QuotaArgs
from remixer.runtime.stepping import run_to_end
from remixer.sdk import CheckResult
from remixer.testing.clock import in_virtual_time
from remixer.testing.engine import running_engine
from remixer.testing.scripted import Journal, Scripted, adapter_of, scripted_adapters
from remixer.testing.texts import DENY, NOTHING, VOCABULARY, action, handler, instance, rule

SLOW = VOCABULARY + NOTHING + rule("r", action("slow", "nothing"))
COUNT = instance("count", "quota")


def request(**more: Any) -> CheckRequest:
    return CheckRequest(bag=plain_bag({"destination.namespace": "shop"}), **more)


@in_virtual_time
async def test_a_handler_that_waits_is_asked_by_check_only() -> None:
    journal = Journal()
    text = SLOW + handler("slow", f"{DENY}, delay_s: 0.5", adapter="waiting")
    async with running_engine({"a": text}, adapters=scripted_adapters(journal)) as running:
        assert running.engine.check_now(request()) is None
        assert journal.of("check") == []
        outcome = await running.engine.check(request())
    assert outcome.status.code == Code.PERMISSION_DENIED


@in_virtual_time
async def test_a_quota_handler_that_waits_matters_only_to_requests_for_quotas() -> None:
    journal = Journal()
    text = VOCABULARY + COUNT + handler("slow", "grant: 5, delay_s: 0.5", adapter="waiting")
    text += rule("r", action("slow", "count"))
    async with running_engine({"a": text}, adapters=scripted_adapters(journal)) as running:
        assert running.engine.check_now(request()) is not None
        asks = request(quotas={"count": QuotaArgs(2)})
        assert running.engine.check_now(asks) is None
        outcome = await running.engine.check(asks)
    assert outcome.quotas["count"].granted == 2


@in_virtual_time
async def test_handlers_that_wait_do_so_side_by_side() -> None:
    journal = Journal()
    text = VOCABULARY + NOTHING
    text += handler("a", "delay_s: 0.9", adapter="waiting")
    text += handler("b", "delay_s: 0.5", adapter="waiting")
    text += rule("r", action("a", "nothing"), action("b", "nothing"))
    loop = asyncio.get_running_loop()
    async with running_engine({"a": text}, adapters=scripted_adapters(journal)) as running:
        begun_s = loop.time()
        outcome = await running.engine.check(request())
        assert loop.time() - begun_s == pytest.approx(0.9)
    assert [each.handler for each in outcome.decisions] == ["a.shop", "b.shop"]


@in_virtual_time
async def test_an_adapter_is_given_up_at_its_own_limit() -> None:
    text = SLOW + handler("slow", "delay_s: 60.0", adapter="waiting")
    async with running_engine(
        {"a": text}, adapters=scripted_adapters(Journal()), adapter_timeout_s=2.0
    ) as running:
        with pytest.raises(CheckFailedError, match=r"slow\.shop: no answer within 2\.000 s"):
            await running.engine.check(request())


@in_virtual_time
async def test_an_adapter_is_given_up_at_the_deadline_of_the_request() -> None:
    text = SLOW + handler("slow", "delay_s: 60.0", adapter="waiting")
    loop = asyncio.get_running_loop()
    async with running_engine(
        {"a": text}, adapters=scripted_adapters(Journal()), adapter_timeout_s=2.0
    ) as running:
        begun_s = loop.time()
        with pytest.raises(CheckFailedError, match="no answer within"):
            await running.engine.check(request(deadline=Deadline(0.5)))
        assert loop.time() - begun_s == pytest.approx(0.5)


@in_virtual_time
async def test_a_request_whose_deadline_has_passed_spends_no_quota() -> None:
    journal = Journal()
    text = VOCABULARY + COUNT + handler("q", "grant: 5") + rule("r", action("q", "count"))
    async with running_engine({"a": text}, adapters=scripted_adapters(journal)) as running:
        late = request(quotas={"count": QuotaArgs(2)}, deadline=Deadline(-1.0))
        outcome = running.engine.check_now(late)
    assert outcome is not None
    assert outcome.quotas["count"].status.code == Code.UNAVAILABLE
    assert journal.of("allocate") == []


async def test_a_plain_method_that_waits_fails_its_own_call_only() -> None:
    """`def check` that gives a coroutine: the engine was told that it never waits."""
    journal = Journal()

    class Liar(Scripted):
        def check(self, _instance: Any) -> Awaitable[CheckResult]:  # type: ignore[override] # the lie
            async def answer() -> CheckResult:
                return CheckResult()

            return answer()

    liar = adapter_of("liar", lambda script, name: Liar(script, name, journal), journal)
    text = VOCABULARY + NOTHING + handler("a", adapter="liar") + handler("b", DENY)
    text += rule("r", action("a", "nothing"), action("b", "nothing"))
    async with running_engine({"a": text}, adapters=[*scripted_adapters(journal), liar]) as running:
        outcome = running.engine.check_now(request())
        assert outcome is not None
        assert outcome.status.message == "b.shop:denied"
        waited = await running.engine.check(request())
        assert waited.status == outcome.status


def test_a_coroutine_that_suspends_where_none_may_is_our_own_error() -> None:
    async def waits() -> None:
        await asyncio.sleep(0)

    with pytest.raises(InternalError):
        run_to_end(waits())
