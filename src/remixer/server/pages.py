"""Pages for people and Prometheus, on the HTTP/1.1 server: GET and HEAD of exact paths."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeAlias

from remixer.foundation.clock import Clock
from remixer.foundation.log import event_log
from remixer.server.lifecycle import Part
from remixer.transport.http1.port import HttpHandler, HttpRequest, HttpResponse, Line
from remixer.transport.http1.server import Http1Server

TEXT: Final = "text/plain; charset=utf-8"
HTML: Final = "text/html; charset=utf-8"
JSON: Final = "application/json"

_HANDLER_S: Final = 10.0
"""Prometheus's default scrape timeout; a later answer is of no use."""
_METHODS: Final = frozenset({"GET", "HEAD"})
_ALLOWED: Final[Line] = ("allow", "GET, HEAD")

PageAnswer: TypeAlias = tuple[int, str, bytes]
"""Status, content type, body."""
Page: TypeAlias = Callable[[], PageAnswer | Awaitable[PageAnswer]]

_log: Final = event_log(__name__)


def pages_part(
    name: str,
    pages: Mapping[str, Page],
    *,
    address: str,
    setting: str,
    clock: Clock,
    on_bound: Callable[[str], object],
) -> Part:
    """Serves `pages`, by path, at `address`; `on_bound` hears where that is."""
    server = Http1Server(name=name, handler=page_handler(pages), clock=clock)

    async def start() -> None:
        on_bound(await server.start(address, setting=setting))

    async def close() -> None:
        await server.drain(grace_s=0.0)

    return Part(name, on_start=start, on_drain=_kept_up, on_close=close)


async def _kept_up(_grace_s: float) -> None:
    """Readiness is asked for during a drain, too: pages end last."""


def page_handler(pages: Mapping[str, Page]) -> HttpHandler:
    """Answers requests with pages."""

    def handle(request: HttpRequest) -> HttpResponse | Awaitable[HttpResponse]:
        path = request.target.partition("?")[0]
        page = pages.get(path)
        if page is None:
            return _response(404, TEXT, f"nothing at {path}\n".encode())
        if request.method not in _METHODS:
            return _response(405, TEXT, b"only GET and HEAD\n", _ALLOWED)
        answer = page()
        if isinstance(answer, tuple):
            return _response(*answer)
        return _later(answer, path)

    return handle


async def _later(answer: Awaitable[PageAnswer], path: str) -> HttpResponse:
    try:
        async with asyncio.timeout(_HANDLER_S):
            return _response(*await answer)
    except TimeoutError:
        _log.error("http handler timed out", path=path)
        return _response(503, TEXT, b"no answer in time\n")


def _response(status: int, content_type: str, body: bytes, *lines: Line) -> HttpResponse:
    told: tuple[Line, ...] = (
        ("content-type", content_type),
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
        *lines,
    )
    return HttpResponse(status, told, body)
