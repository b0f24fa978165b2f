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
from remixer.tiers.shared.bytes import ByteReader, ByteWriter, MalformedError
from remixer.tiers.shared.seal import FORMAT

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
_NUL: Final = "\0"
_PLAIN: Final = b"\0"
_TYPED: Final = b"\1"
_MOST_REFERENCES: Final = 10_000


class _Part(NamedTuple):
    """What to read of one string map."""

    name: str
    keys: tuple[tuple[str, bool], ...]
    """With whether each was absent; without any: that it is a map, and nothing else."""


class SharedShape:
    """What one kind of answer depended on, for one set of rules."""

    __slots__ = ("_absent", "_parts", "_prefix", "_start", "_whole", "references")

    def __init__(self, references: frozenset[Reference], *, signature: bytes) -> None:
        self.references = references
        self._prefix = prefix_of(signature)
        self._start = hashlib.blake2b(
            signature + _encoded(references), digest_size=_DIGEST_BYTES, person=b"remixer key"
        )
        self._absent = _names(references, Condition.ABSENCE)
        self._whole = _names(references, Condition.EXACT)
        self._parts = tuple(_parts(references, without={*self._absent, *self._whole}))

    def key_of(self, bag: Bag) -> bytes | None:
        """The key of a request; None if no answer of this shape can be its answer."""
        for name in self._absent:
            if bag[name] is not None:
                return None
        values = [bag[name] for name in self._whole]
        if None in values:
            return None
        for name, keys in self._parts:
            entries = bag[name]
            if entries is None or entries.__class__ in SCALARS:
                return None
            if not _read_entries(values, cast("StringMap", entries), keys):
                return None
        digest = self._start.copy()
        digest.update(_joined(cast("list[Value]", values)))
        return self._prefix + _text(digest.digest())

    def values_of(self, bag: Bag) -> Mapping[str, Value]:
        """What a key of this bag was made of; of string maps what is read of them."""
        values: dict[str, Value] = {}
        for name in self._whole:
            value = bag[name]
            if value is not None:
                is_scalar = value.__class__ in SCALARS
                values[name] = (
                    value if is_scalar else PlainStringMap(cast("StringMap", value).whole())
                )
        for name, keys in self._parts:
            whole = cast("StringMap", bag[name]).whole()
            values[name] = PlainStringMap({key: whole[key] for key, _ in keys if key in whole})
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


def _names(references: Iterable[Reference], condition: Condition) -> tuple[str, ...]:
    """Attributes that were met like that as a whole."""
    return tuple(
        sorted({name for name, key, met in references if key is None and met is condition})
    )


def _parts(references: Iterable[Reference], *, without: set[str]) -> Iterable[_Part]:
    """String maps of which keys were read, or nothing but that they are there; by name."""
    keys: dict[str, list[tuple[str, bool]]] = {}
    for name, key, condition in references:
        if name not in without:
            of_map = keys.setdefault(name, [])
            if key is not None:
                of_map.append((key, condition is Condition.ABSENCE))
    for name in sorted(keys):
        yield _Part(name, tuple(sorted(keys[name])))


def _read_entries(
    values: list[Value | None], entries: StringMap, keys: tuple[tuple[str, bool], ...]
) -> bool:
    """False if an entry is there that was absent, or the other way round."""
    for key, is_absent in keys:
        entry = entries[key]
        if (entry is None) is not is_absent:
            return False
        if entry is not None:
            values.append(entry)
    return True


def _joined(values: list[Value]) -> bytes:
    """So that no two rows of values look alike, whatever their types.

    Nearly all are texts without NUL: these are joined by NUL. Others have types and lengths.
    """
    try:
        text = _NUL.join(values)  # type: ignore[arg-type] # tried
    except TypeError:
        return _typed(values)
    # A value with a NUL inside could pass for two.
    if text.count(_NUL) >= len(values):
        return _typed(values)
    return _PLAIN + text.encode("utf-8", "surrogatepass")


def _typed(values: Iterable[Value]) -> bytes:
    parts = [_TYPED]
    for value in values:
        encoded = _value_bytes(value)
        parts.append(_LENGTH.pack(_TYPE_TAGS.get(value.__class__, _MAP_TAG), len(encoded)))
        parts.append(encoded)
    return b"".join(parts)


def _value_bytes(value: Value) -> bytes:
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    if isinstance(value, float):
        return struct.pack(">d", value)
    if isinstance(value, int):
        return b"%d" % value
    if isinstance(value, bytes):
        return value
    writer = ByteWriter()
    for name, entry in sorted(value.whole().items()):
        writer.text(name)
        writer.text(entry)
    return writer.taken()
