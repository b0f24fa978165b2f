"""What became of the questions to the shared cache."""

from collections import Counter
from dataclasses import dataclass, field

from remixer.tiers.shared.seal import Refusal


@dataclass(slots=True)
class SharedCounts:
    """Of one process. Only ever grow."""

    hits: int = 0
    misses: int = 0
    bypassed: int = 0
    """The cache rests after failures, or the rules of the request may not be shared."""
    late: int = 0
    """Questions that were given up at the end of their budget."""
    failed: int = 0
    """Questions that the server did not answer, or with an error."""
    crowded: int = 0
    """Questions that were not asked: too many waited already."""
    rests: int = 0
    """How often a server was left alone after failures."""
    renewals: int = 0
    written: int = 0
    write_dropped_full: int = 0
    write_dropped_resting: int = 0
    write_dropped_failed: int = 0
    too_large: int = 0
    shapes_refused: int = 0
    """Answers not shared because their rules have as many shapes as are allowed."""
    refused: Counter[Refusal] = field(default_factory=Counter)
    """Values that were found and of no use, by cause."""

    @property
    def writes_dropped(self) -> int:
        """Of all causes."""
        return self.write_dropped_full + self.write_dropped_resting + self.write_dropped_failed
