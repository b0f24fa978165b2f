"""`stdio`: streams and files, levels, running full, rotation."""

import asyncio
import errno
import json
import os
import select
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from remixer.adapters.stdio import (
    INFO,
    Level,
    LinesDroppedError,
    LogStream,
    Params,
    StdioHandler,
)
from remixer.adapters.stdio.outbox import MOST_WAITING_BYTES, Outbox
from remixer.adapters.stdio.output import Output, open_appending
from remixer.adapters.stdio.rotation import RotatedFileSink, RotationLimits
from remixer.adapters.stdio.sinks import FileSink, StreamSink, blocks
from remixer.sdk import Int32
from remixer.templates.instances import LogEntry, Metric
from remixer.testing.adapters import AdapterHarness, RejectedParamsError
from remixer.testing.clock import VirtualClock, in_virtual_time

_DAY_S = 86_400


def _file(path: Path, **changes: Any) -> Params:
    return Params(log_stream=LogStream.FILE, output_path=str(path), **changes)


def _values(text: str) -> list[tuple[str, str]]:
    lines = [json.loads(line) for line in text.splitlines()]
    return [(line["level"], line["instance"]) for line in lines]


# ---------------------------------------------------------------- streams and files


@pytest.mark.parametrize("stream", [LogStream.STDOUT, LogStream.STDERR])
def test_lines_are_there_when_the_handler_is_closed(
    stream: LogStream, capfd: pytest.CaptureFixture[str]
) -> None:
    @in_virtual_time
    async def scenario() -> None:
        async with AdapterHarness() as harness:
            handler = await harness.build(INFO, Params(log_stream=stream))
            handler.report([Metric("m", 1), Metric("n", 2)])

    scenario()
    captured = capfd.readouterr()
    text = captured.out if stream is LogStream.STDOUT else captured.err
    assert _values(text) == [("info", "m"), ("info", "n")]


@in_virtual_time
async def test_lines_are_written_without_closing() -> None:
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as read_end, os.fdopen(writer, "wb"):
        async with AdapterHarness() as harness, asyncio.TaskGroup() as group:
            sink = StreamSink(writer)
            sink.open()
            outbox = Outbox(sink, handler="h")
            group.create_task(outbox.work())
            assert outbox.put([b"one\n"])
            assert await asyncio.to_thread(read_end.readline) == b"one\n"
            await outbox.aclose()
            assert harness.clock.monotonic_s() == 0


