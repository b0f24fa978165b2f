"""Probing in virtual time: when an address is asked, by whom, and for how long an answer counts."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import pairwise

import pytest

from remixer.adapters.kactivator.probe import Probe, ProbeSettings, template_fault
from remixer.adapters.kactivator.readiness import Revision
from remixer.drivers.reachability import ProbeTarget
from remixer.testing.adapters import HarnessTasks
from remixer.testing.clock import clock_of_running_loop, in_virtual_time

CART = Revision("shop", "cart-00001")


class Addresses:
    """Answers probes as scripted: the reason why not, or nothing; each takes `takes_s`."""

    def __init__(self, *, takes_s: float = 0.0) -> None:
        self.asked: list[tuple[float, ProbeTarget]] = []
        self.ready: set[str] = set()
        self.takes_s = takes_s
        self.at_once = 0
        self.most_at_once = 0

    def door(self, target: ProbeTarget) -> "ScriptedDoor":
        return ScriptedDoor(self, target)

    async def ask(self, target: ProbeTarget, /, *, timeout_s: float) -> str:
        self.asked.append((round(clock_of_running_loop().monotonic_s(), 3), target))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(min(self.takes_s, timeout_s))
        self.at_once -= 1
        return "" if target.host in self.ready else "refused"

    @property
    def times_s(self) -> list[float]:
        return [at_s for at_s, _ in self.asked]


@dataclass
class ScriptedDoor:
    """One of them."""

    addresses: Addresses
    target: ProbeTarget

    async def knock(self, *, timeout_s: float) -> str:
        return await self.addresses.ask(self.target, timeout_s=timeout_s)


class VirtualNaps:
    """On the loop's own clock."""

    async def __call__(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def close(self) -> None:
        """Nothing is kept."""


STEADY = ProbeSettings(interval_s=0.2, least_interval_s=0.2)


@asynccontextmanager
async def probing(
    addresses: Addresses, settings: ProbeSettings | None = None
) -> AsyncIterator[Probe]:
    async with asyncio.TaskGroup() as group:
        tasks = HarnessTasks(group)
        probe = Probe(
            settings or STEADY,
            tasks=tasks,
            clock=clock_of_running_loop(),
            door=addresses.door,
            naps=VirtualNaps(),
        )
        yield probe
        await probe.aclose()
        await tasks.cancel()
        assert tasks.failures == []


async def ready_at(addresses: Addresses, host: str, *, at_s: float) -> None:
    await asyncio.sleep(at_s)
    addresses.ready.add(host)


HOST = "cart-00001-private.shop.svc.cluster.local"


@in_virtual_time
async def test_asks_at_once_and_then_every_200_ms_if_told_to_as_the_activator() -> None:
    addresses = Addresses()
    async with probing(addresses) as probe:
        assert not await probe.wait(CART, timeout_s=0.7)
    assert addresses.times_s == [0.0, 0.2, 0.4, 0.6]
    assert {target for _, target in addresses.asked} == {ProbeTarget(HOST, 80, "/")}


@in_virtual_time
async def test_the_longer_the_wait_the_longer_the_pauses() -> None:
    addresses = Addresses()
    async with probing(addresses, ProbeSettings(interval_s=0.2)) as probe:
        assert not await probe.wait(CART, timeout_s=300)
    pauses_s = [later - sooner for sooner, later in pairwise(addresses.times_s)]
    assert all(
        pause_s <= 0.0011
        for at_s, pause_s in zip(addresses.times_s, pauses_s, strict=False)
        if at_s < 0.4
    )
    for at_s, pause_s in zip(addresses.times_s, pauses_s, strict=False):
        assert pause_s <= max(0.0005, at_s / 1000) + 0.002
    assert pauses_s[-1] == pytest.approx(0.2, abs=0.001), "not longer than the interval"
    assert 5_000 < len(addresses.asked) < 9_000


@pytest.mark.parametrize(
    ("waited_s", "probers", "pause_s"),
    [
        (0.0, 1, 0.0005),
        (5.0, 1, 0.005),
        (5.0, 10, 0.005),
        (5.0, 12, 0.006),
        (500.0, 1, 0.2),
        (0.0, 2000, 1.0),
    ],
)
def test_however_many_probers_there_are_they_knock_two_thousand_times_a_second(
    waited_s: float, probers: int, pause_s: float
) -> None:
    assert ProbeSettings().pause_s(waited_s, probers=probers) == pytest.approx(pause_s)


@in_virtual_time
async def test_a_revision_with_an_address_of_its_own_is_asked_there() -> None:
    addresses = Addresses()
    addresses.ready.update({"10.0.0.7", HOST.replace("cart-00001", "stock-00007")})
    settings = ProbeSettings(addresses={CART: "tcp://10.0.0.7:8012"})
    async with probing(addresses, settings) as probe:
        assert await probe.wait(CART, timeout_s=1)
        assert await probe.wait(Revision("shop", "stock-00007"), timeout_s=1)
    targets = [target for _, target in addresses.asked]
    assert targets[0] == ProbeTarget("10.0.0.7", 8012)
    assert targets[1].path == "/"


@in_virtual_time
async def test_asks_on_without_a_pause_where_answers_take_longer_than_the_interval() -> None:
    addresses = Addresses(takes_s=5.0)
    async with probing(addresses) as probe:
        assert not await probe.wait(CART, timeout_s=1.0)
    assert addresses.times_s == [0.0, 0.3, 0.6, 0.9]


@in_virtual_time
async def test_the_first_good_answer_wakes_all() -> None:
    addresses = Addresses()
    async with probing(addresses) as probe, asyncio.TaskGroup() as group:
        waits = [group.create_task(probe.wait(CART, timeout_s=30)) for _ in range(200)]
        group.create_task(ready_at(addresses, HOST, at_s=0.35))
        await asyncio.wait(waits)
        assert clock_of_running_loop().monotonic_s() == pytest.approx(0.4)
        assert all(each.result() for each in waits)
    assert addresses.times_s == [0.0, 0.2, 0.4], "one prober, whoever waits"


@in_virtual_time
async def test_nobody_is_asked_when_nobody_waits_any_more() -> None:
    addresses = Addresses()
    async with probing(addresses) as probe, asyncio.TaskGroup() as group:
        waits = [group.create_task(probe.wait(CART, timeout_s=30)) for _ in range(3)]
        await asyncio.sleep(0.3)
        for each in waits:
            each.cancel()
        await asyncio.sleep(0.01)
        assert probe.probing == 0
        await asyncio.sleep(5)
    assert addresses.times_s == [0.0, 0.2]


@in_virtual_time
async def test_who_comes_while_the_last_leaves_is_not_forgotten() -> None:
    addresses = Addresses(takes_s=0.1)
    async with probing(addresses) as probe, asyncio.TaskGroup() as group:
        assert not await probe.wait(CART, timeout_s=0.05)
        late = group.create_task(probe.wait(CART, timeout_s=1))
        addresses.ready.add(HOST)
        await late
    assert late.result()
    assert addresses.most_at_once == 1, "the prober under way serves him too"


@in_virtual_time
async def test_a_good_answer_counts_for_a_second() -> None:
    addresses = Addresses()
    addresses.ready.add(HOST)
    async with probing(addresses) as probe:
        assert probe.is_ready(CART) is None
        assert await probe.wait(CART, timeout_s=1)
        assert probe.is_ready(CART) is True
        await asyncio.sleep(0.9)
        assert await probe.wait(CART, timeout_s=1)
        assert len(addresses.asked) == 1
        await asyncio.sleep(0.2)
        assert probe.is_ready(CART) is None
        assert await probe.wait(CART, timeout_s=1)
        assert len(addresses.asked) == 2


@in_virtual_time
async def test_a_pod_that_died_is_found_out_when_its_answer_is_old() -> None:
    addresses = Addresses()
    addresses.ready.add(HOST)
    async with probing(addresses) as probe, asyncio.TaskGroup() as group:
        assert await probe.wait(CART, timeout_s=1)
        addresses.ready.clear()
        await asyncio.sleep(1.1)
        again = group.create_task(probe.wait(CART, timeout_s=1))
        await asyncio.sleep(0.1)
        assert probe.is_ready(CART) is False
        await again
    assert not again.result()


@in_virtual_time
async def test_probes_under_way_are_bounded() -> None:
    addresses = Addresses(takes_s=1.0)
    settings = ProbeSettings(most_at_once=8)
    async with probing(addresses, settings) as probe, asyncio.TaskGroup() as group:
        for number in range(100):
            group.create_task(probe.wait(Revision("shop", f"idle-{number}"), timeout_s=2))
        await asyncio.sleep(1.5)
        assert probe.probing == 100
    assert addresses.most_at_once == 8


@in_virtual_time
async def test_every_revision_gets_its_turn_beside_many_dead_ones() -> None:
    addresses = Addresses(takes_s=0.3)
    addresses.ready.add(HOST)
    settings = ProbeSettings(most_at_once=10)
    async with probing(addresses, settings) as probe, asyncio.TaskGroup() as group:
        for number in range(100):
            group.create_task(probe.wait(Revision("shop", f"dead-{number}"), timeout_s=10))
        await asyncio.sleep(1)
        assert await probe.wait(CART, timeout_s=10)
        assert clock_of_running_loop().monotonic_s() < 1 + 100 / 10 * 0.3 + 1


@pytest.mark.parametrize(
    "revision",
    [
        Revision("shop", "evil.example.com/"),
        Revision("shop", "a\r\nHost: b"),
        Revision("shop", ""),
        Revision("", "cart"),
        Revision("shop", "Cart"),
        Revision("shop", "-cart"),
        Revision("shop", "x" * 64),
        Revision("shop", "{namespace}"),
    ],
)
def test_what_is_no_name_of_a_service_is_never_asked(revision: Revision) -> None:
    @in_virtual_time
    async def play() -> None:
        addresses = Addresses()
        async with probing(addresses) as probe:
            assert not probe.may_exist(revision)
            assert not await probe.wait(revision, timeout_s=10)
        assert addresses.asked == []

    play()


@in_virtual_time
async def test_the_template_places_both_names() -> None:
    addresses = Addresses()
    settings = ProbeSettings(template="tcp://{name}.{namespace}.knative.test:8012")
    async with probing(addresses, settings) as probe:
        assert probe.may_exist(CART)
        await probe.wait(CART, timeout_s=0.1)
    assert addresses.asked[0][1] == ProbeTarget("cart-00001.shop.knative.test", 8012)


@in_virtual_time
async def test_closing_lets_go_of_who_waits_and_takes_nobody() -> None:
    addresses = Addresses()
    async with probing(addresses) as probe, asyncio.TaskGroup() as group:
        waiting = group.create_task(probe.wait(CART, timeout_s=30))
        await asyncio.sleep(0.05)
        await probe.aclose()
        assert not await waiting
        assert not await probe.wait(CART, timeout_s=30)
    assert clock_of_running_loop().monotonic_s() < 1


@in_virtual_time
async def test_a_deadline_missed_is_logged_with_the_last_reason(
    caplog: pytest.LogCaptureFixture,
) -> None:
    addresses = Addresses()
    async with probing(addresses) as probe:
        for _ in range(5):
            await probe.wait(CART, timeout_s=0.5)
    (record,) = [each for each in caplog.records if each.msg == "knative_revision_not_ready"]
    fields: Callable[[str], object] = record.__dict__["fields"].get
    assert (fields("revision"), fields("reason")) == ("shop/cart-00001", "refused")


class TestTemplates:
    """What `validate` says of a template."""

    @pytest.mark.parametrize(
        "template",
        [
            "http://{name}-private.{namespace}.svc.cluster.local/",
            "http://{name}.{namespace}.svc:8012/healthz?full=1",
            "tcp://{name}-private.{namespace}:80",
            "http://127.0.0.1:8080/{namespace}/{name}",
        ],
    )
    def test_is_content_with(self, template: str) -> None:
        assert not template_fault(template)

    @pytest.mark.parametrize(
        ("template", "says"),
        [
            ("http://cart.shop/", "has no {name}"),
            ("https://{name}.{namespace}/", "is neither http"),
            ("tcp://{name}.{namespace}", "is neither http"),
            ("http:///{name}", "has no host"),
            ("http://{name}:0/", "has port 0"),
            ("http://{name}:99999/", "Port out of range"),
            ("http://a@{name}/", "user name"),
            ("http://{name}/a b", "must escape"),
        ],
    )
    def test_says_what_is_wrong_with(self, template: str, says: str) -> None:
        assert says in template_fault(template)
