"""Authorization over HTTP/1.1 as a part of a process: the server's, or the sidecar's."""

from collections.abc import Callable
from typing import Final

from remixer.foundation.clock import Clock
from remixer.frontends.forward_auth import forward_auth_handler
from remixer.mixer.port import Mixer
from remixer.server.lifecycle import Part
from remixer.transport.http1.port import HttpObserver
from remixer.transport.http1.server import Http1Server
from remixer.transport.peer_trust import PeerTrust
from remixer.wire.forwarded_reader import ForwardedReader

NAME: Final = "forward_auth"
"""In logs and metrics, and of the part."""
DEFAULT_BUDGET_S: Final = 5.0

_ADDRESS: Final = "--forward-auth-address"
_FROM: Final = "--forward-auth-from"


def forward_auth_part(
    mixer: Callable[[], Mixer],
    *,
    address: str,
    trust: PeerTrust,
    clock: Clock,
    budget_s: float = DEFAULT_BUDGET_S,
    forwarded: ForwardedReader | None = None,
    observer: HttpObserver | None = None,
    on_bound: Callable[[str], object] = lambda _address: None,
) -> Part:
    """Serves proxies at `address`; `on_bound` hears where that is.

    `mixer` is asked once, at the start. `trust` names the proxies that are believed; a question
    waits at most `budget_s`. `forwarded` judges headers `x-istio-attributes`.
    """
    served = _Served()

    async def start() -> None:
        handler = forward_auth_handler(
            mixer(),
            trust=trust,
            clock=clock,
            budget_s=budget_s,
            trust_setting=_FROM,
            forwarded=forwarded,
        )
        served.server = Http1Server(name=NAME, handler=handler, clock=clock, observer=observer)
        on_bound(await served.server.start(address, setting=_ADDRESS))

    return Part(NAME, on_start=start, on_drain=served.drain, on_close=served.aclose)


class _Served:
    """The server, once there is one."""

    def __init__(self) -> None:
        self.server: Http1Server | None = None

    async def drain(self, grace_s: float) -> None:
        if self.server is not None:
            await self.server.drain(grace_s=grace_s)

    async def aclose(self) -> None:
        await self.drain(0.0)
