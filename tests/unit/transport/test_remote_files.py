"""Files that somebody replaces while we run."""

import os
from pathlib import Path

import pytest

from remixer.transport.remote_files import FileFault, WatchedFiles, secret_in


def watched(*paths: Path) -> WatchedFiles[list[str]]:
    def parse(found: tuple[bytes, ...]) -> list[str]:
        return [secret_in(str(path), each) for path, each in zip(paths, found, strict=True)]

    return WatchedFiles(tuple(map(str, paths)), parse, now_s=0.0)


def test_files_are_looked_at_once_a_second(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_text("one")
    files = watched(file)
    file.write_text("other")
    assert not files.look(now_s=0.9)
    assert files.value == ["one"]
    assert files.look(now_s=1.0)
    assert files.value == ["other"]
    assert not files.look(now_s=2.0)


def test_a_change_that_keeps_size_and_time_is_seen_all_the_same(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_text("one")
    files = watched(file)
    before = file.stat().st_mtime_ns
    file.write_text("two")
    os.utime(file, ns=(before, before))
    assert files.look(now_s=1.0)
    assert files.value == ["two"]


def test_the_same_contents_written_again_are_no_change(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_text("one")
    files = watched(file)
    file.write_text("one")
    assert not any(files.look(now_s=second) for second in range(1, 4))


def test_a_set_changes_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    first.write_text("one")
    second.write_text("one")
    files = watched(first, second)
    first.write_text("two")
    second.write_text("")
    assert not files.look(now_s=1.0)
    assert files.value == ["one", "one"]
    second.write_text("two")
    assert files.look(now_s=2.0)
    assert files.value == ["two", "two"]


def test_a_link_that_points_elsewhere_is_a_change(tmp_path: Path) -> None:
    for name in ("old", "new"):
        (tmp_path / name).write_text(name)
    link = tmp_path / "link"
    link.symlink_to("old")
    files = watched(link)
    (tmp_path / "next").symlink_to("new")
    (tmp_path / "next").rename(link)
    assert files.look(now_s=1.0)
    assert files.value == ["new"]


@pytest.mark.parametrize("contents", [b"", b"\n", b"a\nb", b"a\x00", b"\xc3\xa9", b"a" * 6_001])
def test_what_cannot_be_a_header_is_no_secret_and_is_not_repeated(contents: bytes) -> None:
    with pytest.raises(FileFault) as caught:
        secret_in("/run/token", contents)
    assert "/run/token" in str(caught.value)
    assert "\x00" not in str(caught.value)
    assert "aaaa" not in str(caught.value)


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\n\n"])
def test_a_secret_is_the_line_without_its_end(end: str) -> None:
    assert secret_in("t", f" to ken {end}".encode()) == " to ken "


def test_files_that_are_missing_or_huge_are_named(tmp_path: Path) -> None:
    huge = tmp_path / "huge"
    with huge.open("wb") as file:
        file.truncate((4 << 20) + 1)
    for path, part in (
        (tmp_path / "no", "No such file"),
        (tmp_path, "directory"),
        (huge, "larger"),
    ):
        files = watched(path)
        with pytest.raises(FileFault, match=part) as caught:
            _ = files.value
        assert str(path) in str(caught.value)


def test_files_that_come_later_are_looked_for_without_a_pause(tmp_path: Path) -> None:
    file = tmp_path / "a"
    files = watched(file)
    assert "cannot be read" in str(files.fault)
    assert not files.look(now_s=0.0)
    file.write_text("")
    assert not files.look(now_s=0.0)
    assert "is empty" in str(files.fault)
    file.write_text("one")
    assert files.look(now_s=0.0)
    assert files.value == ["one"]
    assert files.fault is None
    file.unlink()
    assert not files.look(now_s=5.0)
    assert files.value == ["one"]
