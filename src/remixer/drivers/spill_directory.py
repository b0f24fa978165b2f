"""A private, bounded directory for what cannot be sent now and does not fit into memory.

Theory of operation. Entries come in handfuls and leave in the same order. Each handful becomes a
*segment*: one file, written under another name and then renamed, never touched again. Names are
numbers that grow; the smallest is the oldest, also after a restart. `load` gives the oldest one
that was not given yet; it stays on disk until `forget`, so that a crash loses nothing and may
repeat one segment. Where a new segment does not fit, the oldest ones are deleted. A file that is
no segment is set aside under `*.bad`, a few of them, and counted.

Nothing is forced to disk: a crash of the process loses nothing; one of the machine may cut the
last files, which is noticed by their checksums. One process at a time has the directory: it holds
a lock for as long as it lives. All methods block; call them from threads.

What is spilled may tell of people: the directory must be ours, and nobody else may enter.
"""

import fcntl
import os
import stat
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from remixer.drivers.spill_segments import (
    HEAD_BYTES,
    SpillEntry,
    UnreadableSegmentError,
    decode_segment,
    encode_segment,
    segment_weight,
)
from remixer.foundation.errors import RemixerError
from remixer.foundation.log import event_log

_SUFFIX: Final = ".spill"
_UNFINISHED: Final = ".new"
_BAD: Final = ".bad"
_LOCK: Final = "lock"
_MOST_BAD_FILES: Final = 4  # enough to find out what happened
_log: Final = event_log(__name__)
_NEW_FILE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class SpillError(RemixerError):
    """The directory cannot be used, or not now; `str()` says why, and what would help."""


@dataclass(frozen=True, slots=True)
class SpillLimits:
    """Bounds of a directory."""

    most_bytes: int = 256 << 20
    most_segments: int = 10_000
    """Each costs the file system some KB besides."""


@dataclass(frozen=True, slots=True)
class LoadedSegment:
    """`lost_weight`: of entries of it, and of files before it, that cannot be read."""

    name: str
    entries: tuple[SpillEntry, ...]
    lost_weight: int


