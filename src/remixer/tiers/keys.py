"""Keys of answers: the values that an answer depended on, in the order of its shape.

Theory of operation. An answer says what was read to find it (`CheckOutcome.references`). That set,
without the values, is its *shape*; the values of a request for a shape are its *key*. Evaluation is
deterministic and decides what to read next by what it has read, so two requests with the same key
of the same shape are answered alike. A request is tried against the shapes known for its place.

What differs for a rule must differ in a key: a value from another type (`1`, `true`, `1.0`), an
absent attribute from an empty one, an absent map key from an absent map.

A key is one text, because a million of them must cost the garbage collector nothing: *plain* if
every value is a text, joined by NUL; else *typed*, each value with its type and length.

Source: Mixer 1.3's check cache, without its faults: an answer is kept under its own shape, all types
count, and reading for a key is no reading for the answer.
"""

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Final, Protocol, TypeAlias, cast

from remixer.attributes.bag import SCALARS, Bag, Condition, Reference
from remixer.attributes.values import Duration, PlainStringMap, StringMap, Timestamp, Value
from remixer.tiers.shape_counts import ShapeCounts
from remixer.wire.key_plan import UNPLANNED, PlannedBag, Wanted

Key: TypeAlias = str
"""Equal only if all that was read is equal; of no meaning in another process."""

_PLAIN: Final = "\0"  # after the serial number, and between values
_TYPED: Final = "\1"
_DOUBLE: Final = struct.Struct(">d")
_DOUBLE_DIGITS: Final = 16


class _Readable(Protocol):
    """A bag or a string map."""

    def __getitem__(self, name: str, /) -> object: ...


_Read: TypeAlias = Callable[[_Readable], tuple[object, ...]]


@dataclass(frozen=True, slots=True)
class _MapPart:
    """What to read of one string map; with no keys at all, that it is one."""

    name: str
    absent: tuple[str, ...]
    present: tuple[str, ...]
    read_absent: _Read
    read_present: _Read
    nones: tuple[None, ...]


class Shape:
    """What one kind of answer depended on."""

    __slots__ = (
        "_map_parts",
        "_nones",
        "_read_absent",
        "_read_whole",
        "_size",
        "_whole",
        "counts",
        "is_kept",
        "references",
        "serial",
        "serial_text",
        "wanted",
    )

    def __init__(self, references: frozenset[Reference], *, serial: int) -> None:
        """`serial` tells shapes apart in keys."""
        self.references = references
        self.serial = serial
        self.counts = ShapeCounts()
        self.is_kept = True
        """Whether the last answer of this shape could be remembered."""
        absent = _names(references, Condition.ABSENCE)
        self._whole = _names(references, Condition.EXACT)
        self._read_absent = _reader(absent)
        self._nones = (None,) * len(absent)
        self._read_whole = _reader(self._whole)
        self._map_parts = tuple(_map_parts(references, without={*absent, *self._whole}))
        maps = tuple((part.name, part.absent, part.present) for part in self._map_parts)
        self.wanted = Wanted(absent, self._whole, maps)
        """What follows from `references`, for plans."""
        self.serial_text = str(serial)
        """How keys begin."""
        self._size = len(self._whole) + sum(len(part.present) for part in self._map_parts)

    def key_of(self, bag: Bag) -> Key | None:
        """The key of a request; None if no answer of this shape can be its answer."""
        if isinstance(bag, PlannedBag):
            texts = bag.texts_of(self.references, self.wanted)
            if texts is None:
                return None
            if texts is not UNPLANNED:
                return self.serial_text + texts
        return self.key_by_reading(bag)

    def key_by_reading(self, bag: Bag) -> Key | None:
        """The same of any bag, value by value."""
        if self._read_absent(bag) != self._nones:
            return None
        values = self._read_whole(bag)
        for part in self._map_parts:
            entries = bag[part.name]
            if entries is None or entries.__class__ in SCALARS:
                return None
            entries = cast("StringMap", entries)
            if part.read_absent(entries) != part.nones:
                return None
            values += part.read_present(entries)
        if None in values:
            return None
        try:
            key = _PLAIN.join((self.serial_text, *values))  # type: ignore[arg-type] # tried
        except TypeError:
            return self._typed_key(values)
        # A value with a NUL inside could pass for two.
        return key if key.count(_PLAIN) == self._size else self._typed_key(values)

    def values_of(self, key: Key) -> Mapping[str, Value]:
        """Attributes that a key tells; of a string map what was read, even if that is nothing."""
        end = len(self.serial_text)
        kind, rest = key[end : end + 1], key[end + 1 :]
        parts: Iterator[Value] = _typed_values(rest) if kind == _TYPED else iter(rest.split(_PLAIN))
        values: dict[str, Value] = {name: next(parts) for name in self._whole}
        for part in self._map_parts:
            entries = {name: str(next(parts)) for name in part.present}
            values[part.name] = PlainStringMap(entries)
        return values

    def _typed_key(self, values: Iterable[object]) -> Key:
        return self.serial_text + _TYPED + "".join(map(_typed, cast("Iterable[Value]", values)))


