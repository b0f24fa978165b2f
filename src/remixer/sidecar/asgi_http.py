"""One HTTP request that passes through ASGI middleware, event by event.

Bodies pass as they come: only their lengths are noted. The report goes out right after the last
event of the response, or when the application ends without one.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final, TypeAlias

from remixer.attributes.byte_headers import ByteHeaders, RawLines
from remixer.mixer.http_answer import Answer
from remixer.mixer.outcome import HeaderOperation
from remixer.sidecar.asgi_scope import Scope
from remixer.sidecar.exchange import Exchange
from remixer.sidecar.grpc_answer import grpc_refusal
from remixer.sidecar.header_changes import answer_lines, changed_response
from remixer.transport.core.answers import percent_encoded

Event: TypeAlias = MutableMapping[str, Any]
"""Of ASGI 3, in either direction."""
Receive: TypeAlias = Callable[[], Awaitable[Event]]
Send: TypeAlias = Callable[[Event], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

_GRPC_HTTP_STATUS: Final = 200
_LONGEST_GRPC_MESSAGE: Final = 4_096  # clients' header limits begin at 8 KiB


class HttpFlow:
    """Stands between an application and its server: `receive` and `send` are the application's."""

    __slots__ = (
        "_exchange",
        "_has_trailers",
        "_is_reported",
        "_operations",
        "_receive",
        "_report",
        "_send",
    )

    def __init__(
        self,
        exchange: Exchange,
        *,
        receive: Receive,
        send: Send,
        operations: tuple[HeaderOperation, ...],
        report: Callable[[Exchange], None],
    ) -> None:
        """`operations`: for the head of the response."""
        self._exchange = exchange
        self._receive = receive
        self._send = send
        self._operations = operations
        self._report = report
        self._has_trailers = False
        self._is_reported = False

    async def receive(self) -> Event:
        event = await self._receive()
        kind = event["type"]
        if kind == "http.request":
            self._exchange.request_size += len(event.get("body", b""))
        elif kind == "http.disconnect":
            self._exchange.is_client_gone = True
        return event

    def send(self, event: Event) -> Awaitable[None]:
        """No coroutine of its own, but for the last event: responses may have many parts."""
        match event["type"]:
            case "http.response.body":
                self._exchange.response_size += len(event.get("body", b""))
                is_last = not (event.get("more_body", False) or self._has_trailers)
            case "http.response.start":
                event, is_last = self._begun(event), False
            case "http.response.trailers":
                self._exchange.trailers = ByteHeaders(event.get("headers", ()))
                is_last = not event.get("more_trailers", False)
            case "http.response.zerocopysend":
                self._exchange.response_size += event.get("count") or 0
                is_last = not (event.get("more_body", False) or self._has_trailers)
            case "http.response.pathsend":
                self._exchange.response_size += self._content_length()
                is_last = not self._has_trailers
            case _:
                is_last = False
        return self._send_last(event) if is_last else self._send(event)

    def close(self) -> None:
        """The application is done; once more is safe."""
        if not self._is_reported:
            self._is_reported = True
            self._report(self._exchange)

    async def _send_last(self, event: Event) -> None:
        await self._send(event)
        if not self._is_reported:
            # Who leaves now leaves with all there was.
            self._exchange.is_client_gone = False
            self.close()

    def _begun(self, event: Event) -> Event:
        exchange = self._exchange
        lines: RawLines = event.get("headers", ())
        if self._operations:
            lines = changed_lines(lines, self._operations)
            event = {**event, "headers": lines}
        elif not isinstance(lines, list | tuple):
            lines = list(lines)
            event = {**event, "headers": lines}
        self._has_trailers = event.get("trailers", False)
        note_head(exchange, event["status"], lines)
        return event

    def _content_length(self) -> int:
        """Of a file that the server sends by itself; 0 if the application did not say."""
        headers = self._exchange.headers
        text = None if headers is None else headers["content-length"]
        return int(text) if text is not None and text.isascii() and text.isdigit() else 0


def note_head(exchange: Exchange, status: int, lines: RawLines) -> None:
    """Note the head of a response that goes out."""
    exchange.sent_status = status
    exchange.headers = ByteHeaders(lines)


def changed_lines(
    lines: RawLines, operations: tuple[HeaderOperation, ...]
) -> list[tuple[bytes, bytes]]:
    """The head of a response after operations."""
    texts = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in lines]
    return encoded(changed_response(texts, operations))


def encoded(lines: list[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in lines]


async def send_answer(exchange: Exchange, answer: Answer, scope: Scope, send: Send) -> None:
    """The response in place of the application's; a gRPC client gets a gRPC status."""
    is_refused_call = not answer.verdict.is_allowed and exchange.bag["context.protocol"] == "grpc"
    if is_refused_call:
        status, lines, body = _GRPC_HTTP_STATUS, _grpc_lines(answer), b""
    else:
        status = answer.http_status
        texts, body = answer_lines(answer)
        lines = encoded(texts)
    if scope.get("method") == "HEAD":
        body = b""
    note_head(exchange, status, lines)
    await send({"type": "http.response.start", "status": status, "headers": lines})
    exchange.response_size = len(body)
    await send({"type": "http.response.body", "body": body})


def _grpc_lines(answer: Answer) -> list[tuple[bytes, bytes]]:
    """Of an answer without messages. Source: Envoy's local replies to gRPC."""
    refusal = grpc_refusal(answer)
    message = percent_encoded(refusal.message, max_bytes=_LONGEST_GRPC_MESSAGE)
    return [
        *encoded(
            changed_response([("content-type", "application/grpc")], answer.response_operations)
        ),
        (b"grpc-status", str(int(refusal.code)).encode()),
        (b"grpc-message", message),
    ]
