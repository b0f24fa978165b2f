"""The wall around one adapter call: whatever an adapter does, a value comes back."""

import asyncio
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass, field, replace

import pytest

from remixer.foundation.breaker import Breaker, BreakerLimits, BreakerState
from remixer.foundation.deadline import Deadline
from remixer.runtime.calls import Call, Entry, Failure
from remixer.runtime.guard import Guard
from remixer.runtime.metrics import NoMetrics
from remixer.testing.clock import VirtualClock, clock_of_running_loop, in_virtual_time


@dataclass(slots=True)
class Dispatches(NoMetrics):
    """Remembers how calls ended."""

    seen: list[tuple[str, bool, float]] = field(default_factory=list)

    def dispatched(
        self, *, template: str, handler: str, adapter: str, error: bool, seconds: float
    ) -> None:
        self.seen.append((f"{template} {handler} {adapter}", error, seconds))


def call(method: Callable[[], int | Awaitable[int]], *, may_wait: bool = False) -> Call[int]:
    entry = Entry(
        template="quota",
        handler="q.handler.shop",
        adapter="memquota",
        method=method,
        may_wait=may_wait,
        answer=int,
    )
    return Call(entry, ())


def later(method: Callable[[], Awaitable[int]]) -> Call[int]:
    return call(method, may_wait=True)


def guard(*, metrics: NoMetrics | None = None, timeout_s: float = 1.0) -> Guard:
    clock = clock_of_running_loop()
    return Guard(clock=clock, metrics=metrics or NoMetrics(), adapter_timeout_s=timeout_s)


async def only(*calls: Call[int], deadline: Deadline | None = None) -> int | Failure:
    results = await guard().run_all(calls, deadline)
    return results[0]


async def test_an_answer_comes_back_as_it_is() -> None:
    assert await only(call(lambda: 7)) == 7


def test_calls_that_never_wait_end_without_a_loop() -> None:
    wall = Guard(clock=VirtualClock(), metrics=NoMetrics(), adapter_timeout_s=1.0)
    running = wall.run_all([call(lambda: 1), call(lambda: 2)], None)
    with pytest.raises(StopIteration) as ended:
        running.send(None)
    assert ended.value.value == [1, 2]


@in_virtual_time
async def test_calls_that_wait_do_so_side_by_side_and_keep_their_order() -> None:
    def after(seconds: float, number: int) -> Call[int]:
        async def wait() -> int:
            return await asyncio.sleep(seconds, number)

        return later(wait)

    loop = asyncio.get_running_loop()
    results = await guard().run_all([after(0.9, 1), call(lambda: 2), after(0.5, 3)], None)
    assert results == [1, 2, 3]
    assert loop.time() == pytest.approx(0.9)


async def test_an_exception_becomes_a_failure_with_its_text() -> None:
    def broken() -> int:
        message = "no route"
        raise OSError(message)

    assert await only(call(broken)) == Failure("no route")


async def test_an_exception_while_waiting_becomes_a_failure() -> None:
    async def broken() -> int:
        await asyncio.sleep(0)
        message = "no route"
        raise OSError(message)

    assert await only(later(broken)) == Failure("no route")


@in_virtual_time
async def test_the_adapter_timeout_bounds_a_call_without_a_deadline() -> None:
    async def hang() -> int:
        await asyncio.Event().wait()
        return 1

    assert await only(later(hang)) == Failure("no answer within 1.000 s", is_timeout=True)
    assert asyncio.get_running_loop().time() == pytest.approx(1.0)


@in_virtual_time
async def test_the_deadline_of_the_request_bounds_a_call_if_it_is_sooner() -> None:
    async def hang() -> int:
        await asyncio.Event().wait()
        return 1

    assert await only(later(hang), deadline=Deadline(0.25)) == Failure(
        "no answer within 0.250 s", is_timeout=True
    )


@pytest.mark.parametrize("at_s", [0.0, -5.0])
async def test_nobody_is_asked_once_the_deadline_has_passed(at_s: float) -> None:
    asked: list[str] = []

    def spend() -> int:
        asked.append("spent")
        return 1

    result = await only(call(spend), deadline=Deadline(at_s))
    assert isinstance(result, Failure)
    assert result.is_timeout
    assert asked == []


async def test_an_adapters_own_timeout_is_not_taken_for_ours() -> None:
    async def gave_up() -> int:
        await asyncio.sleep(0)
        message = "Redis did not answer"
        raise TimeoutError(message)

    assert await only(later(gave_up)) == Failure("Redis did not answer")


@in_virtual_time
async def test_a_timeout_that_the_adapter_translates_is_still_a_timeout() -> None:
    async def translate() -> int:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError as error:
            message = "session closed"
            raise OSError(message) from error
        return 1

    assert await only(later(translate)) == Failure("no answer within 1.000 s", is_timeout=True)


async def test_an_adapter_that_is_cancelled_from_within_fails_alone() -> None:
    """A future that two calls share, cancelled by the first, must not end the second's request."""

    async def cancelled() -> int:
        shared: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        shared.cancel()
        return await shared

    async def fine() -> int:
        await asyncio.sleep(0)
        return 2

    assert await only(later(cancelled)) == Failure("CancelledError")
    results = await guard().run_all([later(cancelled), later(fine)], None)
    assert results == [Failure("CancelledError"), 2]


