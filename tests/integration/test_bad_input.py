"""What peers send wrongly: the sender learns what was wrong, and nobody else notices.

All tests share one `remixer serve`. During each, a healthy client on a connection of its own
keeps asking, and every one of its answers must be right.
"""

import asyncio
import os
import random
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import grpc
import grpc.aio
import pytest
from google.protobuf.struct_pb2 import Struct

from remixer.attributes.bag import plain_bag
from remixer.cli.demo.polling import until
from remixer.foundation.status import Code
from remixer.frontends.envoy.access_log.servicer import ACCESS_LOG_PATH
from remixer.testing.mixer_client import MixerCaller, mixer_caller, traffic
from remixer.testing.server_process import ServerProcess, serving_process
from remixer.transport.addresses import TcpAddress, parse_address
from remixer.transport.client import RpcFailed
from remixer.wire._pb.envoy.service.accesslog.v3.als_pb2 import StreamAccessLogsMessage
from remixer.wire._pb.envoy.service.auth.v3.external_auth_pb2 import CheckRequest as EnvoyRequest
from remixer.wire._pb.istio.mixer.v1.attributes_pb2 import CompressedAttributes
from remixer.wire._pb.istio.mixer.v1.check_pb2 import CheckRequest
from remixer.wire._pb.istio.mixer.v1.report_pb2 import ReportRequest
from remixer.wire.client_codec import CHECK_PATH, REPORT_PATH, decode_check_response
from remixer.wire.compression import compress
from remixer.wire.dictionary import GLOBAL_WORD_COUNT

pytestmark = pytest.mark.integration

