"""One YAML document to a located tree, within limits.

Theory of operation. The document is read as a stream of parser events, with an explicit stack
of open lists and mappings: neither nesting nor aliases can exhaust memory or the interpreter's
stack. An alias costs nothing when read, since nodes are shared, but counts with the size and the
height of its expanded tree. So whoever walks the tree later walks at most `MAX_NODES` nodes,
at most `MAX_DEPTH` deep.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import yaml

from remixer.foundation.documents import codes
from remixer.foundation.documents.nodes import ListNode, MapEntry, MapNode, Node, Scalar, ScalarNode
from remixer.foundation.documents.yaml_scalars import key_text, plain_scalar
from remixer.foundation.problems import Location, Problem, Severity

MAX_DEPTH: Final = 64
"""Levels of one document; operators' files have about eight."""
MAX_NODES: Final = 200_000
"""Per document with aliases expanded; a list of a thousand rules has about 30,000."""

_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_WRITTEN_TAGS: Final = "tag:yaml.org,2002:"
_TAGS_OF_PLAIN_VALUES: Final = frozenset({"int", "float", "bool", "null"})
_AMBIGUOUS_KEYS: Final = frozenset({"y", "n", "yes", "no", "on", "off"})


class DocumentError(Exception):
    """Ends the reading of one document."""

    def __init__(self, code: str, message: str, location: Location, hint: str = "") -> None:
        super().__init__(message)
        self.problem = Problem(code, message, location, hint=hint)


def read_tree(document: str, *, file: str, first_line: int, problems: list[Problem]) -> Node | None:
    """The root, None for an empty document.

    Raises `DocumentError` and `yaml.YAMLError`; lesser faults are added to `problems`.
    """
    return _TreeBuilder(file, first_line, problems).build(document)


@dataclass(slots=True)
class _Open:
    """A list or mapping that is still being read."""

    location: Location
    anchor: str | None
    started_at_count: int
    is_map: bool
    items: list[Node] = field(default_factory=list)
    entries: list[MapEntry] = field(default_factory=list)
    merged: list[MapEntry] = field(default_factory=list)
    key: tuple[str, Location] | None = None
    awaits_value: bool = False
    is_merge: bool = False
    height: int = 1


@dataclass(frozen=True, slots=True)
class _Anchored:
    """A finished node that aliases may name."""

    node: Node
    count: int
    height: int


