"""What all servers of this project do alike: choose a transport, serve during a block."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from remixer.foundation.clock import Clock
from remixer.foundation.errors import InternalError
from remixer.server.lifecycle import Lifecycle
from remixer.server.settings import Transport
from remixer.transport.grpcio_server import grpcio_servers
from remixer.transport.own_protocol import ConnectionObserver
from remixer.transport.own_server import own_servers
from remixer.transport.port import GrpcServerFactory


def servers_on(
    transport: Transport, *, clock: Clock, observer: ConnectionObserver
) -> GrpcServerFactory:
    """The HTTP/2 stack that the operator chose."""
    match transport:
        case Transport.OWN:
            return own_servers(clock=clock, observer=observer)
        case Transport.GRPCIO:
            return grpcio_servers(clock=clock)


@asynccontextmanager
async def running(
    lifecycle: Lifecycle, *, started: asyncio.Event, name: str
) -> AsyncIterator[None]:
    """Run during the block; drain and stop at its end. Raises what made the start fail.

    `started` is set once there is something to call.
    """
    # Not a TaskGroup: it would wrap whatever the block raises. Both tasks end in `finally`.
    task = asyncio.create_task(lifecycle.run(), name=name)  # noqa: TID251
    waiting = asyncio.create_task(started.wait(), name=f"{name} started")  # noqa: TID251
    try:
        await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            await task
            message = f"the {name} stopped before it served"
            raise InternalError(message)
        yield
    finally:
        waiting.cancel()
        lifecycle.request_stop()
        await asyncio.wait({task, waiting})
    await task
