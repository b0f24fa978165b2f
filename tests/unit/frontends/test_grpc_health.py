"""Health checking, asked directly and through a real client."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from grpc import aio

from remixer.foundation.clock import SystemClock
from remixer.foundation.status import Code
from remixer.frontends.grpc_health import HealthBoard, health_methods
from remixer.transport.client import GrpcClient, RpcFailed
from remixer.transport.grpcio_server import grpcio_servers
from remixer.transport.port import Listener, TransportLimits
from remixer.wire._pb.grpc.health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

CHECK = "/grpc.health.v1.Health/Check"
WATCH = "/grpc.health.v1.Health/Watch"
MIXER = "istio.mixer.v1.Mixer"
PATIENCE_S = 60.0
SERVING, NOT_SERVING, SERVICE_UNKNOWN = (
    HealthCheckResponse.SERVING,
    HealthCheckResponse.NOT_SERVING,
    HealthCheckResponse.SERVICE_UNKNOWN,
)


@pytest.fixture
async def board() -> HealthBoard:
    return HealthBoard([MIXER])


@pytest.fixture
async def address(board: HealthBoard) -> AsyncIterator[str]:
    server = grpcio_servers(clock=SystemClock())(
        methods=health_methods(board),
        listeners=[Listener("127.0.0.1:0")],
        limits=TransportLimits(),
    )
    (address,) = await server.start()
    yield address
    board.close()
    await server.drain(grace_s=0.0)


async def check(address: str, payload: bytes) -> HealthCheckResponse.ServingStatus:
    client = GrpcClient(address)
    try:
        answer = await client.unary(CHECK, payload, timeout_s=PATIENCE_S)
    finally:
        await client.aclose()
    return HealthCheckResponse.FromString(answer).status


def asking(service: str) -> bytes:
    return HealthCheckRequest(service=service).SerializeToString()


@pytest.mark.parametrize("service", ["", MIXER])
async def test_nothing_serves_until_it_is_announced(
    board: HealthBoard, address: str, service: str
) -> None:
    assert await check(address, asking(service)) == NOT_SERVING
    board.announce(is_serving=True)
    assert await check(address, asking(service)) == SERVING
    board.announce(is_serving=False)
    assert await check(address, asking(service)) == NOT_SERVING


async def test_check_of_an_unknown_service_is_not_found(address: str) -> None:
    with pytest.raises(RpcFailed, match=r"no service `no\.such`") as caught:
        await check(address, asking("no.such"))
    assert caught.value.code is Code.NOT_FOUND


async def test_bytes_that_are_no_request_are_refused(address: str) -> None:
    with pytest.raises(RpcFailed, match="1 bytes are no such message") as caught:
        await check(address, b"\xff")
    assert caught.value.code is Code.INVALID_ARGUMENT


async def test_watcher_hears_the_state_and_every_change_and_the_end(
    board: HealthBoard, address: str
) -> None:
    async with aio.insecure_channel(address) as channel, asyncio.timeout(PATIENCE_S):
        stream = channel.unary_stream(WATCH, None, HealthCheckResponse.FromString)(asking(MIXER))
        answers = aiter(stream)
        states = [(await anext(answers)).status]
        for is_serving in (True, False, True):
            board.announce(is_serving=is_serving)
            states.append((await anext(answers)).status)
        board.close()
        states += [each.status async for each in answers]
    assert states == [NOT_SERVING, SERVING, NOT_SERVING, SERVING, NOT_SERVING]


async def test_watch_of_an_unknown_service_says_so_and_goes_on(
    board: HealthBoard, address: str
) -> None:
    async with aio.insecure_channel(address) as channel, asyncio.timeout(PATIENCE_S):
        stream = channel.unary_stream(WATCH, None, HealthCheckResponse.FromString)(asking("x"))
        answers = aiter(stream)
        assert (await anext(answers)).status == SERVICE_UNKNOWN
        board.close()
        assert [each.status async for each in answers] == []


async def test_repeated_announcements_are_one_state(board: HealthBoard) -> None:
    board.announce(is_serving=True)
    states = board.watch(MIXER)
    assert await anext(states) is True
    board.announce(is_serving=True)
    board.announce(is_serving=False)
    assert await anext(states) is False


async def test_nothing_serves_after_the_end(board: HealthBoard) -> None:
    board.close()
    board.close()
    board.announce(is_serving=True)
    assert [state async for state in board.watch(MIXER)] == [False]


async def test_watch_needs_a_request(address: str) -> None:
    async with aio.insecure_channel(address) as channel, asyncio.timeout(PATIENCE_S):
        stream = channel.stream_stream(WATCH, None, None)(iter(()))
        with pytest.raises(aio.AioRpcError, match="needs one request, found none"):
            await stream.read()
