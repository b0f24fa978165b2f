"""All addresses of one back end, connected to and taken in turn.

Theory of operation. One background task (`run`) owns everything that lives: it resolves the
name again and again, opens a subchannel per address and watches the state of each. A call takes
a subchannel that is READY and in good standing, the one with the fewest calls under way, in turn
among equals: so one that hangs keeps few calls before it is known. If none is, it takes a READY one
that is shunned. If none is READY, it waits while one of them may become so; when all have failed it
takes a failed one, whose call fails at once and says why. Addresses that vanish, and all of them
when certificates change, are drained: calls under way may end.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from math import inf
from typing import Final

from grpc import aio

from remixer.foundation.clock import Clock
from remixer.foundation.event_limit import EventLimit
from remixer.foundation.log import event_log
from remixer.foundation.status import Code
from remixer.transport.remote_files import FileFault
from remixer.transport.remote_port import RpcFailed
from remixer.transport.remote_resolver import Resolution, ResolutionLimits, ResolveFailed, Resolver
from remixer.transport.remote_security import Security
from remixer.transport.remote_subchannel import State, Subchannel, WireLimits, open_subchannel

_DRAIN_S: Final = 5.0
_LOG_EVERY_S: Final = 60.0

_log = event_log(__name__)


@dataclass(frozen=True, slots=True)
class PoolSpec:
    """What all subchannels of a pool have in common."""

    back_end: str
    authority: str
    wire: WireLimits
    resolution: ResolutionLimits


class AddressPool:
    """Subchannels of one back end. `pick` and `wait` from any task; `run` once."""

    def __init__(
        self,
        spec: PoolSpec,
        *,
        resolver: Resolver,
        security: Callable[[], Security],
        clock: Clock,
    ) -> None:
        self._spec = spec
        self._resolver = resolver
        self._security = security
        self._clock = clock
        self._resolution = Resolution(spec.resolution)
        self._subchannels: list[Subchannel] = []
        self._next = 0
        self._moved = asyncio.Event()
        """Set, and replaced, at every change that a waiting call may care for."""
        self._wake = asyncio.Event()
        self._wanted_era = self._era = 0
        """Eras of certificates: what connections should use, and what they do."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._retired: set[Subchannel] = set()
        self._is_stopped = False
        self._ended = asyncio.Event()
        self._has_begun = False
        self.connections_made = 0
        """Since the beginning, to all addresses."""
        self._limit = EventLimit(interval_s=_LOG_EVERY_S)

    @property
    def addresses(self) -> tuple[str, ...]:
        """Addresses in use, as gRPC targets."""
        return tuple(each.address for each in self._subchannels)

    @property
    def ready(self) -> int:
        """How many of them are connected."""
        return sum(each.state is State.READY for each in self._subchannels)

    # ------------------------------------------------------------------ for calls

    def pick(self, *, now_s: float, avoid: Subchannel | None = None) -> Subchannel | None:
        """The next one that is connected; None: `wait`. `avoid` only if there is no other."""
        subchannels = self._subchannels
        index = self._best(now_s, avoid)
        if index is None:
            return avoid if avoid in subchannels and avoid.state is State.READY else None
        self._next = (index + 1) % len(subchannels)
        return subchannels[index]

    def has_other(self, than: Subchannel | None) -> bool:
        """Whether calls can go elsewhere: to one that is connected and in good standing."""
        return any(
            each is not than and each.state is State.READY and each.standing.is_good
            for each in self._subchannels
        )

    async def wait(self, *, timeout_s: float, avoid: Subchannel | None = None) -> Subchannel:
        """Like `pick`, and waits for a connection. Raises `RpcFailed`."""
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    now_s = self._clock.monotonic_s()
                    if (found := self.pick(now_s=now_s, avoid=avoid)) is not None:
                        return found
                    if not self.may_connect:
                        return self._one_that_failed()
                    await self._moved.wait()
        except TimeoutError as error:
            message = f"no connection within {timeout_s:.3g} s"
            raise RpcFailed(Code.DEADLINE_EXCEEDED, message) from error

    def reopen(self) -> None:
        """The certificates changed: connect anew."""
        self._wanted_era += 1
        self._wake.set()

    def _best(self, now_s: float, avoid: Subchannel | None) -> int | None:
        """The place of the one to call; None: none is connected, or only `avoid`."""
        subchannels = self._subchannels
        count = len(subchannels)
        best: int | None = None
        shunned: int | None = None
        fewest = inf
        for step in range(self._next, self._next + count):
            index = step % count
            one = subchannels[index]
            if one.state is not State.READY or one is avoid:
                continue
            if one.standing.is_good:
                if one.calls_under_way < fewest:
                    best, fewest = index, one.calls_under_way
            elif one.standing.may_be_tried(now_s=now_s):
                return index
            elif shunned is None:
                shunned = index
        return shunned if best is None else best

    @property
    def may_connect(self) -> bool:
        """Whether somebody may be connected shortly; else a call fails at once and says why."""
        if self._is_stopped:
            return False
        if self._era != self._wanted_era:
            return True
        if not self._subchannels:
            return self._resolution.reason is None
        return any(each.state in {State.IDLE, State.CONNECTING} for each in self._subchannels)

    def _one_that_failed(self) -> Subchannel:
        if not self._subchannels:
            reason = "the connection is closed" if self._is_stopped else self._resolution.reason
            raise RpcFailed(Code.UNAVAILABLE, reason or "there is no address")
        self._next = (self._next + 1) % len(self._subchannels)
        return self._subchannels[self._next]

    # ------------------------------------------------------------------ background

    async def run(self) -> None:
        """Until `stop`, or cancelled; closes all connections in the end."""
        if self._is_stopped:
            return
        self._has_begun = True
        try:
            async with asyncio.TaskGroup() as group:
                try:
                    await self._keep_up(group)
                finally:
                    self._is_stopped = True
                    for task in tuple(self._tasks):
                        task.cancel()
        finally:
            self._is_stopped = True
            for each in (*self._subchannels, *self._retired):
                await each.aclose()
            self._subchannels.clear()
            self._pulse()
            self._ended.set()

    async def stop(self, *, bound_s: float) -> None:
        """End `run`; calls under way fail. Once or twice."""
        self._is_stopped = True
        self._wake.set()
        self._pulse()
        if self._has_begun:
            with suppress(TimeoutError):
                async with asyncio.timeout(bound_s):
                    await self._ended.wait()

    async def _keep_up(self, group: asyncio.TaskGroup) -> None:
        while not self._is_stopped:
            self._wake.clear()
            while self._era != self._wanted_era:
                era = self._wanted_era
                await self._use(self._resolution.addresses, group, is_anew=True)
                self._era = era
            if self._due_in_s() == 0:
                await self._resolve(group)
            wait_s = self._due_in_s()
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._wake.wait()

    def _due_in_s(self) -> float | None:
        """None: never again."""
        if self._resolver.is_fixed and self._resolution.addresses:
            return None
        return self._resolution.due_in_s(now_s=self._clock.monotonic_s())

    async def _resolve(self, group: asyncio.TaskGroup) -> None:
        try:
            found = await self._resolver.resolve()
        except ResolveFailed as error:
            self._resolution.failed(str(error), now_s=self._clock.monotonic_s())
        else:
            if self._resolution.found(found, now_s=self._clock.monotonic_s()):
                await self._use(self._resolution.addresses, group, is_anew=False)
        if self._resolution.reason is not None:
            self._note("back_end_not_resolved", self._resolution.reason)
        self._pulse()

    async def _use(
        self, addresses: tuple[str, ...], group: asyncio.TaskGroup, *, is_anew: bool
    ) -> None:
        kept = {} if is_anew else {each.address: each for each in self._subchannels}
        subchannels = []
        for address in addresses:
            one = kept.get(address) or await self._open(address, group)
            if one is not None:
                subchannels.append(one)
        gone = [each for each in self._subchannels if each not in subchannels]
        self._subchannels = subchannels
        for each in gone:
            self._retired.add(each)
            self._start(group, self._retire(each))
        _log.info("back_end_addresses", back_end=self._spec.back_end, addresses=list(addresses))
        self._pulse()

    async def _open(self, address: str, group: asyncio.TaskGroup) -> Subchannel | None:
        try:
            one = await open_subchannel(
                address,
                authority=self._spec.authority,
                security=self._security(),
                limits=self._spec.wire,
                start_task=lambda work: self._start(group, work),
            )
        except (OSError, FileFault) as error:
            self._note("back_end_not_dialled", str(error))
            return None
        self._start(group, self._watch(one))
        return one

    async def _watch(self, one: Subchannel) -> None:
        state = one.connect()
        while state is not State.SHUTDOWN:
            if one.state is State.READY or state is State.TRANSIENT_FAILURE:
                self._resolution.hurry()
                self._wake.set()
            if state is State.READY and one.state is not State.READY:
                one.standing.answered()
                self.connections_made += 1
            one.state = state
            self._pulse()
            try:
                state = await one.next_state(state)
            except (aio.UsageError, RuntimeError):
                return  # closed meanwhile

    async def _retire(self, one: Subchannel) -> None:
        await one.drain(bound_s=_DRAIN_S)
        self._retired.discard(one)

    def _start(self, group: asyncio.TaskGroup, work: Coroutine[object, None, None]) -> None:
        if self._is_stopped:
            work.close()
            return
        task = group.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _pulse(self) -> None:
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    def _note(self, event: str, reason: str) -> None:
        held_back = self._limit.pass_now(event, now_s=self._clock.monotonic_s())
        if held_back is not None:
            back_end = self._spec.back_end
            _log.warning(event, back_end=back_end, reason=reason, held_back=held_back)
