"""A channel that lets go of everything for a moment."""

import asyncio
from collections.abc import Callable

import pytest

from remixer.foundation.status import Code
from remixer.testing.clock import in_virtual_time
from remixer.transport.remote_port import RpcFailed
from remixer.transport.remote_resting import RestingChannel


class Place:
    """Makes channels, and keeps them."""

    def __init__(self) -> None:
        self.channels: list[Named] = []

    async def open(self) -> "Named":
        await asyncio.sleep(0.1)
        return self.made()

    def made(self) -> "Named":
        self.channels.append(Named(str(len(self.channels))))
        return self.channels[-1]


class Named:
    def __init__(self, name: str) -> None:
        self.name = name
        self.is_closed = False
        self.timeouts: list[float] = []

    async def unary(
        self, path: str, request: bytes, *, timeout_s: float, is_safe_to_retry: bool
    ) -> bytes:
        assert (path, request, is_safe_to_retry) == ("/p", b"r", True)
        assert not self.is_closed
        self.timeouts.append(timeout_s)
        return self.name.encode()

    async def aclose(self) -> None:
        self.is_closed = True


def resting() -> tuple[RestingChannel, Place]:
    place = Place()
    return RestingChannel(place.made(), place.open), place


async def ask(channel: RestingChannel, timeout_s: float = 5.0) -> bytes:
    return await channel.unary("/p", b"r", timeout_s=timeout_s, is_safe_to_retry=True)


@in_virtual_time
async def test_calls_go_through() -> None:
    channel, place = resting()
    assert await ask(channel) == b"0"
    assert place.channels[0].timeouts == [5.0]


@in_virtual_time
async def test_at_rest_the_connection_is_gone_and_comes_back_when_it_is_needed() -> None:
    channel, place = resting()
    await channel.rest()
    assert place.channels[0].is_closed
    channel.wake()
    assert len(place.channels) == 1
    assert set(await asyncio.gather(ask(channel), ask(channel))) == {b"1"}
    assert len(place.channels) == 2


@in_virtual_time
async def test_calls_at_rest_wait_and_keep_the_time_that_is_left() -> None:
    channel, place = resting()
    await channel.rest()
    async with asyncio.TaskGroup() as group:
        asked = group.create_task(ask(channel, 5.0))
        await asyncio.sleep(2.0)
        assert len(place.channels) == 1
        channel.wake()
    assert asked.result() == b"1"
    assert [round(each, 6) for each in place.channels[1].timeouts] == [2.9]


@in_virtual_time
async def test_a_call_at_rest_waits_no_longer_than_it_may() -> None:
    channel, _ = resting()
    await channel.rest()
    with pytest.raises(RpcFailed) as caught:
        await ask(channel, 1.0)
    assert caught.value.code is Code.DEADLINE_EXCEEDED


@pytest.mark.parametrize("before", [RestingChannel.rest, RestingChannel.aclose])
@in_virtual_time
async def test_a_closed_channel_is_of_no_use_any_more(
    before: Callable[[RestingChannel], asyncio.Future[None]],
) -> None:
    channel, place = resting()
    await before(channel)
    await channel.aclose()
    channel.wake()
    with pytest.raises(RpcFailed) as caught:
        await ask(channel)
    assert caught.value.code is Code.UNAVAILABLE
    assert [each.is_closed for each in place.channels] == [True]


@in_virtual_time
async def test_those_who_wait_hear_of_the_end() -> None:
    channel, _ = resting()
    await channel.rest()
    async with asyncio.TaskGroup() as group:
        asked = group.create_task(failure(ask(channel)))
        await asyncio.sleep(0.1)
        await channel.aclose()
    assert asked.result().code is Code.UNAVAILABLE


async def failure(work: object) -> RpcFailed:
    with pytest.raises(RpcFailed) as caught:
        await work  # type: ignore[misc]  # a coroutine
    return caught.value
