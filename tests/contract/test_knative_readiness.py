"""What every `Readiness` keeps to: probing, watching, and the fake that other tests use."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import pytest
from aiohttp import web

from remixer.adapters.kactivator.endpoint_slices import WatchSettings, open_endpoint_slices
from remixer.adapters.kactivator.probe import Probe, ProbeSettings
from remixer.adapters.kactivator.readiness import Readiness, Revision
from remixer.drivers.kubernetes import KubernetesPlace
from remixer.foundation.backoff import Backoff
from remixer.foundation.clock import SystemClock
from remixer.sdk import Environment, HandlerContext
from remixer.testing.adapters import FakeScrapeRegistry, HarnessTasks
from remixer.testing.http import FakeHttpClient
from remixer.testing.knative import FakeReadiness, endpoint_slice
from remixer.testing.kubernetes_api import ENDPOINT_SLICES, FakeKubernetesApi

CART = Revision("shop", "cart-00001")
STOCK = Revision("shop", "stock-00007")
WITHIN_S = 60.0
SHORT_S = 0.05
FRESH_S = 0.5
"""How long an answer is believed: a busy machine takes a while from there to the next line."""


@dataclass(frozen=True)
class Stage:
    """A readiness, and a hand that wakes revisions and puts them to sleep."""

    readiness: Readiness
    wake: Callable[[Revision], object]
    put_to_sleep: Callable[[Revision], object]


@asynccontextmanager
async def fake(_folder: Path) -> AsyncIterator[Stage]:
    readiness = FakeReadiness()
    yield Stage(readiness, readiness.wake, readiness.put_to_sleep)
    await readiness.aclose()


@asynccontextmanager
async def probing(_folder: Path) -> AsyncIterator[Stage]:
    """One real HTTP server plays the addresses of all revisions."""
    awake: set[str] = set()

    async def answer(request: web.BaseRequest) -> web.Response:
        return web.Response(status=200 if request.path in awake else 503)

    def path_of(revision: Revision) -> str:
        return f"/{revision}"

    runner = web.ServerRunner(web.Server(answer), shutdown_timeout=0.01)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    template = f"http://{host}:{port}/{{namespace}}/{{name}}"
    settings = ProbeSettings(template, interval_s=0.01, timeout_s=WITHIN_S, fresh_s=FRESH_S)
    async with asyncio.TaskGroup() as group:
        tasks = HarnessTasks(group)
        probe = Probe(settings, tasks=tasks, clock=SystemClock())
        yield Stage(
            probe,
            lambda revision: awake.add(path_of(revision)),
            lambda revision: awake.discard(path_of(revision)),
        )
        await probe.aclose()
        await tasks.cancel()
        assert tasks.failures == []
    await runner.cleanup()


@asynccontextmanager
async def watching(folder: Path) -> AsyncIterator[Stage]:
    async with FakeKubernetesApi() as api, asyncio.TaskGroup() as group:
        for revision in (CART, STOCK):
            api.apply(ENDPOINT_SLICES, endpoint_slice(revision))
        tasks = HarnessTasks(group)
        slices = await open_endpoint_slices(
            WatchSettings(),
            HandlerContext("wake.shop", ()),
            Environment(
                clock=SystemClock(),
                http=FakeHttpClient(),
                tasks=tasks,
                scrape=FakeScrapeRegistry(),
            ),
            place=KubernetesPlace(api.write_kubeconfig(folder)),
            backoff=Backoff(0.001, 0.01),
        )
        yield Stage(
            slices,
            lambda revision: api.apply(
                ENDPOINT_SLICES, endpoint_slice(revision, ready=["10.0.0.1"])
            ),
            lambda revision: api.apply(ENDPOINT_SLICES, endpoint_slice(revision)),
        )
        await slices.aclose()
        await tasks.cancel()
        assert tasks.failures == []


Opened: TypeAlias = Callable[[], AbstractAsyncContextManager[Stage]]


@pytest.fixture(params=[fake, probing, watching])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Opened:
    return lambda: request.param(tmp_path)


async def until_not_ready(stage: Stage, revision: Revision) -> None:
    async with asyncio.timeout(WITHIN_S):
        while stage.readiness.is_ready(revision):  # noqa: ASYNC110 - nobody tells of a sleep
            await asyncio.sleep(0.001)


async def test_a_sleeping_revision_is_not_ready(opened: Opened) -> None:
    async with opened() as stage:
        assert not stage.readiness.is_ready(CART)
        assert stage.readiness.may_exist(CART)


async def test_waiting_in_vain_ends_with_false(opened: Opened) -> None:
    async with opened() as stage:
        assert await stage.readiness.wait(CART, timeout_s=SHORT_S) is False


async def test_waiting_ends_when_the_revision_wakes_up(opened: Opened) -> None:
    async with opened() as stage, asyncio.TaskGroup() as group:
        waiting = group.create_task(stage.readiness.wait(CART, timeout_s=WITHIN_S))
        await asyncio.sleep(SHORT_S)
        stage.wake(CART)
        assert await waiting is True
        assert stage.readiness.is_ready(CART) is True


async def test_who_waits_for_one_that_is_awake_goes_on(opened: Opened) -> None:
    async with opened() as stage:
        stage.wake(CART)
        for _ in range(3):
            assert await stage.readiness.wait(CART, timeout_s=WITHIN_S)


async def test_all_who_wait_go_on_together(opened: Opened) -> None:
    async with opened() as stage, asyncio.TaskGroup() as group:
        waits = [
            group.create_task(stage.readiness.wait(CART, timeout_s=WITHIN_S)) for _ in range(200)
        ]
        await asyncio.sleep(SHORT_S)
        stage.wake(CART)
        assert all(await asyncio.gather(*waits))


async def test_one_wakes_up_and_the_other_sleeps_on(opened: Opened) -> None:
    async with opened() as stage, asyncio.TaskGroup() as group:
        cart = group.create_task(stage.readiness.wait(CART, timeout_s=WITHIN_S))
        stock = group.create_task(stage.readiness.wait(STOCK, timeout_s=10 * SHORT_S))
        await asyncio.sleep(0)
        stage.wake(CART)
        assert await cart
        assert not await stock


async def test_a_cancelled_wait_does_not_disturb_the_others(opened: Opened) -> None:
    async with opened() as stage, asyncio.TaskGroup() as group:
        first, second = (
            group.create_task(stage.readiness.wait(CART, timeout_s=WITHIN_S)) for _ in range(2)
        )
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.sleep(SHORT_S)
        stage.wake(CART)
        assert await second


async def test_a_revision_that_fell_asleep_is_waited_for_anew(opened: Opened) -> None:
    async with opened() as stage, asyncio.TaskGroup() as group:
        stage.wake(CART)
        assert await stage.readiness.wait(CART, timeout_s=WITHIN_S)
        stage.put_to_sleep(CART)
        await until_not_ready(stage, CART)
        assert not await stage.readiness.wait(CART, timeout_s=SHORT_S)
        waiting = group.create_task(stage.readiness.wait(CART, timeout_s=WITHIN_S))
        await asyncio.sleep(0)
        stage.wake(CART)
        assert await waiting


async def test_closing_lets_go_of_who_waits(opened: Opened) -> None:
    async with opened() as stage, asyncio.TaskGroup() as group:
        waiting = group.create_task(stage.readiness.wait(CART, timeout_s=WITHIN_S))
        await asyncio.sleep(SHORT_S)
        await stage.readiness.aclose()
        assert await waiting is False
        assert await stage.readiness.wait(CART, timeout_s=WITHIN_S) is False
