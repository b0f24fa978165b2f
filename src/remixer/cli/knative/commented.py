"""Documents whose values may say why they are so: written as YAML with comments, or without as JSON.

A value that must be explained is wrapped in `Because`; everything else is plain data.
"""

import json
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias, TypeGuard

Document: TypeAlias = (
    "str | int | float | bool | Because | Sequence[Document] | Mapping[str, Document]"
)
Plain: TypeAlias = "str | int | float | bool | list[Plain] | dict[str, Plain]"

_WIDTH: Final = 96
_INDENT: Final = 2
# Texts that YAML reads as the same text without quotes; numbers and durations are not among them,
# but for those with a unit, which no YAML reads as a number.
_BARE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*|[0-9]+(\.[0-9]+)?s")  # noqa: TID251 - ours, linear
_PRINTED: Final = frozenset(map(chr, range(0x20, 0x7F)))
_WORDS: Final = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n"})


@dataclass(frozen=True, slots=True)
class Because:
    """A value and the reason for it."""

    value: Document
    why: str


def plain(document: Document) -> Plain:
    """Without the reasons."""
    match document:
        case Because():
            return plain(document.value)
        case Mapping():
            return {key: plain(value) for key, value in document.items()}
        case str() | bool() | int() | float():
            return document
        case _:
            return [plain(each) for each in document]


def as_yaml(document: Mapping[str, Document], *, title: str = "") -> str:
    """Block style, each reason as a comment above its key."""
    lines = [*_comment(title, 0), *([""] if title else []), *_mapping(document, 0)]
    return "\n".join(lines) + "\n"


def _mapping(mapping: Mapping[str, Document], depth: int) -> Iterator[str]:
    pad = " " * depth
    for key, value in mapping.items():
        why, bare = _unwrapped(value)
        yield from _comment(why, depth)
        head = f"{pad}{_scalar(key)}:"
        if isinstance(bare, Mapping) and bare:
            yield head
            yield from _mapping(bare, depth + _INDENT)
        elif _is_list(bare):
            yield head
            yield from _items(bare, depth)
        elif isinstance(bare, str) and _is_block(bare):
            yield f"{head} |"
            yield from (f"{pad}{' ' * _INDENT}{line}".rstrip() for line in bare.splitlines())
        else:
            yield f"{head} {_leaf(bare)}"


def _items(items: Sequence[Document], depth: int) -> Iterator[str]:
    pad = " " * depth
    for item in items:
        why, bare = _unwrapped(item)
        yield from _comment(why, depth)
        if isinstance(bare, Mapping) and bare:
            yield from _marked(list(_mapping(bare, depth + _INDENT)), pad)
        elif _is_list(bare):
            yield from _marked(list(_items(bare, depth + _INDENT)), pad)
        else:
            yield f"{pad}- {_leaf(bare)}"


def _marked(lines: list[str], pad: str) -> Iterator[str]:
    """The lines of an item; its first one that is no comment bears the dash."""
    first = next(index for index, line in enumerate(lines) if not line.lstrip().startswith("#"))
    for line in lines[:first]:
        yield pad + line.lstrip()
    yield f"{pad}- {lines[first].lstrip()}"
    yield from lines[first + 1 :]


def _comment(why: str, depth: int) -> Iterator[str]:
    pad = " " * depth
    for paragraph in why.splitlines():
        for line in textwrap.wrap(paragraph, _WIDTH - depth - 2, break_on_hyphens=False) or [""]:
            yield f"{pad}# {line}".rstrip()


def _unwrapped(value: Document) -> tuple[str, Document]:
    """All reasons, and what they are for."""
    whys: list[str] = []
    while isinstance(value, Because):
        whys.append(value.why)
        value = value.value
    return "\n".join(whys), value


def _is_list(value: Document) -> "TypeGuard[Sequence[Document]]":
    return isinstance(value, Sequence) and not isinstance(value, str) and len(value) > 0


def _is_block(text: str) -> bool:
    """Whether a text is best written line by line, and reads the same then."""
    lines = text.split("\n")
    return (
        len(lines) > 2  # noqa: PLR2004 - two ends: one line is no block
        and lines[-1] == ""
        and lines[-2] != ""
        and lines[0].strip() == lines[0] != ""
        and all(line == line.rstrip() and _PRINTED.issuperset(line) for line in lines)
    )


def _leaf(value: Document) -> str:
    if isinstance(value, str):
        return _scalar(value)
    return json.dumps(plain(value))


def _scalar(text: str) -> str:
    if _BARE.fullmatch(text) and text.lower() not in _WORDS:
        return text
    quoted = json.dumps(text, ensure_ascii=False)
    return "".join(each if each in _PRINTED else _escaped(each) for each in quoted)


def _escaped(char: str) -> str:
    """As YAML writes it; JSON's pairs of surrogates are not YAML."""
    return f"\\U{ord(char):08x}"
