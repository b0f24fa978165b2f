"""The filter `remixer_check_cache` before ext_authz, in a real Envoy that asks a real Remixer."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from remixer.cli.demo.config import write_configuration
from remixer.cli.demo.envoy import EnvoyAddresses, EnvoyProcess, find_envoy
from remixer.cli.demo.upstream import EchoService
from remixer.drivers.http import AioHttpClient
from remixer.server.compose import RemixerServer
from remixer.server.settings import Settings
from remixer.testing.made_files import made
from remixer.transport.addresses import TcpAddress

pytestmark = pytest.mark.integration

DEPLOY = Path(__file__).parents[2] / "deploy"
RULES = """
apiVersion: config.istio.io/v1alpha2
kind: handler
metadata: {name: names, namespace: default}
spec:
  compiledAdapter: listchecker
  params:
    overrides: [mallory]
    blacklist: true
    caching_interval: 60s
    caching_use_count: 1000
---
apiVersion: config.istio.io/v1alpha2
kind: instance
metadata: {name: user, namespace: default}
spec: {compiledTemplate: listentry, params: {value: 'request.headers["x-user"] | ""'}}
---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {name: names, namespace: default}
spec:
  actions: [{handler: names, instances: [user]}]
"""


@dataclass
class Mesh:
    """Remixer, and Envoy with the cache."""

    envoy: EnvoyAddresses
    echo: EchoService
    client: aiohttp.ClientSession

    async def get(self, path: str, user: str) -> tuple[int, str]:
        url = f"http://{self.envoy.service}{path}"
        async with self.client.get(url, headers={"x-user": user}) as answer:
            return answer.status, await answer.text()

    async def stat(self, name: str) -> int:
        async with self.client.get(f"http://{self.envoy.admin}/stats?filter={name}$") as answer:
            return sum(int(line.split()[1]) for line in (await answer.text()).splitlines())

    async def asked(self) -> int:
        """How often Remixer was asked."""
        return await self.stat("http.service.ext_authz.ok") + await self.stat(
            "http.service.ext_authz.denied"
        )


def at(address: TcpAddress) -> dict[str, object]:
    return {"socket_address": {"address": address.host, "port_value": address.port}}


def configuration(*, remixer: str, service: TcpAddress) -> Any:
    """The plain Envoy's file, with what `check-cache.yaml` adds to it."""
    config = yaml.safe_load((DEPLOY / "envoy" / "remixer.yaml").read_text())
    cache, condition = yaml.safe_load((DEPLOY / "envoy" / "check-cache.yaml").read_text())
    (listener,) = config["static_resources"]["listeners"]
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    manager["http_filters"][0]["typed_config"] |= condition["typed_config"]
    manager["http_filters"].insert(0, cache)
    host, _, port = remixer.rpartition(":")
    ends = {"remixer": TcpAddress(host, int(port)), "service": service}
    for cluster in config["static_resources"]["clusters"]:
        (endpoint,) = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"]
        endpoint["endpoint"]["address"] = at(ends[cluster["name"]])
    listener["address"] = config["admin"]["address"] = at(TcpAddress("127.0.0.1", 0))
    return config


@pytest.fixture
async def mesh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Mesh]:
    folder = made("build/libremixer_envoy.so").parent
    monkeypatch.setenv("ENVOY_DYNAMIC_MODULES_SEARCH_PATH", str(folder))
    async with started(tmp_path) as found:
        yield found


@asynccontextmanager
async def started(folder: Path) -> AsyncIterator[Mesh]:
    config = folder / "config"
    config.mkdir()
    write_configuration(config, log_file=folder / "access.log")
    (config / "rules.yaml").write_text(RULES)
    async with AsyncExitStack() as stack:
        settings = Settings(
            config_store=f"fs://{config}",
            address=("127.0.0.1:0",),
            monitoring_address="127.0.0.1:0",
            prometheus_address="127.0.0.1:0",
            drain_grace_s=1.0,
        )
        server = await stack.enter_async_context(RemixerServer(settings).serving())
        echo = EchoService()
        stack.push_async_callback(echo.aclose)
        http = AioHttpClient()
        stack.push_async_callback(http.aclose)
        await http.start()
        service = await echo.start()
        file = folder / "bootstrap.json"
        text = json.dumps(configuration(remixer=server.addresses.grpc[0], service=service))
        file.write_text(text)
        process = EnvoyProcess(program=find_envoy(), folder=folder, http=http)
        stack.push_async_callback(process.aclose)
        envoy = await process.start_with(file)
        yield Mesh(envoy, echo, await stack.enter_async_context(aiohttp.ClientSession()))


async def test_like_requests_are_asked_about_once(mesh: Mesh) -> None:
    for _ in range(5):
        assert (await mesh.get("/", "ann"))[0] == 200
    assert await mesh.asked() == 1
    assert mesh.echo.requests == 5
    assert (await mesh.get("/", "bob"))[0] == 200
    assert await mesh.asked() == 2
    assert await mesh.stat("remixer_check_cache.hits") == 4


async def test_a_denial_is_given_again_word_for_word(mesh: Mesh) -> None:
    first = await mesh.get("/", "mallory")
    assert first[0] == 403
    assert await mesh.get("/", "mallory") == first
    assert await mesh.asked() == 1
    assert mesh.echo.requests == 0
