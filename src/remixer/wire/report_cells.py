"""Cells of records' columns as bytes: fields of `CompressedAttributes`, one for each cell.

Theory of operation. What stands before a value of an attribute (tag, length and first bytes of its
field) is prepared for every length that can follow; fields of texts are remembered by text, for
those of one attribute recur. Fields that are equal say the same. Fields that differ say different
things, but for string maps in another order: so whoever looks for what has changed may compare
fields in place of values, whose equality is another one (True is 1, 0.0 is -0.0).

Source: Mixer v1 API.
"""

from collections.abc import Iterable, Sequence
from functools import partial
from itertools import repeat
from struct import Struct
from typing import Final, TypeAlias, assert_never

from remixer.attributes.records import Cell, Kind, text_of
from remixer.wire.dictionary import WordBytes
from remixer.wire.durations import split_duration
from remixer.wire.field_bytes import FIXED64, LENGTH_DELIMITED, VARINT, tag, varint
from remixer.wire.framing import embedded
from remixer.wire.integers import nearest_int64

# Fields of CompressedAttributes: one map for each type.
_STRINGS: Final = 2
_INT64S: Final = 3
_DOUBLES: Final = 4
_BOOLS: Final = 5
_TIMESTAMPS: Final = 6
_DURATIONS: Final = 7
_BYTES: Final = 8
_STRING_MAPS: Final = 9
# Fields of their entries, of StringMap, of instants and durations.
_KEY: Final = tag(1, VARINT)
_NUMBER: Final = tag(2, VARINT)
_DOUBLE: Final = tag(2, FIXED64)
_VALUE: Final = 2
_ENTRY: Final = 1
_SECONDS: Final = tag(1, VARINT)
_NANOS: Final = tag(2, VARINT)

_LONGEST_INDEX: Final = 5
"""Bytes of an index on the wire."""
_LONGEST_VARINT: Final = 10
_INT64_END: Final = 1 << 63
_MOST_REMEMBERED: Final = 1_000
"""Of keys, lengths and addresses, each: clients may think of more."""
_LOW_BITS: Final = 0x7F
_MORE: Final = 0x80
_NS_PER_SECOND: Final = 1_000_000_000
_ONE_BYTE: Final = 1 << 7
"""The first number that takes more; the others likewise."""
_TWO_BYTES: Final = 1 << 14
_THREE_BYTES: Final = 1 << 21
_FOUR_BYTES: Final = 1 << 28
_LAST_BYTES: Final = tuple(bytes((bits,)) for bits in range(_MORE))
_EARLIER_BYTES: Final = tuple(bytes((bits | _MORE,)) for bits in range(_MORE))
_four_bytes: Final = Struct("4B").pack
_five_bytes: Final = Struct("5B").pack
_double_bytes: Final = Struct("<d").pack

_Fields: TypeAlias = Sequence[bytes]
_Halves: TypeAlias = Sequence[tuple[int, bytes]]
"""Seconds, and the bytes of the nanoseconds."""
Heads: TypeAlias = Sequence[bytes]
"""By the length of what follows."""


