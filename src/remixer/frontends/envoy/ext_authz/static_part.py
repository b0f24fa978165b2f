"""What an operator lets come with many requests alike: read once, and known by its bytes from then on.

Theory of operation. Operators write `context_extensions`, and metadata of routes, into the
configuration of a listener or a route. They stand at a message's end, and what an end says is looked
up by its bytes. Envoy writes the entries of a map in any order, so that many ends say the same: what
they say is kept once.

An end with dynamic metadata, which filters write, may differ with each request: of such ones the
operator's fields alone are looked up.
"""

from collections.abc import Hashable, Iterable, Mapping
from typing import Final

from remixer.attributes.static_values import static_value
from remixer.attributes.values import Value, ValueType
from remixer.attributes.vocabulary import Vocabulary
from remixer.frontends.envoy.ext_authz.parsing import parsed
from remixer.frontends.envoy.structs import scalar_texts
from remixer.wire._pb.envoy.config.core.v3.base_pb2 import Metadata
from remixer.wire._pb.envoy.service.auth.v3.attribute_context_pb2 import AttributeContext
from remixer.wire._pb.remixer.reading.ext_authz_pb2 import StaticParts
from remixer.wire.framing import embedded

ROUTE_METADATA_NAMESPACE: Final = "remixer"
"""Fields of a route's metadata under this name are static attributes."""

_EXTENSIONS: Final = AttributeContext.CONTEXT_EXTENSIONS_FIELD_NUMBER
_MOST_KNOWN: Final = 1024
_LONGEST_KNOWN: Final = 4096  # bytes
MOST_ABSENT: Final = 64
"""Names that rules ask for, and a request has not; further ones are looked for each time."""


class StaticPart:
    """What is said."""

    __slots__ = ("has_metadata", "texts", "values")

    def __init__(
        self, texts: Mapping[str, str], values: dict[str, Value | None], *, has_metadata: bool
    ) -> None:
        self.texts = texts
        self.values = values
        """As their attributes' types have them; without string maps, of which each bag has its own.
        None: no request with this part has such an attribute."""
        self.has_metadata = has_metadata
        """Whether the message may have dynamic metadata."""

    @property
    def sameness(self) -> Hashable:
        """Equal for what says the same."""
        return frozenset(self.texts.items()), self.has_metadata

    def note_absent(self, name: str) -> None:
        """No part of a message tells of `name`."""
        if len(self.values) < len(self.texts) + MOST_ABSENT:
            self.values[name] = None


class KnownStaticParts:
    """Reads them, and remembers those of no unusual length."""

    __slots__ = ("_known", "_vocabulary")

    def __init__(self) -> None:
        self._known: dict[Hashable, StaticPart] = {}
        """By an end; by its entries; by all that it says."""
        self._vocabulary: Vocabulary | None = None

    def said_in(self, end: bytes, vocabulary: Vocabulary) -> StaticPart | None:
        """None if more stands in this end than should. Raises `InvalidRequestError`."""
        if vocabulary is not self._vocabulary:
            self._vocabulary = vocabulary
            self._known.clear()
        found = self._known.get(end)
        return self._read(end, vocabulary) if found is None else found

    def _read(self, end: bytes, vocabulary: Vocabulary) -> StaticPart | None:
        parts = parsed(StaticParts, end)
        if parts.source or parts.destination or parts.request:
            return None
        entries, of_route = tuple(parts.context_extensions), tuple(parts.route_metadata_context)
        has_metadata = any(parts.metadata_context)
        if sum(map(len, entries)) + sum(map(len, of_route)) > _LONGEST_KNOWN:
            return _static_part(_texts(entries, of_route), vocabulary, has_metadata=has_metadata)
        key = entries, of_route, has_metadata
        found = self._known.get(key)
        if found is None:
            found = _static_part(_texts(entries, of_route), vocabulary, has_metadata=has_metadata)
            found = self._known.get(found.sameness, found)
            self._keep(found.sameness, found)
            self._keep(key, found)
        if not has_metadata and len(end) <= _LONGEST_KNOWN:
            self._keep(end, found)
        return found

    def _keep(self, key: Hashable, found: StaticPart) -> None:
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        self._known[key] = found


def _texts(entries: Iterable[bytes], of_route: Iterable[bytes]) -> dict[str, str]:
    """`context_extensions` win over the route's metadata."""
    extensions = b"".join([embedded(_EXTENSIONS, each) for each in entries])
    texts = dict(parsed(AttributeContext, extensions).context_extensions)
    metadata = parsed(Metadata, b"".join(of_route)).filter_metadata
    if ROUTE_METADATA_NAMESPACE in metadata:
        texts = {**scalar_texts(metadata[ROUTE_METADATA_NAMESPACE]), **texts}
    return texts


def _static_part(
    texts: Mapping[str, str], vocabulary: Vocabulary, *, has_metadata: bool
) -> StaticPart:
    types = {name: vocabulary.types.get(name, ValueType.STRING) for name in texts}
    values = {
        name: static_value(text, types[name])
        for name, text in texts.items()
        if types[name] is not ValueType.STRING_MAP
    }
    return StaticPart(texts, values, has_metadata=has_metadata)
