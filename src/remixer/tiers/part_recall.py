"""Remembered answers for requests whose operator wrote down what chooses the rules.

Theory of operation. What an operator lets come with many requests alike (`KnownPart`) mostly tells
whose rules decide them, and often all that an answer depended on. So the way from a part to its place
is found once, and the values of a key that the part tells are put together once. What is left of a hit
is one look-up, without an object for the request.

Only the plain case is dealt with here: places that the part tells, no quotas that may apply. All else
is left to `CachedMixer`, which comes to the same answer with the same counts.
"""

from collections.abc import Callable, Hashable
from functools import partial
from typing import Final, Protocol, TypeAlias

from remixer.attributes.bag import Bag
from remixer.mixer.outcome import CheckOutcome
from remixer.mixer.request import CheckRequest
from remixer.tiers.cached import CachedMixer
from remixer.tiers.recall import KnowingPolicies

_Place: TypeAlias = tuple[Hashable, object]
"""As `Policies.place_of` has it, with a stamp."""

_MOST: Final = 2_048
"""Parts, of a few kilobytes; then all are forgotten."""

Rest: TypeAlias = Callable[[CheckRequest], CheckOutcome | None]
"""The rest of `Mixer.check_now`, for a request of what was looked up."""


class AllowingPolicies(KnowingPolicies, Protocol):
    """Policies that know where quotas apply."""

    def may_allocate(self, bag: Bag) -> bool:
        """Whether a quota may apply to a request at this bag's place."""
        ...


class KnownPart(Hashable, Protocol):
    """What comes with many requests alike; equal to none but itself."""

    def tells(self, name: str) -> bool:
        """Whether the attribute has the same value, or is absent, in all requests with this part."""
        ...


class PartRecall:
    """What a memory of verdicts answers by such parts."""

    __slots__ = (
        "_answers",
        "_counts",
        "_memory",
        "_most",
        "_now_s",
        "_places",
        "_policies",
        "_rules",
    )

    def __init__(
        self,
        memory: CachedMixer,
        *,
        policies: AllowingPolicies,
        now_s: Callable[[], float],
        most: int = _MOST,
    ) -> None:
        """`policies` and the clock are those of `memory`. `most`: bounds what `len` tells."""
        self._most = most
        self._rules: object = None
        self._places: dict[KnownPart, _Place | None] = {}
        """None: it is not told by the part, or there is more to do there than to look up."""
        self._memory = memory
        self._counts = memory.counts
        self._answers = memory.answers
        self._policies = policies
        self._now_s = now_s

    def __len__(self) -> int:
        """How many parts are known; bounded."""
        return len(self._places)

    def find(self, bag: Bag, part: KnownPart) -> CheckOutcome | Rest | None:
        """The answer for one who keeps none; or how to come to it; None: ask the memory itself.

        `part`: the bag's, which has all that the part tells.
        """
        rules = self._policies.rules
        if self._rules is not rules:
            self._rules = rules
            self._places.clear()
        try:
            place = self._places[part]
        except KeyError:
            place = self._new_place(bag, part)
        if place is None:
            return None
        answers = self._answers
        now_s = self._now_s()
        name, stamp = place
        found = answers.find(bag, name, stamp, now_s=now_s)
        if not isinstance(found, int):
            return partial(self._memory.ask_now, found=found)
        if self._memory.renews and answers.is_ending(found, now_s=now_s):
            return partial(self._memory.take_now, slot=found, now_s=now_s)
        counts = self._counts
        counts.hits += 1
        outcome = answers.take(found, now_s=now_s, keeps=False)
        if outcome.status.code:
            counts.hit_denials += 1
        return outcome

    def _new_place(self, bag: Bag, part: KnownPart) -> _Place | None:
        if len(self._places) >= self._most:
            self._places.clear()
        place = self._places[part] = self._place(bag, part)
        return place

    def _place(self, bag: Bag, part: KnownPart) -> _Place | None:
        policies = self._policies
        names = policies.place_names({})
        known = {name: bag[name] for name in names if part.tells(name)}
        if not all(map(part.tells, policies.place_names(known))) or policies.may_allocate(bag):
            return None
        name, stamp = policies.place_of(bag)
        return None if stamp is None else (name, stamp)
