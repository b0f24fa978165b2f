"""The directory that takes what memory has no room for."""

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remixer.drivers.spill_directory import LoadedSegment, SpillDirectory, SpillError, SpillLimits
from remixer.drivers.spill_segments import (
    HEAD_BYTES,
    SpillEntry,
    UnreadableSegmentError,
    decode_segment,
    encode_segment,
)

A, B, C = (SpillEntry(text * 100, weight) for text, weight in ((b"a", 1), (b"b", 2), (b"c", 4)))
entries_lists = st.lists(st.builds(SpillEntry, st.binary(max_size=40), st.integers(0, 2**40)))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "spill"


def opened(place: Path, **limits: int) -> SpillDirectory:
    directory = SpillDirectory(place, limits=SpillLimits(**limits))
    directory.open()
    return directory


def loaded(directory: SpillDirectory) -> LoadedSegment:
    segment = directory.load()
    assert segment is not None
    return segment


def files(place: Path, suffix: str = "spill") -> list[Path]:
    return sorted(place.glob(f"*.{suffix}"))


# ------------------------------------------------------------ segments


@given(entries_lists)
def test_segments_come_back(entries: list[SpillEntry]) -> None:
    found = decode_segment(encode_segment(entries))
    assert found.entries == tuple(entries)
    assert found.lost_weight == 0


@given(entries_lists, st.data())
def test_a_segment_that_was_cut_gives_its_first_entries_and_counts_the_others(
    entries: list[SpillEntry], data: st.DataObject
) -> None:
    content = encode_segment(entries)
    found = decode_segment(content[: data.draw(st.integers(HEAD_BYTES, len(content)))])
    assert found.entries == tuple(entries[: len(found.entries)])
    assert found.lost_weight == sum(entry.weight for entry in entries[len(found.entries) :])


@given(entries_lists, st.data())
def test_damage_never_changes_an_entry(entries: list[SpillEntry], data: st.DataObject) -> None:
    content = bytearray(encode_segment(entries))
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    try:
        found = decode_segment(bytes(content))
    except UnreadableSegmentError:
        assert at < HEAD_BYTES
    else:
        payloads = [entry.payload for entry in found.entries]
        assert payloads == [entry.payload for entry in entries[: len(payloads)]]


@given(st.binary(max_size=60))
def test_any_bytes_are_a_segment_or_the_documented_error(content: bytes) -> None:
    with pytest.raises(UnreadableSegmentError):
        decode_segment(content)


# ------------------------------------------------------------ order and life


def test_the_oldest_comes_first_also_after_a_restart(place: Path) -> None:
    first = opened(place)
    first.store([A])
    first.store([B, C])
    first.close()
    second = opened(place)
    second.store([A, A])
    found = [loaded(second).entries for _ in range(3)]
    assert found == [(A,), (B, C), (A, A)]
    assert second.load() is None
    second.close()


def test_what_was_loaded_is_there_until_it_is_forgotten(place: Path) -> None:
    first = opened(place)
    first.store([A])
    first.store([B])
    first.forget(loaded(first).name)
    assert loaded(first).entries == (B,)
    assert not first.has_more
    first.close()
    second = opened(place)
    segment = loaded(second)
    assert segment.entries == (B,)
    second.forget(segment.name)
    assert (second.size_bytes, files(place)) == (0, [])
    second.close()


def test_numbers_go_on_after_a_restart_in_spite_of_gaps(place: Path) -> None:
    first = opened(place)
    for entry in (A, B, C):
        first.store([entry])
    first.forget(loaded(first).name)
    first.close()
    second = opened(place)
    second.store([A])
    assert [loaded(second).entries for _ in range(3)] == [(B,), (C,), (A,)]
    second.close()


# ------------------------------------------------------------ bounds


def test_as_many_bytes_as_the_bound_are_kept_and_no_more(place: Path) -> None:
    size = len(encode_segment([A]))
    directory = opened(place, most_bytes=2 * size)
    assert [directory.store([each]) for each in (A, B)] == [0, 0]
    assert directory.size_bytes == 2 * size
    assert directory.store([C]) == A.weight
    assert sum(file.stat().st_size for file in files(place)) == 2 * size
    assert loaded(directory).entries == (B,)
    directory.close()


def test_as_many_segments_as_the_bound_are_kept_and_no_more(place: Path) -> None:
    directory = opened(place, most_segments=2)
    assert [directory.store([each]) for each in (B, C)] == [0, 0]
    assert directory.store([A]) == B.weight
    assert len(files(place)) == 2
    directory.close()


