"""Remixer behind real proxies over HTTP/1.1, configured as `deploy/forward-auth` tells operators to.

Everything is real but the service behind the proxy. nginx and Caddy open the port that they are
told, so one that was just free is given to them; Envoy finds its own.
"""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from remixer.cli.demo.envoy import EnvoyProcess, find_envoy
from remixer.cli.demo.polling import until
from remixer.cli.demo.processes import stop
from remixer.cli.demo.upstream import EchoService
from remixer.drivers.http import AioHttpClient
from remixer.server.compose import RemixerServer
from remixer.server.settings import Settings
from remixer.testing.ports import KeptPort
from remixer.transport.addresses import TcpAddress

pytestmark = pytest.mark.integration

DEPLOY = Path(__file__).parents[2] / "deploy" / "forward-auth"
WITHIN_S = 60.0
RULES = """
apiVersion: config.istio.io/v1alpha2
kind: handler
metadata: {name: deny, namespace: istio-system}
spec:
  compiledAdapter: denier
  params: {status: {code: 7, message: not today}}
---
apiVersion: config.istio.io/v1alpha2
kind: handler
metadata: {name: anonymous, namespace: istio-system}
spec:
  compiledAdapter: denier
  params: {status: {code: 16, message: who are you}}
---
apiVersion: config.istio.io/v1alpha2
kind: handler
metadata: {name: away, namespace: istio-system}
spec:
  compiledAdapter: denier
  params: {status: {code: 14, message: closed}}
---
apiVersion: config.istio.io/v1alpha2
kind: handler
metadata: {name: login, namespace: istio-system}
spec:
  compiledAdapter: denier
  params:
    status:
      code: 16
      details:
      - "@type": type.googleapis.com/istio.policy.v1beta1.DirectHttpResponse
        code: 302
        headers: {location: "https://login.example/?back=1"}
---
apiVersion: config.istio.io/v1alpha2
kind: handler
metadata: {name: page, namespace: istio-system}
spec:
  compiledAdapter: denier
  params:
    status:
      code: 7
      details:
      - "@type": type.googleapis.com/istio.policy.v1beta1.DirectHttpResponse
        code: 200
        body: instead of the service
---
apiVersion: config.istio.io/v1alpha2
kind: handler
metadata: {name: limit, namespace: istio-system}
spec:
  compiledAdapter: memquota
  params:
    quotas: [{name: hits.instance.istio-system, max_amount: 2, valid_duration: 60s}]
---
apiVersion: config.istio.io/v1alpha2
kind: handler
metadata: {name: lister, namespace: istio-system}
spec: {compiledAdapter: listchecker, params: {overrides: [ann]}}
---
apiVersion: config.istio.io/v1alpha2
kind: instance
metadata: {name: nothing, namespace: istio-system}
spec: {compiledTemplate: checknothing}
---
apiVersion: config.istio.io/v1alpha2
kind: instance
metadata: {name: hits, namespace: istio-system}
spec: {compiledTemplate: quota}
---
apiVersion: config.istio.io/v1alpha2
kind: instance
metadata: {name: key, namespace: istio-system}
spec: {compiledTemplate: listentry, params: {value: request.api_key}}
---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {name: user, namespace: istio-system}
spec:
  request_header_operations:
  - {name: x-user, values: ['request.method + " " + request.path + " from " + request.host']}
  - {name: x-gone, operation: REMOVE}
  response_header_operations:
  - {name: x-policy, values: ['"v1"']}
"""
RULES_OF_SHOP = """
---
apiVersion: config.istio.io/v1alpha2
kind: handler
metadata: {name: closed, namespace: shop}
spec:
  compiledAdapter: denier
  params: {status: {code: 7, message: the shop is closed}}
---
apiVersion: config.istio.io/v1alpha2
kind: instance
metadata: {name: nothing, namespace: shop}
spec: {compiledTemplate: checknothing}
---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {name: closed, namespace: shop}
spec:
  match: destination.service.name == "web"
  actions: [{handler: closed, instances: [nothing]}]
"""
DESTINATIONS = """
shop.example: {destination.namespace: shop, destination.service.name: web}
"*.shop.example": {destination.namespace: shop, destination.service.name: other}
127.0.0.1: {}
"""
RULE = """
---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {name: %s, namespace: istio-system}
spec:
  match: %s
  actions: [{handler: %s, instances: [%s]}]
"""
WHEN = [
    ("deny", 'request.url_path.startsWith("/deny") && request.method == "POST"', "nothing"),
    ("anonymous", 'request.url_path == "/anonymous"', "nothing"),
    ("away", 'request.url_path == "/away"', "nothing"),
    ("login", 'request.url_path == "/login"', "nothing"),
    ("page", 'request.url_path == "/page"', "nothing"),
    ("limit", 'request.url_path == "/limited"', "hits"),
    ("lister", 'request.url_path == "/key"', "key"),
]


