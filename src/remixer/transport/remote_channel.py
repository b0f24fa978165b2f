"""Channels to out-of-process back ends, as a production client makes them.

What a call passes, in order: is the channel open, is the request small enough, are too many
calls under way, does the breaker let it through, which token does it carry, which address takes
it. A call that failed because the back end was away is made once more, at another address if
there is one, when its caller allows that and the retry budget does.

A failure speaks against the address that was asked; it counts for the breaker, which belongs to all
addresses, only if calls could not go elsewhere. While nobody can be connected, an open breaker
spends no probe; as soon as somebody is, the next call is one.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from remixer.foundation.breaker import (
    Breaker,
    BreakerLimits,
    BreakerState,
    Permit,
    Refused,
    RetryBudget,
    is_failure,
)
from remixer.foundation.clock import Clock
from remixer.foundation.log import event_log
from remixer.foundation.status import Code
from remixer.transport.remote_address import HostTarget, Target, parse_target
from remixer.transport.remote_credentials import CallCredentials, call_credentials
from remixer.transport.remote_metrics import ChannelCounts, ChannelMetrics, ChannelStatus
from remixer.transport.remote_pool import AddressPool, PoolSpec
from remixer.transport.remote_port import (
    BackgroundTasks,
    NoTokenError,
    RemoteSetupError,
    RpcFailed,
    TokenEndpoint,
)
from remixer.transport.remote_resolver import ResolutionLimits, Resolver, resolver_for
from remixer.transport.remote_security import SecuritySource, authority_of
from remixer.transport.remote_spec import ConnectionSpec, connection_faults
from remixer.transport.remote_subchannel import Subchannel, WireLimits

_CLOSE_S: Final = 1.0
"""For the background task to end after the calls did."""
_LONGEST_CALL_S: Final = 3_600.0
"""Without any other bound; a number that every timer can take."""
_TELLING_S: Final = 0.1
"""A call with less time that ends late tells of its caller's haste: clients choose deadlines, and
must not be able to open the breaker for all others."""
_NOT_CALLED: Final = "not called: too many calls failed (circuit breaker open)"

_log = event_log(__name__)


@dataclass(frozen=True, slots=True)
class ChannelLimits:
    """Everything that bounds a channel."""

    most_calls: int = 1_000
    """Under way at once; more are refused. A Mixer's server takes 1,024 per connection."""
    close_s: float = 3.0
    """For calls under way when the channel closes; a handler has 5 s in all."""
    wire: WireLimits = field(default_factory=WireLimits)
    breaker: BreakerLimits = field(default_factory=BreakerLimits)
    resolution: ResolutionLimits = field(default_factory=ResolutionLimits)


async def open_remote_channel(
    spec: ConnectionSpec,
    *,
    clock: Clock,
    tasks: BackgroundTasks,
    http: TokenEndpoint | None = None,
    limits: ChannelLimits | None = None,
    metrics: ChannelMetrics | None = None,
    resolver_of: Callable[[Target], Resolver] = resolver_for,
) -> "GrpcRemoteChannel":
    """A channel that connects by itself; a back end that is away is no error.

    Neither is a file of keys or tokens that cannot be used: calls fail until it can. Raises
    `RemoteSetupError` for faults of `spec`. `tasks` must run its work until the channel is closed.
    """
    if faults := connection_faults(spec):
        text = "; ".join(f"connection.{each.path} {each.message}" for each in faults)
        raise RemoteSetupError(text)
    limits = limits or ChannelLimits()
    target = parse_target(spec.address)
    host = target.host if isinstance(target, HostTarget) else None
    authentication = spec.authentication
    security = SecuritySource(authentication, host=host, clock=clock)
    credentials = call_credentials(
        authentication, back_end=spec.address, http=http, clock=clock, tasks=tasks
    )
    authority = authority_of(authentication, address=str(target), host=host)
    if authentication is None and spec.authority:
        authority = spec.authority
    pool = AddressPool(
        PoolSpec(spec.address, authority, limits.wire, limits.resolution),
        resolver=resolver_of(target),
        security=lambda: security.current,
        clock=clock,
    )
    channel = GrpcRemoteChannel(
        spec, limits=limits, pool=pool, security=security, credentials=credentials, clock=clock
    )
    if metrics is not None:
        channel.show_in(metrics)
    tasks.spawn(pool.run(), name=f"connection to {spec.address}")
    return channel


