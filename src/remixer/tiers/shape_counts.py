"""What became of the answers of one shape: hits, and about how many keys there were.

The number of different keys is estimated (HyperLogLog), so that it costs a fixed 128 bytes.
Source: "HyperLogLog: the analysis of a near-optimal cardinality estimation algorithm", 2007.
"""

from math import log
from typing import Final

_INDEX_BITS: Final = 7
_REGISTERS: Final = 1 << _INDEX_BITS  # an error of about 9 %
_RANKED_BITS: Final = 54  # of a hash, above those of the index
_RANKED: Final = (1 << _RANKED_BITS) - 1
_ALPHA: Final = 0.7213 / (1 + 1.079 / _REGISTERS)
_SMALL: Final = 2.5 * _REGISTERS


class ShapeCounts:
    """Of one shape since it was first seen."""

    __slots__ = ("_registers", "hits", "learned")

    def __init__(self) -> None:
        self.hits = 0
        self.learned = 0
        """Answers put into the memory, renewed ones too."""
        self._registers = bytearray(_REGISTERS)

    def learn(self, key: str) -> None:
        """An answer was remembered under this key. Hashes of texts are spread over all bits."""
        self.learned += 1
        hashed = hash(key)
        index = hashed & (_REGISTERS - 1)
        rank = _RANKED_BITS + 1 - (hashed >> _INDEX_BITS & _RANKED).bit_length()
        if rank > self._registers[index]:  # noqa: PLR1730 - a call costs more, and it rarely is
            self._registers[index] = rank

    @property
    def keys(self) -> int:
        """How many different keys, give or take a tenth; never more than were learnt."""
        harmonic = sum(2.0**-rank for rank in self._registers)
        estimate = _ALPHA * _REGISTERS * _REGISTERS / harmonic
        empty = self._registers.count(0)
        if estimate <= _SMALL and empty:
            estimate = _REGISTERS * log(_REGISTERS / empty)
        return min(self.learned, round(estimate))
