"""A real Envoy asks a sidecar on a Unix socket, which asks two Mixers."""

import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from remixer.cli.demo.envoy import EnvoyProcess, find_envoy
from remixer.cli.demo.polling import until
from remixer.cli.demo.upstream import EchoService
from remixer.drivers.http import AioHttpClient
from remixer.testing.server_process import ServerProcess
from remixer.transport.addresses import TcpAddress
from remixer.wire.forwarded import accepted

pytestmark = pytest.mark.integration

DEPLOY = Path(__file__).parents[3] / "deploy" / "envoy" / "remixer.yaml"
PATIENCE_S = 60.0
DECISIONS = """
---
kind: handler
metadata: {name: gone, namespace: istio-system}
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
kind: rule
metadata: {name: gone, namespace: istio-system}
spec:
  match: request.path.startsWith("/gone")
  actions: [{handler: gone, instances: [nothing]}]
---
kind: rule
metadata: {name: headers, namespace: istio-system}
spec:
  match: request.path.startsWith("/headers")
  request_header_operations:
  - {name: x-replaced, values: ['"new"']}
  - {name: x-removed, operation: REMOVE}
  - {name: x-present, values: ['"more"'], operation: APPEND}
  response_header_operations:
  - {name: content-type, values: ['"text/x-changed"']}
  - {name: x-added, values: ['"one"', '"two"'], operation: APPEND}
"""
QUOTA = """
---
kind: handler
metadata: {name: limit, namespace: istio-system}
spec:
  compiledAdapter: memquota
  params: {quotas: [{name: hits.instance.istio-system, max_amount: 5, valid_duration: 60s}]}
---
kind: instance
metadata: {name: hits, namespace: istio-system}
spec: {compiledTemplate: quota}
---
kind: rule
metadata: {name: limit, namespace: istio-system}
spec: {match: request.path == "/limited", actions: [{handler: limit, instances: [hits]}]}
"""
COUNTED = """
---
kind: handler
metadata: {name: page, namespace: istio-system}
spec:
  compiledAdapter: prometheus
  params:
    metrics:
    - {name: requests, instance_name: one.instance.istio-system, kind: COUNTER, label_names: [code]}
---
kind: instance
metadata: {name: one, namespace: istio-system}
spec: {compiledTemplate: metric, params: {value: "1", dimensions: {code: response.code | 0}}}
---
kind: rule
metadata: {name: count, namespace: istio-system}
spec: {actions: [{handler: page, instances: [one]}]}
"""
TOLD: Mapping[str, str] = {
    "method": "request.method",
    "path": "request.path",
    "url-path": 'request.url_path | "none"',
    "query": 'request.query_params["q"] | "none"',
    "host": "request.host",
    "scheme": "request.scheme",
    "agent": 'request.useragent | "none"',
    "user": 'request.headers["x-user"] | "none"',
    "key": 'request.api_key | "none"',
    "referer": 'request.referer | "none"',
    "protocol": "context.protocol",
    "reporter": 'context.reporter.kind | "none"',
    "namespace": 'destination.namespace | "none"',
    "service": 'destination.service.name | "none"',
    "host-of": 'destination.service.host | "none"',
    "principal": 'source.principal | "none"',
    "mtls": 'conditionalString(connection.mtls | false, "yes", "no")',
}
LOGGED: Mapping[str, str] = {
    "code": "response.code | 0",
    "flags": 'context.proxy_error_code | "none"',
    "kind": 'context.reporter.kind | "none"',
    "user": 'request.headers["x-user"] | "none"',
    "agent": 'request.useragent | "none"',
    "size": "request.size | 0",
    "total": "request.total_size | 0",
    "sent": "response.size | 0",
    "error": 'check.error_message | "none"',
    "workload": 'destination.workload.name | "none"',
    "labels": 'destination.labels["app"] | "none"',
    "from": 'source.ip | ip("0.0.0.0")',
    "mtls": "connection.mtls | false",
}


def telling() -> str:
    """Rules that tell attributes: of checks in headers, of reports in the log."""
    operations = [{"name": f"x-told-{name}", "values": [text]} for name, text in TOLD.items()]
    variables = dict(LOGGED) | {"path": "request.path"}
    resources = [
        {
            "kind": "rule",
            "metadata": {"name": "tell", "namespace": "istio-system"},
            "spec": {"request_header_operations": operations},
        },
        {
            "kind": "instance",
            "metadata": {"name": "all", "namespace": "istio-system"},
            "spec": {
                "compiledTemplate": "logentry",
                "params": {"severity": '"warning"', "variables": variables},
            },
        },
        {
            "kind": "rule",
            "metadata": {"name": "all", "namespace": "istio-system"},
            "spec": {"actions": [{"handler": "file", "instances": ["all"]}]},
        },
    ]
    return "---\n" + yaml.safe_dump_all(resources)


# ------------------------------------------------------------ the mesh


@dataclass
class Answer:
    """A response, read whole."""

    status: int
    headers: list[tuple[str, str]]
    body: str

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name]

    @property
    def seen(self) -> dict[str, str]:
        """Headers that the service saw."""
        headers: dict[str, str] = json.loads(self.body)["headers"]
        return headers


