"""Any Mixer, served over its own protocol in this process.

async with served_mixer(FakePort(policy, answers_at_once=True)) as address: ...
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from remixer.foundation.clock import SystemClock
from remixer.frontends.mixer_v1 import mixer_v1_methods
from remixer.mixer.port import Mixer
from remixer.server.revocation_marks import marked
from remixer.transport.own_server import own_servers
from remixer.transport.port import Listener, TransportLimits
from remixer.wire.revocation_marks import RevocationMark

_GRACE_S: Final = 1.0


@asynccontextmanager
async def served_mixer(
    mixer: Mixer, *, address: str = "127.0.0.1:0", mark: RevocationMark | None = None
) -> AsyncIterator[str]:
    """Serve during the block; the address that clients take. `mark`: of revocations."""
    clock = SystemClock()
    server = own_servers(clock=clock)(
        methods=marked(mixer_v1_methods(mixer, clock), mark or RevocationMark()),
        listeners=[Listener(address)],
        limits=TransportLimits(),
    )
    (bound,) = await server.start()
    try:
        yield bound
    finally:
        await server.drain(grace_s=_GRACE_S)