def serial_of(key: Key) -> int:
    """The serial number of the shape that made `key`."""
    return int(key.partition(_PLAIN)[0].partition(_TYPED)[0])


# ------------------------------------------------------------ reading


def _names(references: Iterable[Reference], condition: Condition) -> tuple[str, ...]:
    """Attributes that were met like that as a whole."""
    return tuple(
        sorted({name for name, key, met in references if key is None and met is condition})
    )


def _map_parts(references: Iterable[Reference], *, without: set[str]) -> Iterator[_MapPart]:
    keys: dict[str, dict[str, bool]] = {}
    for name, key, condition in references:
        if name not in without:
            of_map = keys.setdefault(name, {})
            if key is not None:
                of_map[key] = condition is Condition.ABSENCE
    for name, of_map in sorted(keys.items()):
        absent = tuple(sorted(key for key, is_absent in of_map.items() if is_absent))
        present = tuple(sorted(of_map.keys() - set(absent)))
        nones = (None,) * len(absent)
        yield _MapPart(name, absent, present, _reader(absent), _reader(present), nones)


def _reader(names: tuple[str, ...]) -> _Read:
    """Reads all of `names` at once; `itemgetter` alone answers one name with no tuple."""
    match names:
        case ():
            return lambda _: ()
        case (name,):
            return lambda readable: (readable[name],)
        case _:
            return cast("_Read", itemgetter(*names))


# ------------------------------------------------------------ typed values


def _typed(value: Value) -> str:
    """A value so that it equals no value of another type, and cannot be mistaken for two."""
    match value:
        case str():
            return f"s{len(value)}:{value}"
        case bytes():
            return f"x{len(value)}:{value.decode('latin-1')}"
        case bool():
            return f"b{value:d};"
        case Timestamp():
            return f"t{value:d};"
        case Duration():
            return f"d{value:d};"
        case int():
            return f"i{value};"
        case float():
            # By its bits: minus zero differs from zero, and a NaN equals its like.
            return "f" + _DOUBLE.pack(value).hex()
        case _:
            entries = sorted(value.whole().items())
            texts = "".join(_typed(text) for entry in entries for text in entry)
            return f"m{len(entries)};{texts}"


def _typed_values(text: str) -> Iterator[Value]:
    """What `_typed` made, one after another."""
    position = 0
    while position < len(text):
        value, position = _typed_value(text, position)
        yield value


def _typed_value(text: str, start: int) -> tuple[Value, int]:
    """The value that begins at `start`, and where it ends."""
    kind, start = text[start], start + 1
    match kind:
        case "s" | "x":
            colon = text.index(":", start)
            end = colon + 1 + int(text[start:colon])
            content = text[colon + 1 : end]
            return (content if kind == "s" else content.encode("latin-1")), end
        case "f":
            end = start + _DOUBLE_DIGITS
            (number,) = _DOUBLE.unpack(bytes.fromhex(text[start:end]))
            return float(number), end
        case "m":
            return _typed_map(text, start)
        case _:
            end = text.index(";", start)
            return _INTEGERS[kind](int(text[start:end])), end + 1


_INTEGERS: Final[Mapping[str, Callable[[int], Value]]] = {
    "b": bool,
    "d": Duration,
    "i": int,
    "t": Timestamp,
}


def _typed_map(text: str, start: int) -> tuple[PlainStringMap, int]:
    end = text.index(";", start)
    entries = PlainStringMap()
    position = end + 1
    for _ in range(int(text[start:end])):
        name, position = _typed_value(text, position)
        value, position = _typed_value(text, position)
        entries[str(name)] = str(value)
    return entries, position
