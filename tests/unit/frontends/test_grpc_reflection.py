"""Reflection as a tool uses it, over a real connection."""

import asyncio
from collections.abc import AsyncIterator, Iterable

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc import aio

from remixer.foundation.clock import SystemClock
from remixer.foundation.status import Code
from remixer.frontends.grpc_reflection import reflection_methods
from remixer.transport.grpcio_server import grpcio_servers
from remixer.transport.port import CallContext, Listener, TransportLimits, UnaryMethod
from remixer.wire._pb.grpc.reflection.v1.reflection_pb2 import (
    ExtensionRequest,
    ServerReflectionRequest,
    ServerReflectionResponse,
)

PATIENCE_S = 60.0
PATHS = [
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
]


def unused(payload: bytes, _context: CallContext) -> bytes:
    return payload


@pytest.fixture
async def address() -> AsyncIterator[str]:
    served = [
        UnaryMethod("/istio.mixer.v1.Mixer/Check", unused),
        UnaryMethod("/istio.mixer.v1.Mixer/Report", unused),
        UnaryMethod("/envoy.service.auth.v3.Authorization/Check", unused),
    ]
    server = grpcio_servers(clock=SystemClock())(
        methods=[*served, *reflection_methods(served)],
        listeners=[Listener("127.0.0.1:0")],
        limits=TransportLimits(),
    )
    (address,) = await server.start()
    yield address
    await server.drain(grace_s=0.0)


async def ask(
    address: str, requests: Iterable[ServerReflectionRequest], path: str = PATHS[0]
) -> list[ServerReflectionResponse]:
    async with aio.insecure_channel(address) as channel, asyncio.timeout(PATIENCE_S):
        method = channel.stream_stream(
            path, ServerReflectionRequest.SerializeToString, ServerReflectionResponse.FromString
        )
        return [each async for each in method(iter(requests))]


@pytest.mark.parametrize("path", PATHS)
async def test_services_are_those_served_and_reflection_itself(address: str, path: str) -> None:
    request = ServerReflectionRequest(host="here", list_services="")
    (response,) = await ask(address, [request], path)
    assert [each.name for each in response.list_services_response.service] == [
        "envoy.service.auth.v3.Authorization",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
        "istio.mixer.v1.Mixer",
    ]
    assert (response.valid_host, response.original_request) == ("here", request)


async def test_files_come_with_all_they_import(address: str) -> None:
    by_symbol, by_name = await ask(
        address,
        [
            ServerReflectionRequest(file_containing_symbol="istio.mixer.v1.Mixer"),
            ServerReflectionRequest(file_by_filename="istio/mixer/v1/service.proto"),
        ],
    )
    assert by_symbol.file_descriptor_response == by_name.file_descriptor_response
    files = [
        FileDescriptorProto.FromString(each)
        for each in by_symbol.file_descriptor_response.file_descriptor_proto
    ]
    assert files[0].name == "istio/mixer/v1/service.proto"
    assert {imported for file in files for imported in file.dependency} <= {
        file.name for file in files
    }


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (ServerReflectionRequest(file_by_filename="no/such.proto"), Code.NOT_FOUND),
        (ServerReflectionRequest(file_containing_symbol="no.Such"), Code.NOT_FOUND),
        (
            ServerReflectionRequest(file_containing_extension=ExtensionRequest(extension_number=1)),
            Code.NOT_FOUND,
        ),
        (ServerReflectionRequest(all_extension_numbers_of_type="no.Such"), Code.NOT_FOUND),
        (ServerReflectionRequest(), Code.INVALID_ARGUMENT),
    ],
    ids=["file", "symbol", "extension", "extensions of", "nothing"],
)
async def test_error_is_an_answer_and_the_stream_goes_on(
    address: str, request_: ServerReflectionRequest, code: Code
) -> None:
    error, after = await ask(address, [request_, ServerReflectionRequest(list_services="")])
    assert error.error_response.error_code == code
    assert after.list_services_response.service


async def test_known_messages_have_no_extensions(address: str) -> None:
    name = "istio.mixer.v1.CheckRequest"
    (response,) = await ask(address, [ServerReflectionRequest(all_extension_numbers_of_type=name)])
    assert response.all_extension_numbers_response.base_type_name == name
    assert not response.all_extension_numbers_response.extension_number


async def test_bytes_that_are_no_request_end_the_stream(address: str) -> None:
    async with aio.insecure_channel(address) as channel, asyncio.timeout(PATIENCE_S):
        stream = channel.stream_stream(PATHS[0], None, None)(iter([b"\xff"]))
        with pytest.raises(aio.AioRpcError) as caught:
            await stream.read()
    assert caught.value.code().value[0] == Code.INVALID_ARGUMENT
