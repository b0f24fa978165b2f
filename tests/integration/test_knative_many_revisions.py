"""`kactivator` with a watch and an autoscaler, both real servers: many revisions, scanners, flaps."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from remixer.adapters.kactivator import INFO, EndpointSlices, Hold, Mode, Params, ReadinessSource
from remixer.adapters.kactivator.readiness import Revision
from remixer.attributes.values import Duration
from remixer.foundation.clock import SystemClock
from remixer.sdk import (
    Action,
    Authorization,
    CheckResult,
    Code,
    Environment,
    HandlerContext,
)
from remixer.testing.adapters import FakeScrapeRegistry, HarnessTasks
from remixer.testing.http import FakeHttpClient
from remixer.testing.knative import endpoint_slice
from remixer.testing.knative_autoscaler import KnativeAutoscaler
from remixer.testing.kubernetes_api import ENDPOINT_SLICES, FakeKubernetesApi

pytestmark = pytest.mark.integration

CART = Revision("shop", "cart-00001")
WITHIN_S = 60.0
_SECOND_NS = 1_000_000_000


@dataclass
class Scene:
    """A handler between an autoscaler and an API server."""

    handler: Any
    autoscaler: KnativeAutoscaler
    api: FakeKubernetesApi

    async def check(self, revision: Revision, *, size: int = 0) -> CheckResult:
        action = Action(
            namespace=revision.namespace,
            service=f"{revision.name}-private",
            properties={"request.size": size},
        )
        result: CheckResult = await self.handler.check(Authorization("revision", action=action))
        return result

    async def held_check(self, group: asyncio.TaskGroup) -> "asyncio.Task[CheckResult]":
        """A check that is held, as soon as the handler knows that the revision sleeps."""
        async with asyncio.timeout(WITHIN_S):
            while True:
                check = group.create_task(self.check(CART))
                done, _ = await asyncio.wait({check}, timeout=0.05)
                if not done:
                    return check

    def wake(self, revision: Revision) -> None:
        self.api.apply(ENDPOINT_SLICES, endpoint_slice(revision, ready=["10.0.0.1"]))

    def put_to_sleep(self, revision: Revision) -> None:
        self.api.apply(ENDPOINT_SLICES, endpoint_slice(revision))

    async def until_told(self, revisions: Iterable[Revision]) -> None:
        """Return when the autoscaler has heard of each of them."""
        wanted = {str(each) for each in revisions}
        await self.autoscaler.until(
            lambda: wanted <= {str(each.stat.key) for each in self.autoscaler.seen},
            within_s=WITHIN_S,
        )


@asynccontextmanager
async def scene(
    folder: Path, revisions: Iterable[Revision] = (CART,), **hold: Any
) -> AsyncIterator[Scene]:
    async with (
        FakeKubernetesApi() as api,
        KnativeAutoscaler() as autoscaler,
        asyncio.TaskGroup() as group,
    ):
        for revision in revisions:
            api.apply(ENDPOINT_SLICES, endpoint_slice(revision))
            autoscaler.add(str(revision))
        params = Params(
            autoscaler_endpoint=autoscaler.url,
            mode=Mode.HOLD,
            hold=replace(Hold(timeout=Duration(20 * _SECOND_NS)), **hold),
            readiness=ReadinessSource.ENDPOINT_SLICES,
            endpoint_slices=EndpointSlices(kubeconfig_path=api.write_kubeconfig(folder)),
        )
        tasks = HarnessTasks(group)
        environment = Environment(SystemClock(), FakeHttpClient(), tasks, FakeScrapeRegistry())
        handler = await INFO.build(params, HandlerContext("wake.shop", ()), environment)
        yield Scene(handler, autoscaler, api)
        await handler.aclose()
        await tasks.cancel()
        assert tasks.failures == []


async def test_a_thousand_idle_revisions_are_woken_and_answered_each_for_itself(
    tmp_path: Path,
) -> None:
    idle = [Revision("shop", f"idle-{number:04}") for number in range(1000)]
    async with scene(tmp_path, idle) as on, asyncio.TaskGroup() as group:
        checks = [group.create_task(on.check(each)) for each in idle]
        await on.until_told(idle)
        assert not any(each.done() for each in checks)
        for revision in idle[:500]:
            on.wake(revision)
        answers = await asyncio.gather(*checks[:500])
        assert {each.status.code for each in answers} == {Code.OK}
        assert not any(each.done() for each in checks[500:])
        for revision in idle[500:]:
            on.wake(revision)


async def test_a_scanners_made_up_hosts_are_neither_held_nor_reported(tmp_path: Path) -> None:
    async with scene(tmp_path) as on, asyncio.TaskGroup() as group:
        for number in range(10_000):
            result = await on.check(Revision("shop", f"made-up-{number}"))
            assert result.is_default
        known = group.create_task(on.check(CART))
        await on.until_told([CART])
        assert {str(each.stat.key) for each in on.autoscaler.seen} == {str(CART)}
        on.wake(CART)
        assert (await known).status.is_ok


async def test_a_pod_that_starts_and_dies_is_waited_for_again(tmp_path: Path) -> None:
    async with scene(tmp_path) as on, asyncio.TaskGroup() as group:
        held = group.create_task(on.check(CART))
        await on.until_told([CART])
        # Both events are there before anybody is woken: they come in one piece of the watch.
        on.wake(CART)
        on.put_to_sleep(CART)
        on.wake(CART)
        assert (await held).status.is_ok
        on.put_to_sleep(CART)
        again = await on.held_check(group)
        on.wake(CART)
        assert (await again).status.is_ok


async def test_when_all_have_left_the_autoscaler_hears_zero(tmp_path: Path) -> None:
    async with scene(tmp_path) as on, asyncio.TaskGroup() as group:
        held = [group.create_task(on.check(CART)) for _ in range(50)]
        await on.until_told([CART])
        for each in held:
            each.cancel()
        await on.autoscaler.until(lambda: on.autoscaler.stats_of(str(CART))[-1].concurrency == 0)
        assert all(each.cancelled() for each in held)


async def test_who_finds_no_seat_is_refused_at_once(tmp_path: Path) -> None:
    async with scene(tmp_path, most_per_revision=3) as on, asyncio.TaskGroup() as group:
        held = [group.create_task(on.check(CART)) for _ in range(3)]
        await on.until_told([CART])
        refused = await on.check(CART)
        assert refused.status.code == Code.UNAVAILABLE
        assert refused.direct_response is not None
        assert refused.direct_response.headers["x-remixer-cause"] == "revision-full"
        on.wake(CART)
        assert all(each.status.is_ok for each in await asyncio.gather(*held))


async def test_closing_the_handler_answers_whoever_is_held(tmp_path: Path) -> None:
    async with scene(tmp_path) as on, asyncio.TaskGroup() as group:
        held = group.create_task(on.check(CART))
        await on.until_told([CART])
        await on.handler.aclose()
        response = (await held).direct_response
        assert response is not None
        assert response.headers["x-remixer-cause"] == "closing"


async def test_bodies_that_are_too_large_together_are_refused(tmp_path: Path) -> None:
    async with scene(tmp_path, most_bytes=1000) as on, asyncio.TaskGroup() as group:
        held = group.create_task(on.check(CART, size=600))
        await on.until_told([CART])
        refused = await on.check(CART, size=401)
        assert refused.direct_response is not None
        assert refused.direct_response.headers["x-remixer-cause"] == "bytes-full"
        fitting = group.create_task(on.check(CART, size=400))
        unknown = group.create_task(on.check(CART, size=-1))
        await asyncio.sleep(0)
        on.wake(CART)
        answers = await asyncio.gather(held, fitting, unknown)
        assert all(each.status.is_ok for each in answers)
