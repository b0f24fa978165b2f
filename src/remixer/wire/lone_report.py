"""A report of one request, read as far as rules asked for the like of it before.

Theory of operation. Rules ask every report for the same names. `AskedNames` knows which they were
lately; the next `LoneReportBag` has all of them from the start, read in one go: where to look for a
name, that no word of the message hides it, and that there is such a word is found out for all
together. What is asked for besides is read as in any `CompressedBag`, and will be known next time.

So nothing depends on what is known but how quickly a bag answers. It does not depend on the order
either in which a client writes its attributes, which for hash maps is another one each time.
"""

from collections.abc import Iterator
from typing import Final

from remixer.attributes.values import PlainStringMap, Value
from remixer.wire._pb.istio.mixer.v1.attributes_pb2 import CompressedAttributes
from remixer.wire.bag import CompressedBag, decode_duration, decode_timestamp
from remixer.wire.dictionary import CHEAP_BYTES, GLOBAL_INDICES, MessageWords
from remixer.wire.global_words import GLOBAL_WORDS

_MOST_NAMES: Final = 64
"""More are read one by one, when they are asked for."""
_REPORTS_OF_ONE_MEMORY: Final = 4_096
"""Then all names are forgotten, because rules change. Arbitrary."""


class AskedNames:
    """Names of the global list that bags were asked for lately."""

    __slots__ = ("encoded", "indices", "left", "names", "texts")

    def __init__(self) -> None:
        self._forget()

    def _forget(self) -> None:
        self.names: tuple[str, ...] = ()
        self.indices: tuple[int, ...] = ()
        """Of these names, in the same order."""
        self.encoded: frozenset[bytes] = frozenset()
        """The names, as they would be among the words of a message."""
        self.texts: dict[bytes, str] = {}
        """Words that were decoded: labels recur, and one object is found sooner as a key."""
        self.left = _REPORTS_OF_ONE_MEMORY
        """So many bags are to be made before all is forgotten."""

    def bag_of(self, attributes: CompressedAttributes, encoded: list[bytes]) -> "LoneReportBag":
        """The bag of a report whose words are `encoded`."""
        self.left -= 1
        if self.left < 0:
            self._forget()
        return LoneReportBag(attributes, encoded, self)

    def text_of(self, word: bytes) -> str:
        """Raises `UnicodeDecodeError`."""
        text = word.decode()
        if len(self.texts) < _MOST_TEXTS and len(word) <= CHEAP_BYTES:
            self.texts[word] = text
        return text

    def add(self, name: str) -> None:
        """Take note that a bag was asked for a name that it had not read."""
        index = GLOBAL_INDICES.get(name)
        if index is None or name in self.names or len(self.names) >= _MOST_NAMES:
            return
        self.names += (name,)
        self.indices += (index,)
        self.encoded |= {name.encode()}


class LoneReportBag(CompressedBag):
    """A `CompressedBag` that has read what others were asked for."""

    __slots__ = ("_asked", "_encoded")

    _encoded: list[bytes] | None
    """None as soon as there are `_words`."""

    def __init__(
        self, attributes: CompressedAttributes, encoded: list[bytes], asked: AskedNames
    ) -> None:
        # As of `CompressedBag`, but for the words: most bags never look for any.
        self._attributes = attributes
        self._strings = attributes.strings
        self._encoded = encoded
        self._asked = asked
        if asked.encoded.isdisjoint(encoded):
            self._read_ahead(asked, encoded)

    def __missing__(self, name: str) -> Value | None:
        self._asked.add(name)
        self._prepare()
        return super().__missing__(name)

    def names(self) -> Iterator[str]:
        self._prepare()
        return super().names()

    def _prepare(self) -> None:
        """Have words to look for."""
        encoded = self._encoded
        if encoded is not None:
            self._words = MessageWords(encoded)
            self._encoded = None

    def _read_ahead(self, asked: AskedNames, encoded: list[bytes]) -> None:
        """As `__missing__`, of all names that are known; no word hides any of them."""
        known, word_at, text_of = GLOBAL_WORDS, self._strings.get, asked.texts.get
        others: list[tuple[str, int]] = []
        for name, index in zip(asked.names, asked.indices, strict=True):
            word = word_at(index)
            if word is None:
                others.append((name, index))
                continue
            try:
                if word >= 0:
                    self[name] = known[word]
                elif (text := text_of(encoded[~word])) is not None:
                    self[name] = text
                elif len(encoded[~word]) <= CHEAP_BYTES:
                    self[name] = asked.text_of(encoded[~word])
            except (IndexError, UnicodeDecodeError):
                pass  # left to `__missing__`, as are long texts
        if others:
            self._read_others(others, encoded)

    def _read_others(self, places: list[tuple[str, int]], encoded: list[bytes]) -> None:
        """What is no text, of the first type map that has it."""
        attributes = self._attributes
        string_maps, int64s, doubles, bools = (
            attributes.string_maps,
            attributes.int64s,
            attributes.doubles,
            attributes.bools,
        )
        for name, index in places:
            if index in string_maps:
                self._read_map(name, index, encoded)
                continue
            value: Value | None = int64s.get(index)
            if value is None:
                value = doubles.get(index)
            if value is None:
                value = bools.get(index)
            self[name] = self._time_or_bytes(index) if value is None else value

    def _time_or_bytes(self, index: int) -> Value | None:
        """The later half of the type maps."""
        attributes = self._attributes
        timestamps, durations = attributes.timestamps, attributes.durations
        if index in timestamps:
            return decode_timestamp(timestamps[index])
        if index in durations:
            return decode_duration(durations[index])
        return attributes.bytes.get(index)

    def _read_map(self, name: str, index: int, encoded: list[bytes]) -> None:
        """Left to `__missing__` if it is large, or any word is not as it should be."""
        entries = self._attributes.string_maps[index].entries
        if len(entries) > _MOST_ENTRIES:
            return
        known, asked = GLOBAL_WORDS, self._asked
        text_of = asked.texts.get
        found = PlainStringMap()
        try:
            for key in entries:
                value = entries[key]
                name_text = (
                    known[key]
                    if key >= 0
                    else text_of(encoded[~key]) or asked.text_of(encoded[~key])
                )
                found[name_text] = (
                    known[value]
                    if value >= 0
                    else text_of(encoded[~value]) or asked.text_of(encoded[~value])
                )
        except (IndexError, UnicodeDecodeError):
            return
        self[name] = found


_MOST_TEXTS: Final = 1_024
"""Of at most `CHEAP_BYTES` each."""
_MOST_ENTRIES: Final = 8
"""Of a larger map, all words are decoded at once."""
