"""Opens channels to out-of-process back ends, on grpcio's asyncio client."""

from remixer.foundation.clock import Clock
from remixer.transport.remote_port import BackgroundTasks, RemoteChannel, TokenEndpoint
from remixer.transport.remote_spec import ConnectionSpec


async def open_remote_channel(
    spec: ConnectionSpec,
    *,
    clock: Clock,
    tasks: BackgroundTasks,
    http: TokenEndpoint,
) -> RemoteChannel:
    """A channel that connects by itself; a back end that is away is no error.

    Raises `RemoteSetupError` for faults of `spec` and for unreadable files of keys and tokens.
    """
    raise NotImplementedError
