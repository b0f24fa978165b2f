"""Calls whose handlers run in threads: check, handler, end.

For `grpc.server`, and for plain functions among the handlers of grpcio's asyncio server.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NoReturn, Protocol, cast

import grpc

from remixer.foundation.errors import PolicyError, StartupError, UnavailableError
from remixer.foundation.log import event_log
from remixer.foundation.status import Code
from remixer.mixer.http_answer import Answer, HttpAnswer
from remixer.mixer.outcome import CheckOutcome
from remixer.mixer.request import CheckRequest
from remixer.sidecar.grpc_answer import grpc_refusal
from remixer.sidecar.grpc_call import UNREADABLE, GrpcCall, GrpcInbound
from remixer.sidecar.grpc_contexts import BlockingContext, BlockingWire
from remixer.sidecar.grpc_handlers import Behaviour, Handler, Method
from remixer.transport.remote_port import RemoteSetupError

NOT_STARTED: Final = "the Mixer of this service could not be started"
ONE_REQUEST: Final = "this method takes exactly one request message"
MISSING: Final = "Method not found!"  # grpcio's words, as are the next
UNWRITABLE: Final = "Failed to serialize response!"
_log: Final = event_log(__name__)


class Checker(Protocol):
    """Of `BlockingAppMixer` what is asked here."""

    def check(self, request: CheckRequest) -> CheckOutcome: ...


class Server(Protocol):
    """What servers do differently with a call of a thread."""

    def watch(self, wire: BlockingWire, call: GrpcCall) -> None:
        """See that the call finishes when its client has gone, maybe now."""
        ...

    def is_over(self, wire: BlockingWire) -> bool:
        """Whether nobody waits for the handler any more."""
        ...

    def failure_text(self, error: Exception, call: GrpcCall, *, is_iterating: bool) -> str:
        """What a client is told of what a handler raised."""
        ...

    def fail_writing(self, error: Exception, context: BlockingContext) -> NoReturn:
        """End a call of which a response cannot be serialized."""
        ...


class ThreadCalls:
    """Puts a check before handlers, and takes note of how they end."""

    def __init__(self, inbound: GrpcInbound, mixer: Checker, server: Server) -> None:
        self._inbound = inbound
        self._mixer = mixer
        self._server = server

    def handler(self, call: GrpcCall, method: Method) -> Handler:
        """For this one call."""
        behave = self._streaming if method.gives_stream else self._single
        # A single request is read here, where a failure can still be told in order.
        deserialize = method.deserialize if method.takes_stream else None
        return method.around(behave(call, method), call.counted_in(deserialize))

    # ------------------------------------------------------------ behaviours

    def _single(self, call: GrpcCall, method: Method) -> Behaviour:
        def behave(requests: Iterator[object], wire: BlockingWire) -> bytes:
            context = BlockingContext(wire, call)
            with self._ending(call, wire, context, is_iterating=False):
                argument = _argument(method, requests, context)
                raw = self._written(call, method, method.behaviour(argument, context), context)
                context.begin()
            return raw

        return behave

    def _streaming(self, call: GrpcCall, method: Method) -> Behaviour:
        def behave(requests: Iterator[object], wire: BlockingWire) -> Iterator[bytes]:
            context = BlockingContext(wire, call)
            with self._ending(call, wire, context, is_iterating=True):
                argument = _argument(method, requests, context)
                for response in cast("Iterator[object]", method.behaviour(argument, context)):
                    raw = self._written(call, method, response, context)
                    context.begin()
                    yield raw
                context.begin()

        return behave

    @contextmanager
    def _ending(
        self, call: GrpcCall, wire: BlockingWire, context: BlockingContext, *, is_iterating: bool
    ) -> Iterator[None]:
        """Around a handler: what it comes to becomes the call's end, as grpcio has it."""
        server = self._server
        try:
            self._admit(call, wire, context)
            yield
        except Exception as error:
            if not call.is_aborted and not server.is_over(wire):
                context.begin()
                text = server.failure_text(error, call, is_iterating=is_iterating)
                call.end(call.code or Code.UNKNOWN, text)
            raise
        else:
            if not server.is_over(wire):
                call.complete()
        finally:
            call.finish()

    # ------------------------------------------------------------ steps

    def _admit(self, call: GrpcCall, wire: BlockingWire, context: BlockingContext) -> None:
        """Ends the call if it may not pass."""
        try:
            answer = self._decided(call, wire)
        finally:
            # Not before: what is reported does not change any more.
            self._server.watch(wire, call)
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

    def _written(
        self, call: GrpcCall, method: Method, response: object, context: BlockingContext
    ) -> bytes:
        try:
            return call.written(method.serialize, response)
        except Exception as error:  # noqa: BLE001 - a serializer is the service's
            if call.code and response is None:
                return b""  # with another status than OK there is none
            _log.error("response_not_serialized", method=call.method, error=type(error).__name__)
            self._server.fail_writing(error, context)


def _argument(method: Method, requests: Iterator[object], context: BlockingContext) -> object:
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
    except Exception as error:  # noqa: BLE001 - whatever it is, the client sent it
        _log.warning("request_not_deserialized", error=type(error).__name__)
        context.abort(grpc.StatusCode.INTERNAL, UNREADABLE)
