"""Remixer behind a real Envoy, configured as `deploy/envoy` tells operators to.

Everything is real but the service behind Envoy; ports are those that the system chose.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import grpc.aio
import pytest
import yaml

from remixer.cli.demo.config import write_configuration
from remixer.cli.demo.envoy import EnvoyProcess, find_envoy
from remixer.cli.demo.polling import until
from remixer.cli.demo.upstream import EchoService
from remixer.drivers.http import AioHttpClient
from remixer.server.compose import RemixerServer
from remixer.server.settings import Settings, Transport
from remixer.transport.addresses import TcpAddress

pytestmark = pytest.mark.integration

DEPLOY = Path(__file__).parents[2] / "deploy" / "envoy"
WITHIN_S = 60.0
DENY_BY_PATH = """
apiVersion: config.istio.io/v1alpha2
kind: handler
metadata: {name: deny, namespace: default}
spec:
  compiledAdapter: denier
  params: {status: {code: 7, message: not today}}
---
apiVersion: config.istio.io/v1alpha2
kind: handler
metadata: {name: gone, namespace: default}
spec:
  compiledAdapter: denier
  params:
    status:
      code: 5
      details:
      - "@type": type.googleapis.com/istio.policy.v1beta1.DirectHttpResponse
        code: 410
        body: <p>gone</p>
        headers: {content-type: text/html, set-cookie: "a=1,b=2"}
---
apiVersion: config.istio.io/v1alpha2
kind: instance
metadata: {name: nothing, namespace: default}
spec: {compiledTemplate: checknothing}
---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {name: deny, namespace: default}
spec:
  match: request.path.startsWith("/deny")
  actions: [{handler: deny, instances: [nothing]}]
---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {name: gone, namespace: default}
spec:
  match: request.path.startsWith("/gone")
  actions: [{handler: gone, instances: [nothing]}]
---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {name: deny-grpc, namespace: default}
spec:
  match: context.protocol == "grpc"
  actions: [{handler: deny, instances: [nothing]}]
"""
HEADER_OPERATIONS = """
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {name: headers, namespace: default}
spec:
  match: request.path.startsWith("/headers")
  request_header_operations:
  - {name: x-replaced, values: ['"new"']}
  - {name: x-removed, operation: REMOVE}
  - {name: x-present, values: ['"more"'], operation: APPEND}
  - {name: x-absent, values: ['"one"', '"two"'], operation: APPEND}
  - {name: x-host, values: [request.host]}
  response_header_operations:
  - {name: content-type, values: ['"text/x-changed"']}
  - {name: x-added, values: ['"one"', '"two"'], operation: APPEND}
"""
QUERY_IN_HEADERS = """
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {name: headers, namespace: default}
spec:
  request_header_operations:
  - {name: x-q, values: ['request.query_params["q"] | "none"']}
  response_header_operations:
  - {name: x-q, values: ['request.query_params["q"] | "none"']}
"""
QUOTA = """
apiVersion: config.istio.io/v1alpha2
kind: handler
metadata: {name: limit, namespace: default}
spec:
  compiledAdapter: memquota
  params:
    quotas: [{name: hits.instance.default, max_amount: 2, valid_duration: 60s}]
---
apiVersion: config.istio.io/v1alpha2
kind: instance
metadata: {name: hits, namespace: default}
spec: {compiledTemplate: quota}
---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {name: limit, namespace: default}
spec: {actions: [{handler: limit, instances: [hits]}]}
"""
CHECK_THAT_FAILS = """
apiVersion: config.istio.io/v1alpha2
kind: handler
metadata: {name: lister, namespace: default}
spec:
  compiledAdapter: listchecker
  params: {overrides: [ann]}
---
apiVersion: config.istio.io/v1alpha2
kind: instance
metadata: {name: key, namespace: default}
spec: {compiledTemplate: listentry, params: {value: request.api_key}}
---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {name: keys, namespace: default}
spec: {actions: [{handler: lister, instances: [key]}]}
"""
DENY_TCP = """
apiVersion: config.istio.io/v1alpha2
kind: handler
metadata: {name: deny, namespace: istio-system}
spec: {compiledAdapter: denier}
---
apiVersion: config.istio.io/v1alpha2
kind: instance
metadata: {name: nothing, namespace: istio-system}
spec: {compiledTemplate: checknothing}
---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {name: deny, namespace: istio-system}
spec:
  match: context.protocol == "tcp"
  actions: [{handler: deny, instances: [nothing]}]
