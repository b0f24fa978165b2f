"""What became of the answers of one shape: hits, and about how many keys there were.

The number of different keys is estimated (HyperLogLog), so that it costs a fixed 128 bytes.
Source: "HyperLogLog: the analysis of a near-optimal cardinality estimation algorithm", 2007.
"""

from collections.abc import Hashable
from math import log
from typing import Final

_INDEX_BITS: Final = 7
_REGISTERS: Final = 1 << _INDEX_BITS  # an error of about 9 %
_HASH_BITS: Final = 61  # of Python's hashes of numbers; those of texts have more
_MASK: Final = (1 << _HASH_BITS) - 1
_ALPHA: Final = 0.7213 / (1 + 1.079 / _REGISTERS)
_SMALL: Final = 2.5 * _REGISTERS
_MIX: Final = 0x9E3779B97F4A7C15  # 2^64 / golden ratio: spreads neighbours over all bits


class ShapeCounts:
    """Of one shape since it was first seen."""

    __slots__ = ("_registers", "hits", "learned")

    def __init__(self) -> None:
        self.hits = 0
        self.learned = 0
        """Answers put into the memory, renewed ones too."""
        self._registers = bytearray(_REGISTERS)

    def learn(self, key: Hashable) -> None:
        """An answer was remembered under this key."""
        self.learned += 1
        mixed = hash(key) * _MIX & _MASK
        mixed ^= mixed >> 32
        index, rest = mixed & (_REGISTERS - 1), mixed >> _INDEX_BITS
        rank = _HASH_BITS - _INDEX_BITS - rest.bit_length() + 1
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
