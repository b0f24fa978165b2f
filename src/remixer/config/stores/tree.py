"""Reading a directory tree again and again, parsing only what changed.

Theory of operation. A reading walks the tree, compares each file's stamp (device, inode, size,
times) with the last reading's and parses only files whose stamp moved. A file that was written so
recently that a second write could bear the same stamp is compared by content once more. What
cannot be read keeps its last good content: a file its own, a directory that of all its files, the
root everything. Nothing looks deleted because it could not be seen; what a file that is no longer
well-formed held before stays, too.

ConfigMaps as Kubernetes mounts them work: files are symbolic links through `..data`, which is
swapped as a whole; directories whose name starts with `..` are Kubernetes' own and are skipped.
Source: Mixer 1.3's file store: `.yaml` and `.yml`, symbolic links to files followed, those to
directories not.
"""

import hashlib
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from remixer.config import codes
from remixer.config.resources import LoadedResources, ParsedFile, combine, parse_file
from remixer.foundation.clock import Clock
from remixer.foundation.documents.yaml_documents import MAX_FILE_BYTES
from remixer.foundation.problems import Location, Problem

MAX_FILES: Final = 10_000
"""Per tree; a walk of that many takes a tenth of a second."""
_RACY_NS: Final = 2_000_000_000
"""File times may be this coarse (FAT); a stamp this young does not prove that nothing changed."""
_SUFFIXES: Final = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class _Stamp:
    device: int
    inode: int
    size: int
    modified_ns: int
    changed_ns: int


@dataclass(frozen=True, slots=True)
class _Entry:
    """A file as it was last read."""

    stamp: _Stamp
    is_settled: bool
    digest: bytes
    parsed: ParsedFile


@dataclass(slots=True)
class _Scan:
    """One walk: files in lexical order, and what could not be seen."""

    paths: list[tuple[str, ...]] = field(default_factory=list)
    unseen_directories: list[tuple[tuple[str, ...], OSError]] = field(default_factory=list)


Parts = tuple[str, ...]


class TreeReader:
    """Keeps the last state of one tree. Blocking; call it from one thread at a time."""

    def __init__(self, root: Path, *, clock: Clock, max_files: int = MAX_FILES) -> None:
        self._root = root
        self._clock = clock
        self._max_files = max_files
        self._entries: dict[Parts, _Entry] = {}
        self._troubles: tuple[Problem, ...] | None = None
        self._state = LoadedResources(is_available=False)

    @property
    def state(self) -> LoadedResources:
        """What the last `refresh` found."""
        return self._state

    def refresh(self) -> bool:
        """Read what changed; whether the state is another one than before."""
        scan = self._scan()
        troubles: list[Problem] = []
        entries: dict[Parts, _Entry] = {}
        for directory, error in scan.unseen_directories:
            troubles.append(_unreadable(self._root.joinpath(*directory), error))
            for parts, entry in self._entries.items():
                if parts[: len(directory)] == directory:
                    entries[parts] = entry
        for parts in scan.paths[: self._max_files]:
            self._read(parts, entries, troubles)
        if len(scan.paths) > self._max_files:
            troubles.append(self._too_many(len(scan.paths)))
        return self._take(entries, tuple(troubles))

    def _take(self, entries: dict[Parts, _Entry], troubles: tuple[Problem, ...]) -> bool:
        is_changed = troubles != self._troubles or {
            parts: entry.digest for parts, entry in entries.items()
        } != {parts: entry.digest for parts, entry in self._entries.items()}
        self._entries, self._troubles = entries, troubles
        if is_changed:
            combined = combine(entries[parts].parsed for parts in sorted(entries))
            self._state = LoadedResources(
                combined.resources, troubles + combined.problems, is_available=not troubles
            )
        return is_changed

    def _scan(self) -> _Scan:
        scan = _Scan()
        pending: list[Parts] = [()]
        while pending:
            directory = pending.pop()
            try:
                with os.scandir(self._root.joinpath(*directory)) as listing:
                    for each in listing:
                        parts = (*directory, each.name)
                        if each.is_dir(follow_symlinks=False):
                            if not each.name.startswith(".."):
                                pending.append(parts)
                        elif _is_ours(each.name) and not each.is_dir():
                            scan.paths.append(parts)
            except OSError as error:
                scan.unseen_directories.append((directory, error))
        scan.paths.sort()
        return scan

    def _read(self, parts: Parts, entries: dict[Parts, _Entry], troubles: list[Problem]) -> None:
        path = self._root.joinpath(*parts)
        earlier = self._entries.get(parts)
        try:
            status = path.stat()
            if not stat.S_ISREG(status.st_mode):
                return
            stamp = _stamp(status)
            if earlier is not None and earlier.is_settled and earlier.stamp == stamp:
                entries[parts] = earlier
                return
            with path.open("rb") as file:
                content = file.read(MAX_FILE_BYTES + 1)
        except OSError as error:
            troubles.append(_unreadable(path, error))
            if earlier is not None:
                entries[parts] = earlier
            return
        entries[parts] = self._entry(path, stamp, content, earlier)

    def _entry(self, path: Path, stamp: _Stamp, content: bytes, earlier: _Entry | None) -> _Entry:
        digest = hashlib.sha256(content).digest()
        age_ns = self._clock.unix_ns() - max(stamp.modified_ns, stamp.changed_ns)
        is_settled = age_ns >= _RACY_NS
        if earlier is not None and earlier.digest == digest:
            return _Entry(stamp, is_settled, digest, earlier.parsed)
        before = None if earlier is None else earlier.parsed
        return _Entry(stamp, is_settled, digest, parse_file(content, str(path), earlier=before))

    def _too_many(self, found: int) -> Problem:
        message = f"the tree has {found} files; the first {self._max_files} by name are read"
        return Problem(codes.FILE_TOO_LARGE, message, Location(str(self._root)))


def _is_ours(name: str) -> bool:
    # `.#x.yaml` is an editor's lock, a dangling link while someone edits `x.yaml`.
    return name.endswith(_SUFFIXES) and not name.startswith(".#")


def _stamp(status: os.stat_result) -> _Stamp:
    return _Stamp(
        status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
    )


def _unreadable(path: Path, error: OSError) -> Problem:
    reason = error.strerror or type(error).__name__
    message = f"cannot be read: {reason}; what was last read from it stays in force"
    return Problem(codes.UNREADABLE, message, Location(str(path)), hint="Check path and rights.")
