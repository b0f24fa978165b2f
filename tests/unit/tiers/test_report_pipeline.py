"""A client's reports: when they are sent, what becomes of those that are not."""

import asyncio
import logging
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest

from remixer.attributes.bag import PlainBag, plain_bag
from remixer.attributes.byte_headers import ByteHeaders
from remixer.attributes.http_bag import HttpBag, HttpFacts
from remixer.attributes.http_report import HttpEnd, HttpReportBag
from remixer.drivers.spill_directory import LoadedSegment, SpillDirectory, SpillLimits
from remixer.drivers.spill_segments import SpillEntry
from remixer.foundation.backoff import Backoff
from remixer.foundation.errors import PolicyError, UnavailableError
from remixer.foundation.status import Code
from remixer.frontends.mixer_v1.codec import decode_report_call
from remixer.testing.clock import clock_of_running_loop, in_virtual_time
from remixer.tiers.report_pipeline import ReportPipeline, ReportSettings
from remixer.tiers.report_spool import SpillStore
from remixer.transport.remote_port import RpcFailed
from remixer.wire._pb.istio.mixer.v1.report_pb2 import ReportRequest
from remixer.wire.report_batch import BatchLimits

AWAY = RpcFailed(Code.UNAVAILABLE, "mixer:9091: connection refused")
OLD_MIXER = "mixer:9091: Request could not be processed due to invalid global_word_count: 222"
SMALL = ReportSettings(batch=BatchLimits(most_records=2))


class FakeMixer:
    """Takes reports, unless `fails` says how a call fails; each call takes `takes_s`."""

    def __init__(self) -> None:
        self.calls: list[tuple[float, int]] = []
        """When each came, and how many records it brought."""
        self.records: list[int] = []
        self.fails: Callable[[bytes], Exception | None] = lambda _payload: None
        self.takes_s = 0.0
        self.under_way = self.most_under_way = 0

    async def send(self, payload: bytes) -> None:
        bags = decode_report_call(payload).bags
        self.calls.append((asyncio.get_running_loop().time(), len(bags)))
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            await asyncio.sleep(self.takes_s)
            failure = self.fails(payload)
        finally:
            self.under_way -= 1
        if failure is not None:
            raise failure
        self.records += [number for bag in bags if isinstance(number := bag["n"], int)]

    def goes_away(self) -> None:
        self.fails = lambda _payload: AWAY

    def comes_back(self) -> None:
        self.fails = lambda _payload: None

    def fails_once(self, failure: Exception) -> None:
        def once(_payload: bytes) -> Exception:
            self.comes_back()
            return failure

        self.fails = once


def bags(*numbers: int, size: int = 0) -> list[PlainBag]:
    filler = {"filler": "x" * size} if size else {}
    return [plain_bag({"n": number, **filler}) for number in numbers]


def pipeline_to(
    mixer: FakeMixer, settings: ReportSettings = SMALL, *, spill: SpillStore | None = None
) -> ReportPipeline:
    return ReportPipeline(
        send=mixer.send,
        settings=settings,
        clock=clock_of_running_loop(),
        random=Random(1),
        spill=spill,
    )


@asynccontextmanager
async def running(
    mixer: FakeMixer,
    settings: ReportSettings = SMALL,
    *,
    spill: SpillStore | None = None,
    grace_s: float = 1.0,
) -> AsyncIterator[ReportPipeline]:
    pipeline = pipeline_to(mixer, settings, spill=spill)
    async with asyncio.TaskGroup() as group:
        group.create_task(pipeline.run())
        await asyncio.sleep(0)
        try:
            yield pipeline
        finally:
            await pipeline.aclose(grace_s)
    counts = pipeline.counts
    ends = (
        counts.report_records_sent
        + counts.report_records_refused
        + counts.report_records_dropped
        + counts.report_records_left
        + counts.report_records_spilled
        - counts.report_records_restored
    )
    assert spill is not None or ends == counts.report_calls
    assert pipeline.waiting == (counts.report_records_left if counts.report_records_left else 0)


