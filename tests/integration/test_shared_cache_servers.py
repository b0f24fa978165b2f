"""The shared tier on real servers: two instances, and servers that die, hang, come back."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import pytest

from remixer.attributes.bag import plain_bag
from remixer.foundation.clock import SystemClock
from remixer.frontends.cache_admin_client import FLUSH_PATH
from remixer.mixer.outcome import Provenance
from remixer.mixer.request import CheckRequest
from remixer.runtime.route_signatures import RouteSignatures
from remixer.server.compose import RemixerServer
from remixer.server.settings import Settings
from remixer.testing.engine import RunningEngine, running_engine
from remixer.testing.memcached import FakeMemcached
from remixer.testing.mixer_client import mixer_caller
from remixer.testing.scripted import Journal, scripted_adapters
from remixer.testing.shared_cache import CountingMixer, Rules, user_is
from remixer.testing.valkey import ValkeyProcess
from remixer.testing.valkey_groups import ClusterOfOne, SentinelGroup
from remixer.tiers.cached import CachedMixer
from remixer.tiers.settings import CacheSettings
from remixer.tiers.shared import opening
from remixer.tiers.shared.mixer import SharedMixer
from remixer.tiers.shared.opening import SharedCacheUrlError, SharedTier, open_shared_cache
from remixer.tiers.shared.settings import SharedSettings
from remixer.wire.client_codec import REPORT_PATH, encode_report_request

# Whoever is well may answer as slowly as machines do that have other work.
BUDGET_S = 30.0
WAIT_S = 60.0
RULES = """
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {name: r, namespace: istio-system}
spec:
  match: destination.service == "shop"
  actions: [{handler: h, instances: [i]}]
---
apiVersion: config.istio.io/v1alpha2
kind: handler
metadata: {name: h, namespace: istio-system}
spec: {compiledAdapter: waiting, params: {valid_use_count: 1000}}
---
apiVersion: config.istio.io/v1alpha2
kind: instance
metadata: {name: i, namespace: istio-system}
spec: {compiledTemplate: listentry, params: {value: source.user}}
---
apiVersion: config.istio.io/v1alpha2
kind: attributemanifest
metadata: {name: m, namespace: istio-system}
spec:
  attributes:
    destination.service: {valueType: STRING}
    source.user: {valueType: STRING}
"""


@pytest.fixture(autouse=True)
def _servers_may_be_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a server of a mesh has to do in a quarter of a second takes a busy machine longer."""
    for name in ("_CONNECT_S", "_COMMAND_S"):
        monkeypatch.setattr(opening, name, WAIT_S)


@asynccontextmanager
async def _tier(url: str, *, scope: str, budget_s: float = BUDGET_S) -> AsyncIterator[SharedTier]:
    async with asyncio.TaskGroup() as group:
        tier = open_shared_cache(
            url,
            settings=SharedSettings(scope=scope, budget_s=budget_s, poll_s=0.2),
            clock=SystemClock(),
            background=group.create_task,
            compile_text=user_is,
        )
        await tier.start()
        running = group.create_task(tier.run())
        yield tier
        running.cancel()
        await asyncio.wait({running})
        await tier.aclose()


async def _ask(mixer: SharedMixer, user: str) -> Provenance:
    return (await mixer.check(CheckRequest(plain_bag({"user": user})))).provenance


async def _until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not is_so():  # noqa: ASYNC110 - another process decides
            await asyncio.sleep(0.01)


async def _two_instances(url: str, scope: str) -> None:
    """The second answers from what the first learnt, until that is revoked."""
    async with _tier(url, scope=scope) as one, _tier(url, scope=scope) as two:
        first = one.around(CountingMixer(), policies=Rules())
        inner = CountingMixer()
        second = two.around(inner, policies=Rules())
        assert await _ask(first, "eve") is Provenance.COMPUTED
        await _until(lambda: one.cache.counts.written == 2)
        assert await _ask(second, "eve") is Provenance.SHARED
        assert not inner.asked
        heard = asyncio.Event()

        async def take(_matches: object) -> None:
            heard.set()

        two.revocations.subscribe(take)
        await one.revocations.publish("user=eve")
        await asyncio.wait_for(heard.wait(), WAIT_S)
        assert await _ask(second, "eve") is Provenance.COMPUTED
        assert one.revocations.latest_ms == two.revocations.latest_ms > 0


@pytest.fixture
def own_valkey(tmp_path: Path) -> Iterator[ValkeyProcess]:
    """Of one test alone: revocations concern all who share a server."""
    with ValkeyProcess(tmp_path) as process:
        yield process


