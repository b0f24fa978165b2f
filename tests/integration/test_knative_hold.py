"""Cold starts from end to end: a client, a real Envoy, Remixer, an autoscaler and real pods.

Envoy runs on what `remixer knative envoy-config` makes, Remixer on `deploy/knative/mixer.yaml`; only
addresses and times are the test's. Pods are processes of their own that take a while to start.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from remixer.adapters.kactivator import INFO
from remixer.adapters.kactivator.readiness import Revision
from remixer.cli.demo.envoy import EnvoyProcess, find_envoy
from remixer.cli.demo.polling import until
from remixer.cli.knative.commented import plain
from remixer.cli.knative.envoy_document import document
from remixer.cli.knative.envoy_plan import KnativeEnvoyPlan, Mode, Target
from remixer.drivers.http import AioHttpClient
from remixer.server.compose import RemixerServer
from remixer.server.settings import Settings
from remixer.testing.knative_cluster import KnativeCluster
from remixer.testing.made_files import made
from remixer.testing.served_adapter import served
from remixer.transport.addresses import TcpAddress

pytestmark = pytest.mark.integration

DEPLOY = Path(__file__).parents[2] / "deploy" / "knative"
CART = Revision("shop", "cart-00001")
STOCK = Revision("shop", "stock-00007")
WITHIN_S = 60.0
POD_START_S = 0.4
LOOPBACK = "127.0.0.1"


@dataclass
class Gateway:
    """Everything, up and idle."""

    cluster: KnativeCluster
    envoy: TcpAddress
    http: AioHttpClient
    remixer: RemixerServer | None = None

    @asynccontextmanager
    async def clients(self) -> AsyncIterator["Clients"]:
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector) as session:
            yield Clients(session, f"http://{self.envoy}/")

    async def held(self) -> int:
        """Requests that Remixer holds now, by its own metric."""
        assert self.remixer is not None
        url = f"http://{self.remixer.addresses.prometheus}/metrics"
        answer = await self.http.get(url, timeout_s=WITHIN_S, limit_bytes=1 << 20)
        lines = answer.body.decode().splitlines()
        (line,) = [each for each in lines if each.startswith("remixer_knative_requests_held{")]
        return int(line.rpartition(" ")[2])

    async def told_up(self) -> bool | None:
        """Whether it was heard of the pod, whose answers may be faster than its own word."""
        return self.cluster.story(str(CART)).up_at_s is not None or None

    async def until_held(self, count: int) -> None:
        async def look() -> bool | None:
            return await self.held() == count or None

        await until(look, within_s=WITHIN_S)


@dataclass
class Clients:
    """Requests for a revision by its host."""

    session: aiohttp.ClientSession
    url: str

    async def get(self, revision: Revision) -> tuple[int, dict[str, str], str]:
        headers = {"host": host_of(revision)}
        async with self.session.get(self.url, headers=headers) as response:
            found = {key.lower(): value for key, value in response.headers.items()}
            return response.status, found, await response.text()

    async def status(self, revision: Revision) -> int:
        return (await self.get(revision))[0]


def host_of(revision: Revision) -> str:
    return f"{revision.name}.example.com"


def resources(cluster: KnativeCluster, kubeconfig: str, *, adapter: str = "", **params: Any) -> str:
    """Those of `deploy/knative`, with addresses and times of the test.

    `adapter` is the address of one of its own; `""`: in Remixer's process.
    """
    name = "mixer-out-of-process.yaml" if adapter else "mixer.yaml"
    found = [*yaml.safe_load_all((DEPLOY / name).read_text()), *(described() if adapter else ())]
    (handler,) = [each for each in found if each["kind"] == "handler"]
    if adapter:
        handler["spec"]["connection"]["address"] = adapter
    handler["spec"]["params"].update(
        {
            "autoscaler_endpoint": cluster.autoscaler.url,
            "endpoint_slices": {"kubeconfig_path": kubeconfig, "namespace": "shop"},
            **params,
        }
    )
    return yaml.safe_dump_all(found)


def described() -> list[Any]:
    """What `remixer adapter describe kactivator` prints."""
    program = str(Path(sys.executable).with_name("remixer"))
    done = subprocess.run(  # noqa: S603 - this environment's own program
        [program, "adapter", "describe", "kactivator"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return list(yaml.safe_load_all(done.stdout))


async def serve_remixer(
    stack: AsyncExitStack, folder: Path, rules: str, adapter_timeout_s: float
) -> RemixerServer:
    config = folder / "config"
    config.mkdir()
    (config / "knative.yaml").write_text(rules)
    settings = Settings(
        config_store=f"fs://{config}",
        address=(f"{LOOPBACK}:0",),
        monitoring_address=f"{LOOPBACK}:0",
        prometheus_address=f"{LOOPBACK}:0",
        drain_grace_s=1.0,
        adapter_timeout_s=adapter_timeout_s,
    )
    return await stack.enter_async_context(RemixerServer(settings).serving())


def bootstrap(plan: KnativeEnvoyPlan, cluster: KnativeCluster) -> Any:
    """As the command prints it, with pods' addresses on loopback."""
    config: Any = plain(document(plan))
    config["admin"]["address"] = address_of(0)
    for target in plan.targets:
        port = cluster.ports[str(target.revision)]
        (found,) = [
            each
            for each in config["static_resources"]["clusters"]
            if each["name"] == target.cluster
        ]
        (endpoint,) = found["load_assignment"]["endpoints"][0]["lb_endpoints"]
        endpoint["endpoint"]["address"] = address_of(port)
    if plan.mode is Mode.FILTER:
        (listener,) = config["static_resources"]["listeners"]
        manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
        settings = manager["http_filters"][0]["typed_config"]["filter_config"]["value"]
        settings["revisions"] = {
            key: f"{LOOPBACK}:{cluster.ports[key]}" for key in settings["revisions"]
        }
    return config


