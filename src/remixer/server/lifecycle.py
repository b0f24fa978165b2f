"""From start to end: what starts when, when the process is ready, and how it stops.

States, moved by `Lifecycle.run` alone:

    STARTING --all started--> SERVING --stop--> DRAINING --drained, closed--> STOPPED
    STARTING --stop, or a start failed--> DRAINING

Services start in the order given and end in reverse, so that each finds what it needs. The end
has two passes: *drain* (accept nothing new, finish what was accepted, within the grace) over
all services, then *close*. A second request to stop ends the drain at once; closing is short
and always done. A service's `run`, if it has work of its own, is a task of this lifecycle and
is cancelled before the service closes; if it fails, the process stops and the failure is raised.
"""

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from enum import Enum
from typing import Final, Protocol

from remixer.foundation.errors import InternalError
from remixer.foundation.log import event_log

_CLOSE_S: Final = 5.0
"""For one service to close; longer means that it hangs, and the others go on."""
_DRAIN_SLACK_S: Final = 1.0
"""What a service may need beyond the grace to cancel what is left."""

_log = event_log(__name__)


class Phase(Enum):
    """Where the process is in its life."""

    STARTING = "starting"
    SERVING = "serving"
    DRAINING = "draining"
    STOPPED = "stopped"


class Readiness:
    """Whether new requests should come here, and if not, why. For load balancers."""

    __slots__ = ("_missing", "phase")

    def __init__(self) -> None:
        self.phase = Phase.STARTING
        self._missing: dict[str, str] = {}

    def wait_for(self, subject: str, reason: str) -> None:
        """Not ready until `have(subject)`: `wait_for("configuration", "not loaded yet")`."""
        self._missing[subject] = reason

    def have(self, subject: str) -> None:
        """`subject` is there; also if nobody waited for it."""
        self._missing.pop(subject, None)

    def reasons(self) -> tuple[str, ...]:
        """Why not; empty means ready."""
        missing = tuple(f"{subject}: {reason}" for subject, reason in self._missing.items())
        return missing if self.phase is Phase.SERVING else (self.phase.value, *missing)


class Service(Protocol):
    """A part of the process with a life of its own."""

    @property
    def name(self) -> str: ...

    async def start(self) -> None:
        """Be of use when it returns; `StartupError` tells the operator why not."""
        ...

    async def run(self) -> None:
        """Background work between start and close; may return at once."""
        ...

    async def drain(self, *, grace_s: float) -> None:
        """Accept nothing new and finish what was accepted, at most `grace_s` seconds.

        Only after a `start` that succeeded.
        """
        ...

    async def aclose(self) -> None:
        """Let everything go; also after a start that failed half-way, and twice."""
        ...


async def _nothing() -> None:
    return


async def _no_drain(_grace_s: float) -> None:
    return


@dataclass(frozen=True, slots=True)
class Part:
    """A `Service` made of functions; what is not given does nothing."""

    name: str
    on_start: Callable[[], Awaitable[object]] = _nothing
    on_run: Callable[[], Awaitable[object]] = _nothing
    on_drain: Callable[[float], Awaitable[object]] = _no_drain
    """Takes the grace in seconds."""
    on_close: Callable[[], Awaitable[object]] = _nothing

    async def start(self) -> None:
        await self.on_start()

    async def run(self) -> None:
        await self.on_run()

    async def drain(self, *, grace_s: float) -> None:
        await self.on_drain(grace_s)

    async def aclose(self) -> None:
        await self.on_close()