async def test_two_instances_on_one_server(own_valkey: ValkeyProcess) -> None:
    await _two_instances(own_valkey.url, "")


async def test_clients_of_two_servers_are_told_of_a_revocation_by_one_mark(
    own_valkey: ValkeyProcess, tmp_path: Path
) -> None:
    rules = tmp_path / "rules"
    rules.mkdir()
    settings = Settings(
        config_store=f"fs://{rules}",
        address=("127.0.0.1:0",),
        monitoring_address="127.0.0.1:0",
        prometheus_address="127.0.0.1:0",
        shared_cache=own_valkey.url,
    )
    report = encode_report_request([plain_bag({"request.path": "/"})])
    async with (
        RemixerServer(settings).serving() as one,
        RemixerServer(settings).serving() as two,
        mixer_caller(one.addresses.grpc[0]) as first,
        mixer_caller(two.addresses.grpc[0]) as second,
    ):
        for caller in (first, second):
            assert await caller.unary(REPORT_PATH, report, timeout_s=WAIT_S) == b""
        await first.unary(FLUSH_PATH, b"", timeout_s=WAIT_S)
        mark = await first.unary(REPORT_PATH, report, timeout_s=WAIT_S)
        assert mark
        async with asyncio.timeout(WAIT_S):
            told = b""
            while not told:
                told = await second.unary(REPORT_PATH, report, timeout_s=WAIT_S)
        assert told == mark


async def test_two_instances_on_a_primary_that_sentinels_name(tmp_path: Path) -> None:
    with SentinelGroup(tmp_path) as group:
        await _two_instances(group.url, "")


async def test_two_instances_on_a_cluster(tmp_path: Path) -> None:
    with ClusterOfOne(tmp_path) as group:
        await _two_instances(group.url, "")


async def test_two_instances_on_two_memcached_servers() -> None:
    async with FakeMemcached() as a, FakeMemcached() as b:
        hosts = ",".join(f"{each.address.host}:{each.address.port}" for each in (a, b))
        await _two_instances(f"memcached://{hosts}", "")


@asynccontextmanager
async def _whole_stack(
    tier: SharedTier, rules: str, journal: Journal
) -> AsyncIterator[tuple[CachedMixer, RunningEngine]]:
    adapters = scripted_adapters(journal)
    async with running_engine({"a.yaml": rules}, adapters=adapters, clock=SystemClock()) as running:
        policies = RouteSignatures(lambda: running.engine.generation)
        yield (
            CachedMixer(
                tier.around(running.engine, policies=policies),
                settings=CacheSettings(),
                policies=running.engine,
                clock=SystemClock(),
                random=Random(1),
            ),
            running,
        )


async def test_whole_instances_share_exactly_if_they_have_the_same_rules(
    own_valkey: ValkeyProcess,
) -> None:
    request = CheckRequest(plain_bag({"destination.service": "shop", "source.user": "eve"}))
    journals = [Journal() for _ in range(3)]
    other = RULES.replace("valid_use_count: 1000", "valid_use_count: 900")
    async with (
        _tier(own_valkey.url, scope="") as tier,
        _whole_stack(tier, RULES, journals[0]) as (one, _),
        _whole_stack(tier, RULES, journals[1]) as (two, _),
        _whole_stack(tier, other, journals[2]) as (three, running),
    ):
        assert one.check_now(request) is None
        first = await one.check(request)
        await _until(lambda: tier.cache.counts.written == 2)
        second = await two.check(request)
        assert (first.provenance, second.provenance) == (Provenance.COMPUTED, Provenance.SHARED)
        assert second.references == first.references
        assert second.decisions == first.decisions
        in_memory = two.check_now(request)
        assert in_memory is not None
        assert in_memory.provenance is Provenance.MEMORY
        assert (await three.check(request)).provenance is Provenance.COMPUTED
        await running.apply({"a.yaml": RULES})
        assert (await three.check(request)).provenance is Provenance.SHARED
    assert [len(each.of("check")) for each in journals] == [1, 0, 1]


