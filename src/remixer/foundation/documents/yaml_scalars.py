"""Plain YAML scalars to values, as Mixer's own YAML library reads them.

Source: the resolver of Go's yaml.v2, which follows YAML 1.1 for booleans (`y`, `on`, `No`), but
knows no sexagesimal numbers, and whose timestamps arrive as texts.
"""

import math
import re
from typing import Final

from remixer.foundation.documents.nodes import Scalar

_WORDS: Final[dict[str, Scalar]] = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES"), True),
    **dict.fromkeys(("true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO"), False),
    **dict.fromkeys(("false", "False", "FALSE", "off", "Off", "OFF"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
}
_NUMBER_STARTS: Final = frozenset("+-.0123456789")
_FLOAT: Final = r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"
_INT_BY_BASE: Final = (
    (16, r"[-+]?0[xX][0-9a-fA-F]+"),
    (2, r"[-+]?0[bB][01]+"),
    (8, r"[-+]?0[oO]?[0-7]+"),
    (10, r"[-+]?(0|[1-9][0-9]*)"),
)
_MIN_INT64: Final = -(2**63)
_MAX_UINT64: Final = 2**64 - 1
_LONGEST_NUMBER: Final = 400  # characters; a float's longest exact decimal is far below


def plain_scalar(text: str) -> Scalar:
    """Value of an unquoted scalar: boolean, number, None, or the text itself."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _NUMBER_STARTS or len(text) > _LONGEST_NUMBER:
        return text
    digits = text.replace("_", "")
    if text[0] != ".":
        whole = _integer(digits)
        if whole is not None:
            return whole
    if re.fullmatch(_FLOAT, digits):
        number = float(digits)
        return text if math.isinf(number) else number
    return text


def _integer(text: str) -> int | None:
    """A whole number that fits 64 bits, signed or not; None leaves the text to `float`."""
    for base, shape in _INT_BY_BASE:
        if re.fullmatch(shape, text):
            # Octal may be written with or without the `o`; no other base has one.
            number = int(text.lower().replace("o", ""), base)
            return number if _MIN_INT64 <= number <= _MAX_UINT64 else None
    return None


def key_text(value: Scalar) -> str | None:
    """A scalar as a mapping's key, None for null.

    Source: the YAML to JSON conversion that Mixer uses.
    """
    match value:
        case None:
            return None
        case bool():
            return "true" if value else "false"
        case str():
            return value
        case int():
            return str(value)
        case float():
            return repr(int(value)) if value.is_integer() else repr(value)
