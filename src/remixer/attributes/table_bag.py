"""A bag over one message: each attribute is read by a function of its own, when first asked for."""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeAlias, TypeVar

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


def read_all(table: AttributeTable[M], message: M, found: PlainBag) -> PlainBag:
    """`found` with what a table reads over it."""
    for name, read in table.items():
        value = read(message)
        if value is not None:
            found[name] = value
    return found


class TableBag(dict[str, Value | None]):
    """A `Bag`. Its own entries are the memo of what was read, None where absent.

    A subclass reads one attribute in `__missing__`, which is on the path of every request and calls
    as little as it can.
    """

    __slots__ = ()

    @abstractmethod
    def __missing__(self, name: str) -> Value | None:
        """Read an attribute for the first time, and keep it."""

    @abstractmethod
    def _candidates(self) -> Iterable[str]:
        """Names of what may be present; more than once does no harm."""

    @abstractmethod
    def present(self) -> PlainBag:
        """All attributes that there are, in half the time of asking for one after the other."""

    def names(self) -> Iterator[str]:
        """Present attributes, each once; presence is known only by reading, so this reads."""
        return (name for name in dict.fromkeys(self._candidates()) if self[name] is not None)
