"""Bags of one kind of message, read attribute by attribute.

Theory of operation. What `MessageBag` finds out for each bag anew, where an attribute comes from and
of what type it is declared, is found out once per column; and nothing is kept in the bags. Only
attributes of the table are read so: all else the bags read themselves.
"""

from collections.abc import Iterator, Sequence
from typing import Generic, TypeVar

from remixer.attributes.columns import BagColumns, Column
from remixer.attributes.static_values import static_value
from remixer.attributes.values import ValueType
from remixer.frontends.envoy.message_bag import MessageBag

B = TypeVar("B", bound=MessageBag)


class MessageColumns(BagColumns, Generic[B]):
    """Implements `BagColumns` over bags that have table and vocabulary in common."""

    __slots__ = ("_bags", "_columns")

    def __init__(self, bags: Sequence[B]) -> None:
        self._bags = bags
        self._columns: dict[str, Column] = {}

    def __len__(self) -> int:
        return len(self._bags)

    def __iter__(self) -> Iterator[B]:
        return iter(self._bags)

    def bag_at(self, position: int) -> B:
        return self._bags[position]

    def part(self, first: int, end: int) -> "MessageColumns[B]":
        """Those from `first` up to `end`, which knows no columns yet."""
        return MessageColumns(self._bags[first:end])

    def column(self, name: str) -> Column:
        column = self._columns.get(name)
        if column is None:
            bags = self._bags
            column = [bags[0][name]] if len(bags) == 1 else _column(bags, name)
            self._columns[name] = column
        return column


def _column(bags: Sequence[B], name: str) -> Column:
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
