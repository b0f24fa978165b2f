"""What an operator lets come with many requests alike: read once, and known by its bytes from then on.

Theory of operation. Operators write `context_extensions`, and metadata of routes, into the
configuration of a listener or a route. They stand at a message's end, and what an end says is looked
up by its bytes. Envoy writes the entries of a map in any order, so that many ends say the same: what
they say is kept once.

What is said leads further: to the place of a request, and to the values that an answer depended on,
if the operator wrote these. See `remixer.tiers.part_recall`.

An end with dynamic metadata, which filters write, may differ with each request: of such ones the
operator's fields alone are looked up.
"""

from collections.abc import Container, Hashable, Iterable, Mapping
from typing import Final

from remixer.attributes.bag import Reference
from remixer.attributes.static_values import static_value
from remixer.attributes.values import Value, ValueType
from remixer.attributes.vocabulary import Vocabulary
from remixer.frontends.envoy.ext_authz.parsing import parsed
from remixer.frontends.envoy.structs import scalar_texts
from remixer.wire._pb.envoy.config.core.v3.base_pb2 import Metadata
from remixer.wire._pb.envoy.service.auth.v3.attribute_context_pb2 import AttributeContext
from remixer.wire._pb.remixer.reading.ext_authz_pb2 import StaticParts
from remixer.wire.framing import embedded
from remixer.wire.key_plan import SEPARATOR, UNPLANNED, Wanted

ROUTE_METADATA_NAMESPACE: Final = "remixer"
"""Fields of a route's metadata under this name are static attributes."""

_EXTENSIONS: Final = AttributeContext.CONTEXT_EXTENSIONS_FIELD_NUMBER
_MOST_KNOWN: Final = 1024
_LONGEST_KNOWN: Final = 4096  # bytes
MOST_KEYS: Final = 64
"""Kinds of answers whose keys are put together once; places have no more."""
MOST_ABSENT: Final = 64
"""Names that rules ask for, and a request has not; further ones are looked for each time."""


class StaticPart:
    """What is said."""

    __slots__ = ("_derived", "_key_texts", "has_metadata", "is_kept", "texts", "values")

    def __init__(
        self,
        texts: Mapping[str, str],
        values: dict[str, Value | None],
        *,
        has_metadata: bool,
        derived: Container[str],
    ) -> None:
        """`derived`: names of attributes that the rest of a message tells."""
        self.texts = texts
        self.values = values
        """As their attributes' types have them; without string maps, of which each bag has its own.
        None: no request with this part has such an attribute."""
        self.has_metadata = has_metadata
        """Whether the message may have dynamic metadata."""
        self.is_kept = False
        """Whether it will be given again."""
        self._derived = derived
        self._key_texts: dict[frozenset[Reference], str | None] = {}

    @property
    def sameness(self) -> Hashable:
        """Equal for what says the same."""
        return frozenset(self.texts.items()), self.has_metadata

    def tells(self, name: str) -> bool:
        """Whether the attribute has the same value, or is absent, in all requests with this part."""
        if name in self.values:
            return True
        return not (self.has_metadata or name in self.texts or name in self._derived)

    def texts_of(self, references: frozenset[Reference], wanted: Wanted) -> str | None:
        """As of `PlannedBag`, of all requests with this part; `UNPLANNED` if these may differ."""
        known = self._key_texts
        if references in known:
            return known[references]
        found = self._texts(wanted)
        if len(known) >= MOST_KEYS:
            known.clear()
        known[references] = found
        return found

    def _texts(self, wanted: Wanted) -> str | None:
        absent = [self.values.get(name) for name in wanted.absent if self.tells(name)]
        whole = [self.values.get(name) for name in wanted.whole if self.tells(name)]
        if None in whole or any(value is not None for value in absent):
            return None
        texts = [value for value in whole if isinstance(value, str)]
        is_told = len(absent) == len(wanted.absent) and len(texts) == len(wanted.whole)
        if wanted.maps or not is_told:
            return UNPLANNED
        joined = "".join([SEPARATOR + text for text in texts])
        # A text with a NUL inside could pass for two.
        return joined if joined.count(SEPARATOR) == len(texts) else UNPLANNED

    def note_absent(self, name: str) -> None:
        """No part of a message tells of `name`."""
        if len(self.values) < len(self.texts) + MOST_ABSENT:
            self.values[name] = None


class KnownStaticParts:
    """Reads them, and remembers those of no unusual length."""

    __slots__ = ("_derived", "_known", "_vocabulary")

    def __init__(self, *, derived: Container[str] = ()) -> None:
        """`derived`: names of attributes that are read from the rest of a message."""
        self._derived = derived
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
            return self._made(_texts(entries, of_route), vocabulary, has_metadata=has_metadata)
        key = entries, of_route, has_metadata
        found = self._known.get(key)
        if found is None:
            found = self._made(_texts(entries, of_route), vocabulary, has_metadata=has_metadata)
            found = self._known.get(found.sameness, found)
            self._keep(found.sameness, found)
            self._keep(key, found)
        if not has_metadata and len(end) <= _LONGEST_KNOWN:
            self._keep(end, found)
        return found

    def _made(
        self, texts: Mapping[str, str], vocabulary: Vocabulary, *, has_metadata: bool
    ) -> StaticPart:
        types = {name: vocabulary.types.get(name, ValueType.STRING) for name in texts}
        values = {
            name: static_value(text, types[name])
            for name, text in texts.items()
            if types[name] is not ValueType.STRING_MAP
        }
        return StaticPart(texts, values, has_metadata=has_metadata, derived=self._derived)

    def _keep(self, key: Hashable, found: StaticPart) -> None:
        found.is_kept = True
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
