"""Many bags at once, read attribute by attribute.

A column holds what each bag of a sequence has for one attribute, None where it is absent. Nobody
changes a column that was given out. Most attributes of a batch are alike in all of its bags: such a
column is a `SameColumn`, and who asks for one value need not look at the others.
"""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Final, TypeAlias, overload

from remixer.attributes.bag import Bag
from remixer.attributes.values import Duration, Timestamp, Value

Column: TypeAlias = Sequence[Value | None]


class SameColumn(list[Value | None]):
    """A column whose values are of one type and equal, so that each may stand for any other."""

    __slots__ = ()


class BagColumns(Sequence[Bag]):
    """A sequence of bags that can tell columns. Implementations remember them.

    A column is a `SameColumn` whenever its values are alike, see `settled`.
    """

    __slots__ = ()

    @abstractmethod
    def column(self, name: str) -> Column:
        """As long as the sequence; equals `[bag[name] for bag in self]`."""

    @abstractmethod
    def bag_at(self, position: int) -> Bag:
        """The bag at a position from 0."""

    @overload
    def __getitem__(self, index: int) -> Bag: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Bag]: ...

    def __getitem__(self, index: int | slice) -> Bag | Sequence[Bag]:
        numbers = range(len(self))[index]
        return self.bag_at(numbers) if isinstance(numbers, int) else [*map(self.bag_at, numbers)]

    def __iter__(self) -> Iterator[Bag]:
        return map(self.bag_at, range(len(self)))


class GatheredColumns(BagColumns):
    """Columns of bags that know nothing of each other."""

    __slots__ = ("_bags", "_columns")

    def __init__(self, bags: Sequence[Bag]) -> None:
        self._bags = bags
        self._columns: dict[str, Column] = {}

    def __len__(self) -> int:
        return len(self._bags)

    def bag_at(self, position: int) -> Bag:
        return self._bags[position]

    def column(self, name: str) -> Column:
        column = self._columns.get(name)
        if column is None:
            column = self._columns[name] = settled([bag[name] for bag in self._bags])
        return column


class SelectedColumns(BagColumns):
    """Some of the bags of another sequence: those at `positions`, in that order."""

    __slots__ = ("_columns", "_inner", "_positions")

    def __init__(self, inner: BagColumns, positions: Sequence[int]) -> None:
        self._inner = inner
        self._positions = positions
        self._columns: dict[str, Column] = {}

    def __len__(self) -> int:
        return len(self._positions)

    def bag_at(self, position: int) -> Bag:
        return self._inner.bag_at(self._positions[position])

    def column(self, name: str) -> Column:
        column = self._columns.get(name)
        if column is None:
            column = self._columns[name] = picked(self._inner.column(name), self._positions)
        return column


def columns_of(bags: Sequence[Bag]) -> BagColumns:
    """The columns of any bags."""
    return bags if isinstance(bags, BagColumns) else GatheredColumns(bags)


def picked(column: Column, positions: Sequence[int]) -> Column:
    """What stands at `positions`, of which there is at least one."""
    if type(column) is SameColumn:
        return SameColumn([column[0]] * len(positions))
    return settled([column[position] for position in positions])


def settled(column: list[Value | None]) -> Column:
    """The column, as a `SameColumn` if its values are known to be alike.

    Doubles and string maps are only known to be if they are one object: 0.0 equals -0.0.
    """
    if not column:
        return column
    first = column[0]
    if len(column) == 1:
        return SameColumn(column)
    if column.count(first) < len(column):
        return column
    kinds = set(map(type, column))
    if len(kinds) > 1:
        return column
    if kinds.isdisjoint(_COMPARABLE) and not all(each is first for each in column):
        return column
    return SameColumn(column)


_COMPARABLE: Final = frozenset({str, int, bool, bytes, Timestamp, Duration, type(None)})
