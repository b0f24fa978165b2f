"""DELTA elements one by one: bags over a shared history, and what is wrong with which element.

Theory of operation. Elements from 1 on are decoded at once into one *history*, name to (element,
value) in order, which all bags of the report share; the bag of element n sees of each name the last
value not after n, else element 0's. So a report costs what its bytes cost, however many elements
refer to one large base.

An element with a bad index or a name given twice yields an error in place of a bag. What could be
read of it stays in the history, and the elements after it are decoded on.

Source: Mixer 1.3, Report.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from operator import itemgetter
from typing import Final, TypeAlias

from remixer.attributes.bag import Bag
from remixer.attributes.values import Value
from remixer.wire._pb.istio.mixer.v1.attributes_pb2 import CompressedAttributes
from remixer.wire.bag import decode_duration, decode_string_map, decode_timestamp
from remixer.wire.dictionary import MessageWords, UnknownIndexError

_History: TypeAlias = dict[str, list[tuple[int, Value]]]
_element_of: Final = itemgetter(0)


class DeltaBag:
    """The bag of one element of a delta-encoded report; see the theory of operation above."""

    __slots__ = ("_base", "_element", "_history")

    def __init__(self, base: Bag, history: _History, *, element: int) -> None:
        self._base = base
        self._history = history
        self._element = element

    def __getitem__(self, name: str) -> Value | None:
        versions = self._history.get(name)
        if versions is None:
            return self._base[name]
        after = bisect_right(versions, self._element, key=_element_of)
        return versions[after - 1][1] if after else self._base[name]

    def names(self) -> Iterator[str]:
        for name, versions in self._history.items():
            if versions[0][0] <= self._element:
                yield name
        for name in self._base.names():
            versions_or_none = self._history.get(name)
            if versions_or_none is None or versions_or_none[0][0] > self._element:
                yield name


def decode_one_by_one(
    base: Bag, changes: Sequence[CompressedAttributes], default_words: MessageWords
) -> tuple[list[Bag], list[str]]:
    """Bags of the readable elements, `base` first; one text for each unreadable one."""
    bags: list[Bag] = [base]
    errors: list[str] = []
    history: _History = {}
    for number, element in enumerate(changes, 1):
        problem = _apply(element, words_of(element, default_words), history, number=number)
        if problem is None:
            bags.append(DeltaBag(base, history, element=number))
        else:
            errors.append(f"request could not be processed due to invalid attributes: {problem}")
    return bags, errors


def words_of(element: CompressedAttributes, default_words: MessageWords) -> MessageWords:
    """The default list applies to an element without words of its own."""
    return MessageWords(element.words) if element.words else default_words


def _apply(
    element: CompressedAttributes, words: MessageWords, history: _History, *, number: int
) -> str | None:
    """Add one element's changes to `history`; what was wrong first, or None."""
    problem: str | None = None
    seen: set[str] = set()
    for kind, index, decode in _attributes_of(element, words):
        try:
            name = words.text(index)
            value = decode()
        except UnknownIndexError as error:
            problem = problem or str(error)
            continue
        if value is None:
            problem = problem or f"attribute {name} (type {kind}) is out of range"
        elif name in seen:
            problem = problem or f"duplicate attribute {name} (type {kind})"
        else:
            seen.add(name)
            history.setdefault(name, []).append((number, value))
    return problem


def _attributes_of(
    element: CompressedAttributes, words: MessageWords
) -> Iterator[tuple[str, int, Callable[[], Value | None]]]:
    """Type, name index and decoder of each attribute."""
    for index, word in element.strings.items():
        yield "STRING", index, partial(words.text, word)
    for index, entries in element.string_maps.items():
        yield "STRING_MAP", index, partial(decode_string_map, entries, words)
    scalars: tuple[tuple[str, Mapping[int, Value]], ...] = (
        ("INT64", element.int64s),
        ("DOUBLE", element.doubles),
        ("BOOL", element.bools),
        ("BYTES", element.bytes),
    )
    for kind, values in scalars:
        for index, value in values.items():
            yield kind, index, partial(_unchanged, value)
    for index, instant in element.timestamps.items():
        yield "TIMESTAMP", index, partial(decode_timestamp, instant)
    for index, length in element.durations.items():
        yield "DURATION", index, partial(decode_duration, length)


def _unchanged(value: Value) -> Value:
    return value
