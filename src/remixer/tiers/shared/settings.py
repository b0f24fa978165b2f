"""What an operator decides of the shared cache, with safe defaults."""

from dataclasses import dataclass
from typing import Final

MOST_AGE_S: Final = 3_600.0
"""Servers remember a little longer how many readers an answer had."""


@dataclass(frozen=True, slots=True)
class SharedSettings:
    """Bounds and times. Seconds."""

    budget_s: float = 0.002
    """What the shared cache may cost one check."""
    scope: str = ""
    """Instances of different scopes share nothing: say, the version of a program."""
    shares_quick_answers: bool = False
    """Also answers that the inner Mixer gives without waiting. Making one costs less than asking
    for it, so it is of use only to see the cache at work."""
    max_age_s: float = 3_600.0
    """No answer is kept longer, whatever its adapters allow; an hour is the most."""
    max_skew_s: float = 1.0
    """By how much clocks of instances may differ. Nothing outlives its end by more than that."""
    refresh_at: float = 0.7
    """After this part of its life an answer in demand is made anew, by one instance."""
    max_refreshes: int = 64
    """Renewals under way at once."""
    shapes_age_s: float = 1.0
    """How old an instance's view of what others learnt may be."""
    max_shapes: int = 64
    """Of one set of rules."""
    max_places: int = 1_000
    """Sets of rules whose shapes are known at once."""
    max_value_bytes: int = 64 << 10
    """Larger answers are not shared."""
    max_batch: int = 256
    """Keys in one round trip."""
    max_rounds: int = 2
    """Round trips of one sort under way at once, to one server."""
    max_unwritten: int = 10_000
    """Answers that wait to be written, to one server."""
    max_unwritten_bytes: int = 16 << 20
    poll_s: float = 5.0
    """How long it takes at most until a revocation is heard of, or a new secret is read."""
