"""Work that nobody waits for."""

import asyncio

import pytest

from remixer.tiers.background import BackgroundWork


class Steps:
    """What happened. Pieces of work wait for `go`."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.go = asyncio.Event()
        self._changed = asyncio.Condition()

    async def work(self, name: str, *, fails: bool = False) -> None:
        await self._note(f"{name} begins")
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.seen.append(f"{name} is cancelled")
            raise
        if fails:
            message = "broken"
            raise ValueError(message)
        await self._note(f"{name} ends")

    async def has(self, step: str) -> None:
        async with asyncio.timeout(60), self._changed:
            await self._changed.wait_for(lambda: step in self.seen)

    async def _note(self, step: str) -> None:
        async with self._changed:
            self.seen.append(step)
            self._changed.notify_all()


async def test_work_before_and_after_is_dropped_without_a_warning() -> None:
    background, steps = BackgroundWork(), Steps()
    background(steps.work("early"), name="w")
    async with asyncio.TaskGroup() as group:
        running = group.create_task(background.run())
        await asyncio.sleep(0)
        background(steps.work("in time"), name="w")
        steps.go.set()
        await steps.has("in time ends")
        running.cancel()
    background(steps.work("late"), name="w")
    await asyncio.sleep(0)
    assert steps.seen == ["in time begins", "in time ends"]


async def test_the_failure_of_one_ends_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    background, steps = BackgroundWork(), Steps()
    async with asyncio.TaskGroup() as group:
        running = group.create_task(background.run())
        await asyncio.sleep(0)
        background(steps.work("a", fails=True), name="fetch")
        background.spawn(steps.work("b"), name="w")
        steps.go.set()
        await steps.has("b ends")
        background(steps.work("c"), name="w")
        await steps.has("c ends")
        running.cancel()
    assert "background_work_failed" in caplog.text


async def test_the_end_cancels_what_has_begun_and_drops_what_has_not() -> None:
    background, steps = BackgroundWork(), Steps()
    async with asyncio.TaskGroup() as group:
        running = group.create_task(background.run())
        await asyncio.sleep(0)
        background(steps.work("begun"), name="w")
        await steps.has("begun begins")
        running.cancel()
        background(steps.work("not begun"), name="w")
    assert steps.seen == ["begun begins", "begun is cancelled"]


async def test_somebody_elses_group_may_run_it() -> None:
    background, steps = BackgroundWork(), Steps()
    async with asyncio.TaskGroup() as group:
        background.run_in(group)
        steps.go.set()
        background(steps.work("a"), name="w")
    assert steps.seen == ["a begins", "a ends"]


async def test_work_after_somebody_elses_group_has_ended_is_dropped() -> None:
    background, steps = BackgroundWork(), Steps()
    async with asyncio.TaskGroup() as group:
        background.run_in(group)
    background(steps.work("late"), name="w")
    assert steps.seen == []