# ------------------------------------------------------------ when reports are sent


@in_virtual_time
async def test_a_report_goes_an_interval_after_its_first_record() -> None:
    mixer = FakeMixer()
    async with running(mixer, ReportSettings()) as pipeline:
        await asyncio.sleep(5)
        pipeline.put(bags(1))
        await asyncio.sleep(0.6)
        pipeline.put(bags(2))
        await asyncio.sleep(0.39)
        assert mixer.calls == []
        await asyncio.sleep(0.02)
        assert [records for _when, records in mixer.calls] == [2]
        assert mixer.calls[0][0] == pytest.approx(6.0)
        await asyncio.sleep(5)
        assert len(mixer.calls) == 1


@in_virtual_time
async def test_a_full_report_goes_at_once() -> None:
    mixer = FakeMixer()
    async with running(mixer) as pipeline:
        pipeline.put(bags(1, 2, 3))
        await asyncio.sleep(0.1)
        assert mixer.calls == [(0, 2)]
        await asyncio.sleep(1)
        assert mixer.calls == [(0, 2), (1.0, 1)]
    assert mixer.records == [1, 2, 3]


@in_virtual_time
async def test_what_cannot_be_read_is_dropped_and_counted() -> None:
    headers = ByteHeaders([("x", None)])  # type: ignore[list-item] # as an application might
    bad = HttpReportBag(HttpBag(HttpFacts("GET", "/", headers)), HttpEnd())
    mixer = FakeMixer()
    async with running(mixer, ReportSettings()) as pipeline:
        pipeline.put([*bags(1), bad, *bags(2)])
        await asyncio.wait_for(pipeline.flush(), 1)
        assert pipeline.counts.report_records_dropped == 1
    assert mixer.records == [1, 2]


@in_virtual_time
async def test_the_interval_begins_anew_after_a_full_report() -> None:
    mixer = FakeMixer()
    async with running(mixer) as pipeline:
        pipeline.put(bags(1))
        await asyncio.sleep(0.5)
        pipeline.put(bags(2))
        await asyncio.sleep(0.4)
        pipeline.put(bags(3))
        await asyncio.sleep(0.9)
        assert mixer.calls == [(0.5, 2)]
        await asyncio.sleep(0.2)
        assert [when for when, _records in mixer.calls] == [0.5, pytest.approx(1.9)]


@in_virtual_time
async def test_batching_can_be_off() -> None:
    mixer = FakeMixer()
    alone = ReportSettings(batch=BatchLimits(most_records=1))
    async with running(mixer, alone) as pipeline:
        pipeline.put(bags(1, 2))
        await asyncio.sleep(0.1)
        assert mixer.calls == [(0, 1), (0, 1)]


@in_virtual_time
async def test_only_so_many_calls_are_under_way() -> None:
    mixer = FakeMixer()
    mixer.takes_s = 1
    async with running(mixer, grace_s=9) as pipeline:
        pipeline.put(bags(*range(10)))
        await asyncio.sleep(0.5)
        assert mixer.under_way == 2
    assert mixer.most_under_way == 2
    assert sorted(mixer.records) == list(range(10))


@in_virtual_time
async def test_put_needs_no_running_task() -> None:
    mixer = FakeMixer()
    pipeline = pipeline_to(mixer)
    pipeline.put(bags(1, 2, 3))
    assert pipeline.waiting == 3
    async with asyncio.TaskGroup() as group:
        group.create_task(pipeline.run())
        await asyncio.sleep(2)
        await pipeline.aclose(1)
    assert mixer.records == [1, 2, 3]


@in_virtual_time
async def test_flush_waits_until_all_is_sent() -> None:
    mixer = FakeMixer()
    mixer.takes_s = 0.25
    async with running(mixer) as pipeline:
        pipeline.put(bags(*range(9)))
        await pipeline.flush()
        assert sorted(mixer.records) == list(range(9))
        await pipeline.flush()


