"""What changes in the elements of a report, found for all of them at once.

Theory of operation. Protobuf messages that stand one after the other are read as one message: maps
merge, repeated fields append. So `MergedMaps`, read from all elements, tells which index stands in
which type map of any of them; and `MergedEntries` tells the bytes of all entries of these maps. From
the two follows without a look at any single element that

* no attribute has two types, and no two indices are one name: so no element gives a name twice;
* every number in `strings` and `string_maps` would do as the index of a word, although many are
  none, but tags and lengths: so no element refers to a word that there is not;
* no number in `timestamps` and `durations` is more seconds than fit into 64 bits of nanoseconds.

Where something of that does not follow, `changes_of` says nothing about the elements (None), and
they are read one by one.

All of it relies on elements that are well-formed: they were parsed before, as what they are. Then
each index stands in the entries as a varint: its bytes are next to each other, and all but the last
have the highest bit set. Bytes are looked at by `translate` and `count` alone, a nanosecond each.
"""

from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Final, TypeAlias

from remixer.attributes.values import Value
from remixer.wire._pb.istio.mixer.v1.attributes_pb2 import CompressedAttributes
from remixer.wire._pb.remixer.reading.report_pb2 import MergedEntries, MergedMaps
from remixer.wire.bag import decode_duration, decode_string_map, decode_timestamp
from remixer.wire.dictionary import GLOBAL_WORD_COUNT, MessageWords, UnknownIndexError

Values: TypeAlias = list[Value | None]
Elements: TypeAlias = Sequence[CompressedAttributes]
TypeMap: TypeAlias = str
"""The name of a map in `CompressedAttributes`; there is one for each type of value."""
Place: TypeAlias = tuple[TypeMap, int]
"""Where elements have an attribute: in which map, under which index."""

_TYPE_MAPS: Final = (
    "strings",
    "string_maps",
    "int64s",
    "doubles",
    "bools",
    "timestamps",
    "durations",
    "bytes",
)
_LOW: Final = 0x80
"""Bytes below it end a varint; a varint of one byte is below it."""
_SECONDS_TOP: Final = 0x20
"""Seconds from 2^33 on, or below zero, have four bytes that do not end them and a fifth that is
at least this; 2^33 seconds and the nanoseconds of an int32 are less than 2^63 nanoseconds."""
_LARGE: Final = bytes(_SECONDS_TOP) + b"\1" * (0x100 - _SECONDS_TOP)
_FIVE_LARGE: Final = b"\1" * 5


def places_of(merged: bytes) -> Mapping[int, TypeMap] | None:
    """The type map of each index in elements that share one word list.

    None if an element has words of its own, or some index is in two type maps.
    """
    maps = MergedMaps.FromString(merged)
    if maps.words:
        return None
    found: dict[int, TypeMap] = {}
    count = 0
    for type_map in _TYPE_MAPS:
        indices = [*getattr(maps, type_map)]
        count += len(indices)
        found.update(dict.fromkeys(indices, type_map))
    return found if len(found) == count else None


def changes_of(
    merged: bytes, elements: Elements, words: MessageWords, *, word_count: int
) -> Mapping[str, Place] | None:
    """Where the elements have which attribute; None if some element may be in error.

    `merged`: the bytes of `elements`, one after the other. `word_count`: how many `words` are.
    """
    places = places_of(merged)
    if places is None or not _are_defined(merged, elements, word_count):
        return None
    try:
        found = {words.text(index): (type_map, index) for index, type_map in places.items()}
    except UnknownIndexError:
        return None
    return found if len(found) == len(places) else None


def _are_defined(merged: bytes, elements: Elements, word_count: int) -> bool:
    """Whether every value refers to words that there are, and every instant can be told."""
    entries = MergedEntries.FromString(merged)
    times = b"".join((*entries.timestamps[:], *entries.durations[:]))
    if _FIVE_LARGE in times.translate(_LARGE):
        return False
    indices = b"".join((*entries.strings[:], *entries.string_maps[:]))
    return _are_indices(indices, word_count) or _refer_to_words(elements, word_count)


