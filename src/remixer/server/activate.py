"""`POST /activate`: a filter that cannot speak to the autoscaler asks Remixer to.

    POST /activate HTTP/1.1
    x-remixer-revision: default/hello-00001

202 says that it was handed on; that the revision wakes, nobody knows. Only peers that the operator
named are heard, and only names that Kubernetes would take reach the autoscaler. `filters/
activate.lua` is the filter.
"""

import string
from collections.abc import Callable
from typing import Final, Protocol

from remixer.foundation.clock import Clock
from remixer.server.lifecycle import Part
from remixer.transport.http1.port import HttpHandler, HttpObserver, HttpRequest, HttpResponse
from remixer.transport.http1.server import Http1Server
from remixer.transport.peer_trust import PeerTrust

NAME: Final = "activate"
"""In logs and metrics, and of the part."""
PATH: Final = "/activate"
REVISION_HEADER: Final = "x-remixer-revision"

_ADDRESS: Final = "--activate-address"
_LONGEST_NAMESPACE: Final = 63
_LONGEST_NAME: Final = 253
_EDGE: Final = frozenset(string.ascii_lowercase + string.digits)


class Waker(Protocol):
    """Tells the autoscaler that a request waits; must be cheap, never waits, never raises."""

    def wake(self, namespace: str, revision: str) -> None: ...


def activation_handler(waker: Waker, *, trust: PeerTrust) -> HttpHandler:
    """As the module says."""

    def answer(request: HttpRequest) -> HttpResponse:
        if request.target.partition("?")[0] != PATH:
            return _told(404, f"only {PATH} is here")
        if request.method != "POST":
            return _told(405, "only POST wakes", ("allow", "POST"))
        if not trust.covers(request.peer):
            return _told(403, "this peer may not wake revisions")
        values = [value for name, value in request.lines if name == REVISION_HEADER]
        key = _key(values[0]) if len(values) == 1 else None
        if key is None:
            return _told(400, f"{REVISION_HEADER} must be one NAMESPACE/REVISION")
        waker.wake(*key)
        return HttpResponse(202)

    return answer


def activation_part(
    waker: Callable[[], Waker],
    *,
    address: str,
    trust: PeerTrust,
    clock: Clock,
    observer: HttpObserver | None = None,
    on_bound: Callable[[str], object] = lambda _address: None,
) -> Part:
    """Serves filters at `address`; `waker` is asked for once, at the start."""
    served: list[Http1Server] = []

    async def start() -> None:
        handler = activation_handler(waker(), trust=trust)
        server = Http1Server(name=NAME, handler=handler, clock=clock, observer=observer)
        served.append(server)
        on_bound(await server.start(address, setting=_ADDRESS))

    async def drain(grace_s: float) -> None:
        for server in served:
            await server.drain(grace_s=grace_s)

    async def close() -> None:
        await drain(0.0)

    return Part(NAME, on_start=start, on_drain=drain, on_close=close)


def _told(status: int, text: str, *lines: tuple[str, str]) -> HttpResponse:
    plain = ("content-type", "text/plain; charset=utf-8")
    return HttpResponse(status, (plain, *lines), f"{text}\n".encode())


def _key(text: str) -> tuple[str, str] | None:
    namespace, _, name = text.partition("/")
    is_good = _is_name(namespace, _LONGEST_NAMESPACE, "-") and _is_name(name, _LONGEST_NAME, "-.")
    return (namespace, name) if is_good else None


def _is_name(text: str, longest: int, within: str) -> bool:
    if not text or len(text) > longest or not {text[0], text[-1]} <= _EDGE:
        return False
    return set(text) <= _EDGE.union(within)
