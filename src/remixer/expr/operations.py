"""What the language's functions do, on carriers. Every failure is an `EvaluationError`.

Neighbours: `functions` says which of these a name means for which types.
"""

import math
import struct
from collections.abc import Callable
from typing import Final

from remixer.attributes.values import (
    EMPTY_STRING_MAP,
    StringMap,
    Timestamp,
)
from remixer.expr.dns_names import DnsNameError, are_equal_dns_names, parse_dns_name
from remixer.expr.emails import DisplayNameError, EmailError, are_equal_emails, check_email
from remixer.expr.errors import EvaluationError
from remixer.expr.ip_text import parse_ip
from remixer.expr.uris import UriError, are_equal_uris, parse_uri
from remixer.expr.utf8 import utf8_bytes
from remixer.foundation.regex import PatternError, compile_pattern
from remixer.foundation.timestamps import parse_timestamp

_HALF: Final = 2**63
_MASK: Final = 2**64 - 1

# RE2's reasons in C++ and in Go. Longest first: one C++ text is the beginning of another.
_GO_PATTERN_REASONS: Final = (
    ("invalid character class range", "invalid character class range"),
    ("invalid character class", "invalid character class range"),
    ("invalid escape sequence", "invalid escape sequence"),
    ("invalid named capture group", "invalid named capture"),
    ("invalid perl operator", "invalid or unsupported Perl syntax"),
    ("invalid repetition size", "invalid repeat count"),
    ("bad repetition operator", "invalid nested repetition operator"),
    ("no argument for repetition operator", "missing argument to repetition operator"),
    ("missing ]", "missing closing ]"),
    ("missing )", "missing closing )"),
    ("unexpected )", "unexpected )"),
    ("trailing \\", "trailing backslash at end of expression"),
    ("invalid UTF-8", "invalid UTF-8"),
)


# ------------------------------------------------------------ numbers


def wrap_int64(number: int) -> int:
    """Two's complement of 64 bits, as Go adds."""
    return ((number + _HALF) & _MASK) - _HALF


def add_integers(left: int, right: int) -> int:
    return wrap_int64(left + right)


def are_same_doubles(left: float, right: float) -> bool:
    """By bit pattern: minus zero differs from zero, and a NaN equals its like."""
    if left == right:
        return left != 0.0 or math.copysign(1.0, left) == math.copysign(1.0, right)
    return left != left and struct.pack("d", left) == struct.pack("d", right)  # noqa: PLR0124  NaN


# ------------------------------------------------------------ text


def matches_wildcard(text: str, pattern: str) -> bool:
    """One star, at the end or else at the start, has a meaning."""
    if pattern.endswith("*"):
        return text.startswith(pattern[:-1])
    if pattern.startswith("*"):
        return text.endswith(pattern[1:])
    return text == pattern


def matches_pattern(pattern: str, text: str) -> bool:
    return searcher(pattern)(text)


def searcher(pattern: str) -> Callable[[str], bool]:
    """Search for an RE2 pattern; errors are in Go's words, as Mixer gives them."""
    valid_pattern = _valid_text(pattern)
    if valid_pattern != pattern:
        message = f"error parsing regexp: invalid UTF-8: `{valid_pattern}`"
        raise EvaluationError(message)
    try:
        found_in = compile_pattern(pattern).found_in
    except PatternError as error:
        message = f"error parsing regexp: {_go_reason(str(error), pattern)}"
        raise EvaluationError(message) from error

    def search(text: str) -> bool:
        return found_in(_valid_text(text))

    return search


def _go_reason(reason: str, pattern: str) -> str:
    for native, go_reason in _GO_PATTERN_REASONS:
        if reason.startswith(native):
            culprit = reason[len(native) :].removeprefix(": ")
            # Go shows the whole pattern where a parenthesis is at fault.
            is_parenthesis = go_reason in {"missing closing )", "unexpected )"}
            return f"{go_reason}: `{pattern if is_parenthesis else culprit}`"
    return reason


def _valid_text(text: str) -> str:
    """Bytes that are no UTF-8 match as U+FFFD, as in Go."""
    return text if text.isascii() else utf8_bytes(text).decode("utf-8", "replace")


def starts_with(text: str, prefix: str) -> bool:
    return text.startswith(prefix)


def ends_with(text: str, suffix: str) -> bool:
    return text.endswith(suffix)


def lower(text: str) -> str:
    """Letter by letter: Go knows neither final sigma nor letters that become two."""
    if text.isascii():
        return text.lower()
    return "".join("i" if letter == "\u0130" else letter.lower() for letter in text)


def size_bytes(text: str) -> int:
    return len(text) if text.isascii() else len(utf8_bytes(text))


def pick_string(is_first: bool, first: str, second: str) -> str:  # noqa: FBT001  the language's own order
    return first if is_first else second


# ------------------------------------------------------------ conversions


def to_ip(text: str) -> bytes:
    address = parse_ip(text)
    if address is None:
        message = f"could not convert {text} to IP_ADDRESS"
        raise EvaluationError(message)
    return address


def to_timestamp(text: str) -> Timestamp:
    nanoseconds = parse_timestamp(text)
    if nanoseconds is None:
        message = (
            f"could not convert '{text}' to TIMESTAMP. expected format: '2006-01-02T15:04:05Z07:00'"
        )
        raise EvaluationError(message)
    return Timestamp(nanoseconds)


def to_dns_name(text: str) -> str:
    try:
        return parse_dns_name(text)
    except DnsNameError as error:
        message = f"error converting '{text}' to dns name: '{error}'"
        raise EvaluationError(message) from error


def to_email(text: str) -> str:
    try:
        check_email(text)
    except DisplayNameError as error:
        message = f"error converting '{text}' to e-mail: display names are not allowed"
        raise EvaluationError(message) from error
    except EmailError as error:
        message = f"error converting '{text}' to e-mail: '{error}'"
        raise EvaluationError(message) from error
    return text


def to_uri(text: str) -> str:
    if not text:
        message = "error converting string to uri: empty string"
        raise EvaluationError(message)
    try:
        parse_uri(text)
    except UriError as error:
        message = f"error converting string to uri '{text}': '{error}'"
        raise EvaluationError(message) from error
    return text


def empty_string_map() -> StringMap:
    return EMPTY_STRING_MAP


# ------------------------------------------------------------ equality that normalises


def dns_names_equal(left: str, right: str) -> bool:
    try:
        return are_equal_dns_names(left, right)
    except DnsNameError as error:
        raise EvaluationError(str(error)) from error


def emails_equal(left: str, right: str) -> bool:
    try:
        return are_equal_emails(left, right)
    except (EmailError, DnsNameError) as error:
        raise EvaluationError(str(error)) from error


def uris_equal(left: str, right: str) -> bool:
    try:
        return are_equal_uris(left, right)
    except (UriError, DnsNameError) as error:
        raise EvaluationError(str(error)) from error
