"""A request's attributes where its layout is known: words, and where to look for them.

Reads as `remixer.wire.bag.CompressedBag` reads the whole message. What words and layout do not tell
(times, the list of names) is read from the message itself, once more and in full.
"""

from collections.abc import Iterator

from remixer.attributes.bag import Reference
from remixer.attributes.values import Value
from remixer.wire._pb.istio.mixer.v1.check_pb2 import CheckRequest
from remixer.wire.bag import CompressedBag
from remixer.wire.dictionary import CHEAP_BYTES, MessageWords
from remixer.wire.key_plan import UNPLANNED, PlannedBag, Wanted
from remixer.wire.laid_out_map import LaidOutMap
from remixer.wire.layout import Layout
from remixer.wire.spots import ABSENT, CONSTANT, STRING_MAP, Spot


class LaidOutBag(dict[str, Value | None], PlannedBag):
    """A `Bag`; its own entries are the names asked for so far, None where absent."""

    __slots__ = ("_encoded", "_known_words", "_layout", "_payload", "_unhidden")

    def __init__(self, payload: bytes, layout: Layout, words: list[bytes]) -> None:
        """`payload`: a CheckRequest that has this layout and these words."""
        self._payload = payload
        self._layout = layout
        self._encoded = words
        self._known_words: MessageWords | None = None
        self._unhidden: frozenset[bytes] | None = None
        """Names none of which is a word of the message."""
        names = layout.names
        if names.isdisjoint(words):
            self._unhidden = names
            self.update(layout.constants)

    def __missing__(self, name: str) -> Value | None:
        layout = self._layout
        spot = layout.by_name.get(name)
        if spot is None or (self._unhidden is not layout.names and self._hides_names()):
            spot = self._spot_of(name)
        slot, value = spot
        if slot >= 0:
            try:
                word = self._encoded[slot]
                value = word.decode() if len(word) <= CHEAP_BYTES else self._text(slot)
            except (IndexError, UnicodeDecodeError):
                value = self._text(slot)
        elif slot != CONSTANT:
            value = self._looked_at(spot, name)
        self[name] = value
        return value

    def names(self) -> Iterator[str]:
        """As of `CompressedBag`."""
        return self._whole().names()

    def texts_of(self, references: frozenset[Reference], wanted: Wanted) -> str | None:
        """See `PlannedBag`."""
        layout = self._layout
        texts = layout.texts_of(self._encoded, references, wanted)
        if self._unhidden is not layout.names and self._hides_names():
            return UNPLANNED
        return texts

    def _hides_names(self) -> bool:
        """Whether a word of the message is one of the layout's names."""
        names = self._layout.names
        if names.isdisjoint(self._encoded):
            self._unhidden = names
            return False
        return True

    def _spot_of(self, name: str) -> Spot:
        index = self._words().index_of(name)
        if index is not None and index < 0:
            return self._layout.spot_at(index)
        spot = self._layout.spot_of(name)
        if spot is None:
            spot = ABSENT if index is None else self._layout.spot_at(index)
        return spot

    def _text(self, slot: int) -> str | None:
        try:
            return self._words().text(~slot)
        except LookupError:
            return None  # absent, as is all that cannot be decoded

    def _looked_at(self, spot: Spot, name: str) -> Value | None:
        if spot[0] != STRING_MAP:
            return self._whole()[name]
        layout = self._layout.map_of(spot)
        if not layout.is_readable or len(self._encoded) < layout.least_words:
            return None
        return LaidOutMap(layout, self._encoded)

    def _words(self) -> MessageWords:
        words = self._known_words
        if words is None:
            words = self._known_words = MessageWords(self._encoded)
        return words

    def _whole(self) -> CompressedBag:
        return CompressedBag(CheckRequest.FromString(self._payload).attributes)
