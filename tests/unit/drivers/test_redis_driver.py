"""The Redis client: commands, scripts, credentials from files, rests, missing library."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from remixer.drivers import redis as redis_driver
from remixer.drivers.redis import (
    FAILURES_TO_REST,
    FIRST_REST_S,
    LONGEST_REST_S,
    RedisAnswerError,
    RedisClient,
    RedisNotInstalledError,
    RedisScript,
    RedisSettings,
    RedisUnavailableError,
)
from remixer.drivers.redis_address import parse_redis_address
from remixer.testing.clock import VirtualClock
from remixer.testing.valkey import ValkeyNotStartedError, ValkeyProcess


@asynccontextmanager
async def _client(url: str, clock: VirtualClock | None = None) -> AsyncIterator[RedisClient]:
    settings = RedisSettings(
        parse_redis_address(url), pool_size=2, connect_timeout_s=60.0, command_timeout_s=60.0
    )
    client = RedisClient(settings, clock=clock or VirtualClock())
    await client.start()
    yield client
    await client.aclose()
    await client.aclose()


async def test_commands_and_their_answers(valkey: ValkeyProcess) -> None:
    key = uuid.uuid4().hex
    async with _client(valkey.url) as client:
        await client.ping()
        assert await client.execute("SET", key, b"\xff") in {b"OK", True}
        assert await client.execute("GET", key) == b"\xff"
        assert await client.execute("GET", f"{key}-absent") is None


async def test_the_database_of_the_address_is_used(valkey: ValkeyProcess) -> None:
    key = uuid.uuid4().hex
    async with _client(f"{valkey.url}?db=1") as one, _client(valkey.url) as zero:
        await one.execute("SET", key, "1")
        assert await zero.execute("GET", key) is None
        assert await one.execute("GET", key) == b"1"


async def test_a_script_is_sent_whole_once_and_then_by_its_digest(valkey: ValkeyProcess) -> None:
    script = RedisScript(f"return {{KEYS[1], ARGV[1]}} -- {uuid.uuid4().hex}")
    async with _client(valkey.url) as client:
        assert await client.execute("SCRIPT", "EXISTS", script.sha1) in ([0], [False])
        for _ in range(2):
            assert await client.run_script(script, [b"k"], [7]) == [b"k", b"7"]
        assert await client.execute("SCRIPT", "EXISTS", script.sha1) in ([1], [True])


async def test_a_fault_of_a_script_is_an_answer_and_no_reason_to_rest(
    valkey: ValkeyProcess,
) -> None:
    async with _client(valkey.url) as client:
        for _ in range(FAILURES_TO_REST + 1):
            with pytest.raises(RedisAnswerError, match=r"^unix:.*boom"):
                await client.run_script(RedisScript("error('boom')"), [], [])
        await client.ping()


async def test_a_long_reason_is_cut(valkey: ValkeyProcess) -> None:
    async with _client(valkey.url) as client:
        with pytest.raises(RedisAnswerError) as caught:
            await client.run_script(RedisScript("error(string.rep('x', 10000))"), [], [])
    assert len(str(caught.value)) < 500


async def test_the_password_file_is_read_at_each_connection(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("wrong\n")
    with ValkeyProcess(tmp_path, password="open-sesame") as process:  # noqa: S106 - a test's
        async with _client(f"{process.url}?password_file={file}") as client:
            with pytest.raises((RedisAnswerError, RedisUnavailableError)):
                await client.ping()
            file.write_text("open-sesame\n")
            await client.ping()


async def test_a_password_file_that_is_missing_is_named(valkey: ValkeyProcess) -> None:
    async with _client(f"{valkey.url}?username=me&password_file=/nowhere/password") as client:
        with pytest.raises(RedisUnavailableError, match="/nowhere/password"):
            await client.ping()


async def test_after_failures_in_a_row_calls_fail_at_once_and_one_tries(tmp_path: Path) -> None:
    clock = VirtualClock()
    process = ValkeyProcess(tmp_path)
    async with _client(process.url, clock) as client:
        for _ in range(FAILURES_TO_REST):
            with pytest.raises(RedisUnavailableError) as tried:
                await client.ping()
            assert "not asked" not in str(tried.value)
        with process:
            with pytest.raises(RedisUnavailableError, match="not asked"):
                await client.ping()
            clock.advance(FIRST_REST_S)
            await client.ping()
            await client.ping()


async def test_callers_that_gave_up_after_a_while_count_as_failures_hasty_ones_do_not(
    tmp_path: Path,
) -> None:
    clock = VirtualClock()
    with ValkeyProcess(tmp_path) as process:
        async with _client(process.url, clock) as client:
            await client.ping()
            process.freeze()
            for waited_s, is_resting in ((0.1, False), (1.0, True)):
                for _ in range(FAILURES_TO_REST):
                    call = asyncio.ensure_future(client.ping())  # noqa: TID251 - to be cut
                    for _ in range(10):
                        await asyncio.sleep(0)
                    clock.advance(waited_s)
                    call.cancel()
                    await asyncio.wait([call])
                assert client._rest.may_try() is not is_resting
            process.thaw()
            clock.advance(LONGEST_REST_S)
            await client.ping()


@pytest.mark.parametrize(
    "options", ["", "?ca_file=/nowhere/ca", "?certificate_file=/nowhere/c&key_file=/nowhere/k"]
)
async def test_tls_with_a_peer_that_has_none_or_without_its_files_is_unavailable(
    options: str,
) -> None:
    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"+PONG\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with _client(f"rediss://127.0.0.1:{port}{options}") as client:
        with pytest.raises(RedisUnavailableError, match=f"^rediss://127.0.0.1:{port}: "):
            await client.ping()
    server.close()


async def test_rests_double_up_to_a_bound() -> None:
    clock = VirtualClock()
    async with _client("unix:///nowhere/v.sock", clock) as client:
        tries: list[float] = []
        while clock.monotonic_s() < 20:
            with pytest.raises(RedisUnavailableError) as caught:
                await client.ping()
            if "not asked" not in str(caught.value):
                tries.append(round(clock.monotonic_s(), 1))
            clock.advance(0.1)
    gaps = [round(later - earlier, 1) for earlier, later in pairwise(tries)]
    assert gaps[:2] == [pytest.approx(0.1), pytest.approx(0.1)]  # the first failures
    assert max(gaps) <= LONGEST_REST_S + 0.2
    assert gaps[2:] == sorted(gaps[2:])


async def test_a_client_that_is_not_started_or_closed_is_unavailable(
    valkey: ValkeyProcess,
) -> None:
    settings = RedisSettings(parse_redis_address(valkey.url))
    client = RedisClient(settings, clock=VirtualClock())
    with pytest.raises(RedisUnavailableError, match="not started"):
        await client.ping()
    await client.start()
    await client.ping()
    await client.aclose()
    with pytest.raises(RedisUnavailableError, match="not started"):
        await client.ping()


async def test_a_missing_library_is_told_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_driver, "redis_is_installed", lambda: False)
    client = RedisClient(RedisSettings(parse_redis_address("cache")), clock=VirtualClock())
    with pytest.raises(RedisNotInstalledError, match=r"pip install 'remixer\[redis\]'"):
        await client.start()


def test_settings_show_no_password() -> None:
    settings = RedisSettings(parse_redis_address("redis://me:secret@cache"))
    assert "secret" not in repr(settings)


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    process = ValkeyProcess(tmp_path)
    process.socket_path = tmp_path / ("x" * 200)
    with pytest.raises(ValkeyNotStartedError):
        process.start()