@in_virtual_time
async def test_the_mixer_is_tried_at_once_for_a_flush() -> None:
    mixer = FakeMixer()
    mixer.goes_away()
    async with running(mixer) as pipeline:
        pipeline.put(bags(1, 2))
        await asyncio.sleep(20)
        mixer.comes_back()
        begun_s = asyncio.get_running_loop().time()
        await pipeline.flush()
        assert asyncio.get_running_loop().time() == begun_s


# ------------------------------------------------------------ while the Mixer is away


@in_virtual_time
async def test_a_mixer_that_is_away_for_a_minute_loses_nothing() -> None:
    mixer = FakeMixer()
    async with running(mixer, grace_s=5) as pipeline:
        for number in range(120):
            if number == 20:
                mixer.goes_away()
            if number == 80:
                mixer.comes_back()
            pipeline.put(bags(number))
            await asyncio.sleep(1)
    assert sorted(mixer.records) == list(range(120))
    assert pipeline.counts.report_records_sent == 120
    assert pipeline.counts.remote_report_send_errors > 5


@in_virtual_time
async def test_pauses_grow_and_one_call_at_a_time_is_tried() -> None:
    mixer = FakeMixer()
    mixer.goes_away()
    mixer.takes_s = 0.01
    settings = replace(SMALL, backoff=Backoff(first_s=1, longest_s=8))
    async with running(mixer, settings) as pipeline:
        pipeline.put(bags(*range(8)))
        await asyncio.sleep(60)
        times = [when for when, _records in mixer.calls]
        pauses = [after - before for before, after in pairwise(times[1:])]
        for pause, longest in zip(pauses, [1, 2, 4, 8, 8, 8], strict=False):
            assert longest / 2 <= pause <= longest + 0.1
        assert len(times) < 20


@in_virtual_time
async def test_a_late_mixer_gets_the_records_again() -> None:
    mixer = FakeMixer()
    mixer.takes_s = 60
    async with running(mixer) as pipeline:
        pipeline.put(bags(1, 2))
        await asyncio.sleep(5.1)
        mixer.takes_s = 0
        await asyncio.sleep(1)
        assert mixer.records == [1, 2]
        assert pipeline.counts.remote_report_timeouts == 1
        assert pipeline.counts.remote_report_calls == 2


@pytest.mark.parametrize(
    "failure",
    [
        AWAY,
        UnavailableError("draining"),
        RpcFailed(Code.CANCELLED, "stream reset"),
        RpcFailed(Code.UNAUTHENTICATED, "token expired"),
        RpcFailed(Code.DEADLINE_EXCEEDED, "late"),
    ],
    ids=lambda failure: f"{failure.code.name}",
)
def test_a_report_that_may_fare_better_later_is_sent_again(failure: Exception) -> None:
    @in_virtual_time
    async def check() -> None:
        mixer = FakeMixer()
        mixer.fails_once(failure)
        async with running(mixer) as pipeline:
            pipeline.put(bags(1, 2))
            await asyncio.sleep(1)
            assert mixer.records == [1, 2]
            assert pipeline.counts.remote_report_successes == 1

    check()


@pytest.mark.parametrize(
    "code",
    [
        Code.INVALID_ARGUMENT,
        Code.UNKNOWN,
        Code.RESOURCE_EXHAUSTED,
        Code.UNIMPLEMENTED,
        Code.INTERNAL,
        Code.PERMISSION_DENIED,
    ],
)
def test_a_report_that_is_refused_is_dropped(code: Code, caplog: pytest.LogCaptureFixture) -> None:
    @in_virtual_time
    async def check() -> None:
        mixer = FakeMixer()
        mixer.fails_once(RpcFailed(code, "no"))
        async with running(mixer) as pipeline:
            pipeline.put(bags(1, 2, 3))
            await asyncio.sleep(2)
            assert mixer.records == [3]
            assert pipeline.counts.report_records_refused == 2
            assert pipeline.counts.remote_report_other_errors == 1

    with caplog.at_level(logging.WARNING):
        check()
    assert [record.msg for record in caplog.records] == ["report_refused"]


