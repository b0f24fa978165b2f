"""The outbox: batches, bounds, repeated attempts, the end."""

import asyncio
from collections.abc import Sequence
from itertools import pairwise
from random import Random

import pytest

from remixer.sdk.outbox import Outbox, OutboxLimits, SendError
from remixer.testing.clock import clock_of_running_loop, in_virtual_time, run_in_virtual_time

_LIMITS = OutboxLimits(
    batch_entries=3, batch_bytes=100, queue_entries=2, queue_bytes=100, interval_s=10
)


class _Peer:
    """Takes batches; may fail, or take its time."""

    def __init__(self, *failures: SendError | None, takes_s: float = 0) -> None:
        self.failures = list(failures)
        self.takes_s = takes_s
        self.batches: list[list[str]] = []
        self.attempts: list[tuple[float, int]] = []

    async def send(self, batch: Sequence[str], attempt: int) -> None:
        self.attempts.append((asyncio.get_running_loop().time(), attempt))
        await asyncio.sleep(self.takes_s)
        failure = self.failures.pop(0) if self.failures else None
        if failure is not None:
            raise failure
        self.batches.append(list(batch))


def _outbox(peer: _Peer, limits: OutboxLimits = _LIMITS) -> Outbox[str]:
    return Outbox(
        peer.send, limits=limits, name="h", random=Random(1), clock=clock_of_running_loop()
    )


def _puts(outbox: Outbox[str], entries: str, size_bytes: int = 1) -> list[bool]:
    return [outbox.put(each, size_bytes=size_bytes) for each in entries]


def _pair(
    limits: OutboxLimits = _LIMITS, *failures: SendError | None, takes_s: float = 0
) -> tuple[Outbox[str], _Peer]:
    peer = _Peer(*failures, takes_s=takes_s)
    return _outbox(peer, limits), peer


_RETRY = SendError("refused", can_retry=True)
_NEVER = SendError("bad request", can_retry=False)


@in_virtual_time
async def test_a_batch_goes_at_the_interval() -> None:
    outbox, peer = _pair()
    async with asyncio.TaskGroup() as group:
        group.create_task(outbox.work())
        _puts(outbox, "ab")
        await asyncio.sleep(9.9)
        assert peer.batches == []
        await asyncio.sleep(0.2)
        assert peer.batches == [["a", "b"]]
        await outbox.aclose()
    assert (outbox.sent, outbox.dropped, outbox.waiting) == (2, 0, 0)


@in_virtual_time
async def test_a_full_batch_goes_at_once() -> None:
    outbox, peer = _pair()
    async with asyncio.TaskGroup() as group:
        group.create_task(outbox.work())
        _puts(outbox, "abc")
        await asyncio.sleep(0.1)
        assert peer.batches == [["a", "b", "c"]]
        await outbox.aclose()


@in_virtual_time
async def test_what_does_not_fit_waits_for_the_next_batch() -> None:
    outbox, peer = _pair()
    async with asyncio.TaskGroup() as group:
        group.create_task(outbox.work())
        assert _puts(outbox, "ab", size_bytes=60) == [True, True]
        await asyncio.sleep(0.1)
        assert peer.batches == [["a"]]
        await outbox.aclose()
    assert peer.batches == [["a"], ["b"]]


@in_virtual_time
async def test_at_the_bound_an_entry_is_taken_and_one_past_it_is_dropped() -> None:
    outbox, peer = _pair()
    assert _puts(outbox, "abcdef") == [True] * 5 + [False]
    assert outbox.dropped == 1
    async with asyncio.TaskGroup() as group:
        group.create_task(outbox.work())
        await outbox.aclose()
    assert peer.batches == [["a", "b", "c"], ["d", "e"]]


@in_virtual_time
async def test_bytes_of_the_queue_are_bounded_too() -> None:
    outbox, _ = _pair()
    assert _puts(outbox, "abc", size_bytes=100) == [True, True, False]
    assert outbox.dropped == 1


@in_virtual_time
async def test_an_entry_larger_than_a_batch_is_dropped() -> None:
    outbox, _ = _pair()
    assert _puts(outbox, "a", size_bytes=100) == [True]
    assert _puts(outbox, "b", size_bytes=101) == [False]


@in_virtual_time
async def test_entries_that_come_while_a_batch_is_under_way_wait_for_the_interval() -> None:
    outbox, peer = _pair(takes_s=1)
    async with asyncio.TaskGroup() as group:
        group.create_task(outbox.work())
        _puts(outbox, "abc")
        await asyncio.sleep(0.5)
        _puts(outbox, "d")
        await asyncio.sleep(5)
        assert peer.batches == [["a", "b", "c"]]
        await asyncio.sleep(10)
        assert peer.batches == [["a", "b", "c"], ["d"]]
        await outbox.aclose()


