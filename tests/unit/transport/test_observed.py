"""Watched methods: the same answers, and one note per call."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field

import pytest

from remixer.foundation.deadline import Deadline
from remixer.foundation.status import Code
from remixer.transport.observed import CallRecorder, observed
from remixer.transport.port import (
    CallContext,
    Peer,
    RpcError,
    StreamHandler,
    StreamMethod,
    UnaryHandler,
    UnaryMethod,
)


class SteppingClock:
    """Each look is a second later."""

    def __init__(self) -> None:
        self._now_s = 0.0

    def unix_ns(self) -> int:
        return 0

    def monotonic_s(self) -> float:
        self._now_s += 1.0
        return self._now_s


@dataclass
class Notes:
    lines: list[tuple[str, str, float]] = field(default_factory=list)

    def call_recorder(self, method: str) -> CallRecorder:
        def record(code: str, seconds: float) -> None:
            self.lines.append((method, code, seconds))

        return record


class NoCall:
    metadata: Mapping[str, str] = {}
    deadline: Deadline | None = None
    peer = Peer("unix:")

    def set_trailing_metadata(self, metadata: Mapping[str, str]) -> None:
        raise NotImplementedError


PATH = "/s/m"
CALL = NoCall()


def watched_unary(handle: UnaryHandler, notes: Notes) -> UnaryHandler:
    (method,) = observed([UnaryMethod(PATH, handle)], observer=notes, clock=SteppingClock())
    assert isinstance(method, UnaryMethod)
    assert method.path == PATH
    return method.handle


def watched_stream(handle: StreamHandler, notes: Notes) -> StreamHandler:
    (method,) = observed([StreamMethod(PATH, handle)], observer=notes, clock=SteppingClock())
    assert isinstance(method, StreamMethod)
    return method.handle


def raising(error: BaseException) -> Callable[[bytes, CallContext], bytes]:
    def handle(_request: bytes, _call: CallContext) -> bytes:
        raise error

    return handle


async def requests(*given: bytes) -> AsyncIterator[bytes]:
    for each in given:
        yield each


def test_plain_handler_stays_plain() -> None:
    notes = Notes()
    assert watched_unary(lambda request, _call: request, notes)(b"x", CALL) == b"x"
    assert notes.lines == [(PATH, "OK", 1.0)]


async def test_awaited_handler_is_timed_to_its_end() -> None:
    async def later(request: bytes, _call: CallContext) -> bytes:
        await asyncio.sleep(0)
        return request

    notes = Notes()
    response = watched_unary(later, notes)(b"x", CALL)
    assert notes.lines == []
    assert isinstance(response, Awaitable)
    assert await response == b"x"
    assert notes.lines == [(PATH, "OK", 1.0)]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        *((RpcError(code, "no"), code.name) for code in Code),
        (KeyError(), "INTERNAL"),
        (asyncio.CancelledError(), "CANCELLED"),
    ],
)
async def test_error_is_noted_with_its_code_and_passes(error: BaseException, code: str) -> None:
    async def later(request: bytes, call: CallContext) -> bytes:
        return raising(error)(request, call)

    notes = Notes()
    with pytest.raises(type(error)):
        watched_unary(raising(error), notes)(b"", CALL)
    response = watched_unary(later, notes)(b"", CALL)
    assert isinstance(response, Awaitable)
    with pytest.raises(type(error)):
        await response
    assert [line[1] for line in notes.lines] == [code, code]


async def test_stream_is_noted_once_at_its_end() -> None:
    async def echo(given: AsyncIterator[bytes], _call: CallContext) -> AsyncIterator[bytes]:
        async for each in given:
            yield each

    notes = Notes()
    answers = watched_stream(echo, notes)(requests(b"a", b"b"), CALL)
    assert [each async for each in answers] == [b"a", b"b"]
    assert notes.lines == [(PATH, "OK", 1.0)]


async def test_stream_closed_early_closes_its_handler_and_counts_as_cancelled() -> None:
    ended = asyncio.Event()

    async def push(_given: AsyncIterator[bytes], _call: CallContext) -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"x"
        finally:
            ended.set()

    notes = Notes()
    stream = watched_stream(push, notes)(requests(), CALL)
    async with aclosing(stream) as answers:  # type: ignore[type-var]  # an async generator
        async for _ in answers:
            break
    assert notes.lines == [(PATH, "CANCELLED", 1.0)]
    assert ended.is_set()