class Attribute:
    """One attribute of the records of one report."""

    __slots__ = (
        "_addresses",
        "_bools",
        "_durations",
        "_ints",
        "_key",
        "_map_heads",
        "_strings",
        "_timestamps",
    )

    def __init__(self, index: bytes) -> None:
        """`index`: of its name, as it stands on the wire."""
        key = self._key = _KEY + index
        self._strings = _heads(_STRINGS, key + _NUMBER, _LONGEST_INDEX)
        self._ints = _heads(_INT64S, key + _NUMBER, _LONGEST_VARINT)
        self._bools = tuple(embedded(_BOOLS, key + _NUMBER + varint(each)) for each in (0, 1))
        self._addresses: dict[bytes, bytes] = {}
        self._timestamps = _TimeHeads(_TIMESTAMPS, key)
        self._durations = _TimeHeads(_DURATIONS, key)
        self._map_heads: dict[int, bytes] = {}

    def fields(self, kind: Kind, cells: Sequence[Cell], shared: "Shared") -> _Fields:
        """One for each cell. `shared`: of the report that the attribute is in."""
        match kind:
            case Kind.STRING:
                return self._texts(cells, shared.words)
            case Kind.RAW_STRING:
                return self._texts(cells, shared.raw_words)
            case Kind.STRING_MAP:
                return self._maps(cells, shared.entries)
            case Kind.BYTES:
                return [*map(self._address, cells)]
            case Kind.TIMESTAMP | Kind.DURATION:
                return self._instants(kind, cells, shared)
            case Kind.INT64:
                return self._int64s(cells)
            case Kind.BOOL | Kind.DOUBLE:
                return [*map(partial(self._plain, kind), cells)]
            case _:
                assert_never(kind)

    def _texts(self, cells: Sequence[Cell], known: "WordBytes | _RawWords") -> _Fields:
        if len(cells) > 1:
            known.learn(cells)
        before = self._strings
        return [before[len(index)] + index for index in map(known.__getitem__, cells)]

    def _int64s(self, cells: Sequence[int]) -> _Fields:
        least, most = min(cells), max(cells)
        if least < -_INT64_END or most >= _INT64_END:
            cells = [nearest_int64(cell) for cell in cells]
        before = self._ints
        if least < 0 or most >= _THREE_BYTES:
            return [before[len(number)] + number for number in map(varint, cells)]
        _, one, two, three, *_ = before
        low, last = _EARLIER_BYTES, _LAST_BYTES
        return [
            one + last[cell]
            if cell < _ONE_BYTE
            else two + low[cell & _LOW_BITS] + last[cell >> 7]
            if cell < _TWO_BYTES
            else three + low[cell & _LOW_BITS] + low[cell >> 7 & _LOW_BITS] + last[cell >> 14]
            for cell in cells
        ]

    def _plain(self, kind: Kind, cell: float) -> bytes:
        if kind is Kind.BOOL:
            return self._bools[bool(cell)]
        return embedded(_DOUBLES, self._key + _DOUBLE + _double_bytes(cell))

    def _instants(self, kind: Kind, cells: Sequence[int], shared: "Shared") -> _Fields:
        is_signed = kind is Kind.DURATION
        known = self._durations if is_signed else self._timestamps
        halves = shared.halves(cells, is_signed=is_signed)
        return [known[seconds << 4 | len(nanos)] + nanos for seconds, nanos in halves]

    def _address(self, cell: bytes) -> bytes:
        known = self._addresses
        field = known.get(cell)
        if field is None:
            if len(known) >= _MOST_REMEMBERED:
                known.clear()
            field = known[cell] = embedded(_BYTES, self._key + embedded(_VALUE, cell))
        return field

    def _maps(self, cells: Sequence[Cell], entries: "_Entries") -> _Fields:
        known = self._map_heads
        found: list[bytes] = []
        for message in entries.messages(cells):
            head = known.get(len(message))
            if head is None:
                head = self._map_head(len(message))
            found.append(head + message)
        return found

    def _map_head(self, length: int) -> bytes:
        known = self._map_heads
        if len(known) >= _MOST_REMEMBERED:
            known.clear()
        value = self._key + tag(_VALUE, LENGTH_DELIMITED) + varint(length)
        head = tag(_STRING_MAPS, LENGTH_DELIMITED) + varint(len(value) + length) + value
        known[length] = head
        return head


class Shared:
    """What attributes of one report have in common."""

    __slots__ = ("_cells", "_halves", "entries", "raw_words", "words")

    def __init__(self, words: WordBytes) -> None:
        self.words = words
        self.raw_words = _RawWords(words)
        self.entries = _Entries(words, self.raw_words)
        self._cells: Sequence[int] = ()
        self._halves: _Halves = ()

    def halves(self, cells: Sequence[int], *, is_signed: bool = False) -> _Halves:
        """Two attributes may have the same cells, one after the other.

        `is_signed`: they are durations, whose nanoseconds are of the sign of the seconds.
        """
        if cells is not self._cells:
            self._cells = cells
            pairs = map(divmod, cells, repeat(_NS_PER_SECOND))
            if is_signed and min(cells) < 0:
                pairs = map(split_duration, cells)
            self._halves = [
                (
                    seconds,
                    _five_bytes(
                        nanos & _LOW_BITS | _MORE,
                        nanos >> 7 & _LOW_BITS | _MORE,
                        nanos >> 14 & _LOW_BITS | _MORE,
                        nanos >> 21 & _LOW_BITS | _MORE,
                        nanos >> 28,
                    )
                    if nanos >= _FOUR_BYTES
                    else _four_bytes(
                        nanos & _LOW_BITS | _MORE,
                        nanos >> 7 & _LOW_BITS | _MORE,
                        nanos >> 14 & _LOW_BITS | _MORE,
                        nanos >> 21,
                    )
                    if nanos >= _THREE_BYTES
                    else varint(nanos),
                )
                for seconds, nanos in pairs
            ]
        return self._halves