@in_virtual_time
async def test_one_failure_does_not_hold_up_others_for_long() -> None:
    mixer = FakeMixer()
    mixer.fails_once(AWAY)
    async with running(mixer) as pipeline:
        pipeline.put(bags(1, 2, 3, 4))
        await asyncio.sleep(1)
        assert sorted(mixer.records) == [1, 2, 3, 4]


def test_failures_do_not_flood_the_log(caplog: pytest.LogCaptureFixture) -> None:
    @in_virtual_time
    async def check() -> None:
        mixer = FakeMixer()
        mixer.fails = lambda _payload: RpcFailed(Code.UNKNOWN, "no")
        async with running(mixer) as pipeline:
            for number in range(200):
                pipeline.put(bags(number, number))
                await asyncio.sleep(0.1)
            assert pipeline.counts.report_records_refused == 400

    with caplog.at_level(logging.WARNING):
        check()
    assert 2 <= len(caplog.records) <= 3


# ------------------------------------------------------------ another dictionary


@pytest.mark.parametrize(
    "failure",
    [
        RpcFailed(Code.INVALID_ARGUMENT, OLD_MIXER),
        RpcFailed(
            Code.INTERNAL,
            "inconsistent global dictionary versions used: mixer knows 203 words, caller knows 222",
        ),
    ],
    ids=["as the client expects", "as Mixer 1.0 to 1.3 says it"],
)
def test_reports_are_encoded_again_for_a_mixer_that_knows_fewer_words(
    failure: PolicyError | RpcFailed,
) -> None:
    @in_virtual_time
    async def check() -> None:
        mixer = FakeMixer()
        counts: list[int] = []

        def old(payload: bytes) -> Exception | None:
            counts.append(ReportRequest.FromString(payload).global_word_count)
            return failure if counts[-1] > 203 else None

        mixer.fails = old
        mixer.takes_s = 0.1
        async with running(mixer) as pipeline:
            pipeline.put(bags(*range(9)))
            await asyncio.sleep(2)
            pipeline.put(bags(9))
            await asyncio.sleep(2)
        assert sorted(mixer.records) == list(range(10))
        # Two were under way when the first was refused; nothing is asked twice after that.
        assert Counter(counts) == {222: 2, 111: 6}
        assert pipeline.counts.report_dictionary_fallbacks == 1
        assert pipeline.counts.report_records_refused == 0

    check()


@in_virtual_time
async def test_a_mixer_that_refuses_even_the_smallest_dictionary_is_not_asked_for_ever() -> None:
    mixer = FakeMixer()
    mixer.fails = lambda _payload: RpcFailed(Code.INVALID_ARGUMENT, OLD_MIXER)
    async with running(mixer) as pipeline:
        pipeline.put(bags(1, 2))
        await asyncio.sleep(2)
        assert len(mixer.calls) == 2
        assert pipeline.counts.report_records_refused == 2


@in_virtual_time
async def test_who_learns_of_the_dictionary_elsewhere_can_tell() -> None:
    mixer = FakeMixer()
    async with running(mixer) as pipeline:
        pipeline.put(bags(1))
        pipeline.use_smallest_dictionary()
        pipeline.put(bags(2))
        await asyncio.sleep(2)
    assert mixer.records == [1, 2]


# ------------------------------------------------------------ bounds


@in_virtual_time
async def test_the_oldest_records_go_when_memory_is_full() -> None:
    mixer = FakeMixer()
    mixer.goes_away()
    settings = replace(SMALL, backlog_bytes=10_000)
    async with running(mixer, settings, grace_s=5) as pipeline:
        pipeline.put(bags(*range(40), size=1_000))
        await asyncio.sleep(1)
        dropped = pipeline.counts.report_records_dropped
        assert 24 <= dropped < 40
        mixer.comes_back()
    assert sorted(mixer.records) == list(range(dropped, 40))