class SpillDirectory:
    """`open` first, `close` at the end. `path` is made if its parent is there."""

    def __init__(self, path: Path, *, limits: SpillLimits | None = None) -> None:
        self.path = path
        self._limits = limits or SpillLimits()
        self._turn = threading.Lock()
        self._lock_file: int | None = None
        self._segments: deque[tuple[int, int]] = deque()
        """Number and size of each, those that are loaded left out; oldest first."""
        self._loaded: dict[str, int] = {}
        self._next_number = 1
        self._size_bytes = 0
        self.bad_files = 0
        """That were set aside since `open`."""

    @property
    def has_more(self) -> bool:
        """Whether `load` would have something to try."""
        return bool(self._segments)

    @property
    def size_bytes(self) -> int:
        """Of all segments on disk."""
        return self._size_bytes

    def open(self) -> None:
        """Raises `SpillError`: no directory can be made there, it is not private, or in use."""
        with self._turn:
            try:
                self._make_private()
                self._take_lock()
                self._find_segments()
            except OSError as error:
                self._let_go()
                message = f"{self.path}: {error.strerror or error}"
                raise SpillError(message) from error

    def close(self) -> None:
        """What is there stays. Once or twice."""
        with self._turn:
            self._let_go()

    def store(self, entries: Sequence[SpillEntry]) -> int:
        """Keep entries as the newest; the weight of the old ones that had to go for them.

        Raises `SpillError`; then nothing of `entries` is kept.
        """
        content = encode_segment(entries)
        with self._turn:
            self._require_open()
            if len(content) > self._limits.most_bytes:
                message = f"{len(content)} bytes; the bound is {self._limits.most_bytes}"
                raise SpillError(message)
            lost_weight = self._make_room(len(content))
            self._write(content)
            return lost_weight

    def load(self) -> LoadedSegment | None:
        """The oldest segment that was not loaded yet; None if there is none."""
        lost_weight = 0
        with self._turn:
            while self._segments and self._lock_file is not None:
                number, size_bytes = self._segments.popleft()
                name = _name(number)
                try:
                    found = decode_segment((self.path / name).read_bytes())
                except (OSError, UnreadableSegmentError) as error:
                    _log.warning("spill_file_set_aside", file=name, reason=str(error))
                    self._set_aside(name, size_bytes)
                    continue
                self._loaded[name] = size_bytes
                return LoadedSegment(name, found.entries, lost_weight + found.lost_weight)
        return None

    def forget(self, name: str) -> None:
        """Delete a loaded segment: it was dealt with."""
        with self._turn:
            self._size_bytes -= self._loaded.pop(name, 0)
            if self._lock_file is not None:
                _delete(self.path / name)

    # ------------------------------------------------------------ opening

    def _make_private(self) -> None:
        try:
            self.path.mkdir(mode=0o700)
        except FileExistsError:
            found = self.path.lstat()
            if not stat.S_ISDIR(found.st_mode):
                message = f"{self.path} is no directory"
                raise SpillError(message) from None
            if found.st_uid != os.geteuid() or found.st_mode & 0o077:
                message = (
                    f"{self.path} is open to others (owner {found.st_uid}, mode"
                    f" {stat.S_IMODE(found.st_mode):04o}). Name a directory inside of it, which"
                    " will be made, or make it yours with mode 0700"
                )
                raise SpillError(message) from None

    def _take_lock(self) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        held = os.open(self.path / _LOCK, flags, 0o600)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(held)
            message = f"{self.path} is in use by another process. Give each one its own"
            raise SpillError(message) from None
        self._lock_file = held

    def _find_segments(self) -> None:
        self._segments.clear()
        self._loaded.clear()
        self._size_bytes = 0
        found: list[tuple[int, int]] = []
        for entry in os.scandir(self.path):
            stem, dot, suffix = entry.name.rpartition(".")
            if dot + suffix == _UNFINISHED:
                _delete(Path(entry.path))
            elif dot + suffix == _SUFFIX and stem.isascii() and stem.isdigit():
                found.append((int(stem), entry.stat(follow_symlinks=False).st_size))
        self._segments.extend(sorted(found))
        self._size_bytes = sum(size_bytes for _number, size_bytes in found)
        self._next_number = 1 + max((number for number, _size in found), default=0)

    def _let_go(self) -> None:
        held, self._lock_file = self._lock_file, None
        if held is not None:
            os.close(held)

    def _require_open(self) -> None:
        if self._lock_file is None:
            message = f"{self.path} is not open"
            raise SpillError(message)

    # ------------------------------------------------------------ files

    def _make_room(self, size_bytes: int) -> int:
        """Delete old segments; their weight. Those that are loaded stay: they are being sent."""
        lost_weight = 0
        limits = self._limits
        while self._segments and (
            self._size_bytes + size_bytes > limits.most_bytes
            or len(self._segments) >= limits.most_segments
        ):
            number, old_bytes = self._segments.popleft()
            path = self.path / _name(number)
            lost_weight += _weight_in(path)
            _delete(path)
            self._size_bytes -= old_bytes
        if self._size_bytes + size_bytes > limits.most_bytes:
            message = f"{self.path}: {self._size_bytes} bytes of it are being sent; no room"
            raise SpillError(message)
        return lost_weight

    def _write(self, content: bytes) -> None:
        number = self._next_number
        final = self.path / _name(number)
        unfinished = final.with_suffix(_UNFINISHED)
        try:
            _write_file(unfinished, content)
            unfinished.rename(final)
        except OSError as error:
            _delete(unfinished)
            message = f"{self.path}: {error.strerror or error}"
            raise SpillError(message) from error
        self._next_number = number + 1
        self._segments.append((number, len(content)))
        self._size_bytes += len(content)

    def _set_aside(self, name: str, size_bytes: int) -> None:
        self.bad_files += 1
        self._size_bytes -= size_bytes
        path = self.path / name
        earlier = sorted(self.path.glob(f"*{_BAD}"))
        for each in earlier[: max(0, len(earlier) + 1 - _MOST_BAD_FILES)]:
            _delete(each)
        try:
            path.rename(path.with_suffix(_BAD))
        except OSError:
            _delete(path)


def _name(number: int) -> str:
    return f"{number:016d}{_SUFFIX}"


def _write_file(path: Path, content: bytes) -> None:
    with os.fdopen(os.open(path, _NEW_FILE, 0o600), "wb") as file:
        file.write(content)


def _weight_in(path: Path) -> int:
    try:
        with path.open("rb") as file:
            return segment_weight(file.read(HEAD_BYTES))
    except (OSError, UnreadableSegmentError):
        return 0


def _delete(path: Path) -> None:
    """If it can be; a file that stays is found again at the next start."""
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return