"""


@dataclass
class Parts:
    """What a test starts, and stops in reverse order."""

    folder: Path
    stack: AsyncExitStack
    http: AioHttpClient
    transport: Transport

    async def remixer(self, rules: str) -> RemixerServer:
        """A server on the default telemetry (log to a file) and these rules."""
        config = self.folder / "config"
        config.mkdir()
        write_configuration(config, log_file=self.log_file)
        (config / "demo.yaml").write_text(rules)
        settings = Settings(
            config_store=f"fs://{config}",
            address=("127.0.0.1:0",),
            monitoring_address="127.0.0.1:0",
            prometheus_address="127.0.0.1:0",
            drain_grace_s=1.0,
            transport=self.transport,
        )
        server = RemixerServer(settings)
        return await self.stack.enter_async_context(server.serving())

    @property
    def log_file(self) -> Path:
        return self.folder / "access.log"

    async def envoy(self, name: str, *, remixer: str, service: TcpAddress) -> TcpAddress:
        """Envoy on a file of `deploy/envoy`, with ports and addresses of the test."""
        config: Any = yaml.safe_load((DEPLOY / name).read_text())
        host, _, port = remixer.rpartition(":")
        ends = {"remixer": TcpAddress(host, int(port)), "service": service}
        for cluster in config["static_resources"]["clusters"]:
            (endpoint,) = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"]
            endpoint["endpoint"]["address"] = _address(ends[cluster["name"]])
        (listener,) = config["static_resources"]["listeners"]
        listener["address"] = config["admin"]["address"] = _address(TcpAddress("127.0.0.1", 0))
        file = self.folder / "bootstrap.json"
        file.write_text(json.dumps(config))
        process = EnvoyProcess(program=find_envoy(), folder=self.folder, http=self.http)
        self.stack.push_async_callback(process.aclose)
        return (await process.start_with(file)).service

    async def service(self) -> tuple[EchoService, TcpAddress]:
        echo = EchoService()
        self.stack.push_async_callback(echo.aclose)
        return echo, await echo.start()

    async def log_lines(self, *, count: int) -> list[dict[str, Any]]:
        """The access log's lines, once there are so many."""

        async def look() -> list[dict[str, Any]] | None:
            text = self.log_file.read_text() if self.log_file.exists() else ""
            lines = [json.loads(line) for line in text.rpartition("\n")[0].splitlines()]
            return lines if len(lines) >= count else None

        return await until(look, within_s=WITHIN_S)


def _address(at: TcpAddress) -> dict[str, object]:
    return {"socket_address": {"address": at.host, "port_value": at.port}}


@asynccontextmanager
async def parts_in(folder: Path, transport: Transport = Transport.OWN) -> AsyncIterator[Parts]:
    async with AsyncExitStack() as stack:
        http = AioHttpClient()
        stack.push_async_callback(http.aclose)
        await http.start()
        yield Parts(folder, stack, http, transport)


@dataclass
class HttpAnswer:
    """A response, read whole."""

    status: int
    headers: list[tuple[str, str]]
    body: str

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name]

    @property
    def seen(self) -> Mapping[str, str]:
        """Headers that the service saw."""
        headers = json.loads(self.body)["headers"]
        assert isinstance(headers, dict)
        return headers


async def get(at: TcpAddress, path: str, headers: Mapping[str, str] | None = None) -> HttpAnswer:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://{at}{path}", headers=headers) as response,
    ):
        return HttpAnswer(response.status, list(response.headers.items()), await response.text())


@dataclass
class HttpMesh:
    """Remixer, Envoy and a service, all up."""

    parts: Parts
    remixer: RemixerServer
    echo: EchoService
    envoy: TcpAddress


@asynccontextmanager
async def http_mesh(
    folder: Path, rules: str, transport: Transport = Transport.OWN
) -> AsyncIterator[HttpMesh]:
    async with parts_in(folder, transport) as parts:
        echo, service = await parts.service()
        remixer = await parts.remixer(rules)
        grpc_address = remixer.addresses.grpc[0]
        envoy = await parts.envoy("remixer.yaml", remixer=grpc_address, service=service)
        yield HttpMesh(parts, remixer, echo, envoy)


