"""Handlers by configuration: built once, kept while recent, closed after their calls."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from remixer.foundation.errors import PolicyError, UnavailableError
from remixer.frontends.adapter_model.handlers import BuiltHandler, HandlerKey, HandlerStore
from remixer.frontends.adapter_model.sessions import (
    SessionTable,
    TooManySessionsError,
    UnknownSessionError,
)
from remixer.testing.clock import VirtualClock, clock_of_running_loop, in_virtual_time


class Plain:
    async def aclose(self) -> None:
        """Nothing is held."""


@dataclass
class Built:
    name: str
    log: list[str]
    handler: Plain = field(default_factory=Plain)

    async def aclose(self) -> None:
        self.log.append(f"close {self.name}")


@dataclass
class Maker:
    """Builds handlers by name and writes down what happens to them."""

    log: list[str] = field(default_factory=list)
    delay_s: float = 0.0
    fault: PolicyError | None = None

    def __call__(self, name: str) -> "Build":
        return Build(self, name)


@dataclass
class Build:
    maker: Maker
    name: str

    async def __call__(self) -> BuiltHandler:
        self.maker.log.append(f"build {self.name}")
        await asyncio.sleep(self.maker.delay_s)
        if self.maker.fault is not None:
            raise self.maker.fault
        return Built(self.name, self.maker.log)


def key(name: str) -> HandlerKey:
    return HandlerKey(name.encode())


@asynccontextmanager
async def store_of(*, max_kept: int = 16) -> AsyncIterator[HandlerStore]:
    clock = clock_of_running_loop() or VirtualClock()
    async with asyncio.TaskGroup() as group:
        store = HandlerStore(clock=clock, group=group, max_kept=max_kept)
        yield store
        await store.aclose()


async def use(store: HandlerStore, build: Maker, name: str) -> None:
    store.leave(await store.get(key(name), build(name)))


@in_virtual_time
async def test_equal_configurations_share_a_handler() -> None:
    build = Maker()
    async with store_of() as store:
        assert store.ready(key("a")) is None
        await use(store, build, "a")
        await use(store, build, "a")
        assert store.ready(key("a")) is not None
    assert build.log == ["build a", "close a"]


@in_virtual_time
async def test_callers_at_the_same_time_wait_for_one_building() -> None:
    build = Maker(delay_s=5.0)
    async with store_of() as store, asyncio.TaskGroup() as callers:
        for _ in range(3):
            callers.create_task(use(store, build, "a"))
    assert build.log == ["build a", "close a"]


@in_virtual_time
async def test_a_caller_that_gives_up_does_not_stop_the_building() -> None:
    build = Maker(delay_s=5.0)
    async with store_of() as store:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1.0):
                await use(store, build, "a")
        await use(store, build, "a")
    assert build.log == ["build a", "close a"]


@in_virtual_time
async def test_the_oldest_goes_when_there_are_too_many() -> None:
    build = Maker()
    async with store_of(max_kept=2) as store:
        for name in ("a", "b", "a", "c"):
            await use(store, build, name)
        await asyncio.sleep(0)
        assert len(store) == 2
        assert build.log == ["build a", "build b", "build c", "close b"]


@in_virtual_time
async def test_a_handler_in_use_closes_after_its_last_call() -> None:
    build = Maker()
    async with store_of(max_kept=1) as store:
        first = await store.get(key("a"), build("a"))
        await use(store, build, "b")
        await asyncio.sleep(0)
        assert "close a" not in build.log
        store.leave(first)
        await asyncio.sleep(0)
        assert "close a" in build.log


@in_virtual_time
async def test_one_that_is_forgotten_while_it_is_built_is_closed_when_it_is_done() -> None:
    build, slow = Maker(), Maker(delay_s=5.0)
    async with store_of(max_kept=1) as store:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1.0):
                await store.get(key("a"), slow("a"))
        await use(store, build, "b")
        await asyncio.sleep(10.0)
        assert slow.log == ["build a", "close a"]


@in_virtual_time
async def test_a_failure_is_remembered_for_a_second() -> None:
    build = Maker(fault=PolicyError("no"))
    async with store_of() as store:
        for _ in range(3):
            with pytest.raises(PolicyError, match="no"):
                await use(store, build, "a")
        assert build.log == ["build a"]
        await asyncio.sleep(1.0)
        build.fault = None
        await use(store, build, "a")
    assert build.log == ["build a", "build a", "close a"]


@in_virtual_time
async def test_a_closed_store_builds_nothing() -> None:
    build = Maker()
    async with store_of() as store:
        await store.aclose()
        with pytest.raises(UnavailableError):
            await use(store, build, "a")
    assert build.log == []


@in_virtual_time
async def test_closing_ends_what_is_being_built() -> None:
    build = Maker(delay_s=1e9)
    async with store_of() as store, asyncio.TaskGroup() as callers:
        waiting = callers.create_task(_outcome(store, build))
        await asyncio.sleep(1.0)
        await store.aclose()
    assert isinstance(waiting.result(), asyncio.CancelledError | UnavailableError)


async def _outcome(store: HandlerStore, build: Maker) -> BaseException | None:
    try:
        await use(store, build, "a")
    except (asyncio.CancelledError, UnavailableError) as error:
        return error
    return None


# ------------------------------------------------------------------ sessions


@in_virtual_time
async def test_equal_sessions_share_an_id_and_end_with_the_last_opener() -> None:
    build = Maker()
    async with store_of() as store:
        sessions = SessionTable(store)
        first = await sessions.open(key("a"), build("a"))
        assert await sessions.open(key("a"), build("a")) == first
        sessions.close(first)
        assert sessions.entry_of(first).built is not None
        sessions.close(first)
        await asyncio.sleep(0)
        assert build.log == ["build a", "close a"]
        with pytest.raises(UnknownSessionError, match=first):
            sessions.entry_of(first)


@in_virtual_time
async def test_a_session_keeps_its_handler_however_many_others_there_are() -> None:
    build = Maker()
    async with store_of(max_kept=1) as store:
        sessions = SessionTable(store)
        held = await sessions.open(key("held"), build("held"))
        for name in ("a", "b", "c"):
            await use(store, build, name)
        assert sessions.entry_of(held).built is not None
        assert "close held" not in build.log


@in_virtual_time
async def test_the_newest_session_is_the_one_opened_last() -> None:
    build = Maker()
    async with store_of() as store:
        sessions = SessionTable(store)
        assert sessions.newest() is None
        first = await sessions.open(key("a"), build("a"))
        second = await sessions.open(key("b"), build("b"))
        assert sessions.newest() is sessions.entry_of(second)
        await sessions.open(key("a"), build("a"))
        assert sessions.newest() is sessions.entry_of(first)


@in_virtual_time
async def test_a_call_under_way_has_its_handler_to_the_end_of_it() -> None:
    build = Maker()
    async with store_of() as store:
        sessions = SessionTable(store)
        opened = await sessions.open(key("a"), build("a"))
        entry = sessions.entry_of(opened)
        store.enter(entry)
        sessions.close(opened)
        await asyncio.sleep(0)
        assert "close a" not in build.log
        store.leave(entry)
        await asyncio.sleep(0)
        assert "close a" in build.log


@in_virtual_time
@pytest.mark.parametrize("extra", [0, 1])
async def test_so_many_sessions_may_be_open_and_not_one_more(extra: int) -> None:
    build = Maker()
    async with store_of() as store:
        sessions = SessionTable(store, max_sessions=2)
        for number in range(2):
            await sessions.open(key(str(number)), build(str(number)))
        await sessions.open(key("1"), build("1"))  # the same again is no new one
        if extra:
            with pytest.raises(TooManySessionsError):
                await sessions.open(key("2"), build("2"))
        assert len(sessions) == 2


@in_virtual_time
async def test_a_session_that_could_not_be_built_is_none() -> None:
    build = Maker(fault=PolicyError("no"))
    async with store_of() as store:
        sessions = SessionTable(store)
        with pytest.raises(PolicyError, match="no"):
            await sessions.open(key("a"), build("a"))
        assert len(sessions) == 0