@dataclass(slots=True)
class _Call:
    """One call of the caller's, however many attempts it takes."""

    path: str
    request: bytes
    ends_at_s: float
    is_safe_to_retry: bool
    had_time: bool
    """Whether being late says something about the back end."""
    asked: Subchannel | None = None
    """Whom the last attempt went to."""


class GrpcRemoteChannel:
    """Implements `RemoteChannel`. Made by `open_remote_channel`."""

    def __init__(
        self,
        spec: ConnectionSpec,
        *,
        limits: ChannelLimits,
        pool: AddressPool,
        security: SecuritySource,
        credentials: CallCredentials,
        clock: Clock,
    ) -> None:
        self._back_end = spec.address
        self._metadata = spec.metadata
        own_s = spec.timeout_s
        self._timeout_s = _LONGEST_CALL_S if own_s is None or own_s <= 0 else own_s
        self._limits = limits
        self._pool = pool
        self._security = security
        self._credentials = credentials
        self._clock = clock
        self._breaker = Breaker(limits.breaker)
        self._shown_state = self._breaker.state
        self._connections_known = 0
        """When the breaker opened; more by now give hope."""
        self._budget = RetryBudget()
        self._under_way = 0
        self._idle = asyncio.Event()
        self._is_closed = False
        self._hide: Callable[[], None] | None = None
        self._succeeded = self._failed = self._retried = self._refused = 0

    @property
    def status(self) -> ChannelStatus:
        return ChannelStatus(
            self._back_end,
            self._breaker.state,
            self._pool.addresses,
            self._pool.ready,
            self._under_way,
            ChannelCounts(self._succeeded, self._failed, self._refused, self._retried),
        )

    async def unary(
        self, path: str, request: bytes, *, timeout_s: float, is_safe_to_retry: bool
    ) -> bytes:
        now_s = self._clock.monotonic_s()
        timeout_s = min(timeout_s, self._timeout_s)
        if self._security.look(now_s=now_s):
            self._pool.reopen()
        permit = self._admit(len(request), timeout_s, now_s)
        had_time = timeout_s >= min(_TELLING_S, self._timeout_s)
        call = _Call(path, request, now_s + timeout_s, is_safe_to_retry, had_time)
        self._under_way += 1
        try:
            answer = await self._attempts(call, now_s)
        except RpcFailed as failure:
            self._note_failure(permit, failure, call)
            raise RpcFailed(failure.code, f"{self._back_end}: {failure.message}") from failure
        except BaseException:
            self._breaker.abandoned(permit)
            raise
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._idle.set()
        self._succeeded += 1
        self._budget.succeeded()
        self._breaker.succeeded(permit, now_s=self._clock.monotonic_s())
        if self._breaker.state is not self._shown_state:
            self._show_breaker("")
        return answer

    def show_in(self, metrics: ChannelMetrics) -> None:
        """Until the channel is closed."""
        self._hide = metrics.add(lambda: self.status)

    async def aclose(self) -> None:
        self._is_closed = True
        if self._under_way:
            self._idle.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._limits.close_s):
                    await self._idle.wait()
        await self._pool.stop(bound_s=_CLOSE_S)
        if self._hide is not None:
            self._hide()

    # ------------------------------------------------------------------ before

    def _admit(self, size_bytes: int, timeout_s: float, now_s: float) -> Permit:
        """Raises `RpcFailed` for a call that is not to be made."""
        if self._is_closed:
            raise self._no(Code.UNAVAILABLE, "the connection is closed")
        if timeout_s <= 0:
            raise self._no(Code.DEADLINE_EXCEEDED, "no time was left for the call")
        most_bytes = self._limits.wire.max_message_bytes
        if size_bytes > most_bytes:
            message = f"a request of {size_bytes} bytes; at most {most_bytes} are sent"
            raise self._no(Code.RESOURCE_EXHAUSTED, message)
        if self._under_way >= self._limits.most_calls:
            self._refused += 1
            message = f"{self._under_way} calls are under way; more are not made"
            raise self._no(Code.RESOURCE_EXHAUSTED, message)
        if (fault := self._security.fault) is not None:
            self._refused += 1
            raise self._no(Code.UNAVAILABLE, str(fault))
        return self._permit(now_s)

    def _permit(self, now_s: float) -> Permit:
        """The breaker's. Raises `RpcFailed`."""
        if self._breaker.state is BreakerState.OPEN:
            self._look_for_connections()
        permit = self._breaker.enter(now_s=now_s)
        if isinstance(permit, Refused):
            self._refused += 1
            raise self._no(Code.UNAVAILABLE, _refusal(permit))
        if permit.is_probe:
            self._show_breaker("")
        return permit

    def _look_for_connections(self) -> None:
        """Before an open breaker is asked. Raises `RpcFailed` if a probe could reach nobody."""
        made = self._pool.connections_made
        if made != self._connections_known:
            self._connections_known = made
            self._breaker.may_probe()
        elif not self._pool.ready and not self._pool.may_connect:
            self._refused += 1
            raise self._no(Code.UNAVAILABLE, f"{_NOT_CALLED}; tried again when somebody is there")

    def _no(self, code: Code, message: str) -> RpcFailed:
        return RpcFailed(code, f"{self._back_end}: {message}")

    # ------------------------------------------------------------------ the call

    async def _attempts(self, call: _Call, now_s: float) -> bytes:
        first = self._pool.pick(now_s=now_s)
        if first is None:
            first = await self._pool.wait(timeout_s=call.ends_at_s - now_s)
        try:
            return await self._attempt(call, first)
        except RpcFailed as failure:
            if not self._may_retry(call, failure):
                raise
        self._retried += 1
        now_s = self._clock.monotonic_s()
        second = self._pool.pick(now_s=now_s, avoid=first)
        if second is None:
            second = await self._pool.wait(timeout_s=call.ends_at_s - now_s, avoid=first)
        return await self._attempt(call, second)

    async def _attempt(self, call: _Call, subchannel: Subchannel) -> bytes:
        call.asked = subchannel
        now_s = self._clock.monotonic_s()
        metadata = self._credentials.ready(now_s=now_s)
        if metadata is None:
            metadata = await self._credentials.wait(timeout_s=call.ends_at_s - now_s)
            now_s = self._clock.monotonic_s()
        left_s = max(0.0, call.ends_at_s - now_s)
        try:
            answer = await subchannel.unary(
                call.path, call.request, timeout_s=left_s, metadata=(*self._metadata, *metadata)
            )
        except RpcFailed as failure:
            if failure.code is Code.UNAUTHENTICATED:
                self._credentials.rejected(metadata)
            if not is_failure(failure.code):
                subchannel.standing.answered()
            elif _tells_of_the_back_end(failure, call):
                subchannel.standing.failed(now_s=self._clock.monotonic_s())
            raise
        subchannel.standing.answered()
        return answer

    def _may_retry(self, call: _Call, failure: RpcFailed) -> bool:
        return (
            call.is_safe_to_retry
            and failure.code is Code.UNAVAILABLE
            and not isinstance(failure, NoTokenError)
            and not self._is_closed
            and self._budget.allows_retry
        )

    # ------------------------------------------------------------------ after

    def _note_failure(self, permit: Permit, failure: RpcFailed, call: _Call) -> None:
        self._failed += 1
        now_s = self._clock.monotonic_s()
        if not is_failure(failure.code):
            self._breaker.succeeded(permit, now_s=now_s)
        elif not _tells_of_the_back_end(failure, call):
            self._breaker.abandoned(permit)
        else:
            self._budget.failed()
            if self._pool.has_other(call.asked):
                self._breaker.abandoned(permit)
            else:
                self._breaker.failed(permit, now_s=now_s)
        if self._breaker.state is not self._shown_state:
            self._connections_known = self._pool.connections_made
            self._show_breaker(str(failure))

    def _show_breaker(self, reason: str) -> None:
        """In the log, once per move; `status` has it too."""
        self._shown_state = state = self._breaker.state
        if state is BreakerState.OPEN:
            _log.warning("back_end_breaker_opened", back_end=self._back_end, reason=reason)
        elif state is BreakerState.CLOSED:
            _log.info("back_end_breaker_closed", back_end=self._back_end)
        else:
            _log.info("back_end_probed", back_end=self._back_end)


def _tells_of_the_back_end(failure: RpcFailed, call: _Call) -> bool:
    """Whether it is away or too slow: its caller was not hasty, and it was asked."""
    was_hasty = failure.code is Code.DEADLINE_EXCEEDED and not call.had_time
    return is_failure(failure.code) and not was_hasty and not isinstance(failure, NoTokenError)


def _refusal(refused: Refused) -> str:
    if refused.retry_after_s > 0:
        return f"{_NOT_CALLED}; tried again in {refused.retry_after_s:.1f} s"
    return f"{_NOT_CALLED}; being tried again"
