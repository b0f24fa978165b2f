"""Bags: read-only attributes of one request, and the tracking of what was read.

Theory of operation. `bag[name]` answers the carrier (`remixer.attributes.values`) or None for
an absent attribute; it never raises. A `TrackedBag` wraps another bag and *is* the memo of what
was read: its own entries are the names asked for so far, None where absent. So tracking costs
one dict miss at the first read and nothing at later ones. String maps are handed out as
`TrackedStringMap`, which does the same per key. `TrackedBag.references()` turns the memo into
the set that cache keys are made of. A `SuppliedBag` lays attributes that adapters gave under a
tracked bag.
"""

from collections.abc import Iterator, Mapping
from enum import IntEnum
from functools import lru_cache
from types import NoneType
from typing import Final, NamedTuple, Protocol, TypeAlias, cast

from remixer.attributes.values import Duration, PlainStringMap, StringMap, Timestamp, Value

_MOST_KNOWN_REFERENCES: Final = 1_024
"""Sets of references that are given again for the same reads; about 1 kB each."""
_LONGEST_KNOWN_KEYS: Final = 256
"""Characters: keys of string maps may come from clients."""
_MapReads: TypeAlias = tuple[tuple[str, ...], tuple[type, ...] | None]

SCALARS: Final = frozenset({str, int, float, bool, bytes, Timestamp, Duration})


class Bag(Protocol):
    """Attributes of one request."""

    def __getitem__(self, name: str, /) -> Value | None:
        """The value, or None if absent."""
        ...

    def names(self) -> Iterator[str]:
        """Names of all present attributes; decodes no values."""
        ...


class PlainBag(dict[str, Value]):
    """A bag over plain values. String maps inside must be `StringMap`; see `plain_bag`."""

    def __missing__(self, name: str) -> None:
        return None

    def names(self) -> Iterator[str]:
        return iter(self)


def plain_bag(values: Mapping[str, Value | Mapping[str, str]]) -> PlainBag:
    """A `PlainBag` in which ordinary dicts became `PlainStringMap`."""
    bag = PlainBag()
    for name, value in values.items():
        bag[name] = PlainStringMap(value) if isinstance(value, Mapping) else value
    return bag


class Condition(IntEnum):
    """How an attribute was met. Numbers are those of `ReferencedAttributes.Condition`."""

    ABSENCE = 1
    EXACT = 2
    PRESENCE = 4
    """A string map of which nothing but its presence was seen. Mixer's protocol cannot say it."""

    # Sets of references are hashed for every answer; Enum's own hash is a Python function.
    __hash__ = int.__hash__


def attribute_text(name: str, key: str | None) -> str:
    """An attribute, or one entry of a string map, as expressions write it."""
    return name if key is None else f'{name}["{key}"]'


class Reference(NamedTuple):
    """One thing that an answer depends on. A tuple, because sets of them are on the hot path.

    `key` None with EXACT on a string map means the whole map; with ABSENCE, no such attribute.
    Source: ReferencedAttributes.AttributeMatch, Mixer v1 API.
    """

    name: str
    key: str | None
    condition: Condition


class TrackedStringMap(dict[str, str | None]):
    """A string map that remembers the keys asked for, absent ones as None."""

    __slots__ = ("_inner", "is_read_whole")

    def __init__(self, inner: StringMap) -> None:
        super().__init__()
        self._inner = inner
        self.is_read_whole = False

    def __missing__(self, key: str) -> str | None:
        value = self[key] = self._inner[key]
        return value

    def whole(self) -> Mapping[str, str]:
        self.is_read_whole = True
        return self._inner.whole()

    def reads(self) -> _MapReads:
        """The keys asked for, and which of them are absent; no classes: the whole map was read."""
        if self.is_read_whole:
            return (), None
        return tuple(self), tuple(map(type, self.values()))


class TrackedBag(dict[str, Value | None]):
    """A bag that remembers what was read; see the theory of operation above."""

    __slots__ = ("_inner",)

    def __init__(self, inner: Bag) -> None:
        # A dict is empty without its `__init__`, and every request makes some of these.
        self._inner = inner

    def __missing__(self, name: str) -> Value | None:
        value = self._inner[name]
        if value is not None and type(value) not in SCALARS:
            value = TrackedStringMap(cast("StringMap", value))
        self[name] = value
        return value

    def names(self) -> Iterator[str]:
        """Names in the underlying bag; does not count as reading them."""
        return self._inner.names()

    def references(self) -> frozenset[Reference]:
        """Everything read so far; mostly the very set that was given for the same reads before.

        A present string map is referenced by the keys read, or as a whole, or (if nothing but
        its presence was tested) by that.
        """
        names, classes = tuple(self), tuple(map(type, self.values()))
        if TrackedStringMap not in classes:
            return _known_references(names, classes, ())
        maps = tuple([value.reads() for value in self.values() if type(value) is TrackedStringMap])
        if sum(len(key) for keys, _ in maps for key in keys) > _LONGEST_KNOWN_KEYS:
            return _references(names, classes, maps)
        return _known_references(names, classes, maps)


class SuppliedBag(TrackedBag):
    """A tracked bag, and attributes that somebody supplies where the request has none.

    What is read counts as read of the request alone: whoever uses a supplied attribute depends on
    its absence there. `earlier` was read of the same request before and counts too.
    """

    __slots__ = ("_earlier", "_supplied", "_tracked")

    def __init__(
        self,
        tracked: TrackedBag,
        supplied: Mapping[str, Value],
        *,
        earlier: frozenset[Reference] = frozenset(),
    ) -> None:
        super().__init__(tracked)
        self._tracked = tracked
        self._supplied = supplied
        self._earlier = earlier

    def __missing__(self, name: str) -> Value | None:
        value = self._tracked[name]
        if value is None:
            value = self._supplied.get(name)
        self[name] = value
        return value

    def names(self) -> Iterator[str]:
        yield from self._tracked.names()
        own = set(self._tracked.names())
        yield from (name for name in self._supplied if name not in own)

    def references(self) -> frozenset[Reference]:
        return self._tracked.references() | self._earlier


def _references(
    names: tuple[str, ...], classes: tuple[type, ...], maps: tuple[_MapReads, ...]
) -> frozenset[Reference]:
    """References to attributes, by the classes of their values; `maps` in order."""
    found: list[Reference] = []
    reads = iter(maps)
    for name, class_ in zip(names, classes, strict=True):
        if class_ is TrackedStringMap:
            found.extend(_map_references(name, *next(reads)))
        else:
            found.append(Reference(name, None, _condition(class_)))
    return frozenset(found)


# Pure; which attributes are read follows from the rules. Bounded, for keys may be computed.
_known_references: Final = lru_cache(maxsize=_MOST_KNOWN_REFERENCES)(_references)


def _map_references(
    name: str, keys: tuple[str, ...], classes: tuple[type, ...] | None
) -> Iterator[Reference]:
    if classes is None:
        yield Reference(name, None, Condition.EXACT)
        return
    if not keys:
        yield Reference(name, None, Condition.PRESENCE)
    for key, class_ in zip(keys, classes, strict=True):
        yield Reference(name, key, _condition(class_))


def _condition(class_: type) -> Condition:
    return Condition.ABSENCE if class_ is NoneType else Condition.EXACT
