"""The recorded trace of checks: what `remixer serve --cache-record` writes and `advise` reads.

Theory of operation. A file holds frames. A *shape* frame tells, before its first use, which
attributes the keys of a shape tell; a *check* frame is one check: when, of which shape, answered
from memory or not, for how long its answer lives, a digest of its key, and a short digest of each
attribute's value. With these, advice can be given on a key without one of its attributes.

No value of an attribute gets into a file. Digests are keyed with a number that only the recording
process knows, so that nobody can find a value by trying; of digests of another process nothing can
be told. A recording is bounded: it goes on in a fresh *segment* as soon as one is half as large as
the whole may be, and each segment can be read by itself.

    segment  = MAGIC  recording(8)  frame*
    shape    = 'S'  number(u16)  size(u32)  JSON {"place": …, "parts": […]}
    check    = 'C'  number(u16)  is_hit(u8)  time_ms(u32)  life_ms(u32)  digest(8)  digest(4)*
"""

import json
import struct
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, cast

from remixer.attributes.bag import SCALARS, Condition, Reference
from remixer.attributes.values import StringMap, Value

MAGIC: Final = b"RMXTRACE1\n"
_RECORDING_BYTES: Final = 8
_HEAD_BYTES: Final = len(MAGIC) + _RECORDING_BYTES
_SHAPE: Final = struct.Struct(">sHI")
_CHECK: Final = struct.Struct(">sHBII8s")
_SHAPE_TAG: Final = b"S"
_CHECK_TAG: Final = b"C"
_PART_BYTES: Final = 4
_MOST_MS: Final = 2**32 - 1  # 49 days
_MOST_SHAPES: Final = 2**16
_LARGEST_SHAPE_BYTES: Final = 1 << 20


class TraceError(ValueError):
    """The bytes are no trace, or are damaged; the text says where."""


@dataclass(frozen=True, slots=True)
class TracedShape:
    """What the keys of one shape tell, at one place."""

    place: str
    parts: tuple[str, ...]
    """Attributes and entries of string maps: `request.path`, `request.headers["x-user"]`."""


@dataclass(frozen=True, slots=True)
class TracedCheck:
    """One check. Equal digests of one recording: equal keys, or equal values."""

    shape: TracedShape
    is_hit: bool
    at_s: float
    """Since the recording began."""
    life_s: float
    digest: bytes
    parts: tuple[bytes, ...]
    """As many as the shape has parts."""


class TraceWriter:
    """Makes the bytes of one recording, segment by segment. Does no I/O."""

    def __init__(self, *, secret: bytes, recording: bytes, segment_bytes: int) -> None:
        """`secret`: random, never stored. `recording`: 8 bytes that name the recording."""
        self._secret = secret
        self._recording = recording
        self._segment_bytes = segment_bytes
        self._shapes: dict[TracedShape, int] = {}
        self._written = 0
        self.segments = 0
        """Begun so far."""

    def check(
        self,
        place: Hashable,
        references: frozenset[Reference],
        values: Mapping[str, Value],
        *,
        is_hit: bool,
        at_s: float,
        life_s: float,
    ) -> tuple[bool, bytes]:
        """Whether a new segment begins, and the bytes to append.

        `references`: those of the answer. `values`: what its key tells.
        """
        named = tuple(_parts(references, values))
        shape = TracedShape(str(place), tuple(name for name, _ in named))
        digests = [self._digest(content) for _, content in named]
        is_new = not self.segments or (
            self._written >= self._segment_bytes or len(self._shapes) >= _MOST_SHAPES
        )
        frames = self._begin() if is_new else b""
        number = self._shapes.get(shape)
        if number is None:
            number = self._shapes[shape] = len(self._shapes)
            frames += _shape_frame(number, shape)
        whole = blake2b(b"".join(digests), digest_size=8, person=str(place).encode()[:16])
        frames += _CHECK.pack(
            _CHECK_TAG, number, is_hit, _ms(at_s), _ms(life_s), whole.digest()
        ) + b"".join(each[:_PART_BYTES] for each in digests)
        self._written += len(frames)
        return is_new, frames

    def _begin(self) -> bytes:
        self.segments += 1
        self._written = 0
        self._shapes.clear()
        return MAGIC + self._recording

    def _digest(self, content: bytes) -> bytes:
        return blake2b(content, digest_size=16, key=self._secret).digest()


