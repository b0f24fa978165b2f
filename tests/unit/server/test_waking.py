"""A trigger becomes a check, decided anew, of which nobody sees the verdict."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pytest

from remixer.attributes.bag import Bag
from remixer.attributes.values import Duration
from remixer.foundation.errors import UnavailableError
from remixer.foundation.status import OK
from remixer.mixer.outcome import REPORTED, CheckOutcome, QuotaOutcome, ReportOutcome
from remixer.mixer.request import CheckRequest
from remixer.server.waking import CheckingWaker
from remixer.testing.clock import clock_of_running_loop, in_virtual_time
from remixer.tiers.background import BackgroundWork

_ALLOWED = CheckOutcome(OK, Duration(0), 0, frozenset())


@dataclass(slots=True)
class Holding:
    """A Mixer that answers when told to."""

    asked: list[CheckRequest] = field(default_factory=list)
    is_ready: asyncio.Event = field(default_factory=asyncio.Event)
    fails: bool = False

    def check_now(self, _request: CheckRequest) -> CheckOutcome | None:
        return None

    async def check(self, request: CheckRequest) -> CheckOutcome:
        self.asked.append(request)
        if self.fails:
            message = "nobody is there"
            raise UnavailableError(message)
        await self.is_ready.wait()
        return _ALLOWED

    def grant_now(self, _request: CheckRequest) -> Mapping[str, QuotaOutcome] | None:
        return {}

    async def grant(self, _request: CheckRequest) -> Mapping[str, QuotaOutcome]:
        return {}

    def report(self, _bags: Sequence[Bag]) -> ReportOutcome:
        return REPORTED


async def woken(mixer: Holding, *keys: tuple[str, str], group: asyncio.TaskGroup) -> CheckingWaker:
    background = BackgroundWork()
    background.run_in(group)
    waker = CheckingWaker(mixer, background=background, clock=clock_of_running_loop())
    for key in keys:
        waker.wake(*key)
    await asyncio.sleep(0.001)
    return waker


@in_virtual_time
async def test_rules_see_where_the_request_would_have_gone() -> None:
    mixer = Holding()
    async with asyncio.TaskGroup() as group:
        await woken(mixer, ("shop", "cart-00001"), group=group)
        (request,) = mixer.asked
        assert request.is_renewal
        assert request.bag["destination.service.name"] == "cart-00001"
        assert request.bag["destination.service.namespace"] == "shop"
        assert request.bag["destination.service.host"] == "cart-00001.shop.svc.cluster.local"
        assert request.bag["request.path"] == "/activate"
        mixer.is_ready.set()


@in_virtual_time
async def test_a_revision_is_asked_for_once_at_a_time() -> None:
    mixer = Holding()
    async with asyncio.TaskGroup() as group:
        waker = await woken(mixer, *[("shop", "cart-00001")] * 5, ("shop", "b"), group=group)
        assert len(mixer.asked) == 2
        mixer.is_ready.set()
        await asyncio.sleep(0.001)
        waker.wake("shop", "cart-00001")
        await asyncio.sleep(0.001)
        assert len(mixer.asked) == 3


@in_virtual_time
async def test_a_failure_is_one_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    mixer = Holding(fails=True)
    async with asyncio.TaskGroup() as group:
        await woken(mixer, *[("shop", str(number)) for number in range(20)], group=group)
    assert len(mixer.asked) == 20
    assert [record.msg for record in caplog.records] == ["revision_not_woken"]


@in_virtual_time
async def test_more_than_a_thousand_at_a_time_are_not_asked_for(
    caplog: pytest.LogCaptureFixture,
) -> None:
    mixer = Holding()
    async with asyncio.TaskGroup() as group:
        await woken(mixer, *[("shop", str(number)) for number in range(1_001)], group=group)
        assert len(mixer.asked) == 1_000
        mixer.is_ready.set()
    assert "revision_not_woken" in caplog.text
