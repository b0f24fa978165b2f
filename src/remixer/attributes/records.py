"""Finished requests as columns: what a report says of many of them at once.

A `Records` holds requests that have the same attributes, each of one kind. Its cells are what the
attributes' values are made of, as found: texts may still be bytes, so that what recurs need not be
decoded again.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from itertools import compress
from typing import Any, NamedTuple, TypeAlias

Cell: TypeAlias = Any
"""As its column's `Kind` says."""


class Kind(Enum):
    """What the cells of a column are."""

    STRING = auto()
    """`str`."""
    RAW_STRING = auto()
    """`bytes`, see `text_of`."""
    INT64 = auto()
    """`int`, of any size."""
    DOUBLE = auto()
    BOOL = auto()
    BYTES = auto()
    TIMESTAMP = auto()
    """`int`, as of `Timestamp`; `DURATION` likewise."""
    DURATION = auto()
    STRING_MAP = auto()
    """Two tuples of one length, names and texts. A name is a `str` or bytes, and so is its text:
    `text_of` tells what bytes say, and such a name counts in lower case."""

    __hash__ = object.__hash__  # Enum's own is a Python function


class Column(NamedTuple):
    """One attribute of all records."""

    kind: Kind
    cells: Sequence[Cell]
    is_same: bool = False
    """Whether all cells are known to say the same."""


@dataclass(frozen=True, slots=True)
class Records:
    """So many finished requests that have the same attributes."""

    count: int
    columns: Mapping[str, Column]

    def part(self, first: int, end: int) -> "Records":
        """Those from `first` up to `end`."""
        if not first and end >= self.count:
            return self
        columns = {
            name: Column(kind, cells[first:end], is_same)
            for name, (kind, cells, is_same) in self.columns.items()
        }
        return Records(min(end, self.count) - first, columns)


def text_of(raw: bytes) -> str:
    r"""What bytes from the wire say; such as are no UTF-8 become `\xNN`, and so stay different."""
    return raw.decode("utf-8", "backslashreplace")


def column_of(kind: Kind, cells: Sequence[Cell]) -> Column:
    """For kinds whose equal cells say the same: all but doubles and string maps."""
    return Column(kind, cells, cells.count(cells[0]) == len(cells))


def split_by_presence(columns: Mapping[str, Column], count: int) -> Iterator[Records]:
    """Records of columns in which None stands for an absent attribute.

    One `Records` for each set of attributes that some requests have, in order of the first of them;
    requests keep their order within it.
    """
    everywhere: dict[str, Column] = {}
    somewhere: dict[str, tuple[Column, list[bool]]] = {}
    for name, column in columns.items():
        cells = column.cells
        if column.is_same:
            if cells[0] is not None:
                everywhere[name] = column
        elif True in (absences := [cell is None for cell in cells]):
            somewhere[name] = (column, absences)
        else:
            everywhere[name] = column
    if not somewhere:
        yield Records(count, everywhere)
        return
    patterns = [*zip(*(absences for _, absences in somewhere.values()), strict=True)]
    for pattern in dict.fromkeys(patterns):
        chosen = [each == pattern for each in patterns]
        kept = everywhere | {
            name: column
            for (name, (column, _)), is_absent in zip(somewhere.items(), pattern, strict=True)
            if not is_absent
        }
        yield Records(chosen.count(True), {name: _chosen(kept[name], chosen) for name in kept})


def _chosen(column: Column, flags: Iterable[bool]) -> Column:
    return Column(column.kind, [*compress(column.cells, flags)], column.is_same)
