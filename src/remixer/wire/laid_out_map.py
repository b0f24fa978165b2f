"""A string map where its layout is known: an entry is decoded when it is asked for.

Mixer's requests carry all headers, policies ask for few of them.
"""

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Final, TypeAlias, cast

from remixer.attributes.values import PlainStringMap
from remixer.wire._pb.istio.mixer.v1.attributes_pb2 import StringMap
from remixer.wire.bag import decode_string_map
from remixer.wire.dictionary import CHEAP_BYTES, GLOBAL_WORD_COUNT, MessageWords
from remixer.wire.global_words import GLOBAL_WORDS

_REPLACED: Final = "\ufffd"

_Read: TypeAlias = Callable[[Sequence[bytes]], tuple[bytes, ...]]


class MapLayout:
    """Which words the keys and values of a string map are."""

    __slots__ = ("by_global_key", "is_readable", "least_words", "message", "read_keys", "values")

    def __init__(self, message: StringMap) -> None:
        self.message = message
        entries = dict(message.entries)
        indices = [*entries, *entries.values()]
        self.is_readable = all(index < GLOBAL_WORD_COUNT for index in indices)
        self.least_words = max((-index for index in indices), default=0)
        """With fewer in the message the map is unreadable, too."""
        self.by_global_key = {
            GLOBAL_WORDS[key]: value
            for key, value in entries.items()
            if 0 <= key < GLOBAL_WORD_COUNT
        }
        slots = [~key for key in entries if key < 0]
        self.read_keys = _reader(slots)
        """Takes the keys that are words of the message, from its words."""
        self.values = [value for key, value in entries.items() if key < 0]
        """Which word the value of each of them is."""


class LaidOutMap(dict[str, str | None]):
    """A `StringMap`; its own entries are the keys asked for so far, None where absent."""

    __slots__ = ("_encoded", "_layout", "_whole")

    def __init__(self, layout: MapLayout, encoded: Sequence[bytes]) -> None:
        """`layout` must be readable with the words `encoded`."""
        self._layout = layout
        self._encoded = encoded
        self._whole: PlainStringMap | None = None

    def __missing__(self, key: str) -> str | None:
        layout = self._layout
        try:
            wanted = key.encode()
        except UnicodeEncodeError:
            return None  # no decoded word is like this
        index = layout.by_global_key.get(key)
        keys = layout.read_keys(self._encoded)
        is_sure = _REPLACED not in key
        if wanted in keys:
            is_sure &= index is None and keys.count(wanted) == 1
            index = layout.values[keys.index(wanted)]
        value: str | None = None
        if not is_sure:
            # Two words for one key, or a key that other bytes may stand for.
            value = self.whole().get(key)
        elif index is not None:
            value = self._text(index)
        self[key] = value
        return value

    def whole(self) -> PlainStringMap:
        whole = self._whole
        if whole is None:
            words = MessageWords(self._encoded)
            whole = self._whole = decode_string_map(self._layout.message, words)
        return whole

    def _text(self, index: int) -> str:
        if index < 0:
            word = self._encoded[~index]
            if len(word) <= CHEAP_BYTES:
                return word.decode("utf-8", "replace")
        return MessageWords(self._encoded).text(index)


def _reader(slots: Sequence[int]) -> _Read:
    """Reads all of `slots` at once; `itemgetter` alone answers one slot with no tuple."""
    match slots:
        case []:
            return lambda _: ()
        case [slot]:
            return lambda words: (words[slot],)
        case _:
            return cast("_Read", itemgetter(*slots))
