"""Policies of 2019, brought to what the engine understands, without a change of meaning.

* `deny[msg] { … }` was a set; the engine reads an object. It becomes `deny contains msg { … }`.
* Text literals take the one spelling that input has: the engine compares spellings.
* `any`, `all` and `re_match` are gone from the engine; modules that call them get them.

A module that imports `rego.v1` is left as written, its literals apart.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final


class Kind(Enum):
    """What a token is."""

    BLANK = "blank"
    COMMENT = "comment"
    TEXT = "text"
    RAW_TEXT = "raw text"
    WORD = "word"
    SIGN = "sign"


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of a module; all pieces together are the module."""

    kind: Kind
    text: str
    line: int


# Functions of OPA that the engine lacks and that cannot be written in Rego.
MISSING_FUNCTIONS: Final = frozenset({
    "cast_array", "cast_boolean", "cast_null", "cast_object", "cast_set", "cast_string",
    "http.send", "net.cidr_contains", "net.cidr_contains_matches", "net.cidr_expand",
    "net.cidr_intersects", "net.cidr_merge", "net.cidr_overlap", "net.lookup_ip_addr",
    "print", "rego.parse_module", "set_diff", "trace",
})  # fmt: skip

_REVIVED: Final = {
    "any": "any(xs) = y { y := count([1 | xs[_] == true]) > 0 }",
    "all": "all(xs) = y { y := count([1 | x := xs[_]; x != true]) == 0 }",
    "re_match": "re_match(p, v) = y { y := regex.match(p, v) }",
}
_NEVER_A_HEAD: Final = frozenset({"package", "import", "default", "else", "as", "not", "with"})
_OPENING: Final = frozenset("([{")
_CLOSING: Final = frozenset(")]}")
_SILENT: Final = frozenset({Kind.BLANK, Kind.COMMENT})


def tokens_of(module: str) -> list[Token]:
    """Never fails: what is no Rego is signs."""
    found: list[Token] = []
    place, line = 0, 1
    while place < len(module):
        kind, end = _next(module, place)
        text = module[place:end]
        found.append(Token(kind, text, line))
        line += text.count("\n")
        place = end
    return found


def modernise(module: str) -> str:
    """The module in the engine's dialect; lines stay where they are, raw texts apart."""
    tokens = tokens_of(module)
    revived = sorted(_called(tokens) & _REVIVED.keys() - _heads(tokens))
    if not _is_v1(tokens):
        tokens = _with_sets(tokens)
    body = "".join(_spelled(token) for token in tokens)
    return "\n".join((body, *(_REVIVED[name] for name in revived)))


def missing_calls(module: str) -> Iterator[tuple[int, str]]:
    """Line and name of each call of a function that cannot be had."""
    for line, name in _calls(tokens_of(module)):
        if name in MISSING_FUNCTIONS:
            yield line, name


def calls_functions(module: str) -> bool:
    """Whether anything in it is computed, and not just compared."""
    return any(True for _ in _calls(tokens_of(module)))


def canonical_text(text: str) -> str:
    """How the engine must be given text: the inside of a JSON string, as short as it gets."""
    return json.dumps(text, ensure_ascii=False)[1:-1]


def _next(module: str, place: int) -> tuple[Kind, int]:
    first = module[place]
    if first.isspace():
        return Kind.BLANK, _while(module, place, str.isspace)
    if first == "#":
        return Kind.COMMENT, _until(module, place, "\n")
    if first == "`":
        return Kind.RAW_TEXT, min(_until(module, place + 1, "`") + 1, len(module))
    if first == '"':
        return Kind.TEXT, _end_of_text(module, place + 1)
    if first.isalnum() or first == "_":
        return Kind.WORD, _while(module, place, lambda each: each.isalnum() or each == "_")
    return Kind.SIGN, place + 1


def _while(module: str, place: int, belongs: Callable[[str], bool]) -> int:
    while place < len(module) and belongs(module[place]):
        place += 1
    return place


def _until(module: str, place: int, mark: str) -> int:
    found = module.find(mark, place)
    return len(module) if found < 0 else found


def _end_of_text(module: str, place: int) -> int:
    while place < len(module) and module[place] not in '"\n':
        place += 2 if module[place] == "\\" else 1
    return min(place + 1, len(module))


def _spelled(token: Token) -> str:
    if token.kind is Kind.RAW_TEXT and token.text.endswith("`"):
        return f'"{canonical_text(token.text[1:-1])}"'
    if token.kind is Kind.TEXT:
        try:
            return f'"{canonical_text(json.loads(token.text))}"'
        except ValueError:
            return token.text  # the engine's parser says what is wrong with it
    return token.text


def _loud(tokens: Sequence[Token]) -> list[int]:
    """Indexes of tokens that mean something."""
    return [index for index, token in enumerate(tokens) if token.kind not in _SILENT]


def _is_v1(tokens: Sequence[Token]) -> bool:
    texts = [tokens[index].text for index in _loud(tokens)]
    wanted = ["import", "rego", ".", "v1"]
    return any(texts[at : at + 4] == wanted for at in range(len(texts)))


def _calls(tokens: Sequence[Token]) -> Iterator[tuple[int, str]]:
    """Line and dotted name of everything before an opening parenthesis."""
    name = ""
    for token in tokens:
        if token.kind is Kind.WORD:
            name = name + token.text if name.endswith(".") else token.text
        elif token.text == "." and name:
            name += "."
        else:
            if token.text == "(" and name:
                yield token.line, name
            name = ""


def _called(tokens: Sequence[Token]) -> set[str]:
    return {name for _, name in _calls(tokens)}


def _heads(tokens: Sequence[Token]) -> set[str]:
    return {tokens[index].text for index in _head_indexes(tokens)}


def _head_indexes(tokens: Sequence[Token]) -> Iterator[int]:
    """Where rules begin: words outside of brackets, first on a line or after a body."""
    depth, before = 0, None
    for index in _loud(tokens):
        token = tokens[index]
        if token.kind is Kind.WORD and depth == 0 and _starts(token, before):
            yield index
        if token.kind is Kind.SIGN:
            depth += (token.text in _OPENING) - (token.text in _CLOSING)
        before = token


def _starts(token: Token, before: Token | None) -> bool:
    if token.text in _NEVER_A_HEAD:
        return False
    if before is None or before.text == "}":
        return True
    return before.line < token.line and before.text not in {"=", ".", *_NEVER_A_HEAD}


def _with_sets(tokens: Sequence[Token]) -> list[Token]:
    """`name[key]` with a body or nothing behind it is a set: `name contains key`."""
    changed = list(tokens)
    for head in _head_indexes(tokens):
        opening = head + 1
        closing = _closing_of(tokens, opening)
        if closing is not None and _is_set(tokens, closing):
            changed[opening] = replace(tokens[opening], text=" contains ")
            changed[closing] = replace(tokens[closing], text=" ")
    return changed


def _closing_of(tokens: Sequence[Token], opening: int) -> int | None:
    """The bracket that closes the one at `opening`; None if there is no `[`."""
    if opening >= len(tokens) or tokens[opening].text != "[":
        return None
    depth = 0
    for index in range(opening, len(tokens)):
        if tokens[index].kind is Kind.SIGN:
            depth += (tokens[index].text in _OPENING) - (tokens[index].text in _CLOSING)
        if depth == 0:
            return index
    return None


def _is_set(tokens: Sequence[Token], closing: int) -> bool:
    for token in tokens[closing + 1 :]:
        if token.kind not in _SILENT:
            return token.text == "{" or token.line > tokens[closing].line
    return True