def test_a_file_is_appended_to(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    path.write_text("before\n")

    @in_virtual_time
    async def scenario() -> None:
        async with AdapterHarness() as harness:
            handler = await harness.build(INFO, _file(path, output_as_json=False))
            handler.report([LogEntry("l", {"a": "b"})])

    scenario()
    assert path.read_text() == 'before\n1970-01-01T00:00:00.000000Z\tinfo\tl\t{"a":"b"}\n'


@in_virtual_time
async def test_a_file_that_cannot_be_opened_fails_the_build() -> None:
    async with AdapterHarness() as harness:
        with pytest.raises(FileNotFoundError):
            await harness.build(INFO, _file(Path("/nonexistent/access.log")))


def test_a_block_has_whole_lines_and_a_most() -> None:
    lines = [b"a" * 9 + b"\n", b"b" * 9 + b"\n", b"c" * 30 + b"\n", b"d\n"]
    assert [len(block) for block in blocks(lines, 20)] == [20, 31, 2]
    assert [len(block) for block in blocks(lines, 19)] == [10, 10, 31, 2]
    assert list(blocks([], 20)) == []


def test_a_stream_that_was_made_non_blocking_gets_every_byte() -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    lines = [bytes([65 + number % 26]) * 999 + b"\n" for number in range(500)]
    sink = StreamSink(writer)
    sink.open()
    thread = threading.Thread(target=sink.write, args=(lines,))
    with os.fdopen(reader, "rb") as read_end:
        thread.start()
        while select.select([], [writer], [], 0)[1]:
            pass  # until the pipe is full
        received = [read_end.readline() for _ in lines]
        thread.join()
        os.close(writer)
    assert received == lines


def test_a_sink_that_is_closed_while_it_opens_keeps_nothing_open(tmp_path: Path) -> None:
    before = set(os.listdir("/proc/self/fd"))
    for sink in (
        FileSink(str(tmp_path / "a")),
        RotatedFileSink(str(tmp_path / "b"), limits=_limits(), clock=VirtualClock()),
    ):
        sink.close()
        sink.open()
        sink.close()
    assert not set(os.listdir("/proc/self/fd")) - before


def test_a_writer_that_nobody_reads_gives_up_when_the_sink_is_closed() -> None:
    reader, writer = os.pipe()
    sink = StreamSink(writer)
    sink.open()
    failures: list[OSError] = []

    def write() -> None:
        try:
            sink.write([b"x" * 999 + b"\n"] * 500)
        except OSError as error:
            failures.append(error)

    thread = threading.Thread(target=write)
    thread.start()
    while select.select([], [writer], [], 0)[1]:
        pass  # until the pipe is full
    sink.close()
    thread.join()
    os.close(reader)
    os.close(writer)  # the stream is not the sink's: still open
    assert [each.errno for each in failures] == [errno.ECANCELED]


def test_a_file_that_is_closed_while_it_is_written_is_closed_when_that_is_done(
    tmp_path: Path,
) -> None:
    before = set(os.listdir("/proc/self/fd"))
    output = Output(is_ours=True)
    output.take(open_appending(str(tmp_path / "log")))
    with output.at_work():
        output.close()
        output.write(b"whole\n")
    assert (tmp_path / "log").read_bytes() == b"whole\n"
    assert not set(os.listdir("/proc/self/fd")) - before


def test_what_is_closed_or_not_open_yet_cannot_be_written(tmp_path: Path) -> None:
    sink = FileSink(str(tmp_path / "log"))
    with pytest.raises(OSError, match="not open"):
        sink.write([b"early\n"])
    sink.open()
    sink.close()
    with pytest.raises(OSError, match="not open"):
        sink.write([b"late\n"])


def test_a_log_is_not_for_everybody(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        for sink in (
            FileSink(str(tmp_path / "a")),
            RotatedFileSink(str(tmp_path / "b"), limits=_limits(), clock=VirtualClock()),
        ):
            sink.open()
            sink.close()
    finally:
        os.umask(before)
    modes = {each.name: each.stat().st_mode & 0o777 for each in tmp_path.iterdir()}
    assert modes == {"a": 0o640, "b": 0o640}


def test_a_named_pipe_without_a_reader_fails_the_build(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="No such device"):
        FileSink(str(tmp_path / "pipe")).open()


# ---------------------------------------------------------------- levels


@pytest.mark.parametrize(
    ("severity", "level"),
    [
        ("INFO", "info"),
        ("informational", "info"),
        ("WARN", "warn"),
        ("warning", "warn"),
        ("ERR", "error"),
        ("FATAL", "error"),
        ("Error", "info"),
        ("", "info"),
        ("debug", "info"),
    ],
)
def test_severities_by_default(tmp_path: Path, severity: str, level: str) -> None:
    path = tmp_path / "log"

    @in_virtual_time
    async def scenario() -> None:
        async with AdapterHarness() as harness:
            handler = await harness.build(INFO, _file(path))
            handler.report([LogEntry("l", severity=severity)])

    scenario()
    assert _values(path.read_text()) == [(level, "l")]


def test_own_severities_replace_the_whole_map(tmp_path: Path) -> None:
    path = tmp_path / "log"

    @in_virtual_time
    async def scenario() -> None:
        async with AdapterHarness() as harness:
            params = _file(path, severity_levels={"bad": Level.ERROR})
            handler = await harness.build(INFO, params)
            handler.report([LogEntry("l", severity="bad"), LogEntry("l", severity="ERROR")])

    scenario()
    assert _values(path.read_text()) == [("error", "l"), ("info", "l")]


@pytest.mark.parametrize(
    ("output_level", "metric_level", "kept"),
    [
        (Level.INFO, Level.INFO, ["info", "info", "warn", "error"]),
        (Level.WARNING, Level.INFO, ["warn", "error"]),
        (Level.ERROR, Level.ERROR, ["error", "error"]),
    ],
)
def test_lines_below_the_output_level_are_left_out(
    tmp_path: Path, output_level: Level, metric_level: Level, kept: list[str]
) -> None:
    path = tmp_path / "log"

    @in_virtual_time
    async def scenario() -> None:
        async with AdapterHarness() as harness:
            params = _file(path, output_level=output_level, metric_level=metric_level)
            handler = await harness.build(INFO, params)
            entries = [LogEntry("l", severity=text) for text in ("INFO", "WARN", "ERROR")]
            handler.report([Metric("m", 1), *entries])
            assert handler.dropped == 0

    scenario()
    assert [level for level, _ in _values(path.read_text())] == kept


# ---------------------------------------------------------------- running full


class _GatedSink:
    """Writes only when the gate is open."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.lines: list[bytes] = []
        self.is_closed = False
        self.failure: OSError | None = None

    def open(self) -> None:
        """Nothing to do."""

    def write(self, lines: Sequence[bytes]) -> None:
        self.gate.wait()
        if self.failure is not None:
            raise self.failure
        self.lines += lines

    def close(self) -> None:
        self.is_closed = True


@in_virtual_time
async def test_a_full_queue_drops_and_counts() -> None:
    sink = _GatedSink()
    outbox = Outbox(sink, handler="h")
    half = b"x" * (MOST_WAITING_BYTES // 2)
    async with asyncio.TaskGroup() as group:
        group.create_task(outbox.work())
        assert outbox.put([half])
        await asyncio.sleep(0)  # the first half is being written now, and still counts
        assert outbox.put([half])
        assert not outbox.put([b"y", b"z"])
        assert outbox.dropped == 2
        sink.gate.set()
        await outbox.aclose()
    assert sink.lines == [half, half]


@in_virtual_time
async def test_the_caller_hears_of_lines_that_are_dropped() -> None:
    outbox = Outbox(_GatedSink(), handler="h")
    handler = StdioHandler(Params(), outbox=outbox, clock=VirtualClock())
    outbox.put([b"x" * MOST_WAITING_BYTES])
    with pytest.raises(LinesDroppedError, match=r"2 lines dropped: .* \(2 so far\)"):
        handler.report([Metric("m", 1), Metric("m", 2)])


@in_virtual_time
async def test_there_is_room_again_when_lines_are_written() -> None:
    sink = _GatedSink()
    sink.gate.set()
    outbox = Outbox(sink, handler="h")
    async with asyncio.TaskGroup() as group:
        group.create_task(outbox.work())
        for _ in range(3):
            assert outbox.put([b"x" * MOST_WAITING_BYTES])
            await asyncio.sleep(1)
        await outbox.aclose()
    assert outbox.dropped == 0


@in_virtual_time
async def test_lines_that_cannot_be_written_are_counted_and_later_ones_are_tried() -> None:
    sink = _GatedSink()
    sink.gate.set()
    sink.failure = OSError(28, "No space left on device")
    outbox = Outbox(sink, handler="h")
    async with asyncio.TaskGroup() as group:
        group.create_task(outbox.work())
        outbox.put([b"a", b"b"])
        await asyncio.sleep(1)
        assert outbox.dropped == 2
        sink.failure = None
        outbox.put([b"c"])
        await outbox.aclose()
    assert (sink.lines, sink.is_closed) == ([b"c"], True)


@in_virtual_time
async def test_close_gives_up_on_a_writer_that_does_not_come_back() -> None:
    sink = _GatedSink()
    outbox = Outbox(sink, handler="h")
    outbox.put([b"stuck"])  # nobody works: the same to `aclose`
    await outbox.aclose()
    assert (outbox.dropped, sink.is_closed) == (1, True)
    assert not outbox.put([b"late"])


# ---------------------------------------------------------------- rotation


def _limits(most_bytes: int = 0, most_days: int = 0, most_files: int = 0) -> RotationLimits:
    return RotationLimits(most_bytes, most_days, most_files)


def _rotated(path: Path, limits: RotationLimits, clock: VirtualClock) -> RotatedFileSink:
    sink = RotatedFileSink(str(path), limits=limits, clock=clock)
    sink.open()
    return sink


def _contents(folder: Path) -> dict[str, bytes]:
    return {found.name: found.read_bytes() for found in folder.iterdir()}


def test_a_file_is_renamed_before_it_grows_beyond_its_limit(tmp_path: Path) -> None:
    clock = VirtualClock()
    sink = _rotated(tmp_path / "access.log", _limits(most_bytes=6), clock)
    for line in (b"aa\n", b"bb\n", b"cc\n"):
        sink.write([line])
        clock.advance(1)
    sink.close()
    assert _contents(tmp_path) == {
        "access-2021-06-01T00-00-02.000.log": b"aa\nbb\n",
        "access.log": b"cc\n",
    }


def test_one_batch_may_fill_several_files(tmp_path: Path) -> None:
    sink = _rotated(tmp_path / "access.log", _limits(most_bytes=6), VirtualClock())
    sink.write([b"aa\n", b"bb\n", b"cc\n", b"dd\n", b"ee\n"])
    sink.close()
    assert sorted(_contents(tmp_path).values()) == [b"aa\nbb\n", b"cc\ndd\n", b"ee\n"]


def test_a_line_longer_than_the_limit_has_a_file_of_its_own(tmp_path: Path) -> None:
    sink = _rotated(tmp_path / "access.log", _limits(most_bytes=6), VirtualClock())
    sink.write([b"a\n", b"a long line\n", b"b\n"])
    sink.close()
    assert sorted(_contents(tmp_path).values()) == [b"a\n", b"a long line\n", b"b\n"]


def test_a_file_is_renamed_when_it_is_old(tmp_path: Path) -> None:
    clock = VirtualClock()
    sink = _rotated(tmp_path / "log", _limits(most_days=2), clock)
    sink.write([b"a\n"])
    clock.advance(2 * _DAY_S - 1)
    sink.write([b"b\n"])
    clock.advance(1)
    sink.write([b"c\n"])
    sink.close()
    assert _contents(tmp_path) == {"log-2021-06-03T00-00-00.000": b"a\nb\n", "log": b"c\n"}


def test_the_age_of_a_file_goes_on_after_a_restart(tmp_path: Path) -> None:
    clock = VirtualClock()
    (tmp_path / "log").write_bytes(b"a\n")
    (tmp_path / "log-2021-05-31T12-00-00.000").write_bytes(b"older\n")
    sink = _rotated(tmp_path / "log", _limits(most_days=1), clock)
    clock.advance(_DAY_S / 2)
    sink.write([b"b\n"])
    sink.close()
    assert (tmp_path / "log").read_bytes() == b"b\n"


def test_only_the_newest_renamed_files_are_kept_and_others_files_are_left_alone(
    tmp_path: Path,
) -> None:
    (tmp_path / "access-notes.log").write_bytes(b"mine\n")
    (tmp_path / "access-2021-99-99T00-00-00.000.log").write_bytes(b"mine\n")
    clock = VirtualClock()
    sink = _rotated(tmp_path / "access.log", _limits(most_bytes=2, most_files=2), clock)
    for line in (b"a\n", b"b\n", b"c\n", b"d\n"):
        sink.write([line])
        clock.advance(1)
    sink.close()
    assert _contents(tmp_path) == {
        "access-2021-06-01T00-00-02.000.log": b"b\n",
        "access-2021-06-01T00-00-03.000.log": b"c\n",
        "access.log": b"d\n",
        "access-notes.log": b"mine\n",
        "access-2021-99-99T00-00-00.000.log": b"mine\n",
    }


def test_two_writers_of_one_path_rotate_it_once(tmp_path: Path) -> None:
    clock = VirtualClock()
    limits = _limits(most_bytes=4)
    first = _rotated(tmp_path / "log", limits, clock)
    second = _rotated(tmp_path / "log", limits, clock)
    first.write([b"a\n"])
    second.write([b"b\n"])
    first.write([b"c\n"])
    second.write([b"d\n"])
    first.close()
    second.close()
    assert sorted(_contents(tmp_path).values()) == [b"a\nb\n", b"c\nd\n"]


def test_a_file_that_was_removed_begins_anew_at_the_next_rotation(tmp_path: Path) -> None:
    sink = _rotated(tmp_path / "log", _limits(most_bytes=2), VirtualClock())
    sink.write([b"a\n"])
    (tmp_path / "log").unlink()
    sink.write([b"b\n"])
    sink.close()
    assert _contents(tmp_path) == {"log": b"b\n"}


def test_a_failed_rotation_is_tried_again(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    sink = _rotated(folder / "log", _limits(most_bytes=2), VirtualClock())
    sink.write([b"a\n"])
    folder.rename(tmp_path / "elsewhere")
    with pytest.raises(FileNotFoundError):
        sink.write([b"b\n"])
    folder.mkdir()
    sink.write([b"c\n"])
    sink.close()
    assert _contents(folder) == {"log": b"c\n"}


def test_a_rotation_that_fails_half_way_keeps_nothing_open(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    before = set(os.listdir("/proc/self/fd"))
    sink = _rotated(folder / "log", _limits(most_bytes=2, most_files=1), VirtualClock())
    sink.write([b"a\n"])
    folder.rename(tmp_path / "elsewhere")
    for _ in range(3):
        with pytest.raises(FileNotFoundError):
            sink.write([b"b\n"])
    sink.close()
    assert not set(os.listdir("/proc/self/fd")) - before


def test_a_megabyte_is_a_megabyte(tmp_path: Path) -> None:
    path = tmp_path / "log"
    entry = LogEntry("l", {"text": "x" * 10_000})

    @in_virtual_time
    async def scenario() -> None:
        async with AdapterHarness() as harness:
            params = Params(
                log_stream=LogStream.ROTATED_FILE,
                output_path=str(path),
                max_megabytes_before_rotation=Int32(1),
            )
            handler = await harness.build(INFO, params)
            handler.report([entry] * 150)

    scenario()
    sizes = sorted(found.stat().st_size for found in tmp_path.iterdir())
    assert len(sizes) == 2
    assert 0.9 * 2**20 < sizes[1] <= 2**20


# ---------------------------------------------------------------- parameters


@pytest.mark.parametrize(
    ("params", "paths"),
    [
        (Params(log_stream=LogStream.FILE), ["output_path"]),
        (Params(log_stream=LogStream.ROTATED_FILE), ["output_path"]),
        (Params(output_path="/tmp/x"), ["output_path"]),  # noqa: S108 - only compared
        (
            Params(
                log_stream=LogStream.STDERR,
                output_path="x",
                max_megabytes_before_rotation=Int32(-1),
                max_days_before_rotation=Int32(-1),
                max_rotated_files=Int32(-1),
            ),
            [
                "output_path",
                "max_megabytes_before_rotation",
                "max_days_before_rotation",
                "max_rotated_files",
            ],
        ),
    ],
)
async def test_all_faults_are_found_at_once(params: Params, paths: list[str]) -> None:
    async with AdapterHarness() as harness:
        with pytest.raises(RejectedParamsError) as rejected:
            await harness.build(INFO, params)
    assert [each.path for each in rejected.value.problems] == paths
