"""The wall around one adapter call: deadline, breaker, exceptions, type of the answer, timing.

Compiled checks (`remixer.runtime.check_code`) have a wall of their own for calls that succeed; what
goes wrong there is judged here.

One of the few places that may catch `Exception`: an adapter's fault becomes a `Failure` value,
so that it never cancels its siblings and never ends a request by accident.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from types import CoroutineType
from typing import Final, TypeVar, cast

from remixer.foundation.breaker import Breaker, BreakerState, Permit, Refused
from remixer.foundation.clock import Clock
from remixer.foundation.deadline import Deadline
from remixer.foundation.event_limit import EventLimit
from remixer.foundation.log import event_log
from remixer.runtime.calls import Call, Entry, Failure, Result
from remixer.runtime.metrics import RuntimeMetrics
from remixer.runtime.reasons import reason_of
from remixer.sdk.call_time import set_call_end

T = TypeVar("T")

_LOG_INTERVAL_S: Final = 1.0  # per handler: a broken back end fails every request
_log: Final = event_log(__name__)

TOO_LATE: Final = Failure("not asked: the request's deadline had passed", is_timeout=True)
_REFUSED: Final = Failure("not asked: it failed too often, its circuit breaker is open")
_BROKEN_PROMISE: Final = Failure(
    "answered with something to wait for; a method that waits must be `async def`"
)


class Guard:
    """Runs adapter calls."""

    __slots__ = ("_adapter_timeout_s", "_clock", "_covers_logged", "_failures_logged", "_metrics")

    def __init__(self, *, clock: Clock, metrics: RuntimeMetrics, adapter_timeout_s: float) -> None:
        """`adapter_timeout_s` bounds one call even when the request has no deadline."""
        self._clock = clock
        self._metrics = metrics
        self._adapter_timeout_s = adapter_timeout_s
        self._failures_logged = EventLimit(interval_s=_LOG_INTERVAL_S)
        self._covers_logged = EventLimit(interval_s=_LOG_INTERVAL_S)

    async def run_all(self, calls: Sequence[Call[T]], deadline: Deadline | None) -> list[Result[T]]:
        """Results in the order of `calls`; calls that wait do so side by side.

        Finishes without suspending if no entry may wait.
        """
        started = [
            self._start(call, deadline)
            if (breaker := call.entry.breaker) is None
            else self._start_watched(call, breaker, deadline)
            for call in calls
        ]
        waiting = [index for index, result in enumerate(started) if type(result) is CoroutineType]
        if len(waiting) == 1:
            started[waiting[0]] = await started[waiting[0]]  # type: ignore[misc] # a coroutine
        elif waiting:
            async with asyncio.TaskGroup() as group:
                tasks: dict[int, asyncio.Task[Result[T]]] = {
                    index: group.create_task(started[index])  # type: ignore[arg-type] # a coroutine
                    for index in waiting
                }
            for index, task in tasks.items():
                started[index] = task.result()
        return started  # type: ignore[return-value] # every coroutine was replaced above

    def run_now(self, call: Call[T], deadline: Deadline | None = None) -> Result[T]:
        """Result of a call whose entry never waits."""
        breaker = call.entry.breaker
        if breaker is None:
            return cast("Result[T]", self._start(call, deadline))
        return cast("Result[T]", self._start_watched(call, breaker, deadline))

    @property
    def now_s(self) -> Callable[[], float]:
        """Monotonic seconds, by which calls are timed."""
        return self._clock.monotonic_s

    def successes_of(self, entry: Entry[T]) -> Callable[[float], None]:
        """Takes note of calls that ended well; for callers that do without `run_all`."""
        return self._metrics.successes_of(
            template=entry.template, handler=entry.handler, adapter=entry.adapter
        )

    def caught(self, entry: Entry[T], begun_s: float, error: BaseException) -> Failure:
        """What a call came to that raised `error`."""
        return self._failed(entry, begun_s, Failure(reason_of(error)))

    def judged_now(self, entry: Entry[T], outcome: object, begun_s: float) -> Result[T]:
        """What a call came to that gave `outcome` and may not wait."""
        if type(outcome) is not entry.answer and hasattr(outcome, "__await__"):
            _abandon(outcome)
            return self._failed(entry, begun_s, _BROKEN_PROMISE)
        return self._judged(entry, outcome, begun_s)

    def covered(self, entry: Entry[T], failure: Failure, *, policy: str, step: str) -> None:
        """Take note of what stands in for the answer of a call that failed."""
        self._metrics.failure_covered(handler=entry.handler, step=step)
        now_s = self._clock.monotonic_s()
        held_back = self._covers_logged.pass_now(f"{entry.handler} {step}", now_s=now_s)
        if held_back is not None:
            _log.warning(
                "failure_covered",
                handler=entry.handler,
                policy=policy,
                step=step,
                reason=failure.reason,
                held_back=held_back,
            )

    def _start_watched(self, call: Call[T], breaker: Breaker, deadline: Deadline | None) -> object:
        """As `_start`, unless the breaker refuses."""
        if call.entry.may_wait:
            # Entered when it runs: a coroutine that never does must not hold the only probe.
            return self._watched(call, breaker, deadline)
        permit = breaker.enter(now_s=self._clock.monotonic_s())
        if isinstance(permit, Refused):
            return _REFUSED
        result = self._start(call, deadline)
        self._tell(call.entry, breaker, permit, result)
        return result

    async def _watched(
        self, call: Call[T], breaker: Breaker, deadline: Deadline | None
    ) -> Result[T]:
        permit = breaker.enter(now_s=self._clock.monotonic_s())
        if isinstance(permit, Refused):
            return _REFUSED
        try:
            result = self._start(call, deadline)
            if type(result) is CoroutineType:
                result = await result
        except BaseException:
            breaker.abandoned(permit)
            raise
        self._tell(call.entry, breaker, permit, result)
        return cast("Result[T]", result)

    def _tell(self, entry: Entry[T], breaker: Breaker, permit: Permit, result: object) -> None:
        now_s = self._clock.monotonic_s()
        if result is TOO_LATE:
            breaker.abandoned(permit)
        elif not isinstance(result, Failure):
            breaker.succeeded(permit, now_s=now_s)
        else:
            before = breaker.state
            breaker.failed(permit, now_s=now_s)
            if before is BreakerState.CLOSED and breaker.state is BreakerState.OPEN:
                _log.warning("breaker_opened", handler=entry.handler, reason=result.reason)

    def _start(self, call: Call[T], deadline: Deadline | None) -> object:
        """A result; or, only if the entry may wait, a coroutine that gives one."""
        entry = call.entry
        begun_s = self._clock.monotonic_s()
        if deadline is not None and begun_s >= deadline.at_monotonic_s:
            return TOO_LATE
        try:
            outcome = entry.method(*call.arguments)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - the wall
            return self.caught(entry, begun_s, error)
        if entry.may_wait and type(outcome) is not entry.answer and hasattr(outcome, "__await__"):
            return self._finish(entry, outcome, begun_s, deadline)
        return self.judged_now(entry, outcome, begun_s)

    async def _finish(
        self, entry: Entry[T], outcome: Awaitable[T], begun_s: float, deadline: Deadline | None
    ) -> Result[T]:
        """Never raises, unless the request itself is cancelled."""
        timeout_s = self._adapter_timeout_s if entry.timeout_s is None else entry.timeout_s
        if deadline is not None:
            timeout_s = min(timeout_s, deadline.remaining_s(now_s=begun_s))
        set_call_end(begun_s + timeout_s)
        scope = asyncio.timeout(timeout_s)
        try:
            async with scope:
                answer = await outcome
        except asyncio.CancelledError as error:
            if is_being_cancelled():
                self._count(entry, begun_s, error=True)
                raise
            failure = Failure(reason_of(error))
        except Exception as error:  # noqa: BLE001 - the wall
            failure = Failure(reason_of(error))
            if scope.expired():
                failure = Failure(f"no answer within {timeout_s:.3f} s", is_timeout=True)
        else:
            return self._judged(entry, answer, begun_s)
        return self._failed(entry, begun_s, failure)

    def _judged(self, entry: Entry[T], answer: object, begun_s: float) -> Result[T]:
        """The answer, if it is of the type that the entry promises."""
        if isinstance(answer, entry.answer):
            self._count(entry, begun_s, error=False)
            return answer
        reason = f"answered with a {type(answer).__name__}; wanted a {entry.answer.__name__}"
        return self._failed(entry, begun_s, Failure(reason))

    def _failed(self, entry: Entry[T], begun_s: float, failure: Failure) -> Failure:
        self._count(entry, begun_s, error=True)
        held_back = self._failures_logged.pass_now(entry.handler, now_s=begun_s)
        if held_back is not None:
            _log.warning(
                "adapter_call_failed",
                handler=entry.handler,
                template=entry.template,
                reason=failure.reason,
                held_back=held_back,
            )
        return failure

    def _count(self, entry: Entry[T], begun_s: float, *, error: bool) -> None:
        self._metrics.dispatched(
            template=entry.template,
            handler=entry.handler,
            adapter=entry.adapter,
            error=error,
            seconds=self._clock.monotonic_s() - begun_s,
        )


def is_being_cancelled() -> bool:
    """Whether somebody cancelled the running task; else a `CancelledError` came from within.

    An adapter that awaits a future which another one cancelled gets such an error too.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _abandon(outcome: object) -> None:
    """Let go of something to wait for, without a warning that nobody awaited it."""
    if isinstance(outcome, asyncio.Future):
        outcome.cancel()
    elif isinstance(outcome, CoroutineType):
        outcome.close()
