"""An out-of-process adapter in plain grpcio that knows nothing of Remixer but a descriptor set.

Everything it has comes from the bytes that operators put into `template` resources: message classes,
service, method. It shares no code with the client under test.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message
from grpc import aio

from remixer.foundation.clock import SystemClock
from remixer.testing.engine import RunningEngine, running_engine

Answer = Callable[[Any, Any], Awaitable[Any]]
"""Gets the request's message and the response's class; gives the response, or its bytes."""

SERVER_OPTIONS = (("grpc.so_reuseport", 0),)


def pool_of(descriptor_set: bytes) -> descriptor_pool.DescriptorPool:
    """A pool with these files and nothing else."""
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(descriptor_set).file:
        pool.Add(file)
    return pool


@dataclass(slots=True)
class Described:
    """One template as an adapter's author sees it."""

    descriptor_set: bytes
    answer: Answer
    requests: list[Any] = field(default_factory=list)
    """What was asked so far, as messages."""

    times_left_s: list[float] = field(default_factory=list)
    """What each call said of its deadline."""

    def handler(self) -> Any:
        files = descriptor_pb2.FileDescriptorSet.FromString(self.descriptor_set).file
        service = next(each for file in files for each in file.service)
        package = next(file.package for file in files if file.service)
        pool = pool_of(self.descriptor_set)
        method = pool.FindServiceByName(f"{package}.{service.name}").methods[0]
        asked: type[Message] = message_factory.GetMessageClass(method.input_type)
        answered: type[Message] = message_factory.GetMessageClass(method.output_type)

        async def serve(request: Message, context: Any) -> bytes:
            self.requests.append(request)
            self.times_left_s.append(context.time_remaining())
            try:
                found = await self.answer(request, answered)
            except RefusedError as error:
                await context.abort(error.code, str(error))
            return found if isinstance(found, bytes) else found.SerializeToString()

        unary = grpc.unary_unary_rpc_method_handler(
            serve, request_deserializer=asked.FromString, response_serializer=None
        )
        return grpc.method_handlers_generic_handler(
            service_name(package, service), {method.name: unary}
        )


def service_name(package: str, service: Any) -> str:
    return f"{package}.{service.name}"


class RefusedError(Exception):
    """An answer that is a gRPC status."""

    def __init__(self, code: grpc.StatusCode, message: str = "no") -> None:
        super().__init__(message)
        self.code = code


@asynccontextmanager
async def _serving(described: Sequence[Described], extra: Sequence[Any]) -> AsyncIterator[str]:
    server = aio.server(options=SERVER_OPTIONS)
    server.add_generic_rpc_handlers([*(each.handler() for each in described), *extra])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(0.0)


Serve = Callable[..., Awaitable[str]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Starts a server for some templates; gives its address."""
    async with AsyncExitStack() as stack:

        async def start(*described: Described, extra: Sequence[Any] = ()) -> str:
            return await stack.enter_async_context(_serving(described, extra))

        yield start


Run = Callable[..., Awaitable[RunningEngine]]


@pytest.fixture
async def run() -> AsyncIterator[Run]:
    """Starts an engine on one YAML text, on the machine's own clock."""
    async with AsyncExitStack() as stack:

        async def start(
            text: str, *, adapters: Sequence[Any] = (), adapter_timeout_s: float = 30.0
        ) -> RunningEngine:
            return await stack.enter_async_context(
                running_engine(
                    {"rules.yaml": text},
                    adapters=adapters,
                    clock=SystemClock(),
                    adapter_timeout_s=adapter_timeout_s,
                )
            )

        yield start


@pytest.fixture
def describe() -> Callable[[bytes, Answer], Described]:
    """Makes what `serve` serves."""
    return Described


@pytest.fixture
def always() -> Callable[..., Answer]:
    """The same response for every request, made of these fields."""

    def make(**fields: Any) -> Answer:
        async def answer(_request: Any, response: Any) -> Any:
            return response(**fields)

        return answer

    return make


@pytest.fixture
def refusal() -> type[RefusedError]:
    """Raise it to answer with a gRPC status."""
    return RefusedError
