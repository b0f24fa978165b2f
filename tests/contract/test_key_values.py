"""What every store of keys and values does, whatever server is behind it."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from remixer.drivers.key_values import (
    Addition,
    KeyValueRefusedError,
    KeyValues,
    KeyValueStore,
    KeyValueUnavailableError,
    Put,
)
from remixer.drivers.memcached import Memcached
from remixer.drivers.memcached_address import MemcachedAddress
from remixer.drivers.redis import RedisSettings
from remixer.drivers.redis_group import parse_redis_place
from remixer.drivers.redis_values import RedisValues
from remixer.foundation.clock import SystemClock
from remixer.testing.key_values import FakeKeyValues
from remixer.testing.memcached import FakeMemcached, MemcachedProcess, memcached_is_installed
from remixer.testing.valkey import ValkeyProcess
from remixer.testing.valkey_groups import ClusterOfOne, SentinelGroup

LIFE_MS = 60_000
PATIENCE_S = 60.0
"""For servers that are there: a busy machine takes seconds to learn a cluster's layout."""


@dataclass(frozen=True)
class Urls:
    """Of real servers."""

    valkey: str
    sentinel: str
    cluster: str


@pytest.fixture(scope="module")
def urls(valkey: ValkeyProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Urls]:
    with (
        SentinelGroup(tmp_path_factory.mktemp("sentinel")) as sentinel,
        ClusterOfOne(tmp_path_factory.mktemp("cluster")) as cluster,
    ):
        yield Urls(valkey.url, sentinel.url, cluster.url)


def _settings(url: str) -> RedisSettings:
    return RedisSettings(
        parse_redis_place(url), connect_timeout_s=PATIENCE_S, command_timeout_s=PATIENCE_S
    )


def _memcached(address: MemcachedAddress) -> Memcached:
    return Memcached(address, connect_timeout_s=PATIENCE_S, command_timeout_s=PATIENCE_S)


@asynccontextmanager
async def _opened(kind: str, urls: Urls, folder: Path) -> AsyncIterator[KeyValues]:
    if kind == "fake":
        yield FakeKeyValues(clock=SystemClock())
    elif kind == "memcached, fake":
        async with FakeMemcached() as server, _started(_memcached(server.address)) as store:
            yield store
    elif kind == "memcached":
        if not memcached_is_installed():
            pytest.skip("memcached is not installed: apt-get install memcached")
        async with MemcachedProcess(folder) as process, _started(_memcached(process.address)) as it:
            yield it
    else:
        settings = _settings(getattr(urls, kind))
        async with _started(RedisValues(settings, clock=SystemClock())) as store:
            yield store


@asynccontextmanager
async def _started(store: KeyValues) -> AsyncIterator[KeyValues]:
    await store.start()
    try:
        yield store
    finally:
        await store.aclose()
        await store.aclose()


@pytest.fixture(params=["fake", "valkey", "sentinel", "cluster", "memcached, fake", "memcached"])
async def store(
    request: pytest.FixtureRequest, urls: Urls, tmp_path: Path
) -> AsyncIterator[KeyValues]:
    async with _opened(request.param, urls, tmp_path) as opened:
        yield opened


def _key() -> bytes:
    return uuid.uuid4().hex.encode()


async def test_what_was_put_is_found_in_the_order_of_the_keys(store: KeyValues) -> None:
    one, two, absent = _key(), _key(), _key()
    await store.put_many([Put(one, b"1", LIFE_MS), Put(two, b"\r\n\x00\xff", LIFE_MS)])
    assert list(await store.get_many([two, absent, one])) == [b"\r\n\x00\xff", None, b"1"]


async def test_a_later_value_replaces_an_earlier_one(store: KeyValues) -> None:
    key = _key()
    await store.put_many([Put(key, b"old", LIFE_MS)])
    await store.put_many([Put(key, b"", LIFE_MS)])
    assert list(await store.get_many([key])) == [b""]


async def test_counters_begin_at_zero_and_tell_their_totals(store: KeyValues) -> None:
    one, two = _key(), _key()
    assert list(await store.add_many([Addition(one, 3, LIFE_MS), Addition(two, 1, LIFE_MS)])) == [
        3,
        1,
    ]
    assert list(await store.add_many([Addition(one, 4, LIFE_MS)])) == [7]
    assert [int(each or 0) for each in await store.get_many([one])] == [7]


async def test_counters_lose_nothing_to_each_other(store: KeyValues) -> None:
    key = _key()
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(store.add_many([Addition(key, 1, LIFE_MS)] * 2)) for _ in range(10)
        ]
    assert sorted(total for task in tasks for total in task.result()) == list(range(1, 21))


