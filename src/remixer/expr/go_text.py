"""How Go prints values (`%v`) and quotes text (`%q`): Mixer's messages show both."""

import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from remixer.attributes.values import Duration, Timestamp, Value
from remixer.expr.ip_text import format_ip
from remixer.foundation.durations import format_duration
from remixer.foundation.timestamps import format_go_timestamp

_NAMED_ESCAPES: Final = {
    "\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v",
    "\\": "\\\\", '"': '\\"',
}  # fmt: skip
# %g switches to an exponent below 1e-4 and from 1e21 on.
_SMALLEST_PLAIN_EXPONENT: Final = -4
_LARGEST_PLAIN_EXPONENT: Final = 21


def go_quoted(text: str) -> str:
    """In double quotes, with what cannot be printed escaped."""
    return '"' + "".join(_quoted_character(character) for character in text) + '"'


def _quoted_character(character: str) -> str:
    if character in _NAMED_ESCAPES:
        return _NAMED_ESCAPES[character]
    code_point = ord(character)
    if character.isprintable():
        return character
    if "\udc80" <= character <= "\udcff":  # a byte that is no UTF-8
        return f"\\x{code_point - 0xDC00:02x}"
    if character.isascii():
        return f"\\x{code_point:02x}"
    return f"\\U{code_point:08x}" if code_point > 0xFFFF else f"\\u{code_point:04x}"  # noqa: PLR2004


def go_text(value: Value | None) -> str:  # noqa: C901  one case per carrier
    """Text of any carrier; `<nil>` for None."""
    match value:
        case None:
            return "<nil>"
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case Duration():
            return format_duration(value)
        case Timestamp():
            return format_go_timestamp(value)
        case int():
            return str(value)
        case float():
            return _go_float(value)
        case bytes():
            return format_ip(value) or f"[{' '.join(str(byte) for byte in value)}]"
        case _:
            return _go_map(value.whole())


def _go_map(entries: Mapping[str, str]) -> str:
    return f"map[{' '.join(f'{key}:{entries[key]}' for key in sorted(entries))}]"


def _go_float(value: float) -> str:
    """Shortest text that reads back equal, in the form that `%v` gives it."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    sign, digits, point = Decimal(repr(value)).normalize().as_tuple()
    digits_text = "".join(str(digit) for digit in digits)
    exponent = len(digits) - 1 + int(point) if value else 0
    prefix = "-" if sign else ""
    if _SMALLEST_PLAIN_EXPONENT <= exponent < _LARGEST_PLAIN_EXPONENT:
        return prefix + f"{Decimal(repr(abs(value))).normalize():f}"
    fraction = f".{digits_text[1:]}" if len(digits) > 1 else ""
    return f"{prefix}{digits_text[0]}{fraction}e{exponent:+03d}"
