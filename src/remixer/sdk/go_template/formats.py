"""Values as Go's `fmt` prints them.

Source: Go `fmt`, `strconv.FormatFloat`, `time.Time.String`. An IP address is text here, where Go
prints a list of bytes.
"""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import isfinite
from typing import Any, Final, cast

from remixer.attributes.values import Duration, StringMap, Timestamp
from remixer.foundation.durations import format_duration
from remixer.sdk.go_template.errors import TemplateError
from remixer.sdk.go_template.nodes import MISSING
from remixer.sdk.text import ip_text, stringify

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND_NS: Final = 1_000_000_000
_LEAST_EXPONENT: Final = -4
_MOST_EXPONENT: Final = 21
_WIDEST: Final = 200
"""Columns or digits that a verb may ask for; arbitrary, more fits no name and no log line."""
_FLAGS: Final = "+-# 0"
_INTEGER_VERBS: Final = "dboxXc"
_DOUBLE_VERBS: Final = "eEfFgG"
_TEXT_VERBS: Final = "sqxX"
_TYPE_NAMES: Final = {
    str: "string",
    int: "int64",
    float: "float64",
    bool: "bool",
    bytes: "net.IP",
    Timestamp: "time.Time",
    Duration: "time.Duration",
}


def printed(value: object) -> str:
    """As `{{value}}` and `%v` print it."""
    if type(value) is str:
        return value
    if value is MISSING:
        return "<no value>"
    if value is None:
        return "<nil>"
    text_of = _TEXT_BY_CARRIER.get(type(value))
    return text_of(value) if text_of is not None else _map_text(value)


def _map_text(value: object) -> str:
    if hasattr(value, "whole"):
        return stringify(cast("StringMap", value))
    if isinstance(value, Mapping):
        return "map[" + " ".join(f"{key}:{printed(value[key])}" for key in sorted(value)) + "]"
    message = f"a {type(value).__name__} cannot be printed"
    raise TemplateError(message)


def double_text(value: float) -> str:
    """Shortest digits that read back equal; an exponent below 1e-04 and from 1e+21 on."""
    if not isfinite(value):
        return {"nan": "NaN", "inf": "+Inf", "-inf": "-Inf"}[str(value)]
    number = Decimal(repr(value))
    exponent = number.adjusted() if value else 0
    if _LEAST_EXPONENT <= exponent < _MOST_EXPONENT:
        text = format(number, "f")
        return text.rstrip("0").rstrip(".") if "." in text else text
    mantissa, _, _ = f"{number.normalize():e}".partition("e")
    return f"{mantissa}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"


def instant_text(value: Timestamp) -> str:
    """`2021-06-01 06:00:00.5 +0000 UTC`."""
    instant = _EPOCH + timedelta(seconds=value // _SECOND_NS)
    fraction = f".{value % _SECOND_NS:09d}".rstrip("0").rstrip(".")
    return f"{instant:%Y-%m-%d %H:%M:%S}{fraction} +0000 UTC"


# By exact class: Timestamp and Duration are ints, bool is one too.
_TEXT_BY_CARRIER: Final[dict[type, Callable[[Any], str]]] = {
    bool: lambda value: "true" if value else "false",
    int: str,
    float: double_text,
    bytes: ip_text,
    Duration: format_duration,
    Timestamp: instant_text,
}


def formatted(layout: str, values: tuple[object, ...]) -> str:
    """Go's `Sprintf`, with the verbs `%v %s %q %d %b %o %x %X %c %t %e %E %f %F %g %G %%`."""
    parts: list[str] = []
    used = at = 0
    while (mark := layout.find("%", at)) >= 0:
        parts.append(layout[at:mark])
        at = _end_of_spec(layout, mark + 1)
        spec, verb = layout[mark + 1 : at - 1], layout[at - 1 : at]
        if verb == "%":
            parts.append("%")
        elif mark + 1 + len(spec) >= len(layout):
            parts.append("%!(NOVERB)")
        elif used == len(values):
            parts.append(f"%!{verb}(MISSING)")
        else:
            parts.append(_one(verb, spec, values[used]))
            used += 1
    parts.append(layout[at:])
    if used < len(values):
        extra = ", ".join(f"{_type_name(each)}={printed(each)}" for each in values[used:])
        parts.append(f"%!(EXTRA {extra})")
    return "".join(parts)


def _end_of_spec(layout: str, at: int) -> int:
    while at < len(layout) and (layout[at] in _FLAGS or layout[at] in "0123456789."):
        at += 1
    return at + 1


def _one(verb: str, spec: str, value: object) -> str:
    body = spec.lstrip(_FLAGS)
    flags = spec[: len(spec) - len(body)]
    width, dot, precision = body.partition(".")
    if int(width or 0) > _WIDEST or (precision.isdigit() and int(precision) > _WIDEST):
        message = f"`%{spec}{verb}` is too wide; at most {_WIDEST} are allowed"
        raise TemplateError(message)
    digits = int(precision or 0) if dot and precision.isdigit() | (not precision) else None
    text = _by_verb(verb, flags, value, digits)
    if text is None:
        return f"%!{verb}({_type_name(value)}={printed(value)})"
    return _padded(text, flags, int(width or 0))


def _by_verb(verb: str, flags: str, value: object, digits: int | None) -> str | None:
    """None if the verb does not go with the value."""
    if verb == "v":
        return printed(None if value is MISSING else value)
    if verb == "t":
        return printed(value) if type(value) is bool else None
    if verb in _DOUBLE_VERBS and type(value) is float:
        return _double(verb, flags, value, digits)
    if verb in _INTEGER_VERBS and type(value) in {int, Duration}:
        return _integer(verb, flags, cast("int", value))
    if verb in _TEXT_VERBS and type(value) in {str, bytes, Duration, Timestamp}:
        return _text(verb, printed(value), digits)
    return None


def _double(verb: str, flags: str, value: float, digits: int | None) -> str:
    if verb in "gG" and digits is None:
        text = double_text(value)
    else:
        text = format(value, f".{6 if digits is None else digits}{verb}")
    return f"+{text}" if "+" in flags and value >= 0 else text


def _integer(verb: str, flags: str, value: int) -> str | None:
    if verb == "c":
        return chr(value) if 0 <= value <= 0x10FFFF else "\ufffd"  # noqa: PLR2004 - last character
    return format(int(value), ("+" if "+" in flags else "") + ("#" if "#" in flags else "") + verb)


def _text(verb: str, text: str, digits: int | None) -> str:
    text = text if digits is None else text[:digits]
    if verb == "q":
        return json.dumps(text, ensure_ascii=False)
    if verb in "xX":
        found = text.encode("utf-8", "replace").hex()
        return found.upper() if verb == "X" else found
    return text


def _padded(text: str, flags: str, width: int) -> str:
    if "-" in flags:
        return text.ljust(width)
    is_number = text.lstrip("+-")[:1].isdigit()
    return text.zfill(width) if "0" in flags and is_number else text.rjust(width)


def _type_name(value: object) -> str:
    if value is None or value is MISSING:
        return "<nil>"
    return _TYPE_NAMES.get(type(value), "map")
