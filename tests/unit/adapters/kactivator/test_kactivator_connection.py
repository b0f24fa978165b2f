"""The durable connection: what is sent when, and what its loss costs."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from random import Random

import pytest

from remixer.adapters.kactivator.connection import (
    AutoscalerLink,
    AutoscalerLinks,
    LinkSpec,
    LinkTools,
)
from remixer.adapters.kactivator.readiness import Revision
from remixer.drivers.websocket import HandshakeRefusedError, WebSocketError
from remixer.sdk.knative_stats import Encoding, encoding_for
from remixer.testing.clock import clock_of_running_loop, in_virtual_time
from remixer.testing.websocket import FakeWebSocketConnector
from remixer.wire.knative_stats import Stat, decode_message

_A = Revision("shop", "a")
_B = Revision("shop", "b")
_C = Revision("shop", "c")
_URL = "ws://me:secret@autoscaler.test:8080"


def _spec(encoding: Encoding | None = None, *, most_revisions: int = 10_000) -> LinkSpec:
    return LinkSpec(_URL, encoding or Encoding(), "activator-x", most_revisions=most_revisions)


class _Bench:
    """A link on a connector in memory."""

    def __init__(self, spec: LinkSpec) -> None:
        self.connector = FakeWebSocketConnector()
        self.encoding = spec.encoding
        self.clock = clock_of_running_loop()
        self.tools = LinkTools(self.connector, self.clock, Random(7))
        self.link = AutoscalerLink(spec, self.tools)

    def stats(self, socket: int = -1) -> list[tuple[str, float]]:
        return [(each.key.name, each.concurrency) for each in self.all_stats(socket)]

    def all_stats(self, socket: int = -1) -> list[Stat]:
        sent = self.connector.sockets[socket].sent
        return [each for payload in sent for each in decode_message(payload, self.encoding)]


@asynccontextmanager
async def _running(spec: LinkSpec | None = None, *, away: bool = False) -> AsyncIterator[_Bench]:
    bench = _Bench(spec or _spec())
    bench.connector.is_away = away
    async with asyncio.TaskGroup() as group:
        task = group.create_task(bench.link.run())
        await _settle()
        yield bench
        task.cancel()
    assert all(each.is_closed for each in bench.connector.sockets)


async def _settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def _until(is_so: Callable[[], bool]) -> None:
    for _ in range(10_000):
        if is_so():
            return
        await asyncio.sleep(0.01)


@in_virtual_time
async def test_a_first_request_is_sent_on_the_spot_and_others_of_the_moment_in_one_message() -> (
    None
):
    async with _running() as bench:
        begun_s = bench.clock.monotonic_s()
        bench.link.arrive(_A)
        assert bench.stats() == [("a", 1.0)], "before anybody else has a turn"
        for revision in (_B, _A, _C, _A):
            bench.link.arrive(revision)
        assert len(bench.connector.socket.sent) == 1
        await _settle()
        assert bench.clock.monotonic_s() == begun_s
        assert bench.stats() == [("a", 1.0), ("b", 1.0), ("c", 1.0)]
        assert len(bench.connector.socket.sent) == 2
        assert {each.pod_name for each in bench.all_stats()} == {"activator-x"}
        assert {each.time_ns for each in bench.all_stats()} == {None}


@in_virtual_time
async def test_what_cannot_be_sent_on_the_spot_is_sent_by_the_next_connection() -> None:
    async with _running() as bench:
        bench.connector.socket.failure = WebSocketError("fake: reset")
        bench.link.arrive(_A)
        assert bench.stats() == []
        await _until(lambda: len(bench.connector.sockets) == 2)
        await _settle()
        assert bench.stats() == [("a", 1.0)]


@in_virtual_time
async def test_while_requests_wait_each_second_has_one_message_and_then_there_is_silence() -> None:
    async with _running() as bench:
        bench.link.arrive(_A)
        await asyncio.sleep(3.5)
        assert bench.stats() == [("a", 1.0), ("a", 0.0), ("a", 1.0), ("a", 1.0)]
        bench.link.leave(_A)
        await asyncio.sleep(60)
        assert bench.stats()[4:] == [("a", 0.5), ("a", 0.0)]
        assert bench.link.status.revisions == 0


@in_virtual_time
async def test_gob_is_one_stat_a_message_with_a_time_for_the_oldest() -> None:
    encoding = encoding_for("gob", release="0.5")
    async with _running(_spec(encoding)) as bench:
        bench.link.arrive(_A)
        bench.link.arrive(_B)
        await _settle()
        assert len(bench.connector.socket.sent) == 2
        assert {each.time_ns for each in bench.all_stats()} == {bench.clock.unix_ns()}


@in_virtual_time
async def test_a_connection_that_ends_is_made_again_at_once_and_told_who_waits() -> None:
    async with _running() as bench:
        bench.link.arrive(_A)
        bench.link.arrive(_A)
        await asyncio.sleep(5.25)
        before = bench.clock.monotonic_s()
        bench.connector.socket.end(1012, "Restarting")
        await _settle()
        assert bench.clock.monotonic_s() == before
        assert len(bench.connector.sockets) == 2
        assert bench.connector.sockets[0].is_closed
        assert bench.stats() == [("a", 2.0)]
        assert bench.link.counts.failures == 1


@in_virtual_time
async def test_what_nobody_waits_for_any_more_is_not_sent_again() -> None:
    async with _running() as bench:
        bench.link.arrive(_A)
        await asyncio.sleep(2.5)
        bench.link.leave(_A)
        bench.connector.socket.end()
        await _settle()
        assert bench.stats() == []


@in_virtual_time
async def test_an_autoscaler_that_is_away_is_tried_again_ever_more_rarely() -> None:
    async with _running(away=True) as bench:
        await asyncio.sleep(120)
        attempts = bench.connector.attempts
        pauses = [later - earlier for earlier, later in pairwise(attempts)]
        assert 0.05 <= pauses[0] <= 0.1
        assert all(pause <= 15 for pause in pauses)
        assert pauses[-1] >= 7.5
        assert len(attempts) < 30
        assert "nobody there" in bench.link.last_error


@in_virtual_time
async def test_a_peer_that_takes_connections_and_ends_them_is_not_asked_without_pause() -> None:
    async with _running() as bench:
        for _ in range(10):
            if not bench.connector.sockets[-1].is_closed:
                bench.connector.socket.end(1012, "Restarting")
            await asyncio.sleep(1)
        assert len(bench.connector.attempts) <= 15


@in_virtual_time
async def test_what_came_while_the_autoscaler_was_away_is_told_when_it_is_back() -> None:
    async with _running(away=True) as bench:
        bench.link.arrive(_A)  # waits
        bench.link.arrive(_B)  # was answered at once
        bench.link.leave(_B)
        await asyncio.sleep(2.0)
        assert bench.link.counts.stats_lost > 0
        bench.connector.is_away = False
        await _until(lambda: bool(bench.connector.sockets))
        await _settle()
        assert bench.stats() == [("a", 1.0), ("b", 1.0)]
        assert bench.link.last_error == ""
        assert bench.link.status.is_connected


@in_virtual_time
async def test_a_message_that_fails_costs_the_connection_and_not_the_wake_up() -> None:
    async with _running() as bench:
        await asyncio.sleep(2)
        bench.connector.socket.failure = WebSocketError("fake: the peer reads nothing")
        bench.link.arrive(_A)
        await _settle()
        assert len(bench.connector.sockets) == 2
        assert bench.stats() == [("a", 1.0)]
        assert bench.link.counts.stats_lost == 1


@in_virtual_time
async def test_a_peer_that_is_slow_delays_nobody_and_gets_one_report_per_revision() -> None:
    async with _running() as bench:
        bench.connector.socket.may_send.clear()
        bench.link.arrive(_A)
        await _settle()
        for _ in range(100):
            bench.link.arrive(_B)
        await asyncio.sleep(10.5)
        bench.connector.socket.may_send.set()
        await _settle()
        assert bench.stats() == [("a", 1.0), ("b", 1.0), ("a", 1.0)]


@in_virtual_time
async def test_a_first_request_overtakes_what_is_told_every_second() -> None:
    async with _running() as bench:
        for number in range(250):
            bench.link.arrive(Revision("shop", f"r{number}"))
        await asyncio.sleep(1.5)
        bench.connector.socket.may_send.clear()
        sent = len(bench.connector.socket.sent)
        await asyncio.sleep(1)
        bench.link.arrive(_A)
        bench.connector.socket.may_send.set()
        await _settle()
        later = bench.connector.socket.sent[sent:]
        sizes = [len(decode_message(each, bench.encoding)) for each in later]
        assert sizes == [100, 1, 100, 50]


@in_virtual_time
async def test_who_was_woken_lately_is_known_and_only_if_it_was_told() -> None:
    async with _running() as bench:
        assert not bench.link.woken_within(_A, 20)
        bench.connector.socket.may_send.clear()
        bench.link.wake(_A)
        await _settle()
        assert not bench.link.woken_within(_A, 20)
        bench.connector.socket.may_send.set()
        await _settle()
        assert bench.link.woken_within(_A, 20)
        await asyncio.sleep(0.01)
        bench.link.wake(_B)
        assert bench.link.woken_within(_B, 20), "told on the spot"
        await asyncio.sleep(20)
        assert not bench.link.woken_within(_A, 20)


@in_virtual_time
async def test_what_a_connection_may_have_lost_is_told_to_the_next() -> None:
    async with _running() as bench:
        bench.link.wake(_A)
        await asyncio.sleep(8)
        bench.link.wake(_B)
        await asyncio.sleep(4)
        bench.connector.is_away = True
        bench.connector.socket.end()
        await asyncio.sleep(0.01)
        assert bench.link.woken_within(_A, 20)
        assert not bench.link.woken_within(_B, 20)
        bench.connector.is_away = False
        await _until(lambda: len(bench.connector.sockets) == 2)
        await _settle()
        assert bench.stats() == [("b", 1.0)]
        assert bench.link.woken_within(_B, 20)


@in_virtual_time
async def test_ten_thousand_names_leave_no_more_than_the_bound() -> None:
    async with _running(_spec(most_revisions=100)) as bench:
        for number in range(10_000):
            revision = Revision("shop", f"r{number}")
            bench.link.wake(revision)
            if number % 50 == 0:
                await asyncio.sleep(0)
            assert bench.link.tracked <= 150
        await asyncio.sleep(3)
        assert bench.link.status.revisions == 0
        assert bench.link.tracked <= 100
        assert bench.link.status.held == 0


@pytest.mark.parametrize(
    ("status", "hint"),
    [
        (200, "bucket"),
        (400, "proxy between"),
        (403, "Origin"),
        (404, "port 8080"),
        (500, "status 500"),
    ],
)
def test_a_refusal_is_told_with_what_it_may_mean(status: int, hint: str) -> None:
    @in_virtual_time
    async def scenario() -> None:
        async with _running(away=True) as bench:
            refusal = HandshakeRefusedError(f"HTTP status {status}", status=status)
            bench.connector.failures.append(refusal)
            await _until(lambda: not bench.connector.failures)
            assert hint in bench.link.last_error

    scenario()


@in_virtual_time
async def test_handlers_that_speak_alike_share_and_the_next_one_takes_over() -> None:
    bench = _Bench(_spec())
    links = AutoscalerLinks()
    first = links.hold(_spec(), bench.tools)
    second = links.hold(_spec(), bench.tools)
    other = links.hold(_spec(encoding_for("gob")), bench.tools)
    assert first.link is second.link is not other.link
    async with asyncio.TaskGroup() as group:
        running = group.create_task(first.link.run())
        waiting = group.create_task(second.link.run())
        await _settle()
        assert len(bench.connector.sockets) == 1
        first.link.arrive(_A)
        await _settle()
        first.release()
        first.release()
        running.cancel()
        await _settle()
        assert len(bench.connector.sockets) == 2
        assert bench.stats() == [("a", 1.0)]
        assert len(links) == 2
        second.release()
        other.release()
        waiting.cancel()
    assert len(links) == 0
    assert bench.connector.socket.is_closed


@in_virtual_time
async def test_counts_are_shown_and_secrets_are_not() -> None:
    async with _running() as bench:
        links = AutoscalerLinks()
        hold = links.hold(_spec(), bench.tools)
        hold.link.arrive(_A)
        links.checks["h.shop", "asleep"] += 3
        shown = links.render().decode()
        labels = '{autoscaler="ws://autoscaler.test:8080",encoding="protobuf"}'
        for line in (
            f"remixer_knative_connected{labels} 0",
            f"remixer_knative_requests_held{labels} 1",
            f"remixer_knative_stats_sent_total{labels} 0",
            'remixer_knative_checks_total{handler="h.shop",found="asleep"} 3',
        ):
            assert line in shown.splitlines()
        assert "secret" not in shown
