"""A request's attributes, decoded on demand from `CompressedAttributes`.

The bag is its own memo, like `remixer.attributes.bag.TrackedBag`: its entries are the names
asked for so far, None where absent. A name leads to one index, an index to the first type map
that has it. An attribute whose value cannot be decoded is absent. Nothing here raises for what
a peer sent.

Source: ProtoBag of Mixer 1.3.
"""

from collections.abc import Iterator
from typing import Final

from google.protobuf.duration_pb2 import Duration as DurationMessage
from google.protobuf.timestamp_pb2 import Timestamp as TimestampMessage

from remixer.attributes.values import Duration, PlainStringMap, Timestamp, Value
from remixer.wire._pb.istio.mixer.v1.attributes_pb2 import CompressedAttributes, StringMap
from remixer.wire.dictionary import MessageWords
from remixer.wire.global_words import GLOBAL_WORDS

_NS_PER_SECOND: Final = 1_000_000_000
# Nanoseconds in an int64, as in Go: years 1678 to 2262, or durations of 292 years.
_MAX_NS: Final = 2**63 - 1


class CompressedBag(dict[str, Value | None]):
    """A `Bag` over one `CompressedAttributes`; `words` replace the message's own if given."""

    __slots__ = ("_attributes", "_strings", "_words")

    def __init__(self, attributes: CompressedAttributes, words: MessageWords | None = None) -> None:
        self._words = MessageWords(attributes.words[:]) if words is None else words
        self._attributes = attributes
        self._strings = attributes.strings

    def __missing__(self, name: str) -> Value | None:
        words = self._words
        index = words.index_of(name)
        value: Value | None = None
        if index is not None:
            word = self._strings.get(index)
            if word is None:
                value = self._value_at(index)
            else:
                try:
                    value = words.text(word)
                except LookupError:
                    value = None
        self[name] = value
        return value

    def names(self) -> Iterator[str]:
        """Names under which an attribute can be reached; its value may still be undecodable."""
        seen: set[int] = set()
        attributes = self._attributes
        for type_map in (
            attributes.strings,
            attributes.string_maps,
            attributes.int64s,
            attributes.doubles,
            attributes.bools,
            attributes.timestamps,
            attributes.durations,
            attributes.bytes,
        ):
            for index in type_map:
                if index in seen:
                    continue
                seen.add(index)
                try:
                    name = self._words.text(index)
                except LookupError:
                    continue
                if self._words.index_of(name) == index:
                    yield name

    def _value_at(self, index: int) -> Value | None:
        """What is no text."""
        string_maps = self._attributes.string_maps
        if index in string_maps:
            try:
                return decode_string_map(string_maps[index], self._words)
            except LookupError:
                return None
        return self._scalar_at(index)

    def _scalar_at(self, index: int) -> Value | None:
        attributes = self._attributes
        if index in attributes.int64s:
            return attributes.int64s[index]
        if index in attributes.doubles:
            return attributes.doubles[index]
        if index in attributes.bools:
            return attributes.bools[index]
        if index in attributes.timestamps:
            return decode_timestamp(attributes.timestamps[index])
        if index in attributes.durations:
            return decode_duration(attributes.durations[index])
        return attributes.bytes.get(index)


def decode_string_map(message: StringMap, words: MessageWords) -> PlainStringMap:
    """Raises `UnknownIndexError` if any entry refers to no word."""
    entries, texts = message.entries, words.texts()
    found = PlainStringMap()
    try:
        # By keys, because the container's `items` is a loop in Python of its own.
        for key in entries:
            value = entries[key]
            found[GLOBAL_WORDS[key] if key >= 0 else texts[~key]] = (
                GLOBAL_WORDS[value] if value >= 0 else texts[~value]
            )
    except IndexError:
        # Once more, slowly, for the error that names the index.
        return PlainStringMap({words.text(key): words.text(entries[key]) for key in entries})
    return found


def decode_timestamp(message: TimestampMessage) -> Timestamp | None:
    """None outside of what int64 nanoseconds can say."""
    nanoseconds = message.seconds * _NS_PER_SECOND + message.nanos
    return Timestamp(nanoseconds) if -_MAX_NS <= nanoseconds <= _MAX_NS else None


def decode_duration(message: DurationMessage) -> Duration | None:
    """None outside of what int64 nanoseconds can say."""
    nanoseconds = message.seconds * _NS_PER_SECOND + message.nanos
    return Duration(nanoseconds) if -_MAX_NS <= nanoseconds <= _MAX_NS else None
