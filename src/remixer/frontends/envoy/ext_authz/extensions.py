"""Attributes that come as `context_extensions`: read once, and known by their bytes from then on.

Theory of operation. Operators write them into the configuration of a listener or a route, so that
each of its requests brings the same entries, byte for byte. What they say is therefore looked up by
these bytes, and put into each request's bag before anything is read.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from remixer.attributes.static_values import static_value
from remixer.attributes.values import Value, ValueType
from remixer.attributes.vocabulary import Vocabulary
from remixer.wire._pb.envoy.service.auth.v3.attribute_context_pb2 import AttributeContext
from remixer.wire.framing import embedded

_FIELD: Final = AttributeContext.CONTEXT_EXTENSIONS_FIELD_NUMBER
_MOST_KNOWN: Final = 1024
_LONGEST_KNOWN: Final = 4096  # bytes


class Extensions(NamedTuple):
    """What the entries say."""

    texts: Mapping[str, str]
    values: Mapping[str, Value | None]
    """As their attributes' types have them; without string maps, of which each bag has its own."""


class KnownExtensions:
    """Reads entries, and remembers those of no unusual length."""

    __slots__ = ("_known", "_vocabulary")

    def __init__(self) -> None:
        self._known: dict[tuple[bytes, ...], Extensions] = {}
        self._vocabulary: Vocabulary | None = None

    def said_by(self, entries: tuple[bytes, ...], vocabulary: Vocabulary) -> Extensions:
        """Raises protobuf's `DecodeError`."""
        if vocabulary is not self._vocabulary:
            self._vocabulary = vocabulary
            self._known.clear()
        found = self._known.get(entries)
        return self._read(entries, vocabulary) if found is None else found

    def _read(self, entries: tuple[bytes, ...], vocabulary: Vocabulary) -> Extensions:
        found = _extensions(entries, vocabulary)
        if sum(map(len, entries)) <= _LONGEST_KNOWN:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known[entries] = found
        return found


def _extensions(entries: tuple[bytes, ...], vocabulary: Vocabulary) -> Extensions:
    message = AttributeContext.FromString(b"".join(embedded(_FIELD, each) for each in entries))
    texts = dict(message.context_extensions)
    types = {name: vocabulary.types.get(name, ValueType.STRING) for name in texts}
    values = {
        name: static_value(text, types[name])
        for name, text in texts.items()
        if types[name] is not ValueType.STRING_MAP
    }
    return Extensions(texts, values)
