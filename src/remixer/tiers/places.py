"""Places: whose rules decide a request, and which shapes their answers have."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from remixer.foundation.errors import PolicyError
from remixer.tiers.keys import Key, Shape
from remixer.tiers.settings import CacheSettings
from remixer.tiers.verdicts import Verdict

if TYPE_CHECKING:
    from remixer.attributes.bag import Reference

_SWEEP_INTERVAL_S: Final = 60.0


class Place:
    """The shapes seen at one place, the most useful first."""

    __slots__ = ("by_references", "is_forgotten", "learned_s", "name", "shapes", "stamp")

    def __init__(self, name: Hashable, stamp: object, *, now_s: float) -> None:
        self.name = name
        self.stamp = stamp
        self.shapes: list[Shape] = []
        self.by_references: dict[frozenset[Reference], Shape] = {}
        self.learned_s = now_s
        self.is_forgotten = False
        """Whether its answers are found by nobody any more."""


@dataclass(slots=True)
class Question:
    """A request whose answer is not remembered, or no more."""

    place: Place
    stamp: Hashable  # mypyc compiles no dataclass with an `object`
    epoch: int
    keys: tuple[Key, ...]
    """Of every shape it may be of: equal tuples are probably one question."""
    made: Mapping[Shape, Key] = field(default_factory=dict)
    """Those that were made of the request, by shape: no need to make them again."""
    is_joinable: bool = False
    """Whether answers to such questions are ones that can be remembered."""
    stale: Verdict | None = None
    """The last answer, if it may stand in for a failure."""
    ended_s: float = 0.0
    """When that one ended."""
    failure: PolicyError | None = None
    """What became of another's call for the same."""


class Places(dict[Hashable, Place]):
    """Places by name."""

    def __init__(self, settings: CacheSettings) -> None:
        super().__init__()
        self._settings = settings
        self._swept_s = 0.0

    def place_for(
        self, name: Hashable, stamp: object, *, longest_stale_s: float, now_s: float
    ) -> Place:
        """New unless its stamp is still the same.

        `longest_stale_s`: how long past its end an answer may be of use.
        """
        known = self.get(name)
        if known is not None and known.stamp == stamp:
            known.stamp = stamp  # so that the next look-up need not compare
            return known
        if now_s - self._swept_s >= _SWEEP_INTERVAL_S:
            self._swept_s = now_s
            self._sweep(now_s - self._settings.max_age_s - longest_stale_s)
        if known is not None:
            known.is_forgotten = True
        elif len(self) >= self._settings.max_places:
            self._forget(next(iter(self)))
        # Answers of the former rules are found by nobody any more, and leave in their turn.
        fresh = self[name] = Place(name, stamp, now_s=now_s)
        return fresh

    def forget_all(self) -> None:
        for name in [*self]:
            self._forget(name)

    def _sweep(self, learned_before_s: float) -> None:
        """Forget places all of whose answers have ended: their stamps hold on to old rules."""
        for place in [*self.values()]:
            if place.learned_s < learned_before_s:
                self._forget(place.name)

    def _forget(self, name: Hashable) -> None:
        self.pop(name).is_forgotten = True
