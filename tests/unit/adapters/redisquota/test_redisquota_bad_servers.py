"""`redisquota` with a server that is not there, hangs, answers garbage, dies or comes back."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from remixer.adapters.redisquota import INFO, Params, Quota, RedisQuota
from remixer.adapters.redisquota.handler import RedisQuota as Handler
from remixer.attributes.values import Duration
from remixer.drivers.redis import LONGEST_REST_S, RedisClient, RedisSettings
from remixer.drivers.redis_address import parse_redis_address
from remixer.foundation.status import Code
from remixer.sdk import QuotaRequest, QuotaResult
from remixer.templates.instances import Quota as QuotaInstance
from remixer.testing.adapters import AdapterHarness
from remixer.testing.clock import VirtualClock, in_virtual_time
from remixer.testing.valkey import ValkeyProcess

_NAME = "hits.instance.shop"
_QUOTA = Quota(_NAME, 5, Duration(3_600_000_000_000))
_INSTANCE = QuotaInstance(_NAME)


def _params(url: str) -> Params:
    return Params((_QUOTA,), redis_server_url=url)


async def _ask(handler: RedisQuota) -> QuotaResult:
    return await handler.allocate(_INSTANCE, QuotaRequest(1))


@asynccontextmanager
async def _hasty(url: str, clock: VirtualClock) -> AsyncIterator[Handler]:
    """A handler that waits milliseconds: real peers need real time."""
    settings = RedisSettings(
        parse_redis_address(url), connect_timeout_s=0.02, command_timeout_s=0.03
    )
    client = RedisClient(settings, clock=clock)
    await client.start()
    yield Handler(_params(url), client=client, clock=clock, name="h")
    await client.aclose()


@asynccontextmanager
async def _peer(answer: bytes | None) -> AsyncIterator[str]:
    """A server that answers each bunch of bytes with `answer`, or never; its address."""
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        while await reader.read(65_536):
            if answer is not None:
                writer.write(answer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for writer in writers:
            writer.close()
        await asyncio.sleep(0)


def _is_unavailable(result: QuotaResult) -> bool:
    assert result.granted == 0
    assert result.status.message == "redisquota: Service Unavailable"
    return result.status.code == Code.UNAVAILABLE


@in_virtual_time
async def test_a_server_that_is_away_keeps_nobody_from_building() -> None:
    async with AdapterHarness() as harness:
        handler = await harness.build(INFO, _params("unix:///nowhere/redis.sock"))
        assert _is_unavailable(await _ask(handler))


async def test_a_server_that_comes_late_is_found(tmp_path: Path) -> None:
    process = ValkeyProcess(tmp_path)
    async with AdapterHarness() as harness:
        handler = await harness.build(INFO, _params(process.url))
        assert _is_unavailable(await _ask(handler))
        with process:
            await harness.advance(LONGEST_REST_S)
            assert (await _ask(handler)).granted == 1


async def test_a_server_that_dies_and_comes_back(tmp_path: Path) -> None:
    async with AdapterHarness() as harness:
        with ValkeyProcess(tmp_path) as process:
            handler = await harness.build(INFO, _params(process.url))
            assert [(await _ask(handler)).granted for _ in range(2)] == [1, 1]
            process.kill()
            assert all([_is_unavailable(await _ask(handler)) for _ in range(20)])
            process.start()
            await harness.advance(LONGEST_REST_S)
            assert [(await _ask(handler)).granted for _ in range(6)] == [1, 1, 1, 1, 1, 0]


async def test_a_server_that_dies_amid_calls_fails_those_and_no_others(tmp_path: Path) -> None:
    async with AdapterHarness() as harness:
        with ValkeyProcess(tmp_path) as process:
            handler = await harness.build(INFO, _params(process.url))
            await _ask(handler)
            process.freeze()
            async with asyncio.TaskGroup() as group:
                calls = [group.create_task(_ask(handler)) for _ in range(10)]
                await harness.settle()
                process.kill()
            assert all(_is_unavailable(call.result()) for call in calls)


async def test_a_server_that_never_answers_costs_one_wait_per_rest() -> None:
    clock = VirtualClock()
    loop = asyncio.get_running_loop()
    async with _peer(None) as url, _hasty(url, clock) as handler:
        begun_s = loop.time()
        results = [await _ask(handler) for _ in range(1_000)]
        spent_s = loop.time() - begun_s
    assert all(_is_unavailable(each) for each in results)
    assert spent_s < 20  # a thousand waits of 30 ms would take 30 s


async def test_a_caller_s_own_deadline_cuts_the_wait_and_spoils_nothing(
    valkey: ValkeyProcess,
) -> None:
    quota = Quota("deadline", 100, Duration(3_600_000_000_000))
    params = Params((quota,), redis_server_url=valkey.url, connection_pool_size=1)
    async with AdapterHarness() as harness:
        handler = await harness.build(INFO, params)
        granted = 0
        for turns in range(12):
            call = asyncio.ensure_future(  # noqa: TID251 - cut at every step of it
                handler.allocate(QuotaInstance("deadline"), QuotaRequest(1))
            )
            for _ in range(turns):
                await asyncio.sleep(0)
            call.cancel()
            await asyncio.wait([call])
            result = await handler.allocate(QuotaInstance("deadline"), QuotaRequest(1))
            granted += result.granted
    assert granted == 12


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"+PONG\r\n",
        b"*2\r\n$2\r\n-1\r\n$1\r\n0\r\n",
        b"*2\r\n:1\r\n:0\r\n",
        b"*1\r\n$1\r\n1\r\n",
        b"$-1\r\n",
        b"\x00" * 100,
        b"-ERR no\r\n",
    ],
    ids=repr,
)
async def test_garbage_is_unavailable(answer: bytes) -> None:
    clock = VirtualClock()
    async with _peer(answer) as url, _hasty(url, clock) as handler:
        for _ in range(3):
            assert _is_unavailable(await _ask(handler))
            clock.advance(LONGEST_REST_S)


async def test_a_wrong_password_is_unavailable_and_in_no_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with ValkeyProcess(tmp_path, password="right-secret") as process:  # noqa: S106 - a test's
        async with AdapterHarness() as harness:
            wrong = _params(process.url.replace("unix://", "unix://:wrong-secret@"))
            handler = await harness.build(INFO, wrong)
            assert _is_unavailable(await _ask(handler))
            right = _params(process.url.replace("unix://", "unix://:right-secret@"))
            assert (await _ask(await harness.build(INFO, right))).granted == 1
    logged = str([record.__dict__ for record in caplog.records])
    assert "redis_not_reached" in logged
    assert "secret" not in logged
    assert "secret" not in repr(wrong)


async def test_failures_are_logged_once_a_second(caplog: pytest.LogCaptureFixture) -> None:
    async with AdapterHarness() as harness:
        handler = await harness.build(INFO, _params("unix:///nowhere/redis.sock"))
        for _ in range(50):
            await _ask(handler)
    events = [record.msg for record in caplog.records]
    assert events == ["redis_not_reached", "redis_quota_failed"]
