"""Entries on their way to somewhere that is away, as the bytes of one file.

A head, then per entry its length, weight and checksum, and its bytes. The head says how much
there was, so that what a crash of the machine cut off can be counted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from struct import Struct
from typing import Final, NamedTuple
from zlib import crc32

from remixer.foundation.errors import RemixerError

_MAGIC: Final = b"RMXSPIL1"
_HEAD: Final = Struct(">8sQII")  # magic, weight of all entries, their number, checksum
_CHECKED: Final = _HEAD.size - 4
_ENTRY: Final = Struct(">IQI")  # length, weight, checksum
HEAD_BYTES: Final = _HEAD.size


class UnreadableSegmentError(RemixerError):
    """Bytes that are no segment, or one whose head is damaged."""


class SpillEntry(NamedTuple):
    """`weight` is what is counted when the entry is lost."""

    payload: bytes
    weight: int


@dataclass(frozen=True, slots=True)
class Segment:
    """What could be read; `lost_weight` is that of entries cut off or damaged."""

    entries: tuple[SpillEntry, ...]
    lost_weight: int


def encode_segment(entries: Sequence[SpillEntry]) -> bytes:
    weight = sum(entry.weight for entry in entries)
    head = _HEAD.pack(_MAGIC, weight, len(entries), 0)[:_CHECKED]
    parts = [head, crc32(head).to_bytes(4)]
    for payload, entry_weight in entries:
        parts += (_ENTRY.pack(len(payload), entry_weight, crc32(payload)), payload)
    return b"".join(parts)


def decode_segment(content: bytes) -> Segment:
    """Entries up to the first that is cut off or damaged. Raises `UnreadableSegmentError`."""
    weight = segment_weight(content)
    entries: list[SpillEntry] = []
    at = HEAD_BYTES
    while at + _ENTRY.size <= len(content):
        length, entry_weight, checksum = _ENTRY.unpack_from(content, at)
        at += _ENTRY.size
        payload = content[at : at + length]
        if len(payload) < length or crc32(payload) != checksum:
            break
        entries.append(SpillEntry(payload, entry_weight))
        at += length
    return Segment(tuple(entries), max(0, weight - sum(entry.weight for entry in entries)))


def segment_weight(content: bytes) -> int:
    """Of all entries there were; `content` begins with the head. Raises `UnreadableSegmentError`."""
    if len(content) < HEAD_BYTES:
        message = f"{len(content)} bytes are no segment: its head alone has {HEAD_BYTES}"
        raise UnreadableSegmentError(message)
    magic, weight, _count, checksum = _HEAD.unpack_from(content)
    if magic != _MAGIC or crc32(content[:_CHECKED]) != checksum:
        message = "no segment, or a damaged one: its head does not match its checksum"
        raise UnreadableSegmentError(message)
    assert isinstance(weight, int)  # noqa: S101 - so says the format of the head
    return weight