async def test_a_value_that_is_no_number_is_no_counter(store: KeyValues) -> None:
    if isinstance(store, FakeKeyValues):
        pytest.skip("its faults are the test's business")
    key = _key()
    await store.put_many([Put(key, b"text", LIFE_MS)])
    with pytest.raises(KeyValueRefusedError):
        await store.add_many([Addition(key, 1, LIFE_MS)])
    assert list(await store.get_many([key])) == [b"text"]


async def test_values_end(store: KeyValues) -> None:
    key = _key()
    await store.put_many([Put(key, b"brief", 20)])
    async with asyncio.timeout(60):  # servers that count in seconds round up
        while list(await store.get_many([key])) != [None]:  # noqa: ASYNC110 - a server's clock
            await asyncio.sleep(0.02)


async def test_batches_may_be_large_and_values_too(store: KeyValues) -> None:
    keys = [_key() for _ in range(500)]
    await store.put_many([Put(key, key * 100, LIFE_MS) for key in keys])
    assert list(await store.get_many(keys)) == [key * 100 for key in keys]


async def test_whoever_gives_up_disturbs_nobody(store: KeyValues) -> None:
    key = _key()
    await store.put_many([Put(key, b"1", LIFE_MS)])
    for steps in range(6):
        async with asyncio.TaskGroup() as group:
            hasty = group.create_task(store.get_many([_key()]))
            others = [group.create_task(store.get_many([key])) for _ in range(3)]
            for _ in range(steps):
                await asyncio.sleep(0)
            hasty.cancel()
        assert [list(each.result()) for each in others] == [[b"1"]] * 3


@pytest.mark.parametrize("kind", ["valkey", "sentinel", "cluster"])
async def test_who_listens_hears_each_notice_of_the_channel(kind: str, urls: Urls) -> None:
    settings = _settings(getattr(urls, kind))
    heard = asyncio.Event()
    channel = uuid.uuid4().hex
    async with _started(RedisValues(settings, clock=SystemClock())) as store:
        notices: KeyValueStore = store  # type: ignore[assignment] # RedisValues is one
        async with asyncio.TaskGroup() as group:
            listening = group.create_task(notices.listen(channel, heard.set))
            for _ in range(3):  # the first is that of the connection
                await asyncio.wait_for(heard.wait(), PATIENCE_S)
                heard.clear()
                await notices.notify(channel)
            listening.cancel()


async def test_a_server_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere.sock"
    settings = RedisSettings(parse_redis_place(f"unix://{nowhere}"))
    async with _started(RedisValues(settings, clock=SystemClock())) as store:
        with pytest.raises(KeyValueUnavailableError):
            await store.get_many([b"k"])
        with pytest.raises(KeyValueUnavailableError):
            await store.put_many([Put(b"k", b"v", 1)])
        with pytest.raises(KeyValueUnavailableError):
            await store.add_many([Addition(b"k", 1, 1)])


async def test_readers_of_an_edition_are_numbered_and_those_of_another_anew(
    store: KeyValues,
) -> None:
    key, absent = _key(), _key()
    await store.put_many([Put(key, b"old", LIFE_MS, edition=1)])
    reads = [await store.read_many([absent, key]) for _ in range(3)]
    assert [list(each) for each in reads] == [[None, (b"old", number)] for number in (1, 2, 3)]
    await store.put_many([Put(key, b"new", LIFE_MS, edition=(1 << 64) - 1)])
    assert list(await store.read_many([key])) == [(b"new", 1)]


async def test_no_two_readers_have_the_same_number(store: KeyValues) -> None:
    key = _key()
    await store.put_many([Put(key, b"", LIFE_MS, edition=7)])
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(store.read_many([key])) for _ in range(20)]
    numbers = [read.ticket for task in tasks for read in task.result() if read is not None]
    assert sorted(numbers) == list(range(1, 21))


async def test_readers_of_edition_zero_are_not_counted(store: KeyValues) -> None:
    key, short = _key(), _key()
    await store.put_many([Put(key, b"v", LIFE_MS, edition=0), Put(short, b"raw", LIFE_MS)])
    for _ in range(2):
        assert list(await store.read_many([key, short])) == [(b"v", 0), (b"", 0)]


async def test_where_readers_cannot_be_counted_nobody_has_a_number(store: KeyValues) -> None:
    if isinstance(store, FakeKeyValues):
        pytest.skip("its faults are the test's business")
    key = _key()
    await store.put_many([Put(key, b"v", LIFE_MS, edition=0x3131313131313131)])
    for counter in (key + b":11111111", key + b":3131313131313131"):
        await store.put_many([Put(counter, b"no number", LIFE_MS)])
    assert list(await store.read_many([key])) == [(b"v", 0)]