def _are_indices(entries: bytes, word_count: int) -> bool:
    """Whether every varint in `entries` would be an index of one or two bytes; False: perhaps not.

    Indices are in zig-zag: global ones even, those of a message's words odd.
    """
    if 2 * word_count < _LOW:
        return False
    return all(
        (marked := entries.translate(table)).count(_PAIR) == marked.count(_FIRST)
        for table in (*_GLOBAL_TABLES, *_pair_tables(2 * word_count, odd=1))
    )


def _pair_tables(end: int, *, odd: int) -> tuple[bytes, ...]:
    """Tables that mark varints of two bytes: a first byte as 1, a last byte as 2.

    Two tables, for after some first bytes the last one may be larger by one if all is to stay
    below `end`: no first byte is marked in both.
    """
    limit, rest = divmod(end, _LOW)
    tables: list[bytes] = []
    for start, stop, limit_here in ((0, rest, limit + 1), (rest, _LOW, limit)):
        table = bytearray(0x100)
        table[: min(limit_here, _LOW)] = b"\2" * min(limit_here, _LOW)
        first = range(_LOW + start + (start % 2 != odd), _LOW + stop, 2)
        table[first.start : first.stop : 2] = b"\1" * len(first)
        tables.append(bytes(table))
    return tuple(tables)


_FIRST: Final = b"\1"
_PAIR: Final = b"\1\2"
_GLOBAL_TABLES: Final = _pair_tables(2 * GLOBAL_WORD_COUNT, odd=0)


def _refer_to_words(elements: Elements, word_count: int) -> bool:
    """Looks at each entry. What is no index can look like a bad one, such as a map's length."""
    end, start = GLOBAL_WORD_COUNT, -word_count
    for element in elements:
        strings = element.strings
        if not all(start <= strings[index] < end for index in strings):
            return False
        for each in element.string_maps.values():
            entries = each.entries
            if not all(start <= key < end and start <= entries[key] < end for key in entries):
                return False
    return True


def column_at(type_map: TypeMap, index: int, elements: Elements, words: MessageWords) -> Values:
    """What each element has there, None where it has nothing or nothing that can be decoded.

    Raises `UnknownIndexError` if one refers to a word that there is not.
    """
    return _READERS[type_map](elements, index, words)


def _strings(elements: Elements, index: int, words: MessageWords) -> Values:
    words.texts()  # all at once: an index is one object then
    text = words.text
    return [None if (word := each.strings.get(index)) is None else text(word) for each in elements]


def _string_maps(elements: Elements, index: int, words: MessageWords) -> Values:
    return [
        None if entries is None else decode_string_map(entries, words)
        for entries in [each.string_maps.get(index) for each in elements]
    ]


def _timestamps(elements: Elements, index: int, _words: MessageWords) -> Values:
    return [
        None if instant is None else decode_timestamp(instant)
        for instant in [each.timestamps.get(index) for each in elements]
    ]


def _durations(elements: Elements, index: int, _words: MessageWords) -> Values:
    return [
        None if length is None else decode_duration(length)
        for length in [each.durations.get(index) for each in elements]
    ]


_Reader: TypeAlias = Callable[[Elements, int, MessageWords], Values]


_MapOf: TypeAlias = Callable[[CompressedAttributes], Mapping[int, Value]]


def _scalars(type_map: TypeMap) -> _Reader:
    map_of: _MapOf = attrgetter(type_map)

    def read(elements: Elements, index: int, _words: MessageWords) -> Values:
        return [values.get(index) for values in map(map_of, elements)]

    return read


_READERS: Final[Mapping[str, _Reader]] = {
    "strings": _strings,
    "string_maps": _string_maps,
    "timestamps": _timestamps,
    "durations": _durations,
    **{each: _scalars(each) for each in ("int64s", "doubles", "bools", "bytes")},
}