@in_virtual_time
async def test_as_much_as_the_bound_is_kept_and_no_more() -> None:
    probe = FakeMixer()
    size = 0

    def sizes(payload: bytes) -> None:
        nonlocal size
        size = len(payload) + 200

    probe.fails = sizes
    async with running(probe) as pipeline:
        pipeline.put(bags(1, 1, size=500))
        await asyncio.sleep(0.1)
    for bound, dropped in ((2 * size, 0), (2 * size - 1, 2)):
        mixer = FakeMixer()
        mixer.goes_away()
        async with running(mixer, replace(SMALL, backlog_bytes=bound)) as pipeline:
            pipeline.put(bags(1, 1, 2, 2, size=500))
            assert pipeline.counts.report_records_dropped == dropped


@in_virtual_time
async def test_reports_under_way_count_for_the_bound() -> None:
    mixer = FakeMixer()
    mixer.takes_s = 60
    async with running(mixer, replace(SMALL, backlog_bytes=5_000)) as pipeline:
        pipeline.put(bags(1, 2, size=4_000))
        await asyncio.sleep(0.1)
        pipeline.put(bags(3, 4, size=4_000))
        assert pipeline.counts.report_records_dropped == 2


# ------------------------------------------------------------ the end


@in_virtual_time
async def test_the_end_sends_what_is_left() -> None:
    mixer = FakeMixer()
    async with running(mixer) as pipeline:
        pipeline.put(bags(1, 2, 3))
    assert sorted(mixer.records) == [1, 2, 3]


@in_virtual_time
async def test_the_end_is_bounded_and_counts_what_is_lost() -> None:
    mixer = FakeMixer()
    mixer.takes_s = 60
    async with running(mixer, grace_s=0.5) as pipeline:
        pipeline.put(bags(1, 2, 3))
    assert asyncio.get_running_loop().time() == pytest.approx(0.5)
    assert pipeline.counts.report_records_left == 3


@in_virtual_time
async def test_the_end_tries_again_within_its_bound() -> None:
    mixer = FakeMixer()
    mixer.goes_away()
    async with running(mixer, grace_s=3) as pipeline:
        pipeline.put(bags(1, 2))
        await asyncio.sleep(30)
        asyncio.get_running_loop().call_later(1, mixer.comes_back)
    assert mixer.records == [1, 2]
    assert pipeline.counts.report_records_left == 0


@in_virtual_time
async def test_closing_at_once_loses_no_count() -> None:
    """A call that has not begun yet is given back, too."""
    mixer = FakeMixer()
    mixer.takes_s = 60
    async with running(mixer, grace_s=0) as pipeline:
        pipeline.put(bags(1, 2))
    assert pipeline.counts.report_records_left == 2


@in_virtual_time
async def test_nothing_is_taken_after_the_end() -> None:
    mixer = FakeMixer()
    async with running(mixer) as pipeline:
        await pipeline.aclose(1)
        pipeline.put(bags(1))
        await pipeline.aclose(1)
    assert pipeline.counts.report_records_dropped == 1


@in_virtual_time
async def test_a_pipeline_that_never_ran_can_be_closed() -> None:
    pipeline = pipeline_to(FakeMixer())
    pipeline.put(bags(1))
    await pipeline.aclose(5)
    assert pipeline.counts.report_records_left == 1


@in_virtual_time
async def test_an_owner_that_cancels_loses_no_count() -> None:
    mixer = FakeMixer()
    mixer.takes_s = 60
    pipeline = pipeline_to(mixer)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(pipeline.run())
        pipeline.put(bags(1, 2))
        await asyncio.sleep(1)
        task.cancel()
    await pipeline.aclose(1)
    assert pipeline.counts.report_records_left == 2


# ------------------------------------------------------------ the disk


def spilling(folder: Path, **limits: int) -> SpillDirectory:
    return SpillDirectory(folder / "spill", limits=SpillLimits(**limits))


TIGHT = replace(SMALL, backlog_bytes=20_000)


