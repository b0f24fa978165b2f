"""Middleware for ASGI 3: Starlette, FastAPI, Litestar, Quart, Django and plain applications.

    mixer = MixerClient("mixer:9091")
    app = MixerMiddleware(app, mixer, attributes={"destination.service.name": "cart"})

Every request is checked before the application sees it and reported after its response. A verdict
that is at hand costs no task and no wait.
"""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Final

from remixer.attributes.byte_headers import ByteHeaders
from remixer.attributes.values import Timestamp, Value
from remixer.foundation.clock import Clock, SystemClock
from remixer.foundation.errors import PolicyError
from remixer.mixer.http_answer import Answer, HttpAnswer, Pass
from remixer.mixer.request import CheckRequest
from remixer.sidecar.app_mixer import AppMixer, for_asyncio
from remixer.sidecar.asgi_http import App, HttpFlow, Receive, Send, send_answer
from remixer.sidecar.asgi_lifespan import Lifespan
from remixer.sidecar.asgi_scope import (
    Scope,
    ScopeReader,
    changed_scope,
    without_forwarded,
)
from remixer.sidecar.asgi_waiting import LookedAhead, may_look_ahead
from remixer.sidecar.asgi_websocket import WebSocketFlow, refuse_websocket
from remixer.sidecar.exchange import Decisions, Exchange
from remixer.sidecar.hop_trust import HopReader, HopTrust
from remixer.sidecar.inbound import Inbound, Quotas

_NOBODY: Final = HopTrust()
_NO_ATTRIBUTES: Final[Mapping[str, Value]] = {}
_NO_QUOTAS: Final[Mapping[str, int]] = {}


class MixerMiddleware:
    """Asks `mixer` about every request of `app`."""

    def __init__(
        self,
        app: App,
        mixer: AppMixer,
        *,
        attributes: Mapping[str, Value | Mapping[str, str]] = _NO_ATTRIBUTES,
        quotas: Quotas = _NO_QUOTAS,
        exclude: Iterable[str] = (),
        trust: HopTrust = _NOBODY,
        clock: Clock | None = None,
    ) -> None:
        """`attributes`: of this service, for every check and report, `destination.uid` say.

        `quotas`: what each request is charged. `exclude`: paths that are neither checked nor
        reported. `trust`: whose headers tell where a request comes from. Raises ValueError for an
        `exclude` that is no path, and TypeError for a Mixer for threads.

        The Mixer is started and closed with the application's lifespan; without one it starts with
        the first request, and closing it is up to whoever made it.
        """
        self._app = app
        self._mixer = for_asyncio(mixer)
        self._inbound = Inbound(attributes=attributes, quotas=quotas, exclude=exclude)
        self._reader = ScopeReader(HopReader(trust))
        self._clock = clock or SystemClock()
        self._decisions = Decisions()
        self._loop: asyncio.AbstractEventLoop | None = None
        """In which the Mixer is of use."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind == "lifespan":
            life = Lifespan(self._mixer, receive=receive, send=send, on_start=self._note_loop)
            try:
                await life.run(self._app, scope)
            finally:
                self._loop = None
            return
        if kind not in {"http", "websocket"} or self._inbound.is_excluded(scope["path"]):
            await self._app(scope, receive, send)
            return
        if asyncio.get_running_loop() is not self._loop:
            await self._mixer.start()
            self._note_loop()
        exchange, headers, scope = self._begun(scope)
        request = self._inbound.request(exchange.bag)
        answer = self._decided_now(exchange, request)
        if answer is None:
            ahead = LookedAhead(receive)
            receive = ahead.receive
            watch = ahead if kind == "http" and may_look_ahead(headers) else None
            answer = await self._decided(exchange, request, watch)
        if isinstance(answer, Pass):
            await self._passed(exchange, answer, scope, receive, send)
        elif answer is not None:
            await self._answered(exchange, answer, scope, receive, send)

    # ------------------------------------------------------------ steps

    def _begun(self, scope: Scope) -> tuple[Exchange, ByteHeaders, Scope]:
        """And the scope as the application may see it."""
        received_at = Timestamp(self._clock.unix_ns())
        headers = ByteHeaders(scope["headers"])
        facts, forwarded = self._reader.facts(scope, headers, received_at)
        bag = self._inbound.bag(facts, forwarded)
        exchange = Exchange(
            bag,
            headers,
            clock=self._clock,
            received_at=received_at,
            decisions=self._decisions,
        )
        return exchange, headers, scope if forwarded is None else without_forwarded(scope)

    def _decided_now(self, exchange: Exchange, request: CheckRequest) -> HttpAnswer | None:
        try:
            outcome = self._mixer.port.check_now(request)
        except PolicyError as error:
            return exchange.refuse(error)
        return None if outcome is None else exchange.decide(outcome, is_answered_now=True)

    async def _decided(
        self, exchange: Exchange, request: CheckRequest, ahead: LookedAhead | None
    ) -> HttpAnswer | None:
        """None if the client, whom `ahead` watches, went away."""
        port = self._mixer.port
        try:
            outcome = await (port.check(request) if ahead is None else ahead.check(port, request))
        except PolicyError as error:
            return exchange.refuse(error)
        except asyncio.CancelledError:
            self._report_gone(exchange)
            raise
        if outcome is None:
            self._report_gone(exchange)
            return None
        return exchange.decide(outcome, is_answered_now=False)

    async def _passed(
        self, exchange: Exchange, answer: Pass, scope: Scope, receive: Receive, send: Send
    ) -> None:
        operations = answer.response_operations
        kind = HttpFlow if scope["type"] == "http" else WebSocketFlow
        flow = kind(
            exchange, receive=receive, send=send, operations=operations, report=self._report
        )
        if answer.request_operations:
            scope = changed_scope(scope, answer.request_operations)
        try:
            await self._app(scope, flow.receive, flow.send)
        except asyncio.CancelledError:
            exchange.is_client_gone = True  # why else would a server cancel
            raise
        finally:
            flow.close()

    async def _answered(
        self, exchange: Exchange, answer: Answer, scope: Scope, receive: Receive, send: Send
    ) -> None:
        try:
            if scope["type"] == "http":
                await send_answer(exchange, answer, scope, send)
            else:
                await refuse_websocket(exchange, answer, scope, receive, send)
        finally:
            self._report(exchange)

    def _report_gone(self, exchange: Exchange) -> None:
        exchange.is_client_gone = True
        self._report(exchange)

    def _report(self, exchange: Exchange) -> None:
        self._mixer.port.report((exchange.report_bag(),))

    def _note_loop(self) -> None:
        self._loop = asyncio.get_running_loop()