def test_what_is_larger_than_the_bound_is_refused(place: Path) -> None:
    size = len(encode_segment([A]))
    directory = opened(place, most_bytes=size)
    directory.store([A])
    with pytest.raises(SpillError, match="the bound is"):
        directory.store([A, B])
    assert loaded(directory).entries == (A,)
    directory.close()


def test_a_segment_that_is_being_sent_is_not_given_up(place: Path) -> None:
    size = len(encode_segment([A]))
    directory = opened(place, most_bytes=size)
    directory.store([A])
    segment = loaded(directory)
    with pytest.raises(SpillError, match="being sent"):
        directory.store([B])
    directory.forget(segment.name)
    assert directory.store([B]) == 0
    directory.close()


def test_a_smaller_bound_after_a_restart_counts_at_once(place: Path) -> None:
    first = opened(place)
    for _ in range(5):
        first.store([B])
    first.close()
    second = opened(place, most_bytes=2 * len(encode_segment([A])))
    assert second.store([A]) == 4 * B.weight
    assert len(files(place)) == 2
    second.close()


# ------------------------------------------------------------ privacy and owners


def test_nobody_else_may_read_it(place: Path) -> None:
    before = os.umask(0)
    try:
        directory = opened(place)
        directory.store([A])
    finally:
        os.umask(before)
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in place.iterdir()} == {0o600}
    directory.close()


@pytest.mark.parametrize("mode", [0o755, 0o770, 0o701])
def test_a_directory_that_others_may_enter_is_refused(place: Path, mode: int) -> None:
    place.mkdir()
    place.chmod(mode)
    with pytest.raises(SpillError, match=r"open to others .*mode 0700"):
        SpillDirectory(place).open()
    assert list(place.iterdir()) == []


def test_a_link_is_refused(place: Path, tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    target.mkdir(mode=0o700)
    place.symlink_to(target)
    with pytest.raises(SpillError, match="is no directory"):
        SpillDirectory(place).open()


def test_a_place_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    with pytest.raises(SpillError, match="No such file or directory"):
        SpillDirectory(tmp_path / "missing" / "spill").open()


def test_one_at_a_time_has_it(place: Path) -> None:
    first, second = opened(place), SpillDirectory(place)
    with pytest.raises(SpillError, match="in use by another process"):
        second.open()
    with pytest.raises(SpillError, match="is not open"):
        second.store([A])
    assert second.load() is None
    first.close()
    first.close()
    second.open()
    second.close()


# ------------------------------------------------------------ damage


def test_a_torn_last_entry_costs_nothing_else(place: Path) -> None:
    directory = opened(place)
    directory.store([A, B, C])
    (file,) = files(place)
    os.truncate(file, file.stat().st_size - 1)
    segment = loaded(directory)
    assert (segment.entries, segment.lost_weight) == ((A, B), C.weight)
    directory.close()


def test_what_is_no_segment_is_set_aside_a_few_times_over(place: Path) -> None:
    directory = opened(place)
    for _ in range(7):
        directory.store([A])
    directory.store([B])
    for file in files(place)[:7]:
        file.write_bytes(b"garbage")
    assert loaded(directory).entries == (B,)
    assert directory.bad_files == 7
    assert len(files(place, "bad")) == 4
    directory.close()
    reopened = opened(place)
    assert loaded(reopened).entries == (B,)
    reopened.close()


def test_a_file_that_went_away_is_passed_over(place: Path) -> None:
    directory = opened(place)
    directory.store([A])
    directory.store([B])
    files(place)[0].unlink()
    assert loaded(directory).entries == (B,)
    directory.close()


def test_an_empty_file_is_set_aside(place: Path) -> None:
    """As some file systems leave it after the machine crashed."""
    directory = opened(place)
    directory.store([A])
    os.truncate(files(place)[0], 0)
    assert directory.load() is None
    assert (directory.bad_files, directory.size_bytes) == (1, 0)
    directory.close()


def test_unfinished_and_foreign_files_are_no_segments(place: Path) -> None:
    opened(place).close()
    (place / "0000000000000001.new").write_bytes(b"half")
    (place / "notes.txt").write_bytes(b"hello")
    (place / "x.spill").write_bytes(b"hello")
    directory = opened(place)
    assert not directory.has_more
    assert sorted(file.name for file in place.iterdir()) == ["lock", "notes.txt", "x.spill"]
    directory.close()


def test_a_disk_that_cannot_be_written_keeps_what_there_was(place: Path) -> None:
    directory = opened(place)
    directory.store([A])
    # In the way of the next segment's unfinished file.
    (place / "0000000000000002.new").mkdir()
    with pytest.raises(SpillError, match="File exists"):
        directory.store([B])
    assert loaded(directory).entries == (A,)
    directory.close()