@in_virtual_time
async def test_a_failed_batch_is_sent_again_after_growing_pauses() -> None:
    outbox, peer = _pair(_LIMITS, *[_RETRY] * 8)
    async with asyncio.TaskGroup() as group:
        group.create_task(outbox.work())
        _puts(outbox, "abc")
        await asyncio.sleep(300)
        assert peer.batches == [["a", "b", "c"]]
        await outbox.aclose()
    assert [attempt for _, attempt in peer.attempts] == list(range(1, 10))
    times = [at_s for at_s, _ in peer.attempts]
    pauses = [later - earlier for earlier, later in pairwise(times)]
    for number, pause in enumerate(pauses):
        most = min(0.5 * 2**number, 30)
        assert most / 2 <= pause <= most
    assert outbox.dropped == 0


@in_virtual_time
async def test_the_peer_may_ask_for_a_pause_up_to_a_bound() -> None:
    asked = [SendError("busy", can_retry=True, after_s=each) for each in (7.0, 3600.0)]
    outbox, peer = _pair(_LIMITS, *asked)
    async with asyncio.TaskGroup() as group:
        group.create_task(outbox.work())
        _puts(outbox, "abc")
        await asyncio.sleep(300)
        await outbox.aclose()
    times = [at_s for at_s, _ in peer.attempts]
    assert [times[1] - times[0], times[2] - times[1]] == pytest.approx([7, 30])


@in_virtual_time
async def test_after_the_last_attempt_a_batch_is_given_up_and_counted() -> None:
    limits = OutboxLimits(3, 100, 2, 100, 10, most_attempts=2)
    outbox, peer = _pair(limits, _RETRY, _RETRY)
    async with asyncio.TaskGroup() as group:
        group.create_task(outbox.work())
        _puts(outbox, "abcd")
        await asyncio.sleep(60)
        assert peer.batches == [["d"]]
        await outbox.aclose()
    assert (outbox.sent, outbox.dropped) == (1, 3)


@in_virtual_time
async def test_what_the_peer_will_never_take_is_tried_once() -> None:
    outbox, peer = _pair(_LIMITS, _NEVER)
    async with asyncio.TaskGroup() as group:
        group.create_task(outbox.work())
        _puts(outbox, "abcd")
        await asyncio.sleep(60)
        assert peer.batches == [["d"]]
        await outbox.aclose()
    assert outbox.dropped == 3


@in_virtual_time
async def test_the_end_breaks_a_pause_and_makes_one_attempt_more() -> None:
    outbox, peer = _pair(_LIMITS, _RETRY)
    async with asyncio.TaskGroup() as group:
        group.create_task(outbox.work())
        _puts(outbox, "abc")
        await asyncio.sleep(0.01)
        assert len(peer.attempts) == 1
        await outbox.aclose()
        assert peer.batches == [["a", "b", "c"]]


@in_virtual_time
async def test_the_end_gives_all_up_after_one_failed_attempt() -> None:
    outbox, peer = _pair(_LIMITS, *[_RETRY] * 5)
    async with asyncio.TaskGroup() as group:
        group.create_task(outbox.work())
        _puts(outbox, "abcde")
        await asyncio.sleep(0.01)
        await outbox.aclose()
    assert (len(peer.attempts), outbox.dropped, outbox.waiting) == (2, 5, 0)


@in_virtual_time
async def test_the_end_waits_a_second_at_most() -> None:
    outbox, _ = _pair(takes_s=3600)
    work = asyncio.get_running_loop().create_task(outbox.work())
    _puts(outbox, "abc")
    await asyncio.sleep(0.1)
    begun_s = asyncio.get_running_loop().time()
    await outbox.aclose()
    assert asyncio.get_running_loop().time() - begun_s == pytest.approx(1)
    assert (outbox.sent, outbox.dropped) == (0, 3)
    work.cancel()
    await asyncio.wait([work])


@in_virtual_time
async def test_an_empty_outbox_ends_at_once_and_takes_nothing_more() -> None:
    outbox, peer = _pair()
    async with asyncio.TaskGroup() as group:
        group.create_task(outbox.work())
        await asyncio.sleep(1)
        begun_s = asyncio.get_running_loop().time()
        await outbox.aclose()
        await outbox.aclose()
        assert asyncio.get_running_loop().time() == begun_s
    assert _puts(outbox, "a") == [False]
    assert peer.batches == []


def test_repeated_failures_are_logged_once_in_a_while(caplog: pytest.LogCaptureFixture) -> None:
    async def twenty_lost_batches() -> None:
        limits = OutboxLimits(1, 100, 50, 5_000, 10, most_attempts=1)
        outbox, _ = _pair(limits, *[_RETRY] * 20)
        async with asyncio.TaskGroup() as group:
            group.create_task(outbox.work())
            _puts(outbox, "x" * 20)
            await asyncio.sleep(1)
            await outbox.aclose()
        assert outbox.dropped == 20

    with caplog.at_level("WARNING"):
        run_in_virtual_time(twenty_lost_batches())
    assert [each.msg for each in caplog.records] == ["outbox_entries_dropped"]