class _TimeHeads(dict[int, bytes]):
    """What stands before nanoseconds, by 16 times the seconds and the length of what follows."""

    __slots__ = ("_key", "_start")

    def __init__(self, field: int, key: bytes) -> None:
        super().__init__()
        self._start = tag(field, LENGTH_DELIMITED)
        self._key = key + tag(_VALUE, LENGTH_DELIMITED)

    def __missing__(self, number: int) -> bytes:
        if len(self) >= _MOST_REMEMBERED:
            self.clear()
        seconds, length = number >> 4, number & 15
        message = _SECONDS + varint(seconds) + _NANOS
        value = self._key + varint(len(message) + length) + message
        head = self[number] = self._start + varint(len(value) + length) + value
        return head


class _RawWords(dict[bytes, bytes]):
    """Indices of words by their bytes."""

    __slots__ = ("_words",)

    def __init__(self, words: WordBytes) -> None:
        super().__init__()
        self._words = words

    def learn(self, texts: Sequence[bytes]) -> None:
        """Ask for many."""
        new = [raw for raw in dict.fromkeys(texts) if raw not in self]
        if new:
            words = self._words
            decoded = [*map(text_of, new)]
            words.learn(decoded)
            self.update(zip(new, map(words.__getitem__, decoded), strict=True))

    def __missing__(self, raw: bytes) -> bytes:
        index = self[raw] = self._words[text_of(raw)]
        return index


class _Entries(dict[str | bytes, Heads]):
    """What stands before the text in an entry of a string map, by name."""

    __slots__ = ("_raw", "_words")

    def __init__(self, words: WordBytes, raw: "_RawWords") -> None:
        super().__init__()
        self._words = words
        self._raw = raw

    def messages(self, cells: Sequence[Cell]) -> _Fields:
        """Whole maps. Those that have the same names are looked at name by name."""
        layouts = [names for names, _ in cells]
        if layouts.count(layouts[0]) == len(layouts):
            return self._alike(layouts[0], [texts for _, texts in cells])
        found = [b""] * len(cells)
        for layout in dict.fromkeys(layouts):
            places = [at for at, names in enumerate(layouts) if names == layout]
            alike = self._alike(layout, [cells[at][1] for at in places])
            for at, message in zip(places, alike, strict=True):
                found[at] = message
        return found

    def _alike(self, names: Sequence[str | bytes], rows: Sequence[Sequence[Cell]]) -> _Fields:
        """Of maps with these names."""
        words, raw = self._words, self._raw
        parts: list[Iterable[bytes]] = []
        for name, texts in zip(names, zip(*rows, strict=True), strict=bool(names)):
            before, known = self[name], words if isinstance(name, str) else raw
            if texts.count(texts[0]) == len(texts):
                index = known[texts[0]]
                parts.append(repeat(before[len(index)] + index, len(rows)))
                continue
            known.learn(texts)
            parts.append([before[len(index)] + index for index in map(known.__getitem__, texts)])
        return [*map(b"".join, zip(*parts, strict=True))] or [b""] * len(rows)

    def __missing__(self, name: str | bytes) -> Heads:
        if len(self) >= _MOST_REMEMBERED:
            self.clear()
        text = name if isinstance(name, str) else text_of(name.lower())
        before = _KEY + self._words[text] + _NUMBER
        made = self[name] = _heads(_ENTRY, before, _LONGEST_INDEX)
        return made


def _heads(field: int, before: bytes, longest: int) -> Heads:
    """What stands before 0, 1, … `longest` bytes that follow `before` in a field."""
    start = tag(field, LENGTH_DELIMITED)
    return tuple([start + varint(len(before) + length) + before for length in range(longest + 1)])
