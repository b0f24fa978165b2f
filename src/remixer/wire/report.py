"""A `ReportRequest` into bags, one per finished request.

Theory of operation. INDEPENDENT elements are complete: each is a `CompressedBag`. In DELTA mode,
element 0 is complete and each later one only says what changed: its bag has of each name the last
value that was told so far. A later element with a bad index or a name given twice yields an error
in place of a bag.

A report of several elements gives columns (`remixer.attributes.columns`): an attribute is looked for
in all elements at once, when it is asked for, and in the one type map where it can be. What nobody
asks for is never decoded. That is so if `report_changes` can tell that all elements are in order;
else bags of deltas are made by `report_history`, which knows what is wrong with which.

Source: Mixer 1.3, Report; the default word list applies to an element without words of its own.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from remixer.attributes.bag import Bag
from remixer.attributes.columns import BagColumns, Column, SameColumn, settled
from remixer.attributes.values import Value
from remixer.foundation.errors import InvalidRequestError, PolicyError
from remixer.foundation.status import Code
from remixer.wire._pb.istio.mixer.v1.report_pb2 import ReportRequest
from remixer.wire._pb.remixer.reading.report_pb2 import ReportParts
from remixer.wire.bag import CompressedBag
from remixer.wire.dictionary import MessageWords, UnknownIndexError
from remixer.wire.lone_report import AskedNames
from remixer.wire.report_changes import (
    Elements,
    Place,
    TypeMap,
    changes_of,
    column_at,
    places_of,
)
from remixer.wire.report_history import decode_one_by_one, words_of

# Clients send up to 100; a message of 1 MiB holds about 5,000 real ones, but 500,000 empty ones.
MAX_ELEMENTS: Final = 20_000


_KNOWN: Final = (ReportRequest.INDEPENDENT_ENCODING, ReportRequest.DELTA_ENCODING)


class ReportTooLongError(PolicyError):
    """More elements than anybody has a reason to send at once."""

    code = Code.RESOURCE_EXHAUSTED


class DecodedReport(NamedTuple):
    """`bags` in order of the readable elements; one text in `errors` per unreadable one."""

    bags: Sequence[Bag]
    errors: tuple[str, ...] = ()


def decode_report(
    message: ReportRequest, payload: bytes | None = None, asked: AskedNames | None = None
) -> DecodedReport:
    """Raises `ReportTooLongError`, or `InvalidRequestError` for an encoding nobody defined.

    `payload`: the bytes of `message`, if they are at hand. `asked`: what reports were asked for.
    """
    count = len(message.attributes)
    if count == 1 and asked is not None and message.repeated_attributes_semantics in _KNOWN:
        element = message.attributes[0]
        words = element.words[:] or message.default_words[:]
        return DecodedReport((asked.bag_of(element, words),))
    if count > MAX_ELEMENTS:
        text = (
            f"ReportRequest.attributes has {count} elements;"
            f" at most {MAX_ELEMENTS} are allowed. Send smaller batches"
        )
        raise ReportTooLongError(text)
    default_words = MessageWords(message.default_words)
    match message.repeated_attributes_semantics:
        case ReportRequest.INDEPENDENT_ENCODING:
            return DecodedReport(_complete_bags(message, payload, default_words))
        case ReportRequest.DELTA_ENCODING:
            return _decode_deltas(message, payload, default_words)
        case unknown:
            text = f"ReportRequest.repeated_attributes_semantics: {unknown} is no known encoding"
            raise InvalidRequestError(text)


def _merged(message: ReportRequest, payload: bytes | None, *, first: int) -> bytes:
    """The bytes of all elements from number `first` on, one after the other."""
    payload = message.SerializeToString() if payload is None else payload
    return b"".join(ReportParts.FromString(payload).attributes[first:])


def _complete_bags(
    message: ReportRequest, payload: bytes | None, words: MessageWords
) -> Sequence[Bag]:
    elements = message.attributes[:]
    if len(elements) > 1:
        places = places_of(_merged(message, payload, first=0))
        if places is not None:
            return _CompleteBags(elements, words, places)
    return tuple([CompressedBag(each, words_of(each, words)) for each in elements])


def _decode_deltas(
    message: ReportRequest, payload: bytes | None, words: MessageWords
) -> DecodedReport:
    if not message.attributes:
        return DecodedReport(())
    first, *changes = message.attributes[:]
    base = CompressedBag(first, words_of(first, words))
    if not changes:
        return DecodedReport((base,))
    places = changes_of(
        _merged(message, payload, first=1),
        changes,
        words,
        word_count=len(message.default_words),
    )
    if places is not None:
        return DecodedReport(_ChangedBags(base, changes, words, places))
    bags, errors = decode_one_by_one(base, changes, words)
    return DecodedReport(tuple(bags), tuple(errors))


class _CompleteBags(BagColumns):
    """Bags of INDEPENDENT elements that share one word list.

    `places`: the type map of each index that any of them has.
    """

    __slots__ = ("_bags", "_columns", "_elements", "_places", "_words")

    def __init__(
        self, elements: Elements, words: MessageWords, places: Mapping[int, TypeMap]
    ) -> None:
        self._elements = elements
        self._words = words
        self._places = places
        self._bags: dict[int, CompressedBag] = {}
        self._columns: dict[str, Column] = {}

    def __len__(self) -> int:
        return len(self._elements)

    def bag_at(self, position: int) -> Bag:
        bag = self._bags.get(position)
        if bag is None:
            bag = self._bags[position] = CompressedBag(self._elements[position], self._words)
        return bag

    def column(self, name: str) -> Column:
        column = self._columns.get(name)
        if column is None:
            column = self._columns[name] = self._read(name)
        return column

    def _read(self, name: str) -> Column:
        index = self._words.index_of(name)
        type_map = None if index is None else self._places.get(index)
        if index is None or type_map is None:
            return SameColumn([None] * len(self))
        try:
            return settled(column_at(type_map, index, self._elements, self._words))
        except UnknownIndexError:
            return settled([bag[name] for bag in self])


class _ChangedBags(BagColumns):
    """Bags of DELTA elements that are known to be in order; `changes` follow `base`."""

    __slots__ = ("_base", "_changes", "_columns", "_places", "_words")

    def __init__(
        self, base: Bag, changes: Elements, words: MessageWords, places: Mapping[str, Place]
    ) -> None:
        self._base = base
        self._changes = changes
        self._words = words
        self._places = places
        self._columns: dict[str, Column] = {}

    def __len__(self) -> int:
        return len(self._changes) + 1

    def bag_at(self, position: int) -> Bag:
        return _ChangedBag(self, position) if position else self._base

    def column(self, name: str) -> Column:
        column = self._columns.get(name)
        if column is None:
            column = self._columns[name] = self._read(name)
        return column

    def names_at(self, position: int) -> Iterator[str]:
        """What the bag at a position after the first has."""
        own = {name for name in self._places if self.column(name)[position] is not None}
        yield from own
        yield from (name for name in self._base.names() if name not in own)

    def _read(self, name: str) -> Column:
        value = self._base[name]
        place = self._places.get(name)
        if place is None:
            return SameColumn([value] * len(self))
        column = [value]
        for change in column_at(*place, self._changes, self._words):
            if change is not None:
                value = change
            column.append(value)
        return settled(column)


class _ChangedBag:
    """One of `_ChangedBags`, after the first."""

    __slots__ = ("_bags", "_position")

    def __init__(self, bags: _ChangedBags, position: int) -> None:
        self._bags = bags
        self._position = position

    def __getitem__(self, name: str) -> Value | None:
        return self._bags.column(name)[self._position]

    def names(self) -> Iterator[str]:
        return self._bags.names_at(self._position)
