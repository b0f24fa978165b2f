"""Remembered answers for requests that nobody has decoded: by layout and words alone.

Theory of operation. Most checks are answered from memory, and of those most of the price was the
request: an object for it, a bag, attributes read one by one to choose the rules. Where the layout of a
request is known (`remixer.wire.layout`), none of that is needed. The words that the choice of rules
depends on lead to the place at once (`_Ways`), the words of a shape to its key, the key to the answer.

Only the plain case is dealt with here. Whatever is not (a word hides a name, a value is no text, an
answer is to be renewed) is left to `CachedMixer.check_now`, which comes to the same answer with the
same counts. What is not remembered is no work lost: the question goes to `ask_now`.
"""

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Final, Protocol, TypeAlias

from remixer.attributes.values import Value
from remixer.mixer.outcome import CheckOutcome
from remixer.tiers.cached import CachedMixer, Policies
from remixer.tiers.places import Place, Question
from remixer.wire.laid_out_bag import LaidOutBag
from remixer.wire.layout import Layout
from remixer.wire.spots import CONSTANT

_MOST: Final = 8_192
"""Layouts, and places by words; then all are forgotten."""

_Words: TypeAlias = Sequence[bytes]
_Read: TypeAlias = Callable[[_Words], object]


class KnowingPolicies(Policies, Protocol):
    """Policies that know what their choice depends on."""

    @property
    def rules(self) -> object:
        """Another object whenever a rule was changed."""
        ...

    def place_names(self, known: Mapping[str, Value | None]) -> Sequence[str]:
        """The attributes that the place depends on, beside those that are `known`."""
        ...


class _Ways:
    """How the requests of one layout lead to places."""

    __slots__ = ("places", "read")

    def __init__(self, read: _Read) -> None:
        self.read = read
        """The words that the place depends on; `IndexError`: they do not tell it."""
        self.places: dict[object, Place] = {}
        """By these words."""


class Recall:
    """What a memory of verdicts answers by layout and words."""

    __slots__ = (
        "_answers",
        "_but_ending",
        "_count",
        "_counts",
        "_most",
        "_now_s",
        "_policies",
        "_rules",
        "_ways",
        "ask_now",
    )

    def __init__(
        self,
        memory: CachedMixer,
        *,
        policies: KnowingPolicies,
        now_s: Callable[[], float],
        most: int = _MOST,
    ) -> None:
        """`policies` and the clock are those of `memory`. `most`: bounds what `len` tells."""
        self._most = most
        self._counts = memory.counts
        self._but_ending = memory.renews
        self._answers = memory.answers
        self._policies = policies
        self._now_s = now_s
        self._rules: object = None
        self._ways: dict[Layout, _Ways] = {}
        self._count = 0
        """Of places in all ways."""
        self.ask_now = memory.ask_now
        """As `Mixer.check_now`, for a request that `find` has a question about."""

    def __len__(self) -> int:
        """How many layouts, and places by words, are known; bounded."""
        return self._count

    def find(
        self, payload: bytes, layout: Layout, words: list[bytes]
    ) -> CheckOutcome | Question | None:
        """The answer for one who keeps answers; or what to `ask_now`; None: look at the request."""
        ways = self._ways.get(layout)
        if ways is None or self._rules is not self._policies.rules:
            ways = self._new_ways(layout)
        try:
            place = ways.places.get(ways.read(words))
        except IndexError:
            return None
        if place is None or place.is_forgotten:
            place = self._new_place(ways, payload, layout, words)
            if place is None:
                return None
        now_s = self._now_s()
        answers = self._answers
        found = answers.find_by_words(place, layout, words, now_s, self._but_ending)
        if not isinstance(found, int):
            return found
        counts = self._counts
        counts.hits += 1
        outcome = answers.take(found, now_s=now_s, keeps=True)
        if outcome.status.code:
            counts.hit_denials += 1
        return outcome

    def _new_ways(self, layout: Layout) -> _Ways:
        rules = self._policies.rules
        if self._rules is not rules:
            self._rules = rules
            self._forget()
        self._make_room()
        ways = self._ways[layout] = _Ways(self._reader(layout))
        self._count += 1
        return ways

    def _reader(self, layout: Layout) -> _Read:
        slots = []
        # Twice: what is known of some tells which others matter.
        for name in self._policies.place_names({}):
            layout.spot_of(name)
        for name in self._policies.place_names(layout.constants):
            spot = layout.spot_of(name)
            if spot is None or (spot[0] < 0 and spot[0] != CONSTANT):
                return _untold
            if spot[0] != CONSTANT:
                slots.append(spot[0])
        return itemgetter(*slots) if slots else _nothing

    def _new_place(
        self, ways: _Ways, payload: bytes, layout: Layout, words: list[bytes]
    ) -> Place | None:
        """None for requests whose answers must not be remembered, or not found like this."""
        if not layout.names.isdisjoint(words):
            return None
        name, stamp = self._policies.place_of(LaidOutBag(payload, layout, words))
        if stamp is None:
            return None
        place = self._answers.place_for(name, stamp, now_s=self._now_s())
        self._make_room()
        self._count += 1
        ways.places[ways.read(words)] = place
        return place

    def _make_room(self) -> None:
        if self._count >= self._most:
            self._forget()

    def _forget(self) -> None:
        self._ways.clear()
        self._count = 0


def _nothing(_words: _Words) -> object:
    return None


def _untold(_words: _Words) -> object:
    raise IndexError
