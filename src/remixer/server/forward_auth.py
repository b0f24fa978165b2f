"""Authorization over HTTP/1.1 as a part of a process: the server's, or the sidecar's."""

from collections.abc import Callable, Iterator
from typing import Final, Protocol

from remixer.attributes.vocabulary import Vocabulary
from remixer.foundation.clock import Clock
from remixer.frontends.forward_auth import Destinations, forward_auth_handler
from remixer.mixer.port import Mixer
from remixer.server.destination_file import load_destinations
from remixer.server.lifecycle import Part
from remixer.transport.http1.port import HttpObserver
from remixer.transport.http1.server import Http1Server
from remixer.transport.peer_trust import PeerTrust
from remixer.wire.forwarded_reader import ForwardedReader

NAME: Final = "forward_auth"
"""In logs and metrics, and of the part."""

_ADDRESS: Final = "--forward-auth-address"
_FROM: Final = "--forward-auth-from"


class ForwardAuthSettings(Protocol):
    """What operators say of it; the tables of server and sidecar have these rows."""

    @property
    def forward_auth_address(self) -> str | None:
        """None for nowhere."""
        ...

    @property
    def forward_auth_from(self) -> tuple[str, ...]:
        """The proxies that are believed."""
        ...

    @property
    def forward_auth_timeout_s(self) -> float:
        """Longest wait of a question."""
        ...

    @property
    def forward_auth_destinations(self) -> str | None:
        """The file that tells services apart."""
        ...


def forward_auth_parts(
    mixer: Callable[[], Mixer],
    *,
    settings: ForwardAuthSettings,
    vocabulary: Callable[[], Vocabulary],
    clock: Clock,
    forwarded: ForwardedReader,
    observer: HttpObserver | None = None,
    on_bound: Callable[[str], object] = lambda _address: None,
) -> Iterator[Part]:
    """One that serves proxies, if settings give it an address; `on_bound` hears where that is.

    `mixer` is asked once, at the start, `vocabulary` for each question. `forwarded` judges headers
    `x-istio-attributes`. Raises `SettingsError` with every fault of the file of destinations.
    """
    address = settings.forward_auth_address
    if address is None:
        return
    file = settings.forward_auth_destinations
    destinations = (
        None if file is None else Destinations(load_destinations(file), vocabulary=vocabulary)
    )
    served = _Served()

    async def start() -> None:
        handler = forward_auth_handler(
            mixer(),
            trust=PeerTrust.of(settings.forward_auth_from),
            clock=clock,
            budget_s=settings.forward_auth_timeout_s,
            trust_setting=_FROM,
            forwarded=forwarded,
            destinations=destinations,
        )
        served.server = Http1Server(name=NAME, handler=handler, clock=clock, observer=observer)
        on_bound(await served.server.start(address, setting=_ADDRESS))

    yield Part(NAME, on_start=start, on_drain=served.drain, on_close=served.aclose)


class _Served:
    """The server, once there is one."""

    def __init__(self) -> None:
        self.server: Http1Server | None = None

    async def drain(self, grace_s: float) -> None:
        if self.server is not None:
            await self.server.drain(grace_s=grace_s)

    async def aclose(self) -> None:
        await self.drain(0.0)