@dataclass
class Mesh:
    """Envoys before an echo service."""

    folder: Path
    stack: AsyncExitStack
    http: AioHttpClient
    echo: EchoService
    service: TcpAddress

    async def envoy(self, name: str, *, socket: Path) -> TcpAddress:
        """An Envoy that asks whoever listens on `socket`, as `deploy/envoy` tells operators to."""
        config: Any = yaml.safe_load(DEPLOY.read_text())
        ends = {"remixer": {"pipe": {"path": str(socket)}}, "service": _address(self.service)}
        for cluster in config["static_resources"]["clusters"]:
            (endpoint,) = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"]
            endpoint["endpoint"]["address"] = ends[cluster["name"]]
        (listener,) = config["static_resources"]["listeners"]
        anywhere = _address(TcpAddress("127.0.0.1", 0))
        listener["address"] = config["admin"]["address"] = anywhere
        folder = self.folder / name
        folder.mkdir()
        file = folder / "bootstrap.json"
        file.write_text(json.dumps(config))
        process = EnvoyProcess(program=find_envoy(), folder=folder, http=self.http)
        self.stack.push_async_callback(process.aclose)
        return (await process.start_with(file)).service


def _address(at: TcpAddress) -> dict[str, object]:
    return {"socket_address": {"address": at.host, "port_value": at.port}}


@asynccontextmanager
async def mesh_in(folder: Path) -> AsyncIterator[Mesh]:
    async with AsyncExitStack() as stack:
        http = AioHttpClient()
        stack.push_async_callback(http.aclose)
        await http.start()
        echo = EchoService()
        stack.push_async_callback(echo.aclose)
        yield Mesh(folder, stack, http, echo, await echo.start())


async def get(
    at: TcpAddress, path: str, headers: Mapping[str, str] | None = None, *, method: str = "GET"
) -> Answer:
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, f"http://{at}{path}", headers=headers) as response,
    ):
        return Answer(response.status, list(response.headers.items()), await response.text())


def two_mixers(place: Any) -> list[ServerProcess]:
    return [place.mixer(name) for name in "ab"]


def sidecar_before(place: Any, *flags: str) -> ServerProcess:
    addresses = ",".join(place.address_of(each) for each in "ab")
    sidecar: ServerProcess = place.sidecar(*flags, mixer=addresses)
    return sidecar


# ------------------------------------------------------------ decisions


async def test_what_mixers_decide_reaches_the_client_of_envoy(place: Any) -> None:
    place.more_rules = DECISIONS
    two_mixers(place)
    sidecar = sidecar_before(place)
    sent = {"x-replaced": "old", "x-removed": "old", "x-present": "old"}
    async with mesh_in(place.folder) as mesh:
        envoy = await mesh.envoy("envoy", socket=place.socket)
        for times in (1, 2):  # by a Mixer, then from memory
            allowed = await get(envoy, "/a?b=c")
            assert (allowed.status, json.loads(allowed.body)["path"]) == (200, "/a?b=c")

            denied = await get(envoy, "/deny/x")
            assert (denied.status, denied.body) == (403, "deny.istio-system:not today")
            assert denied.values("content-type") == ["text/plain"]

            gone = await get(envoy, "/gone")
            assert (gone.status, gone.body) == (410, "<p>gone</p>")
            assert gone.values("content-type") == ["text/html"]
            assert gone.values("set-cookie") == ["a=1", "b=2"]

            changed = await get(envoy, "/headers", sent)
            assert changed.seen["x-replaced"] == "new"
            assert "x-removed" not in changed.seen
            assert changed.seen["x-present"] == "old,more"
            assert changed.values("content-type") == ["text/x-changed"]
            assert changed.values("x-added") == ["one", "two"]
            assert mesh.echo.requests == 2 * times
    assert await sidecar.metric("remixer_client_check_cache_hits_total") == 4
    calls = await sidecar.metric("remixer_client_remote_calls_total")
    ahead = await sidecar.metric("remixer_client_remote_quota_prefetch_calls_total")
    print(f"\n8 requests: {calls:.0f} calls, of them {ahead:.0f} for quotas ahead")
    assert calls - ahead == 4


async def test_a_quota_of_the_mixers_is_never_overspent_by_what_they_granted_ahead(
    place: Any,
) -> None:
    place.more_rules = QUOTA
    place.mixer()
    sidecar = place.sidecar()
    async with mesh_in(place.folder) as mesh:
        envoy = await mesh.envoy("envoy", socket=place.socket)
        answers = [await get(envoy, "/limited") for _ in range(20)]
        free = [await get(envoy, "/free") for _ in range(3)]
        assert [each.status for each in free] == [200] * 3
    statuses = Counter(each.status for each in answers)
    print(f"\nquota of 5, 20 requests: {dict(statuses)}")
    assert statuses == {200: 5, 429: 15}
    bodies = {each.body for each in answers if each.status == 429}
    assert all(each.startswith("Quota is exhausted for: ") for each in bodies)
    assert await sidecar.metric("remixer_client_remote_quota_prefetch_calls_total") > 0


