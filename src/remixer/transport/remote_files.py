"""Files of keys, certificates and tokens that somebody replaces while we run.

Looked at, at most once a second, when a call is made. New contents must parse before they
replace the old ones; broken ones are logged once per change, and what was good stays in use.
Files that were never usable, such as a token that comes later than we do, are looked at with
every call: what needs them fails meanwhile, and says which file is missing.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final, Generic, TypeAlias, TypeVar

from remixer.foundation.log import event_log

_LARGEST_FILE_BYTES: Final = 4 << 20
"""A bundle of all public authorities has 0.3 MB."""
_LONGEST_TOKEN: Final = 6_000
"""Servers take 8 KiB of headers in all, unless set up otherwise."""
_PRINTABLE: Final = range(0x20, 0x7F)
_LOOK_EVERY_S: Final = 1.0

_Stamp: TypeAlias = tuple[tuple[int, int, int], ...]
_NO_FILE: Final = (0, 0, 0)

T = TypeVar("T")
_log = event_log(__name__)


class FileFault(ValueError):  # noqa: N818 - reads as what it is
    """A file cannot be used; `str()` names it and the reason, never its contents."""


class WatchedFiles(Generic[T]):
    """What a set of files means now. Not for two threads at once."""

    __slots__ = (
        "_contents",
        "_is_settled",
        "_next_look_s",
        "_parse",
        "_paths",
        "_stamp",
        "_value",
        "fault",
    )

    def __init__(
        self, paths: tuple[str, ...], parse: Callable[[tuple[bytes, ...]], T], *, now_s: float
    ) -> None:
        """Reads at once. `parse` gets the contents in the order of `paths`."""
        self._paths = paths
        self._parse = parse
        self._next_look_s = now_s + _LOOK_EVERY_S
        self._stamp = _stamp(paths)
        self._is_settled = False
        self._contents: tuple[bytes, ...] = ()
        self._value: T | None = None
        self.fault: FileFault | None = None
        """Why there is no value yet."""
        try:
            self._contents = _read_all(paths)
            self._value = parse(self._contents)
        except FileFault as fault:
            self.fault = fault
            _log.error(
                "file is not usable, calls fail until it is", files=list(paths), reason=str(fault)
            )

    @property
    def value(self) -> T:
        """What the files meant when they were last usable; raises `FileFault` if never."""
        if self._value is None:
            raise self.fault or FileFault("no file was read")
        return self._value

    def look(self, *, now_s: float) -> bool:
        """Whether `value` is another one than before this call."""
        if now_s < self._next_look_s and self.fault is None:
            return False
        self._next_look_s = now_s + _LOOK_EVERY_S
        stamp = _stamp(self._paths)
        # A file written twice within one tick of the file system keeps its stamp: after a change
        # the contents are compared once more.
        if stamp == self._stamp and self._is_settled:
            return False
        self._is_settled = stamp == self._stamp
        self._stamp = stamp
        return self._read_again()

    def _read_again(self) -> bool:
        try:
            contents = _read_all(self._paths)
            if contents == self._contents:
                return False
            value = self._parse(contents)
        except FileFault as fault:
            if self.fault is not None:
                self.fault = fault
            elif not self._is_settled:
                _log.error(
                    "changed file is not usable, what was read before stays in use",
                    files=list(self._paths),
                    reason=str(fault),
                )
            return False
        self._contents = contents
        self._value = value
        self.fault = None
        _log.info("changed file read again", files=list(self._paths))
        return True


def secret_in(path: str, contents: bytes) -> str:
    """A token or secret: the file's text without the line end that editors add."""
    text = contents.rstrip(b"\r\n")
    if not text:
        message = f"{path} is empty"
        raise FileFault(message)
    if len(text) > _LONGEST_TOKEN or not all(each in _PRINTABLE for each in text):
        message = f"{path} is not one line of at most {_LONGEST_TOKEN} printable ASCII characters"
        raise FileFault(message)
    return text.decode("ascii")


def _stamp(paths: tuple[str, ...]) -> _Stamp:
    """Changes when a file is written, replaced, or its symbolic link points elsewhere."""
    found = []
    for path in paths:
        try:
            status = Path(path).stat()
        except (OSError, ValueError):
            found.append(_NO_FILE)
        else:
            found.append((status.st_ino, status.st_size, status.st_mtime_ns))
    return tuple(found)


def _read_all(paths: tuple[str, ...]) -> tuple[bytes, ...]:
    return tuple(_read(path) for path in paths)


def _read(path: str) -> bytes:
    try:
        with Path(path).open("rb") as file:
            contents = file.read(_LARGEST_FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        message = f"{path} cannot be read ({reason})"
        raise FileFault(message) from error
    if len(contents) > _LARGEST_FILE_BYTES:
        message = f"{path} is larger than {_LARGEST_FILE_BYTES} bytes"
        raise FileFault(message)
    return contents
