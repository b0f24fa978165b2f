"""Indices that stand for words: i >= 0 is a global word, i < 0 slot -i-1 of the message list.

A message list is kept as bytes and decoded when a text is needed. What is not UTF-8 becomes
U+FFFD: the original passes such bytes through, and refusing the message would let a client that
fails open skip its policy.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import count
from typing import Final

from remixer.foundation.status import Code
from remixer.wire.field_bytes import LENGTH_DELIMITED, tag, varint
from remixer.wire.global_words import GLOBAL_WORDS
from remixer.wire.text import encodable

GLOBAL_INDICES: Final[dict[str, int]] = {word: index for index, word in enumerate(GLOBAL_WORDS)}
_GLOBAL_NAMES: Final[dict[str, tuple[bytes, int | None]]] = {
    word: (word.encode(), index) for word, index in GLOBAL_INDICES.items()
}
"""Each as it would stand among the words of a message, too."""
GLOBAL_WORD_COUNT: Final = len(GLOBAL_WORDS)

# What a client shrinks to after a dictionary error. Source: the C++ client, 1.1 to 1.3.
FALLBACK_WORD_COUNT: Final = 111
DICTIONARY_REFUSED: Final = "Request could not be processed due to invalid"
"""How an INVALID_ARGUMENT begins that makes a client fall back. Source: the C++ client."""


_DICTIONARY_UNKNOWN: Final = "inconsistent global dictionary versions used"

CHEAP_BYTES: Final = 256
"""A longer word is decoded once, however many attributes refer to it."""


def refuses_dictionary(code: int, message: str) -> bool:
    """Whether a call failed because the server knows fewer global words than it was sent.

    Servers before 1.4 say so as INTERNAL, which their own client did not understand. The message
    may have the server's name before it.
    """
    return (code == Code.INVALID_ARGUMENT and DICTIONARY_REFUSED in message) or (
        code == Code.INTERNAL and _DICTIONARY_UNKNOWN in message
    )


class UnknownIndexError(LookupError):
    """No word has this index in the dictionaries at hand."""

    def __init__(self, index: int) -> None:
        super().__init__(f"attribute index {index} is not defined in the available dictionaries")
        self.index = index


class MessageWords:
    """The words of one message together with the global list.

    Little is prepared: a check that is answered from memory asks for a handful of words, and most
    names are global ones.
    """

    __slots__ = ("_encoded", "_known", "_texts")

    def __init__(self, encoded: Iterable[bytes]) -> None:
        self._encoded = list(encoded)
        self._known: frozenset[bytes] | None = None
        self._texts: list[str] | None = None

    def text(self, index: int) -> str:
        """The word; raises `UnknownIndexError`."""
        try:
            if index >= 0:
                return GLOBAL_WORDS[index]
            encoded = self._encoded[~index]
            if self._texts is None and len(encoded) <= CHEAP_BYTES:
                return encoded.decode("utf-8", "replace")
            return self.texts()[~index]
        except IndexError:
            raise UnknownIndexError(index) from None

    def texts(self) -> list[str]:
        """The message's own words in slot order."""
        texts = self._texts
        if texts is None:
            texts = self._texts = _decoded(self._encoded)
        return texts

    def index_of(self, name: str) -> int | None:
        """Where an attribute of this name must be; None if the name is no word at all.

        A word of the message hides the global one, and its last slot the earlier ones.
        Source: Mixer 1.3.
        """
        known = self._known
        if known is None:
            known = self._known = frozenset(self._encoded)
        pair = _GLOBAL_NAMES.get(name)
        encoded, index = (name.encode("utf-8", "replace"), None) if pair is None else pair
        if encoded not in known:
            return index
        last = len(self._encoded) - 1 - self._encoded[::-1].index(encoded)
        return ~last


def _decoded(words: list[bytes]) -> list[str]:
    try:
        return [word.decode() for word in words]
    except UnicodeDecodeError:
        return [word.decode("utf-8", "replace") for word in words]


