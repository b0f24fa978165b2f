"""Own transport and grpcio, side by side: whatever a client asks, it is told the same by both.

One service on both stacks; clients are grpcio's own (C-core), Envoy as a proxy before them, nghttp,
h2load and curl. What may differ is named in `OWN_WORDS`. Programs that are not installed are
skipped with the command that installs them.
"""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import pytest
from grpc import aio

from remixer.cli.demo.envoy import EnvoyProcess, find_envoy
from remixer.drivers.http import AioHttpClient
from remixer.foundation.clock import SystemClock
from remixer.foundation.status import Code
from remixer.transport import own_calls
from remixer.transport.grpcio_server import grpcio_servers
from remixer.transport.own_server import own_servers
from remixer.transport.port import (
    CallContext,
    GrpcServerFactory,
    Listener,
    Method,
    RpcError,
    StreamMethod,
    TransportLimits,
    UnaryMethod,
)

pytestmark = pytest.mark.integration

STACKS: dict[str, Callable[[], GrpcServerFactory]] = {
    "own": lambda: own_servers(clock=SystemClock()),
    "grpcio": lambda: grpcio_servers(clock=SystemClock()),
}
PATIENCE_S = 60.0
SERVICE = "/test.Differential/"
LIMITS = TransportLimits(max_message_bytes=100_000)
OWN_WORDS = frozenset({"unknown method", "message larger", "deadline"})
"""Names of questions whose status is the same and whose text is each stack's own."""


# ------------------------------------------------------------------ the service


def echo(request: bytes, _call: CallContext) -> bytes:
    return request


def say_metadata(_request: bytes, call: CallContext) -> bytes:
    """What came with the call, but for what clients and proxies add."""
    mine = {name: value for name, value in call.metadata.items() if name.startswith("q-")}
    return json.dumps(mine, sort_keys=True).encode()


def trailing(request: bytes, call: CallContext) -> bytes:
    call.set_trailing_metadata({"x-first": "1", "x-second": "a, b; c=d"})
    return request


def fail(request: bytes, call: CallContext) -> bytes:
    call.set_trailing_metadata({"x-why": "because"})
    raise RpcError(Code(int(request)), "näh: 100%\nof it", details=b"\x08\x05\0\xff")


def break_down(_request: bytes, _call: CallContext) -> bytes:
    raise KeyError


async def wait(request: bytes, _call: CallContext) -> bytes:
    await asyncio.sleep(float(request))
    return request


async def each(requests: AsyncIterator[bytes], call: CallContext) -> AsyncIterator[bytes]:
    call.set_trailing_metadata({"x-end": "here"})
    async for request in requests:
        yield request


async def count(requests: AsyncIterator[bytes], _call: CallContext) -> AsyncIterator[bytes]:
    found = [len(request) async for request in requests]
    yield json.dumps(found).encode()


async def many(requests: AsyncIterator[bytes], _call: CallContext) -> AsyncIterator[bytes]:
    async for request in requests:
        for number in range(int(request)):
            yield b"%d" % number


async def two_then_fail(
    _requests: AsyncIterator[bytes], _call: CallContext
) -> AsyncIterator[bytes]:
    yield b"one"
    yield b"two"
    raise RpcError(Code.DATA_LOSS, "no third")


METHODS: tuple[Method, ...] = (
    UnaryMethod(SERVICE + "Echo", echo),
    UnaryMethod(SERVICE + "Metadata", say_metadata),
    UnaryMethod(SERVICE + "Trailing", trailing),
    UnaryMethod(SERVICE + "Fail", fail),
    UnaryMethod(SERVICE + "Break", break_down),
    UnaryMethod(SERVICE + "Wait", wait),
    StreamMethod(SERVICE + "Each", each),
    StreamMethod(SERVICE + "Count", count),
    StreamMethod(SERVICE + "Many", many),
    StreamMethod(SERVICE + "TwoThenFail", two_then_fail),
)


# ------------------------------------------------------------------ the questions


@dataclass(frozen=True)
class Question:
    """One call: what is sent, in order."""

    name: str
    method: str
    requests: tuple[bytes, ...] = (b"",)
    metadata: tuple[tuple[str, str | bytes], ...] = ()
    timeout_s: float = PATIENCE_S
    compression: grpc.Compression = grpc.Compression.NoCompression


@dataclass
class Answer:
    """All that a client saw, in order."""

    events: list[object] = field(default_factory=list)
    trailing: dict[str, object] = field(default_factory=dict)


