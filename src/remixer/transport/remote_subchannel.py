"""Connections to one address of a back end, on grpcio's asyncio client."""

import asyncio
import json
from dataclasses import dataclass
from typing import Final

import grpc
from grpc import aio

from remixer.foundation.status import Code
from remixer.transport.remote_bridge import StartTask, TlsBridge
from remixer.transport.remote_causes import plain_cause
from remixer.transport.remote_credentials import Metadata
from remixer.transport.remote_port import RpcFailed
from remixer.transport.remote_security import Encrypted, Identified, Plain, Security
from remixer.transport.remote_standing import Standing

_LONGEST_DETAILS: Final = 500  # of what a server says; enough for a line in a log
_LIBRARYS_LATE: Final = "Deadline Exceeded"
"""Part of what the library says when our own time is over; a server says something else."""
_LIBRARYS_AWAY: Final = (
    "failed to connect to all addresses",
    "connections to all backends failing",
)
"""The second where health is asked for."""
_MOST_METHODS: Final = 256
"""A handler calls a handful; more are not remembered."""
_CONNECT_MS: Final = 5_000

State = grpc.ChannelConnectivity


@dataclass(frozen=True, slots=True)
class WireLimits:
    """What connections allow and how they are kept alive."""

    max_message_bytes: int = 4 << 20
    """Of requests and responses; gRPC's own default for responses."""
    keepalive_s: float = 310.0
    """Between pings while calls are under way. Servers cut those who ping more often than every
    five minutes, unless they were set up otherwise."""
    keepalive_timeout_s: float = 10.0
    """For the answer to a ping, and for any bytes sent to be acknowledged."""
    first_backoff_s: float = 0.25
    longest_backoff_s: float = 1.0
    """A server that is back is found within it; one attempt a second costs nobody anything."""
    health_service: str = ""
    """Asked for by gRPC's health protocol: an address that does not serve it is not called. Servers
    without that protocol count as healthy. Empty: nobody is asked."""


class Subchannel:
    """One address. `state` is kept by the pool."""

    __slots__ = (
        "_bridge",
        "_channel",
        "_is_closed",
        "_multicallables",
        "address",
        "calls_under_way",
        "idle",
        "standing",
        "state",
    )

    def __init__(self, address: str, channel: aio.Channel, bridge: TlsBridge | None) -> None:
        self.address = address
        self.state = State.IDLE
        self.standing = Standing()
        self.calls_under_way = 0
        self.idle = asyncio.Event()
        """Set when the last call under way ended."""
        self._channel = channel
        self._bridge = bridge
        self._multicallables: dict[str, aio.UnaryUnaryMultiCallable[bytes, bytes]] = {}
        self._is_closed = False

    async def unary(
        self, path: str, request: bytes, *, timeout_s: float, metadata: Metadata
    ) -> bytes:
        """Raises `RpcFailed`."""
        method = self._multicallables.get(path) or self._method(path)
        self.calls_under_way += 1
        try:
            answer = await method(request, timeout=timeout_s, metadata=metadata)
        except aio.AioRpcError as error:
            raise self._failure(error, timeout_s) from error
        except aio.UsageError as error:
            raise self._closed() from error
        except asyncio.CancelledError as error:
            # Closing a channel looks to its calls like a cancellation by their caller.
            task = asyncio.current_task()
            if self._is_closed and not (task is not None and task.cancelling()):
                raise self._closed() from error
            raise
        finally:
            self.calls_under_way -= 1
            if not self.calls_under_way:
                self.idle.set()
        return answer

    def connect(self) -> State:
        """Connect if idle; the state now."""
        return State.SHUTDOWN if self._is_closed else self._channel.get_state(try_to_connect=True)

    async def next_state(self, last: State) -> State:
        """Wait for another state than `last`."""
        await self._channel.wait_for_state_change(last)
        return self.connect()

    async def drain(self, *, bound_s: float) -> None:
        """Close when the calls under way have ended, at the latest after `bound_s`."""
        if self.calls_under_way:
            self.idle.clear()
            try:
                async with asyncio.timeout(bound_s):
                    await self.idle.wait()
            except TimeoutError:
                pass
        await self.aclose()

    async def aclose(self) -> None:
        """Cut everything; once or twice."""
        if not self._is_closed:
            self._is_closed = True
            self.state = State.SHUTDOWN
            await self._channel.close(None)
            if self._bridge is not None:
                self._bridge.close()

    def _method(self, path: str) -> "aio.UnaryUnaryMultiCallable[bytes, bytes]":
        method: aio.UnaryUnaryMultiCallable[bytes, bytes]
        method = self._channel.unary_unary(path, None, None)
        if len(self._multicallables) < _MOST_METHODS:
            self._multicallables[path] = method
        return method

    def _failure(self, error: aio.AioRpcError, timeout_s: float) -> RpcFailed:
        code = Code(error.code().value[0])
        details = error.details() or ""
        if code is Code.DEADLINE_EXCEEDED and _LIBRARYS_LATE in details:
            return RpcFailed(code, f"no answer within {timeout_s:.3g} s from {self.address}")
        if code is Code.UNAVAILABLE and (cause := self._cause(details)) is not None:
            return RpcFailed(code, f"cannot connect to {self.address}: {cause}")
        return RpcFailed(code, details[:_LONGEST_DETAILS])

    def _cause(self, details: str) -> str | None:
        if self._bridge is not None and self._bridge.fault is not None:
            return self._bridge.fault
        # Only the library speaks of addresses; a server's own text is passed on as it is.
        return plain_cause(details) if any(each in details for each in _LIBRARYS_AWAY) else None

    def _closed(self) -> RpcFailed:
        return RpcFailed(Code.UNAVAILABLE, f"the connection to {self.address} was closed")


