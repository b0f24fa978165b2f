"""Background work of a handler: walled in, ended with it, never waited for without end."""

import asyncio

import pytest

from remixer.runtime.handler_tasks import HandlerTasks
from remixer.testing.clock import in_virtual_time


async def test_work_runs_until_the_end() -> None:
    seen: list[str] = []

    async def work() -> None:
        try:
            seen.append("begun")
            await asyncio.Event().wait()
        finally:
            seen.append("ended")

    async with asyncio.TaskGroup() as group:
        tasks = HandlerTasks(group=group, handler="h.handler.shop")
        tasks.spawn(work(), name="refresh")
        await asyncio.sleep(0)
        await tasks.end()
    assert seen == ["begun", "ended"]


async def test_work_that_fails_ends_alone_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def fail() -> None:
        message = "no list"
        raise OSError(message)

    async with asyncio.TaskGroup() as group:
        HandlerTasks(group=group, handler="h.handler.shop").spawn(fail(), name="refresh")
    (record,) = caplog.records
    assert record.msg == "handler_task_failed"
    assert record.__dict__["fields"] == {
        "handler": "h.handler.shop",
        "task": "refresh",
        "reason": "no list",
    }


async def test_work_that_never_began_leaves_no_warning() -> None:
    async def work() -> None:
        await asyncio.Event().wait()

    async with asyncio.TaskGroup() as group:
        tasks = HandlerTasks(group=group, handler="h")
        tasks.spawn(work(), name="refresh")
        await tasks.end()


async def test_after_the_end_nothing_more_starts(caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        raise AssertionError

    async with asyncio.TaskGroup() as group:
        tasks = HandlerTasks(group=group, handler="h")
        await tasks.end()
        tasks.spawn(work(), name="late")
    assert [each.msg for each in caplog.records] == ["handler_task_refused"]


@in_virtual_time
async def test_work_that_ignores_its_cancellation_is_left_alone() -> None:
    released = asyncio.Event()

    async def stubborn() -> None:
        while not released.is_set():
            try:
                await released.wait()
            except asyncio.CancelledError:
                continue

    loop = asyncio.get_running_loop()
    async with asyncio.TaskGroup() as group:
        tasks = HandlerTasks(group=group, handler="h")
        tasks.spawn(stubborn(), name="stubborn")
        await asyncio.sleep(0)
        await tasks.end()
        assert loop.time() == pytest.approx(0.5)
        released.set()