def test_what_memory_has_no_room_for_goes_to_disk_and_comes_back(tmp_path: Path) -> None:
    @in_virtual_time
    async def check() -> None:
        mixer = FakeMixer()
        mixer.goes_away()
        async with running(mixer, TIGHT, spill=spilling(tmp_path)) as pipeline:
            for number in range(100):
                pipeline.put(bags(number, size=1_000))
                await asyncio.sleep(0.1)
            assert pipeline.counts.report_records_spilled > 50
            mixer.comes_back()
            await asyncio.sleep(20)
            counts = pipeline.counts
            assert sorted(mixer.records) == list(range(100))
            assert counts.report_records_dropped == counts.report_records_spill_lost == 0
            assert counts.report_records_restored == counts.report_records_spilled
            assert not list((tmp_path / "spill").glob("*.spill"))

    check()


def test_what_is_left_at_the_end_is_there_after_a_restart(tmp_path: Path) -> None:
    @in_virtual_time
    async def check() -> None:
        away = FakeMixer()
        away.goes_away()
        async with running(away, spill=spilling(tmp_path)) as pipeline:
            pipeline.put(bags(1, 2, 3))
            await asyncio.sleep(10)
        assert pipeline.counts.report_records_spilled == 3
        assert pipeline.counts.report_records_left == 0
        mixer = FakeMixer()
        async with running(mixer, spill=spilling(tmp_path)) as pipeline:
            pipeline.put(bags(4))
            await asyncio.sleep(5)
        assert sorted(mixer.records) == [1, 2, 3, 4]
        assert pipeline.counts.report_records_restored == 3

    check()


