"""A bag over one message: each attribute is read by a function of its own, when first asked for."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Generic, TypeAlias, TypeVar

from remixer.attributes.bag import Bag, PlainBag
from remixer.attributes.values import Value

M = TypeVar("M")
AttributeTable: TypeAlias = Mapping[str, Callable[[M], Value | None]]
"""Attribute name to the function that reads it from a message; None where the message has none."""


def present_in(bag: Bag) -> PlainBag:
    """All attributes of any bag, each read once."""
    if isinstance(bag, TableBag):
        return bag.present()
    return PlainBag((name, value) for name in bag.names() if (value := bag[name]) is not None)


class TableBag(dict[str, Value | None], Generic[M]):
    """A `Bag`. Its own entries are the memo of what was read, None where absent.

    What stands above the table is told by `__missing__`, what else may be present by `_candidates`,
    and both at once by `present`.
    """

    __slots__ = ("_message", "_table")

    def __init__(self, message: M, table: AttributeTable[M]) -> None:
        self._message = message
        self._table = table

    def __missing__(self, name: str) -> Value | None:
        read = self._table.get(name)
        value = self[name] = None if read is None else read(self._message)
        return value

    def names(self) -> Iterator[str]:
        """Present attributes, each once; presence is known only by reading, so this reads."""
        return (name for name in dict.fromkeys(self._candidates()) if self[name] is not None)

    def present(self) -> PlainBag:
        """All attributes that there are, in half the time of asking for one after the other."""
        return self._read_all(PlainBag())

    def _read_all(self, found: PlainBag) -> PlainBag:
        """`found` with what the table reads over it."""
        message = self._message
        for name, read in self._table.items():
            value = read(message)
            if value is not None:
                found[name] = value
        return found

    def _candidates(self) -> Iterable[str]:
        return self._table
