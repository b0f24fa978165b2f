"""Calls whose handlers run in an event loop: check, handler, end. For grpcio's asyncio server."""

import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import aclosing, asynccontextmanager
from typing import TypeAlias, cast

import grpc
from grpc import aio

from remixer.foundation.errors import PolicyError
from remixer.foundation.status import Code
from remixer.mixer.http_answer import Answer, HttpAnswer
from remixer.mixer.outcome import CheckOutcome
from remixer.mixer.request import CheckRequest
from remixer.sidecar.grpc_answer import grpc_refusal
from remixer.sidecar.grpc_call import GrpcCall, GrpcInbound
from remixer.sidecar.grpc_contexts import AsyncContext, AsyncWire
from remixer.sidecar.grpc_handlers import Behaviour, Handler, Method
from remixer.sidecar.grpc_threads import ONE_REQUEST

Check: TypeAlias = Callable[[CheckRequest], Coroutine[object, None, tuple[CheckOutcome, bool]]]
"""Gives the outcome, and whether it was there without waiting."""


class TaskCalls:
    """Puts a check before handlers, and takes note of how they end."""

    def __init__(self, inbound: GrpcInbound, check: Check) -> None:
        self._inbound = inbound
        self._check = check

    def handler(self, call: GrpcCall, method: Method) -> Handler:
        """For this one call."""
        behave = self._streaming if method.gives_stream else self._single
        return method.around(behave(call, method), call.counted_in(method.deserialize))

    # ------------------------------------------------------------ behaviours

    def _single(self, call: GrpcCall, method: Method) -> Behaviour:
        async def behave(requests: object, wire: AsyncWire) -> bytes:
            context = AsyncContext(wire, call, method.serialize)
            async with _ending(call, context):
                await self._admit(call, wire, context)
                argument = await _argument(method, requests, context)
                response = await cast("Awaitable[object]", method.behaviour(argument, context))
                # With another status than OK there is none.
                raw = b"" if call.code else call.written(method.serialize, response)
                await context.begin()
            return raw

        return behave

    def _streaming(self, call: GrpcCall, method: Method) -> Behaviour:
        async def behave(requests: object, wire: AsyncWire) -> None:
            context = AsyncContext(wire, call, method.serialize)
            async with _ending(call, context):
                await self._admit(call, wire, context)
                argument = await _argument(method, requests, context)
                await _stream(method.behaviour, argument, context)
                await context.begin()

        return behave

    # ------------------------------------------------------------ steps

    async def _admit(self, call: GrpcCall, wire: AsyncWire, context: AsyncContext) -> None:
        """Ends the call if it may not pass."""
        answer = await self._decided(call, wire)
        if isinstance(answer, Answer):
            await context.refuse(grpc_refusal(answer))
        call.passed(answer)

    async def _decided(self, call: GrpcCall, wire: AsyncWire) -> HttpAnswer:
        exchange, request = self._inbound.asked(call, wire)
        try:
            outcome, is_answered_now = await self._check(request)
        except PolicyError as error:
            return exchange.refuse(error)
        return exchange.decide(outcome, is_answered_now=is_answered_now)


@asynccontextmanager
async def _ending(call: GrpcCall, context: AsyncContext) -> AsyncIterator[None]:
    """Around a handler: what it comes to becomes the call's end, as grpcio has it."""
    try:
        yield
    except aio.InternalError:
        # The client went away between two messages: nobody is left to be told.
        raise
    except Exception as error:
        if not call.is_aborted:
            await context.begin()
            call.end(call.code or Code.UNKNOWN, unexpected(error))
        raise
    else:
        call.complete()
    finally:
        call.finish()


def unexpected(error: Exception) -> str:
    """What grpcio tells clients of what a handler raised."""
    return f"Unexpected {type(error)}: {error}"


async def _argument(method: Method, requests: object, context: AsyncContext) -> object:
    """What the handler is called with."""
    if method.takes_stream:
        return requests
    request = await context.read()
    if request is aio.EOF:  # type: ignore[attr-defined]  # missing in the stubs
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, ONE_REQUEST)
    return request


async def _stream(behaviour: Behaviour, argument: object, context: AsyncContext) -> None:
    """Either kind of handler: one that writes by itself, or a generator."""
    if inspect.iscoroutinefunction(behaviour):
        await behaviour(argument, context)
        return
    generator = cast("AsyncGenerator[object, None]", behaviour(argument, context))
    async with aclosing(generator) as responses:
        async for response in responses:
            await context.write(response)
