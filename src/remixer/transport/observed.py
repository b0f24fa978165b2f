"""Methods that tell an observer how each call ended. Works with every HTTP/2 stack.

Refusals by the stack itself (unknown method, message too large) are not seen here.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from typing import Final, Protocol, TypeAlias

from remixer.foundation.clock import Clock
from remixer.foundation.status import Code
from remixer.transport.port import (
    CallContext,
    Method,
    RpcError,
    StreamHandler,
    StreamMethod,
    UnaryHandler,
    UnaryMethod,
)

CallRecorder: TypeAlias = Callable[[str, float], None]
"""Told of each call that ended: its status's name, as `OK` or `PERMISSION_DENIED`; its seconds."""

_NAMES: Final = tuple(code.name for code in Code)
"""By number. `Code.name` and a look-up by `Code` both run Python."""
_OK: Final = Code.OK.name


class RpcObserver(Protocol):
    """Counts calls."""

    def call_recorder(self, method: str) -> CallRecorder:
        """For the calls of one method, by its path. Must be cheap and must not raise."""
        ...


def observed(
    methods: Sequence[Method], *, observer: RpcObserver, clock: Clock
) -> tuple[Method, ...]:
    """The same methods, watched; a plain unary handler stays plain."""
    return tuple(
        _observed(method, observer.call_recorder(method.path), clock.monotonic_s)
        for method in methods
    )


def _observed(method: Method, record: CallRecorder, now_s: Callable[[], float]) -> Method:
    match method:
        case UnaryMethod():
            return UnaryMethod(method.path, _observed_unary(method.handle, record, now_s))
        case StreamMethod():
            return StreamMethod(method.path, _observed_stream(method.handle, record, now_s))


def _observed_unary(
    handle: UnaryHandler, record: CallRecorder, now_s: Callable[[], float]
) -> UnaryHandler:
    """A function and not an object with `__call__`: half the price, and each call pays it."""

    def answer(request: bytes, call: CallContext) -> bytes | Awaitable[bytes]:
        started_at_s = now_s()
        try:
            response = handle(request, call)
        except BaseException as error:
            record(_code_of(error), now_s() - started_at_s)
            raise
        if isinstance(response, bytes):
            record(_OK, now_s() - started_at_s)
            return response
        return later(response, started_at_s)

    async def later(response: Awaitable[bytes], started_at_s: float) -> bytes:
        try:
            found = await response
        except BaseException as error:
            record(_code_of(error), now_s() - started_at_s)
            raise
        record(_OK, now_s() - started_at_s)
        return found

    return answer


def _observed_stream(
    handle: StreamHandler, record: CallRecorder, now_s: Callable[[], float]
) -> StreamHandler:
    async def answer(requests: AsyncIterator[bytes], call: CallContext) -> AsyncIterator[bytes]:
        started_at_s = now_s()
        responses = handle(requests, call)
        try:
            async for response in responses:
                yield response
        except BaseException as error:
            record(_code_of(error), now_s() - started_at_s)
            raise
        else:
            record(_OK, now_s() - started_at_s)
        finally:
            if isinstance(responses, AsyncGenerator):
                await responses.aclose()

    return answer


def _code_of(error: BaseException) -> str:
    if isinstance(error, RpcError):
        return _NAMES[error.code]
    if isinstance(error, asyncio.CancelledError | GeneratorExit):
        return Code.CANCELLED.name
    return Code.INTERNAL.name