@dataclass
class Answer:
    status: int
    headers: list[tuple[str, str]]
    body: str

    @property
    def seen(self) -> dict[str, Any]:
        """What the service saw."""
        found: dict[str, Any] = json.loads(self.body)
        return found

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name]


@dataclass
class Stand:
    """Remixer, a proxy and a service, all up."""

    remixer: RemixerServer
    echo: EchoService
    proxy: TcpAddress

    async def ask(self, path: str, *, method: str = "GET", **options: Any) -> Answer:
        async with (
            aiohttp.ClientSession() as session,
            session.request(
                method, f"http://{self.proxy}{path}", allow_redirects=False, **options
            ) as response,
        ):
            text = await response.text()
            return Answer(response.status, list(response.headers.items()), text)

    async def raw(self, request: bytes) -> bytes:
        """Everything that one connection answers; `request` has to end it."""
        reader, writer = await asyncio.open_connection(self.proxy.host, self.proxy.port)
        writer.write(request)
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        return answer


async def listens(
    at: TcpAddress, process: asyncio.subprocess.Process, said: Callable[[], str]
) -> None:
    async def look() -> bool | None:
        assert process.returncode is None, said()
        try:
            _, writer = await asyncio.open_connection(at.host, at.port)
        except OSError:
            return None
        writer.close()
        return True

    await until(look, within_s=WITHIN_S)


@dataclass
class Starting:
    """What a proxy's start needs."""

    folder: Path
    stack: AsyncExitStack
    remixer: str
    service: TcpAddress

    def file(self, name: str, ends: dict[str, str]) -> Path:
        """A file of `deploy/forward-auth` with the addresses of the test."""
        text = (DEPLOY / name).read_text()
        for shipped, ours in {
            "127.0.0.1:9095": self.remixer,
            "127.0.0.1:8080": str(self.service),
            **ends,
        }.items():
            assert shipped in text
            text = text.replace(shipped, ours)
        path = self.folder / name
        path.write_text(text)
        return path

    def own_address(self) -> TcpAddress:
        """For a proxy that cannot choose a port itself."""
        port = self.stack.enter_context(KeptPort())
        return TcpAddress("127.0.0.1", port.number)

    async def run(self, at: TcpAddress, *command: str) -> TcpAddress:
        log = self.folder / "proxy.log"
        with log.open("wb") as stream:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdout=stream,
                stderr=stream,
                env={"HOME": str(self.folder), "PATH": "/usr/sbin:/usr/bin:/bin"},
            )
        self.stack.push_async_callback(stop, process, within_s=WITHIN_S)
        await listens(at, process, log.read_text)
        return at


