"""`redisquota` against a real server: what is granted, for how long, to how many at once."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from remixer.adapters.redisquota import (
    Override,
    Params,
    Quota,
    RateLimitAlgorithm,
    RedisQuota,
)
from remixer.adapters.redisquota.keys import LONGEST_ID_BYTES, LONGEST_KEY_BYTES
from remixer.attributes.values import Duration
from remixer.drivers.redis import RedisClient, RedisSettings
from remixer.drivers.redis_address import parse_redis_address
from remixer.foundation.durations import parse_duration
from remixer.foundation.status import Code
from remixer.sdk import QuotaRequest, QuotaResult
from remixer.templates.instances import Quota as QuotaInstance
from remixer.testing.clock import VirtualClock
from remixer.testing.valkey import ValkeyProcess

_TABLE = Path(__file__).parents[3] / "conformance/adapters/redisquota_windows.yaml"
_CASES = yaml.safe_load(_TABLE.read_text())
_SECOND = 1_000_000_000
PATIENCE_S = 60.0
_BOTH = pytest.mark.parametrize("algorithm", RateLimitAlgorithm, ids=lambda each: each.name)


def _duration(text: str) -> Duration:
    nanoseconds = parse_duration(text)
    assert nanoseconds is not None
    return Duration(nanoseconds)


def _quota(name: str, case: dict[str, Any]) -> Quota:
    bucket = case.get("bucket_duration")
    return Quota(
        name,
        case["max_amount"],
        _duration(case["valid_duration"]),
        _duration(bucket) if bucket else Duration(0),
        RateLimitAlgorithm.ROLLING_WINDOW if bucket else RateLimitAlgorithm.FIXED_WINDOW,
        tuple(Override(**each) for each in case.get("overrides", ())),
    )


def _of(algorithm: RateLimitAlgorithm, *, max_amount: int = 10) -> Quota:
    """A quota of 1 s that nobody else counts in."""
    name = f"q{uuid.uuid4().hex}.instance.shop"
    bucket = Duration(_SECOND // 10)
    return Quota(name, max_amount, Duration(_SECOND), bucket, algorithm)


class _Wall(VirtualClock):
    """Told the time in nanoseconds: seconds in a float have not enough digits."""

    now_ns = 1_622_505_600 * _SECOND

    def unix_ns(self) -> int:
        return self.now_ns


@asynccontextmanager
async def _handler(
    valkey: ValkeyProcess, *quotas: Quota, clock: VirtualClock | None = None, pool_size: int = 10
) -> AsyncIterator[RedisQuota]:
    """As the adapter builds it, but with patience: fifty connections at once take a busy machine long."""
    settings = RedisSettings(
        parse_redis_address(valkey.url),
        pool_size=pool_size,
        connect_timeout_s=PATIENCE_S,
        command_timeout_s=PATIENCE_S,
    )
    clock = clock or VirtualClock()
    client = RedisClient(settings, clock=clock)
    await client.start()
    params = Params(quotas, redis_server_url=valkey.url)
    handler = RedisQuota(params, client=client, clock=clock, name="quota")
    await handler.start()
    try:
        yield handler
    finally:
        await handler.aclose()


@asynccontextmanager
async def _redis(valkey: ValkeyProcess) -> AsyncIterator[RedisClient]:
    settings = RedisSettings(
        parse_redis_address(valkey.url),
        connect_timeout_s=PATIENCE_S,
        command_timeout_s=PATIENCE_S,
    )
    client = RedisClient(settings, clock=VirtualClock())
    await client.start()
    yield client
    await client.aclose()


def _wanted(step: dict[str, Any]) -> QuotaResult | tuple[int, Code]:
    if step["granted"] == 0 and step["ask"] > 0:
        return 0, Code.RESOURCE_EXHAUSTED
    return QuotaResult(step["granted"], _duration(step["valid"]))


@pytest.mark.parametrize("case", _CASES, ids=[case["note"] for case in _CASES])
async def test_steps_of_the_table(valkey: ValkeyProcess, case: dict[str, Any]) -> None:
    quota = _quota(f"q{uuid.uuid4().hex}", case)
    clock = _Wall()
    async with _handler(valkey, quota, clock=clock) as handler:
        for number, step in enumerate(case["steps"]):
            clock.now_ns = round(step["t"] * 1_000_000) * 1_000
            request = QuotaRequest(
                step["ask"],
                best_effort=step.get("best_effort", False),
                deduplication_id=step.get("id", ""),
            )
            instance = QuotaInstance(quota.name, step.get("dimensions", {}))
            result = await handler.allocate(instance, request)
            wanted = _wanted(step)
            got = (
                result if isinstance(wanted, QuotaResult) else (result.granted, result.status.code)
            )
            assert got == wanted, f"step {number}"


def test_the_table_has_both_algorithms_and_enough_rows() -> None:
    rolling = [case for case in _CASES if "bucket_duration" in case]
    assert len(rolling) >= 10
    assert len(_CASES) - len(rolling) >= 15


@_BOTH
async def test_a_refusal_is_worded_as_mixer_1_4_does(
    valkey: ValkeyProcess, algorithm: RateLimitAlgorithm
) -> None:
    quota = _of(algorithm, max_amount=1)
    async with _handler(valkey, quota) as handler:
        result = await handler.allocate(QuotaInstance(quota.name), QuotaRequest(2))
    assert result.status.message == "redisquota: Resource exhausted"
    assert result.valid_duration == 0


async def test_amount_0_is_no_opinion(valkey: ValkeyProcess) -> None:
    quota = _of(RateLimitAlgorithm.FIXED_WINDOW)
    async with _handler(valkey, quota) as handler:
        result = await handler.allocate(QuotaInstance(quota.name), QuotaRequest(0))
    assert result.is_default


async def test_an_instance_without_a_quota_is_an_internal_error(valkey: ValkeyProcess) -> None:
    async with _handler(valkey, _of(RateLimitAlgorithm.FIXED_WINDOW)) as handler:
        result = await handler.allocate(QuotaInstance("other"), QuotaRequest(1))
    assert (result.status.code, result.status.message) == (
        Code.INTERNAL,
        "redisquota: Internal Error",
    )


@_BOTH
async def test_fifty_callers_at_once_never_get_more_than_the_limit(
    valkey: ValkeyProcess, algorithm: RateLimitAlgorithm
) -> None:
    quota = _of(algorithm, max_amount=30)
    async with (
        _handler(valkey, quota, pool_size=50) as one,
        _handler(valkey, quota, pool_size=3) as other,
    ):
        instance = QuotaInstance(quota.name)
        results = await asyncio.gather(
            *(each.allocate(instance, QuotaRequest(1)) for each in [one, other] * 25)
        )
    assert sum(each.granted for each in results) == 30
    assert {each.status.code for each in results} == {Code.OK, Code.RESOURCE_EXHAUSTED}


@_BOTH
async def test_a_repeated_call_races_with_itself_and_counts_once(
    valkey: ValkeyProcess, algorithm: RateLimitAlgorithm
) -> None:
    quota = _of(algorithm, max_amount=10)
    async with _handler(valkey, quota) as handler:
        instance = QuotaInstance(quota.name)
        request = QuotaRequest(6, deduplication_id="once")
        results = await asyncio.gather(*(handler.allocate(instance, request) for _ in range(20)))
        left = await handler.allocate(instance, QuotaRequest(9, best_effort=True))
    assert {each.granted for each in results} == {6}
    assert left.granted == 4


@_BOTH
async def test_every_key_is_dropped_by_the_server_in_the_end(
    valkey: ValkeyProcess, algorithm: RateLimitAlgorithm
) -> None:
    """The original set the lifetime of one key twice and that of the buckets never."""
    quota = _of(algorithm)
    clock = _Wall()
    async with _handler(valkey, quota, clock=clock) as handler, _redis(valkey) as redis:
        instance = QuotaInstance(quota.name, {"user": "alice"})
        for tenths in range(3):
            clock.now_ns = (1_000 * 10 + tenths) * (_SECOND // 10)
            request = QuotaRequest(1, deduplication_id=f"id{tenths}")
            await handler.allocate(instance, request)
        keys = await redis.execute("KEYS", f"*{quota.name}*")
        assert isinstance(keys, list)
        left = [await redis.execute("PTTL", key) for key in keys]
    kinds = 1 if algorithm is RateLimitAlgorithm.FIXED_WINDOW else 2
    assert len(keys) == kinds + 3
    assert all(isinstance(each, int) and 1_000 < each <= 12_000 for each in left)


async def test_keys_and_fields_are_those_of_mixer_1_3(valkey: ValkeyProcess) -> None:
    quota = _of(RateLimitAlgorithm.ROLLING_WINDOW)
    clock = _Wall()
    async with _handler(valkey, quota, clock=clock) as handler, _redis(valkey) as redis:
        clock.now_ns = 1_900_000_000_123_456_000
        instance = QuotaInstance(quota.name, {"user": "alice"})
        await handler.allocate(instance, QuotaRequest(4, deduplication_id="id"))
        clock.now_ns += _SECOND // 10
        await handler.allocate(instance, QuotaRequest(2))
        key = f"{quota.name};user=alice"
        totals = await redis.execute("HGETALL", f"{key}.meta")
        buckets = await redis.execute("ZRANGE", f"{key}.data", 0, -1)
        memory = await redis.execute("HGETALL", f"id-{key}.meta")
    assert isinstance(totals, (list, dict))
    assert isinstance(memory, (list, dict))
    assert _pairs(totals) == {
        b"token": b"6",
        b"bucket.token": b"2",
        b"bucket.timestamp": b"1900000000223456000",
        b"key": b"1",
    }
    assert buckets == [b"0.4"]
    assert _pairs(memory) == {b"token": b"4", b"expire": b"1900000001123456000"}


def _pairs(answer: Any) -> dict[bytes, bytes]:
    if isinstance(answer, dict):
        return answer
    return dict(zip(answer[::2], answer[1::2], strict=True))


async def test_a_window_that_mixer_1_3_began_is_continued(valkey: ValkeyProcess) -> None:
    """It stores nanoseconds as Lua prints doubles: with 17 digits, or with an exponent."""
    quota = _of(RateLimitAlgorithm.FIXED_WINDOW)
    clock = _Wall()
    clock.now_ns = 1_900_000_000_000_000_000
    async with _handler(valkey, quota, clock=clock) as handler, _redis(valkey) as redis:
        fields = ("token", "7", "expire", "1.9000000005000003e+18")
        await redis.execute("HSET", f"{quota.name}.meta", *fields)
        result = await handler.allocate(QuotaInstance(quota.name), QuotaRequest(3))
        refused = await handler.allocate(QuotaInstance(quota.name), QuotaRequest(1))
    assert result == QuotaResult(3, Duration(_SECOND // 2))
    assert refused.granted == 0


@_BOTH
async def test_an_evicted_script_is_sent_again(
    valkey: ValkeyProcess, algorithm: RateLimitAlgorithm
) -> None:
    quota = _of(algorithm)
    async with _handler(valkey, quota) as handler, _redis(valkey) as redis:
        instance = QuotaInstance(quota.name)
        first = await handler.allocate(instance, QuotaRequest(4))
        await redis.execute("SCRIPT", "FLUSH")
        second = await handler.allocate(instance, QuotaRequest(6))
        third = await handler.allocate(instance, QuotaRequest(1))
    assert [first.granted, second.granted, third.granted] == [4, 6, 0]


@pytest.mark.parametrize("lost", ["meta", "data"])
async def test_a_key_that_the_server_evicted_closes_the_quota_for_nobody(
    valkey: ValkeyProcess, lost: str
) -> None:
    quota = _of(RateLimitAlgorithm.ROLLING_WINDOW)
    clock = _Wall()
    async with _handler(valkey, quota, clock=clock) as handler, _redis(valkey) as redis:
        instance = QuotaInstance(quota.name)
        await handler.allocate(instance, QuotaRequest(10))
        clock.now_ns += _SECOND // 5
        await handler.allocate(instance, QuotaRequest(1))
        await redis.execute("DEL", f"{quota.name}.{lost}")
        clock.now_ns += _SECOND
        result = await handler.allocate(instance, QuotaRequest(10))
        over = await handler.allocate(instance, QuotaRequest(1))
    assert [result.granted, over.granted] == [10, 0]


async def test_a_key_of_another_kind_is_unavailable_and_spoils_no_other(
    valkey: ValkeyProcess,
) -> None:
    quota = _of(RateLimitAlgorithm.FIXED_WINDOW)
    async with _handler(valkey, quota) as handler, _redis(valkey) as redis:
        await redis.execute("SET", f"{quota.name};user=eve.meta", "not a hash")
        eve = QuotaInstance(quota.name, {"user": "eve"})
        broken = [await handler.allocate(eve, QuotaRequest(1)) for _ in range(5)]
        other = await handler.allocate(QuotaInstance(quota.name), QuotaRequest(1))
    assert {each.status.code for each in broken} == {Code.UNAVAILABLE}
    assert broken[0].status.message == "redisquota: Service Unavailable"
    assert other.granted == 1


async def test_what_clients_send_makes_no_long_keys(valkey: ValkeyProcess) -> None:
    quota = _of(RateLimitAlgorithm.FIXED_WINDOW)
    async with _handler(valkey, quota) as handler, _redis(valkey) as redis:
        for letter in "ab":
            instance = QuotaInstance(quota.name, {"user": letter * 100_000})
            request = QuotaRequest(10, deduplication_id=letter * 100_000)
            assert (await handler.allocate(instance, request)).granted == 10
        keys = await redis.execute("KEYS", f"*{quota.name}*")
    assert isinstance(keys, list)
    assert len(keys) == 4
    assert max(map(len, keys)) < LONGEST_KEY_BYTES + LONGEST_ID_BYTES


@_BOTH
async def test_a_clock_that_went_back_grants_no_more_and_no_longer(
    valkey: ValkeyProcess, algorithm: RateLimitAlgorithm
) -> None:
    quota = _of(algorithm)
    clock = _Wall()
    async with _handler(valkey, quota, clock=clock) as handler:
        instance = QuotaInstance(quota.name)
        await handler.allocate(instance, QuotaRequest(6))
        clock.now_ns -= 60 * _SECOND
        result = await handler.allocate(instance, QuotaRequest(9, best_effort=True))
    assert result == QuotaResult(4, Duration(_SECOND))