PATIENCE_S = 60.0
ENVOY_CHECK = "/envoy.service.auth.v3.Authorization/Check"
HEALTH_CHECK = "/grpc.health.v1.Health/Check"
HEALTH_WATCH = "/grpc.health.v1.Health/Watch"
REFLECTION = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
UNARY = (CHECK_PATH, REPORT_PATH, ENVOY_CHECK, HEALTH_CHECK)
STREAMS = (ACCESS_LOG_PATH, HEALTH_WATCH, REFLECTION)
LARGEST_MESSAGE_BYTES = 1_048_576
HTTP2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
EMPTY_SETTINGS = bytes.fromhex("000000040000000000")
POLICY = """
kind: handler
metadata: {name: deny, namespace: istio-system}
spec: {compiledAdapter: denier, params: {status: {code: 7, message: too large}}}
---
kind: instance
metadata: {name: nothing, namespace: istio-system}
spec: {compiledTemplate: checknothing}
---
kind: rule
metadata: {name: small-only, namespace: istio-system}
spec:
  match: request.size > 1000
  actions: [{handler: deny, instances: [nothing]}]
---
kind: handler
metadata: {name: file, namespace: istio-system}
spec: {compiledAdapter: stdio, params: {log_stream: FILE, output_path: LOG_FILE}}
---
kind: instance
metadata: {name: line, namespace: istio-system}
spec:
  compiledTemplate: logentry
  params: {severity: '"info"', variables: {path: request.path | "none"}}
---
kind: rule
metadata: {name: log, namespace: istio-system}
spec: {actions: [{handler: file, instances: [line]}]}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bad_input")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[ServerProcess]:
    config = folder / "config"
    config.mkdir()
    (config / "policy.yaml").write_text(POLICY.replace("LOG_FILE", str(folder / "requests.log")))
    with serving_process("--config-store", f"fs://{config}") as running:
        yield running
        # A defect of ours is logged as an error; a peer's mistake is not.
        errors = [line for line in running.log if line["level"] == "error"]
        assert (errors, running.other_output) == ([], [])
        assert running.process.poll() is None


async def right_answers(caller: MixerCaller) -> str:
    small = await caller.check({"request.size": 10})
    large = await caller.check({"request.size": 5000})
    codes = (small.status.code, large.status.code)
    return "" if codes == (0, Code.PERMISSION_DENIED) else f"answered {codes}"


@pytest.fixture(autouse=True)
async def healthy_client(server: ServerProcess) -> AsyncIterator[None]:
    async with traffic(server.grpc, right_answers) as client:
        await client.more(1)
        yield
        await client.more(2)
    assert client.wrong == []


@pytest.fixture
async def caller(server: ServerProcess) -> AsyncIterator[MixerCaller]:
    async with mixer_caller(server.grpc) as one:
        yield one


async def refusal(caller: MixerCaller, path: str, payload: bytes) -> RpcFailed:
    with pytest.raises(RpcFailed) as caught:
        await caller.unary(path, payload, timeout_s=PATIENCE_S)
    return caught.value


# ------------------------------------------------------------------ messages

GARBAGE = {
    "an unfinished tag": b"\xff\xff\xff",
    "a length past the end": b"\x0a\x7f",
    "an end without a start": b"\x0c",
    "noise": random.Random(1).randbytes(4_096),
}


@pytest.mark.parametrize("payload", GARBAGE.values(), ids=GARBAGE.keys())
@pytest.mark.parametrize("path", UNARY)
async def test_bytes_that_are_no_message_are_refused_by_name(
    caller: MixerCaller, path: str, payload: bytes
) -> None:
    error = await refusal(caller, path, payload)
    assert error.code is Code.INVALID_ARGUMENT
    assert re.match(r"(not an? )?[a-z0-9.]+\.(Health)?(Check|Report)Request: ", error.message)


async def stream_error(server: ServerProcess, path: str, *messages: bytes) -> grpc.aio.AioRpcError:
    """How the stream that sent these ended."""
    async with channel_to(server) as channel:
        call = channel.stream_stream(path)(iter_of(messages), timeout=PATIENCE_S)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            async for _ in call:
                pass
        return caught.value


async def iter_of(messages: tuple[bytes, ...]) -> AsyncIterator[bytes]:
    for message in messages:
        yield message


@asynccontextmanager
async def channel_to(server: ServerProcess) -> AsyncIterator[grpc.aio.Channel]:
    options = [("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.insecure_channel(server.grpc, options) as channel:
        yield channel


@pytest.mark.parametrize("payload", GARBAGE.values(), ids=GARBAGE.keys())
@pytest.mark.parametrize("path", STREAMS)
async def test_garbage_in_a_stream_ends_that_stream_with_the_reason(
    server: ServerProcess, path: str, payload: bytes
) -> None:
    error = await stream_error(server, path, payload)
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "message" in str(error.details()).lower()


async def test_stream_after_garbage_keeps_what_came_before(
    server: ServerProcess, folder: Path
) -> None:
    await stream_error(server, ACCESS_LOG_PATH, access_log("/before-garbage"), b"\xff\xff")
    await line_in(folder / "requests.log", "/before-garbage")


def access_log(path: str) -> bytes:
    message = StreamAccessLogsMessage()
    message.http_logs.log_entry.add().request.path = path
    return message.SerializeToString()


async def line_in(file: Path, text: str) -> None:
    async def look() -> bool | None:
        return text in await asyncio.to_thread(file.read_text) or None

    await until(look, within_s=PATIENCE_S)


async def test_message_nested_too_deep_is_refused(caller: MixerCaller) -> None:
    request = EnvoyRequest()
    inner = request.attributes.metadata_context.filter_metadata["deep"]
    for _ in range(30):
        inner = inner.fields["x"].struct_value
    whole = request.SerializeToString()
    # Nested by hand: protobuf refuses to write what it would refuse to read.
    nested = Struct().SerializeToString()
    for _ in range(200):
        value = b"\x2a" + varint(len(nested)) + nested
        entry = b"\x0a\x01x\x12" + varint(len(value)) + value
        nested = b"\x0a" + varint(len(entry)) + entry
    filters = b"\x0a\x01d\x12" + varint(len(nested)) + nested
    context = b"\x0a" + varint(len(filters)) + filters
    attributes = b"\x5a" + varint(len(context)) + context
    deep = b"\x0a" + varint(len(attributes)) + attributes

    assert await caller.unary(ENVOY_CHECK, whole, timeout_s=PATIENCE_S)
    assert (await refusal(caller, ENVOY_CHECK, deep)).code is Code.INVALID_ARGUMENT


def varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


# ------------------------------------------------------------------ words and indices


@pytest.mark.parametrize("index", [GLOBAL_WORD_COUNT, 2**31 - 1, -2, -(2**31)])
async def test_index_without_a_word_is_an_absent_attribute_of_a_check(
    caller: MixerCaller, index: int
) -> None:
    attributes = CompressedAttributes(words=[b"x"])
    attributes.strings[index] = index
    attributes.string_maps[0].entries[index] = index
    request = CheckRequest(attributes=attributes, global_word_count=GLOBAL_WORD_COUNT)
    answer = await caller.unary(CHECK_PATH, request.SerializeToString(), timeout_s=PATIENCE_S)
    assert decode_check_response(answer).status.is_ok


@pytest.mark.parametrize("index", [GLOBAL_WORD_COUNT, -2])
async def test_index_without_a_word_is_named_to_who_reports_it(
    caller: MixerCaller, index: int
) -> None:
    request = ReportRequest(default_words=[b"x"])
    request.repeated_attributes_semantics = ReportRequest.DELTA_ENCODING
    request.attributes.add().strings[-1] = -1
    request.attributes.add().strings[index] = -1
    error = await refusal(caller, REPORT_PATH, request.SerializeToString())
    assert error.code is Code.UNKNOWN
    assert f"attribute index {index} is not defined in the available dictionaries" in error.message


@pytest.mark.parametrize("path", [CHECK_PATH, REPORT_PATH])
async def test_larger_dictionary_than_ours_is_refused_with_both_sizes(
    caller: MixerCaller, path: str
) -> None:
    message = CheckRequest if path == CHECK_PATH else ReportRequest
    count = GLOBAL_WORD_COUNT + 1
    payload = message(global_word_count=count).SerializeToString()
    error = await refusal(caller, path, payload)
    assert error.code is Code.INVALID_ARGUMENT
    # Clients of Mixer 1.x shrink their dictionary exactly on these words.
    assert error.message.startswith(
        "Request could not be processed due to invalid global_word_count"
    )
    assert f"mixer knows {GLOBAL_WORD_COUNT} words, caller knows {count}" in error.message


async def test_words_that_are_not_utf8_are_served(caller: MixerCaller) -> None:
    attributes = CompressedAttributes(words=[b"\xff\xfe", b"request.size", b"\xc3("])
    attributes.strings[-1] = -3
    attributes.int64s[-2] = 5_000
    request = CheckRequest(attributes=attributes)
    answer = await caller.unary(CHECK_PATH, request.SerializeToString(), timeout_s=PATIENCE_S)
    assert decode_check_response(answer).status.code == Code.PERMISSION_DENIED


async def test_text_field_that_is_not_utf8_is_refused(caller: MixerCaller) -> None:
    deduplication_id = b"\x1a\x02\xff\xfe"
    error = await refusal(caller, CHECK_PATH, deduplication_id)
    assert error.code is Code.INVALID_ARGUMENT


# ------------------------------------------------------------------ size


def check_request_of(size: int) -> bytes:
    attributes = compress(plain_bag({"request.size": 10}))
    request = CheckRequest(attributes=attributes)
    request.attributes.words.append(b"")
    missing = size - request.ByteSize()
    while request.ByteSize() < size:
        request.attributes.words[-1] = bytes(missing)
        missing -= max(0, request.ByteSize() - size)
    request.attributes.words[-1] = bytes(missing)
    return request.SerializeToString()


async def test_message_at_the_limit_is_answered(caller: MixerCaller) -> None:
    payload = check_request_of(LARGEST_MESSAGE_BYTES)
    assert len(payload) == LARGEST_MESSAGE_BYTES
    answer = await caller.unary(CHECK_PATH, payload, timeout_s=PATIENCE_S)
    assert decode_check_response(answer).status.is_ok


@pytest.mark.parametrize("path", UNARY)
async def test_message_past_the_limit_is_refused_with_both_sizes(
    caller: MixerCaller, path: str
) -> None:
    error = await refusal(caller, path, bytes(LARGEST_MESSAGE_BYTES + 1))
    assert error.code is Code.RESOURCE_EXHAUSTED
    assert str(LARGEST_MESSAGE_BYTES + 1) in error.message
    assert str(LARGEST_MESSAGE_BYTES) in error.message


async def test_many_attributes_in_a_mebibyte_are_answered(caller: MixerCaller) -> None:
    values = {f"a{number:05}": f"v{number:029}" for number in range(20_000)}
    request = CheckRequest(attributes=compress(plain_bag(values)))
    payload = request.SerializeToString()
    assert LARGEST_MESSAGE_BYTES * 0.9 < len(payload) <= LARGEST_MESSAGE_BYTES
    answer = await caller.unary(CHECK_PATH, payload, timeout_s=PATIENCE_S)
    assert decode_check_response(answer).status.is_ok


# ------------------------------------------------------------------ methods and connections


@pytest.mark.parametrize(
    "path", ["/istio.mixer.v1.Mixer/Cheque", "/no.such.Service/Check", "/", "/a/b/c"]
)
async def test_unknown_method_is_unimplemented(caller: MixerCaller, path: str) -> None:
    assert (await refusal(caller, path, b"")).code is Code.UNIMPLEMENTED


@asynccontextmanager
async def connection_to(
    address: str,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    place = parse_address(address)
    assert isinstance(place, TcpAddress)
    reader, writer = await asyncio.open_connection(place.host, place.port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def everything(reader: asyncio.StreamReader) -> bytes:
    """All that comes until the other end closes, in order or not."""
    received = bytearray()
    async with asyncio.timeout(PATIENCE_S):
        try:
            while block := await reader.read(65_536):
                received += block
        except ConnectionResetError:
            pass
    return bytes(received)


RAW = {
    "noise": os.urandom(10_000),
    "HTTP/1.1": b"GET /healthz HTTP/1.1\r\nHost: mixer\r\n\r\n",
    "a TLS greeting": bytes.fromhex("16030100c8010000c40303") + bytes(190),
    "a preface and noise": HTTP2_PREFACE + os.urandom(10_000),
    "a frame of forbidden size": HTTP2_PREFACE + EMPTY_SETTINGS + b"\xff\xff\xff" + bytes(20_000),
    "headers that no table explains": (
        HTTP2_PREFACE + EMPTY_SETTINGS + bytes.fromhex("000004010500000001") + b"\xff\xff\xff\x7f"
    ),
}


@pytest.mark.parametrize("sent", RAW.values(), ids=RAW.keys())
async def test_connection_that_does_not_speak_grpc_is_closed(
    server: ServerProcess, sent: bytes
) -> None:
    async with connection_to(server.grpc) as (reader, writer):
        writer.write(sent)
        await everything(reader)


@pytest.mark.parametrize("port", ["monitoring", "prometheus"])
@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (b"\x16\x03\x01\x00\xc8\x01\x00\x00\xc4" + bytes(190) + b"\r\n\r\n", b"HTTP/1.1 400"),
        (b"GET /metrics HTTP/9.9\r\n\r\n", b"HTTP/1."),
        (b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\n\r\n", b"HTTP/1.1 431"),
        (b"GET / HTTP/1.1\r\n" + b"".join(b"h%d: x\r\n" % i for i in range(2_000)) + b"\r\n", b"HTTP/1."),
        (b"DELETE /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", b"HTTP/1.1 405"),
        (b"GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", b"HTTP/1.1 404"),
        (b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", b"HTTP/1.1 200"),
    ],
    ids=["TLS", "unknown version", "long line", "many headers", "method", "path", "good"],
)  # fmt: skip
async def test_http_pages_answer_bad_requests_and_go_on(
    server: ServerProcess, port: str, sent: bytes, answer: bytes
) -> None:
    async with connection_to(getattr(server, port)) as (reader, writer):
        writer.write(sent)
        assert (await everything(reader)).startswith(answer)


async def test_many_connections_that_never_speak_disturb_nobody(server: ServerProcess) -> None:
    connections = [connection_to(server.grpc) for _ in range(300)]
    opened = [await each.__aenter__() for each in connections]
    for _, writer in opened[::2]:
        writer.write(HTTP2_PREFACE[:10])
    async with mixer_caller(server.grpc) as late:
        assert await right_answers(late) == ""
    for each in connections:
        await each.__aexit__(None, None, None)


# ------------------------------------------------------------------ clients that vanish


class Relay:
    """Passes bytes on to the server until it is cut, without a goodbye on either side."""

    def __init__(self, target: TcpAddress) -> None:
        self._target = target
        self._writers: list[asyncio.StreamWriter] = []
        self._server: asyncio.Server | None = None

    async def start(self) -> str:
        self._server = await asyncio.start_server(self._join, "127.0.0.1", 0)
        return "127.0.0.1:" + str(self._server.sockets[0].getsockname()[1])

    async def cut(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        await self._server.wait_closed()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(self._target.host, self._target.port)
        self._writers += [writer, far_writer]
        async with asyncio.TaskGroup() as group:
            group.create_task(_pass_on(reader, far_writer))
            group.create_task(_pass_on(far_reader, writer))


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while block := await reader.read(65_536):
            writer.write(block)
    except ConnectionError:
        pass


async def test_client_that_vanishes_in_a_stream_ends_only_that_stream(
    server: ServerProcess, folder: Path
) -> None:
    target = parse_address(server.grpc)
    assert isinstance(target, TcpAddress)
    relay = Relay(target)
    async with grpc.aio.insecure_channel(await relay.start()) as channel:
        call = channel.stream_stream(ACCESS_LOG_PATH)()
        await call.write(access_log("/last-words"))
        await line_in(folder / "requests.log", "/last-words")
        await relay.cut()
        assert await call.code() is grpc.StatusCode.UNAVAILABLE
    ended = f'grpc_server_method="{ACCESS_LOG_PATH[1:]}",grpc_server_status="CANCELLED"'

    async def look() -> bool | None:
        return ended in await server.metrics() or None

    await until(look, within_s=PATIENCE_S)