def read_segment(payload: bytes) -> tuple[bytes, Iterator[TracedCheck]]:
    """The recording's name, and its checks; a last frame that is cut short is left out.

    Raises `TraceError`, also while the checks are read.
    """
    if not payload.startswith(MAGIC) or len(payload) < _HEAD_BYTES:
        message = f"the first bytes are {payload[:10]!r}; wanted {MAGIC!r}"
        raise TraceError(message)
    return payload[len(MAGIC) : _HEAD_BYTES], _checks(payload)


def _checks(payload: bytes) -> Iterator[TracedCheck]:
    shapes: dict[int, TracedShape] = {}
    position = _HEAD_BYTES
    while position < len(payload):
        tag = payload[position : position + 1]
        if tag == _SHAPE_TAG:
            position = _read_shape(payload, position, shapes)
        elif tag == _CHECK_TAG:
            if len(payload) - position < _CHECK.size:
                return
            fields = _CHECK.unpack_from(payload, position)
            shape = shapes.get(fields[1])
            if shape is None:
                message = f"a check at byte {position} is of shape {fields[1]}, which was not told"
                raise TraceError(message)
            begin = position + _CHECK.size
            position = begin + _PART_BYTES * len(shape.parts)
            if position > len(payload):
                return
            parts = tuple(
                payload[at : at + _PART_BYTES] for at in range(begin, position, _PART_BYTES)
            )
            _, _, is_hit, at_ms, life_ms, digest = fields
            yield TracedCheck(shape, bool(is_hit), at_ms / 1000, life_ms / 1000, digest, parts)
        else:
            message = f"byte {position} is {tag!r}; wanted {_SHAPE_TAG!r} or {_CHECK_TAG!r}"
            raise TraceError(message)


def _read_shape(payload: bytes, position: int, shapes: dict[int, TracedShape]) -> int:
    """Where the next frame begins; the end if this one is cut short."""
    if len(payload) - position < _SHAPE.size:
        return len(payload)
    _, number, size = _SHAPE.unpack_from(payload, position)
    begin = position + _SHAPE.size
    if size > _LARGEST_SHAPE_BYTES:
        message = f"a shape at byte {position} claims {size} bytes"
        raise TraceError(message)
    if begin + size > len(payload):
        return len(payload)
    try:
        told = json.loads(payload[begin : begin + size])
        shapes[number] = TracedShape(str(told["place"]), tuple(map(str, told["parts"])))
    except (ValueError, KeyError, TypeError) as error:
        message = f"the shape at byte {position} cannot be read: {error}"
        raise TraceError(message) from error
    return begin + int(size)


def _shape_frame(number: int, shape: TracedShape) -> bytes:
    told = json.dumps({"place": shape.place, "parts": shape.parts}).encode()
    return _SHAPE.pack(_SHAPE_TAG, number, len(told)) + told


def _parts(
    references: frozenset[Reference], values: Mapping[str, Value]
) -> Iterator[tuple[str, bytes]]:
    """Name and content of what was read and there, in order of names."""
    for name, key, condition in sorted(references, key=_by_name):
        value = values.get(name)
        if condition is not Condition.EXACT or value is None:
            continue
        if value.__class__ in SCALARS:
            yield name, f"{type(value).__name__}:{value!r}".encode("utf-8", "surrogatepass")
            continue
        entries = cast("StringMap", value)
        if key is None:
            yield name, repr(sorted(entries.whole().items())).encode("utf-8", "surrogatepass")
        else:
            yield f'{name}["{key}"]', str(entries[key]).encode("utf-8", "surrogatepass")


def _by_name(reference: Reference) -> tuple[str, str]:
    return reference.name, reference.key or ""


def _ms(seconds: float) -> int:
    return min(_MOST_MS, max(0, round(seconds * 1000)))