async def test_a_request_that_no_rule_denies_reaches_the_service(tmp_path: Path) -> None:
    async with http_mesh(tmp_path, DENY_BY_PATH) as mesh:
        answer = await get(mesh.envoy, "/a?b=c")
        assert answer.status == 200
        assert json.loads(answer.body)["path"] == "/a?b=c"


async def test_a_denied_request_gets_the_status_and_text_and_never_arrives(tmp_path: Path) -> None:
    async with http_mesh(tmp_path, DENY_BY_PATH) as mesh:
        answer = await get(mesh.envoy, "/deny/x")
        assert answer.status == 403
        assert answer.body == "deny.default:not today"
        assert answer.values("content-type") == ["text/plain"]
        assert mesh.echo.requests == 0


@pytest.mark.parametrize("transport", Transport)
async def test_a_direct_response_gives_code_body_and_headers(
    tmp_path: Path, transport: Transport
) -> None:
    async with http_mesh(tmp_path, DENY_BY_PATH, transport) as mesh:
        answer = await get(mesh.envoy, "/gone")
        assert answer.status == 410
        assert answer.body == "<p>gone</p>"
        assert answer.values("content-type") == ["text/html"]
        assert answer.values("set-cookie") == ["a=1", "b=2"]


async def test_a_denied_grpc_call_gets_a_grpc_status(tmp_path: Path) -> None:
    async with (
        http_mesh(tmp_path, DENY_BY_PATH) as mesh,
        grpc.aio.insecure_channel(str(mesh.envoy)) as channel,
    ):
        call = channel.unary_unary("/shop.Cart/Add")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(b"", timeout=WITHIN_S)
        assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
        assert caught.value.details() == "deny.default:not today"


async def test_header_operations_change_request_and_response(tmp_path: Path) -> None:
    sent = {"x-replaced": "old", "x-removed": "old", "x-present": "old"}
    async with http_mesh(tmp_path, HEADER_OPERATIONS) as mesh:
        answer = await get(mesh.envoy, "/headers", sent)
        assert answer.seen["x-replaced"] == "new"
        assert "x-removed" not in answer.seen
        assert answer.seen["x-present"] == "old,more"
        assert answer.seen["x-absent"] == "one,two"
        assert answer.seen["x-host"] == str(mesh.envoy)
        assert answer.values("content-type") == ["text/x-changed"]
        assert answer.values("x-added") == ["one", "two"]


async def test_a_line_break_in_a_query_parameter_makes_no_header(tmp_path: Path) -> None:
    async with http_mesh(tmp_path, QUERY_IN_HEADERS) as mesh:
        answer = await get(mesh.envoy, "/?q=a%0d%0ax-evil:1%0d%0a%0d%0abody")
        assert answer.status == 200
        assert answer.seen["x-q"] == "a  x-evil:1    body"
        assert "x-evil" not in answer.seen
        assert answer.values("x-q") == ["a  x-evil:1    body"]
        assert not answer.values("x-evil")


async def test_an_exhausted_quota_is_a_429(tmp_path: Path) -> None:
    async with http_mesh(tmp_path, QUOTA) as mesh:
        answers = [await get(mesh.envoy, "/") for _ in range(3)]
        assert [answer.status for answer in answers] == [200, 200, 429]
        assert answers[-1].body == "Quota is exhausted for: hits"


async def test_a_client_cannot_replay_a_grant_with_its_request_id(tmp_path: Path) -> None:
    async with http_mesh(tmp_path, QUOTA) as mesh:
        same = {"x-request-id": "7c0c"}
        statuses = [(await get(mesh.envoy, "/", same)).status for _ in range(3)]
        assert statuses == [200, 200, 429]


async def test_a_route_may_go_unchecked(tmp_path: Path) -> None:
    async with http_mesh(tmp_path, QUOTA) as mesh:
        statuses = [(await get(mesh.envoy, "/healthz")).status for _ in range(4)]
        assert statuses == [200] * 4


async def test_a_check_that_fails_is_envoys_status_on_error(tmp_path: Path) -> None:
    async with http_mesh(tmp_path, CHECK_THAT_FAILS) as mesh:
        assert (await get(mesh.envoy, "/", {"x-api-key": "ann"})).status == 200
        assert (await get(mesh.envoy, "/")).status == 503  # the instance needs a key
        assert mesh.echo.requests == 1


