"""Handlers and contexts of grpcio, one at a time: what the servers' tests do not reach."""

import functools
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, NoReturn

import grpc
import pytest

from remixer.attributes.values import Timestamp
from remixer.sidecar.grpc_call import GrpcCall
from remixer.sidecar.grpc_contexts import AsyncContext, BlockingContext, number_of
from remixer.sidecar.grpc_handlers import Method


async def coroutine(_request: object, _context: object) -> None: ...


async def agenerator(_request: object, _context: object) -> AsyncIterator[bytes]:
    yield b""


def plain(_request: object, _context: object) -> None: ...


def generator(_request: object, _context: object) -> Iterator[bytes]:
    yield b""


class Callee:
    """A wrapper of somebody else's."""

    async def __call__(self, request: object, context: object) -> None: ...


@pytest.mark.parametrize(
    ("behaviour", "gives_stream", "is_async"),
    [
        (coroutine, False, True),
        (functools.partial(coroutine), False, True),
        (Callee(), False, True),
        (plain, False, False),
        (coroutine, True, True),
        (agenerator, True, True),
        (generator, True, False),
        (plain, True, False),
        # As grpcio has it: of streams it looks at functions alone.
        (Callee(), True, False),
    ],
)
def test_where_a_handler_runs_is_as_grpcio_decides(
    behaviour: Callable[..., object], *, gives_stream: bool, is_async: bool
) -> None:
    assert Method(behaviour, takes_stream=False, gives_stream=gives_stream).is_async is is_async


def test_a_handler_keeps_its_own_pool_of_threads() -> None:
    def served(request: object, context: object) -> None: ...

    def behave(requests: object, context: object) -> None: ...

    with ThreadPoolExecutor(1) as pool:
        served.experimental_thread_pool = pool  # type: ignore[attr-defined]  # how grpcio is told
        method = Method.of(grpc.unary_unary_rpc_method_handler(served))
        handler = method.around(behave, bytes)
        assert getattr(handler.stream_unary, "experimental_thread_pool", None) is pool


def call() -> GrpcCall:
    return GrpcCall("/shop.Cart/Get", (), received_at=Timestamp(1), report=lambda _: None)


def test_what_is_no_bytes_is_no_response() -> None:
    with pytest.raises(TypeError, match="a response must be bytes, not str"):
        call().written(None, "text")


class Aborted(Exception):  # noqa: N818 - what happened, no error
    """What grpcio raises."""


@dataclass
class Wire:
    """A context of grpcio's."""

    trailing: object = ()
    said: list[object] = field(default_factory=list)

    def peer(self) -> str:
        return "unix:"

    def auth_context(self) -> Mapping[str, Any]:
        return {}

    def time_remaining(self) -> None:
        return None

    def set_code(self, code: object, /) -> None:
        self.said.append(code)

    def set_details(self, details: str, /) -> None:
        self.said.append(details)

    def set_trailing_metadata(self, metadata: object, /) -> None:
        self.trailing = metadata


class ThreadWire(Wire):
    """Of a thread."""

    def send_initial_metadata(self, metadata: object, /) -> None:
        self.said.append(metadata)

    def abort(self, code: object, details: str, /) -> NoReturn:
        self.said += (code, details)
        raise Aborted

    def is_active(self) -> bool:
        return True

    def add_callback(self, callback: Callable[[], None], /) -> bool:
        self.said.append(callback)
        return True


class LoopWire(Wire):
    """Of a loop."""

    async def send_initial_metadata(self, metadata: object, /) -> None:
        self.said.append(metadata)

    async def read(self) -> object:
        return None

    async def write(self, message: bytes, /) -> None:
        self.said.append(message)

    async def abort(self, code: object, details: str, trailing_metadata: object, /) -> NoReturn:
        self.said += (code, details)
        self.trailing = trailing_metadata
        raise Aborted


@dataclass(frozen=True)
class Status:
    """As of grpcio-status."""

    code: grpc.StatusCode = grpc.StatusCode.ABORTED
    details: str | None = "again"
    trailing_metadata: tuple[tuple[str, str | bytes], ...] = (("grpc-status-details-bin", b"1"),)


def test_a_rich_status_ends_a_call_of_a_thread() -> None:
    wire, noted = ThreadWire(), call()
    with pytest.raises(Aborted):
        BlockingContext(wire, noted).abort_with_status(Status())
    assert wire.said == [grpc.StatusCode.ABORTED, "again"]
    assert wire.trailing == noted.trailing == Status.trailing_metadata
    assert (noted.code, noted.details) == (10, "again")


async def test_a_rich_status_ends_a_call_of_a_loop() -> None:
    wire, noted = LoopWire(), call()
    with pytest.raises(Aborted):
        await AsyncContext(wire, noted, None).abort_with_status(Status())
    assert wire.said == [grpc.StatusCode.ABORTED, "again"]
    assert wire.trailing == noted.trailing == Status.trailing_metadata
    assert (noted.code, noted.details) == (10, "again")


def test_an_abort_with_ok_is_unknown_as_grpcio_has_it() -> None:
    noted = call()
    noted.abort(0, "")
    assert noted.code == 2


def test_everything_else_is_grpcios_own() -> None:
    wire = ThreadWire()
    assert BlockingContext(wire, call()).said is wire.said


def test_codes_may_be_numbers() -> None:
    assert number_of(5) == number_of(grpc.StatusCode.NOT_FOUND) == 5
