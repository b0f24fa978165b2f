"""Servicers that grpcio's generator made answer on our server as they do on grpcio's own."""

import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from grpc import aio

from remixer.foundation.clock import SystemClock
from remixer.transport.grpcio_server import grpcio_servers
from remixer.transport.grpcio_servicers import GrpcioServicers
from remixer.transport.own_server import own_servers
from remixer.transport.port import Listener, TransportLimits

SERVICE = "test.Shop"
PATIENCE_S = 60.0


def parse(octets: bytes) -> str:
    return octets.decode()


def serialize(text: str) -> bytes:
    return text.encode()


def add_shop_servicer_to_server(servicer: object, server: Any) -> None:
    """As the generator writes it."""
    make = {
        "One": grpc.unary_unary_rpc_method_handler,
        "Out": grpc.unary_stream_rpc_method_handler,
        "In": grpc.stream_unary_rpc_method_handler,
        "Both": grpc.stream_stream_rpc_method_handler,
    }
    handlers = {
        name: each(
            getattr(servicer, name), request_deserializer=parse, response_serializer=serialize
        )
        for name, each in make.items()
    }
    generic = grpc.method_handlers_generic_handler(SERVICE, handlers)
    server.add_generic_rpc_handlers((generic,))
    server.add_registered_method_handlers(SERVICE, handlers)


class AsyncShop:
    async def One(self, request: str, context: Any) -> str:  # noqa: N802 - the generator's names
        if request == "abort":
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such", (("x-why", "because"),))
        if request == "code":
            context.set_code(grpc.StatusCode.ABORTED)
            context.set_details("later")
        if request == "metadata":
            await context.send_initial_metadata((("x-early", "1"), ("x-early-bin", b"\1")))
            context.set_trailing_metadata((("x-late", "a"), ("x-late-bin", b"\0")))
            pairs = {key: value for key, value in context.invocation_metadata() if key[:2] == "q-"}
            return repr(sorted(pairs.items()))
        if request == "deadline":
            return str(0 < context.time_remaining() < PATIENCE_S * 2)
        if request == "peer":
            return context.peer().split(":")[0]
        return request.upper()

    async def Out(self, request: str, _context: Any) -> AsyncIterator[str]:  # noqa: N802
        for letter in request:
            yield letter

    async def In(self, requests: AsyncIterator[str], _context: Any) -> str:  # noqa: N802
        return "+".join([request async for request in requests])

    async def Both(self, requests: AsyncIterator[str], _context: Any) -> AsyncIterator[str]:  # noqa: N802
        async for request in requests:
            yield request * 2


class WritingShop(AsyncShop):
    """The other style of asynchronous servicers: they read and write by themselves."""

    async def Out(self, request: str, context: Any) -> None:  # type: ignore[override]  # noqa: N802
        for letter in request:
            await context.write(letter)

    async def Both(self, _requests: object, context: Any) -> None:  # type: ignore[override]  # noqa: N802
        while (request := await context.read()) is not aio.EOF:  # type: ignore[attr-defined]
            await context.write(request * 2)


class PlainShop:
    """Functions that may block."""

    def __init__(self) -> None:
        self.threads: set[str] = set()

    def One(self, request: str, context: Any) -> str:  # noqa: N802
        self.threads.add(threading.current_thread().name)
        if request == "abort":
            context.abort(grpc.StatusCode.NOT_FOUND, "no such")
        return request.upper()

    def Out(self, request: str, _context: Any) -> Iterator[str]:  # noqa: N802
        self.threads.add(threading.current_thread().name)
        yield from request

    def In(self, requests: Iterable[str], _context: Any) -> str:  # noqa: N802
        return "+".join(requests)

    def Both(self, requests: Iterable[str], _context: Any) -> Iterator[str]:  # noqa: N802
        for request in requests:
            yield request * 2


STACKS = {"own": own_servers, "grpcio": grpcio_servers}
Shop = Callable[..., Awaitable[aio.Channel]]


