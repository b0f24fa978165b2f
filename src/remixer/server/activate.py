"""`POST /activate`: a filter that cannot speak to the autoscaler asks Remixer to.

    POST /activate HTTP/1.1
    x-remixer-revision: default/hello-00001

202 says that it was handed on; that the revision wakes, nobody knows. Only peers that the operator
named are heard, and only names that Kubernetes would take reach the autoscaler. `filters/
activate.lua` is the filter.
"""

import string
from collections.abc import Callable, Sequence
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
_LONGEST_LABEL: Final = 63
_MOST_SHOWN: Final = 2 * _LONGEST_LABEL + 1
_WANTED: Final = (
    "wanted one NAMESPACE/REVISION, each up to 63 of a-z, 0-9 and -, with - neither first nor last"
)
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
        fault = _fault(values)
        if fault:
            return _told(400, f"{PATH}: header {REVISION_HEADER}: {fault}; {_WANTED}")
        namespace, _, revision = values[0].partition("/")
        waker.wake(namespace, revision)
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


def _fault(values: Sequence[str]) -> str:
    """What is wrong with the header's values, for people; `""` if nothing is."""
    if len(values) != 1:
        return f"found {len(values)} of them"
    namespace, slash, name = values[0].partition("/")
    found = f"found `{values[0][:_MOST_SHOWN]!a}`"
    if not slash:
        return f"{found}, which has no slash"
    if not _is_label(namespace):
        return f"{found}, whose namespace is no name"
    if "." in name:
        return f"{found}, whose revision has a dot: is it a host's name?"
    return "" if _is_label(name) else f"{found}, whose revision is no name"


def _is_label(text: str) -> bool:
    """Whether Kubernetes names namespaces so, and services, of which each revision has two."""
    if not text or len(text) > _LONGEST_LABEL or not {text[0], text[-1]} <= _EDGE:
        return False
    return set(text) <= _EDGE.union("-")
