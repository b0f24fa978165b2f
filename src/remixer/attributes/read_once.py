"""Parts of a message that several attributes are read from."""

from collections.abc import Callable
from typing import Generic, TypeVar

O = TypeVar("O")
V = TypeVar("V")


class ReadOnce(Generic[O, V]):
    """A part that is read when first asked for, and kept in the instance.

    As `functools.cached_property`, which up to Python 3.11 takes a lock that costs more than most
    parts do. May go with Python 3.11.
    """

    __slots__ = ("_name", "_read")

    def __init__(self, read: Callable[[O], V]) -> None:
        self._read = read
        self._name = ""

    def __set_name__(self, owner: type[O], name: str) -> None:
        self._name = name

    def __get__(self, owner: O, _: type[O]) -> V:
        """Is asked once: what is then in the instance comes first."""
        value = self._read(owner)
        setattr(owner, self._name, value)
        return value
