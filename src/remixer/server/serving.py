"""Which HTTP/2 stack a server is on."""

from remixer.foundation.clock import Clock
from remixer.server.settings import Transport
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
            # 8 MB that a server on our own stack does without.
            from remixer.transport.grpcio_server import grpcio_servers  # noqa: PLC0415 - see above

            return grpcio_servers(clock=clock)
