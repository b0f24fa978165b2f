"""Whom the handlers wake, what they answer, and how long that may be remembered."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import Any

from remixer.adapters.kactivator import Hold, Mode, Params, ReadinessSource
from remixer.adapters.kactivator.connection import AutoscalerLinks, LinkTools
from remixer.adapters.kactivator.handler import assemble
from remixer.adapters.kactivator.readiness import Revision
from remixer.adapters.kactivator.vigil import MOST_VIGILS
from remixer.attributes.values import Duration
from remixer.foundation.status import Code
from remixer.sdk import (
    Action,
    AdapterInfo,
    Authorization,
    CheckResult,
    Environment,
    HandlerContext,
    Int32,
)
from remixer.testing.adapters import AdapterHarness
from remixer.testing.clock import in_virtual_time
from remixer.testing.knative import FakeReadiness
from remixer.testing.websocket import FakeWebSocketConnector
from remixer.wire.knative_stats import protobuf

_A = Revision("shop", "a")
_SECOND_NS = 1_000_000_000
_MANY = 1_000_000_000
_AWAKE = CheckResult(valid_duration=Duration(20 * _SECOND_NS), valid_use_count=_MANY)
_WOKEN = CheckResult(valid_duration=Duration(_SECOND_NS), valid_use_count=_MANY)


class _Scene:
    """One handler, a connection in memory, and a town or none."""

    def __init__(self, harness: AdapterHarness, params: Params, town: FakeReadiness | None) -> None:
        self.harness = harness
        self.town = town
        self.connector = FakeWebSocketConnector()
        self._params = params
        self.handler: Any = None

    async def build(self) -> None:
        async def build(params: Params, context: HandlerContext, environment: Environment) -> Any:
            tools = LinkTools(self.connector, environment.clock, Random(1))
            return assemble(params, context, environment, readiness=self.town, tools=tools)

        templates = frozenset({"authorization"})
        info = AdapterInfo("kactivator", "For tests.", templates, Params(), build)
        self.handler = await self.harness.build(info, self._params, name="h.shop")
        await self.harness.settle()

    async def check(self, service: str = "a", namespace: str = "shop") -> CheckResult:
        instance = Authorization("i", action=Action(namespace, service))
        result: CheckResult = await self.harness.call(self.handler.check(instance))
        await self.harness.settle()
        return result

    @property
    def stats(self) -> list[tuple[str, float]]:
        sent = self.connector.socket.sent
        stats = [each for payload in sent for each in protobuf.decode(payload)]
        return [(str(each.key), each.concurrency) for each in stats]

    @property
    def found(self) -> dict[str, int]:
        links = self.harness.scrape.shared("kactivator", AutoscalerLinks)
        return {what: count for (_, what), count in links.checks.items()}


@asynccontextmanager
async def _scene(
    params: Params | None = None, town: FakeReadiness | None = None
) -> AsyncIterator[_Scene]:
    async with AdapterHarness() as harness:
        scene = _Scene(harness, params or Params(), town)
        await scene.build()
        yield scene
        links = harness.scrape.shared("kactivator", AutoscalerLinks)
        assert await harness.close(scene.handler) == []
        assert len(links) == 0


_HOLD = Params(mode=Mode.HOLD, readiness=ReadinessSource.PROBE)


# ---------------------------------------------------------------- answering at once


@in_virtual_time
async def test_a_first_request_wakes_and_its_answer_is_remembered_for_a_moment() -> None:
    async with _scene() as scene:
        assert await scene.check("a-00001-priv.shop.svc.cluster.local", "default") == _WOKEN
        assert scene.stats == [("shop/a-00001", 1.0)]


@in_virtual_time
async def test_without_readiness_a_revision_that_was_told_of_counts_as_awake_for_a_while() -> None:
    async with _scene() as scene:
        await scene.check()
        await asyncio.sleep(5)
        assert await scene.check() == _AWAKE
        await asyncio.sleep(15)
        assert await scene.check() == _WOKEN
        assert [each for each in scene.stats if each[1]] == [("shop/a", 1.0)] * 2
        assert scene.found == {"asleep": 2, "awake": 1}


@in_virtual_time
async def test_a_hundred_requests_are_one_stat() -> None:
    async with _scene() as scene:
        await asyncio.gather(*(scene.check() for _ in range(100)))
        await asyncio.sleep(60)
        assert [each for each in scene.stats if each[1]] == [("shop/a", 1.0)]


@in_virtual_time
async def test_while_the_autoscaler_is_away_answers_come_at_once_and_end_soon() -> None:
    async with _scene() as scene:
        scene.connector.is_away = True
        scene.connector.socket.end()
        await scene.harness.settle()
        begun_s = scene.harness.clock.monotonic_s()
        for _ in range(3):
            assert await scene.check() == _WOKEN
        assert scene.harness.clock.monotonic_s() == begun_s
        scene.connector.is_away = False
        await asyncio.sleep(1)
        assert scene.stats[0] == ("shop/a", 1.0)


@in_virtual_time
async def test_what_is_no_revision_is_nobody_s_business() -> None:
    async with _scene() as scene:
        for service in ("", "shop.example.com", "a\r\nb", "10.0.0.1"):
            assert (await scene.check(service)).is_default
        assert scene.stats == []
        assert scene.found == {"no-revision": 4}


@in_virtual_time
async def test_with_a_list_other_revisions_are_not_told_of() -> None:
    async with _scene(Params(revisions=("shop/a",))) as scene:
        for number in range(10_000):
            instance = Authorization("i", action=Action("shop", f"scan-{number}"))
            assert scene.handler.check(instance).is_default
        await asyncio.sleep(2)
        assert scene.stats == []
        assert await scene.check() == _WOKEN
        assert scene.found == {"unknown": 10_000, "asleep": 1}


@in_virtual_time
async def test_with_readiness_what_does_not_exist_is_not_told_of() -> None:
    town = FakeReadiness()
    town.missing.add(_A)
    async with _scene(Params(readiness=ReadinessSource.PROBE), town) as scene:
        assert (await scene.check()).is_default
        assert scene.stats == []


@in_virtual_time
async def test_with_readiness_a_request_counts_as_held_until_the_revision_is_awake() -> None:
    town = FakeReadiness()
    async with _scene(Params(readiness=ReadinessSource.PROBE), town) as scene:
        assert await scene.check() == _WOKEN
        assert await scene.check() == _WOKEN
        await asyncio.sleep(3.5)
        assert scene.stats == [("shop/a", 1.0), ("shop/a", 1.0), ("shop/a", 2.0), ("shop/a", 2.0)]
        town.wake(_A)
        assert await scene.check() == _AWAKE
        await asyncio.sleep(30)
        assert scene.stats[4:] == [("shop/a", 1.0), ("shop/a", 0.0)]


@in_virtual_time
async def test_a_second_sleep_is_noticed_at_once_where_readiness_tells() -> None:
    town = FakeReadiness()
    town.wake(_A)
    async with _scene(Params(readiness=ReadinessSource.PROBE), town) as scene:
        assert await scene.check() == _AWAKE
        assert scene.stats == []
        town.put_to_sleep(_A)
        assert await scene.check() == _WOKEN
        assert scene.stats == [("shop/a", 1.0)]


@in_virtual_time
async def test_vigils_end_in_time_and_there_are_no_more_than_the_bound() -> None:
    params = Params(readiness=ReadinessSource.PROBE, hold=Hold(timeout=Duration(2 * _SECOND_NS)))
    async with _scene(params, FakeReadiness()) as scene:
        for number in range(MOST_VIGILS + 50):
            scene.handler.check(Authorization("i", action=Action("shop", f"r{number}")))
        await scene.harness.settle()
        assert len(scene.harness.tasks_of(scene.handler).running) == MOST_VIGILS + 1
        await asyncio.sleep(4.5)
        assert len(scene.harness.tasks_of(scene.handler).running) == 1


# ---------------------------------------------------------------- holding


@in_virtual_time
async def test_a_request_is_held_until_its_revision_is_awake_with_all_others() -> None:
    town = FakeReadiness()
    async with _scene(_HOLD, town) as scene, asyncio.TaskGroup() as group:
        waiting = [group.create_task(scene.check()) for _ in range(200)]
        await asyncio.sleep(2.5)
        assert not any(each.done() for each in waiting)
        assert scene.stats == [("shop/a", 1.0), ("shop/a", 199.0), ("shop/a", 200.0)]
        town.wake(_A)
        await asyncio.sleep(0)
        await scene.harness.settle()
        assert [each.result() for each in waiting] == [_AWAKE] * 200
        await asyncio.sleep(10)
        assert scene.stats[3:] == [("shop/a", 100.0), ("shop/a", 0.0)]
        assert scene.found == {"asleep": 200, "ready": 200}


@in_virtual_time
async def test_one_that_is_awake_is_not_held() -> None:
    town = FakeReadiness()
    town.wake(_A)
    async with _scene(_HOLD, town) as scene:
        begun_s = scene.harness.clock.monotonic_s()
        assert await scene.check() == _AWAKE
        assert scene.harness.clock.monotonic_s() == begun_s


@in_virtual_time
async def test_when_the_time_has_passed_the_client_is_told_to_come_again() -> None:
    params = Params(
        mode=Mode.HOLD,
        readiness=ReadinessSource.PROBE,
        hold=Hold(timeout=Duration(5 * _SECOND_NS), retry_after=Duration(3 * _SECOND_NS)),
    )
    async with _scene(params, FakeReadiness()) as scene:
        result = await scene.check()
        assert result.status.code is Code.UNAVAILABLE
        assert (result.valid_duration, result.valid_use_count) == (0, 0)
        assert result.direct_response is not None
        assert result.direct_response.code == 503
        assert result.direct_response.headers["retry-after"] == "3"
        assert scene.found == {"asleep": 1, "not-ready": 1}


@in_virtual_time
async def test_a_room_that_is_full_is_told_at_once() -> None:
    params = Params(
        mode=Mode.HOLD,
        readiness=ReadinessSource.PROBE,
        hold=Hold(most_per_revision=Int32(2)),
    )
    town = FakeReadiness()
    async with _scene(params, town) as scene, asyncio.TaskGroup() as group:
        for _ in range(2):
            group.create_task(scene.check())
        await scene.harness.settle()
        assert (await scene.check()).status.code is Code.UNAVAILABLE
        town.wake(_A)


@in_virtual_time
async def test_a_request_that_is_cancelled_is_held_no_more() -> None:
    async with _scene(_HOLD, FakeReadiness()) as scene, asyncio.TaskGroup() as group:
        waiting = group.create_task(scene.check())
        await asyncio.sleep(1.5)
        waiting.cancel()
        await asyncio.sleep(10)
        assert scene.stats[-1] == ("shop/a", 0.0)
        assert len(scene.stats) <= 4


@in_virtual_time
async def test_closing_lets_go_of_whoever_waits() -> None:
    async with AdapterHarness() as harness:
        scene = _Scene(harness, _HOLD, FakeReadiness())
        await scene.build()
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(scene.check())
            await harness.settle()
            await harness.close(scene.handler)
        assert waiting.result().status.code is Code.UNAVAILABLE


@in_virtual_time
async def test_two_handlers_of_one_autoscaler_share_a_connection() -> None:
    async with AdapterHarness() as harness:
        first = _Scene(harness, Params(), None)
        await first.build()
        second = _Scene(harness, Params(valid_duration=Duration(_SECOND_NS)), None)
        await second.build()
        assert len(first.connector.sockets) == 1
        assert second.connector.sockets == []
        await second.check()
        assert first.stats == [("shop/a", 1.0)]
        await harness.close(first.handler)
        await asyncio.sleep(0.1)
        await second.check("b")
        exposition = harness.scrape.exposition()
        assert 'remixer_knative_checks_total{handler="h.shop",found="asleep"} 2' in exposition
        assert "remixer_knative_connections_total" in exposition
