"""What others ask a running server about itself: health, reflection, and the pages."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import grpc
import grpc.aio
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto

from remixer import __version__
from remixer.foundation.status import Code
from remixer.testing.mixer_client import mixer_caller
from remixer.testing.server_process import ServerProcess, serving_process
from remixer.transport.client import RpcFailed
from remixer.wire._pb.grpc.health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from remixer.wire._pb.grpc.reflection.v1.reflection_pb2 import (
    ServerReflectionRequest,
    ServerReflectionResponse,
)

pytestmark = pytest.mark.integration

PATIENCE_S = 60.0
MIXER = "istio.mixer.v1.Mixer"
SERVICES = (
    "envoy.service.accesslog.v3.AccessLogService",
    "envoy.service.auth.v3.Authorization",
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
    MIXER,
    "remixer.v1alpha1.Cache",
)
POLICY = """
kind: handler
metadata: {name: deny, namespace: istio-system}
spec: {compiledAdapter: denier}
---
kind: instance
metadata: {name: nothing, namespace: istio-system}
spec: {compiledTemplate: checknothing}
---
kind: rule
metadata: {name: deny, namespace: istio-system}
spec:
  match: request.size > 1000
  actions: [{handler: deny, instances: [nothing]}]
---
kind: rule
metadata: {name: broken, namespace: istio-system}
spec:
  match: request.sise > 1000
  actions: [{handler: deny, instances: [nothing]}]
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("asked")
    (folder / "policy.yaml").write_text(POLICY)
    with serving_process("--config-store", f"fs://{folder}") as running:
        yield running


@pytest.fixture
async def channel(server: ServerProcess) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(server.grpc) as one:
        yield one


# ------------------------------------------------------------------ health


async def health(address: str, service: str) -> HealthCheckResponse:
    async with mixer_caller(address) as caller:
        request = HealthCheckRequest(service=service).SerializeToString()
        answer = await caller.unary("/grpc.health.v1.Health/Check", request, timeout_s=PATIENCE_S)
        return HealthCheckResponse.FromString(answer)


@pytest.mark.parametrize("service", ["", *(each for each in SERVICES if "grpc." not in each)])
async def test_server_and_each_service_are_healthy(server: ServerProcess, service: str) -> None:
    assert (await health(server.grpc, service)).status == HealthCheckResponse.SERVING


async def test_unknown_service_has_no_health(server: ServerProcess) -> None:
    with pytest.raises(RpcFailed) as caught:
        await health(server.grpc, "no.such.Service")
    assert (caught.value.code, caught.value.message) == (
        Code.NOT_FOUND,
        "no service `no.such.Service` here",
    )


async def test_watcher_sees_the_server_go(tmp_path: Path) -> None:
    with serving_process("--config-store", f"fs://{tmp_path}") as leaving:
        async with grpc.aio.insecure_channel(leaving.grpc) as channel:
            watch = channel.unary_stream("/grpc.health.v1.Health/Watch")
            call = watch(HealthCheckRequest().SerializeToString(), timeout=PATIENCE_S)
            states = []
            async for message in call:
                states.append(HealthCheckResponse.FromString(message).status)
                if len(states) == 1:
                    leaving.process.terminate()
            assert states == [HealthCheckResponse.SERVING, HealthCheckResponse.NOT_SERVING]
            assert await call.code() is grpc.StatusCode.OK
        assert await leaving.ended() == 0


# ------------------------------------------------------------------ reflection


async def reflected(
    channel: grpc.aio.Channel, *requests: ServerReflectionRequest, version: str = "v1"
) -> list[ServerReflectionResponse]:
    async def all_requests() -> AsyncIterator[bytes]:
        for each in requests:
            yield each.SerializeToString()

    path = f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo"
    call = channel.stream_stream(path)(all_requests(), timeout=PATIENCE_S)
    return [ServerReflectionResponse.FromString(message) async for message in call]


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
async def test_reflection_lists_the_services(channel: grpc.aio.Channel, version: str) -> None:
    request = ServerReflectionRequest(list_services="")
    (answer,) = await reflected(channel, request, version=version)
    assert tuple(each.name for each in answer.list_services_response.service) == SERVICES


@pytest.mark.parametrize("service", SERVICES)
async def test_reflection_explains_every_service_that_it_lists(
    channel: grpc.aio.Channel, service: str
) -> None:
    (answer,) = await reflected(channel, ServerReflectionRequest(file_containing_symbol=service))
    encoded = answer.file_descriptor_response.file_descriptor_proto
    files = [FileDescriptorProto.FromString(each) for each in encoded]
    defined = {f"{file.package}.{each.name}" for file in files for each in file.service}
    assert service in defined
    # All that is imported is there too, so that a tool can build the messages.
    assert {path for file in files for path in file.dependency} <= {file.name for file in files}