# ------------------------------------------------------------ reports


async def test_the_access_log_becomes_metrics_of_the_mixers(place: Any) -> None:
    place.more_rules = COUNTED
    mixers = two_mixers(place)
    sidecar_before(place)
    async with mesh_in(place.folder) as mesh:
        envoy = await mesh.envoy("envoy", socket=place.socket)
        for number in range(30):
            await get(envoy, f"/{'deny' if number % 3 == 0 else 'open'}/{number}")

        async def counted() -> Counter[str] | None:
            found: Counter[str] = Counter()
            for mixer in mixers:
                url = f"http://{mixer.prometheus}/metrics"
                page = await mesh.http.get(url, timeout_s=PATIENCE_S, limit_bytes=1 << 20)
                for line in page.body.decode().splitlines():
                    if line.startswith(("istio_requests{", "istio_requests_total{")):
                        name, _, value = line.rpartition(" ")
                        found[name.split('code="')[1].split('"')[0]] += int(float(value))
            return found if found.total() >= 30 else None

        found = await until(counted, within_s=PATIENCE_S)
    print(f"\n30 requests, reported by code: {dict(found)}")
    assert found == {"200": 20, "403": 10}
    assert Counter(place.logged("a", "b")).most_common(1)[0][1] == 1


# ------------------------------------------------------------ nothing is changed on the way

REQUESTS: list[tuple[str, str, dict[str, str]]] = [
    ("GET", "/plain", {}),
    ("GET", "/query?q=a%20b&q=c&x=", {"x-user": "ann"}),
    ("POST", "/post", {"user-agent": "tester/1.0", "referer": "http://elsewhere/"}),
    ("PUT", "/key?api_key=k1", {"x-api-key": "k2"}),
    ("GET", "/key?key=k0", {"cookie": "a=b"}),
    ("DELETE", "/deny/it", {"x-user": "eve"}),
    ("GET", "/deny/again?q=%0d%0ax", {}),
    ("GET", "/uml%C3%A4ut/%FF", {"x-user": "\u00e4"}),
    ("GET", "/" + "long/" * 300, {"x-user": "y" * 3_000}),
]


async def test_mixers_see_the_same_through_a_sidecar_as_from_envoy_itself(place: Any) -> None:
    place.more_rules = telling()
    place.mixer("a")
    place.mixer("b")
    place.sidecar()  # asks a
    async with mesh_in(place.folder) as mesh:
        beside = await mesh.envoy("beside", socket=place.socket)
        directly = await mesh.envoy("directly", socket=place.short / "b")
        for method, path, headers in REQUESTS:
            sent = {"host": "shop.example", **headers}
            answers = [await get(at, path, sent, method=method) for at in (beside, directly)]
            first, second = (told_of(each) for each in answers)
            assert first == second, (method, path)
            assert len(first) in {2, 2 + len(TOLD)}

        async def logged() -> list[list[dict[str, object]]] | None:
            found = [entries_of(place.log_file(name)) for name in "ab"]
            return found if all(len(each) >= len(REQUESTS) for each in found) else None

        through, itself = await until(logged, within_s=PATIENCE_S)
    print(f"\n{len(REQUESTS)} requests: {len(TOLD)} attributes of checks, {len(LOGGED)} of reports")
    assert through == itself


def told_of(answer: Answer) -> dict[str, object]:
    """Everything that a Mixer decided or said."""
    found: dict[str, object] = {"status": answer.status}
    if answer.status != 200:
        return found | {"body": answer.body}
    told = {name: value for name, value in answer.seen.items() if name.startswith("x-told-")}
    return found | {"path": json.loads(answer.body)["path"]} | told


def entries_of(file: Path) -> list[dict[str, object]]:
    """What was reported, in a fixed order, without when."""
    lines = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    entries = [
        {key: each[key] for key in each if key != "time"} for each in lines if "code" in each
    ]
    return sorted(entries, key=lambda each: json.dumps(each, sort_keys=True))


# ------------------------------------------------------------ a client's configuration

CLIENT = """
default_destination_service: default
mixer_attributes: {attributes: {context.reporter.kind: {string_value: outbound}}}
service_configs: {default: {}}
"""


@pytest.mark.parametrize("sent", [{}, {"x-istio-attributes": "Cg=="}], ids=["nothing", "a lie"])
async def test_the_next_proxy_is_told_who_calls_whatever_the_caller_says(
    place: Any, sent: dict[str, str]
) -> None:
    place.mixer()
    client = place.folder / "client.yaml"
    client.write_text(CLIENT)
    place.sidecar("--client-config", str(client), "--source-uid", "kubernetes://web-1.shop")
    async with mesh_in(place.folder) as mesh:
        envoy = await mesh.envoy("envoy", socket=place.socket)
        seen = (await get(envoy, "/a", sent)).seen
    assert accepted(seen["x-istio-attributes"]) == {"source.uid": "kubernetes://web-1.shop"}
