"""One WebSocket that passes through ASGI middleware: checked before it opens, reported at its end.

Of what was said only the lengths are noted. Who is refused gets the answer of an HTTP request, if
the server can send it (extension `websocket.http.response`), else the server's own 403.
"""

from collections.abc import Callable
from typing import Final

from remixer.mixer.http_answer import Answer
from remixer.mixer.outcome import HeaderOperation
from remixer.sidecar.asgi_http import Event, Receive, Send, changed_lines, encoded, note_head
from remixer.sidecar.asgi_scope import Scope
from remixer.sidecar.exchange import Exchange
from remixer.sidecar.header_changes import answer_lines

_SWITCHING: Final = 101
_REFUSED: Final = 403  # what servers answer to one that closes before it opened
_POLICY_VIOLATION: Final = 1008  # RFC 6455, section 7.4.1
_HTTP_RESPONSE: Final = "websocket.http.response"


class WebSocketFlow:
    """Stands between an application and its server: `receive` and `send` are the application's."""

    __slots__ = ("_exchange", "_operations", "_receive", "_report", "_send")

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

    async def receive(self) -> Event:
        event = await self._receive()
        if event["type"] == "websocket.receive":
            self._exchange.request_size += _length(event)
        elif event["type"] == "websocket.disconnect":
            # Before the handshake is done nobody says goodbye, one is just gone.
            self._exchange.is_client_gone = not self._exchange.sent_status
            self._exchange.end()
        return event

    async def send(self, event: Event) -> None:
        exchange = self._exchange
        match event["type"]:
            case "websocket.send":
                exchange.response_size += _length(event)
            case "websocket.accept":
                event = self._with_operations(event)
                note_head(exchange, _SWITCHING, event["headers"])
            case "websocket.http.response.start":
                event = self._with_operations(event)
                note_head(exchange, event["status"], event["headers"])
            case "websocket.http.response.body":
                exchange.response_size += len(event.get("body", b""))
            case "websocket.close" if not exchange.sent_status:
                exchange.sent_status = _REFUSED
        await self._send(event)

    def close(self) -> None:
        """The application is done."""
        self._report(self._exchange)

    def _with_operations(self, event: Event) -> Event:
        lines = changed_lines(event.get("headers") or (), self._operations)
        return {**event, "headers": lines}


def _length(event: Event) -> int:
    """Bytes of a message; text counts as UTF-8, as it was sent."""
    raw = event.get("bytes")
    return len((event.get("text") or "").encode() if raw is None else raw)


async def refuse_websocket(
    exchange: Exchange, answer: Answer, scope: Scope, receive: Receive, send: Send
) -> None:
    """Answer the handshake."""
    await receive()  # `websocket.connect`, which comes first
    extensions = scope.get("extensions") or {}
    if _HTTP_RESPONSE not in extensions:
        exchange.sent_status = _REFUSED
        await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
        return
    texts, body = answer_lines(answer)
    lines = encoded(texts)
    note_head(exchange, answer.http_status, lines)
    await send({"type": f"{_HTTP_RESPONSE}.start", "status": answer.http_status, "headers": lines})
    exchange.response_size = len(body)
    await send({"type": f"{_HTTP_RESPONSE}.body", "body": body})
