"""Template text to tokens. Source: Go `text/template/parse`, lexical rules."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final, NoReturn

from remixer.sdk.go_template.errors import TemplateSyntaxError
from remixer.sdk.go_template.literals import number_of, text_of

LONGEST_TEMPLATE: Final = 16_384
"""Characters; operators' templates have some hundreds."""
_OPEN: Final = "{{"
_CLOSE: Final = "}}"
_BLANKS: Final = " \t\r\n"
_NUMBER_CHARACTERS: Final = frozenset("0123456789abcdefABCDEFxXoOpP._")


class Kind(Enum):
    """What a token is."""

    TEXT = "text"
    START = "{{"
    STOP = "}}"
    WORD = "word"
    FIELD = "field"
    DOT = "."
    VARIABLE = "variable"
    LITERAL = "literal"
    PIPE = "|"
    OPEN = "("
    CLOSE = ")"
    COMMA = ","
    DECLARE = ":="
    ASSIGN = "="
    END = "end of the template"


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the text. `text` is a field's name without its dot."""

    kind: Kind
    text: str
    at: int
    is_spaced: bool = False
    """Whether a blank stands before it: `.a .b` are two values, `.a.b` is one."""
    value: str | int | float = ""
    """Of a literal."""


_SIGNS: Final = {
    "|": Kind.PIPE,
    "(": Kind.OPEN,
    ")": Kind.CLOSE,
    ",": Kind.COMMA,
    ":=": Kind.DECLARE,
    "=": Kind.ASSIGN,
}


def tokens_of(text: str) -> Iterator[Token]:
    """All tokens, the last one END. Raises `TemplateSyntaxError`."""
    if len(text) > LONGEST_TEMPLATE:
        reason = f"{len(text)} characters; at most {LONGEST_TEMPLATE} are allowed"
        raise TemplateSyntaxError(reason, text=text, at=0)
    return _Lexer(text).run()


class _Lexer:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def run(self) -> Iterator[Token]:
        text, trims = self._text, False
        while True:
            start = self._at
            end = text.find(_OPEN, start)
            is_last = end < 0
            end = len(text) if is_last else end
            self._at = end + len(_OPEN)
            trims_before = not is_last and self._skip_left_trim()
            plain = text[start:end]
            plain = plain.lstrip(_BLANKS) if trims else plain
            plain = plain.rstrip(_BLANKS) if trims_before else plain
            if plain:
                yield Token(Kind.TEXT, plain, start)
            if is_last:
                yield Token(Kind.END, "", len(text))
                return
            if text.startswith("/*", self._at):
                trims = self._skip_comment()
            else:
                yield Token(Kind.START, _OPEN, end)
                trims = yield from self._action()

    def _skip_left_trim(self) -> bool:
        text, at = self._text, self._at
        if text[at : at + 1] == "-" and text[at + 1 : at + 2] in tuple(_BLANKS):
            self._at += 2
            return True
        return False

    def _skip_comment(self) -> bool:
        """Whether it trims what follows."""
        end = self._text.find("*/", self._at)
        if end < 0:
            self._fail("the comment has no end")
        self._at = end + 2
        is_spaced = self._skip_blanks()
        trims = is_spaced and self._text.startswith("-" + _CLOSE, self._at)
        self._at += trims
        if not self._text.startswith(_CLOSE, self._at) or (is_spaced and not trims):
            self._fail("a comment must end with */}} or */ -}}")
        self._at += len(_CLOSE)
        return trims

    def _skip_blanks(self) -> bool:
        start = self._at
        while self._text[self._at : self._at + 1] in tuple(_BLANKS):
            self._at += 1
        return self._at > start

    def _action(self) -> Generator[Token, None, bool]:
        """Tokens to the closing braces; the value is whether they trim what follows."""
        while True:
            is_spaced = self._skip_blanks()
            trims = is_spaced and self._text.startswith("-" + _CLOSE, self._at)
            at = self._at + trims
            if self._text.startswith(_CLOSE, at):
                yield Token(Kind.STOP, _CLOSE, at)
                self._at = at + len(_CLOSE)
                return trims
            yield self._token(is_spaced=is_spaced)

    def _token(self, *, is_spaced: bool) -> Token:
        text, at = self._text, self._at
        if at >= len(text):
            self._fail("the action has no }}")
        first, second = text[at], text[at + 1 : at + 2]
        for length in (2, 1):
            sign = _SIGNS.get(text[at : at + length])
            if sign is not None:
                self._at += length
                return Token(sign, text[at : at + length], at, is_spaced)
        if first in "\"'`":
            value, self._at = text_of(text, at)
            return Token(Kind.LITERAL, text[at : self._at], at, is_spaced, value)
        if first.isdecimal() or (first in "+-." and second.isdecimal()):
            return self._number(is_spaced=is_spaced)
        if first in ".$" or _is_letter(first):
            return self._name(is_spaced=is_spaced)
        reason = f"unexpected {first!r}"
        raise TemplateSyntaxError(reason, text=text, at=at)

    def _number(self, *, is_spaced: bool) -> Token:
        text, start = self._text, self._at
        end = start + 1
        while end < len(text) and (
            text[end] in _NUMBER_CHARACTERS or (text[end] in "+-" and text[end - 1] in "eEpP")
        ):
            end += 1
        value = number_of(text[start:end])
        if value is None:
            self._fail(f"`{text[start:end]}` is not a number")
        self._at = end
        return Token(Kind.LITERAL, text[start:end], start, is_spaced, value)

    def _name(self, *, is_spaced: bool) -> Token:
        text, start = self._text, self._at
        end = start + (text[start] in ".$")
        while end < len(text) and (_is_letter(text[end]) or text[end].isdecimal()):
            end += 1
        self._at = end
        found = text[start:end]
        if found[0] == "$":
            return Token(Kind.VARIABLE, found, start, is_spaced)
        if found[0] != ".":
            return Token(Kind.WORD, found, start, is_spaced)
        kind = Kind.FIELD if len(found) > 1 else Kind.DOT
        return Token(kind, found[1:], start, is_spaced)

    def _fail(self, reason: str) -> NoReturn:
        raise TemplateSyntaxError(reason, text=self._text, at=self._at)


def _is_letter(character: str) -> bool:
    return character == "_" or character.isalpha()
