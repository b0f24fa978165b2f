"""Work in slices: other work comes between, nothing outlives its owner."""

import asyncio
from collections.abc import Generator

import pytest

from remixer.runtime.slices import Slices, Work, done_now


def steps(name: str, count: int, done: list[str]) -> Work:
    try:
        for number in range(count):
            done.append(f"{name}{number}")
            yield
    finally:
        done.append(f"{name} ends")


def test_done_now_gives_what_the_work_returns() -> None:
    def work() -> Generator[None, None, int]:
        yield
        return 3

    assert done_now(work()) == 3


async def test_one_step_is_done_in_each_round_of_the_loop() -> None:
    done: list[str] = []
    async with asyncio.TaskGroup() as group:
        Slices(group=group).add(steps("a", 2, done))
        for number in range(3):
            done.append(f"request {number}")
            await asyncio.sleep(0)
    assert done == ["request 0", "a0", "request 1", "a1", "request 2", "a ends"]


async def test_work_is_done_in_order_and_again_after_all_was_done() -> None:
    done: list[str] = []
    async with asyncio.TaskGroup() as group:
        slices = Slices(group=group)
        slices.add(steps("a", 1, done))
        slices.add(steps("b", 1, done))
        await slices.done()
        slices.add(steps("c", 1, done))
        await slices.done()
    assert done == ["a0", "a ends", "b0", "b ends", "c0", "c ends"]


async def test_dropped_work_is_ended_and_what_comes_after_is_done() -> None:
    done: list[str] = []
    async with asyncio.TaskGroup() as group:
        slices = Slices(group=group)
        slices.add(steps("a", 9, done))
        slices.add(steps("never begun", 9, done))
        await asyncio.sleep(0)
        slices.drop()
        slices.add(steps("b", 1, done))
        await slices.done()
    assert done == ["a0", "a ends", "b0", "b ends"]


async def test_a_fault_ends_only_its_own_work(caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> Work:
        yield
        message = "too deep"
        raise RecursionError(message)

    done: list[str] = []
    async with asyncio.TaskGroup() as group:
        slices = Slices(group=group)
        slices.add(broken())
        slices.add(steps("a", 1, done))
        await slices.done()
    assert done == ["a0", "a ends"]
    assert [each.msg for each in caplog.records] == ["background_work_failed"]


async def test_work_ends_with_its_group() -> None:
    done: list[str] = []
    made: list[Slices] = []

    async def failing() -> None:
        async with asyncio.TaskGroup() as group:
            made.append(Slices(group=group))
            made[0].add(steps("a", 9, done))
            await asyncio.sleep(0)
            message = "the group ends"
            raise OSError(message)

    with pytest.raises(ExceptionGroup):
        await failing()
    made[0].add(steps("b", 9, done))
    await made[0].done()
    assert done == ["a0", "a ends"]
