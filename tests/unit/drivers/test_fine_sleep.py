"""Short sleeps: not shorter than asked, in order, many on one timer, and nothing left behind."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from remixer.drivers.fine_sleep import FineSleep


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


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


async def test_whoever_sleeps_less_wakes_first_though_he_came_last() -> None:
    woken: list[float] = []

    async def slept(sleep: FineSleep, seconds: float) -> None:
        await sleep(seconds)
        woken.append(seconds)

    async with sleeping() as sleep, asyncio.TaskGroup() as group:
        for seconds in (0.009, 0.003, 0.006, 0.001, 0.001):
            group.create_task(slept(sleep, seconds))
    assert woken == [0.001, 0.001, 0.003, 0.006, 0.009]


async def test_who_is_cancelled_keeps_nobody_else_asleep() -> None:
    async with sleeping() as sleep, asyncio.TaskGroup() as group:
        first = group.create_task(sleep(0.001))
        second = group.create_task(sleep(0.002))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.wait_for(second, 60)


async def test_closing_lets_go_of_who_sleeps_and_of_the_timer() -> None:
    before = open_files()
    sleep = FineSleep()
    assert open_files() == before, "opened when it is needed first"
    async with asyncio.TaskGroup() as group:
        task = group.create_task(sleep(0.009))
        await asyncio.sleep(0)
        sleep.close()
        await task
    assert open_files() == before
