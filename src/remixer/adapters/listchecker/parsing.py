"""Bodies of fetched lists to lists. Pure; hostile bodies end in `ListFormatError`, not worse.

Addresses come as YAML. It is read event by event: building a tree would let a deeply nested
body exhaust the C stack, and would turn `1.0` into a number. Brackets are counted first: libyaml
takes quadratic time over nested ones, and a list of addresses needs hardly any.
"""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final, TypeAlias, assert_never

import yaml

from remixer.adapters.listchecker.addresses import AddressFormatError
from remixer.adapters.listchecker.matching import (
    AddressList,
    CaselessList,
    EntryList,
    PatternList,
    TextList,
)
from remixer.adapters.listchecker.params import EntryType
from remixer.foundation.regex import PatternError

_KEY: Final = "whitelist"
MOST_BRACKETS: Final = 1_000
_PIECE: Final = 65_536
"""Characters that are cut into lines at once; a thread that cuts 8 MB stops the others for 50 ms."""
_Events: TypeAlias = Iterator[yaml.Event]


class ListFormatError(ValueError):
    """Not a list of the configured entry type."""


def make_list(entry_type: EntryType, entries: Iterable[str]) -> EntryList:
    """A list of these entries. Raises `ListFormatError`."""
    try:
        match entry_type:
            case EntryType.STRINGS:
                return TextList(entries)
            case EntryType.CASE_INSENSITIVE_STRINGS:
                return CaselessList(entries)
            case EntryType.IP_ADDRESSES:
                return AddressList(entries)
            case EntryType.REGEX:
                return PatternList(entries)
            case _:
                assert_never(entry_type)
    except (AddressFormatError, PatternError) as error:
        raise ListFormatError(str(error)) from error


def parse_list(entry_type: EntryType, body: bytes, overrides: tuple[str, ...]) -> EntryList:
    """The list in `body`, with `overrides` added. Raises `ListFormatError`."""
    entries = _addresses(body) if entry_type is EntryType.IP_ADDRESSES else _lines(body)
    return make_list(entry_type, chain(entries, overrides))


def _lines(body: bytes) -> Iterator[str]:
    """Lines as they are: no trimming, a carriage return stays; empty ones are dropped."""
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        message = f"byte {error.start} is not UTF-8"
        raise ListFormatError(message) from error
    start = 0
    while start < len(text):
        end = text.find("\n", start + _PIECE)
        if end < 0:
            end = len(text)
        yield from filter(None, text[start:end].split("\n"))
        start = end + 1


def _addresses(body: bytes) -> tuple[str, ...]:
    """Items of the list under `whitelist`, for blacklists too; an empty body has none."""
    if body.count(b"[") + body.count(b"{") > MOST_BRACKETS:
        message = f"more than {MOST_BRACKETS} opening brackets"
        raise ListFormatError(message)
    try:
        events = yaml.parse(body, Loader=yaml.CSafeLoader)
        for event in events:
            if isinstance(event, yaml.MappingStartEvent):
                return _under_key(events)
            if isinstance(event, yaml.NodeEvent) and not _is_null(event):
                message = f"wanted a YAML mapping with key `{_KEY}`"
                raise ListFormatError(message)
    except yaml.YAMLError as error:
        message = "not YAML: " + " ".join(str(error).split())
        raise ListFormatError(message) from error
    return ()


def _under_key(events: _Events) -> tuple[str, ...]:
    found: tuple[str, ...] | None = None
    for key in events:
        if isinstance(key, yaml.MappingEndEvent):
            break
        if isinstance(key, yaml.ScalarEvent) and key.value == _KEY:
            found = _items(events)
        else:
            _skip_node(key, events)
            _skip_node(next(events), events)
    if found is None:
        message = f"the YAML mapping has no key `{_KEY}`"
        raise ListFormatError(message)
    return found


def _items(events: _Events) -> tuple[str, ...]:
    start = next(events)
    if _is_null(start):
        return ()
    if not isinstance(start, yaml.SequenceStartEvent):
        message = f"`{_KEY}` is not a list"
        raise ListFormatError(message)
    items: list[str] = []
    for item in events:
        if isinstance(item, yaml.SequenceEndEvent):
            break
        if not isinstance(item, yaml.ScalarEvent):
            message = f"`{_KEY}[{len(items)}]` is not text"
            raise ListFormatError(message)
        items.append(item.value)
    return tuple(items)


def _skip_node(start: yaml.Event, events: _Events) -> None:
    """Pass over the node that begins with `start`, however deep."""
    depth = _depth_change(start)
    while depth:
        depth += _depth_change(next(events))


def _depth_change(event: yaml.Event) -> int:
    if isinstance(event, yaml.CollectionStartEvent):
        return 1
    return -1 if isinstance(event, yaml.CollectionEndEvent) else 0


def _is_null(event: yaml.Event) -> bool:
    return isinstance(event, yaml.ScalarEvent) and event.value in {"", "~", "null"}
