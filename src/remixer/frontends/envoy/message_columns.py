"""Bags of one kind of message, read attribute by attribute.

Theory of operation. What `MessageBag` finds out for each bag anew, where an attribute comes from and
of what type it is declared, is found out once per column; and nothing is kept in the bags. Only
attributes of the table are read so: all else the bags read themselves.
"""

from collections.abc import Iterator, Sequence
from typing import Generic, TypeVar

from remixer.attributes.columns import BagColumns, Column, settled
from remixer.attributes.static_values import static_value
from remixer.attributes.values import Value, ValueType
from remixer.frontends.envoy.message_bag import MessageBag

B = TypeVar("B", bound=MessageBag)
B_co = TypeVar("B_co", bound=MessageBag, covariant=True)


class MessageColumns(BagColumns, Generic[B_co]):
    """Implements `BagColumns` over bags that have table and vocabulary in common."""

    __slots__ = ("_columns", "bags")

    def __init__(self, bags: Sequence[B_co]) -> None:
        self.bags = bags
        """Nobody changes them."""
        self._columns: dict[str, Column] = {}

    def __len__(self) -> int:
        return len(self.bags)

    def __iter__(self) -> Iterator[B_co]:
        return iter(self.bags)

    def bag_at(self, position: int) -> B_co:
        return self.bags[position]

    def part(self, first: int, end: int) -> "MessageColumns[B_co]":
        """Those from `first` up to `end`, which knows no columns yet."""
        return MessageColumns(self.bags[first:end])

    def followed_by(
        self, others: "MessageColumns[MessageBag]"
    ) -> "MessageColumns[MessageBag] | None":
        """Both, of which no column is known yet; None if table or vocabulary is another."""
        if self.bags and others.bags:
            one, other = self.bags[0], others.bags[0]
            if one.table is not other.table or one.vocabulary is not other.vocabulary:
                return None
        return MessageColumns([*self.bags, *others.bags])

    def column(self, name: str) -> Column:
        column = self._columns.get(name)
        if column is None:
            bags = self.bags
            values = [bags[0][name]] if len(bags) == 1 else _column(bags, name)
            column = self._columns[name] = settled(values)
        return column


def _column(bags: Sequence[B], name: str) -> list[Value | None]:
    read = bags[0].table.get(name) if bags else None
    if read is None:
        return [bag[name] for bag in bags]
    declared = bags[0].vocabulary.types.get(name)
    if declared is None or declared is ValueType.STRING:
        return [static[name] if name in (static := bag.static) else read(bag) for bag in bags]
    return [
        static_value(static[name], declared) if name in (static := bag.static) else read(bag)
        for bag in bags
    ]