@pytest.fixture(params=sorted(STACKS))
def stack(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@asynccontextmanager
async def channel_to(servicer: object, stack: str) -> AsyncIterator[aio.Channel]:
    with ThreadPoolExecutor(4, thread_name_prefix="shop") as threads:
        servicers = GrpcioServicers(clock=SystemClock(), threads=threads)
        add_shop_servicer_to_server(servicer, servicers)
        server = STACKS[stack](clock=SystemClock())(
            methods=servicers.methods(),
            listeners=[Listener("127.0.0.1:0")],
            limits=TransportLimits(),
        )
        (address,) = await server.start()
        options = (("grpc.use_local_subchannel_pool", 1),)
        async with aio.insecure_channel(address, options) as channel:
            yield channel
        await server.drain(grace_s=1.0)


def method(channel: aio.Channel, kind: str, name: str) -> Any:
    make = getattr(channel, kind)
    return make(f"/{SERVICE}/{name}", request_serializer=serialize, response_deserializer=parse)


SHOPS = [AsyncShop, WritingShop, PlainShop]


@pytest.mark.parametrize("shop", SHOPS)
async def test_all_four_kinds_of_methods_answer(shop: type, stack: str) -> None:
    async with channel_to(shop(), stack) as channel:
        one = method(channel, "unary_unary", "One")
        assert await one("a", timeout=PATIENCE_S) == "A"
        out = method(channel, "unary_stream", "Out")("abc", timeout=PATIENCE_S)
        assert [each async for each in out] == ["a", "b", "c"]
        gather = method(channel, "stream_unary", "In")
        assert await gather(iter("abc"), timeout=PATIENCE_S) == "a+b+c"
        both = method(channel, "stream_stream", "Both")(iter("abc"), timeout=PATIENCE_S)
        assert [each async for each in both] == ["aa", "bb", "cc"]


@pytest.mark.parametrize("shop", SHOPS)
async def test_abort_is_the_status(shop: type, stack: str) -> None:
    async with channel_to(shop(), stack) as channel:
        with pytest.raises(aio.AioRpcError) as caught:
            await method(channel, "unary_unary", "One")("abort", timeout=PATIENCE_S)
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    assert caught.value.details() == "no such"


async def test_metadata_of_abort_is_sent(stack: str) -> None:
    async with channel_to(AsyncShop(), stack) as channel:
        with pytest.raises(aio.AioRpcError) as caught:
            await method(channel, "unary_unary", "One")("abort", timeout=PATIENCE_S)
    assert dict(caught.value.trailing_metadata())["x-why"] == "because"


async def test_code_that_was_set_is_the_status(stack: str) -> None:
    async with channel_to(AsyncShop(), stack) as channel:
        with pytest.raises(aio.AioRpcError) as caught:
            await method(channel, "unary_unary", "One")("code", timeout=PATIENCE_S)
    assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.ABORTED, "later")


async def test_metadata_passes_both_ways() -> None:
    async with channel_to(AsyncShop(), "own") as channel:
        pairs = (("q-a", "1"), ("q-b-bin", b"\0\1"))
        call = method(channel, "unary_unary", "One")("metadata", metadata=pairs)
        assert await call == "[('q-a', '1'), ('q-b-bin', b'\\x00\\x01')]"
        initial, trailing = await call.initial_metadata(), await call.trailing_metadata()
    assert dict(initial) == {"x-early": "1", "x-early-bin": b"\1"}
    assert dict(trailing) == {"x-late": "a", "x-late-bin": b"\0"}


@pytest.mark.parametrize(("request_", "answer"), [("deadline", "True"), ("peer", "ipv4")])
async def test_context_knows_the_call(stack: str, request_: str, answer: str) -> None:
    async with channel_to(AsyncShop(), stack) as channel:
        call = method(channel, "unary_unary", "One")
        assert await call(request_, timeout=PATIENCE_S) == answer


async def test_plain_functions_run_in_the_threads_given(stack: str) -> None:
    shop = PlainShop()
    async with channel_to(shop, stack) as channel:
        await method(channel, "unary_unary", "One")("a", timeout=PATIENCE_S)
        out = method(channel, "unary_stream", "Out")("ab", timeout=PATIENCE_S)
        assert [each async for each in out] == ["a", "b"]
    assert shop.threads
    assert all(name.startswith("shop") for name in shop.threads)


def test_without_threads_a_plain_reader_of_streams_is_refused() -> None:
    servicers = GrpcioServicers(clock=SystemClock())
    with pytest.raises(ValueError, match="give threads"):
        add_shop_servicer_to_server(PlainShop(), servicers)


async def test_without_threads_a_plain_function_runs_on_the_loop() -> None:
    shop = PlainShop()
    servicers = GrpcioServicers(clock=SystemClock())
    handler = grpc.unary_unary_rpc_method_handler(shop.One, parse, serialize)
    servicers.add_registered_method_handlers(SERVICE, {"One": handler})
    server = own_servers(clock=SystemClock())(
        methods=servicers.methods(),
        listeners=[Listener("127.0.0.1:0")],
        limits=TransportLimits(),
    )
    (address,) = await server.start()
    async with aio.insecure_channel(address) as channel:
        assert await method(channel, "unary_unary", "One")("a", timeout=PATIENCE_S) == "A"
    await server.drain(grace_s=0.0)
    assert shop.threads == {threading.current_thread().name}


def test_handlers_without_a_table_are_refused() -> None:
    class Anything(grpc.GenericRpcHandler):  # type: ignore[type-arg]  # generic in stubs alone
        def service(self, handler_call_details: object) -> None:  # noqa: ARG002 - the name is grpcio's
            return None

    servicers = GrpcioServicers(clock=SystemClock())
    with pytest.raises(ValueError, match="fixed table"):
        servicers.add_generic_rpc_handlers((Anything(),))
