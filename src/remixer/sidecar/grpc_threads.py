"""Calls whose handlers run in threads: check, handler, end.

For `grpc.server`, and for plain functions among the handlers of grpcio's asyncio server.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Protocol, cast

import grpc

from remixer.foundation.errors import PolicyError, StartupError, UnavailableError
from remixer.foundation.log import event_log
from remixer.foundation.status import Code
from remixer.mixer.http_answer import Answer, HttpAnswer
from remixer.mixer.outcome import CheckOutcome
from remixer.mixer.request import CheckRequest
from remixer.sidecar.grpc_answer import grpc_refusal
from remixer.sidecar.grpc_call import GrpcCall, GrpcInbound
from remixer.sidecar.grpc_contexts import BlockingContext, BlockingWire
from remixer.sidecar.grpc_handlers import Behaviour, Handler, Method
from remixer.transport.remote_port import RemoteSetupError

NOT_STARTED: Final = "the Mixer of this service could not be started"
ONE_REQUEST: Final = "this method takes exactly one request message"
MISSING: Final = "Method not found!"  # grpcio's words, as are the next three
_CALLING: Final = "Exception calling application"
_ITERATING: Final = "Exception iterating responses"
_UNREADABLE: Final = "Exception deserializing request!"
_UNWRITABLE: Final = "Failed to serialize response!"
_log: Final = event_log(__name__)


class Checker(Protocol):
    """Of `BlockingAppMixer` what is asked here."""

    def check(self, request: CheckRequest) -> CheckOutcome: ...


class Ends(Protocol):
    """How a server tells that it is done with a call."""

    def watch(self, wire: BlockingWire, call: GrpcCall) -> None:
        """See that the call finishes when the server is done with it, maybe now."""
        ...

    def is_over(self, wire: BlockingWire, call: GrpcCall) -> bool:
        """Whether nobody waits for the handler any more."""
        ...


class ThreadCalls:
    """Puts a check before handlers, and takes note of how they end."""

    def __init__(self, inbound: GrpcInbound, mixer: Checker, ends: Ends) -> None:
        self._inbound = inbound
        self._mixer = mixer
        self._ends = ends

    def handler(self, call: GrpcCall, method: Method) -> Handler:
        """For this one call."""

        def unread(_error: Exception) -> None:
            call.end(Code.INTERNAL, _UNREADABLE)

        def unwritten(_error: Exception) -> None:
            call.end(call.code or Code.INTERNAL, call.details or _UNWRITABLE)

        return method.around(
            self._streaming(call, method) if method.gives_stream else self._single(call, method),
            # A single request is read here, where a failure can still be told in order.
            deserialize=call.counted_in(
                method.deserialize if method.takes_stream else None, unread
            ),
            serialize=call.counted_out(method.serialize, unwritten),
        )

    # ------------------------------------------------------------ behaviours

    def _single(self, call: GrpcCall, method: Method) -> Behaviour:
        def behave(requests: Iterator[object], wire: BlockingWire) -> object:
            context = BlockingContext(wire, call)
            with self._ending(call, wire, context, _CALLING):
                argument = self._argument(call, method, requests, context)
                response = method.behaviour(argument, context)
                context.begin()
            return response

        return behave

    def _streaming(self, call: GrpcCall, method: Method) -> Behaviour:
        def behave(requests: Iterator[object], wire: BlockingWire) -> Iterator[object]:
            context = BlockingContext(wire, call)
            with self._ending(call, wire, context, _ITERATING):
                argument = self._argument(call, method, requests, context)
                for response in cast("Iterator[object]", method.behaviour(argument, context)):
                    context.begin()
                    yield response
                context.begin()

        return behave

    @contextmanager
    def _ending(
        self, call: GrpcCall, wire: BlockingWire, context: BlockingContext, doing: str
    ) -> Iterator[None]:
        """Around a handler: what it comes to becomes the call's end, as grpcio has it."""
        try:
            self._admit(call, wire, context)
            yield
        except Exception as error:
            if not call.is_aborted and not self._ends.is_over(wire, call):
                context.begin()
                call.end(call.code or Code.UNKNOWN, call.details or f"{doing}: {error}")
            raise
        if not self._ends.is_over(wire, call):
            call.complete()

    # ------------------------------------------------------------ steps

    def _admit(self, call: GrpcCall, wire: BlockingWire, context: BlockingContext) -> None:
        """Ends the call if it may not pass."""
        try:
            answer = self._decided(call, wire)
        finally:
            # Not before: what is reported does not change any more.
            self._ends.watch(wire, call)
        if isinstance(answer, Answer):
            context.refuse(grpc_refusal(answer))
        call.passed(answer)

    def _decided(self, call: GrpcCall, wire: BlockingWire) -> HttpAnswer:
        exchange, request = self._inbound.asked(call, wire)
        try:
            outcome = self._mixer.check(request)
        except PolicyError as error:
            return exchange.refuse(error)
        except (StartupError, RemoteSetupError) as error:
            _log.error("mixer_not_started", method=call.method, reason=str(error))
            return exchange.refuse(UnavailableError(NOT_STARTED))
        # A remembered verdict comes with grants of tokens at hand.
        return exchange.decide(outcome, is_answered_now=True)

    def _argument(
        self, call: GrpcCall, method: Method, requests: Iterator[object], context: BlockingContext
    ) -> object:
        """What the handler is called with."""
        if method.takes_stream:
            return requests
        request = next(requests, None)
        if request is None:
            context.abort(grpc.StatusCode.UNIMPLEMENTED, ONE_REQUEST)
        if method.deserialize is None:
            return request
        try:
            return method.deserialize(cast("bytes", request))
        except Exception:  # noqa: BLE001 - whatever it is, the client sent it
            _log.warning("request_not_deserialized", method=call.method)
            context.abort(grpc.StatusCode.INTERNAL, _UNREADABLE)
