"""Middleware for WSGI: Flask, Django and plain applications.

    mixer = BlockingMixerClient("mixer:9091")
    app = MixerMiddleware(app, mixer, attributes={"destination.service.name": "cart"})

Every request is checked before the application sees it and reported when its response is closed.
The body of a request is not touched; that of a response passes as it comes.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from http import HTTPStatus
from types import TracebackType
from typing import Final, Protocol, TypeAlias

from remixer.attributes.values import Timestamp, Value
from remixer.foundation.clock import Clock, SystemClock
from remixer.foundation.errors import PolicyError
from remixer.mixer.http_answer import Answer, HttpAnswer, Line
from remixer.mixer.outcome import HeaderOperation
from remixer.sidecar.app_mixer import BlockingAppMixer, for_threads
from remixer.sidecar.exchange import Decisions, Exchange
from remixer.sidecar.header_changes import answer_lines, changed_response, native_text
from remixer.sidecar.hop_trust import HopReader, HopTrust
from remixer.sidecar.inbound import Inbound, Quotas
from remixer.sidecar.wsgi_environ import (
    Environ,
    EnvironHeaders,
    EnvironReader,
    changed_environ,
    content_length,
    without_forwarded,
)

_NOBODY: Final = HopTrust()
_NO_ATTRIBUTES: Final[Mapping[str, Value]] = {}
_NO_QUOTAS: Final[Mapping[str, int]] = {}

ExcInfo: TypeAlias = (
    tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None]
)
Write: TypeAlias = Callable[[bytes], object]


class StartResponse(Protocol):
    """Of PEP 3333."""

    def __call__(
        self, status: str, headers: list[Line], exc_info: ExcInfo | None = ..., /
    ) -> Write: ...


App: TypeAlias = Callable[[Environ, StartResponse], Iterable[bytes]]


class MixerMiddleware:
    """Asks `mixer` about every request of `app`."""

    def __init__(
        self,
        app: App,
        mixer: BlockingAppMixer,
        *,
        attributes: Mapping[str, Value | Mapping[str, str]] = _NO_ATTRIBUTES,
        quotas: Quotas = _NO_QUOTAS,
        exclude: Iterable[str] = (),
        trust: HopTrust = _NOBODY,
        clock: Clock | None = None,
    ) -> None:
        """Settings are those of `remixer.sidecar.asgi.MixerMiddleware`.

        Closing the Mixer is up to whoever made it: WSGI does not tell when a process ends. Raises
        TypeError for a Mixer for asyncio.
        """
        self._app = app
        self._mixer = for_threads(mixer)
        self._inbound = Inbound(attributes=attributes, quotas=quotas, exclude=exclude)
        self._reader = EnvironReader(
            HopReader(trust), has_server_certificates=trust.has_server_certificates
        )
        self._clock = clock or SystemClock()
        self._decisions = Decisions()

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
        if self._inbound.is_excluded(path):
            return self._app(environ, start_response)
        headers, received_at = EnvironHeaders(environ), Timestamp(self._clock.unix_ns())
        facts, forwarded = self._reader.facts(environ, headers, received_at)
        bag = self._inbound.bag(facts, forwarded)
        exchange = Exchange(
            bag,
            headers,
            clock=self._clock,
            received_at=received_at,
            decisions=self._decisions,
        )
        answer = self._decided(exchange)
        if isinstance(answer, Answer):
            return self._answered(exchange, answer, environ, start_response)
        if forwarded is not None:
            environ = without_forwarded(environ)
        if answer.request_operations:
            environ = changed_environ(environ, answer.request_operations)
        exchange.request_size = content_length(environ)
        response = Response(
            exchange,
            start_response=start_response,
            operations=answer.response_operations,
            report=self._report,
        )
        return response.of(self._app, environ)

    def _decided(self, exchange: Exchange) -> HttpAnswer:
        try:
            outcome = self._mixer.check(self._inbound.request(exchange.bag))
        except PolicyError as error:
            return exchange.refuse(error)
        # A remembered verdict comes with grants of tokens at hand.
        return exchange.decide(outcome, is_answered_now=True)

    def _answered(
        self, exchange: Exchange, answer: Answer, environ: Environ, start_response: StartResponse
    ) -> Iterable[bytes]:
        lines, body = answer_lines(answer)
        if environ["REQUEST_METHOD"] == "HEAD":
            body = b""
        exchange.sent_status = answer.http_status
        exchange.headers = NativeHeaders(lines)
        exchange.response_size = len(body)
        try:
            start_response(_status_line(answer.http_status), lines)
        finally:
            self._report(exchange)
        return [body]

    def _report(self, exchange: Exchange) -> None:
        self._mixer.report(exchange.report_bag())


class NativeHeaders:
    """`Headers` over lines that have a character for each byte; of a repeated header the last."""

    __slots__ = ("_lines",)

    def __init__(self, lines: Iterable[Line]) -> None:
        self._lines = tuple(lines)

    def __getitem__(self, key: str) -> str | None:
        return self.whole().get(key)

    def whole(self) -> Mapping[str, str]:
        return {name.lower(): native_text(value) for name, value in self._lines}

    def size(self) -> int:
        return sum(len(name) + len(value) for name, value in self._lines)


class Response:
    """An application's response on its way: an iterable of its own, closed by the server."""

    __slots__ = (
        "_body",
        "_exchange",
        "_is_complete",
        "_is_reported",
        "_operations",
        "_parts",
        "_report",
        "_start_response",
    )

    def __init__(
        self,
        exchange: Exchange,
        *,
        start_response: StartResponse,
        operations: tuple[HeaderOperation, ...],
        report: Callable[[Exchange], None],
    ) -> None:
        """`operations`: for the head of the response."""
        self._exchange = exchange
        self._start_response = start_response
        self._operations = operations
        self._report = report
        self._body: Iterable[bytes] = ()
        self._parts: Iterator[bytes] = iter(())
        self._is_complete = False
        """Whether the application has said all, or failed."""
        self._is_reported = False

    def of(self, app: App, environ: Environ) -> Iterable[bytes]:
        """Call the application. What it raises passes, after the report."""
        try:
            self._body = app(environ, self._start)
            self._parts = iter(self._body)
        except BaseException:
            self._is_complete = True
            self._done()
            raise
        return self

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            part = next(self._parts)
        except BaseException:  # the end, too
            self._is_complete = True
            self._exchange.end()
            raise
        self._exchange.response_size += len(part)
        return part

    def close(self) -> None:
        """Called by the server in every case; what the application's `close` raises passes."""
        try:
            close = getattr(self._body, "close", None)
            if close is not None:
                close()
        finally:
            self._done()

    def _done(self) -> None:
        if not self._is_reported:
            self._is_reported = True
            # A server that stops in the middle has nobody left to send to.
            self._exchange.is_client_gone = not self._is_complete
            self._report(self._exchange)

    def _start(self, status: str, headers: list[Line], exc_info: ExcInfo | None = None, /) -> Write:
        """May come late, or once more with `exc_info`: the server knows what then is right."""
        if self._operations:
            lowered = [(name.lower(), value) for name, value in headers]
            headers = changed_response(lowered, self._operations)
        if exc_info is None:
            write = self._start_response(status, headers)
        else:
            write = self._start_response(status, headers, exc_info)
        self._exchange.sent_status = _code(status)
        self._exchange.headers = NativeHeaders(headers)

        def counted(part: bytes) -> object:
            self._exchange.response_size += len(part)
            return write(part)

        return counted


def _status_line(code: int) -> str:
    try:
        return f"{code} {HTTPStatus(code).phrase}"
    except ValueError:
        return f"{code} Unknown"


def _code(status: str) -> int:
    """Of a status line."""
    digits = status.partition(" ")[0]
    return int(digits) if digits.isascii() and digits.isdigit() else 0
