"""Layouts: which attribute stands where in a request, apart from what it says this time.

Theory of operation. A `CompressedAttributes` consists of words, and of maps from the indices of
names to indices of words (and to numbers). A client that writes its attributes in one order sends
maps that are equal, byte for byte, again and again, while words and times differ. These bytes are
the request's *layout*. `CheckParts` declares words and times alone, so that protobuf itself puts all
else together; what the bytes mean is then decoded once and remembered in `Layouts`.

By a layout a name leads to a *spot*: the slot of a word, a constant, or what has to be looked at in
the request itself. That is so unless a word of the request is the name: it would hide the global
one. `Layout.names` are all names that were asked for; who has checked that none of them is among a
request's words (`remixer.wire.laid_out_bag`) may trust the spots in `Layout.by_name`.

Clients whose order differs each time (the C++ and Go clients walk hash maps) have no layouts. Such
a one costs a try; a layout is decoded when it is seen for the second time; and while most tries
fail, most requests are read without one.
"""

from typing import Final, TypeAlias

from google.protobuf.message import DecodeError

from remixer.attributes.bag import Reference
from remixer.attributes.values import Value
from remixer.wire._pb.istio.mixer.v1.attributes_pb2 import CompressedAttributes
from remixer.wire.bag import decode_duration
from remixer.wire.dictionary import GLOBAL_INDICES, GLOBAL_WORD_COUNT
from remixer.wire.global_words import GLOBAL_WORDS
from remixer.wire.key_plan import SEPARATOR, UNPLANNED, KeyPlan, Wanted
from remixer.wire.laid_out_map import MapLayout
from remixer.wire.spots import ABSENT, CONSTANT, STRING_MAP, TIME, Spot

LayoutKey: TypeAlias = tuple[bytes | int, ...]
"""What tells layouts apart: the bytes without words and times, and the indices of the times."""

_MOST_NAMES: Final = 256
"""Names that policies ask for; more are looked up anew each time."""
_MOST_PLANS: Final = 64

_MOST_LAYOUTS: Final = 512
_MOST_BYTES: Final = 1 << 19
"""Of the layouts as they came. What is decoded takes about twelve times as much."""
_LARGEST: Final = 1 << 14
_MOST_SEEN: Final = 4_096
_FAILURES: Final = 128
"""After so many that were not found it is decided whether layouts recur."""
_REST: Final = 8_192


