"""What middleware adds to a request that is allowed from memory: `python -m bench.middleware`.

The report is handed over, too; what a client then does with it is its own row elsewhere.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

from bench.measure import ROUNDS, Figure
from remixer.attributes.bag import Bag
from remixer.mixer.outcome import REPORTED, CheckOutcome, Provenance, ReportOutcome
from remixer.mixer.request import CheckRequest
from remixer.sidecar import asgi, wsgi
from remixer.sidecar.asgi_http import App, Event, Receive, Send
from remixer.sidecar.asgi_scope import Scope
from remixer.sidecar.wsgi import StartResponse
from remixer.sidecar.wsgi_environ import Environ
from remixer.testing.app_mixers import FakeAppMixer, FakePort, allowed

GOAL_US = 15.0
_REQUESTS = 20_000
_HEADERS = {
    "host": "cart.shop",
    "user-agent": "Mozilla/5.0",
    "accept": "*/*",
    "accept-encoding": "gzip",
    "cookie": "session=0123456789abcdef",
    "authorization": "Bearer 0123456789abcdef",
    "x-request-id": "5b8c4a2e",
}
_SCOPE: Scope = {
    "type": "http",
    "method": "GET",
    "scheme": "http",
    "path": "/cart",
    "raw_path": b"/cart",
    "query_string": b"",
    "client": ("192.0.2.7", 4711),
    "server": ("192.0.2.1", 80),
    "headers": [(name.encode(), value.encode()) for name, value in _HEADERS.items()],
}
_ENVIRON: Environ = {
    "REQUEST_METHOD": "GET",
    "SCRIPT_NAME": "",
    "PATH_INFO": "/cart",
    "RAW_URI": "/cart",
    "QUERY_STRING": "",
    "REMOTE_ADDR": "192.0.2.7",
    "REMOTE_PORT": "4711",
    "SERVER_NAME": "192.0.2.1",
    "SERVER_PORT": "80",
    "wsgi.url_scheme": "http",
    **{f"HTTP_{name.upper().replace('-', '_')}": value for name, value in _HEADERS.items()},
}


class _Instant(FakePort):
    """Remembers one verdict, and lets reports go."""

    def __init__(self) -> None:
        super().__init__(lambda _: allowed(), answers_at_once=True)
        self._outcome = allowed(provenance=Provenance.MEMORY)

    def check_now(self, request: CheckRequest) -> CheckOutcome | None:
        del request
        return self._outcome

    def report(self, bags: Sequence[Bag]) -> ReportOutcome:
        del bags
        return REPORTED


class _InstantMixer(FakeAppMixer):
    def __init__(self) -> None:
        super().__init__(lambda _: allowed())
        self.inner = _Instant()


class _InstantBlockingMixer:
    """The same for threads."""

    def __init__(self) -> None:
        self._outcome = allowed(provenance=Provenance.MEMORY)

    def check(self, request: CheckRequest) -> CheckOutcome:
        del request
        return self._outcome

    def report(self, bag: Bag) -> None:
        """Let it go."""

    def close(self) -> None:
        """Nothing is held."""


def _asgi_app(parts: int) -> App:
    head: Event = {"type": "http.response.start", "status": 200, "headers": []}
    more: Event = {"type": "http.response.body", "body": b"part", "more_body": True}
    last: Event = {"type": "http.response.body", "body": b"last"}

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send(head)
        for _ in range(parts - 1):
            await send(more)
        await send(last)

    return app


def _wsgi_app(_: Environ, start_response: StartResponse) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"last"]


async def _receive() -> Event:
    return {"type": "http.request"}


async def _send(_: Event) -> None:
    pass


async def _asgi_us(call: Callable[[Scope, Receive, Send], Awaitable[None]]) -> float:
    begun = time.process_time_ns()
    for _ in range(_REQUESTS):
        await call(_SCOPE, _receive, _send)
    return (time.process_time_ns() - begun) / 1e3 / _REQUESTS


async def asgi_added(parts: int) -> Figure:
    """Microseconds of CPU that ASGI middleware adds to a response of so many parts."""
    app = _asgi_app(parts)
    behind = asgi.MixerMiddleware(app, _InstantMixer(), attributes={"destination.uid": "cart"})
    return Figure.of([await _asgi_us(behind) - await _asgi_us(app) for _ in range(ROUNDS)])


def _wsgi_us(app: wsgi.App) -> float:
    begun = time.process_time_ns()
    for _ in range(_REQUESTS):
        body = app(_ENVIRON, lambda _status, _headers, _error=None: _discard)
        for _ in body:
            pass
        close = getattr(body, "close", None)
        if close is not None:
            close()
    return (time.process_time_ns() - begun) / 1e3 / _REQUESTS


def _discard(_: bytes) -> None:
    pass


def wsgi_added() -> Figure:
    """The same of WSGI middleware."""
    behind = wsgi.MixerMiddleware(_wsgi_app, _InstantBlockingMixer())
    return Figure.of([_wsgi_us(behind) - _wsgi_us(_wsgi_app) for _ in range(ROUNDS)])


def main() -> None:
    """Print the table."""
    rows = {
        "ASGI, one part": asyncio.run(asgi_added(1)),
        "ASGI, 100 parts": asyncio.run(asgi_added(100)),
        "WSGI, one part": wsgi_added(),
    }
    print(f"added µs of CPU per allowed request (goal for one part: {GOAL_US:.0f})")
    for name, figure in rows.items():
        print(f"{name:18}{figure.minimum:8.1f}{figure.median:8.1f}{figure.maximum:8.1f}")


if __name__ == "__main__":
    main()
