"""bypass against back ends on the loopback: our own adapter server, and scripted ones."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from google.protobuf.struct_pb2 import Struct

from remixer.adapters import bypass, denier, memquota
from remixer.adapters.bypass.session import SessionRefusedError
from remixer.attributes.values import Duration, Value, ValueType
from remixer.foundation.clock import SystemClock
from remixer.foundation.status import Code
from remixer.sdk import (
    AdapterInfo,
    CheckNothing,
    CheckResult,
    DirectHttpResponse,
    Environment,
    HandlerContext,
    InstanceType,
    Metric,
    Quota,
    QuotaRequest,
    ReportNothing,
    Status,
)
from remixer.testing.adapters import AdapterHarness, RejectedParamsError
from remixer.testing.served_adapter import served
from remixer.transport.grpcio_server import grpcio_servers
from remixer.transport.port import (
    CallContext,
    GrpcServer,
    Listener,
    RpcError,
    TransportLimits,
    UnaryMethod,
)
from remixer.transport.remote_port import RpcFailed
from remixer.wire._pb.istio.mixer.adapter.model.v1beta1 import infrastructure_backend_pb2 as pb
from remixer.wire.adapter_model import CLOSE_SESSION_PATH, CREATE_SESSION_PATH, VALIDATE_PATH
from remixer.wire.adapter_requests import decode_handle_request
from remixer.wire.field_bytes import MalformedMessageError
from remixer.wire.inferred_types import decode_inferred_types

CHECK = "/checknothing.HandleCheckNothingService/HandleCheckNothing"
NOTHING = CheckNothing("nothing.instance.shop")
PATIENCE_S = 60.0
TYPES = (
    InstanceType("m.shop", "metric", {"value": ValueType.INT64, "dimensions[u]": ValueType.URI}),
)
STRUCT = "type.googleapis.com/google.protobuf.Struct"


def struct(values: Mapping[str, Any]) -> bypass.PackedParams:
    message = Struct()
    message.update(values)
    return bypass.PackedParams(STRUCT, message.SerializeToString())


@dataclass(frozen=True, slots=True)
class SpyParams:
    label: str = "default"


@dataclass
class Seen:
    """What a spying adapter was given."""

    handlers: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    instances: list[Any] = field(default_factory=list)
    closed: int = 0


class Spy:
    def __init__(self, seen: Seen) -> None:
        self.seen = seen

    def check(self, instance: CheckNothing, /) -> CheckResult:
        self.seen.instances.append(instance)
        teapot = DirectHttpResponse(418, "short and stout", {"x-pot": "tea"})
        return CheckResult(Status(Code.UNAUTHENTICATED, "no"), Duration(7), 3, teapot)

    def report(self, instances: Any, /) -> None:
        self.seen.instances.extend(instances)

    async def aclose(self) -> None:
        self.seen.closed += 1


def spy(seen: Seen) -> AdapterInfo[SpyParams]:
    async def build(params: SpyParams, context: HandlerContext, _environment: Environment) -> Spy:
        seen.handlers.append((params.label, tuple(each.name for each in context.instances)))
        return Spy(seen)

    templates = frozenset({"checknothing", "metric", "reportnothing"})
    return AdapterInfo("spy", "Writes everything down.", templates, SpyParams(), build)


@asynccontextmanager
async def bypass_to(
    address: str, params: bypass.PackedParams | None = None, *, session_based: bool = False
) -> AsyncIterator[Any]:
    async with AdapterHarness() as harness:
        wanted = bypass.Params(address, params, session_based)
        with_true_time = _InTrueTime(harness)
        handler = await with_true_time.build(wanted)
        yield handler


class _InTrueTime:
    """Sockets need the machine's own clock."""

    def __init__(self, harness: AdapterHarness) -> None:
        self._harness = harness

    async def build(self, params: bypass.Params) -> Any:
        async def build(
            given: bypass.Params, context: HandlerContext, environment: Environment
        ) -> Any:
            real = replace(environment, clock=SystemClock())
            return await bypass.INFO.build(given, context, real)

        return await self._harness.build(replace(bypass.INFO, build=build), params, instances=TYPES)


