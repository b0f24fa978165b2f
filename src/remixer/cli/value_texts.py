"""How attribute values are written on a command line, one row per type.

Pure. The order of auto-typing and what each type accepts are those of Mixer's `mixc`, which
reads with Go's parsers: no blanks, no `1_000`, times in RFC 3339, durations as `1h30m`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from math import isinf
from typing import Final

from remixer.attributes.values import Duration, PlainStringMap, Timestamp, Value
from remixer.foundation.durations import parse_duration
from remixer.foundation.timestamps import parse_timestamp

_INT64_BOUND: Final = 2**63
_INT64_DIGITS: Final = 19  # also keeps a megabyte of digits away from int()
_MAX_BYTE: Final = 0xFF
_TRUE_TEXTS: Final = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE_TEXTS: Final = frozenset({"0", "f", "F", "FALSE", "false", "False"})


@dataclass(frozen=True, slots=True)
class ValueForm:
    """One type of value and its text form."""

    noun: str
    """As it reads in `"x" is not …`."""
    example: str
    parse: Callable[[str], Value | None]
    """The value, or None if the text is not of this form."""


def parse_int64(text: str) -> int | None:
    """A decimal whole number in ±2^63."""
    sign = -1 if text[:1] == "-" else 1
    digits = text[1:] if text[:1] in {"+", "-"} else text
    if not (digits.isascii() and digits.isdigit()):
        return None
    significant = digits.lstrip("0") or "0"
    if len(significant) > _INT64_DIGITS:
        return None
    number = sign * int(significant)
    return number if -_INT64_BOUND <= number < _INT64_BOUND else None


def parse_double(text: str) -> float | None:
    """A decimal number, `inf` or `nan`; None when it overflows."""
    if "_" in text or text.strip() != text:
        return None
    try:
        number = float(text)
    except ValueError:
        return None
    return None if isinf(number) and "inf" not in text.lower() else number


def parse_bool(text: str) -> bool | None:
    """Go's spellings: `1 t T TRUE true True` and `0 f F FALSE false False`."""
    if text in _TRUE_TEXTS:
        return True
    return False if text in _FALSE_TEXTS else None


def parse_time(text: str) -> Timestamp | None:
    """RFC 3339: `2021-06-01T06:00:00.5Z`, `…+02:00`."""
    nanoseconds = parse_timestamp(text)
    return None if nanoseconds is None else Timestamp(nanoseconds)


def parse_go_duration(text: str) -> Duration | None:
    """`1h30m`, `250ms`, `-2s`, `0`."""
    nanoseconds = parse_duration(text)
    return None if nanoseconds is None else Duration(nanoseconds)


def parse_hex_bytes(text: str) -> bytes | None:
    """Bytes in hexadecimal, separated by colons: `0a:01:ff`. One byte needs no colon."""
    values = []
    for part in text.split(":"):
        if not part or not all(char in "0123456789abcdefABCDEF" for char in part):
            return None
        values.append(int(part, 16))
    return bytes(values) if all(value <= _MAX_BYTE for value in values) else None


def parse_ip(text: str) -> bytes | None:
    """An IPv4 or IPv6 address as its 4 or 16 bytes."""
    try:
        return ip_address(text).packed
    except ValueError:
        return None


def parse_string_map(text: str) -> PlainStringMap | None:
    r"""`key:value;key:value`; `\;` is a semicolon inside a value.

    A key ends at its first colon; one in front belongs to it (`:method:GET`), which mixc could
    not express.
    """
    entries = PlainStringMap()
    for pair in split_escaped(text, ";"):
        colon = pair.find(":", 1)
        if colon < 0:
            return None
        entries[pair[:colon]] = pair[colon + 1 :]
    return entries


def parse_any(text: str) -> Value:
    """The first form that `text` has, in mixc's order; a string if it has none."""
    for form in _SENSED:
        value = form.parse(text)
        if value is not None:
            return value
    return text


def split_escaped(text: str, separator: str) -> list[str]:
    r"""Split at every `separator` that no backslash precedes; `\,` gives a plain `,`.

    Other backslashes stay as they are.
    """
    parts = [""]
    position = 0
    while position < len(text):
        if text.startswith("\\" + separator, position):
            parts[-1] += separator
            position += 2
        elif text[position] == separator:
            parts.append("")
            position += 1
        else:
            parts[-1] += text[position]
            position += 1
    return parts


STRING: Final = ValueForm("a string", "text", str)
INT64: Final = ValueForm("a 64-bit whole number", "42", parse_int64)
DOUBLE: Final = ValueForm("a number", "2.5", parse_double)
BOOL: Final = ValueForm("true or false", "true", parse_bool)
TIMESTAMP: Final = ValueForm("an RFC 3339 time", "2021-06-01T06:00:00Z", parse_time)
DURATION: Final = ValueForm("a duration", "1m30s", parse_go_duration)
BYTES: Final = ValueForm("bytes in hexadecimal with colons", "0a:01:ff", parse_hex_bytes)
IP: Final = ValueForm("an IP address", "10.1.2.3", parse_ip)
STRING_MAP: Final = ValueForm(
    "pairs `key:value;key:value`", "method:GET;user:alice", parse_string_map
)
ANY: Final = ValueForm("a value", "text", parse_any)

# Source: parseAny of mixc. `a` is a byte, `t` a bool and `http://x` a map to it; `-s` overrules.
_SENSED: Final = (INT64, DOUBLE, BOOL, TIMESTAMP, DURATION, BYTES, STRING_MAP)
