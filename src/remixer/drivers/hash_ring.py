"""Which of several servers keeps a key: consistent hashing. Pure.

Each server has points on a circle of 2^64; a key belongs to the server of the first point at or
after its own. One server more, or less, moves the keys of one share alone. Points depend on names
only: equal in every process, whatever the order of the names.
"""

import hashlib
from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

POINTS: Final = 160
"""Of a server. The largest share of ten servers is then about a fifth above the mean."""


class HashRing:
    """Servers by name."""

    __slots__ = ("_owners", "_points")

    def __init__(self, names: Sequence[str]) -> None:
        """`names` are not empty and differ."""
        placed = sorted(
            (_point(f"{name}#{number}".encode()), name, index)
            for index, name in enumerate(names)
            for number in range(POINTS)
        )
        self._points = [point for point, _, _ in placed]
        self._owners = [index for _, _, index in placed]

    def index_of(self, key: bytes) -> int:
        """The index of the key's server in `names`."""
        found = bisect_left(self._points, _point(key))
        return self._owners[found if found < len(self._points) else 0]


def _point(text: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")
