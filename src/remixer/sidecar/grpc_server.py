"""Interceptors for gRPC servers in Python, asynchronous or of threads.

    mixer = MixerClient("mixer:9091")
    server = grpc.aio.server(interceptors=[MixerInterceptor(mixer)])

    mixer = BlockingMixerClient("mixer:9091")
    server = grpc.server(pool, interceptors=[BlockingMixerInterceptor(mixer)])

Every call is checked before its request is read and its handler called, and reported when gRPC is
done with it: after the last byte, or when the client has gone. The Mixer starts with the first
call; closing it, after the server has stopped, is up to whoever made it.

Theory of operation. An interceptor is asked for the handler of each call. It gives one that checks,
then calls the server's own with a context that takes note of the end (`grpc_tasks`, `grpc_threads`;
`grpc_call` is what they note it in).
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Final, NoReturn, cast

import grpc
from grpc import aio

from remixer.attributes.bag import Bag
from remixer.attributes.values import Value
from remixer.foundation.clock import Clock
from remixer.foundation.errors import StartupError, UnavailableError
from remixer.foundation.log import event_log
from remixer.mixer.outcome import CheckOutcome
from remixer.mixer.request import CheckRequest
from remixer.sidecar.app_mixer import AppMixer, BlockingAppMixer, for_asyncio, for_threads
from remixer.sidecar.grpc_call import GrpcCall, GrpcInbound
from remixer.sidecar.grpc_contexts import AsyncContext, BlockingContext, BlockingWire
from remixer.sidecar.grpc_handlers import Handler, Method
from remixer.sidecar.grpc_tasks import Check, TaskCalls, unexpected
from remixer.sidecar.grpc_threads import MISSING, NOT_STARTED, UNWRITABLE, ThreadCalls
from remixer.sidecar.hop_trust import HopTrust
from remixer.sidecar.inbound import Quotas
from remixer.transport.remote_port import RemoteSetupError

_log: Final = event_log(__name__)
_NOBODY: Final = HopTrust()
_NO_ATTRIBUTES: Final[Mapping[str, Value]] = {}
_NO_QUOTAS: Final[Mapping[str, int]] = {}

if TYPE_CHECKING:
    # The stubs have parameters that the classes themselves lack.
    _AsyncInterceptor = aio.ServerInterceptor[object, object]
    _Interceptor = grpc.ServerInterceptor[object, object]
else:
    _AsyncInterceptor = aio.ServerInterceptor
    _Interceptor = grpc.ServerInterceptor


class MixerInterceptor(_AsyncInterceptor):
    """Asks `mixer` about every call of a `grpc.aio.server`."""

    def __init__(
        self,
        mixer: AppMixer,
        *,
        attributes: Mapping[str, Value | Mapping[str, str]] = _NO_ATTRIBUTES,
        quotas: Quotas = _NO_QUOTAS,
        exclude: Iterable[str] = (),
        trust: HopTrust = _NOBODY,
        authority: str = "",
        clock: Clock | None = None,
    ) -> None:
        """`attributes`: of this service, for every check and report, `destination.uid` say.

        `quotas`: what each call is charged. `exclude`: methods that are neither checked nor
        reported, `/package.Service/Method`, or `/package.Service/` for all of a service. `trust`:
        whose metadata tells where a call comes from. `authority`: what clients call this server,
        for `request.host`, which gRPC does not tell. Raises ValueError for an `exclude` that is no
        path, and TypeError for a Mixer for threads.
        """
        self._mixer = for_asyncio(mixer)
        self._inbound = GrpcInbound(
            attributes=attributes,
            quotas=quotas,
            exclude=exclude,
            trust=trust,
            authority=authority,
            clock=clock,
        )
        self._tasks = TaskCalls(self._inbound, self._check)
        self._loop: asyncio.AbstractEventLoop | None = None
        """In which the Mixer is of use."""

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler:
        handler = await continuation(handler_call_details)
        path = handler_call_details.method
        if self._inbound.is_excluded(path):
            return cast("Handler", handler)  # None is right, but for the stubs
        await self._start(path)
        metadata = handler_call_details.invocation_metadata
        method = _MISSING_ASYNC if handler is None else Method.of(handler)
        if method.is_async:
            call = self._inbound.begun(path, metadata, self._report)
            return self._tasks.handler(call, method)
        beside = _BesideLoop(self._check, self._report)
        call = self._inbound.begun(path, metadata, beside.report)
        return ThreadCalls(self._inbound, beside, beside).handler(call, method)

    async def _start(self, method: str) -> None:
        """Without success the check says so to the client, and the next call tries again."""
        loop = asyncio.get_running_loop()
        if loop is self._loop:
            return
        try:
            await self._mixer.start()
        except (StartupError, RemoteSetupError) as error:
            _log.error("mixer_not_started", method=method, reason=str(error))
        else:
            self._loop = loop

    async def _check(self, request: CheckRequest) -> tuple[CheckOutcome, bool]:
        if self._loop is None:
            raise UnavailableError(NOT_STARTED)
        port = self._mixer.port
        outcome = port.check_now(request)
        return (await port.check(request), False) if outcome is None else (outcome, True)

    def _report(self, bag: Bag) -> None:
        if self._loop is not None:  # else it never started, and the log says why
            self._mixer.port.report((bag,))


class BlockingMixerInterceptor(_Interceptor):
    """Asks `mixer` about every call of a `grpc.server`."""

    def __init__(
        self,
        mixer: BlockingAppMixer,
        *,
        attributes: Mapping[str, Value | Mapping[str, str]] = _NO_ATTRIBUTES,
        quotas: Quotas = _NO_QUOTAS,
        exclude: Iterable[str] = (),
        trust: HopTrust = _NOBODY,
        authority: str = "",
        clock: Clock | None = None,
    ) -> None:
        """Settings are those of `MixerInterceptor`. Raises TypeError for a Mixer for asyncio."""
        self._report = for_threads(mixer).report
        self._inbound = GrpcInbound(
            attributes=attributes,
            quotas=quotas,
            exclude=exclude,
            trust=trust,
            authority=authority,
            clock=clock,
        )
        self._threads = ThreadCalls(self._inbound, mixer, _ThreadServer())

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Handler | None],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        handler = continuation(handler_call_details)
        path = handler_call_details.method
        if self._inbound.is_excluded(path):
            return handler
        call = self._inbound.begun(path, handler_call_details.invocation_metadata, self._report)
        method = _MISSING if handler is None else Method.of(handler)
        return self._threads.handler(call, method)


class _ThreadServer:
    """`Server` of the calls of `grpc.server`."""

    def watch(self, wire: BlockingWire, call: GrpcCall) -> None:
        if not wire.add_callback(call.finish):
            call.finish()

    def is_over(self, wire: BlockingWire) -> bool:
        return not wire.is_active()

    def failure_text(self, error: Exception, call: GrpcCall, *, is_iterating: bool) -> str:
        doing = "iterating responses" if is_iterating else "calling application"
        return call.details or f"Exception {doing}: {error}"

    def fail_writing(self, error: Exception, context: BlockingContext) -> NoReturn:  # noqa: ARG002 - the port's
        context.abort(grpc.StatusCode.INTERNAL, UNWRITABLE)


class _BesideLoop:
    """`Server` and `Checker` of one call that grpcio's asyncio server gives to a thread.

    Made in the call's task, which is also the one in which the interceptor is asked.
    """

    def __init__(self, check: Check, report: Callable[[Bag], None]) -> None:
        self._check = check
        self._report = report
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()

    def check(self, request: CheckRequest) -> CheckOutcome:
        outcome, _ = asyncio.run_coroutine_threadsafe(self._check(request), self._loop).result()
        return outcome

    def report(self, bag: Bag) -> None:
        self._loop.call_soon_threadsafe(self._report, bag)

    def watch(self, wire: BlockingWire, call: GrpcCall) -> None:  # noqa: ARG002 - the port's
        if self._task is not None:
            self._loop.call_soon_threadsafe(self._task.add_done_callback, lambda _: call.finish())

    def is_over(self, wire: BlockingWire) -> bool:  # noqa: ARG002 - the port's
        return self._task is not None and (self._task.done() or self._task.cancelling() > 0)

    def failure_text(
        self,
        error: Exception,
        call: GrpcCall,  # noqa: ARG002 - the port's
        *,
        is_iterating: bool,  # noqa: ARG002 - the port's
    ) -> str:
        return unexpected(error)

    def fail_writing(self, error: Exception, context: BlockingContext) -> NoReturn:  # noqa: ARG002 - the port's
        # Not by `abort`: after a message grpcio's asyncio server loses every other one of these.
        raise error


async def _missing_async(_requests: object, context: AsyncContext) -> None:
    """The behaviour of methods that a server does not have."""
    await context.abort(grpc.StatusCode.UNIMPLEMENTED, MISSING)


def _missing(_requests: object, context: BlockingContext) -> None:
    """The same for threads."""
    context.abort(grpc.StatusCode.UNIMPLEMENTED, MISSING)


_MISSING: Final = Method(_missing, takes_stream=True, gives_stream=False)
_MISSING_ASYNC: Final = Method(_missing_async, takes_stream=True, gives_stream=False)
