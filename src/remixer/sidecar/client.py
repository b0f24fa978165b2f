"""A client of Mixer for asyncio programs: answers next to the program, reports in batches."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from types import TracebackType
from typing import Self, TypeAlias

from remixer.attributes.bag import plain_bag
from remixer.attributes.values import Value
from remixer.foundation.clock import Clock, SystemClock
from remixer.foundation.deadline import Deadline
from remixer.mixer.outcome import CheckOutcome
from remixer.mixer.port import Mixer
from remixer.mixer.request import CheckRequest, QuotaArgs
from remixer.sidecar.loop_life import LoopLife
from remixer.sidecar.settings import ClientSettings
from remixer.sidecar.stack import ClientStack, forwarded_headers, open_stack
from remixer.tiers.background import BackgroundWork
from remixer.tiers.cached import Policies
from remixer.transport.remote_spec import ConnectionSpec, connection_faults

Attributes: TypeAlias = Mapping[str, Value | Mapping[str, str]]
"""Typed values by name; `remixer.attributes.values` has the types that Python lacks."""


@dataclass(slots=True)
class _Life:
    """A client that runs."""

    stack: ClientStack
    runner: asyncio.Task[None]


class MixerClient:
    """Asks a Mixer, or several that do the same; implements `AppMixer`.

    Made anywhere, also before a fork or outside of a loop; `start` binds it to the running loop.
    Use it as an async context manager, or start and close it. A process that forks while it is
    connected calls `rest` before and `wake` after; else the child is told that it cannot ask.
    """

    def __init__(
        self, address: str, settings: ClientSettings | None = None, *, clock: Clock | None = None
    ) -> None:
        """`address`: `HOST:PORT` or `unix:PATH`, or several with commas between them.

        Raises ValueError for one that is none of these.
        """
        self._settings = settings or ClientSettings()
        self._address = address
        self._clock = clock or SystemClock()
        spec = ConnectionSpec(address, authentication=self._settings.authentication)
        if faults := connection_faults(spec):
            raise ValueError("; ".join(f"{each.path} {each.message}" for each in faults))
        self._life: LoopLife[_Life] = LoopLife("MixerClient", survives_fork=_is_at_rest)

    # ------------------------------------------------------------ life

    async def start(self) -> None:
        await self._life.start(self._begun, is_running=_is_running)

    async def aclose(self) -> None:
        life = self._life.taken()
        if life is not None:
            await life.stack.aclose(self._settings.close_s)
            life.runner.cancel()
            await asyncio.wait({life.runner})

    async def rest(self) -> None:
        """Let the connection go before the process forks: gRPC cannot be used in the child else.

        Calls wait until `wake`. Answers, tokens and reports stay.
        """
        if self._life.held is not None:
            await self._life.held.stack.channel.rest()

    def wake(self) -> None:
        """The fork is over; in the child, `start` follows."""
        if self._life.held is not None:
            self._life.held.stack.channel.wake()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    # ------------------------------------------------------------ asking

    @property
    def port(self) -> Mixer:
        return self.stack.mixer

    @property
    def policies(self) -> Policies:
        return self.stack.policies

    @property
    def stack(self) -> ClientStack:
        """The tiers. Raises `InternalError` before `start` and after `aclose`.

        And `StartupError` in a child that was forked while the client was connected.
        """
        life = self._life.held
        if life is None:
            raise self._life.absence()
        return life.stack

    async def check(
        self,
        attributes: Attributes,
        *,
        quotas: Mapping[str, int] | None = None,
        timeout_s: float | None = None,
    ) -> CheckOutcome:
        """The verdict on a request, and the grants of `quotas`: name to amount, all or nothing.

        Raises nothing for a Mixer that is away: `ClientSettings.failure` says what is answered.
        """
        request = CheckRequest(
            bag=plain_bag(attributes),
            quotas={name: QuotaArgs(amount) for name, amount in (quotas or {}).items()},
            deadline=self._deadline(timeout_s),
        )
        port = self.port
        return port.check_now(request) or await port.check(request)

    async def quota(
        self,
        name: str,
        attributes: Attributes,
        *,
        amount: int = 1,
        best_effort: bool = False,
        timeout_s: float | None = None,
    ) -> int:
        """How much of `amount` is granted, from tokens fetched ahead if there are some."""
        request = CheckRequest(
            bag=plain_bag(attributes),
            quotas={name: QuotaArgs(amount, best_effort)},
            deadline=self._deadline(timeout_s),
        )
        port = self.port
        granted = port.grant_now(request)
        if granted is None:
            granted = await port.grant(request)
        return granted[name].granted if name in granted else amount

    def report(self, *records: Attributes) -> None:
        """Take note of finished requests; sent later, with others. Never waits."""
        self.port.report([plain_bag(each) for each in records])

    def forwarded_headers(self) -> dict[str, str]:
        """Headers for requests that this program makes of others, so that they know who asks.

        None without `ClientSettings.source_uid`. The other side believes them of whom it trusts.
        """
        return forwarded_headers(self._settings)

    def statistics(self) -> dict[str, int]:
        """Counters since `start`; most names are those of Mixer's client."""
        return self.stack.statistics()

    # ------------------------------------------------------------ inside

    async def _begun(self) -> _Life:
        ready: asyncio.Future[ClientStack] = asyncio.get_running_loop().create_future()
        # Not a TaskGroup: this task is one, and ends with `aclose`.
        runner = asyncio.create_task(self._run(ready), name="mixer client")  # noqa: TID251
        either: set[asyncio.Future[ClientStack] | asyncio.Future[None]] = {ready, runner}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not ready.done():
            await runner  # raises what went wrong
        return _Life(ready.result(), runner)

    async def _run(self, ready: "asyncio.Future[ClientStack]") -> None:
        async with asyncio.TaskGroup() as group:
            background = BackgroundWork()
            background.run_in(group)
            stack = await open_stack(
                self._address,
                self._settings,
                clock=self._clock,
                random=Random(),  # noqa: S311 - spreads retries and expiry, guards nothing
                background=background,
            )
            group.create_task(stack.reports.run(), name="mixer client's reports")
            ready.set_result(stack)

    def _deadline(self, timeout_s: float | None) -> Deadline | None:
        return None if timeout_s is None else Deadline(self._clock.monotonic_s() + timeout_s)


def _is_running(life: _Life) -> bool:
    return not life.runner.done()


def _is_at_rest(life: _Life) -> bool:
    return life.stack.channel.is_at_rest