async def test_without_remixer_envoy_answers_status_on_error(tmp_path: Path) -> None:
    async with parts_in(tmp_path) as parts:
        echo, service = await parts.service()
        nobody, nobodys_address = await parts.service()
        await nobody.aclose()
        envoy = await parts.envoy("remixer.yaml", remixer=str(nobodys_address), service=service)
        assert (await get(envoy, "/")).status == 503
        assert echo.requests == 0


@pytest.mark.parametrize("transport", Transport)
async def test_the_access_log_becomes_metrics_and_lines(
    tmp_path: Path, transport: Transport
) -> None:
    async with http_mesh(tmp_path, DENY_BY_PATH, transport) as mesh:
        await get(mesh.envoy, "/a", {"user-agent": "tester"})
        await get(mesh.envoy, "/deny")
        allowed, denied = await mesh.parts.log_lines(count=2)
        assert allowed["path"] == "/a"
        assert allowed["responseCode"] == 200
        assert allowed["userAgent"] == "tester"
        assert allowed["destinationWorkload"] == "productpage-v1"
        assert allowed["checkError"] == ""
        assert denied["responseCode"] == 403
        assert denied["responseFlags"] == "UAEX"
        assert denied["checkError"] == "PERMISSION_DENIED:deny.default:not today"

        page = await mesh.parts.http.get(
            f"http://{mesh.remixer.addresses.prometheus}/metrics",
            timeout_s=WITHIN_S,
            limit_bytes=1 << 20,
        )
        counts = [
            line
            for line in page.body.decode().splitlines()
            if line.startswith("istio_requests_total")
        ]
        assert len(counts) == 2
        assert all(line.endswith((" 1", " 1.0")) for line in counts)
        assert all('destination_service_name="productpage"' in line for line in counts)
        assert any('response_code="403"' in line for line in counts)


async def _echo_lines(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while line := await reader.readline():
        writer.write(line)
        await writer.drain()
    writer.close()


@asynccontextmanager
async def tcp_mesh(folder: Path, rules: str) -> AsyncIterator[tuple[Parts, TcpAddress]]:
    async with parts_in(folder) as parts:
        server = await asyncio.start_server(_echo_lines, "127.0.0.1", 0)
        await parts.stack.enter_async_context(server)
        service = TcpAddress(*server.sockets[0].getsockname()[:2])
        remixer = await parts.remixer(rules)
        grpc_address = remixer.addresses.grpc[0]
        yield parts, await parts.envoy("remixer-tcp.yaml", remixer=grpc_address, service=service)


async def _say(at: TcpAddress, line: bytes) -> bytes:
    """What comes back; nothing if the connection is refused."""
    reader, writer = await asyncio.open_connection(at.host, at.port)
    try:
        writer.write(line)
        async with asyncio.timeout(WITHIN_S):
            return await reader.readline()
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def test_a_connection_is_checked_and_reported_from_open_to_close(tmp_path: Path) -> None:
    async with tcp_mesh(tmp_path, "") as (parts, envoy):
        assert await _say(envoy, b"hello\n") == b"hello\n"
        opened, closed = await parts.log_lines(count=2)
        assert opened["connectionEvent"] == "open"
        assert closed["connectionEvent"] == "close"
        assert closed["connectionId"] == opened["connectionId"]
        assert closed["totalReceivedBytes"] == closed["totalSentBytes"] == 6
        assert closed["destinationNamespace"] == "default"
        assert opened["receivedBytes"] + closed["receivedBytes"] == 6


async def test_a_denied_connection_is_closed(tmp_path: Path) -> None:
    async with tcp_mesh(tmp_path, DENY_TCP) as (parts, envoy):
        assert await _say(envoy, b"hello\n") == b""
        # Envoy connects to the service while it waits for the client's first bytes.
        opened, closed = await parts.log_lines(count=2)
        assert (opened["connectionEvent"], closed["connectionEvent"]) == ("open", "close")
        assert closed["responseFlags"] == "UAEX"
        assert closed["totalSentBytes"] == 0


def test_the_files_for_operators_are_what_the_package_has() -> None:
    names = {each.name for each in (files("remixer.config") / "defaults").iterdir()}
    assert {"attributes.yaml", "metrics.yaml", "access_log.yaml", "demo.yaml"} <= names
