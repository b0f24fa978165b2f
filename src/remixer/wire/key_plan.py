"""How the values that an answer depends on are taken from requests of one layout, all at once.

Theory of operation. Which values an answer depends on is its *references*; where they stand is the
layout's (`remixer.wire.layout`). Both together say, once and for all, which slots to read and
what to put between: a template of bytes. Nothing is read attribute by attribute any more.

Names of headers are words of the message, in slots that the layout knows. So a plan that looks into
string maps has *variants*, by the words in these slots.

What a plan cannot say (other types than text, words that are not UTF-8, a slot that is missing) it
leaves to whoever reads the bag: `UNPLANNED`.
"""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Final, NamedTuple, Protocol, TypeAlias

from remixer.attributes.bag import Reference
from remixer.attributes.values import Value
from remixer.wire.dictionary import GLOBAL_WORD_COUNT
from remixer.wire.global_words import GLOBAL_WORDS
from remixer.wire.spots import CONSTANT, STRING_MAP, Spot

UNPLANNED: Final = "?"
"""Instead of the values: read them one by one. Values begin with NUL, so that this is none."""

SEPARATOR: Final = "\0"
_MOST_VARIANTS: Final = 16

_Read: TypeAlias = Callable[[Sequence[bytes]], object]


class Wanted(NamedTuple):
    """What an answer depends on, apart from values, in the order of its key."""

    absent: tuple[str, ...]
    whole: tuple[str, ...]
    maps: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...]
    """Of string maps: name, absent keys, present keys."""


class PlannedBag:
    """A bag that takes all that an answer depends on at once."""

    __slots__ = ()

    @abstractmethod
    def texts_of(self, references: frozenset[Reference], wanted: Wanted) -> str | None:
        """All texts that are `wanted`, each after a NUL.

        None if an answer that depends on them cannot be the request's; `UNPLANNED`: read them one
        by one. `wanted` follows from `references`, by which plans are kept.
        """


class _Layout(Protocol):
    """See `remixer.wire.layout.Layout`."""

    def spot_of(self, name: str) -> Spot | None: ...
    def entries_of(self, spot: Spot) -> dict[int, int]: ...


class KeySteps:
    """What to read of requests with the same names of headers."""

    __slots__ = ("least_words", "read", "size", "template")

    def __init__(self, found: "_Found") -> None:
        self.least_words = found.least_words
        """It holds only of requests that have so many."""
        self.read = _reader(found.slots)
        self.template = None if found.is_impossible else bytes(found.template)
        """Where the words go that were read; None: the answer cannot be the request's."""
        self.size = found.size
        """How many texts there are."""


class KeyPlan:
    """For one layout and one set of references."""

    __slots__ = ("_by_names", "_layout", "_read_names", "_wanted", "only")

    def __init__(self, layout: _Layout, wanted: Wanted) -> None:
        self._layout = layout
        self._wanted = wanted
        names = _slots_of_names(layout, wanted)
        self._read_names = _reader(names) if names else None
        self._by_names: dict[object, KeySteps | None] = {}
        self.only = None if names else _steps(layout, wanted, ())
        """Where no names of headers play a part."""

    def steps_for(self, words: Sequence[bytes]) -> KeySteps | None:
        """What to do with these words, if that can be told."""
        if self._read_names is None:
            return None
        try:
            names = self._read_names(words)
        except IndexError:
            return None
        steps = self._by_names.get(names)
        return self._new_steps(names, words) if steps is None else steps

    def _new_steps(self, names: object, words: Sequence[bytes]) -> KeySteps | None:
        if names in self._by_names or len(self._by_names) >= _MOST_VARIANTS:
            return None
        steps = self._by_names[names] = _steps(self._layout, self._wanted, words)
        return steps


class _Found:
    """Steps under construction."""

    __slots__ = ("is_impossible", "is_told", "least_words", "size", "slots", "template")

    def __init__(self) -> None:
        self.is_impossible = False
        self.is_told = True
        """Whether a template can say it."""
        self.least_words = 0
        self.slots: list[int] = []
        self.template = bytearray()
        self.size = 0

    def need(self, slot: int) -> None:
        """The rest holds only of messages that have this slot."""
        self.least_words = max(self.least_words, slot + 1)

    def add_word(self, slot: int) -> None:
        self.need(slot)
        self.slots.append(slot)
        self.template += b"\0%b"
        self.size += 1

    def add(self, value: Value | None) -> None:
        if value is None:
            self.is_impossible = True
        elif isinstance(value, str):
            self.template += b"\0" + value.encode().replace(b"%", b"%%")
            self.size += 1
        else:
            self.is_told = False


def _steps(layout: _Layout, wanted: Wanted, words: Sequence[bytes]) -> KeySteps | None:
    found = _Found()
    for name in wanted.absent:
        _need_absent(found, layout, name)
    for name in wanted.whole:
        _add_whole(found, layout, name)
    for name, absent, present in wanted.maps:
        spot = layout.spot_of(name)
        if spot is None:
            found.is_told = False
        elif spot[0] != STRING_MAP:
            found.is_impossible = True
        else:
            by_text = _values_by_text(found, layout.entries_of(spot), words)
            found.is_impossible |= any(key in by_text for key in absent)
            for key in present:
                _add_entry(found, by_text.get(key))
    # What is impossible is so whatever else there is.
    return KeySteps(found) if found.is_told or found.is_impossible else None


def _need_absent(found: _Found, layout: _Layout, name: str) -> None:
    match layout.spot_of(name):
        case int(slot), _ if slot >= 0:
            found.need(slot)
            found.is_impossible = True
        case int(kind), value if kind == CONSTANT:
            found.is_impossible |= value is not None
        case _:
            found.is_told = False


def _add_whole(found: _Found, layout: _Layout, name: str) -> None:
    match layout.spot_of(name):
        case int(slot), _ if slot >= 0:
            found.add_word(slot)
        case int(kind), value if kind == CONSTANT:
            found.add(value)
        case _:
            found.is_told = False


def _add_entry(found: _Found, index: int | None) -> None:
    if index is None:
        found.is_impossible = True
    elif index < 0:
        found.add_word(~index)
    else:
        found.add(GLOBAL_WORDS[index])


def _values_by_text(
    found: _Found, entries: dict[int, int], words: Sequence[bytes]
) -> dict[str, int]:
    """Indices of the values of a string map. `words` has all slots of its keys."""
    indices = [index for entry in entries.items() for index in entry]
    if any(index >= GLOBAL_WORD_COUNT for index in indices):
        found.is_impossible = True  # one bad index makes the whole map absent
        return {}
    for index in indices:
        if index < 0:
            found.need(~index)
    return {
        GLOBAL_WORDS[key] if key >= 0 else words[~key].decode("utf-8", "replace"): value
        for key, value in entries.items()
    }


def _slots_of_names(layout: _Layout, wanted: Wanted) -> list[int]:
    """Where names of headers are, in any map that is looked into."""
    spots = [layout.spot_of(name) for name, _, _ in wanted.maps]
    maps = [layout.entries_of(spot) for spot in spots if spot and spot[0] == STRING_MAP]
    return sorted({~key for entries in maps for key in entries if key < 0})


def _reader(slots: Sequence[int]) -> _Read:
    """Reads all of `slots` at once."""
    return itemgetter(*slots) if slots else (lambda _: ())
