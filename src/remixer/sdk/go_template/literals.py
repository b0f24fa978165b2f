"""Constants of Go's syntax: quoted texts, characters, numbers."""

from typing import Final

from remixer.sdk.go_template.errors import TemplateSyntaxError

_PLAIN_ESCAPES: Final = {
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
    "\\": "\\",
    "'": "'",
    '"': '"',
}
_HEX_LENGTHS: Final = {"x": 2, "u": 4, "U": 8}
_OCTAL_LENGTH: Final = 3
_LONGEST_NUMBER: Final = 64
_HIGHEST_CHARACTER: Final = 0x10FFFF


def number_of(text: str) -> int | float | None:
    """The number that Go's syntax reads, integers in ±2^63; None for anything else."""
    if len(text) > _LONGEST_NUMBER:
        return None
    digits = text.lstrip("+-")
    is_old_octal = len(digits) > 1 and digits.isdecimal() and digits[0] == "0"
    try:
        number = int(text, 8 if is_old_octal else 0)
    except ValueError:
        return _double_of(text)
    return number if -(2**63) <= number < 2**63 else None


def _double_of(text: str) -> float | None:
    try:
        return float.fromhex(text) if "x" in text.lower() else float(text)
    except (ValueError, OverflowError):
        return None


def text_of(source: str, at: int) -> tuple[str | int, int]:
    """The constant whose quote stands at `at`, and where it ends. A character is its number."""
    quote = source[at]
    if quote == "`":
        end = source.find("`", at + 1)
        if end < 0:
            raise TemplateSyntaxError(text=source, at=at, reason="the quoted text has no end")
        return source[at + 1 : end], end + 1
    found, end = _unescaped(source, at + 1, quote)
    if quote == '"':
        return found, end
    if len(found) != 1:
        reason = "one character must stand between single quotes"
        raise TemplateSyntaxError(reason, text=source, at=at)
    return ord(found), end


def _unescaped(source: str, at: int, quote: str) -> tuple[str, int]:
    parts: list[str] = []
    start = at
    while source[at : at + 1] not in {"", "\n"}:
        if source[at] == quote:
            return "".join(parts), at + 1
        if source[at] == "\\":
            part, at = _escaped(source, at + 1)
        else:
            part, at = source[at], at + 1
        parts.append(part)
    raise TemplateSyntaxError(text=source, at=start - 1, reason="the quoted text has no end")


def _escaped(source: str, at: int) -> tuple[str, int]:
    mark = source[at : at + 1]
    if mark in _PLAIN_ESCAPES:
        return _PLAIN_ESCAPES[mark], at + 1
    if mark in _HEX_LENGTHS:
        base, start, length = 16, at + 1, _HEX_LENGTHS[mark]
    else:
        base, start, length = 8, at, _OCTAL_LENGTH
    digits = source[start : start + length]
    try:
        number = int(digits, base) if len(digits) == length and digits.isalnum() else -1
    except ValueError:
        number = -1
    if not 0 <= number <= _HIGHEST_CHARACTER or 0xD800 <= number < 0xE000:  # noqa: PLR2004 - surrogates
        raise TemplateSyntaxError(text=source, at=at - 1, reason="unknown escape")
    return chr(number), start + length