BIG = bytes(range(256)) * 300
QUESTIONS = (
    Question("answer", "Echo", (b"hello",)),
    Question("empty message", "Echo", (b"",)),
    Question("message of many frames", "Echo", (BIG,)),
    Question("compressed request", "Echo", (BIG,), compression=grpc.Compression.Gzip),
    Question(
        "metadata",
        "Metadata",
        metadata=(("q-a", "1"), ("q-b", "one"), ("q-b", "two"), ("q-c-bin", b"\0"), ("q-d", "")),
    ),
    Question("long metadata", "Metadata", metadata=(("q-long", "v" * 4_000),)),
    Question("trailing metadata", "Trailing", (b"x",)),
    *(Question(f"status {code}", "Fail", (b"%d" % code,)) for code in Code if code is not Code.OK),
    Question("defect", "Break"),
    Question("answer after waiting", "Wait", (b"0.01",)),
    Question("deadline", "Wait", (b"30",), timeout_s=0.2),
    Question("unknown method", "Nothing"),
    Question("message larger", "Echo", (b"x" * 100_001,)),
    Question("largest message", "Echo", (b"x" * 100_000,)),
    Question("stream both ways", "Each", (b"a", b"", b"c" * 70_000)),
    Question("stream without requests", "Each", ()),
    Question("stream in", "Count", tuple(b"x" * size for size in range(50))),
    Question("stream out", "Many", (b"300",)),
    Question("stream that fails", "TwoThenFail"),
    Question("stream with metadata", "Each", (b"a",), metadata=(("q-a", "1"),)),
    Question("compressed stream", "Each", (b"a" * 5_000,) * 3, compression=grpc.Compression.Gzip),
)