class Layout:
    """What the bytes of a layout mean."""

    __slots__ = ("_attributes", "_maps", "_times", "by_name", "constants", "names", "plans")

    by_name: dict[str, Spot]
    constants: dict[str, Value | None]
    """Of these names, those that lead to constants: with their values."""

    def __init__(self, attributes: CompressedAttributes, times: frozenset[int]) -> None:
        """`times`: indices of timestamps; `attributes` has all else but the words."""
        self._attributes = attributes
        self._times = times
        self._maps: dict[Spot, MapLayout] = {}
        self.by_name = {}
        self.constants = {}
        self.names: frozenset[bytes] = frozenset()
        """Those of `by_name`, as they would be among the words."""
        self.plans: dict[frozenset[Reference], KeyPlan] = {}
        """By the references of an answer."""

    def spot_of(self, name: str) -> Spot | None:
        """Where a name leads that is no word of the request; None: not to be remembered."""
        spot = self.by_name.get(name)
        if spot is not None or len(self.by_name) >= _MOST_NAMES:
            return spot
        index = GLOBAL_INDICES.get(name)
        spot = self.by_name[name] = ABSENT if index is None else self.spot_at(index)
        if spot[0] == CONSTANT:
            self.constants[name] = spot[1]
        self.names |= {name.encode("utf-8", "replace")}
        return spot

    def spot_at(self, index: int) -> Spot:
        """Where the attribute is whose name has this index; the first type map that has it."""
        attributes = self._attributes
        word = attributes.strings.get(index)
        if word is not None:
            if word < 0:
                return ~word, None
            return CONSTANT, GLOBAL_WORDS[word] if word < GLOBAL_WORD_COUNT else None
        if index in attributes.string_maps:
            return STRING_MAP, index
        for scalars in (attributes.int64s, attributes.doubles, attributes.bools):
            if index in scalars:
                return CONSTANT, scalars[index]
        if index in self._times:
            return TIME, index
        if index in attributes.durations:
            return CONSTANT, decode_duration(attributes.durations[index])
        return CONSTANT, attributes.bytes.get(index)

    def map_of(self, spot: Spot) -> MapLayout:
        """The string map at a spot that is a `STRING_MAP`."""
        known = self._maps.get(spot)
        if known is None:
            known = MapLayout(self._attributes.string_maps[_index(spot)])
            self._maps[spot] = known
        return known

    def entries_of(self, spot: Spot) -> dict[int, int]:
        """The same, as indices by index."""
        return dict(self.map_of(spot).message.entries)

    def texts_of(
        self, words: list[bytes], references: frozenset[Reference], wanted: Wanted
    ) -> str | None:
        """All texts that are `wanted`, each after a NUL, of a request with these words.

        None if an answer that depends on them cannot be the request's; `UNPLANNED`: read them one
        by one. True only if none of the words is one of `names`, to which a new plan adds. `wanted`
        follows from `references`, by which the plan is kept.
        """
        plan = self.plans.get(references)
        if plan is None:
            plan = self._new_plan(references, wanted)
        steps = plan.only or plan.steps_for(words)
        if steps is None or len(words) < steps.least_words:
            return UNPLANNED
        template = steps.template
        if template is None:
            return None
        try:
            texts = (template % steps.read(words)).decode()
        except UnicodeDecodeError:
            return UNPLANNED
        # A text with a NUL inside could pass for two.
        return texts if texts.count(SEPARATOR) == steps.size else UNPLANNED

    def _new_plan(self, references: frozenset[Reference], wanted: Wanted) -> KeyPlan:
        if len(self.plans) >= _MOST_PLANS:
            self.plans.clear()
        plan = self.plans[references] = KeyPlan(self, wanted)
        return plan


class Layouts(dict[LayoutKey, Layout]):
    """Layouts that were seen more than once lately; those that came first go first.

    Who looks one up counts what was `found`, and asks for what was not by `learned`.
    """

    __slots__ = ("_bytes", "_failed", "_seen", "found", "resting")

    def __init__(self) -> None:
        super().__init__()
        self._bytes = 0
        self._seen: set[int] = set()
        self._failed = 0
        self.found = 0
        """Since it was last decided whether layouts recur."""
        self.resting = 0
        """So many requests are to be read without, as layouts do not recur."""

    def learned(self, key: LayoutKey) -> Layout | None:
        """The layout of a key that is not known; None for the first time, or if it is none."""
        self._failed += 1
        if self._failed >= _FAILURES:
            self.resting = _REST if self.found < self._failed else 0
            self.found = self._failed = 0
        key_hash = hash(key)
        if key_hash in self._seen:
            return self._decoded(key)
        if len(self._seen) >= _MOST_SEEN:
            self._seen.clear()
        self._seen.add(key_hash)
        return None

    def _decoded(self, key: LayoutKey) -> Layout | None:
        encoded, *times = key
        assert isinstance(encoded, bytes)  # noqa: S101 - see `LayoutKey`
        if len(encoded) > _LARGEST:
            return None
        try:
            attributes = CompressedAttributes.FromString(encoded)
        except DecodeError:
            return None
        while len(self) >= _MOST_LAYOUTS or (self and self._bytes + len(encoded) > _MOST_BYTES):
            oldest = next(iter(self))
            self._bytes -= _size_of(oldest)
            del self[oldest]
        self._bytes += len(encoded)
        layout = self[key] = Layout(attributes, frozenset(map(int, times)))
        return layout


def _index(spot: Spot) -> int:
    _, index = spot
    assert type(index) is int  # noqa: S101 - see `STRING_MAP`
    return index


def _size_of(key: LayoutKey) -> int:
    encoded = key[0]
    return len(encoded) if isinstance(encoded, bytes) else 0
