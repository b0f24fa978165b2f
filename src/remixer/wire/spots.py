"""Where in a request the value of an attribute is."""

from typing import Final, TypeAlias

from remixer.attributes.values import Value

Spot: TypeAlias = tuple[int, Value | None]
"""The slot of a word, with None; or one of the following, below zero."""

CONSTANT: Final = -1
"""The value itself; None: absent."""
STRING_MAP: Final = -2
"""A string map, with the index of its name."""
TIME: Final = -3
"""A timestamp, which may be undecodable, with the index of its name."""

ABSENT: Final[Spot] = (CONSTANT, None)
