"""How long to wait after the n-th failure in a row: longer each time, and never all at once."""

from dataclasses import dataclass
from random import Random
from typing import Final

_MOST_DOUBLINGS: Final = 30  # a longer pause than any bound


@dataclass(frozen=True, slots=True)
class Backoff:
    """Pauses double up to a bound; each is cut by up to half, by chance."""

    first_s: float
    longest_s: float

    def pause_s(self, failures: int, random: Random) -> float:
        """After so many failures in a row, from 1."""
        doubled_s = self.first_s * 2.0 ** min(failures - 1, _MOST_DOUBLINGS)
        return min(doubled_s, self.longest_s) * random.uniform(0.5, 1.0)
