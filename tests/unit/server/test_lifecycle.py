"""Start, readiness, drain and stop, with services that write down what happens to them."""

import asyncio
import signal
from collections.abc import Awaitable, Callable

import pytest

from remixer.foundation.errors import InternalError, StartupError
from remixer.server.lifecycle import Lifecycle, Part, Phase, Readiness, stop_on_signals

PATIENCE_S = 60.0


async def nothing() -> None:
    return


class Story:
    """What happened, in order, and an event per line."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._told = asyncio.Condition()

    async def tell(self, line: str) -> None:
        self.lines.append(line)
        async with self._told:
            self._told.notify_all()

    async def until(self, line: str) -> None:
        async with asyncio.timeout(PATIENCE_S), self._told:
            await self._told.wait_for(lambda: line in self.lines)

    def part(
        self,
        name: str,
        *,
        start: Callable[[], Awaitable[None]] = nothing,
        run: Callable[[], Awaitable[None]] = nothing,
        drain: Callable[[], Awaitable[None]] = nothing,
        close: Callable[[], Awaitable[None]] = nothing,
    ) -> Part:
        """A service that tells each step and then does what is given for it."""

        async def on_start() -> None:
            await self.tell(f"{name} starts")
            await start()

        async def on_run() -> None:
            if run is not nothing:
                await self.tell(f"{name} runs")
            await run()

        async def on_drain(_grace_s: float) -> None:
            await self.tell(f"{name} drains")
            await drain()

        async def on_close() -> None:
            await self.tell(f"{name} closes")
            await close()

        return Part(name, on_start, on_run, on_drain, on_close)


def lifecycle_of(*services: Part, readiness: Readiness | None = None) -> Lifecycle:
    return Lifecycle(services=services, readiness=readiness or Readiness(), grace_s=PATIENCE_S)


async def wait_until_serving(readiness: Readiness) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while readiness.phase is not Phase.SERVING:  # noqa: ASYNC110 - a plain state, no event
            await asyncio.sleep(0)


async def for_ever() -> None:
    await asyncio.Event().wait()


async def test_services_end_in_reverse_order_and_drain_before_anything_closes() -> None:
    story, readiness = Story(), Readiness()
    lifecycle = lifecycle_of(story.part("store"), story.part("grpc"), readiness=readiness)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(lifecycle.run())
        await wait_until_serving(readiness)
        lifecycle.request_stop()
    assert story.lines == [
        "store starts",
        "grpc starts",
        "grpc drains",
        "store drains",
        "grpc closes",
        "store closes",
    ]


async def test_readiness_follows_the_phases() -> None:
    seen: list[tuple[str, ...]] = []
    readiness = Readiness()

    async def look(*_grace_s: float) -> None:
        seen.append(readiness.reasons())

    part = Part("p", on_start=look, on_drain=look, on_close=look)
    lifecycle = lifecycle_of(part, readiness=readiness)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(lifecycle.run())
        await wait_until_serving(readiness)
        await look()
        lifecycle.request_stop()
    await look()
    assert seen == [("starting",), (), ("draining",), ("draining",), ("stopped",)]


def test_readiness_names_what_is_missing() -> None:
    readiness = Readiness()
    readiness.phase = Phase.SERVING
    readiness.wait_for("configuration", "not loaded yet")
    assert readiness.reasons() == ("configuration: not loaded yet",)
    readiness.have("configuration")
    readiness.have("configuration")
    assert readiness.reasons() == ()


async def test_failed_start_is_raised_after_closing_what_was_reached() -> None:
    story = Story()

    async def fail() -> None:
        message = "port taken"
        raise StartupError(message)

    lifecycle = lifecycle_of(story.part("a"), story.part("b", start=fail), story.part("c"))
    with pytest.raises(StartupError, match="port taken"):
        await lifecycle.run()
    assert story.lines == ["a starts", "b starts", "a drains", "b closes", "a closes"]


async def test_stop_during_a_start_cuts_it_short() -> None:
    story = Story()
    lifecycle = lifecycle_of(story.part("a", start=for_ever), story.part("b"))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(lifecycle.run())
        await story.until("a starts")
        lifecycle.request_stop()
    assert story.lines == ["a starts", "a closes"]


async def test_stop_requested_before_the_run_is_kept() -> None:
    lifecycle = lifecycle_of(Story().part("a"))
    lifecycle.request_stop()
    async with asyncio.timeout(PATIENCE_S):
        await lifecycle.run()


async def test_second_stop_ends_the_drain_but_still_closes() -> None:
    story, readiness = Story(), Readiness()
    stuck = story.part("b", drain=for_ever)
    lifecycle = lifecycle_of(story.part("a"), stuck, readiness=readiness)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(lifecycle.run())
        await wait_until_serving(readiness)
        lifecycle.request_stop()
        await story.until("b drains")
        lifecycle.request_stop()
        lifecycle.request_stop()
    assert story.lines == ["a starts", "b starts", "b drains", "b closes", "a closes"]


async def test_two_stops_at_once_skip_the_drain() -> None:
    story, readiness = Story(), Readiness()
    lifecycle = lifecycle_of(story.part("a", drain=for_ever), readiness=readiness)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(lifecycle.run())
        await wait_until_serving(readiness)
        lifecycle.request_stop()
        lifecycle.request_stop()
    assert story.lines[-1] == "a closes"
    assert readiness.phase is Phase.STOPPED


@pytest.mark.parametrize("step", ["drain", "close"])
async def test_trouble_of_one_service_at_the_end_is_logged_and_stops_no_other(
    step: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail() -> None:
        message = "cannot"
        raise OSError(message)

    story, readiness = Story(), Readiness()
    bad = story.part("b", drain=fail) if step == "drain" else story.part("b", close=fail)
    lifecycle = lifecycle_of(story.part("a"), bad, readiness=readiness)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(lifecycle.run())
        await wait_until_serving(readiness)
        lifecycle.request_stop()
    assert story.lines[-4:] == ["b drains", "a drains", "b closes", "a closes"]
    (error,) = [each for each in caplog.records if each.levelname == "ERROR"]
    expected = {"service": "b", "step": step, "reason": "cannot"}
    assert getattr(error, "fields", None) == expected


async def test_background_work_is_cancelled_before_its_service_closes() -> None:
    story, readiness = Story(), Readiness()

    async def work() -> None:
        try:
            await for_ever()
        finally:
            await story.tell("a stops running")

    lifecycle = lifecycle_of(story.part("a", run=work), readiness=readiness)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(lifecycle.run())
        await wait_until_serving(readiness)
        await story.until("a runs")
        lifecycle.request_stop()
    assert story.lines == ["a starts", "a runs", "a drains", "a stops running", "a closes"]


async def test_failing_background_work_stops_the_process_in_order_and_is_raised() -> None:
    story = Story()

    async def fail() -> None:
        message = "lost"
        raise OSError(message)

    lifecycle = lifecycle_of(story.part("a", run=fail), story.part("b"))
    with pytest.raises(OSError, match="lost"):
        await lifecycle.run()
    assert story.lines[-2:] == ["b closes", "a closes"]


async def test_notice_keeps_serving_while_unready() -> None:
    readiness = Readiness()
    drained_after_s: list[float] = []

    async def drain(_grace_s: float) -> None:
        drained_after_s.append(asyncio.get_running_loop().time() - stopped_at_s)

    lifecycle = Lifecycle(
        services=[Part("p", on_drain=drain)], readiness=readiness, grace_s=1.0, notice_s=0.05
    )
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(lifecycle.run())
        await wait_until_serving(readiness)
        stopped_at_s = asyncio.get_running_loop().time()
        lifecycle.request_stop()
    assert drained_after_s[0] >= 0.05


async def test_cancelled_run_closes_its_services() -> None:
    story, readiness = Story(), Readiness()
    lifecycle = lifecycle_of(story.part("a"), readiness=readiness)
    async with asyncio.TaskGroup() as tasks:
        run = tasks.create_task(lifecycle.run())
        await wait_until_serving(readiness)
        run.cancel()
    assert run.cancelled()
    assert story.lines == ["a starts", "a closes"]


async def test_lifecycle_runs_once() -> None:
    lifecycle = lifecycle_of()
    lifecycle.request_stop()
    await lifecycle.run()
    with pytest.raises(InternalError):
        await lifecycle.run()


def test_names_of_services_are_unique() -> None:
    with pytest.raises(InternalError):
        lifecycle_of(Part("a"), Part("a"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_signals_request_a_stop(number: signal.Signals) -> None:
    readiness = Readiness()
    lifecycle = lifecycle_of(Part("a"), readiness=readiness)
    with stop_on_signals(lifecycle):
        async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as tasks:
            tasks.create_task(lifecycle.run())
            await wait_until_serving(readiness)
            signal.raise_signal(number)
    assert readiness.phase is Phase.STOPPED
