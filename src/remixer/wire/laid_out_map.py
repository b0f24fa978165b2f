"""A string map where its layout is known: an entry is decoded when it is asked for.

Mixer's requests carry all headers, policies ask for few of them.
"""

from collections.abc import Sequence

from remixer.attributes.values import PlainStringMap
from remixer.wire._pb.istio.mixer.v1.attributes_pb2 import StringMap
from remixer.wire.bag import decode_string_map
from remixer.wire.dictionary import CHEAP_BYTES, GLOBAL_WORD_COUNT, MessageWords
from remixer.wire.global_words import GLOBAL_WORDS

_REPLACED = "\ufffd"


class MapLayout:
    """Which words the keys and values of a string map are."""

    __slots__ = ("by_global_key", "by_slot", "is_readable", "least_words", "message")

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
        self.by_slot = tuple((~key, value) for key, value in entries.items() if key < 0)


class LaidOutMap(dict[str, str | None]):
    """A `StringMap`; its own entries are the keys asked for so far, None where absent."""

    __slots__ = ("_encoded", "_layout", "_whole")

    def __init__(self, layout: MapLayout, encoded: Sequence[bytes]) -> None:
        """`layout` must be readable with the words `encoded`."""
        self._layout = layout
        self._encoded = encoded
        self._whole: PlainStringMap | None = None

    def __missing__(self, key: str) -> str | None:
        value = self[key] = self._value_of(key)
        return value

    def whole(self) -> PlainStringMap:
        whole = self._whole
        if whole is None:
            whole = self._whole = decode_string_map(self._layout.message, MessageWords(self._encoded))
        return whole

    def _value_of(self, key: str) -> str | None:
        try:
            wanted = key.encode()
        except UnicodeEncodeError:
            return None  # no decoded word is like this
        encoded = self._encoded
        found = [value for slot, value in self._layout.by_slot if encoded[slot] == wanted]
        index = self._layout.by_global_key.get(key)
        if index is not None:
            found.append(index)
        if len(found) > 1 or _REPLACED in key:
            # Two words for one key, or a key that other bytes may stand for.
            return self.whole().get(key)
        return self._text(found[0]) if found else None

    def _text(self, index: int) -> str:
        if index < 0:
            word = self._encoded[~index]
            if len(word) <= CHEAP_BYTES:
                return word.decode("utf-8", "replace")
        return MessageWords(self._encoded).text(index)