def address_of(port: int) -> dict[str, object]:
    return {"socket_address": {"address": LOOPBACK, "port_value": port}}


@asynccontextmanager
async def gateway(
    folder: Path, way: Mode, *, pod_start_s: float = POD_START_S, adapter: str = "", **params: Any
) -> AsyncIterator[Gateway]:
    revisions = [str(CART), str(STOCK)]
    async with AsyncExitStack() as stack:
        cluster = await stack.enter_async_context(
            KnativeCluster(revisions, pod_start_s=pod_start_s)
        )
        plan = KnativeEnvoyPlan(
            way,
            tuple(Target(each, (host_of(each),)) for each in (CART, STOCK)),
            listen=TcpAddress(LOOPBACK, 0),
            autoscaler=cluster.autoscaler.url,
        )
        remixer = None
        if way is not Mode.FILTER:
            rules = resources(
                cluster, cluster.api.write_kubeconfig(folder), adapter=adapter, **params
            )
            # Calls of another process are not known to be long.
            adapter_timeout_s = 61.0 if adapter else Settings().adapter_timeout_s
            remixer = await serve_remixer(stack, folder, rules, adapter_timeout_s)
            host, _, port = remixer.addresses.grpc[0].rpartition(":")
            plan = replace(plan, mixer=TcpAddress(host, int(port)))
        http = AioHttpClient()
        await http.start()
        stack.push_async_callback(http.aclose)
        envoy = await start_envoy(stack, folder, bootstrap(plan, cluster), http)
        yield Gateway(cluster, envoy, http, remixer)


async def start_envoy(
    stack: AsyncExitStack, folder: Path, config: Any, http: AioHttpClient
) -> TcpAddress:
    file = folder / "bootstrap.json"
    file.write_text(json.dumps(config))
    modules = made("build/libremixer_envoy.so").parent
    process = EnvoyProcess(program=find_envoy(), folder=folder, http=http, modules=modules)
    stack.push_async_callback(process.aclose)
    return (await process.start_with(file)).service


WAYS = pytest.mark.parametrize(("way", "mode"), [(Mode.HOLD, "HOLD"), (Mode.RETRY, "ANSWER")])


@WAYS
async def test_the_first_request_is_answered_by_the_pod_it_woke(
    tmp_path: Path, way: Mode, mode: str
) -> None:
    async with gateway(tmp_path, way, mode=mode) as mesh, mesh.clients() as clients:
        status, _, body = await clients.get(CART)
        answered_at_s = time.monotonic()
        assert (status, body) == (200, "here I am\n")
        await until(mesh.told_up, within_s=WITHIN_S)
        story = mesh.cluster.story(str(CART))
        assert story.up_at_s is not None
        assert answered_at_s >= story.up_at_s, "not before there was a pod"
        assert (story.pods_started, story.most_desired) == (1, 1)
        assert mesh.cluster.story(str(STOCK)).stats_at_s == (), "the other one sleeps on"


