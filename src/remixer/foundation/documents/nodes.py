"""Configuration as a tree of located values: what a YAML document is after reading.

Nodes are immutable. An alias shares the node of its anchor; the reader has bounded the size and
depth of the expanded tree, so every walk over it ends soon.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from remixer.foundation.field_names import lower_camel
from remixer.foundation.problems import Location

Scalar: TypeAlias = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class ScalarNode:
    """A leaf. `text` is as written, without quotes."""

    value: Scalar
    text: str
    location: Location
    text_column: int = 0
    """Column of the first character of `text` if it stands there verbatim on one line, else 0."""

    def place_in_text(self, column: int) -> Location:
        """Where the character at `column` (from 1) of the text is; the scalar itself if unknown."""
        if not self.text_column or column < 1:
            return self.location
        return Location(self.location.file, self.location.line, self.text_column + column - 1)


@dataclass(frozen=True, slots=True)
class ListNode:
    """A sequence."""

    items: tuple["Node", ...]
    location: Location


@dataclass(frozen=True, slots=True)
class MapEntry:
    """One key of a mapping. Keys are texts: `8080:` became `"8080"`, `n:` became `"false"`."""

    key: str
    value: "Node"
    location: Location


@dataclass(frozen=True, slots=True)
class MapNode:
    """A mapping with unique keys, in order of writing."""

    entries: tuple[MapEntry, ...]
    location: Location

    def get(self, key: str) -> "Node | None":
        """The value, or None if the key is absent or its value is null."""
        for entry in self.entries:
            if entry.key == key:
                return None if is_null(entry.value) else entry.value
        return None

    def __iter__(self) -> Iterator[MapEntry]:
        return iter(self.entries)


Node: TypeAlias = ScalarNode | ListNode | MapNode


def is_null(node: Node | None) -> bool:
    """Whether nothing is configured here: no node, or YAML's null."""
    return node is None or (isinstance(node, ScalarNode) and node.value is None)


def describe(node: Node) -> str:
    """What was found, for messages: ``the number `5` ``, `a list`."""
    match node:
        case ListNode():
            return "a list"
        case MapNode():
            return "a mapping"
        case ScalarNode(value=None):
            return "null"
        case ScalarNode(value=bool()):
            return f"the boolean `{shortened(node.text)}`"
        case ScalarNode(value=int() | float()):
            return f"the number `{shortened(node.text)}`"
        case _:
            return f"the text `{shortened(node.text)}`"


_SHOWN = 80  # characters; enough to recognise a value, short enough for one log line


def shortened(text: str) -> str:
    """At most 80 characters of `text`, on one line."""
    line = text.replace("\n", "\\n")
    return line if len(line) <= _SHOWN else line[: _SHOWN - 1] + "…"


def locate(node: Node | None, path: str, default: Location) -> Location:
    """Location of `quotas[0].valid_duration` under `node`; of the deepest part that exists."""
    place = default if node is None else node.location
    for step in _steps(path):
        node = _child(node, step)
        if node is None:
            break
        place = node.location
    return place


def find(node: Node | None, path: str) -> Node | None:
    """The node at `actions[0].handler` under `node`."""
    for step in _steps(path):
        node = _child(node, step)
    return node


def _steps(path: str) -> Iterator[str]:
    for part in path.split("."):
        name, *keys = part.split("[")
        if name:
            yield name
        yield from (key.removesuffix("]") for key in keys)


def _child(node: Node | None, step: str) -> Node | None:
    match node:
        case MapNode():
            return node.get(step) or node.get(lower_camel(step))
        case ListNode() if step.isdecimal() and int(step) < len(node.items):
            return node.items[int(step)]
        case _:
            return None