def test_a_full_disk_falls_back_to_dropping_the_oldest(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    @in_virtual_time
    async def check() -> None:
        mixer = FakeMixer()
        mixer.goes_away()
        # The directory's own bound refuses as a full disk does.
        async with running(mixer, TIGHT, spill=spilling(tmp_path, most_bytes=100)) as pipeline:
            for number in range(100):
                pipeline.put(bags(number, size=1_000))
                await asyncio.sleep(0.1)
            counts = pipeline.counts
            assert counts.report_records_dropped > 50
            assert counts.report_records_spilled == 0
            mixer.comes_back()
            await pipeline.flush()
            assert sorted(mixer.records) == list(range(counts.report_records_dropped, 100))

    with caplog.at_level(logging.WARNING):
        check()
    assert "report_spill_failed" in [record.msg for record in caplog.records]


def test_a_full_directory_gives_up_its_oldest(tmp_path: Path) -> None:
    @in_virtual_time
    async def check() -> None:
        mixer = FakeMixer()
        mixer.goes_away()
        async with running(mixer, TIGHT, spill=spilling(tmp_path, most_bytes=30_000)) as pipeline:
            for number in range(100):
                pipeline.put(bags(number, size=1_000))
                await asyncio.sleep(0.1)
            mixer.comes_back()
            await asyncio.sleep(30)
            counts = pipeline.counts
            lost = counts.report_records_spill_lost + counts.report_records_dropped
            assert 20 < counts.report_records_spill_lost < 90
            assert sorted(mixer.records) == list(range(lost, 100))

    check()


def test_the_second_on_one_directory_goes_without(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    @in_virtual_time
    async def check() -> None:
        mixer = FakeMixer()
        mixer.goes_away()
        async with running(mixer, spill=spilling(tmp_path)) as first:
            await asyncio.sleep(1)
            async with running(mixer, grace_s=0.1) as second_without:
                second_without.put(bags(1))
            async with running(mixer, spill=spilling(tmp_path), grace_s=0.1) as second:
                await asyncio.sleep(1)
                second.put(bags(2))
            assert second.counts.report_records_left == 1
            first.put(bags(3))
        assert first.counts.report_records_spilled == 1

    with caplog.at_level(logging.WARNING):
        check()
    reasons = [
        record.__dict__["fields"]["reason"]
        for record in caplog.records
        if record.msg == "report_spill_unusable"
    ]
    assert len(reasons) == 1
    assert "in use by another process" in reasons[0]


def test_a_restored_report_that_cannot_be_sent_stays_on_disk(tmp_path: Path) -> None:
    @in_virtual_time
    async def check() -> None:
        away = FakeMixer()
        away.goes_away()
        for _ in range(3):
            async with running(away, spill=spilling(tmp_path)) as pipeline:
                pipeline.put(bags(7))
                await asyncio.sleep(10)
        mixer = FakeMixer()
        async with running(mixer, spill=spilling(tmp_path)):
            await asyncio.sleep(5)
        assert mixer.records == [7, 7, 7]

    check()


def test_restored_reports_are_encoded_again_for_an_old_mixer(tmp_path: Path) -> None:
    @in_virtual_time
    async def check() -> None:
        away = FakeMixer()
        away.goes_away()
        async with running(away, spill=spilling(tmp_path)) as pipeline:
            pipeline.put(bags(1, 2, 3))
            await asyncio.sleep(3)
        mixer = FakeMixer()
        mixer.fails = lambda payload: (
            RpcFailed(Code.INVALID_ARGUMENT, OLD_MIXER)
            if ReportRequest.FromString(payload).global_word_count > 111
            else None
        )
        async with running(mixer, spill=spilling(tmp_path)) as pipeline:
            await asyncio.sleep(5)
            assert not list((tmp_path / "spill").glob("*.spill"))
        assert sorted(mixer.records) == [1, 2, 3]

    check()


def test_garbage_on_disk_is_refused_not_sent_for_ever(tmp_path: Path) -> None:
    @in_virtual_time
    async def check() -> None:
        directory = spilling(tmp_path)
        directory.open()
        directory.store([SpillEntry(b"\xff\xff", 5)])
        directory.close()
        mixer = FakeMixer()

        async with running(mixer, spill=spilling(tmp_path)) as pipeline:
            pipeline.use_smallest_dictionary()
            await asyncio.sleep(5)
            assert pipeline.counts.report_records_refused == 5
            assert not list((tmp_path / "spill").glob("*.spill"))

    check()


def test_counts_have_the_names_of_the_reference_client() -> None:
    @in_virtual_time
    async def check() -> None:
        names = list(asdict(pipeline_to(FakeMixer()).counts))
        assert names[:6] == [
            "report_calls",
            "remote_report_calls",
            "remote_report_successes",
            "remote_report_timeouts",
            "remote_report_send_errors",
            "remote_report_other_errors",
        ]

    check()


def test_what_neither_mixer_nor_disk_takes_is_counted_at_the_end(tmp_path: Path) -> None:
    @in_virtual_time
    async def check() -> None:
        mixer = FakeMixer()
        mixer.goes_away()
        async with running(mixer, spill=spilling(tmp_path, most_bytes=10)) as pipeline:
            pipeline.put(bags(1, 2))
            await asyncio.sleep(3)
        assert pipeline.counts.report_records_left == 2

    check()


class HungStore:
    """Opens, and then a disk that answers no more: writes end when `release` is set."""

    has_more = False

    def __init__(self) -> None:
        self.release = threading.Event()

    def open(self) -> None:
        """At once."""

    def close(self) -> None:
        """At once."""

    def store(self, entries: Sequence[SpillEntry]) -> int:  # noqa: ARG002 - the port's
        self.release.wait(5)
        return 0

    def load(self) -> LoadedSegment | None:
        return None

    def forget(self, name: str) -> None:
        raise NotImplementedError


async def test_a_hung_disk_does_not_hold_up_the_end() -> None:
    mixer, store = FakeMixer(), HungStore()
    mixer.goes_away()
    try:
        async with running(mixer, spill=store, grace_s=0.2) as pipeline:
            pipeline.put(bags(1, 2))
            await asyncio.sleep(0.05)
        assert pipeline.counts.report_records_left == 2
    finally:
        store.release.set()