async def nginx(start: Starting, *, without: tuple[str, ...] = ()) -> TcpAddress:
    program = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    if program is None:
        pytest.skip("no nginx on this machine")
    at = start.own_address()
    folder = start.folder
    places = "".join(
        f"{kind}_temp_path {folder}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    ends = {"127.0.0.1:8000": str(at), "http {": f"http {{ access_log off; {places}"}
    file = start.file("nginx.conf", {**ends, **dict.fromkeys(without, "")})
    options = f"daemon off; pid {folder}/nginx.pid; error_log stderr;"
    return await start.run(at, program, "-p", str(folder), "-c", str(file), "-g", options)


async def careless_nginx(start: Starting) -> TcpAddress:
    """Forwards the length of a body that it keeps, over connections that it keeps."""
    lines = ("proxy_pass_request_body off;", 'proxy_set_header Content-Length "";')
    return await nginx(start, without=lines)


async def caddy(start: Starting, *, site: str = "http://{at} {{") -> TcpAddress:
    program = shutil.which("caddy")
    if program is None:
        pytest.skip("no caddy on this machine")
    at = start.own_address()
    ours = site.format(at=at, host=at.host, port=at.port)
    file = start.file("Caddyfile", {"http://127.0.0.1:8000 {": ours})
    return await start.run(at, program, "run", "--config", str(file), "--adapter", "caddyfile")


async def caddy_for_all_hosts(start: Starting) -> TcpAddress:
    """As shipped it knows one, and answers all others by itself."""
    return await caddy(start, site=":{port} {{\n\tbind {host}")


async def envoy(start: Starting, *, fails_open: bool = False) -> TcpAddress:
    config: Any = yaml.safe_load((DEPLOY / "envoy.yaml").read_text())
    host, _, port = start.remixer.rpartition(":")
    ends = {"remixer": TcpAddress(host, int(port)), "service": start.service}
    for cluster in config["static_resources"]["clusters"]:
        (endpoint,) = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"]
        endpoint["endpoint"]["address"] = _address(ends[cluster["name"]])
    (listener,) = config["static_resources"]["listeners"]
    listener["address"] = config["admin"]["address"] = _address(TcpAddress("127.0.0.1", 0))
    filters = listener["filter_chains"][0]["filters"][0]["typed_config"]["http_filters"]
    filters[0]["typed_config"]["failure_mode_allow"] = fails_open
    file = start.folder / "bootstrap.json"
    file.write_text(json.dumps(config))
    http = AioHttpClient()
    start.stack.push_async_callback(http.aclose)
    await http.start()
    process = EnvoyProcess(program=find_envoy(), folder=start.folder, http=http)
    start.stack.push_async_callback(process.aclose)
    return (await process.start_with(file)).service


async def envoy_that_fails_open(start: Starting) -> TcpAddress:
    return await envoy(start, fails_open=True)


def _address(at: TcpAddress) -> dict[str, object]:
    return {"socket_address": {"address": at.host, "port_value": at.port}}


Proxy = Callable[[Starting], Any]
EVERY = pytest.mark.parametrize("proxy", [nginx, caddy, envoy], ids=lambda each: each.__name__)
ALL_HOSTS = pytest.mark.parametrize(
    "proxy", [nginx, caddy_for_all_hosts, envoy], ids=lambda each: each.__name__
)


@asynccontextmanager
async def stand(
    folder: Path,
    proxy: Proxy,
    *,
    trusted: tuple[str, ...] = ("127.0.0.0/8",),
    destinations: str = "",
) -> AsyncIterator[Stand]:
    async with AsyncExitStack() as stack:
        config = folder / "config"
        config.mkdir()
        rules = (RULE % (f"{handler}-rule", match, handler, each) for handler, match, each in WHEN)
        (config / "rules.yaml").write_text(RULES + RULES_OF_SHOP + "".join(rules))
        file = folder / "destinations.yaml"
        file.write_text(destinations)
        settings = Settings(
            config_store=f"fs://{config}",
            address=("127.0.0.1:0",),
            monitoring_address="127.0.0.1:0",
            prometheus_address="127.0.0.1:0",
            forward_auth_address="127.0.0.1:0",
            forward_auth_from=trusted,
            forward_auth_destinations=str(file) if destinations else None,
            drain_grace_s=1.0,
        )
        remixer = await stack.enter_async_context(RemixerServer(settings).serving())
        echo = EchoService()
        stack.push_async_callback(echo.aclose)
        service = await echo.start()
        assert remixer.addresses.forward_auth is not None
        starting = Starting(folder, stack, remixer.addresses.forward_auth, service)
        yield Stand(remixer, echo, await proxy(starting))


# ------------------------------------------------------------------ what all proxies have alike


@EVERY
async def test_an_allowed_request_reaches_the_service_with_the_headers_of_rules(
    tmp_path: Path, proxy: Proxy
) -> None:
    async with stand(tmp_path, proxy) as mesh:
        sent = {"host": f"127.0.0.1:{mesh.proxy.port}", "x-user": "eve"}
        answer = await mesh.ask("/cart?x=1&y=%20", headers=sent)
        assert answer.status == 200
        assert answer.seen["path"] == "/cart?x=1&y=%20"
        user = answer.seen["headers"]["x-user"]
        # nginx's `$host` goes without the port.
        assert user.startswith("GET /cart?x=1&y=%20 from 127.0.0.1")


@EVERY
async def test_the_method_of_the_request_counts_and_its_body_arrives(
    tmp_path: Path, proxy: Proxy
) -> None:
    async with stand(tmp_path, proxy) as mesh:
        assert (await mesh.ask("/deny", method="GET")).status == 200
        refused = await mesh.ask("/deny", method="POST", data=b"x" * 10_000)
        assert refused.status == 403
        assert "deny.istio-system:not today" in refused.body
        passed = await mesh.ask("/cart", method="POST", data=b"x" * 10_000)
        assert passed.seen["headers"]["content-length"] == "10000"
        assert mesh.echo.requests == 2


@EVERY
async def test_many_requests_with_bodies_on_one_connection_stay_apart(
    tmp_path: Path, proxy: Proxy
) -> None:
    async with stand(tmp_path, proxy) as mesh, aiohttp.ClientSession() as session:
        for turn in range(20):
            path = "/deny" if turn % 3 == 0 else f"/cart/{turn}"
            async with session.post(
                f"http://{mesh.proxy}{path}", data=b"GET / HTTP/1.1\r\n"
            ) as got:
                assert got.status == (403 if turn % 3 == 0 else 200)
        assert mesh.echo.requests == 13


@EVERY
async def test_a_redirect_to_a_login_reaches_the_client(tmp_path: Path, proxy: Proxy) -> None:
    async with stand(tmp_path, proxy) as mesh:
        answer = await mesh.ask("/login")
        assert answer.status == 302
        assert answer.values("location") == ["https://login.example/?back=1"]


@EVERY
async def test_unauthenticated_is_401_with_its_text(tmp_path: Path, proxy: Proxy) -> None:
    async with stand(tmp_path, proxy) as mesh:
        answer = await mesh.ask("/anonymous")
        assert answer.status == 401
        assert "who are you" in answer.body
        assert mesh.echo.requests == 0


@EVERY
async def test_an_exhausted_quota_is_a_429(tmp_path: Path, proxy: Proxy) -> None:
    async with stand(tmp_path, proxy) as mesh:
        statuses = [(await mesh.ask("/limited")).status for _ in range(3)]
        assert statuses == [200, 200, 429]


@EVERY
async def test_an_answer_in_place_of_the_services_never_lets_the_request_pass(
    tmp_path: Path, proxy: Proxy
) -> None:
    async with stand(tmp_path, proxy) as mesh:
        assert (await mesh.ask("/page")).status == 403
        assert mesh.echo.requests == 0


@EVERY
async def test_a_check_that_fails_lets_nothing_pass(tmp_path: Path, proxy: Proxy) -> None:
    async with stand(tmp_path, proxy) as mesh:
        assert (await mesh.ask("/key", headers={"x-api-key": "ann"})).status == 200
        assert (await mesh.ask("/key")).status >= 500  # the instance needs a key
        assert mesh.echo.requests == 1


@EVERY
async def test_a_proxy_that_is_not_trusted_gets_nothing_through(
    tmp_path: Path, proxy: Proxy
) -> None:
    async with stand(tmp_path, proxy, trusted=("10.0.0.0/8",)) as mesh:
        assert (await mesh.ask("/")).status == 403
        assert mesh.echo.requests == 0


@EVERY
async def test_a_client_that_sends_the_proxys_own_headers_changes_nothing(
    tmp_path: Path, proxy: Proxy
) -> None:
    lies = {
        "x-forwarded-uri": "/",
        "x-forwarded-method": "GET",
        "x-forwarded-host": "evil.example",
        "x-original-uri": "/",
        "x-original-url": "http://evil.example/",
        "x-original-method": "GET",
    }
    async with stand(tmp_path, proxy) as mesh:
        assert (await mesh.ask("/deny", method="POST", headers=lies)).status == 403
        assert (await mesh.ask("/anonymous", headers=lies)).status == 401
        passed = await mesh.ask("/cart", headers=lies)
        assert passed.seen["headers"]["x-user"].startswith("GET /cart from 127.0.0.1")


@ALL_HOSTS
async def test_the_rules_of_the_namespace_that_a_host_belongs_to_apply(
    tmp_path: Path, proxy: Proxy
) -> None:
    async with stand(tmp_path, proxy, destinations=DESTINATIONS) as mesh:
        refused = await mesh.ask("/cart", headers={"host": "shop.example"})
        assert refused.status == 403
        assert "closed.shop:the shop is closed" in refused.body
        # Another service of the namespace, and one of none.
        assert (await mesh.ask("/cart", headers={"host": "a.shop.example:80"})).status == 200
        assert (await mesh.ask("/cart")).status == 200
        assert mesh.echo.requests == 2


@ALL_HOSTS
async def test_a_host_that_is_for_no_service_gets_nothing_through(
    tmp_path: Path, proxy: Proxy
) -> None:
    async with stand(tmp_path, proxy, destinations=DESTINATIONS) as mesh:
        assert (await mesh.ask("/cart", headers={"host": "elsewhere.example"})).status == 403
        lie = {"host": "shop.example", "x-forwarded-host": "127.0.0.1"}
        assert (await mesh.ask("/cart", headers=lie)).status == 403
        assert mesh.echo.requests == 0


@EVERY
@pytest.mark.parametrize(
    "target",
    ["/deny%2fx", "/deny/%ff%00", "/deny/\xff\xfe", "/deny/?q=%0d%0aX-Evil:%201", "/deny//"],
)
async def test_odd_paths_are_checked_as_they_are(tmp_path: Path, proxy: Proxy, target: str) -> None:
    async with stand(tmp_path, proxy) as mesh:
        request = f"POST {target} HTTP/1.1\r\nHost: 127.0.0.1:{mesh.proxy.port}\r\n"
        request += "Connection: close\r\nContent-Length: 0\r\n\r\n"
        answer = await mesh.raw(request.encode("latin-1"))
        # A proxy may refuse some by itself, with 400.
        assert answer.split(b" ")[1] in {b"403", b"400"}
        assert mesh.echo.requests == 0


# ------------------------------------------------------------------ what is particular to one


@pytest.mark.parametrize("proxy", [nginx, envoy], ids=lambda each: each.__name__)
async def test_response_headers_of_rules_reach_the_client(tmp_path: Path, proxy: Proxy) -> None:
    async with stand(tmp_path, proxy) as mesh:
        assert (await mesh.ask("/cart")).values("x-policy") == ["v1"]


async def test_envoy_removes_what_rules_remove(tmp_path: Path) -> None:
    async with stand(tmp_path, envoy) as mesh:
        assert "x-gone" not in (await mesh.ask("/", headers={"x-gone": "1"})).seen["headers"]


async def test_a_refusal_with_5xx_is_no_failure_that_envoy_may_let_pass(tmp_path: Path) -> None:
    async with stand(tmp_path, envoy_that_fails_open) as mesh:
        assert (await mesh.ask("/away")).status == 403
        assert mesh.echo.requests == 0
        assert (await mesh.ask("/key")).status == 200  # a failure, and it may pass
        assert mesh.echo.requests == 1


@pytest.mark.parametrize("proxy", [nginx, caddy], ids=lambda each: each.__name__)
async def test_a_refusal_with_5xx_reaches_the_client(tmp_path: Path, proxy: Proxy) -> None:
    async with stand(tmp_path, proxy) as mesh:
        answer = await mesh.ask("/away")
        assert answer.status == 503
        assert "closed" in answer.body


async def test_nginx_keeps_its_connections_to_remixer(tmp_path: Path) -> None:
    async with stand(tmp_path, nginx) as mesh:
        for _ in range(5):
            await mesh.ask("/cart", method="POST", data=b"x" * 100)
        page = mesh.remixer.metrics.render().decode()
        assert 'remixer_http_answers_total{server="forward_auth",status="200"} 5' in page
        assert "remixer_http_connections_ended_total{" not in page


async def test_nginx_that_forwards_a_length_without_a_body_desynchronizes_nothing(
    tmp_path: Path,
) -> None:
    async with stand(tmp_path, careless_nginx) as mesh, aiohttp.ClientSession() as session:
        for turn in range(10):
            path = "/deny" if turn % 2 else "/cart"
            async with session.post(f"http://{mesh.proxy}{path}", data=b"x" * 50) as got:
                assert got.status == (403 if turn % 2 else 200)


# ------------------------------------------------------------------ Traefik, as it documents itself


def traefik_question(path: str, *, method: str = "GET", **more: str) -> bytes:
    """The request of Traefik's forwardAuth: a GET with the client's headers and its own five."""
    lines = {
        "Host": "127.0.0.1:9095",
        "User-Agent": "curl/8.5.0",
        "Accept": "*/*",
        "X-Forwarded-Method": method,
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "shop.example",
        "X-Forwarded-Uri": path,
        "X-Forwarded-For": "10.1.2.3",
        "Accept-Encoding": "gzip",
        **more,
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"GET /check HTTP/1.1\r\n{head}Connection: close\r\n\r\n".encode()


async def no_proxy(start: Starting) -> TcpAddress:
    host, _, port = start.remixer.rpartition(":")
    return TcpAddress(host, int(port))


def test_traefiks_file_asks_where_remixer_answers() -> None:
    config = yaml.safe_load((DEPLOY / "traefik.yaml").read_text())
    forward_auth = config["http"]["middlewares"]["remixer"]["forwardAuth"]
    assert forward_auth["address"].endswith(":9095/check")
    assert forward_auth["trustForwardHeader"] is False
    assert config["http"]["routers"]["service"]["middlewares"] == ["remixer"]


async def test_traefiks_question_is_understood(tmp_path: Path) -> None:
    async with stand(tmp_path, no_proxy) as mesh:
        allowed = (await mesh.raw(traefik_question("/cart?x=1"))).decode()
        assert allowed.startswith("HTTP/1.1 200 ")
        assert "\r\nx-user: GET /cart?x=1 from shop.example\r\n" in allowed
        refused = (await mesh.raw(traefik_question("/deny", method="POST"))).decode()
        assert refused.startswith("HTTP/1.1 403 ")
        assert refused.endswith("deny.istio-system:not today")
        login = (await mesh.raw(traefik_question("/login"))).decode()
        assert login.startswith("HTTP/1.1 302 ")
        assert "\r\nlocation: https://login.example/?back=1\r\n" in login


async def test_a_client_of_traefik_that_sends_nginxs_headers_is_refused(tmp_path: Path) -> None:
    more = {"X-Original-URI": "/", "X-Original-Method": "GET"}
    async with stand(tmp_path, no_proxy) as mesh:
        answer = (await mesh.raw(traefik_question("/cart", **more))).decode()
        assert answer.startswith("HTTP/1.1 400 ")
        assert "tell different requests" in answer
