"""gRPC methods served by a process: watched, with their health, from bound to drained."""

from collections.abc import Callable, Sequence

from remixer.foundation.clock import Clock
from remixer.frontends.grpc_health import HealthBoard, health_methods
from remixer.transport.observed import RpcObserver, observed
from remixer.transport.port import (
    GrpcServerFactory,
    Listener,
    Method,
    TransportLimits,
    service_of,
)


class GrpcService:
    """One start; drains before it and after it are allowed."""

    def __init__(
        self,
        methods: Sequence[Method],
        *,
        make: GrpcServerFactory,
        listeners: Sequence[Listener],
        limits: TransportLimits,
        observer: RpcObserver,
        clock: Clock,
        told_by: Callable[[tuple[Method, ...]], tuple[Method, ...]] = lambda _: (),
    ) -> None:
        """`told_by` makes methods that tell of all the others: reflection."""
        self._board = HealthBoard({service_of(method) for method in methods})
        served = (*methods, *health_methods(self._board))
        self._server = make(
            methods=observed((*served, *told_by(served)), observer=observer, clock=clock),
            listeners=listeners,
            limits=limits,
        )

    async def start(self) -> tuple[str, ...]:
        """Bind and serve; the bound addresses. Raises `StartupError`."""
        return await self._server.start()

    def announce(self) -> None:
        """Tell those who ask for health that calls may come."""
        self._board.announce(is_serving=True)

    async def drain(self, grace_s: float) -> None:
        """Tell that no more calls are wanted, and finish what was accepted."""
        self._board.close()
        await self._server.drain(grace_s=grace_s)
