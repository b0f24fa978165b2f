"""What kinds of answers there are for each set of rules, learnt here and by other instances.

Theory of operation. The shapes of one signature are one document. A place that is in demand reads
it again when its view is old, one reader at a time, in the background except for the first time.
If the document lacks a shape that is known here, the union is written; so whatever instances
overwrite of each other comes back, and after one more reading all know all.
"""

import hashlib
from typing import Final

from remixer.attributes.bag import Bag, Reference
from remixer.drivers.key_values import Put
from remixer.foundation.clock import Clock
from remixer.tiers.shared.bytes import MalformedError
from remixer.tiers.shared.cache import SharedCache
from remixer.tiers.shared.keys import SharedShape, decode_shapes, encode_shapes, shapes_key
from remixer.tiers.shared.seal import Kind, Refusal, RefusedError, Seal

_SALT_BYTES: Final = 16
_LIFE_FACTOR: Final = 2
"""Shapes live longer than any answer of theirs; each writing begins their life anew."""


class SharedPlace:
    """One set of rules."""

    __slots__ = (
        "is_known",
        "is_reading",
        "key",
        "read_at_s",
        "rules",
        "shapes",
        "signature",
        "written_at_s",
    )

    def __init__(self, rules: bytes, signature: bytes) -> None:
        """`rules`: their signature; `signature`: what it is in this scope."""
        self.rules = rules
        self.signature = signature
        self.key = shapes_key(signature)
        self.shapes: dict[frozenset[Reference], SharedShape] = {}
        self.is_known = False
        """Whether others' shapes were ever read."""
        self.is_reading = False
        self.read_at_s = float("-inf")
        self.written_at_s = float("-inf")

    def keys_of(self, bag: Bag) -> tuple[list[SharedShape], list[bytes]]:
        """The shapes that a request may be of, and its key of each."""
        shapes: list[SharedShape] = []
        keys: list[bytes] = []
        for shape in self.shapes.values():
            key = shape.key_of(bag)
            if key is not None:
                shapes.append(shape)
                keys.append(key)
        return shapes, keys


class SharedPlaces:
    """By signature; bounded, the oldest goes first."""

    def __init__(self, cache: SharedCache, *, clock: Clock, seal: Seal) -> None:
        self._cache = cache
        self._settings = cache.settings
        self._scope = cache.settings.scope.encode()
        self._clock = clock
        self._places: dict[bytes, SharedPlace] = {}
        self.seal = seal

    def place(self, signature: bytes) -> SharedPlace:
        """What is known of these rules; nothing at first."""
        place = self._places.get(signature)
        if place is None:
            if len(self._places) >= self._settings.max_places:
                del self._places[next(iter(self._places))]
            place = self._places[signature] = SharedPlace(
                signature, _scoped(signature, self._scope)
            )
        return place

    def is_due(self, place: SharedPlace) -> bool:
        """Whether its shapes should be read again."""
        age_s = self._clock.monotonic_s() - place.read_at_s
        return age_s >= self._settings.shapes_age_s and not place.is_reading

    async def read(self, place: SharedPlace, *, ends_s: float) -> None:
        """Learn what others have learnt, and tell what they have not."""
        place.is_reading = True
        try:
            found = await self._cache.find(place.key, ends_s=ends_s)
        finally:
            place.is_reading = False
            place.read_at_s = self._clock.monotonic_s()
        if found is None:
            return
        theirs = [] if found[0] is None else self._opened(place, found[0].value)
        place.is_known = True
        for references in theirs:
            self._learn(place, references)
        # Written again in time, or the document would end while it is in use.
        half_life_s = self._settings.max_age_s * _LIFE_FACTOR / 2
        if place.shapes and (
            not place.shapes.keys() <= set(theirs)
            or self._clock.monotonic_s() - place.written_at_s > half_life_s
        ):
            self._write(place)

    def shape(self, place: SharedPlace, references: frozenset[Reference]) -> SharedShape | None:
        """The shape of an answer; a new one is told to others. None if there are too many."""
        known = place.shapes.get(references)
        if known is not None:
            return known
        shape = self._learn(place, references)
        if shape is None:
            self._cache.counts.shapes_refused += 1
        elif place.is_known:
            self._write(place)
        return shape

    def _learn(self, place: SharedPlace, references: frozenset[Reference]) -> SharedShape | None:
        shape = place.shapes.get(references)
        if shape is None and len(place.shapes) < self._settings.max_shapes:
            shape = SharedShape(references, signature=place.signature)
            place.shapes[references] = shape
        return shape

    def _opened(self, place: SharedPlace, document: bytes) -> list[frozenset[Reference]]:
        try:
            body = self.seal.open(Kind.SHAPES, place.key, document)
            return decode_shapes(body, most=self._settings.max_shapes)
        except RefusedError as error:
            self._cache.counts.refused[error.cause] += 1
        except MalformedError:
            self._cache.counts.refused[Refusal.MALFORMED] += 1
        return []

    def _write(self, place: SharedPlace) -> None:
        place.written_at_s = self._clock.monotonic_s()
        document = self.seal.close(Kind.SHAPES, place.key, encode_shapes(place.shapes))
        if len(document) > self._settings.max_value_bytes:
            self._cache.counts.too_large += 1
            return
        life_ms = int(self._settings.max_age_s * 1_000) * _LIFE_FACTOR
        self._cache.put(Put(place.key, document, life_ms, edition=0))


def _scoped(signature: bytes, scope: bytes) -> bytes:
    """What the signature is within one scope; 16 bytes."""
    salt = hashlib.blake2b(scope, digest_size=_SALT_BYTES).digest()
    return hashlib.blake2b(signature, digest_size=_SALT_BYTES, salt=salt).digest()
