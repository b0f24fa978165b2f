"""Numbers and texts as bytes, for what instances share. Pure.

Numbers are seven bits a byte, the least first; signed ones alternate (0, -1, 1, -2, …). Texts have
their length in front.
"""

from typing import Final

_MORE: Final = 0x80
_BITS: Final = 7
_MOST_SHIFT: Final = 63  # numbers of more than 64 bits are nobody's
_MOST: Final = (1 << 64) - 1


class MalformedError(ValueError):
    """The bytes are not what they should be."""


class ByteWriter:
    """Appends."""

    __slots__ = ("_parts",)

    def __init__(self) -> None:
        self._parts = bytearray()

    def number(self, value: int) -> None:
        """Not below zero, and of at most 64 bits; raises `OverflowError`."""
        if not 0 <= value <= _MOST:
            message = f"{value} does not fit"
            raise OverflowError(message)
        while value >= _MORE:
            self._parts.append(value & (_MORE - 1) | _MORE)
            value >>= _BITS
        self._parts.append(value)

    def signed(self, value: int) -> None:
        self.number(value << 1 if value >= 0 else (-value << 1) - 1)

    def text(self, value: str) -> None:
        self.block(value.encode("utf-8", "surrogatepass"))

    def block(self, value: bytes) -> None:
        self.number(len(value))
        self._parts += value

    def taken(self) -> bytes:
        """All that was written."""
        return bytes(self._parts)


class ByteReader:
    """Reads what a `ByteWriter` wrote. Everything raises `MalformedError`."""

    __slots__ = ("_at", "_bytes")

    def __init__(self, content: bytes) -> None:
        self._bytes = content
        self._at = 0

    @property
    def is_at_end(self) -> bool:
        """Whether all was read."""
        return self._at == len(self._bytes)

    def number(self, *, most: int = _MOST) -> int:
        value = shift = 0
        while True:
            if self._at >= len(self._bytes) or shift > _MOST_SHIFT:
                raise MalformedError
            part = self._bytes[self._at]
            self._at += 1
            value |= (part & (_MORE - 1)) << shift
            if part < _MORE:
                break
            shift += _BITS
        if value > most:
            raise MalformedError
        return value

    def signed(self) -> int:
        value = self.number()
        return -((value + 1) >> 1) if value & 1 else value >> 1

    def text(self) -> str:
        try:
            return self.block().decode("utf-8", "surrogatepass")
        except UnicodeDecodeError as error:
            raise MalformedError from error

    def block(self) -> bytes:
        size = self.number()
        end = self._at + size
        if end > len(self._bytes):
            raise MalformedError
        found = self._bytes[self._at : end]
        self._at = end
        return found

    def end(self) -> None:
        """Nothing must be left."""
        if not self.is_at_end:
            raise MalformedError
