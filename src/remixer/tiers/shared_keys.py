"""Keys of answers that instances share. Pure.

An answer's key is made of the signature of the rules that decided (so that instances on different
configurations never meet), of its shape, and of the values that the shape refers to, with their
types. It is a digest: equal in every process, and no attribute can be read from it. What makes two
keys differ is said in `remixer.tiers.keys`.

Shapes themselves are shared as one document per signature.
"""

import hashlib
import struct
from binascii import b2a_base64
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple, cast

from remixer.attributes.bag import SCALARS, Bag, Condition, Reference
from remixer.attributes.values import Duration, PlainStringMap, StringMap, Timestamp, Value
from remixer.tiers.shared_bytes import ByteReader, ByteWriter, MalformedError
from remixer.tiers.shared_seal import FORMAT

_DIGEST_BYTES: Final = 16
_DIGEST_CHARACTERS: Final = 22  # in base64, without padding
_LENGTH: Final = struct.Struct(">BI")
_TYPE_TAGS: Final[Mapping[type, int]] = {
    bool: 1,
    int: 2,
    float: 3,
    str: 4,
    bytes: 5,
    Timestamp: 6,
    Duration: 7,
}
_MAP_TAG: Final = 8
_MOST_REFERENCES: Final = 10_000


class _Step(NamedTuple):
    """What to read of one attribute."""

    name: str
    is_absent: bool = False
    keys: tuple[tuple[str, bool], ...] | None = None
    """Of a string map, with whether each was absent; None: the attribute as a whole."""


class SharedShape:
    """What one kind of answer depended on, for one set of rules."""

    __slots__ = ("_prefix", "_start", "_steps", "references")

    def __init__(self, references: frozenset[Reference], *, signature: bytes) -> None:
        self.references = references
        self._prefix = prefix_of(signature)
        self._start = hashlib.blake2b(
            signature + _encoded(references), digest_size=_DIGEST_BYTES, person=b"remixer key"
        )
        self._steps = tuple(_steps(references))

    def key_of(self, bag: Bag) -> bytes | None:
        """The key of a request; None if no answer of this shape can be its answer."""
        parts: list[bytes] = []
        for name, is_absent, keys in self._steps:
            value = bag[name]
            if (value is None) is not is_absent:
                return None
            if value is None:
                continue
            if keys is None:
                _append(parts, value)
            elif value.__class__ in SCALARS or not _append_entries(
                parts, cast("StringMap", value), keys
            ):
                return None
        digest = self._start.copy()
        digest.update(b"".join(parts))
        return self._prefix + _text(digest.digest())

    def values_of(self, bag: Bag) -> Mapping[str, Value]:
        """What a key of this bag was made of; of string maps what is read of them."""
        values: dict[str, Value] = {}
        for name, is_absent, keys in self._steps:
            value = bag[name]
            if is_absent or value is None:
                continue
            if value.__class__ in SCALARS:
                values[name] = value
                continue
            entries = cast("StringMap", value)
            whole = entries.whole()
            read = whole if keys is None else [each for each, _ in keys if each in whole]
            values[name] = PlainStringMap({each: whole[each] for each in read})
        return values


def prefix_of(signature: bytes) -> bytes:
    """How keys of these rules begin."""
    return b"rx%d:%b:" % (FORMAT, _text(signature))


def shapes_key(signature: bytes) -> bytes:
    """Where the shapes of these rules are kept."""
    return prefix_of(signature) + b"shapes"


def encode_shapes(shapes: Iterable[frozenset[Reference]]) -> bytes:
    """The body of a document of shapes; equal for equal sets of them."""
    writer = ByteWriter()
    for encoded in sorted(map(_encoded, shapes)):
        writer.block(encoded)
    return writer.taken()


def decode_shapes(body: bytes, *, most: int) -> list[frozenset[Reference]]:
    """At most so many of them. Raises `MalformedError`."""
    reader = ByteReader(body)
    shapes: list[frozenset[Reference]] = []
    while not reader.is_at_end:
        encoded = reader.block()
        if len(shapes) < most:
            shapes.append(_decoded(encoded))
    return shapes


def _text(digest: bytes) -> bytes:
    return b2a_base64(digest, newline=False)[:_DIGEST_CHARACTERS]


def _encoded(references: Iterable[Reference]) -> bytes:
    writer = ByteWriter()
    for name, has_key, key, condition in sorted(
        (each.name, each.key is not None, each.key or "", int(each.condition))
        for each in references
    ):
        writer.text(name)
        writer.number(condition << 1 | has_key)
        if has_key:
            writer.text(key)
    return writer.taken()


def _decoded(encoded: bytes) -> frozenset[Reference]:
    reader = ByteReader(encoded)
    references: set[Reference] = set()
    while not reader.is_at_end:
        if len(references) >= _MOST_REFERENCES:
            raise MalformedError
        name, flags = reader.text(), reader.number()
        key = reader.text() if flags & 1 else None
        try:
            references.add(Reference(name, key, Condition(flags >> 1)))
        except ValueError as error:
            raise MalformedError from error
    return frozenset(references)


def _steps(references: Iterable[Reference]) -> Iterable[_Step]:
    """One per attribute, by name; a map that was read as a whole needs no single keys."""
    met: dict[str, set[Condition]] = {}
    keys: dict[str, list[tuple[str, bool]]] = {}
    for name, key, condition in references:
        if key is None:
            met.setdefault(name, set()).add(condition)
        else:
            keys.setdefault(name, []).append((key, condition is Condition.ABSENCE))
    for name in sorted(met.keys() | keys.keys()):
        conditions = met.get(name, set())
        if Condition.ABSENCE in conditions:
            yield _Step(name, is_absent=True)
        elif Condition.EXACT in conditions:
            yield _Step(name)
        else:
            yield _Step(name, keys=tuple(sorted(keys.get(name, ()))))


def _append(parts: list[bytes], value: Value) -> None:
    """A value with its type and length: no two values look alike, nor two rows of them."""
    kind = value.__class__
    tag = _TYPE_TAGS.get(kind, _MAP_TAG)
    if isinstance(value, str):
        encoded = value.encode("utf-8", "surrogatepass")
    elif isinstance(value, float):
        encoded = struct.pack(">d", value)
    elif isinstance(value, int):
        encoded = b"%d" % value
    elif isinstance(value, bytes):
        encoded = value
    else:
        writer = ByteWriter()
        for name, entry in sorted(value.whole().items()):
            writer.text(name)
            writer.text(entry)
        encoded = writer.taken()
    parts.append(_LENGTH.pack(tag, len(encoded)))
    parts.append(encoded)


def _append_entries(
    parts: list[bytes], entries: StringMap, keys: tuple[tuple[str, bool], ...]
) -> bool:
    """False if an entry is there that was absent, or the other way round."""
    for name, is_absent in keys:
        entry = entries[name]
        if (entry is None) is not is_absent:
            return False
        if entry is not None:
            encoded = entry.encode("utf-8", "surrogatepass")
            parts.append(_LENGTH.pack(_TYPE_TAGS[str], len(encoded)))
            parts.append(encoded)
    return True