async def open_subchannel(
    address: str,
    *,
    authority: str,
    security: Security,
    limits: WireLimits,
    start_task: StartTask,
) -> Subchannel:
    """Dials without waiting. Raises OSError if a bridge cannot be set up."""
    options = _options(authority, limits)
    match security:
        case Plain():
            return Subchannel(address, aio.insecure_channel(address, options), None)
        case Encrypted(credentials):
            return Subchannel(address, aio.secure_channel(address, credentials, options), None)
        case Identified():
            bridge = TlsBridge(address, security, start_task=start_task)
            near = await bridge.start()
            options = (*options, ("grpc.http2_scheme", "https"))
            return Subchannel(address, aio.insecure_channel(near, options), bridge)


def _options(authority: str, limits: WireLimits) -> tuple[tuple[str, str | int], ...]:
    health: tuple[tuple[str, str | int], ...] = ()
    if limits.health_service:
        service_config = {
            # Only this policy asks for health; it balances over the one address there is.
            "loadBalancingConfig": [{"round_robin": {}}],
            "healthCheckConfig": {"serviceName": limits.health_service},
        }
        health = (("grpc.service_config", json.dumps(service_config)),)
    return (
        *health,
        ("grpc.default_authority", authority),
        ("grpc.max_receive_message_length", limits.max_message_bytes),
        ("grpc.max_send_message_length", limits.max_message_bytes),
        ("grpc.keepalive_time_ms", round(limits.keepalive_s * 1000)),
        ("grpc.keepalive_timeout_ms", round(limits.keepalive_timeout_s * 1000)),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.initial_reconnect_backoff_ms", round(limits.first_backoff_s * 1000)),
        ("grpc.min_reconnect_backoff_ms", _CONNECT_MS),
        ("grpc.max_reconnect_backoff_ms", round(limits.longest_backoff_s * 1000)),
        # Retries are ours to decide: only the caller knows what may be sent twice.
        ("grpc.enable_retries", 0),
        # Else channels of one process share connections, and with them each other's fate.
        ("grpc.use_local_subchannel_pool", 1),
        # The operator named the address; an environment variable must not lead elsewhere.
        ("grpc.enable_http_proxy", 0),
        ("grpc.service_config_disable_resolution", 1),
        # Connections wait for calls, not the other way round.
        ("grpc.client_idle_timeout_ms", 2**31 - 1),
    )
