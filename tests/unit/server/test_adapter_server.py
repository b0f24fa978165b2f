"""One adapter on a port: every variety, both transports, good callers and bad ones."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from grpc import aio

from remixer.adapters.denier import INFO as DENIER
from remixer.attributes.values import Duration, ValueType
from remixer.cli.demo.polling import until
from remixer.foundation.errors import StartupError
from remixer.foundation.status import Code
from remixer.sdk import (
    OK,
    AdapterInfo,
    CheckNothing,
    CheckOutput,
    CheckResult,
    DirectHttpResponse,
    Environment,
    Field,
    HandlerContext,
    InstanceType,
    Kubernetes,
    ListEntry,
    Message,
    Metric,
    ParamProblem,
    Quota,
    QuotaRequest,
    QuotaResult,
    Status,
    Template,
    Value,
    Variety,
)
from remixer.server.adapter_server import AdapterServer, AdapterServerSettings, templates_of
from remixer.server.settings import Transport
from remixer.templates.instances import BUILTIN_TEMPLATES
from remixer.testing.served_adapter import ServedAdapter, served
from remixer.transport.client import GrpcClient, RpcFailed
from remixer.wire._pb.grpc.health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from remixer.wire._pb.grpc.reflection.v1.reflection_pb2 import (
    ServerReflectionRequest,
    ServerReflectionResponse,
)
from remixer.wire._pb.istio.mixer.adapter.model.v1beta1 import infrastructure_backend_pb2 as pb
from remixer.wire.adapter_answers import Allotment, Verdict
from remixer.wire.adapter_calls import config_field, handle_request
from remixer.wire.adapter_model import CLOSE_SESSION_PATH, CREATE_SESSION_PATH, VALIDATE_PATH
from remixer.wire.inferred_types import encode_inferred_types
from remixer.wire.template_descriptors import template_descriptor_set

PATIENCE_S = 60.0
SECRET = "hunter2"  # noqa: S105 - only to look for it
URL = "type.googleapis.com/"
CHECK = "/checknothing.HandleCheckNothingService/HandleCheckNothing"
TEMPLATES = {each.name: each for each in BUILTIN_TEMPLATES}


@dataclass(frozen=True, slots=True)
class KeyVal:
    name: str
    key: str = ""


KEYVAL = Template(
    "keyval",
    Variety.CHECK_WITH_OUTPUT,
    "keyval",
    Message("Template", KeyVal, (Field("key", 1, type=ValueType.STRING),)),
    output=Message("OutputTemplate", dict, (Field("value", 1, type=ValueType.STRING),)),
)


@dataclass(frozen=True, slots=True)
class Params:
    label: str = "default"
    password: str = ""
    table: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Log:
    events: list[str] = field(default_factory=list)
    instances: list[Any] = field(default_factory=list)
    contexts: list[HandlerContext] = field(default_factory=list)


class Everything:
    """Serves all varieties; what it does depends on its label."""

    def __init__(self, params: Params, log: Log) -> None:
        self.params = params
        self.log = log

    def check(self, instance: Any, /) -> CheckResult:
        self.log.instances.append(instance)
        if self.params.label == "raises":
            raise RuntimeError(self.params.password)
        if self.params.label == "lies":
            return "yes"  # type: ignore[return-value]  # the fault
        status = Status(7, self.params.label) if self.params.label == "denies" else OK
        page = DirectHttpResponse(403, "<p>no</p>", {"x-a": "b"})
        return CheckResult(status, Duration(5_500_000_000), -1, page)

    async def check_with_output(self, instance: KeyVal, /) -> CheckOutput:
        value = self.params.table.get(instance.key)
        if value is None:
            return CheckOutput(CheckResult(Status(Code.NOT_FOUND, instance.key)))
        if value == "7":
            return CheckOutput(output={"value": 7})
        return CheckOutput(CheckResult(valid_duration=Duration(5)), {"value": value})

    def allocate(self, instance: Quota, request: QuotaRequest, /) -> QuotaResult:
        self.log.instances.append((instance, request))
        refused = Status(Code.RESOURCE_EXHAUSTED, "none left") if request.amount > 5 else OK
        return QuotaResult(min(request.amount, 5), Duration(1_000_000_000), refused)

    async def report(self, instances: Sequence[Any], /) -> None:
        if self.params.label == "hangs":
            await asyncio.sleep(1e9)
        self.log.instances.extend(instances)

    def generate(self, instance: Kubernetes, /) -> Mapping[str, Value]:
        if instance.source_uid == "unknown":
            return {"no_such_output": "x"}
        return {"source_pod_name": instance.source_uid, "source_pod_ip": b"\x0a\x00\x00\x01"}

    async def aclose(self) -> None:
        self.log.events.append(f"close {self.params.label}")


TAKEN = ("checknothing", "keyval", "kubernetes", "listentry", "metric", "quota")


def everything(log: Log) -> AdapterInfo[Params]:
    async def build(
        params: Params, context: HandlerContext, _environment: Environment
    ) -> Everything:
        if params.label == "breaks":
            raise RuntimeError(params.password)
        log.events.append(f"build {params.label}")
        log.contexts.append(context)
        return Everything(params, log)

    def validate(params: Params, _context: HandlerContext) -> tuple[ParamProblem, ...]:
        if params.label == "invalid":
            return (ParamProblem("label", "is `invalid`", "Choose another."),)
        if params.label == "validate raises":
            raise RuntimeError(params.password)
        return ()

    return AdapterInfo("spy", "", frozenset(TAKEN), Params(), build, validate)


@pytest.fixture(params=list(Transport), ids=lambda each: each.value)
def transport(request: pytest.FixtureRequest) -> Transport:
    found: Transport = request.param
    return found


@dataclass
class Running:
    adapter: ServedAdapter
    client: GrpcClient
    log: Log

    async def call(self, path: str, request: bytes = b"") -> bytes:
        return await self.client.unary(path, request, timeout_s=PATIENCE_S)

    async def refusal(self, path: str, request: bytes) -> RpcFailed:
        with pytest.raises(RpcFailed) as caught:
            await self.call(path, request)
        return caught.value


@pytest.fixture
async def running(transport: Transport) -> AsyncIterator[Running]:
    async with serving(transport) as found:
        yield found


@asynccontextmanager
async def serving(transport: Transport, **settings: Any) -> AsyncIterator[Running]:
    log = Log()
    known = [*BUILTIN_TEMPLATES, KEYVAL]
    wanted = AdapterServerSettings(
        "127.0.0.1:0", transport=transport, drain_grace_s=1.0, **settings
    )
    server = AdapterServer(everything(log), wanted, templates=known)
    async with server.serving():
        adapter = ServedAdapter(server.address, templates_of(everything(log), known))
        client = GrpcClient(server.address)
        try:
            yield Running(adapter, client, log)
        finally:
            await adapter.aclose()
            await client.aclose()


# ------------------------------------------------------------------ varieties


async def test_a_check_is_answered_with_all_that_the_handler_said(running: Running) -> None:
    verdict = await running.adapter.check(ListEntry("l", "bob"), {"label": "denies"})
    assert verdict == Verdict(
        Status(7, "denies"), Duration(5_500_000_000), -1, (403, "<p>no</p>", {"x-a": "b"})
    )
    assert running.log.instances == [ListEntry("l", "bob")]


async def test_a_check_with_output_gives_both(running: Running) -> None:
    table = {"table": {"jim": "admin", "bad": "7"}}
    verdict, output = await running.adapter.check_with_output(KeyVal("k", "jim"), table)
    assert (verdict.valid_duration, output) == (5, {"value": "admin"})
    verdict, output = await running.adapter.check_with_output(KeyVal("k", "tom"), table)
    assert (verdict.status, output) == (Status(Code.NOT_FOUND, "tom"), {})


async def test_a_quota_has_its_amount_its_id_and_its_status(running: Running) -> None:
    quota = Quota("q.shop", {"user": "bob"})
    adapter = running.adapter
    enough = await adapter.allocate(quota, 2, best_effort=True, deduplication_id="once")
    too_much = await adapter.allocate(quota, 9)
    assert running.log.instances == [
        (quota, QuotaRequest(2, best_effort=True, deduplication_id="once")),
        (quota, QuotaRequest(9)),
    ]
    assert enough == Allotment(2, Duration(1_000_000_000), OK)
    assert too_much.status == Status(Code.RESOURCE_EXHAUSTED, "none left")


async def test_a_report_hands_over_all_instances_at_once(running: Running) -> None:
    metrics = [Metric("m", 1, {"a": True}), Metric("m", 2.5)]
    await running.adapter.report(metrics)
    assert running.log.instances == metrics


async def test_generated_attributes_come_back_by_name(running: Running) -> None:
    found = await running.adapter.generate(Kubernetes("k", source_uid="pod-1"))
    assert found == {"source_pod_name": "pod-1", "source_pod_ip": b"\x0a\x00\x00\x01"}


# ------------------------------------------------------------------ configurations


async def test_equal_parameters_share_a_handler_and_others_get_their_own(running: Running) -> None:
    for label in ("a", "a", "b", "a"):
        await running.adapter.check(CheckNothing("c"), {"label": label})
    await running.adapter.check(CheckNothing("c"))
    assert running.log.events == ["build a", "build b", "build default"]


async def test_all_handlers_are_closed_at_the_end(transport: Transport) -> None:
    async with serving(transport) as running:
        for label in ("a", "b"):
            await running.adapter.check(CheckNothing("c"), {"label": label})
    assert sorted(running.log.events[2:]) == ["close a", "close b"]


async def test_old_configurations_make_room_for_new_ones(running: Running) -> None:
    for number in range(20):
        await running.adapter.check(CheckNothing("c"), {"label": f"{number:02}"})

    async def closed_four() -> list[str] | None:
        closed = [each for each in running.log.events if each.startswith("close")]
        return closed if len(closed) >= 4 else None

    # Old handlers close when their last call has ended, which nobody waits for.
    closed = await until(closed_four, within_s=PATIENCE_S)
    assert closed == [f"close {number:02}" for number in range(4)]


@pytest.mark.parametrize(
    ("params", "fault"),
    [
        ({"labell": "x"}, "labell: unknown field `labell`. Did you mean `label`?"),
        ({"label": "invalid"}, "label: is `invalid`. Choose another."),
    ],
)
async def test_bad_parameters_are_the_caller_s_fault(
    running: Running, params: Mapping[str, str], fault: str
) -> None:
    with pytest.raises(RpcFailed, match=fault) as caught:
        await running.adapter.check(CheckNothing("c"), params)
    assert caught.value.code is Code.INVALID_ARGUMENT


# ------------------------------------------------------------------ the adapter's faults


@pytest.mark.parametrize(
    ("label", "code"),
    [
        ("raises", Code.INTERNAL),
        ("lies", Code.INTERNAL),
        ("breaks", Code.FAILED_PRECONDITION),
        ("validate raises", Code.FAILED_PRECONDITION),
    ],
)
async def test_what_the_adapter_does_wrong_is_told_without_its_words(
    running: Running, label: str, code: Code
) -> None:
    params = {"label": label, "password": SECRET}
    with pytest.raises(RpcFailed) as caught:
        await running.adapter.check(CheckNothing("c"), params)
    assert caught.value.code is code
    assert "adapter `spy`" in caught.value.message
    assert SECRET not in caught.value.message
    assert (await running.adapter.check(CheckNothing("c"))).status.is_ok


async def test_an_output_that_cannot_be_sent_is_named(running: Running) -> None:
    with pytest.raises(RpcFailed, match="`no_such_output`"):
        await running.adapter.generate(Kubernetes("k", source_uid="unknown"))
    with pytest.raises(RpcFailed, match="`value` is a int; wanted a text"):
        await running.adapter.check_with_output(KeyVal("k", "bad"), {"table": {"bad": "7"}})


async def test_a_handler_that_hangs_ends_with_the_adapter_s_time(transport: Transport) -> None:
    async with serving(transport, adapter_timeout_s=0.05) as running:
        with pytest.raises(RpcFailed) as caught:
            await running.adapter.report([Metric("m")], {"label": "hangs"})
    assert caught.value.code is Code.DEADLINE_EXCEEDED


# ------------------------------------------------------------------ bad callers


@pytest.mark.parametrize(
    ("path", "request_"),
    [
        (CHECK, b"\xff"),
        (CHECK, b"\x0a\x01\xff"),
        (CHECK, b"\x12\x01\xff"),
        (CHECK, handle_request(b"", config_field(f"{URL}other.Params", b""), "")),
        ("/quota.HandleQuotaService/HandleQuota", b""),
        (VALIDATE_PATH, b"\xff"),
        (CREATE_SESSION_PATH, b"\xff"),
        (CLOSE_SESSION_PATH, b"\xff"),
    ],
)
async def test_requests_that_make_no_sense_are_the_caller_s_fault(
    running: Running, path: str, request_: bytes
) -> None:
    assert (await running.refusal(path, request_)).code is Code.INVALID_ARGUMENT


async def test_a_template_that_the_adapter_does_not_take_is_not_there(running: Running) -> None:
    path = "/edge.HandleEdgeService/HandleEdge"
    assert (await running.refusal(path, b"")).code is Code.UNIMPLEMENTED


# ------------------------------------------------------------------ sessions

PARAMS_TYPE = f"{URL}adapter.spy.config.Params"


def opening(label: str) -> pb.CreateSessionRequest:
    request = pb.CreateSessionRequest()
    request.adapter_config.type_url = PARAMS_TYPE
    request.adapter_config.value = b"\x0a" + bytes([len(label)]) + label.encode()
    types = encode_inferred_types(TEMPLATES["metric"].message, {"value": ValueType.INT64})
    request.inferred_types["m.shop"].type_url = f"{URL}metric.Type"
    request.inferred_types["m.shop"].value = types
    return request


async def open_session(running: Running, label: str) -> pb.CreateSessionResponse:
    answer = await running.call(CREATE_SESSION_PATH, opening(label).SerializeToString())
    return pb.CreateSessionResponse.FromString(answer)


async def close_session(running: Running, session_id: str) -> pb.CloseSessionResponse:
    request = pb.CloseSessionRequest(session_id=session_id).SerializeToString()
    return pb.CloseSessionResponse.FromString(await running.call(CLOSE_SESSION_PATH, request))


def in_session(session: pb.CreateSessionResponse) -> bytes:
    config = config_field(URL + session.DESCRIPTOR.full_name, session.SerializeToString())
    return handle_request(b"", config, "1")


async def test_a_session_s_handler_knows_its_instances(running: Running) -> None:
    session = await open_session(running, "a")
    await running.call(CHECK, in_session(session))
    assert running.log.events == ["build a"]
    assert running.log.contexts[0].instances == (
        InstanceType("m.shop", "metric", {"value": ValueType.INT64}),
    )


async def test_a_call_without_configuration_belongs_to_the_newest_session(
    running: Running,
) -> None:
    await open_session(running, "a")
    newest = await open_session(running, "denies")
    answer = await running.adapter.check(CheckNothing("c"))
    assert answer.status.message == "denies"
    await close_session(running, newest.session_id)
    assert (await running.adapter.check(CheckNothing("c"))).status.is_ok


async def test_equal_sessions_end_with_the_last_of_them(running: Running) -> None:
    first, second = await open_session(running, "a"), await open_session(running, "a")
    assert first.session_id == second.session_id
    await close_session(running, first.session_id)
    await running.call(CHECK, in_session(first))
    await close_session(running, first.session_id)
    refusal = await running.refusal(CHECK, in_session(first))
    assert refusal.code is Code.NOT_FOUND
    assert running.log.events == ["build a", "close a"]
    assert (await close_session(running, first.session_id)).status.code == Code.NOT_FOUND


async def test_what_a_session_cannot_be_is_told_in_its_status(running: Running) -> None:
    bad = await open_session(running, "invalid")
    assert (bad.session_id, bad.status.code) == ("", Code.INVALID_ARGUMENT)
    assert "label: is `invalid`" in bad.status.message
    foreign = opening("a")
    foreign.inferred_types["m.shop"].type_url = f"{URL}edge.Type"
    answer = await running.call(CREATE_SESSION_PATH, foreign.SerializeToString())
    status = pb.CreateSessionResponse.FromString(answer).status
    assert (status.code, "edge.Type" in status.message) == (Code.INVALID_ARGUMENT, True)


@pytest.mark.parametrize(("label", "code"), [("good", 0), ("invalid", 3)])
async def test_validate_builds_nothing(running: Running, label: str, code: int) -> None:
    answer = await running.call(VALIDATE_PATH, opening(label).SerializeToString())
    assert pb.ValidateResponse.FromString(answer).status.code == code
    assert running.log.events == []


# ------------------------------------------------------------------ around it


async def test_health_is_told_by_service(running: Running) -> None:
    for service in ("", "listentry.HandleListEntryService", CREATE_SESSION_PATH.split("/")[1]):
        request = HealthCheckRequest(service=service).SerializeToString()
        answer = await running.call("/grpc.health.v1.Health/Check", request)
        assert HealthCheckResponse.FromString(answer).status == HealthCheckResponse.SERVING


async def reflected(address: str, symbol: str) -> list[FileDescriptorProto]:
    request = ServerReflectionRequest(file_containing_symbol=symbol).SerializeToString()
    async with aio.insecure_channel(address) as channel:
        call: Any = channel.stream_stream(
            "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", None, None
        )(iter([request]))
        async for payload in call:
            answer = ServerReflectionResponse.FromString(payload).file_descriptor_response
            return [FileDescriptorProto.FromString(each) for each in answer.file_descriptor_proto]
    return []


async def test_tools_can_call_it_by_reflection_alone(running: Running) -> None:
    """One pool for all that is published: nothing is defined twice."""
    symbols = (
        "listentry.HandleListEntryService",
        "keyval.HandleKeyValService",
        "adapter.spy.config.Params",
        CREATE_SESSION_PATH.split("/")[1],
        "grpc.health.v1.Health",
    )
    files: dict[str, FileDescriptorProto] = {}
    for symbol in symbols:
        files.update({each.name: each for each in await reflected(running.adapter.address, symbol)})
    pool = descriptor_pool.DescriptorPool()
    while files:
        ready = [each for each in files.values() if not set(each.dependency) & files.keys()]
        for file in ready:
            pool.Add(files.pop(file.name))
    params = message_factory.GetMessageClass(
        pool.FindMessageTypeByName("adapter.spy.config.Params")
    )
    request = message_factory.GetMessageClass(
        pool.FindMessageTypeByName("listentry.HandleListEntryRequest")
    )()
    request.instance.value.string_value = "bob"
    request.adapter_config.Pack(params(label="denies"))
    async with aio.insecure_channel(running.adapter.address) as channel:
        call: Any = channel.unary_unary("/listentry.HandleListEntryService/HandleListEntry")
        answer = await call(request.SerializeToString())
    result = message_factory.GetMessageClass(
        pool.FindMessageTypeByName("istio.mixer.adapter.model.v1beta1.CheckResult")
    ).FromString(answer)
    assert (result.status.code, result.status.message) == (7, "denies")


async def test_metrics_are_shown_where_they_are_wanted() -> None:
    log = Log()
    settings = AdapterServerSettings("127.0.0.1:0", metrics_address="127.0.0.1:0")
    server = AdapterServer(everything(log), settings, templates=[*BUILTIN_TEMPLATES, KEYVAL])
    async with server.serving():
        host, _, port = server.metrics_address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET /metrics HTTP/1.0\r\n\r\n")
        page = await reader.read()
        writer.close()
        await writer.wait_closed()
    assert b" 200 OK" in page
    assert b"process_" in page or b"remixer_" in page or b"mixer_" in page


def test_an_adapter_of_an_unknown_template_does_not_start() -> None:
    with pytest.raises(StartupError, match="unknown template `keyval`"):
        AdapterServer(everything(Log()), AdapterServerSettings())


async def test_an_address_that_is_taken_is_told() -> None:
    async with served(everything_known()) as adapter:
        settings = AdapterServerSettings(adapter.address)
        with pytest.raises(StartupError, match="another process listens there"):
            async with AdapterServer(everything_known(), settings).serving():
                pytest.fail("it serves")


@dataclass(frozen=True, slots=True)
class Unsendable:
    lists: tuple[tuple[str, ...], ...] = ()


async def test_parameters_without_a_message_keep_the_adapter_from_starting() -> None:
    info = everything_known()
    broken: AdapterInfo[Any] = AdapterInfo("broken", "", info.templates, Unsendable(), info.build)
    with pytest.raises(StartupError, match=r"`broken` cannot be served: .*list or map of lists"):
        async with AdapterServer(broken, AdapterServerSettings("127.0.0.1:0")).serving():
            pytest.fail("it serves")


def everything_known() -> AdapterInfo[Any]:
    found = everything(Log())
    return AdapterInfo(
        "spy", "", frozenset({"checknothing"}), found.defaults, found.build, found.validate
    )


async def test_unix_sockets_work(tmp_path: Path, transport: Transport) -> None:
    settings = AdapterServerSettings(f"unix:{tmp_path}/a.sock", transport=transport)
    async with AdapterServer(everything_known(), settings).serving() as server:
        client = GrpcClient(server.address)
        try:
            answer = await client.unary(CHECK, b"", timeout_s=PATIENCE_S)
        finally:
            await client.aclose()
    assert answer


async def test_a_call_under_way_is_finished_before_the_end(transport: Transport) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    class Slow:
        async def check(self, _instance: object, /) -> CheckResult:
            begun.set()
            await go_on.wait()
            return CheckResult(valid_use_count=7)

        async def aclose(self) -> None:
            assert go_on.is_set()

    async def build(_params: Params, _context: HandlerContext, _environment: Environment) -> Slow:
        return Slow()

    info = AdapterInfo("slow", "", frozenset({"checknothing"}), Params(), build)
    settings = AdapterServerSettings("127.0.0.1:0", transport=transport)
    async with asyncio.TaskGroup() as callers:
        async with AdapterServer(info, settings).serving() as server:
            adapter = ServedAdapter(server.address, templates_of(info))
            call = callers.create_task(adapter.check(CheckNothing("c")))
            await begun.wait()
            server.lifecycle.request_stop()
            go_on.set()
        # The server has ended; its answer may still be on the way through the client.
        assert (await call).valid_use_count == 7
        await adapter.aclose()


async def test_the_described_template_is_enough_for_plain_grpcio(running: Running) -> None:
    pool = descriptor_pool.DescriptorPool()
    for file in FileDescriptorSet.FromString(template_descriptor_set(KEYVAL)).file:
        pool.Add(file)

    def message(name: str) -> type[Any]:
        return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"keyval.{name}"))

    service = pool.FindServiceByName("keyval.HandleKeyValService")
    request = message(service.methods[0].input_type.name)(dedup_id="1")
    request.instance.key = "jim"
    deserialize: Callable[[bytes], Any] = message("HandleKeyValResponse").FromString
    async with aio.insecure_channel(running.adapter.address) as channel:
        call: Any = channel.unary_unary(
            f"/{service.full_name}/{service.methods[0].name}",
            message("HandleKeyValRequest").SerializeToString,
            deserialize,
        )
        response = await call(request)
        assert call is not None
    assert response.result.status.code == grpc.StatusCode.NOT_FOUND.value[0]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"name": "my-adapter"}, "is no identifier"), ({"templates": frozenset()}, "no template")],
)
def test_an_adapter_that_cannot_be_is_told_before_it_is_served(
    changes: dict[str, Any], reason: str
) -> None:
    with pytest.raises(StartupError, match=reason):
        AdapterServer(replace(DENIER, **changes), AdapterServerSettings())