async def test_a_server_that_dies_under_way_costs_no_check_its_answer(tmp_path: Path) -> None:
    process = ValkeyProcess(tmp_path)
    process.start()
    try:
        async with _tier(process.url, scope="") as tier:
            mixer = tier.around(CountingMixer(), policies=Rules())
            await _ask(mixer, "eve")
            checks = [asyncio.ensure_future(_ask(mixer, f"{each}")) for each in range(50)]  # noqa: TID251 - under way
            await asyncio.sleep(0)
            await asyncio.sleep(0)  # the questions are sent
            process.kill()
            assert set(await asyncio.gather(*checks)) == {Provenance.COMPUTED}
            while not tier.cache.is_resting:
                assert await _ask(mixer, "adam") is Provenance.COMPUTED
            process.start()
            await _until(lambda: not tier.cache.is_resting)
            before = tier.cache.counts.written
            await _ask(mixer, "eve")
            await _until(lambda: tier.cache.counts.written > before)
            assert await _ask(mixer, "eve") is Provenance.SHARED
    finally:
        process.kill()


async def test_a_server_that_hangs_is_left_alone_until_it_answers_again(tmp_path: Path) -> None:
    with ValkeyProcess(tmp_path) as process:
        async with _tier(process.url, scope="", budget_s=0.05) as tier:
            mixer = tier.around(CountingMixer(), policies=Rules())
            await _ask(mixer, "eve")
            process.freeze()
            while not tier.cache.is_resting:
                assert await _ask(mixer, "adam") is Provenance.COMPUTED
            assert tier.cache.counts.late > 0
            process.thaw()
            await _until(lambda: not tier.cache.is_resting)


async def test_a_network_that_is_cut_costs_some_misses() -> None:
    async with FakeMemcached() as server:
        url = f"memcached://{server.address.host}:{server.address.port}"
        async with _tier(url, scope="") as tier:
            mixer = tier.around(CountingMixer(), policies=Rules())
            await _ask(mixer, "eve")
            await _until(lambda: tier.cache.counts.written == 2)
            server.is_silent = True
            checks = [asyncio.ensure_future(_ask(mixer, f"{each}")) for each in range(5)]  # noqa: TID251 - under way
            for _ in range(20):
                await asyncio.sleep(0)
            server.cut()
            server.is_silent = False
            assert set(await asyncio.gather(*checks)) == {Provenance.COMPUTED}
            assert await _ask(mixer, "eve") is Provenance.SHARED


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://cache", "scheme `http` is unknown"),
        ("memcached://", "names no host"),
        ("valkey+sentinel://me:secret@a", "primary"),
    ],
)
def test_urls_that_name_no_cache_say_why_without_credentials(url: str, reason: str) -> None:
    with pytest.raises(SharedCacheUrlError, match=reason) as caught:
        open_shared_cache(
            url,
            settings=SharedSettings(),
            clock=SystemClock(),
            background=lambda work, /, *, name: (work.close(), name),
        )
    assert "secret" not in str(caught.value)


async def test_a_cache_that_is_not_there_does_not_stop_the_start(tmp_path: Path) -> None:
    async with _tier(f"unix://{tmp_path}/nowhere.sock", scope="") as tier:
        mixer = tier.around(CountingMixer(), policies=Rules())
        assert tier.cache.is_resting
        assert await _ask(mixer, "eve") is Provenance.COMPUTED


async def test_secrets_are_read_from_a_file_and_read_again(
    tmp_path: Path, own_valkey: ValkeyProcess
) -> None:
    file = tmp_path / "secrets"
    file.write_text("a secret of the operator\n")
    async with asyncio.TaskGroup() as group:
        tiers = [
            open_shared_cache(
                own_valkey.url,
                settings=SharedSettings(budget_s=BUDGET_S, poll_s=0.02),
                clock=SystemClock(),
                background=group.create_task,
                secrets_file=path,
            )
            for path in (file, file, None)
        ]
        mixers = [tier.around(CountingMixer(), policies=Rules()) for tier in tiers]
        for tier in tiers:
            await tier.start()
        running = [group.create_task(tier.run()) for tier in tiers]
        assert [tier.is_keyed for tier in tiers] == [True, True, False]
        await _ask(mixers[0], "eve")
        await _until(lambda: tiers[0].cache.counts.written == 2)
        assert await _ask(mixers[1], "eve") is Provenance.SHARED
        assert await _ask(mixers[2], "eve") is Provenance.COMPUTED
        assert sum(tiers[2].cache.counts.refused.values()) >= 1
        file.write_text("another secret, a new one\n")
        async with asyncio.timeout(WAIT_S):
            while await _ask(mixers[1], "eve") is not Provenance.COMPUTED:  # noqa: ASYNC110 - it polls
                await asyncio.sleep(0.01)
        for task in running:
            task.cancel()
        await asyncio.wait(running)
        for tier in tiers:
            await tier.aclose()
