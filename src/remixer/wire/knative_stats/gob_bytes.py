"""gob's primitive values as bytes, and back. Source: the format of Go's `encoding/gob`."""

from struct import Struct
from typing import Final

from remixer.wire.knative_stats.stat import StatError

SECOND_NS: Final = 1_000_000_000
YEAR_1_S: Final = 62_135_596_800
"""Seconds from the year 1, where Go's instants begin, to 1970."""
_double: Final = Struct("<d")
_ONE_BYTE: Final = 0x80
_LONGEST_NUMBER: Final = 8


def unsigned(number: int) -> bytes:
    """0 to 2^64 - 1: itself below 128, else the negated count of bytes and those, high first."""
    if number < _ONE_BYTE:
        return bytes((number,))
    size = (number.bit_length() + 7) // 8
    return bytes((256 - size,)) + number.to_bytes(size, "big")


def signed(number: int) -> bytes:
    """The sign goes into the lowest bit."""
    return unsigned(number << 1 if number >= 0 else ~number << 1 | 1)


def floating(number: float) -> bytes:
    """The bytes of the number reversed, so that round ones are short."""
    return unsigned(int.from_bytes(_double.pack(number), "big"))


def counted(payload: bytes) -> bytes:
    """A string, or any other run of bytes."""
    return unsigned(len(payload)) + payload


class GobReader:
    """Reads from the front of a message; all that is wrong is a `StatError` with the place."""

    __slots__ = ("_at", "_end", "_payload")

    def __init__(self, payload: bytes, *, start: int = 0, end: int | None = None) -> None:
        self._payload = payload
        self._at = start
        self._end = len(payload) if end is None else end

    @property
    def is_done(self) -> bool:
        return self._at >= self._end

    def wrong(self, what: str) -> StatError:
        """To raise: names the byte where reading stands."""
        return StatError(f"gob, byte {self._at}: {what}")

    def unsigned(self) -> int:
        first = self._take(1)[0]
        if first < _ONE_BYTE:
            return first
        size = 256 - first
        if size > _LONGEST_NUMBER:
            text = f"a number of {size} bytes"
            raise self.wrong(text)
        return int.from_bytes(self._take(size), "big")

    def signed(self) -> int:
        number = self.unsigned()
        return ~(number >> 1) if number & 1 else number >> 1

    def floating(self) -> float:
        number: float = _double.unpack(self.unsigned().to_bytes(8, "big"))[0]
        return number

    def boolean(self) -> bool:
        return self.unsigned() != 0

    def counted(self) -> bytes:
        return self._take(self.unsigned())

    def text(self) -> str:
        try:
            return self.counted().decode()
        except UnicodeDecodeError as error:
            text = "a text that is not UTF-8"
            raise self.wrong(text) from error

    def segment(self) -> "GobReader":
        """A reader of the next length-prefixed part."""
        size = self.unsigned()
        start = self._at
        self._take(size)
        return GobReader(self._payload, start=start, end=self._at)

    def _take(self, size: int) -> bytes:
        start, end = self._at, self._at + size
        if end > self._end:
            text = f"{size} bytes wanted, {self._end - start} are left"
            raise self.wrong(text)
        self._at = end
        return self._payload[start:end]