class _TreeBuilder:
    """Turns the events of one document into a tree."""

    def __init__(self, file: str, first_line: int, problems: list[Problem]) -> None:
        self._file = file
        self._line_offset = first_line
        self._problems = problems
        self._stack: list[_Open] = []
        self._anchors: dict[str, _Anchored] = {}
        self._count = 0
        self._root: Node | None = None

    def build(self, document: str) -> Node | None:
        for event in yaml.parse(document, Loader=_LOADER):
            match event:
                case yaml.ScalarEvent():
                    self._scalar(event)
                case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                    self._open(event)
                case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                    self._close()
                case yaml.AliasEvent():
                    self._alias(event)
                case _:
                    pass
        return self._root

    def _place(self, event: yaml.Event) -> Location:
        mark = event.start_mark
        if mark is None:
            return Location(self._file, self._line_offset)
        return Location(self._file, self._line_offset + mark.line, mark.column + 1)

    def _grow(self, count: int, height: int, at: Location) -> None:
        self._count += count
        if self._count > MAX_NODES:
            message = f"the document has more than {MAX_NODES} values, aliases expanded"
            raise DocumentError(codes.TOO_MANY_NODES, message, at, "Split it, or drop aliases.")
        if len(self._stack) + height > MAX_DEPTH:
            message = f"the document nests deeper than {MAX_DEPTH} levels"
            raise DocumentError(codes.TOO_DEEP, message, at)
        if self._stack:
            self._stack[-1].height = max(self._stack[-1].height, height + 1)

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        location = self._place(event)
        self._grow(1, 1, location)
        node = ScalarNode(
            _scalar_value(event), event.value, location, _text_column(event, location)
        )
        if event.anchor is not None:
            self._anchors[event.anchor] = _Anchored(node, 1, 1)
        is_merge = event.value == "<<" and not event.style
        self._add(node, is_merge=is_merge)

    def _open(self, event: yaml.MappingStartEvent | yaml.SequenceStartEvent) -> None:
        location = self._place(event)
        started = self._count
        self._grow(1, 1, location)
        is_map = isinstance(event, yaml.MappingStartEvent)
        frame = _Open(location, event.anchor, started, is_map)
        if event.anchor is not None:
            self._anchors.pop(event.anchor, None)
        self._stack.append(frame)

    def _close(self) -> None:
        frame = self._stack.pop()
        node: Node
        if frame.is_map:
            node = MapNode(self._unique(frame), frame.location)
        else:
            node = ListNode(tuple(frame.items), frame.location)
        if frame.anchor is not None:
            size = self._count - frame.started_at_count
            self._anchors[frame.anchor] = _Anchored(node, size, frame.height)
        if self._stack:
            self._stack[-1].height = max(self._stack[-1].height, frame.height + 1)
        self._add(node)

    def _alias(self, event: yaml.AliasEvent) -> None:
        location = self._place(event)
        anchored = self._anchors.get(str(event.anchor))
        if anchored is None:
            message = f"alias `*{event.anchor}` names no finished anchor"
            raise DocumentError(codes.YAML_SYNTAX, message, location)
        self._grow(anchored.count, anchored.height, location)
        self._add(anchored.node)

    def _add(self, node: Node, *, is_merge: bool = False) -> None:
        if not self._stack:
            self._root = node
            return
        frame = self._stack[-1]
        if not frame.is_map:
            frame.items.append(node)
        elif not frame.awaits_value:
            frame.is_merge = is_merge
            frame.key = None if is_merge else self._key(node)
            frame.awaits_value = True
        else:
            frame.awaits_value = False
            if frame.is_merge:
                frame.merged.extend(self._merge_entries(node))
            elif frame.key is not None:
                frame.entries.append(MapEntry(frame.key[0], node, frame.key[1]))

    def _key(self, node: Node) -> tuple[str, Location] | None:
        text = key_text(node.value) if isinstance(node, ScalarNode) else None
        if text is None or not isinstance(node, ScalarNode):
            message = "a key of a mapping must be a text"
            self._problems.append(Problem(codes.KEY_NOT_TEXT, message, node.location))
            return None
        if isinstance(node.value, bool) and node.text.lower() in _AMBIGUOUS_KEYS:
            message = f"the key `{node.text}` is a boolean in YAML 1.1 and was read as `{text}`"
            hint = f"Quote it: `'{node.text}'`."
            self._warn(codes.KEY_READS_AS_BOOLEAN, message, node.location, hint)
        return text, node.location

    def _warn(self, code: str, message: str, location: Location, hint: str) -> None:
        warning = Problem(code, message, location, hint=hint, severity=Severity.WARNING)
        self._problems.append(warning)

    def _merge_entries(self, node: Node) -> Iterator[MapEntry]:
        """Entries that `<<` brings in, the strongest first."""
        sources = node.items if isinstance(node, ListNode) else (node,)
        for source in sources:
            if not isinstance(source, MapNode):
                message = "`<<` takes a mapping or a list of mappings"
                raise DocumentError(codes.YAML_SYNTAX, message, source.location)
            yield from source.entries

    def _unique(self, frame: _Open) -> tuple[MapEntry, ...]:
        """Entries with unique keys: the last written wins, merged ones fill the gaps."""
        by_key: dict[str, MapEntry] = {}
        for entry in frame.entries:
            earlier = by_key.get(entry.key)
            if earlier is not None:
                message = f"the key `{entry.key}` is already at line {earlier.location.line}"
                hint = "This one counts; remove the other."
                self._warn(codes.DUPLICATE_KEY, message, entry.location, hint)
            by_key[entry.key] = entry
        for entry in frame.merged:
            by_key.setdefault(entry.key, entry)
        return tuple(by_key.values())


def _scalar_value(event: yaml.ScalarEvent) -> Scalar:
    """Value by tag and style. Tags of applications are not known here and mean text."""
    text: str = event.value
    if event.tag is None:
        return plain_scalar(text) if not event.style else text
    name = str(event.tag).removeprefix(_WRITTEN_TAGS)
    return plain_scalar(text) if name in _TAGS_OF_PLAIN_VALUES else text


def _text_column(event: yaml.ScalarEvent, location: Location) -> int:
    """Where the text starts if it is verbatim on one line; 0 for folded and escaped texts."""
    start, end = event.start_mark, event.end_mark
    if start is None or end is None or start.line != end.line:
        return 0
    if event.tag is not None or event.anchor is not None:
        return 0
    quotes = 0 if not event.style else 2
    is_verbatim = end.column - start.column == len(event.value) + quotes
    return location.column + quotes // 2 if is_verbatim and location.column else 0