class Lifecycle:
    """Runs services once, from start to end."""

    def __init__(
        self,
        *,
        services: Sequence[Service],
        readiness: Readiness,
        grace_s: float,
        notice_s: float = 0.0,
    ) -> None:
        """`notice_s`: how long to be unready, yet serving, before the drain begins."""
        if len({each.name for each in services}) < len(services):
            message = "two services of one name"
            raise InternalError(message)
        self._services = tuple(services)
        self._readiness = readiness
        self._grace_s = grace_s
        self._notice_s = notice_s
        self._reached: list[Service] = []
        self._jobs: dict[str, asyncio.Task[None]] = {}
        self._failure: Exception | None = None
        self._stop_requests = 0
        self._waiting: asyncio.Timeout | None = None
        self._patience = 0

    def request_stop(self) -> None:
        """First: drain, then stop. Second: stop now. On the loop's thread."""
        self._stop_requests += 1
        _log.info("stop requested", times=self._stop_requests)
        if self._waiting is not None and self._stop_requests == self._patience:
            self._waiting.reschedule(asyncio.get_running_loop().time())

    async def run(self) -> None:
        """Returns after an orderly stop; raises what made a start or a `run` fail."""
        if self._readiness.phase is not Phase.STARTING:
            message = "a lifecycle runs once"
            raise InternalError(message)
        async with asyncio.TaskGroup() as group:
            try:
                async with self._until_stop(times=1):
                    if await self._start_all(group):
                        self._readiness.phase = Phase.SERVING
                        _log.info("serving")
                        await asyncio.Event().wait()
                await self._drain_all()
            finally:
                await self._close_all()
        if self._failure is not None:
            raise self._failure

    @asynccontextmanager
    async def _until_stop(self, *, times: int) -> AsyncIterator[None]:
        """Leave the block as soon as a stop was requested so many times."""
        if self._stop_requests >= times:
            at_s: float | None = 0.0
        else:
            at_s = None
        try:
            async with asyncio.timeout_at(at_s) as scope:
                self._waiting, self._patience = scope, times
                yield
        except TimeoutError:
            if not scope.expired():
                raise
        finally:
            self._waiting = None

    async def _start_all(self, group: asyncio.TaskGroup) -> bool:
        """Whether all started; the first failure is kept."""
        for service in self._services:
            self._reached.append(service)
            try:
                await service.start()
            except Exception as error:  # noqa: BLE001 - kept, and raised after closing the rest
                self._failure = self._failure or error
                return False
            work = self._watched(service)
            self._jobs[service.name] = group.create_task(work, name=f"{service.name} run")
        return True

    async def _watched(self, service: Service) -> None:
        try:
            await service.run()
        except Exception as error:  # noqa: BLE001 - kept, and raised after an orderly stop
            _log.error("service failed", service=service.name, reason=str(error))
            self._failure = self._failure or error
            if not self._stop_requests:
                self.request_stop()

    async def _drain_all(self) -> None:
        was_serving = self._readiness.phase is Phase.SERVING
        self._readiness.phase = Phase.DRAINING
        async with self._until_stop(times=2):
            if was_serving and self._notice_s:
                await asyncio.sleep(self._notice_s)
            loop = asyncio.get_running_loop()
            ends_at_s = loop.time() + self._grace_s
            for service in reversed(self._reached):
                if service.name not in self._jobs:
                    continue  # its start failed or was cut short
                left_s = max(0.0, ends_at_s - loop.time())
                drain = service.drain(grace_s=left_s)
                await _bounded(drain, left_s + _DRAIN_SLACK_S, what="drain", name=service.name)

    async def _close_all(self) -> None:
        self._readiness.phase = Phase.DRAINING
        for service in reversed(self._reached):
            job = self._jobs.pop(service.name, None)
            if job is not None:
                job.cancel()
                await asyncio.wait({job}, timeout=_CLOSE_S)
            await _bounded(service.aclose(), _CLOSE_S, what="close", name=service.name)
        self._reached.clear()
        self._readiness.phase = Phase.STOPPED
        _log.info("stopped")


async def _bounded(work: Awaitable[None], seconds: float, *, what: str, name: str) -> None:
    """One service's trouble at the end is logged and keeps none of the others from ending."""
    try:
        async with asyncio.timeout(seconds):
            await work
    except Exception as error:  # noqa: BLE001 - logged; the end must go on
        reason = str(error) or type(error).__name__
        _log.error("service did not end in order", service=name, step=what, reason=reason)


@contextmanager
def stop_on_signals(lifecycle: Lifecycle) -> Iterator[None]:
    """SIGTERM and SIGINT request a stop while the block runs; inside the loop's main thread."""
    loop = asyncio.get_running_loop()
    watched = (signal.SIGTERM, signal.SIGINT)
    for each in watched:
        loop.add_signal_handler(each, lifecycle.request_stop)
    try:
        yield
    finally:
        for each in watched:
            loop.remove_signal_handler(each)


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
