"""gRPC services with interceptors: rules in the same process, and rules of a Mixer elsewhere."""

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import grpc
import pytest
from grpc import aio

from remixer.embedded import Remixer
from remixer.server.compose import RemixerServer
from remixer.server.settings import Settings
from remixer.sidecar.blocking import BlockingMixer, BlockingMixerClient
from remixer.sidecar.client import MixerClient
from remixer.sidecar.grpc_server import BlockingMixerInterceptor, MixerInterceptor

pytestmark = pytest.mark.integration

PATIENCE_S: Final = 60.0
GRACE_S: Final = 5.0
CALLER: Final = "spiffe://cluster.local/ns/shop/sa/web"
STRANGER: Final = "spiffe://cluster.local/ns/other/sa/web"
RULES: Final = """
kind: handler
metadata: {name: log, namespace: shop}
spec:
  compiledAdapter: stdio
  params: {log_stream: FILE, output_path: LOG_FILE, output_as_json: true}
---
kind: instance
metadata: {name: calls, namespace: shop}
spec:
  compiledTemplate: logentry
  params:
    severity: '"info"'
    variables:
      path: request.path
      protocol: context.protocol
      caller: source.principal | "nobody"
      status: response.grpc_status | "none"
      code: response.code
      size: response.size
      denied: check.error_code | 0
---
kind: rule
metadata: {name: log, namespace: shop}
spec: {actions: [{handler: log, instances: [calls]}]}
---
kind: handler
metadata: {name: deny, namespace: shop}
spec: {compiledAdapter: denier, params: {status: {code: 9, message: not yet}}}
---
kind: instance
metadata: {name: nothing, namespace: shop}
spec: {compiledTemplate: checknothing}
---
kind: rule
metadata: {name: closed, namespace: shop}
spec:
  match: request.path == "/shop.Cart/Closed" || source.namespace == "other"
  actions: [{handler: deny, instances: [nothing]}]
---
kind: rule
metadata: {name: names, namespace: shop}
spec:
  request_header_operations: [{name: x-caller, values: ['source.principal | "nobody"']}]
  response_header_operations: [{name: x-mixed, values: ['"yes"']}]
"""
ATTRIBUTES: Final = {"destination.namespace": "shop", "destination.service.name": "cart"}


# ---------------------------------------------------------------- policies


@dataclass(frozen=True)
class Policy:
    """A folder of rules, and what they log."""

    folder: Path

    @property
    def rules(self) -> Path:
        return self.folder / "rules"

    def logged(self) -> list[dict[str, Any]]:
        text = (self.folder / "calls.log").read_text()
        return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def policy(tmp_path: Path) -> Policy:
    found = Policy(tmp_path)
    found.rules.mkdir()
    text = RULES.replace("LOG_FILE", str(tmp_path / "calls.log"))
    (found.rules / "rules.yaml").write_text(text)
    return found


@asynccontextmanager
async def served(policy: Policy) -> AsyncIterator[str]:
    """The address of a Mixer with these rules."""
    settings = Settings(
        config_store=f"fs://{policy.rules}",
        address=("127.0.0.1:0",),
        monitoring_address="127.0.0.1:0",
        prometheus_address="127.0.0.1:0",
        drain_grace_s=1.0,
    )
    async with RemixerServer(settings).serving() as server:
        yield server.addresses.grpc[0]


# ---------------------------------------------------------------- services


def caller(metadata: Any) -> bytes:
    return str(dict(metadata).get("x-caller", "")).encode()


async def tell(_request: bytes, context: Any) -> bytes:
    return caller(context.invocation_metadata())


def tell_plainly(_request: bytes, context: Any) -> bytes:
    return caller(context.invocation_metadata())


def service(behaviour: Callable[..., Any]) -> "grpc.GenericRpcHandler[Any, Any]":
    method = grpc.unary_unary_rpc_method_handler(behaviour)
    return grpc.method_handlers_generic_handler("shop.Cart", {"Get": method, "Closed": method})


@asynccontextmanager
async def async_service(
    mixer: Any, credentials: grpc.ServerCredentials | None = None
) -> AsyncIterator[int]:
    """The port."""
    server = aio.server(interceptors=[MixerInterceptor(mixer, attributes=ATTRIBUTES)])
    server.add_generic_rpc_handlers((service(tell),))
    port = bound(server, credentials)
    await server.start()
    yield port
    await server.stop(GRACE_S)
    await mixer.aclose()


@asynccontextmanager
async def thread_service(
    mixer: Any, credentials: grpc.ServerCredentials | None = None
) -> AsyncIterator[int]:
    with ThreadPoolExecutor(4) as pool:
        interceptor = BlockingMixerInterceptor(mixer, attributes=ATTRIBUTES)
        server = grpc.server(pool, interceptors=[interceptor])
        server.add_generic_rpc_handlers((service(tell_plainly),))
        port = bound(server, credentials)
        server.start()
        yield port
        await asyncio.to_thread(server.stop(GRACE_S).wait)
        await asyncio.to_thread(mixer.close)


def bound(server: Any, credentials: grpc.ServerCredentials | None) -> int:
    if credentials is None:
        return int(server.add_insecure_port("127.0.0.1:0"))
    return int(server.add_secure_port("127.0.0.1:0", credentials))