class WordList:
    """The message list under construction: words to indices.

    `global_word_count` is how many global words the reader knows.
    """

    __slots__ = ("_global_word_count", "_indices")

    def __init__(self, *, global_word_count: int) -> None:
        self._global_word_count = global_word_count
        self._indices: dict[str, int] = {}

    def index_of(self, word: str) -> int:
        """The index of `word`, which joins the message list if it must."""
        index = GLOBAL_INDICES.get(word)
        if index is not None and index < self._global_word_count:
            return index
        return self.message_index_of(word)

    def message_index_of(self, word: str) -> int:
        """As `index_of`, never a global index."""
        return self._indices.setdefault(word, -len(self._indices) - 1)

    def words(self) -> list[bytes]:
        """The message list so far, in slot order."""
        return [word.encode("utf-8", "replace") for word in self._indices]


def index_bytes(index: int) -> bytes:
    """An index as it stands on the wire: a zig-zag varint."""
    return varint(index << 1 if index >= 0 else ~(index << 1))


def global_index_bytes(count: int) -> dict[str, bytes]:
    """The first `count` global words, each with its index on the wire."""
    return {word: index_bytes(index) for word, index in GLOBAL_INDICES.items() if index < count}


def _slot_index_bytes() -> Iterator[bytes]:
    """The indices of slots 0, 1, … on the wire: quicker than one by one."""
    lows = range(1, _ONE_BYTE, 2)  # zig-zag makes odd numbers of them
    yield from map(varint, lows)
    for high in count(1):
        tail = varint(high)
        for low in lows:
            yield _EARLIER_BYTES[low] + tail


_ONE_BYTE: Final = 0x80
_EARLIER_BYTES: Final = [bytes((low | _ONE_BYTE,)) for low in range(_ONE_BYTE)]


class WordBytes(dict[str, bytes]):
    """As `WordList`, for messages that are written as bytes: words to indices on the wire.

    A word that nobody asked for before joins the message list. `known`: see `global_index_bytes`;
    `heads`: see `word_heads`.
    """

    __slots__ = ("_heads", "_indices", "fields", "size_bytes")

    def __init__(self, known: Mapping[str, bytes], *, heads: Sequence[bytes]) -> None:
        super().__init__(known)
        self._heads = heads
        self._indices = _slot_index_bytes()
        self.fields: list[bytes] = []
        """The message list so far: one field per word, in slot order."""
        self.size_bytes = 0
        """Of all `fields`."""

    def __missing__(self, word: str) -> bytes:
        try:
            encoded = word.encode()
        except UnicodeEncodeError:
            # It may come out as a word that is there already; no list has a word twice.
            index = self[word] = self[encodable(word)]
            return index
        length = len(encoded)
        heads = self._heads
        head = heads[length] if length < _ONE_BYTE else heads[0][:-1] + varint(length)
        framed = head + encoded
        self.fields.append(framed)
        self.size_bytes += len(framed)
        index = self[word] = next(self._indices)
        return index

    def learn(self, words: Iterable[str]) -> None:
        """Ask for many: those that are new join the message list together, in their order."""
        new = [word for word in dict.fromkeys(words) if word not in self]
        if not new:
            return
        try:
            encoded = [word.encode() for word in new]
            heads = self._heads
            framed = [heads[len(each)] + each for each in encoded]
        except (UnicodeEncodeError, IndexError):  # or it is too long for a head
            for word in new:
                self[word]
        else:
            self.fields += framed
            self.size_bytes += sum(map(len, framed))
            self.update(zip(new, self._indices, strict=False))  # indices never end


def word_heads(field: int) -> tuple[bytes, ...]:
    """What stands before a word of 0, 1, … 127 bytes in a message whose list is in `field`."""
    return tuple(tag(field, LENGTH_DELIMITED) + varint(size) for size in range(_ONE_BYTE))