async def test_checks_come_back_whole() -> None:
    seen = Seen()
    async with served(spy(seen)) as backend, bypass_to(backend.address) as handler:
        result = await handler.check(NOTHING)
    assert result == CheckResult(
        Status(Code.UNAUTHENTICATED, "no"),
        Duration(7),
        3,
        DirectHttpResponse(418, "short and stout", {"x-pot": "tea"}),
    )
    assert seen.instances == [NOTHING]


async def test_each_call_carries_the_parameters() -> None:
    async with served(denier.INFO) as backend:
        params = struct({"status": {"code": 7, "message": "closed"}})
        async with bypass_to(backend.address, params) as handler:
            result = await handler.check(NOTHING)
    assert result.status == Status(Code.PERMISSION_DENIED, "closed")


async def test_metrics_arrive_with_their_types_and_in_order() -> None:
    seen = Seen()
    dimensions: dict[str, Value] = {"u": "http://x/", "n": 2.5}
    metrics = [Metric("m.shop", 7, dimensions), Metric("m.shop", 8, dimensions)]
    async with served(spy(seen)) as backend, bypass_to(backend.address) as handler:
        await handler.report(metrics)
        await handler.report([ReportNothing("r")])
        await handler.report([])
    assert seen.instances == [*metrics, ReportNothing("r")]


async def test_a_repeated_id_of_a_quota_counts_once() -> None:
    params = struct({"quotas": [{"name": "q.shop", "max_amount": 3, "valid_duration": "10s"}]})
    async with served(memquota.INFO) as backend, bypass_to(backend.address, params) as handler:
        request = QuotaRequest(2, deduplication_id="once")
        granted = [(await handler.allocate(Quota("q.shop"), request)).granted for _ in "ab"]
        again = await handler.allocate(Quota("q.shop"), QuotaRequest(2))
        rest = await handler.allocate(Quota("q.shop"), QuotaRequest(2, best_effort=True))
    assert (granted, again.granted, rest.granted) == ([2, 2], 0, 1)


async def test_a_session_gets_the_parameters_and_types_once() -> None:
    seen = Seen()
    async with served(spy(seen)) as backend:
        params = struct({"label": "of the session"})
        async with bypass_to(backend.address, params, session_based=True) as handler:
            await handler.check(NOTHING)
            await handler.check(NOTHING)
            assert seen.handlers == [("of the session", ("m.shop",))]
            assert seen.closed == 0
    assert seen.closed == 1


# ------------------------------------------------------------------ scripted back ends

Handle = Callable[[bytes], bytes]


@asynccontextmanager
async def scripted(address: str = "127.0.0.1:0", **handles: Handle) -> AsyncIterator[str]:
    """A back end with the given methods: check, validate, create, close."""
    paths = {
        "check": CHECK,
        "validate": VALIDATE_PATH,
        "create": CREATE_SESSION_PATH,
        "close": CLOSE_SESSION_PATH,
    }

    def method(name: str, handle: Handle) -> UnaryMethod:
        def answer(request: bytes, _context: CallContext) -> bytes:
            return handle(request)

        return UnaryMethod(paths[name], answer)

    methods = [method(name, handle) for name, handle in handles.items()]
    server: GrpcServer = grpcio_servers(clock=SystemClock())(
        methods=methods, listeners=[Listener(address)], limits=TransportLimits()
    )
    (bound,) = await server.start()
    try:
        yield bound
    finally:
        await server.drain(grace_s=0.0)


