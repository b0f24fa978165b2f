"""Records with the same attribute names, DELTA encoded: one `ReportRequest` in the making.

Theory of operation. The first element says everything, each later one only what differs from the
one before. Two values are the same if they have one type and one content on the wire: True is
not 1, an instant is no number, 0.0 is not -0.0. Of a record nothing is kept but values, which
are immutable, and copies of its string maps. A record that cannot be read, or has no room,
leaves the chain as it was.

This runs on the request path of applications. Hence bytes in place of protobuf messages, and
heads (tag, length and first bytes of a field) that are prepared for every length that can follow.

Source: Mixer v1 API.
"""

from collections.abc import Callable, Mapping, Sequence
from struct import Struct
from typing import Final, TypeAlias

from remixer.attributes.values import Duration, PlainStringMap, Timestamp, Value
from remixer.wire.dictionary import WordBytes, word_heads
from remixer.wire.durations import split_duration, split_timestamp
from remixer.wire.field_bytes import FIXED64, LENGTH_DELIMITED, VARINT, tag, varint
from remixer.wire.framing import embedded
from remixer.wire.integers import nearest_int64

# Fields of ReportRequest.
_ELEMENT: Final = tag(1, LENGTH_DELIMITED)
_WORD_HEADS: Final = word_heads(2)
_GLOBAL_WORD_COUNT: Final = tag(3, VARINT)
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
_LONGEST_TIME: Final = 2 * (1 + _LONGEST_VARINT)
_INT64_END: Final = 1 << 63
_NEVER_SENT: Final = object()
_double_bytes: Final = Struct("<d").pack

Remembered: TypeAlias = Value | dict[str, str] | None
"""A value as a bag gives it, or the copy of a string map."""


class AbsentError(Exception):
    """A record names an attribute that it does not have: one whose value cannot be decoded."""


class Chain:
    """`names` in the order in which values are taken."""

    __slots__ = (
        "_attributes",
        "_elements",
        "_entry_heads",
        "_seconds",
        "_tail",
        "_values",
        "_word_count",
        "_words",
        "name_set",
        "names",
        "records",
        "size_bytes",
    )

    def __init__(
        self, names: tuple[str, ...], *, known: Mapping[str, bytes], global_word_count: int
    ) -> None:
        """`known`: the first `global_word_count` words, see `dictionary.global_index_bytes`."""
        self.names = names
        self.name_set = frozenset(names)
        self.records = 0
        self.size_bytes = 0
        """Of the request; 0 without records."""
        self._words = words = WordBytes(known, heads=_WORD_HEADS)
        self._word_count = 0
        """Words of the records that were taken; one that was not may have brought more."""
        self._attributes = [_Attribute(slot, words[name]) for slot, name in enumerate(names)]
        self._entry_heads = _EntryHeads(words)
        self._seconds = _Seconds()
        self._values: Sequence[object] = (_NEVER_SENT,) * len(names)
        self._elements = bytearray()
        self._tail = _GLOBAL_WORD_COUNT + varint(global_word_count)

    def add(self, values: list[Remembered], *, most_bytes: int) -> bool:
        """A record's values, in order of `names`; the list becomes the chain's own.

        False if there is no room for it; the chain must end. Raises `AbsentError` for None.
        """
        words = self._words
        parts: list[bytes] = []
        append = parts.append
        # All three are as long as `names`; `strict` has its price.
        for attribute, old, new in zip(self._attributes, self._values, values):  # noqa: B905 - see above
            if new is old:
                continue
            if type(new) is str:
                if new != old:
                    index = words[new]
                    append(attribute.string_heads[len(index)] + index)
            elif (encode := _SCALARS.get(type(new))) is not None:
                # Comparison does not see the sign of a zero.
                if new != old or type(new) is not type(old) or (type(new) is float and not new):
                    append(encode(attribute, new, self._seconds))
            else:
                append(self._map_or_other(attribute, old, new, values))
        return self._take(b"".join(parts), values, most_bytes)

    def request(self) -> bytes:
        """All records that were taken."""
        return b"".join((self._elements, *self._words.fields[: self._word_count], self._tail))

    def _take(self, element: bytes, values: Sequence[object], most_bytes: int) -> bool:
        elements, words = self._elements, self._words
        framed = _ELEMENT + varint(len(element)) + element
        size_bytes = len(elements) + len(framed) + words.size_bytes + len(self._tail)
        if size_bytes > most_bytes and self.records:
            return False
        elements += framed
        self.size_bytes = size_bytes
        self.records += 1
        self._word_count = len(words.fields)
        self._values = values
        return True

    def _map_or_other(
        self, attribute: "_Attribute", old: object, new: Remembered, values: list[Remembered]
    ) -> bytes:
        """What is said of a string map; what is to be remembered of it goes into `values`."""
        if type(new) is PlainStringMap:
            whole: Mapping[str, str] = new
        elif new is None:
            raise AbsentError
        elif isinstance(new, _KINDS_OF_CARRIERS):
            return self._other(attribute, new)
        else:
            whole = new.whole()  # type: ignore[union-attr] # no bag has a plain dict
        if old == whole:
            values[attribute.slot] = old  # type: ignore[call-overload] # it equals a mapping
            return b""
        entries = values[attribute.slot] = dict(whole)
        heads, words = self._entry_heads, self._words
        message = b"".join(
            [heads[key][len(index := words[text])] + index for key, text in entries.items()]
        )
        return embedded(_STRING_MAPS, attribute.key + embedded(_VALUE, message))

    def _other(self, attribute: "_Attribute", new: str | float | bytes) -> bytes:
        """A subclass of a carrier, such as an enum: sent each time, for it may compare oddly."""
        if isinstance(new, str):
            index = self._words[str.__str__(new)]
            return attribute.string_heads[len(index)] + index
        kind = next(each for each in _SCALARS if isinstance(new, each))
        return _SCALARS[kind](attribute, new, self._seconds)