async def ask(
    port: int, method: str = "Get", credentials: grpc.ChannelCredentials | None = None
) -> tuple[bytes | grpc.StatusCode, str]:
    """The response, or the status of a failure, and what came with it."""
    address = f"localhost:{port}"
    channel = (
        aio.insecure_channel(address)
        if credentials is None
        else aio.secure_channel(address, credentials)
    )
    async with channel, asyncio.timeout(PATIENCE_S):
        call = channel.unary_unary(f"/shop.Cart/{method}", None, None)(b"")
        try:
            response: bytes = await call
        except aio.AioRpcError as error:
            return error.code(), error.details() or ""
        head: dict[str, Any] = {key: value for key, value in await call.initial_metadata()}
        return response, str(head["x-mixed"])


EXPECTED: Final = [
    ("/shop.Cart/Closed", "9", 400, 9),
    ("/shop.Cart/Get", "0", 200, 0),
    ("/shop.Cart/Get", "0", 200, 0),
    ("/shop.Cart/None", "12", 200, 0),
]


async def play(port: int) -> None:
    """Two calls alike, one denied, and one of a method that there is not."""
    assert await ask(port) == (b"nobody", "yes")
    assert await ask(port) == (b"nobody", "yes")
    status, message = await ask(port, "Closed")
    assert status is grpc.StatusCode.FAILED_PRECONDITION
    assert "not yet" in message
    assert await ask(port, "None") == (grpc.StatusCode.UNIMPLEMENTED, "Method not found!")


def told(policy: Policy) -> list[tuple[object, ...]]:
    """In an order of ours: clients send reports that are alike together."""
    names = ("path", "status", "code", "denied")
    lines = policy.logged()
    assert {line["protocol"] for line in lines} == {"grpc"}
    return sorted(tuple(line[name] for name in names) for line in lines)


# ---------------------------------------------------------------- stories


async def test_a_service_decides_by_its_own_rules(policy: Policy) -> None:
    async with async_service(Remixer.local(policy.rules)) as port:
        await play(port)
    assert told(policy) == EXPECTED


async def test_a_service_of_threads_decides_by_its_own_rules(policy: Policy) -> None:
    mixer = BlockingMixer(lambda: Remixer.local(policy.rules))
    async with thread_service(mixer) as port:
        await play(port)
    assert told(policy) == EXPECTED


async def test_a_service_asks_a_mixer_elsewhere(policy: Policy) -> None:
    async with served(policy) as address, async_service(MixerClient(address)) as port:
        await play(port)
    assert told(policy) == EXPECTED


async def test_a_service_of_threads_asks_a_mixer_elsewhere(policy: Policy) -> None:
    async with served(policy) as address, thread_service(BlockingMixerClient(address)) as port:
        await play(port)
    assert told(policy) == EXPECTED


# ---------------------------------------------------------------- who calls


@dataclass(frozen=True)
class Certificates:
    """An authority's folder: `NAME.pem` and `NAME.key`."""

    folder: Path

    def read(self, file: str) -> bytes:
        return (self.folder / file).read_bytes()

    def issue(self, name: str, names: str) -> None:
        (self.folder / f"{name}.ext").write_text(f"subjectAltName={names}\n")
        self.openssl(f"req {_NEW_KEY} -subj /CN={name} -keyout {name}.key -out {name}.csr")
        self.openssl(
            f"x509 -req -days 2 -CA ca.pem -CAkey ca.key -CAcreateserial"
            f" -in {name}.csr -out {name}.pem -extfile {name}.ext"
        )

    def openssl(self, words: str) -> None:
        command = ["openssl", *words.split()]
        subprocess.run(command, check=True, capture_output=True, cwd=self.folder)  # noqa: S603 - fixed words

    def server(self) -> grpc.ServerCredentials:
        """Demands certificates."""
        pair = (self.read("server.key"), self.read("server.pem"))
        return grpc.ssl_server_credentials([pair], self.read("ca.pem"), require_client_auth=True)

    def client(self, name: str) -> grpc.ChannelCredentials:
        pair = (self.read(f"{name}.key"), self.read(f"{name}.pem"))
        return grpc.ssl_channel_credentials(self.read("ca.pem"), *pair)


_NEW_KEY: Final = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    found = Certificates(tmp_path_factory.mktemp("certificates"))
    found.openssl(f"req -x509 {_NEW_KEY} -subj /CN=ca -days 2 -keyout ca.key -out ca.pem")
    found.issue("server", "DNS:localhost,IP:127.0.0.1")
    found.issue("web", f"URI:{CALLER}")
    found.issue("stranger", f"DNS:web.shop,URI:{STRANGER}")
    return found


@pytest.mark.parametrize("kind", ["asyncio", "threads"])
async def test_certificates_name_the_callers(
    policy: Policy, certificates: Certificates, kind: str
) -> None:
    serving = (
        async_service(Remixer.local(policy.rules), certificates.server())
        if kind == "asyncio"
        else thread_service(
            BlockingMixer(lambda: Remixer.local(policy.rules)), certificates.server()
        )
    )
    async with serving as port:
        known = await ask(port, credentials=certificates.client("web"))
        unknown, _ = await ask(port, credentials=certificates.client("stranger"))
    assert known == (b"cluster.local/ns/shop/sa/web", "yes")
    assert unknown is grpc.StatusCode.FAILED_PRECONDITION
    callers = [line["caller"] for line in policy.logged()]
    assert callers == ["cluster.local/ns/shop/sa/web", "cluster.local/ns/other/sa/web"]