@WAYS
async def test_none_of_a_burst_of_200_fails(tmp_path: Path, way: Mode, mode: str) -> None:
    async with gateway(tmp_path, way, mode=mode) as mesh, mesh.clients() as clients:
        answers = await asyncio.gather(*(clients.status(CART) for _ in range(200)))
        assert Counter(answers) == {200: 200}
        story = mesh.cluster.story(str(CART))
        # Once at once, then once a second; with 200 held a second pod may be right.
        assert len(story.stats_at_s) <= 1 + (POD_START_S + WITHIN_S)
        assert story.pods_started <= 3


async def test_an_awake_revision_is_not_held_and_not_reported(tmp_path: Path) -> None:
    async with gateway(tmp_path, Mode.HOLD) as mesh, mesh.clients() as clients:
        assert await clients.status(CART) == 200
        stats = len(mesh.cluster.story(str(CART)).stats_at_s)
        begun_s = time.monotonic()
        assert [await clients.status(CART) for _ in range(20)] == [200] * 20
        assert time.monotonic() - begun_s < POD_START_S * 20, "each waited as if for a pod"
        # At most the two that end the first request's report.
        assert len(mesh.cluster.story(str(CART)).stats_at_s) <= stats + 2


async def test_a_deadline_that_passes_gives_a_503_with_cause_and_retry_after(
    tmp_path: Path,
) -> None:
    hold = {"timeout": "300ms", "retry_after": "7s"}
    async with (
        gateway(tmp_path, Mode.HOLD, pod_start_s=600.0, hold=hold) as mesh,
        mesh.clients() as clients,
    ):
        status, headers, body = await clients.get(CART)
        assert status == 503
        assert headers["retry-after"] == "7"
        assert headers["x-remixer-cause"] == "not-ready"
        assert body == "shop/cart-00001 had no ready endpoint in time; try again in 7 s\n"
        assert await mesh.held() == 0


async def test_a_revision_that_fell_asleep_is_woken_again(tmp_path: Path) -> None:
    async with (
        gateway(tmp_path, Mode.HOLD, valid_duration="0s") as mesh,
        mesh.clients() as clients,
    ):
        assert await clients.status(CART) == 200
        mesh.cluster.autoscaler.set_desired(str(CART), 0)
        await until_refused(mesh.cluster.ports[str(CART)])

        async def woken() -> bool | None:
            # The news of the end may be on its way yet: then this one is not held, and fails.
            return await clients.status(CART) == 200 or None

        await until(woken, within_s=WITHIN_S)
        assert mesh.cluster.story(str(CART)).pods_started == 2


async def until_refused(port: int) -> None:
    async def look() -> bool | None:
        try:
            _, writer = await asyncio.open_connection(LOOPBACK, port)
        except ConnectionRefusedError:
            return True
        writer.close()
        await writer.wait_closed()
        return None

    await until(look, within_s=WITHIN_S)


async def test_clients_that_leave_are_held_no_longer(tmp_path: Path) -> None:
    async with (
        gateway(tmp_path, Mode.HOLD, pod_start_s=600.0) as mesh,
        mesh.clients() as clients,
        asyncio.TaskGroup() as group,
    ):
        requests = [group.create_task(clients.status(CART)) for _ in range(20)]
        await mesh.until_held(20)
        for each in requests:
            each.cancel()
        await mesh.until_held(0)


async def test_an_adapter_of_its_own_holds_a_burst_as_well(tmp_path: Path) -> None:
    async with (
        served(INFO) as adapter,
        gateway(tmp_path, Mode.HOLD, adapter=adapter.address) as mesh,
        mesh.clients() as clients,
    ):
        answers = await asyncio.gather(*(clients.status(CART) for _ in range(200)))
        assert Counter(answers) == {200: 200}


async def test_the_refusal_of_an_adapter_of_its_own_reaches_the_client_whole(
    tmp_path: Path,
) -> None:
    hold = {"timeout": "300ms", "retry_after": "7s"}
    async with (
        served(INFO) as adapter,
        gateway(tmp_path, Mode.HOLD, pod_start_s=600.0, adapter=adapter.address, hold=hold) as mesh,
        mesh.clients() as clients,
    ):
        status, headers, _ = await clients.get(CART)
        assert status == 503
        assert headers["retry-after"] == "7"
        assert headers["x-remixer-cause"] == "not-ready"
