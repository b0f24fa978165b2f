"""Records with the same attribute names, DELTA encoded: one `ReportRequest` in the making.

Theory of operation. The first element says everything, each later one only what differs from the
one before. Records come many at a time, as columns, and cost a few operations per column where
they are alike. Of each attribute the field that was sent last is remembered; a field that equals it
says nothing new (`report_cells`). Records that cannot be encoded, or have no room, leave the chain
as it was; the words that they brought stay behind, unsent.

Source: Mixer v1 API.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from remixer.attributes.records import Cell, Kind, Records
from remixer.wire.dictionary import WordBytes, word_heads
from remixer.wire.field_bytes import LENGTH_DELIMITED, VARINT, tag, varint
from remixer.wire.report_cells import Attribute, Shared

# Fields of ReportRequest.
_ELEMENT: Final = tag(1, LENGTH_DELIMITED)
_WORD_HEADS: Final = word_heads(2)
_GLOBAL_WORD_COUNT: Final = tag(3, VARINT)

_NOTHING: Final = b""
_PASSING: Final = (Kind.TIMESTAMP, Kind.DURATION)
"""What is hardly ever the same twice is not looked at for that."""
_ELEMENT_HEADS: Final = tuple(_ELEMENT + varint(length) for length in range(1_024))
"""Of most elements."""


class _Sent(NamedTuple):
    """What was said of an attribute last."""

    field: bytes
    """Empty if nothing was; no field is."""
    kind: Kind | None
    cell: Cell


class Chain:
    """Takes records with just the attributes `names`."""

    __slots__ = (
        "_attributes",
        "_elements",
        "_elements_bytes",
        "_latest",
        "_shared",
        "_tail",
        "_word_count",
        "_words",
        "names",
        "records",
        "size_bytes",
    )

    def __init__(
        self, names: Iterable[str], *, known: Mapping[str, bytes], global_word_count: int
    ) -> None:
        """`known`: the first `global_word_count` words, see `dictionary.global_index_bytes`."""
        ordered = (*names,)
        self.names = frozenset(ordered)
        self.records = 0
        self.size_bytes = 0
        """Of the request; 0 without records."""
        words = self._words = WordBytes(known, heads=_WORD_HEADS)
        self._word_count = 0
        """Words of the records that were taken; some that were not may have brought more."""
        self._attributes = {name: Attribute(words[name]) for name in ordered}
        self._latest: Mapping[str, _Sent] = dict.fromkeys(ordered, _Sent(_NOTHING, None, None))
        """Of each attribute."""
        self._shared = Shared(words)
        self._elements: list[bytes] = []
        self._elements_bytes = 0
        self._tail = _GLOBAL_WORD_COUNT + varint(global_word_count)

    def add(self, records: Records, *, most_bytes: int) -> bool:
        """False if there is no room for all of them: take fewer, or let the chain end.

        Raises what encoding the cells does.
        """
        latest = {**self._latest}
        changes: list[Sequence[bytes]] = []
        first: list[bytes] = []
        attributes, shared = self._attributes, self._shared
        for name, column in records.columns.items():
            kind, cells, is_same = column
            sent = latest[name]
            if is_same and cells[0] is sent.cell and kind is sent.kind:
                continue
            fields = attributes[name].fields(kind, cells[:1] if is_same else cells, shared)
            if not is_same:
                changes.append(fields[1:] if kind in _PASSING else _changed(fields))
            if fields[0] != sent.field:
                first.append(fields[0])
            latest[name] = _Sent(fields[-1], kind, cells[-1])
        later = [*map(_NOTHING.join, zip(*changes, strict=True))]
        elements = [_NOTHING.join(first), *(later or [_NOTHING] * (records.count - 1))]
        if not self._take(_NOTHING.join([_framed(each) for each in elements]), records, most_bytes):
            return False
        self._latest = latest
        return True

    def request(self) -> bytes:
        """All records that were taken."""
        return b"".join((*self._elements, *self._words.fields[: self._word_count], self._tail))

    def _take(self, elements: bytes, records: Records, most_bytes: int) -> bool:
        words = self._words
        elements_bytes = self._elements_bytes + len(elements)
        size_bytes = elements_bytes + words.size_bytes + len(self._tail)
        is_one = records.count == 1 and not self.records
        if size_bytes > most_bytes and not is_one:
            return False
        self._elements.append(elements)
        self._elements_bytes = elements_bytes
        self.size_bytes = size_bytes
        self.records += records.count
        self._word_count = len(words.fields)
        return True


def _changed(fields: Sequence[bytes]) -> Sequence[bytes]:
    """All but the first; nothing in place of those that equal the one before."""
    return [
        _NOTHING if field == before else field
        for field, before in zip(fields[1:], fields, strict=False)
    ]


def _framed(element: bytes) -> bytes:
    length = len(element)
    if length < len(_ELEMENT_HEADS):
        return _ELEMENT_HEADS[length] + element
    return _ELEMENT + varint(length) + element
