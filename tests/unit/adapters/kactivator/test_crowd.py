"""Crowds: one event for all who wait, and nothing kept of who does not."""

import asyncio

import pytest

from remixer.adapters.kactivator.crowd import Crowd
from remixer.adapters.kactivator.readiness import Revision
from remixer.testing.clock import clock_of_running_loop, in_virtual_time

CART = Revision("shop", "cart-00001")
STOCK = Revision("shop", "stock-00007")


@in_virtual_time
async def test_a_wake_up_is_for_those_who_wait_and_not_for_later_ones() -> None:
    crowd = Crowd()
    crowd.wake(CART)
    assert not await crowd.wait(CART, timeout_s=1.0)


@in_virtual_time
async def test_waking_ends_the_gathering_at_once() -> None:
    crowd = Crowd()
    async with asyncio.TaskGroup() as group:
        waits = [group.create_task(crowd.wait(CART, timeout_s=9.0)) for _ in range(3)]
        await asyncio.sleep(1)
        assert (len(crowd), crowd.waiting_for(CART)) == (1, 3)
        crowd.wake(CART)
        assert (len(crowd), crowd.waiting_for(CART)) == (0, 0)
        late = group.create_task(crowd.wait(CART, timeout_s=1.0))
    assert [each.result() for each in waits] == [True] * 3
    assert late.result() is False


@in_virtual_time
async def test_the_last_one_who_leaves_ends_the_gathering() -> None:
    crowd = Crowd()
    async with asyncio.TaskGroup() as group:
        first, second = (group.create_task(crowd.wait(CART, timeout_s=9.0)) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.sleep(0)
        assert crowd.waiting_for(CART) == 1
        second.cancel()
        await asyncio.sleep(0)
        assert len(crowd) == 0


@in_virtual_time
async def test_dismissal_tells_everybody_no() -> None:
    crowd = Crowd()
    async with asyncio.TaskGroup() as group:
        waits = [group.create_task(crowd.wait(each, timeout_s=9.0)) for each in (CART, STOCK)]
        await asyncio.sleep(0)
        crowd.dismiss()
    assert [each.result() for each in waits] == [False, False]
    assert clock_of_running_loop().monotonic_s() == 0


@in_virtual_time
async def test_a_pause_lasts_until_nobody_waits_or_its_time_is_up() -> None:
    crowd, clock = Crowd(), clock_of_running_loop()
    await crowd.pause(CART, seconds=5.0)
    assert clock.monotonic_s() == 0
    async with asyncio.TaskGroup() as group:
        group.create_task(crowd.wait(CART, timeout_s=3.0))
        await asyncio.sleep(0)
        await crowd.pause(CART, seconds=1.0)
        assert clock.monotonic_s() == pytest.approx(1.0)
        await crowd.pause(CART, seconds=5.0)
        assert clock.monotonic_s() == pytest.approx(3.0)
