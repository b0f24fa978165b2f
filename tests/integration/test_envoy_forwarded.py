"""`x-istio-attributes` through a real Envoy: who is believed, and what nobody sees."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from remixer.attributes.bag import plain_bag
from remixer.cli.demo.envoy import EnvoyProcess, find_envoy
from remixer.cli.demo.polling import until
from remixer.cli.demo.upstream import EchoService
from remixer.drivers.http import AioHttpClient
from remixer.server.compose import RemixerServer
from remixer.server.settings import Settings, Transport
from remixer.transport.addresses import TcpAddress
from remixer.wire.forwarded import encode_forwarded

pytestmark = pytest.mark.integration

DEPLOY = Path(__file__).parents[2] / "deploy" / "envoy" / "remixer.yaml"
WITHIN_S = 60.0
CALLER = "kubernetes://web-1.shop"
HEADER = encode_forwarded(plain_bag({"source.uid": CALLER}))
RULES = """
apiVersion: config.istio.io/v1alpha2
kind: handler
metadata: {name: log, namespace: default}
spec:
  compiledAdapter: stdio
  params: {log_stream: FILE, output_path: LOG_FILE, output_as_json: true}
---
apiVersion: config.istio.io/v1alpha2
kind: instance
metadata: {name: calls, namespace: default}
spec:
  compiledTemplate: logentry
  params:
    severity: '"info"'
    variables: {caller: source.uid | "nobody", path: request.path}
---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {name: log, namespace: default}
spec: {actions: [{handler: log, instances: [calls]}]}
---
apiVersion: config.istio.io/v1alpha2
kind: handler
metadata: {name: deny, namespace: default}
spec: {compiledAdapter: denier}
---
apiVersion: config.istio.io/v1alpha2
kind: instance
metadata: {name: nothing, namespace: default}
spec: {compiledTemplate: checknothing}
---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {name: known-callers, namespace: default}
spec:
  match: request.path.startsWith("/known") && (source.uid | "") == ""
  actions: [{handler: deny, instances: [nothing]}]
---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {name: caller, namespace: default}
spec:
  request_header_operations:
  - {name: x-caller, values: ['source.uid | "nobody"']}
  - {name: x-leaked, values: ['request.headers["x-istio-attributes"] | "no"']}
"""


@dataclass
class Mesh:
    """Envoy before an echo service, asking Remixer."""

    envoy: TcpAddress
    remixer: RemixerServer
    log_file: Path
    http: AioHttpClient

    async def get(self, path: str, *headers: str) -> tuple[int, dict[str, str]]:
        """Status, and the headers that the service saw."""
        sent = [("x-istio-attributes", each) for each in headers]
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://{self.envoy}{path}", headers=sent) as response,
        ):
            text = await response.text()
            seen = json.loads(text)["headers"] if response.status == 200 else {}
            return response.status, seen

    async def logged(self) -> list[dict[str, Any]]:
        async def look() -> list[dict[str, Any]] | None:
            text = self.log_file.read_text() if self.log_file.exists() else ""
            lines = [json.loads(line) for line in text.rpartition("\n")[0].splitlines()]
            return lines or None

        return await until(look, within_s=WITHIN_S)

    def counted(self) -> dict[str, int]:
        """Headers by what became of them."""
        text = self.remixer.metrics.render().decode()
        lines = [
            each for each in text.splitlines() if each.startswith("remixer_forwarded_attributes")
        ]
        found = (each.split('result="')[1].partition('"} ') for each in lines)
        return {result: int(float(count)) for result, _, count in found}


@asynccontextmanager
async def mesh_trusting(
    *trusted: str, folder: Path, transport: Transport = Transport.OWN
) -> AsyncIterator[Mesh]:
    log_file = folder / "calls.log"
    rules = folder / "config"
    rules.mkdir()
    (rules / "rules.yaml").write_text(RULES.replace("LOG_FILE", str(log_file)))
    settings = Settings(
        config_store=f"fs://{rules}",
        address=("127.0.0.1:0",),
        monitoring_address="127.0.0.1:0",
        prometheus_address="127.0.0.1:0",
        drain_grace_s=1.0,
        transport=transport,
        trust_forwarded_attributes_from=trusted,
    )
    async with AsyncExitStack() as stack:
        http = AioHttpClient()
        stack.push_async_callback(http.aclose)
        await http.start()
        echo = EchoService()
        stack.push_async_callback(echo.aclose)
        service = await echo.start()
        remixer = await stack.enter_async_context(RemixerServer(settings).serving())
        process = EnvoyProcess(program=find_envoy(), folder=folder, http=http)
        stack.push_async_callback(process.aclose)
        bootstrap = folder / "bootstrap.json"
        bootstrap.write_text(json.dumps(_config(remixer.addresses.grpc[0], service)))
        envoy = (await process.start_with(bootstrap)).service
        yield Mesh(envoy, remixer, log_file, http)


def _config(remixer: str, service: TcpAddress) -> object:
    """The file for operators, with the test's addresses."""
    config: Any = yaml.safe_load(DEPLOY.read_text())
    host, _, port = remixer.rpartition(":")
    ends = {"remixer": TcpAddress(host, int(port)), "service": service}
    for cluster in config["static_resources"]["clusters"]:
        (endpoint,) = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"]
        endpoint["endpoint"]["address"] = _address(ends[cluster["name"]])
    (listener,) = config["static_resources"]["listeners"]
    listener["address"] = config["admin"]["address"] = _address(TcpAddress("127.0.0.1", 0))
    return config


def _address(at: TcpAddress) -> dict[str, object]:
    return {"socket_address": {"address": at.host, "port_value": at.port}}


@pytest.mark.parametrize("transport", Transport)
async def test_a_trusted_envoy_s_callers_have_names_in_checks_and_reports(
    tmp_path: Path, transport: Transport
) -> None:
    async with mesh_trusting("127.0.0.0/8", folder=tmp_path, transport=transport) as mesh:
        status, seen = await mesh.get("/known", HEADER)
        assert status == 200
        assert seen["x-caller"] == CALLER
        assert (await mesh.logged())[0]["caller"] == CALLER
        assert mesh.counted() == {"used": 1}


async def test_nobody_behind_envoy_sees_the_header(tmp_path: Path) -> None:
    async with mesh_trusting("127.0.0.0/8", folder=tmp_path) as mesh:
        _, seen = await mesh.get("/", HEADER)
        assert "x-istio-attributes" not in seen
        assert seen["x-leaked"] == "no"


async def test_an_envoy_that_is_not_trusted_forwards_nothing(tmp_path: Path) -> None:
    async with mesh_trusting("192.0.2.0/24", "unix", folder=tmp_path) as mesh:
        assert (await mesh.get("/known", HEADER))[0] == 400
        status, seen = await mesh.get("/", HEADER)
        assert status == 200
        assert seen["x-caller"] == "nobody"
        assert "x-istio-attributes" not in seen
        assert {each["caller"] for each in await mesh.logged()} == {"nobody"}
        assert mesh.counted() == {"untrusted": 2}


@pytest.mark.parametrize("headers", [("garbage",), (HEADER, HEADER), ("A" * 10_000,)])
async def test_a_bad_header_fails_no_request(tmp_path: Path, headers: tuple[str, ...]) -> None:
    async with mesh_trusting("127.0.0.0/8", folder=tmp_path) as mesh:
        status, seen = await mesh.get("/", *headers)
        assert status == 200
        assert seen["x-caller"] == "nobody"
        assert "x-istio-attributes" not in seen
        assert "used" not in mesh.counted()