class _Attribute:
    """One name of a chain, prepared. `key`: the first field of its entry."""

    __slots__ = ("int_heads", "key", "slot", "string_heads")

    def __init__(self, slot: int, index: bytes) -> None:
        self.slot = slot
        self.key = _KEY + index
        self.string_heads = _heads(_STRINGS, self.key + _NUMBER, _LONGEST_INDEX)
        self.int_heads = _heads(_INT64S, self.key + _NUMBER, _LONGEST_VARINT)


class _EntryHeads(dict[str, tuple[bytes, ...]]):
    """Of string maps' entries, by key."""

    __slots__ = ("_words",)

    def __init__(self, words: WordBytes) -> None:
        super().__init__()
        self._words = words

    def __missing__(self, key: str) -> tuple[bytes, ...]:
        made = self[key] = _heads(_ENTRY, _KEY + self._words[key] + _NUMBER, _LONGEST_INDEX)
        return made


class _Seconds(dict[int, bytes]):
    """The field `seconds` of instants and durations: the records of a chain share most of them."""

    __slots__ = ()

    def __missing__(self, seconds: int) -> bytes:
        made = self[seconds] = _SECONDS + varint(seconds)
        return made


def _heads(field: int, before: bytes, longest: int) -> tuple[bytes, ...]:
    """What stands before 0, 1, … `longest` bytes that follow `before` in a field."""
    start = tag(field, LENGTH_DELIMITED)
    return tuple([start + varint(len(before) + length) + before for length in range(longest + 1)])


def _int64(attribute: _Attribute, value: int, _seconds: _Seconds) -> bytes:
    if not -_INT64_END <= value < _INT64_END:
        value = nearest_int64(value)
    number = varint(value)
    return attribute.int_heads[len(number)] + number


def _float(attribute: _Attribute, value: float, _seconds: _Seconds) -> bytes:
    return embedded(_DOUBLES, attribute.key + _DOUBLE + _double_bytes(value))


def _bool(attribute: _Attribute, value: bool, _seconds: _Seconds) -> bytes:  # noqa: FBT001 - a value, no option
    return embedded(_BOOLS, attribute.key + _NUMBER + varint(value))


def _bytes(attribute: _Attribute, value: bytes, _seconds: _Seconds) -> bytes:
    return embedded(_BYTES, attribute.key + embedded(_VALUE, value))


def _timestamp(attribute: _Attribute, value: int, known: _Seconds) -> bytes:
    seconds, nanos = split_timestamp(value)
    message = known[seconds] + _NANOS + varint(nanos)
    entry = attribute.key + _TIME_HEADS[len(message)] + message
    return _TIMESTAMP_HEADS[len(entry)] + entry


def _duration(attribute: _Attribute, value: int, known: _Seconds) -> bytes:
    seconds, nanos = split_duration(value)
    message = known[seconds] + _NANOS + varint(nanos)
    entry = attribute.key + _TIME_HEADS[len(message)] + message
    return _DURATION_HEADS[len(entry)] + entry


_LONGEST_TIME_ENTRY: Final = 1 + _LONGEST_INDEX + 2 + _LONGEST_TIME
_TIME_HEADS: Final = _heads(_VALUE, b"", _LONGEST_TIME)
_TIMESTAMP_HEADS: Final = _heads(_TIMESTAMPS, b"", _LONGEST_TIME_ENTRY)
_DURATION_HEADS: Final = _heads(_DURATIONS, b"", _LONGEST_TIME_ENTRY)
# Subclasses before their bases: True, instants and durations are ints to Python.
_SCALARS: Final[Mapping[type, Callable[..., bytes]]] = {
    bool: _bool,
    Timestamp: _timestamp,
    Duration: _duration,
    int: _int64,
    float: _float,
    bytes: _bytes,
}
_KINDS_OF_CARRIERS: Final = (str, int, float, bytes)