async def test_request_time_calls_of_a_session_carry_no_parameters() -> None:
    requests: dict[str, list[bytes]] = {"validate": [], "create": [], "check": [], "close": []}

    def taking(name: str, answer: bytes = b"") -> Handle:
        def handle(request: bytes) -> bytes:
            requests[name].append(request)
            return answer

        return handle

    session = pb.CreateSessionResponse(session_id="s-1").SerializeToString()
    async with scripted(
        validate=taking("validate"),
        create=taking("create", session),
        check=taking("check"),
        close=taking("close"),
    ) as address:
        packed = bypass.PackedParams("type.googleapis.com/a.Params", b"\x08\x01")
        async with bypass_to(address, packed, session_based=True) as handler:
            await handler.check(NOTHING)
    (validate,), (create,), (check,), (close,) = requests.values()
    assert validate == create
    told = pb.CreateSessionRequest.FromString(create)
    assert (told.adapter_config.type_url, told.adapter_config.value) == (
        "type.googleapis.com/a.Params",
        b"\x08\x01",
    )
    inferred = told.inferred_types["m.shop"]
    assert inferred.type_url == "type.googleapis.com/metric.Type"
    (metric,) = (each for each in bypass.handler._TEMPLATES.values() if each.name == "metric")
    assert decode_inferred_types(metric.message, inferred.value) == TYPES[0].types
    assert decode_handle_request(check, is_report=False).adapter_config is None
    assert pb.CloseSessionRequest.FromString(close).session_id == "s-1"


async def test_a_refused_session_fails_calls_with_the_reason() -> None:
    refused = pb.ValidateResponse()
    refused.status.code, refused.status.message = int(Code.INVALID_ARGUMENT), "bad label"
    calls: list[bytes] = []

    def validate(request: bytes) -> bytes:
        calls.append(request)
        return refused.SerializeToString()

    async with (
        scripted(validate=validate) as address,
        bypass_to(address, session_based=True) as handler,
    ):
        for _ in range(2):
            with pytest.raises(SessionRefusedError, match="INVALID_ARGUMENT: bad label"):
                await handler.check(NOTHING)
    assert len(calls) == 1


async def test_a_session_is_tried_until_the_back_end_answers() -> None:
    attempts = 0

    def validate(_request: bytes) -> bytes:
        nonlocal attempts
        attempts += 1
        if attempts < 3:
            raise RpcError(Code.UNAVAILABLE, "starting")
        return b""

    def create(_request: bytes) -> bytes:
        return pb.CreateSessionResponse(session_id="s").SerializeToString()

    async with (
        scripted(
            validate=validate, create=create, close=bytes, check=lambda _request: b""
        ) as address,
        bypass_to(address, session_based=True) as handler,
    ):
        async with asyncio.timeout(PATIENCE_S):
            assert (await handler.check(NOTHING)).is_default
    assert attempts == 3


async def test_a_back_end_that_is_away_fails_no_configuration() -> None:
    async with scripted(check=lambda _request: b"") as address:
        pass
    async with bypass_to(address) as handler:
        with pytest.raises(RpcFailed):
            async with asyncio.timeout(PATIENCE_S):
                await handler.check(NOTHING)


@pytest.mark.parametrize("answer", [b"\xff", b"\x0a\x05ab"])
async def test_an_answer_that_is_garbage_fails_the_call(answer: bytes) -> None:
    async with (
        scripted(check=lambda _request: answer) as address,
        bypass_to(address) as handler,
    ):
        with pytest.raises(MalformedMessageError):
            await handler.check(NOTHING)


async def test_an_error_of_the_back_end_fails_the_call() -> None:
    def check(_request: bytes) -> bytes:
        raise RpcError(Code.RESOURCE_EXHAUSTED, "too much")

    async with scripted(check=check) as address, bypass_to(address) as handler:
        with pytest.raises(RpcFailed, match=r"RESOURCE_EXHAUSTED: .*too much"):
            await handler.check(NOTHING)


@pytest.mark.parametrize(
    ("params", "path"),
    [
        (bypass.Params(), "backend_address"),
        (bypass.Params("localhost"), "backend_address"),
        (bypass.Params("a:1", bypass.PackedParams("", b"x")), "params.type_url"),
    ],
)
async def test_parameters_that_lead_nowhere_are_refused(params: bypass.Params, path: str) -> None:
    async with AdapterHarness() as harness:
        with pytest.raises(RejectedParamsError) as refused:
            await harness.build(bypass.INFO, params)
    assert [each.path for each in refused.value.problems] == [path]