async def test_one_stream_answers_many_questions_in_order(channel: grpc.aio.Channel) -> None:
    bad, good = await reflected(
        channel,
        ServerReflectionRequest(file_containing_symbol="no.such.Symbol"),
        ServerReflectionRequest(file_containing_symbol=MIXER),
    )
    assert bad.error_response.error_code == Code.NOT_FOUND
    assert good.WhichOneof("message_response") == "file_descriptor_response"


# ------------------------------------------------------------------ pages


async def test_pages_of_a_healthy_server(server: ServerProcess) -> None:
    pages = [await server.page(path) for path in ("/healthz", "/readyz", "/version", "/")]
    assert [each.status for each in pages] == [200] * 4
    assert [each.body for each in pages[:2]] == [b"alive\n", b"ready\n"]
    assert json.loads(pages[2].body)["version"] == __version__
    for path in (b"/healthz", b"/readyz", b"/metrics", b"/version"):
        assert b'href="' + path + b'"' in pages[3].body


async def test_metrics_tell_of_configuration_and_of_calls(server: ServerProcess) -> None:
    before = await series(server)
    async with mixer_caller(server.grpc) as caller:
        # Sizes that no other test asks about: what is remembered is not dispatched.
        for size in (11, 12, 5_011):
            await caller.check({"request.size": size})
        with pytest.raises(RpcFailed):
            await caller.unary("/istio.mixer.v1.Mixer/Check", b"\xff", timeout_s=PATIENCE_S)
    after = await series(server)

    assert grown(before, after, "mixer_runtime_dispatches_total", adapter="denier", error="false")
    check = {"grpc_server_method": f"{MIXER}/Check"}
    completed = "grpc_io_server_completed_rpcs"
    assert grown(before, after, completed, **check, grpc_server_status="OK") == 3
    assert grown(before, after, completed, **check, grpc_server_status="INVALID_ARGUMENT") == 1
    assert grown(before, after, "grpc_io_server_server_latency_count", **check) == 4
    assert grown(before, after, "mixer_dispatcher_destinations_per_request_count") == 3
    assert grown(before, after, "mixer_dispatcher_instances_per_request_sum") == 1
    labels = "meshFunction", "handler", "adapter", "error"
    name = next(each for each in after if each.startswith("mixer_runtime_dispatch_duration_secon"))
    assert all(f'{label}="' in name for label in labels)


async def test_gauges_have_the_names_that_mixer_gave_them(server: ServerProcess) -> None:
    found = await series(server)
    expected = {
        "mixer_config_handler_configs_total": 1,
        "mixer_config_instance_configs_total": 1,
        "mixer_config_rule_configs_total": 2,
        "mixer_config_adapter_info_configs_total": 0,
        "mixer_config_template_configs_total": 0,
        "mixer_config_instance_config_errors_total": 0,
        "mixer_config_rule_config_errors_total": 0,
        "mixer_config_adapter_info_config_errors_total": 0,
        "mixer_config_template_config_errors_total": 0,
        "mixer_config_handler_validation_error_total": 0,
        "mixer_config_rule_config_match_error_total": 1,
        "mixer_config_unsatisfied_action_handler_total": 0,
        "mixer_handler_new_handlers_total": 1,
        "mixer_handler_reused_handlers_total": 0,
        "mixer_handler_closed_handlers_total": 0,
        "mixer_handler_handler_build_failures_total": 0,
        "mixer_handler_handler_close_failures_total": 0,
    }
    assert {name: found.get(name) for name in expected} == expected
    assert found["mixer_config_attributes_total"] > 50


async def series(server: ServerProcess) -> dict[str, float]:
    lines = (await server.metrics()).splitlines()
    samples = (line.rpartition(" ") for line in lines if line and not line.startswith("#"))
    return {name: float(value) for name, _, value in samples}


def grown(before: dict[str, float], after: dict[str, float], name: str, **labels: str) -> float:
    """By how much the sum of the matching series grew."""

    def total(found: dict[str, float]) -> float:
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        return sum(
            value
            for text, value in found.items()
            if text.partition("{")[0] == name and all(each in text for each in wanted)
        )

    return total(after) - total(before)


async def test_scrapes_and_checks_do_not_disturb_each_other(server: ServerProcess) -> None:
    async with mixer_caller(server.grpc) as caller, asyncio.TaskGroup() as group:
        pages = [group.create_task(server.page("/metrics")) for _ in range(10)]
        checks = [group.create_task(caller.check({"request.size": 1})) for _ in range(50)]
    assert {each.result().status for each in pages} == {200}
    assert all(each.result().status.is_ok for each in checks)
