"""The memcached client: addresses, one connection for all, bad servers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from remixer.drivers.key_values import (
    KeyValueError,
    KeyValueRefusedError,
    KeyValueUnavailableError,
    Put,
)
from remixer.drivers.memcached import Memcached
from remixer.drivers.memcached_address import (
    MemcachedAddress,
    MemcachedAddressError,
    parse_memcached_addresses,
)
from remixer.drivers.memcached_protocol import MOST_VALUE_BYTES, life_s
from remixer.testing.memcached import FakeMemcached


@asynccontextmanager
async def _client(address: MemcachedAddress, timeout_s: float = 5.0) -> AsyncIterator[Memcached]:
    client = Memcached(address, connect_timeout_s=timeout_s, command_timeout_s=timeout_s)
    await client.start()
    yield client
    await client.aclose()


def test_addresses_are_read_as_operators_write_them() -> None:
    assert [str(each) for each in parse_memcached_addresses("memcached://a,b:1,[::1]:2/")] == [
        "memcached://a:11211",
        "memcached://b:1",
        "memcached://[::1]:2",
    ]
    (unix,) = parse_memcached_addresses("memcached+unix:///run/cache%20one.sock")
    assert unix.socket_path == "/run/cache one.sock"
    assert str(unix) == "memcached+unix:/run/cache one.sock"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("memcache://a", "scheme `memcache` is unknown"),
        ("memcached://", "names no host"),
        ("memcached://a,,b", "names no host"),
        ("memcached://a,a:11211", "a server twice"),
        ("memcached://a:0", "names no port"),
        ("memcached://a:99999", "(?i)port"),
        ("memcached://u:p@a", "more than hosts and ports"),
        ("memcached://a b", "more than hosts and ports"),
        ("memcached+unix://run/x", "must be absolute"),
        ("memcached://" + ",".join(f"h{each}" for each in range(101)), "100 are the most"),
    ],
)
def test_addresses_that_are_none_say_why(text: str, reason: str) -> None:
    with pytest.raises(MemcachedAddressError, match=reason):
        parse_memcached_addresses(text)


def test_lives_are_whole_seconds_at_least_one_and_never_an_instant() -> None:
    assert [life_s(each) for each in (1, 1_000, 1_001, 10**12)] == [1, 1, 2, 2_592_000]


async def test_batches_side_by_side_share_one_connection() -> None:
    async with FakeMemcached() as server, _client(server.address) as client:
        await client.put_many([Put(b"k", b"v", 60_000)])
        found = await asyncio.gather(*(client.get_many([b"k", b"x"]) for _ in range(20)))
        assert [list(each) for each in found] == [[b"v", None]] * 20
        assert server.connections == 1


async def test_a_broken_connection_fails_what_is_under_way_and_is_made_anew() -> None:
    async with FakeMemcached() as server, _client(server.address) as client:
        await client.put_many([Put(b"k", b"v", 60_000)])
        server.is_silent = True
        asking = asyncio.gather(
            *(client.get_many([b"k"]) for _ in range(3)), return_exceptions=True
        )
        for _ in range(50):
            await asyncio.sleep(0)
        server.cut()
        assert [type(each) for each in await asking] == [KeyValueUnavailableError] * 3
        server.is_silent = False
        assert list(await client.get_many([b"k"])) == [b"v"]
        assert server.connections == 2


async def test_a_silent_server_costs_the_time_limit_and_the_connection() -> None:
    async with FakeMemcached() as server, _client(server.address, timeout_s=1.0) as client:
        server.is_silent = True
        with pytest.raises(KeyValueUnavailableError, match="no answer within"):
            await client.get_many([b"k"])
        server.is_silent = False
        assert list(await client.get_many([b"k"])) == [None]
        assert server.connections == 2


@pytest.mark.parametrize(
    ("answer", "error", "reason"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n", KeyValueUnavailableError, "is no reply"),
        (b"VA many\r\n", KeyValueUnavailableError, "is no reply"),
        (b"VA 3\r\nlonger\r\n", KeyValueUnavailableError, "does not end where it said"),
        (b"VA %d\r\n" % (MOST_VALUE_BYTES + 1), KeyValueUnavailableError, "a value of more than"),
        (b"x" * 5_000, KeyValueUnavailableError, "a line of more than"),
        (b"EN\r\nEN\r\n", None, ""),
        (b"ERROR\r\n", KeyValueRefusedError, "it says ERROR"),
        (b"SERVER_ERROR out of memory\r\n", KeyValueRefusedError, "out of memory"),
    ],
)
async def test_servers_that_talk_nonsense(
    answer: bytes, error: type[KeyValueError] | None, reason: str
) -> None:
    async with FakeMemcached() as server, _client(server.address) as client:
        server.answers_with = answer
        if error is None:
            assert list(await client.get_many([b"k"])) == [None]
        else:
            with pytest.raises(error, match=reason):
                await client.get_many([b"k"])
        server.answers_with = None
        for _ in range(3):  # a reply too many may still be under way
            await asyncio.sleep(0)
        assert list(await client.get_many([b"k"])) == [None]


async def test_a_server_that_refuses_connections_is_unavailable() -> None:
    async with FakeMemcached() as server:
        address = server.address
    async with _client(address) as client:
        with pytest.raises(KeyValueUnavailableError, match=f"^{address}: "):
            await client.get_many([b"k"])


async def test_a_client_that_is_not_started_or_closed_is_unavailable() -> None:
    async with FakeMemcached() as server:
        client = Memcached(server.address)
        with pytest.raises(KeyValueUnavailableError, match="not started"):
            await client.get_many([b"k"])
        await client.start()
        server.is_silent = True
        asking = asyncio.gather(client.get_many([b"k"]), return_exceptions=True)
        for _ in range(50):
            await asyncio.sleep(0)
        await client.aclose()
        assert isinstance((await asking)[0], KeyValueUnavailableError)


async def test_nothing_to_ask_asks_nobody() -> None:
    async with FakeMemcached() as server, _client(server.address) as client:
        assert list(await client.get_many([])) == []
        assert server.connections == 0
