"""The autoscaler that tests talk to decides as the real one was seen to."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from remixer.drivers.aio_websocket import AioWebSocketConnector
from remixer.testing.knative_autoscaler import Decision, KnativeAutoscaler
from remixer.testing.knative_decider import UNDECIDED, Decider, Scaling, Sums
from remixer.wire.knative_stats import (
    Encoding,
    RevisionKey,
    Stat,
    encode_messages,
    encoding_for,
    protobuf,
)

_KEY = RevisionKey("shop", "cart-00001")
_KEY_TEXT = "shop/cart-00001"
_NOW_S = 1_000_000.5


def _stat(concurrency: float, pod: str = "activator-x") -> Stat:
    return Stat(_KEY, pod, concurrency, request_count=1.0)


def _desired(
    stats: list[Stat], *, target: float, sums: Sums = Sums.ALL, desired: int = 0
) -> tuple[int, int]:
    """What is desired at once, and after the next tick, a second later."""
    decider = Decider(desired=desired, scaling=Scaling(target=target, sums=sums))
    for stat in stats:
        if decider.take(stat, now_s=_NOW_S):
            decider.evaluate(now_s=_NOW_S)
    at_once = decider.desired
    decider.evaluate(now_s=_NOW_S + 0.4)
    return at_once, decider.desired


@pytest.mark.parametrize(
    ("note", "stats", "target", "wanted"),
    [
        ("one request", [_stat(1.0)], 70.0, (1, 1)),
        ("one request where a pod takes one", [_stat(1.0)], 0.7, (2, 2)),
        ("a hundredth where a pod takes one", [_stat(0.01)], 0.7, (1, 1)),
        ("a count alone", [_stat(0.0)], 70.0, (0, 0)),
        ("a hundred requests", [_stat(1.0)] * 100, 70.0, (1, 2)),
        ("a hundred requests where a pod takes one", [_stat(1.0)] * 100, 0.7, (2, 143)),
        ("a hundred hundredths", [_stat(0.01)] * 100, 7.0, (1, 1)),
    ],
)
def test_what_is_desired_follows_the_stats(
    note: str, stats: list[Stat], target: float, wanted: tuple[int, int]
) -> None:
    assert _desired(stats, target=target) == wanted, note


def test_stats_of_one_pod_are_averaged_up_to_0_11() -> None:
    alike = [_stat(1.0)] * 50
    several = [_stat(1.0, f"activator-{n}") for n in range(50)]
    assert _desired(alike, target=7.0, sums=Sums.BY_POD) == (1, 1)
    assert _desired(several, target=7.0, sums=Sums.BY_POD) == (1, 8)


def test_what_nobody_decided_yet_is_not_poked() -> None:
    assert _desired([_stat(1.0)], target=70.0, desired=UNDECIDED) == (UNDECIDED, 1)


def test_what_an_activator_passed_on_pokes_and_does_not_count() -> None:
    stat = Stat(_KEY, "queue", 5.0, proxied_concurrency=5.0)
    decider = Decider()
    assert decider.take(stat, now_s=_NOW_S)
    decider.evaluate(now_s=_NOW_S)
    assert decider.desired == 0


def test_a_stat_older_than_the_window_pokes_and_is_not_recorded() -> None:
    decider = Decider()
    old = Stat(_KEY, "p", 1.0, time_ns=int(_NOW_S - 61) * 10**9)
    assert decider.take(old, now_s=_NOW_S)
    assert not decider.evaluate(now_s=_NOW_S)


def test_without_data_the_last_decision_stands_and_idle_pods_go() -> None:
    decider = Decider(desired=1)
    assert not decider.evaluate(now_s=_NOW_S)
    decider.take(_stat(1.0), now_s=_NOW_S)
    decider.scrape(0.0, now_s=_NOW_S + 59)
    assert not decider.evaluate(now_s=_NOW_S + 59)
    decider.scrape(0.0, now_s=_NOW_S + 60)
    assert decider.evaluate(now_s=_NOW_S + 60)
    assert decider.desired == 0


# ---------------------------------------------------------------- behind its socket


@pytest.fixture
async def autoscaler() -> AsyncIterator[KnativeAutoscaler]:
    async with KnativeAutoscaler(tick_s=0.05) as running:
        running.add(_KEY_TEXT)
        yield running


async def _send(autoscaler: KnativeAutoscaler, payload: bytes) -> None:
    socket = await AioWebSocketConnector().connect(autoscaler.url)
    try:
        await socket.send(payload)
    finally:
        await socket.aclose()


async def test_a_stat_at_zero_is_decided_at_once(autoscaler: KnativeAutoscaler) -> None:
    await _send(autoscaler, protobuf.encode([_stat(1.0)]))
    await autoscaler.until_desired(_KEY_TEXT, 1)
    (decision,) = autoscaler.decisions
    assert (decision.before, decision.after, decision.was_poked) == (0, 1, True)


async def test_a_stat_after_a_restart_is_decided_at_a_tick(autoscaler: KnativeAutoscaler) -> None:
    await autoscaler.restart()
    assert autoscaler.desired(_KEY_TEXT) == UNDECIDED
    await _send(autoscaler, protobuf.encode([_stat(1.0)]))
    await autoscaler.until_desired(_KEY_TEXT, 1)
    assert not autoscaler.decisions[-1].was_poked


async def test_unknown_revisions_and_unreadable_messages_change_nothing(
    autoscaler: KnativeAutoscaler,
) -> None:
    stranger = RevisionKey("shop", "cart")
    await _send(autoscaler, protobuf.encode([Stat(stranger, concurrency=1.0)]))
    await _send(autoscaler, b"\xff")
    await autoscaler.until(lambda: autoscaler.messages == 2)
    assert autoscaler.unknown == {stranger: 1}
    assert len(autoscaler.unread) == 1
    assert not autoscaler.decisions


@pytest.mark.parametrize("release", ["0.6", "0.7", "0.8", "0.16"])
async def test_each_release_s_messages_are_read_by_it(release: str) -> None:
    encoding = encoding_for("gob", release=release)
    async with KnativeAutoscaler(encoding=encoding) as autoscaler:
        autoscaler.add(_KEY_TEXT)
        for message in encode_messages([_stat(1.0)], encoding):
            await _send(autoscaler, message)
        await autoscaler.until_desired(_KEY_TEXT, 1)
        await _send(autoscaler, protobuf.encode([_stat(1.0)]))
        await autoscaler.until(lambda: len(autoscaler.unread) == 1)


async def test_many_revisions_come_in_one_message(autoscaler: KnativeAutoscaler) -> None:
    stats = [Stat(RevisionKey("shop", f"r{n}"), concurrency=1.0) for n in range(20)]
    for stat in stats:
        autoscaler.add(str(stat.key))
    (message,) = encode_messages(stats, Encoding())
    heard: list[Decision] = []
    autoscaler.on_decision.append(heard.append)
    await _send(autoscaler, message)
    await autoscaler.until(lambda: len(heard) == 20)
    assert {each.message for each in autoscaler.seen} == {1}


async def test_idle_pods_are_scraped_and_sleep_can_be_decided_by_hand(
    autoscaler: KnativeAutoscaler,
) -> None:
    autoscaler.set_desired(_KEY_TEXT, 1)
    autoscaler.set_ready(_KEY_TEXT, 1)
    await autoscaler.until_desired(_KEY_TEXT, 0)
    autoscaler.remove(_KEY_TEXT)
    with pytest.raises(KeyError):
        autoscaler.desired(_KEY_TEXT)


async def test_waiting_in_vain_ends(autoscaler: KnativeAutoscaler) -> None:
    with pytest.raises(TimeoutError):
        await autoscaler.until_desired(_KEY_TEXT, 7, within_s=0.01)
    await asyncio.sleep(0)
