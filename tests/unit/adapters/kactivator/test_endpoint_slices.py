"""The watch of EndpointSlices against a fake API server, with its faults."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from remixer.adapters.kactivator import endpoint_slices as endpoint_slices_module
from remixer.adapters.kactivator.endpoint_slices import (
    EndpointSlices,
    WatchSettings,
    open_endpoint_slices,
)
from remixer.adapters.kactivator.readiness import Revision
from remixer.drivers.kubernetes import KubernetesError, KubernetesPlace
from remixer.foundation.backoff import Backoff
from remixer.sdk import Environment, HandlerContext
from remixer.testing.adapters import FakeScrapeRegistry, HarnessTasks
from remixer.testing.clock import clock_of_running_loop
from remixer.testing.http import FakeHttpClient
from remixer.testing.knative import endpoint_slice
from remixer.testing.kubernetes_api import ENDPOINT_SLICES, FakeKubernetesApi

CART = Revision("shop", "cart-00001")
WITHIN_S = 60.0
HASTY = Backoff(0.001, 0.01)


@asynccontextmanager
async def watching(
    api: FakeKubernetesApi, folder: Path, settings: WatchSettings | None = None
) -> AsyncIterator[EndpointSlices]:
    async with asyncio.TaskGroup() as group:
        tasks = HarnessTasks(group)
        environment = Environment(
            clock=clock_of_running_loop(),
            http=FakeHttpClient(),
            tasks=tasks,
            scrape=FakeScrapeRegistry(),
        )
        slices = await open_endpoint_slices(
            settings or WatchSettings(),
            HandlerContext("wake.shop", ()),
            environment,
            place=KubernetesPlace(api.write_kubeconfig(folder)),
            backoff=HASTY,
        )
        try:
            yield slices
        finally:
            await slices.aclose()
            await asyncio.sleep(0)  # the task's own last step
            left = tasks.running
            await tasks.cancel()
        assert left == ()
        assert tasks.failures == []


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not true():  # noqa: ASYNC110 - the driver tells nobody of its progress
            await asyncio.sleep(0.005)


async def test_the_first_list_is_there_when_it_opens(tmp_path: Path) -> None:
    async with FakeKubernetesApi() as api:
        api.apply(ENDPOINT_SLICES, endpoint_slice(CART, ready=["10.0.0.1"]))
        async with watching(api, tmp_path) as slices:
            assert slices.is_ready(CART) is True
            assert slices.is_ready(Revision("shop", "other")) is False


async def test_only_slices_of_revisions_are_asked_for(tmp_path: Path) -> None:
    async with FakeKubernetesApi() as api:
        async with watching(api, tmp_path):
            pass
        selectors = {query["labelSelector"] for _, query in api.requests}
        assert selectors == {"serving.knative.dev/revision"}


async def test_one_namespace_is_watched_if_so_told(tmp_path: Path) -> None:
    path = "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices"
    async with FakeKubernetesApi() as api:
        api.apply(path, endpoint_slice(CART, ready=["10.0.0.1"]))
        async with watching(api, tmp_path, WatchSettings(namespace="shop")) as slices:
            assert slices.is_ready(CART)
        assert {each for each, _ in api.requests} == {path}


async def test_one_event_wakes_all_who_wait(tmp_path: Path) -> None:
    async with FakeKubernetesApi() as api:
        api.apply(ENDPOINT_SLICES, endpoint_slice(CART))
        async with watching(api, tmp_path) as slices, asyncio.TaskGroup() as group:
            waits = [group.create_task(slices.wait(CART, timeout_s=WITHIN_S)) for _ in range(200)]
            await asyncio.sleep(0)
            api.apply(ENDPOINT_SLICES, endpoint_slice(CART, ready=["10.0.0.1"]))
            assert all(await asyncio.gather(*waits))


async def test_a_deleted_slice_means_asleep_again(tmp_path: Path) -> None:
    async with FakeKubernetesApi() as api:
        item = endpoint_slice(CART, ready=["10.0.0.1"])
        api.apply(ENDPOINT_SLICES, item)
        async with watching(api, tmp_path) as slices:
            api.delete(ENDPOINT_SLICES, item)
            await until(lambda: slices.is_ready(CART) is False)
            assert not slices.may_exist(CART)


async def test_a_deletion_that_got_lost_is_found_by_the_next_list(tmp_path: Path) -> None:
    async with FakeKubernetesApi() as api:
        item = endpoint_slice(CART, ready=["10.0.0.1"])
        api.apply(ENDPOINT_SLICES, item)
        async with watching(api, tmp_path) as slices:
            api.delete(ENDPOINT_SLICES, item, silently=True)
            api.forget_history()
            await until(lambda: slices.is_ready(CART) is False)


async def test_after_410_a_wake_up_in_between_is_not_lost(tmp_path: Path) -> None:
    async with FakeKubernetesApi() as api:
        api.apply(ENDPOINT_SLICES, endpoint_slice(CART))
        async with watching(api, tmp_path) as slices, asyncio.TaskGroup() as group:
            waiting = group.create_task(slices.wait(CART, timeout_s=WITHIN_S))
            await until(lambda: api.watching == 1)
            api.refusals[ENDPOINT_SLICES] = 410
            api.drop_watches()
            api.apply(ENDPOINT_SLICES, endpoint_slice(CART, ready=["10.0.0.1"]))
            api.forget_history()
            del api.refusals[ENDPOINT_SLICES]
            assert await waiting


async def test_old_knowledge_counts_while_the_server_is_away(tmp_path: Path) -> None:
    async with FakeKubernetesApi() as api:
        api.apply(ENDPOINT_SLICES, endpoint_slice(CART, ready=["10.0.0.1"]))
        async with watching(api, tmp_path) as slices:
            api.refusals[ENDPOINT_SLICES] = 503
            api.drop_watches()
            await until(lambda: len(api.requests) > 6)
            assert slices.is_ready(CART) is True


async def test_nothing_is_known_before_the_first_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(endpoint_slices_module, "SYNC_TIMEOUT_S", 0.05)
    async with FakeKubernetesApi() as api:
        api.refusals[ENDPOINT_SLICES] = 403
        async with watching(api, tmp_path) as slices:
            assert slices.is_ready(CART) is None
            assert slices.may_exist(CART), "it may: nobody knows"
            await until(lambda: "403" in slices.missing)
            api.apply(ENDPOINT_SLICES, endpoint_slice(CART, ready=["10.0.0.1"]))
            del api.refusals[ENDPOINT_SLICES]
            assert await slices.wait(CART, timeout_s=WITHIN_S)
    assert "knative_slices_not_listed" in {record.msg for record in caplog.records}


async def test_closing_lets_go_of_who_waits(tmp_path: Path) -> None:
    async with FakeKubernetesApi() as api:
        api.apply(ENDPOINT_SLICES, endpoint_slice(CART))
        async with watching(api, tmp_path) as slices, asyncio.TaskGroup() as group:
            waiting = group.create_task(slices.wait(CART, timeout_s=WITHIN_S))
            await asyncio.sleep(0)
            await slices.aclose()
            assert not await waiting
            assert not await slices.wait(CART, timeout_s=WITHIN_S)


async def test_credentials_of_no_use_are_told_when_it_opens(tmp_path: Path) -> None:
    environment = Environment(
        clock=clock_of_running_loop(),
        http=FakeHttpClient(),
        tasks=HarnessTasks(asyncio.TaskGroup()),
        scrape=FakeScrapeRegistry(),
    )
    with pytest.raises(KubernetesError, match="no such file"):
        await open_endpoint_slices(
            WatchSettings(kubeconfig_path=str(tmp_path / "none")),
            HandlerContext("wake.shop", ()),
            environment,
            place=KubernetesPlace(),
        )


async def test_a_thousand_idle_revisions_are_followed_by_one_watch(tmp_path: Path) -> None:
    idle = [Revision("shop", f"idle-{number:05}") for number in range(1000)]
    async with FakeKubernetesApi() as api:
        for revision in idle:
            api.apply(ENDPOINT_SLICES, endpoint_slice(revision))
        async with watching(api, tmp_path) as slices:
            assert all(slices.may_exist(each) for each in idle)
            assert not any(slices.is_ready(each) for each in idle)
            assert not slices.may_exist(Revision("shop", "made-up"))
            await until(lambda: api.count(ENDPOINT_SLICES, watch=True) == 1)
            assert api.count(ENDPOINT_SLICES, watch=False) == 4, "pages of 250"
