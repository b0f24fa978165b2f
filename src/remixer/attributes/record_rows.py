"""Finished requests whose bags are read when they are handed over: names and values, kept as rows.

Theory of operation. Of a bag nothing is kept but values, which are immutable, and copies of its
string maps. Which of its values these are depends on names and types alone: that is found out once
per *layout* and remembered. Rows of one shape become columns by transposing them.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import groupby
from operator import itemgetter
from types import NoneType
from typing import Any, Final, NamedTuple, TypeAlias, cast

from remixer.attributes.bag import Bag, PlainBag
from remixer.attributes.records import Cell, Column, Kind, Records, column_of
from remixer.attributes.table_bag import TableBag, present_in
from remixer.attributes.values import Duration, StringMap, Timestamp

_MOST_LAYOUTS: Final = 256
"""That are remembered; arbitrary, a sender has a few."""
_OVERHEAD_BYTES: Final = 16
"""Of what is not counted of a value: most are shared with other rows, or small."""
_Shape: TypeAlias = tuple[tuple[str, ...], tuple[Kind, ...]]
_Conversion: TypeAlias = Callable[[Any], Cell]


class Row(NamedTuple):
    """One finished request. Its list belongs to it."""

    layout: "_Layout"
    values: list[Cell]

    def kept_bytes(self) -> int:
        """What keeping it takes, about."""
        layout, values = self
        size_bytes = _OVERHEAD_BYTES * len(values) + len("".join(layout.texts(values)))
        for position in layout.bytes_:
            size_bytes += len(values[position])
        for position in layout.maps:
            names, texts = values[position]
            size_bytes += len("".join(names)) + len("".join(texts))
        return size_bytes


class _Layout(NamedTuple):
    """What is known of bags that have these names, with values of these types."""

    shape: _Shape
    """Names and kinds of the values."""
    names: frozenset[str]
    conversions: tuple[tuple[int, _Conversion], ...]
    """By position, of values that do not stay as they are."""
    texts: Callable[[Sequence[Cell]], Iterable[str]]
    """Picks them."""
    bytes_: tuple[int, ...]
    maps: tuple[int, ...]


class RowReader:
    """Makes rows of bags."""

    __slots__ = ("_latest", "_layouts", "_names", "_types")

    def __init__(self) -> None:
        self._layouts: dict[tuple[tuple[str, ...], tuple[type, ...]], _Layout | None] = {}
        self._latest: _Layout | None = None
        """Of the names and types below; None: an attribute among them is absent."""
        self._find((), ())

    def row(self, bag: Bag) -> Row:
        """All that a bag has now. Raises what reading it raises."""
        if isinstance(bag, TableBag):
            bag = bag.present()
        if type(bag) is PlainBag:
            names, values = tuple(bag), [*bag.values()]
        else:
            names = tuple(bag.names())
            values = [cast("Any", bag[name]) for name in names]
        types = tuple(map(type, values))
        if names != self._names or types != self._types:
            self._find(names, types)
        layout = self._latest
        if layout is None:  # some value cannot be decoded
            return self.row(present_in(bag))
        for position, convert in layout.conversions:
            values[position] = convert(values[position])
        return Row(layout, values)

    def _find(self, names: tuple[str, ...], types: tuple[type, ...]) -> None:
        key = names, types
        if key not in self._layouts:
            if len(self._layouts) >= _MOST_LAYOUTS:
                self._layouts.clear()
            self._layouts[key] = None if NoneType in types else _layout(names, types)
        self._names, self._types = names, types
        self._latest = self._layouts[key]


def records_of(rows: Iterable[Row]) -> Iterator[Records]:
    """Those with the same names go together, in their order, as long as they are of one shape."""
    by_names: dict[frozenset[str], list[Row]] = {}
    for row in rows:
        by_names.setdefault(row.layout.names, []).append(row)
    for same in by_names.values():
        for (names, kinds), alike in groupby(same, key=_shape_of):
            values = [row.values for row in alike]
            cells = zip(*values, strict=True)
            columns = {
                name: _column(kind, each)
                for name, kind, each in zip(names, kinds, cells, strict=bool(names))
            }
            yield Records(len(values), columns)


def _shape_of(row: Row) -> _Shape:
    return row.layout.shape


def _column(kind: Kind, cells: Sequence[Cell]) -> Column:
    return Column(kind, cells) if kind is Kind.DOUBLE else column_of(kind, cells)


# Subclasses before their bases: True, instants and durations are ints to Python.
_KINDS: Final[tuple[tuple[type, Kind, _Conversion], ...]] = (
    (str, Kind.STRING, str.__str__),
    (bool, Kind.BOOL, bool),
    (Timestamp, Kind.TIMESTAMP, int.__int__),
    (Duration, Kind.DURATION, int.__int__),
    (int, Kind.INT64, int.__int__),
    (float, Kind.DOUBLE, float.__float__),
    (bytes, Kind.BYTES, bytes),
)


def _layout(names: tuple[str, ...], types: tuple[type, ...]) -> _Layout:
    kinds: list[Kind] = []
    conversions: list[tuple[int, _Conversion]] = []
    for position, type_ in enumerate(types):
        kind, convert = _kind(type_)
        kinds.append(kind)
        if convert is not None:
            conversions.append((position, convert))
    texts = _at(kinds, Kind.STRING)
    return _Layout(
        (names, tuple(kinds)),
        frozenset(names),
        tuple(conversions),
        itemgetter(*texts) if len(texts) > 1 else partial(_picked, texts),
        _at(kinds, Kind.BYTES),
        _at(kinds, Kind.STRING_MAP),
    )


def _at(kinds: Sequence[Kind], kind: Kind) -> tuple[int, ...]:
    return tuple(position for position, each in enumerate(kinds) if each is kind)


def _picked(positions: Iterable[int], values: Sequence[Cell]) -> list[Cell]:
    return [values[position] for position in positions]


def _kind(type_: type) -> tuple[Kind, _Conversion | None]:
    """Of values of a type; and how one is made a plain one, if it is none.

    A subclass of a carrier, such as an enum, may compare oddly.
    """
    for carrier, kind, convert in _KINDS:
        if type_ is carrier:
            return kind, None
        if issubclass(type_, carrier):
            return kind, convert
    return Kind.STRING_MAP, _entries


def _entries(value: StringMap) -> tuple[tuple[str, ...], tuple[str, ...]]:
    entries = value.whole()
    return tuple(entries), tuple(entries.values())
