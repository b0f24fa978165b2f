"""A client of Mixer for asyncio programs, against a Mixer in the same process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from remixer.attributes.bag import Bag, Condition, Reference
from remixer.attributes.values import Duration
from remixer.foundation.errors import InternalError
from remixer.foundation.status import Code
from remixer.mixer.outcome import CheckOutcome, Provenance
from remixer.sidecar.client import MixerClient
from remixer.sidecar.settings import ClientSettings
from remixer.testing.app_mixers import FakePort, allowed, denied
from remixer.testing.served_mixer import served_mixer
from remixer.tiers.settings import FailPolicy, RemoteSettings
from remixer.transport.remote_spec import Tls

PATIENCE_S = 60.0
NOBODY = "127.0.0.1:1"
HASTY = ClientSettings(remote=RemoteSettings(timeout_s=0.2))


def by_user(bag: Bag) -> CheckOutcome:
    """Everybody but eve; for a minute, a hundred times."""
    outcome = denied(message="no") if bag["user"] == "eve" else allowed()
    references = frozenset({Reference("user", None, Condition.EXACT)})
    return replace(
        outcome, references=references, valid_duration=Duration(60 * 10**9), valid_use_count=100
    )


@asynccontextmanager
async def serving() -> AsyncIterator[tuple[str, FakePort]]:
    port = FakePort(by_user, answers_at_once=True)
    async with served_mixer(port) as address:
        yield address, port


async def test_verdicts_come_from_the_mixer_and_then_from_memory() -> None:
    async with serving() as (address, port), MixerClient(address) as client:
        for user, code in (("ann", Code.OK), ("eve", Code.PERMISSION_DENIED)):
            first = await client.check({"user": user})
            second = await client.check({"user": user})
            assert first.status.code == second.status.code == code
            assert second.provenance is Provenance.MEMORY
        assert len(port.requests) == 2
        assert port.requests[0].bag["user"] == "ann"
        counts = client.statistics()
        assert counts["total_check_calls"] == 4
        assert counts["total_check_cache_hits"] == counts["total_check_cache_misses"] == 2
        assert counts["total_check_cache_hit_accepts"] == 1
        assert counts["total_check_cache_hit_denies"] == 1
        assert counts["total_remote_calls"] == counts["total_remote_call_successes"] == 2


async def test_two_clients_never_use_the_same_deduplication_id() -> None:
    async with serving() as (address, port):
        for _ in range(2):
            async with MixerClient(address, ClientSettings(cache=None)) as client:
                await client.check({"user": "ann"})
                await client.check({"user": "ann"})
        ids = [each.deduplication_id for each in port.requests]
        assert len(set(ids)) == 4
        assert [each[-1] for each in ids] == list("0101")


async def test_whoever_asks_is_told_in_the_metadata_of_calls() -> None:
    settings = ClientSettings(source_uid="kubernetes://web-1.shop")
    async with serving() as (address, _), MixerClient(address, settings) as client:
        assert (await client.check({"user": "ann"})).status.is_ok


async def test_a_quota_that_nobody_knows_is_granted() -> None:
    async with serving() as (address, _), MixerClient(address) as client:
        assert await client.quota("hits", {"user": "ann"}, amount=3) == 3


async def test_reports_are_sent_when_the_client_closes() -> None:
    async with serving() as (address, port):
        async with MixerClient(address) as client:
            client.report({"user": "ann", "n": 1}, {"user": "bob", "n": 2})
            assert port.reports == []
        assert port.reports == [{"user": "ann", "n": 1}, {"user": "bob", "n": 2}]


# ------------------------------------------------------------ nobody there


@pytest.mark.parametrize(("policy", "is_ok"), [(FailPolicy.OPEN, True), (FailPolicy.CLOSED, False)])
async def test_a_mixer_that_is_away_is_no_failure(policy: FailPolicy, *, is_ok: bool) -> None:
    async with MixerClient(NOBODY, replace(HASTY, failure=policy)) as client:
        outcome = await client.check({"user": "ann"})
        assert outcome.status.is_ok is is_ok
        assert outcome.provenance is Provenance.SUBSTITUTE
        counts = client.statistics()
        assert counts["total_check_failed_open"] == is_ok
        assert counts["total_check_failed_closed"] == (not is_ok)


async def test_a_caller_that_has_little_time_waits_no_longer() -> None:
    async with MixerClient(NOBODY) as client:
        async with asyncio.timeout(PATIENCE_S):
            outcome = await client.check({"user": "ann"}, timeout_s=0.05)
        assert outcome.status.code in {Code.DEADLINE_EXCEEDED, Code.UNAVAILABLE}


async def test_quotas_fail_open() -> None:
    async with MixerClient(NOBODY, HASTY) as client:
        assert await client.quota("hits", {"user": "ann"}, amount=2) == 2


async def test_reports_that_nobody_takes_are_counted_at_the_end() -> None:
    client = MixerClient(NOBODY, replace(HASTY, close_s=0.1))
    await client.start()
    stack = client.stack
    client.report({"user": "ann"})
    await client.aclose()
    assert stack.statistics()["total_report_records_left"] == 1


# ------------------------------------------------------------ life


async def test_a_client_is_asked_after_its_start_and_before_its_end() -> None:
    client = MixerClient(NOBODY)
    for _ in range(2):
        with pytest.raises(InternalError, match="started before"):
            await client.check({"user": "ann"})
        await client.start()
        await client.aclose()
        await client.aclose()


async def test_a_second_start_does_nothing_and_one_after_the_end_begins_anew() -> None:
    async with serving() as (address, _):
        client = MixerClient(address)
        await asyncio.gather(client.start(), client.start())
        stack = client.stack
        await client.start()
        assert client.stack is stack
        await client.aclose()
        await client.start()
        assert client.stack is not stack
        assert (await client.check({"user": "ann"})).status.is_ok
        await client.aclose()


async def test_the_end_leaves_no_task_and_no_connection() -> None:
    before = asyncio.all_tasks()
    async with serving() as (address, _):
        async with MixerClient(address) as client:
            await client.check({"user": "ann"})
            assert len(asyncio.all_tasks()) > len(before)
        assert client._life.held is None
    assert asyncio.all_tasks() == before


def test_one_object_serves_one_loop_after_the_other() -> None:
    client = MixerClient(NOBODY, HASTY)

    async def live() -> None:
        await asyncio.gather(*(client.start() for _ in range(3)))
        assert not (await client.check({"user": "ann"})).status.is_ok

    for _ in range(2):
        asyncio.run(both(live(), client.aclose))


def test_a_client_whose_loop_has_ended_closes_and_starts_in_another() -> None:
    client = MixerClient(NOBODY, HASTY)
    asyncio.run(client.start())  # nobody closed it there
    asyncio.run(client.aclose())
    asyncio.run(both(client.start(), client.aclose))


async def both(first: object, then: object) -> None:
    await first  # type: ignore[misc]  # a coroutine
    await then()  # type: ignore[operator]  # a function of one


async def test_calls_at_rest_wait_for_the_end_of_it() -> None:
    async with serving() as (address, _), MixerClient(address) as client:
        await client.check({"user": "ann"})
        await client.rest()
        assert (await client.check({"user": "ann"})).provenance is Provenance.MEMORY
        async with asyncio.TaskGroup() as group:
            asked = group.create_task(client.check({"user": "bob"}))
            await asyncio.sleep(0)
            assert not asked.done()
            client.wake()
        assert asked.result().status.is_ok


async def test_rest_before_the_start_is_none() -> None:
    client = MixerClient(NOBODY)
    await client.rest()
    client.wake()


@pytest.mark.parametrize(
    ("address", "settings", "part"),
    [
        ("", None, "is empty"),
        ("mixer", None, "not HOST:PORT"),
        ("a:1,b:2", ClientSettings(authentication=Tls("/ca.pem")), "server_name"),
    ],
)
def test_faults_are_told_when_it_is_made(
    address: str, settings: ClientSettings | None, part: str
) -> None:
    with pytest.raises(ValueError, match=part):
        MixerClient(address, settings)