async def test_the_cancellation_of_a_request_passes_and_is_counted() -> None:
    metrics = Dispatches()
    asked = asyncio.Event()

    async def hang() -> int:
        asked.set()
        await asyncio.Event().wait()
        return 1

    async with asyncio.TaskGroup() as group:
        task = group.create_task(guard(metrics=metrics).run_all([later(hang)], None))
        await asked.wait()
        task.cancel()
    assert task.cancelled()
    assert [error for _, error, _ in metrics.seen] == [True]


async def test_an_answer_of_another_type_is_a_failure() -> None:
    def forgot() -> int:
        return None  # type: ignore[return-value] # what a third party may do

    result = await only(call(forgot))
    assert result == Failure("answered with a NoneType; wanted a int")


async def test_a_late_answer_of_another_type_is_a_failure() -> None:
    async def forgot() -> int:
        await asyncio.sleep(0)
        return "7"  # type: ignore[return-value] # what a third party may do

    assert await only(later(forgot)) == Failure("answered with a str; wanted a int")


async def test_a_subclass_of_the_wanted_type_is_an_answer() -> None:
    assert await only(call(lambda: True)) is True


async def test_a_plain_method_that_waits_is_told_how_to_say_so() -> None:
    async def wait() -> int:
        await asyncio.sleep(0)
        return 1

    result = await only(call(wait))
    assert isinstance(result, Failure)
    assert "async def" in result.reason


async def test_a_plain_method_that_gives_a_future_is_told_how_to_say_so() -> None:
    future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    result = await only(call(lambda: future))
    assert isinstance(result, Failure)
    assert future.cancelled()


async def test_anything_else_to_wait_for_is_let_go_too() -> None:
    class Endless:
        def __await__(self) -> Generator[None, None, int]:
            while True:
                yield

    assert isinstance(await only(call(Endless)), Failure)


async def test_a_method_that_may_wait_need_not() -> None:
    assert await only(call(lambda: 7, may_wait=True)) == 7


@in_virtual_time
async def test_every_call_is_timed_and_counted() -> None:
    metrics = Dispatches()

    async def slow() -> int:
        return await asyncio.sleep(0.5, 1)

    def broken() -> int:
        raise ValueError

    await guard(metrics=metrics).run_all([later(slow), call(broken)], None)
    label = "quota q.handler.shop memquota"
    assert [(what, error) for what, error, _ in metrics.seen] == [(label, True), (label, False)]
    assert metrics.seen[1][2] == pytest.approx(0.5)


# ---------------------------------------------------------------- breakers and time limits


def breaker_after(failures: int) -> Breaker:
    return Breaker(BreakerLimits(failures_in_a_row=failures, calls_in_window=1_000))


def watched(method: Callable[[], int | Awaitable[int]], breaker: Breaker) -> Call[int]:
    may_wait = asyncio.iscoroutinefunction(method)
    return Call(replace(call(method, may_wait=may_wait).entry, breaker=breaker), ())


def fail() -> int:
    message = "no route"
    raise OSError(message)


async def fail_later() -> int:
    await asyncio.sleep(0)
    return fail()


@pytest.mark.parametrize("method", [fail, fail_later])
async def test_after_enough_failures_the_breaker_answers(method: Callable[[], int]) -> None:
    breaker = breaker_after(2)
    results = [await only(watched(method, breaker)) for _ in range(3)]
    assert [isinstance(each, Failure) and "breaker" in each.reason for each in results] == [
        False,
        False,
        True,
    ]


async def test_a_call_that_was_not_made_tells_a_breaker_nothing() -> None:
    breaker = breaker_after(1)
    for _ in range(2):
        await only(watched(fail, breaker), deadline=Deadline(-1.0))
        await only(watched(fail_later, breaker), deadline=Deadline(-1.0))
    assert breaker.state is BreakerState.CLOSED


async def test_an_answer_of_another_type_counts_as_a_failure() -> None:
    breaker = breaker_after(1)
    await only(watched(lambda: "7", breaker))  # type: ignore[arg-type,return-value] # what a third party may do
    assert breaker.state is BreakerState.OPEN


async def test_an_answer_ends_a_row_of_failures() -> None:
    breaker = breaker_after(2)
    for method in (fail, lambda: 7, fail):
        await only(watched(method, breaker))
    assert breaker.state is BreakerState.CLOSED


async def test_a_call_that_is_cancelled_tells_a_breaker_nothing() -> None:
    breaker, asked = breaker_after(1), asyncio.Event()

    async def hang() -> int:
        asked.set()
        await asyncio.Event().wait()
        return 1

    async with asyncio.TaskGroup() as group:
        task = group.create_task(only(watched(hang, breaker)))
        await asked.wait()
        task.cancel()
    assert breaker.state is BreakerState.CLOSED


@in_virtual_time
async def test_an_entry_may_have_a_time_limit_of_its_own() -> None:
    async def hang() -> int:
        await asyncio.Event().wait()
        return 1

    patient = Call(replace(later(hang).entry, timeout_s=3.0), ())
    assert await only(patient) == Failure("no answer within 3.000 s", is_timeout=True)