async def ask(address: str, question: Question) -> Answer:
    """Each question goes as a stream, which a server cannot tell from a unary call."""
    options = (("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0))
    answer = Answer()
    async with aio.insecure_channel(address, options) as channel:
        call = channel.stream_stream(SERVICE + question.method, None, None)(
            iter(question.requests),
            timeout=question.timeout_s,
            metadata=question.metadata,
            compression=question.compression,
        )
        initial = await call.initial_metadata()
        answer.events.append(("initial", _mine(initial)))
        try:
            async for message in call:
                answer.events.append(("message", message))
        except aio.AioRpcError:
            pass  # the status says it
        answer.events.append(("status", (await call.code()).name, await call.details()))
        answer.trailing = _mine(await call.trailing_metadata())
    return answer


def _mine(metadata: "aio.Metadata | None") -> dict[str, object]:
    """Without what the way adds: Envoy has a date and a name of its own."""
    skipped = {"date", "server", "x-envoy-upstream-service-time", "content-type"}
    return {name: value for name, value in metadata or () if name not in skipped}


@pytest.fixture(autouse=True)
def _requests_may_take_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal waits for the end of the request, however slowly that comes."""
    monkeypatch.setattr(own_calls, "_REFUSAL_S", PATIENCE_S)


@asynccontextmanager
async def both() -> AsyncIterator[dict[str, str]]:
    """The service on both stacks; addresses by stack."""
    async with AsyncExitStack() as stack:
        addresses = {}
        for name, factory in STACKS.items():
            listener = Listener("127.0.0.1:0")
            server = factory()(methods=METHODS, listeners=[listener], limits=LIMITS)
            (addresses[name],) = await server.start()
            stack.push_async_callback(server.drain, grace_s=0.0)
        yield addresses


async def compare(
    question: Question, asked: Callable[[str, Question], Awaitable[Answer]]
) -> Answer:
    async with both() as addresses:
        own = await asked(addresses["own"], question)
        reference = await asked(addresses["grpcio"], question)
    if question.name in OWN_WORDS:
        for answer in (own, reference):
            answer.events = [event[:2] for event in answer.events if isinstance(event, tuple)]
    if question.name == "deadline":
        # Both ends keep it, and a client of grpcio's server may first hear that the stream is reset.
        reference.events[-1] = ("status", "DEADLINE_EXCEEDED")
    assert own == reference
    return own


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.name)
async def test_grpcio_client_is_told_the_same(question: Question) -> None:
    answer = await compare(question, ask)
    assert answer.events[-1]


async def test_questions_reach_the_service() -> None:
    """Else two stacks that refuse all alike would pass."""
    answer = await compare(Question("answer", "Echo", (b"hello",)), ask)
    assert answer.events == [("initial", {}), ("message", b"hello"), ("status", "OK", "")]


# ------------------------------------------------------------------ through Envoy


def _cluster(name: str, address: str) -> dict[str, object]:
    host, _, port = address.rpartition(":")
    socket = {"socket_address": {"address": host, "port_value": int(port)}}
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": socket}}]}]
    options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    return {
        "name": name,
        "load_assignment": {"cluster_name": name, "endpoints": endpoints},
        "typed_extension_protocol_options": {
            options: {
                "@type": f"type.googleapis.com/{options}",
                "explicit_http_config": {"http2_protocol_options": {}},
            }
        },
    }


def _bootstrap(upstream: str) -> dict[str, object]:
    """Envoy before one server, HTTP/2 on both sides."""
    any_port = {"socket_address": {"address": "127.0.0.1", "port_value": 0}}
    route = {"match": {"prefix": "/"}, "route": {"cluster": "server", "timeout": "0s"}}
    hosts = [{"name": "all", "domains": ["*"], "routes": [route]}]
    router = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
    manager = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
    http = {
        "@type": f"type.googleapis.com/{manager}",
        "stat_prefix": "all",
        "codec_type": "HTTP2",
        "route_config": {"virtual_hosts": hosts},
        "http_filters": [{"name": "router", "typed_config": {"@type": router}}],
    }
    chain = {"filters": [{"name": "http", "typed_config": http}]}
    return {
        "admin": {"address": any_port},
        "static_resources": {
            "listeners": [{"name": "service", "address": any_port, "filter_chains": [chain]}],
            "clusters": [_cluster("server", upstream)],
        },
    }


async def test_envoy_as_a_proxy_is_told_the_same(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        addresses = await stack.enter_async_context(both())
        http = AioHttpClient()
        stack.push_async_callback(http.aclose)
        await http.start()
        fronts = {}
        for name, address in addresses.items():
            folder = tmp_path / name
            folder.mkdir()
            file = folder / "bootstrap.json"
            file.write_text(json.dumps(_bootstrap(address)))
            envoy = EnvoyProcess(program=find_envoy(), folder=folder, http=http)
            stack.push_async_callback(envoy.aclose)
            fronts[name] = str((await envoy.start_with(file)).service)
        differing = []
        for question in QUESTIONS:
            own, reference = [await ask(fronts[name], question) for name in ("own", "grpcio")]
            if question.name in OWN_WORDS:
                own.events[-1], reference.events[-1] = ("status",), ("status",)
            if own != reference:
                differing.append((question.name, own, reference))
        assert differing == []


# ------------------------------------------------------------------ command line clients


def needs(program: str, package: str) -> str:
    path = shutil.which(program)
    if path is None:
        pytest.skip(f"{program} is missing: apt-get install {package}")
    return path


async def output_of(*command: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    async with asyncio.timeout(PATIENCE_S):
        output, _ = await process.communicate()
    assert process.returncode == 0, output
    return output.decode("latin-1")


def body_file(folder: Path, message: bytes) -> str:
    file = folder / "body"
    file.write_bytes(b"\0" + len(message).to_bytes(4, "big") + message)
    return str(file)


GRPC_HEADERS = ("-H", "content-type: application/grpc", "-H", "te: trailers")
METHODS_AND_MESSAGES = (
    ("Echo", b"hello"),
    ("Trailing", b"hello"),
    ("Fail", b"7"),
    ("Each", b"once"),
    ("Many", b"3"),
    ("Nothing", b""),
)


def _fields(lines: Sequence[str]) -> list[str]:
    """Header and trailer lines that are the service's business, whatever their order.

    An empty `grpc-message` says as much as none.
    """
    wanted = (":status", "content-type", "grpc-status", "grpc-message", "x-")
    found = [line.strip() for line in lines]
    return sorted(line for line in found if line.startswith(wanted) and line != "grpc-message:")


# Not the last: curl fails, with either server, when a call is refused while it still sends.
@pytest.mark.parametrize(("method", "message"), METHODS_AND_MESSAGES[:-1])
async def test_curl_is_told_the_same(tmp_path: Path, method: str, message: bytes) -> None:
    curl = needs("curl", "curl")
    told = {}
    async with both() as addresses:
        for name, address in addresses.items():
            headers, body = tmp_path / f"{name}.headers", tmp_path / f"{name}.body"
            url = f"http://{address}{SERVICE}{method}"
            files = ("-D", str(headers), "-o", str(body))
            data = ("--data-binary", f"@{body_file(tmp_path, message)}")
            await output_of(
                curl, "-sS", "--http2-prior-knowledge", *GRPC_HEADERS, *files, *data, url
            )
            answer = body.read_bytes() if body.exists() else b""
            told[name] = (_fields(headers.read_text().splitlines()), answer)
    assert told["own"] == told["grpcio"]
    assert any("grpc-status" in line for line in told["own"][0])


@pytest.mark.parametrize(("method", "message"), METHODS_AND_MESSAGES)
async def test_nghttp_is_told_the_same(tmp_path: Path, method: str, message: bytes) -> None:
    nghttp = needs("nghttp", "nghttp2-client")
    told = {}
    async with both() as addresses:
        for name, address in addresses.items():
            url = f"http://{address}{SERVICE}{method}"
            body = body_file(tmp_path, message)
            shown = await output_of(
                nghttp, "--no-dep", "-nv", "--no-verify-peer", *GRPC_HEADERS, "-d", body, url
            )
            received = [
                line.partition(") ")[2] for line in shown.splitlines() if "recv (stream_id" in line
            ]
            told[name] = _fields(received)
    if method == "Nothing":
        told = {
            name: [line for line in lines if "message" not in line] for name, lines in told.items()
        }
    assert told["own"] == told["grpcio"]
    assert any(line.startswith("grpc-status") for line in told["own"])


async def test_h2load_gets_all_its_answers(tmp_path: Path) -> None:
    h2load = needs("h2load", "nghttp2-client")
    async with both() as addresses:
        for address in addresses.values():
            url = f"http://{address}{SERVICE}Echo"
            body = body_file(tmp_path, b"x" * 100)
            shown = await output_of(
                h2load, "-n", "2000", "-c", "4", "-m", "32", *GRPC_HEADERS, "-d", body, url
            )
            assert "2000 succeeded, 0 failed, 0 errored" in shown
            assert "status codes: 2000 2xx" in shown
