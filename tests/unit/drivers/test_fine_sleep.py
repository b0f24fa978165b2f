"""Short sleeps: not shorter than asked, in order, many on one timer, and nothing left behind."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from remixer.drivers.fine_sleep import FineSleep


def open_timers() -> int:
    """Of this process; other files come and go with what other tests left."""
    return sum("timerfd" in where_to(each) for each in Path("/proc/self/fd").iterdir())


def where_to(file: Path) -> str:
    try:
        return str(file.readlink())
    except FileNotFoundError:  # the listing itself
        return ""


@asynccontextmanager
async def sleeping() -> AsyncIterator[FineSleep]:
    made = FineSleep()
    yield made
    made.close()
    made.close()


@pytest.mark.parametrize("seconds", [-1.0, 0.0, 0.0001, 0.0015, 0.02])
async def test_nobody_wakes_too_soon(seconds: float) -> None:
    loop = asyncio.get_running_loop()
    async with sleeping() as sleep:
        begun_s = loop.time()
        await sleep(seconds)
        assert loop.time() - begun_s >= seconds


async def test_whoever_sleeps_less_wakes_first_though_he_came_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loop = asyncio.get_running_loop()
    now_s = loop.time()
    woken: list[float] = []

    async def slept(sleep: FineSleep, seconds: float) -> None:
        await sleep(seconds)
        woken.append(seconds)

    async with sleeping() as sleep, asyncio.TaskGroup() as group:
        # All go to sleep at one instant, however slow the machine.
        monkeypatch.setattr(loop, "time", lambda: now_s)
        for seconds in (0.009, 0.003, 0.006, 0.001, 0.001):
            group.create_task(slept(sleep, seconds))
        await asyncio.sleep(0)
        monkeypatch.undo()
    assert woken == [0.001, 0.001, 0.003, 0.006, 0.009]


async def test_who_is_cancelled_keeps_nobody_else_asleep() -> None:
    async with sleeping() as sleep, asyncio.TaskGroup() as group:
        first = group.create_task(sleep(0.001))
        second = group.create_task(sleep(0.002))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.wait_for(second, 60)


async def test_closing_lets_go_of_who_sleeps_and_of_the_timer() -> None:
    before = open_timers()
    sleep = FineSleep()
    assert open_timers() == before, "opened when it is needed first"
    async with asyncio.TaskGroup() as group:
        task = group.create_task(sleep(0.009))
        await asyncio.sleep(0)
        assert open_timers() == before + 1
        sleep.close()
        await task
    await sleep(0.0005)
    assert open_timers() == before
