"""Headers of one message as bytes from the wire, decoded when they are asked for."""

from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias

from remixer.attributes.records import text_of

_UNKNOWN: Final = -1
RawLines: TypeAlias = Iterable[tuple[bytes, bytes]]


class ByteHeaders:
    """A `StringMap` over lines, by lower-case name; of a repeated header the last counts."""

    __slots__ = ("_lines", "_size_bytes", "_values")

    def __init__(self, lines: RawLines) -> None:
        """`lines` are copied, for applications change theirs."""
        self._lines = tuple(lines)
        self._values: dict[bytes, bytes] | None = None
        self._size_bytes = _UNKNOWN

    def __getitem__(self, key: str) -> str | None:
        value = self.by_name().get(key.encode("utf-8", "backslashreplace"))
        return None if value is None else text_of(value)

    def whole(self) -> Mapping[str, str]:
        return {text_of(name): text_of(value) for name, value in self.by_name().items()}

    def by_name(self) -> Mapping[bytes, bytes]:
        """Nobody changes it."""
        values = self._values
        if values is None:
            values = dict(self._lines)
            names = b"".join(values)
            if names != names.lower():  # servers write them so, not every application does
                values = {name.lower(): value for name, value in self._lines}
            self._values = values
        return values

    def size(self) -> int:
        """Bytes of all names and values."""
        if self._size_bytes == _UNKNOWN:
            self._size_bytes = sum([len(name) + len(value) for name, value in self._lines])
        return self._size_bytes
