"""The kinds of list: exact text, text in any case, networks, patterns."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Protocol

from remixer.adapters.listchecker.addresses import parse_address, parse_network
from remixer.adapters.listchecker.networks import AddressSet
from remixer.foundation.regex import Pattern, PatternError, compile_joined, compile_pattern
from remixer.sdk import stringify

MOST_PATTERNS: Final = 10_000
"""Of one list; a look-up that finds nothing takes 15 us then, and requests wait for it."""
_JOINED_PATTERNS: Final = 1_024
"""Per automaton, which may take 32 MB. Joined by 64, a look-up among 10,000 took 360 us; all in one,
it takes 2 us or, where they do not fit together, 10 ms."""
_LONGEST_JOINED: Final = 1_000_000  # characters; patterns of 1,000 each


class NotAnAddressError(ValueError):
    """The value asked for is no IP address."""


class EntryList(Protocol):
    """A loaded list."""

    count: int
    """Entries, for the log."""

    def holds(self, value: str | bytes) -> bool:
        """Whether the list has `value`; bytes are an IP address."""
        ...

    def dismantle(self) -> None:
        """Let go of the entries one by one, in a thread: nothing may be asked any more."""
        ...


class TextList:
    """Exact texts.

    A dict without values: the garbage collector passes it over, but looks at each text of a set,
    which stops the process for a second if there are ten million.
    """

    __slots__ = ("_entries", "count")

    def __init__(self, entries: Iterable[str]) -> None:
        # One by one, so that a thread that loads them stops no other for long.
        self._entries = dict.fromkeys(entry for entry in entries)
        self.count = len(self._entries)

    def holds(self, value: str | bytes) -> bool:
        return (value if isinstance(value, str) else stringify(value)) in self._entries

    def dismantle(self) -> None:
        entries = self._entries
        while entries:
            entries.popitem()


def _upper(text: str) -> str:
    """Upper case, letter by letter as Go has it: `ß` stays, and is not `SS`."""
    if text.isascii():
        return text.upper()
    return "".join(large if len(large := each.upper()) == 1 else each for each in text)


class CaselessList(TextList):
    """Texts in any case, compared in upper case as the original does."""

    __slots__ = ()

    def __init__(self, entries: Iterable[str]) -> None:
        super().__init__(map(_upper, entries))

    def holds(self, value: str | bytes) -> bool:
        return _upper(value if isinstance(value, str) else stringify(value)) in self._entries


class AddressList:
    """Networks."""

    __slots__ = ("_networks", "count")

    def __init__(self, entries: Iterable[str]) -> None:
        """Raises `AddressFormatError`."""
        self._networks = AddressSet(parse_network(entry) for entry in entries)
        self.count = self._networks.count

    def holds(self, value: str | bytes) -> bool:
        """Raises `NotAnAddressError`."""
        packed = parse_address(value) if isinstance(value, str) else value
        if packed is None or len(packed) not in _ADDRESS_LENGTHS:
            raise NotAnAddressError
        return packed in self._networks

    def dismantle(self) -> None:
        """Nothing: a few arrays are gone at once."""


_ADDRESS_LENGTHS: Final = frozenset({4, 16})


class PatternList:
    """RE2 patterns, searched for anywhere in the text."""

    __slots__ = ("_patterns", "count")

    def __init__(self, entries: Iterable[str]) -> None:
        """Raises `PatternError`."""
        distinct = tuple(dict.fromkeys(entries))
        self.count = len(distinct)
        if self.count > MOST_PATTERNS:
            message = f"{self.count} patterns; at most {MOST_PATTERNS} are possible"
            raise PatternError(message)
        for entry in distinct:
            compile_pattern(entry)  # each by itself: joined, `a)|(b` would pass
        self._patterns = tuple(_joined(distinct))

    def holds(self, value: str | bytes) -> bool:
        text = value if isinstance(value, str) else stringify(value)
        return any(pattern.found_in(text) for pattern in self._patterns)

    def dismantle(self) -> None:
        """Nothing: a few automata are gone at once."""


def _joined(entries: Sequence[str]) -> Iterator[Pattern]:
    """Few automata for many entries; each entry alone where joining is not possible."""
    for start in range(0, len(entries), _JOINED_PATTERNS):
        yield from _as_few(entries[start : start + _JOINED_PATTERNS])


def _as_few(entries: Sequence[str]) -> Iterator[Pattern]:
    """All in one automaton, or in those of both halves."""
    if len(entries) == 1:
        yield compile_pattern(entries[0])
        return
    is_small = sum(map(len, entries)) <= _LONGEST_JOINED
    joined = compile_joined(entries) if is_small else None
    if joined is not None:
        yield joined
        return
    middle = len(entries) // 2
    yield from _as_few(entries[:middle])
    yield from _as_few(entries[middle:])
