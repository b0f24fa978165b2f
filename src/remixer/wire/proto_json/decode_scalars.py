"""Single values: numbers with their ranges, texts, durations, bytes, enums.

Source: proto JSON. 64-bit numbers may be decimal texts; a number is never taken for a text, nor
a text for a boolean.
"""

import base64
import binascii
import re
from collections.abc import Callable
from enum import IntEnum
from typing import Final, Protocol

from remixer.attributes.values import Duration
from remixer.foundation.documents import codes
from remixer.foundation.documents.nodes import Node, ScalarNode, describe
from remixer.foundation.durations import parse_duration
from remixer.foundation.findings import did_you_mean
from remixer.wire.proto_json.numbers import Int32, UInt32

_DIGITS: Final = frozenset("0123456789")
_MOST_NAMES: Final = 12  # that a message shows
_LONGEST_INTEGER: Final = 20  # characters: a sign and the 19 digits of 2^63
_FLOAT_WORDS: Final = {
    "NaN": float("nan"),
    "Infinity": float("inf"),
    "-Infinity": -float("inf"),
}


class FaultSink(Protocol):
    """Takes the fault of one value."""

    def error(self, code: str, message: str, node: Node, hint: str = "") -> None:
        """The value is unusable."""
        ...


def decode_scalar(node: Node, wanted: object, place: FaultSink) -> object:
    """The value as the carrier that `wanted` (`str`, `Int32`, …) stands for; None after a fault."""
    if not isinstance(node, ScalarNode):
        message = f"found {describe(node)}; wanted {_WANTED[wanted]}"
        place.error(codes.WRONG_TYPE, message, node)
        return None
    return _DECODERS[wanted](node, place)


def decode_enum(node: Node, enum: type[IntEnum], place: FaultSink) -> object:
    """A member, by its name or number."""
    value = node.value if isinstance(node, ScalarNode) else None
    if isinstance(value, str) and value in enum.__members__:
        return enum[value]
    if type(value) is int and value in enum._value2member_map_:
        return enum(value)
    message = f"found {describe(node)}; wanted {_choice(enum)}"
    found = value if isinstance(value, str) else ""
    place.error(codes.UNKNOWN_ENUM, message, node, did_you_mean(found, enum.__members__))
    return None


def _choice(enum: type[IntEnum]) -> str:
    names = [f"`{name}`" for name in enum.__members__]
    if len(names) > _MOST_NAMES:
        return f"one of {len(names)} names, such as {names[0]} and {names[1]}"
    return " or ".join((", ".join(names[:-1]), names[-1])) if names[1:] else names[0]


def _text(node: ScalarNode, place: FaultSink) -> object:
    if isinstance(node.value, str):
        return node.value
    place.error(
        codes.WRONG_TYPE,
        f"found {describe(node)}; wanted a text",
        node,
        f'Quote it: `"{node.text}"`.',
    )
    return None


def _boolean(node: ScalarNode, place: FaultSink) -> object:
    if isinstance(node.value, bool):
        return node.value
    hint = "Write `true` or `false` without quotes."
    place.error(codes.WRONG_TYPE, f"found {describe(node)}; wanted a boolean", node, hint)
    return None


def _integer_in(allowed: range, wanted: str) -> Callable[[ScalarNode, FaultSink], object]:

    def decode(node: ScalarNode, place: FaultSink) -> object:
        number = _whole(node.value)
        if number is None:
            message = f"found {describe(node)}; wanted a whole number"
            place.error(codes.WRONG_TYPE, message, node)
        elif number not in allowed:
            message = f"found {describe(node)}; wanted a number {wanted}"
            place.error(codes.OUT_OF_RANGE, message, node)
        return number

    return decode


def _whole(value: object) -> int | None:
    match value:
        case bool():
            return None
        case int():
            return value
        case float() if value.is_integer():
            return int(value)
        case str() if len(value) <= _LONGEST_INTEGER:
            digits = value.removeprefix("-")
            return int(value) if digits and _DIGITS.issuperset(digits) else None
        case _:
            return None


def _number(node: ScalarNode, place: FaultSink) -> object:
    value = node.value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, str):
        if value in _FLOAT_WORDS:
            return _FLOAT_WORDS[value]
        # Python reads more as a float than JSON does: blanks, underscores, "infinity".
        if re.fullmatch(r"-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?", value):
            return float(value)
    place.error(codes.WRONG_TYPE, f"found {describe(node)}; wanted a number", node)
    return None


def _bytes(node: ScalarNode, place: FaultSink) -> object:
    if isinstance(node.value, str):
        try:
            return base64.b64decode("".join(node.value.split()), validate=True)
        except (binascii.Error, ValueError):
            pass
    place.error(codes.BAD_BASE64, f"found {describe(node)}; wanted base64", node)
    return None


def _duration(node: ScalarNode, place: FaultSink) -> object:
    nanoseconds = parse_duration(node.value) if isinstance(node.value, str) else None
    if nanoseconds is not None:
        return Duration(nanoseconds)
    is_number = isinstance(node.value, int | float) and not isinstance(node.value, bool)
    hint = f"Add a unit: `{node.text}s`." if is_number else "Examples: `5s`, `1m30s`, `250ms`."
    place.error(codes.BAD_DURATION, f"found {describe(node)}; wanted a duration", node, hint)
    return None


_DECODERS: Final[dict[object, Callable[[ScalarNode, FaultSink], object]]] = {
    str: _text,
    bool: _boolean,
    int: _integer_in(range(-(2**63), 2**63), "in ±2^63"),
    Int32: _integer_in(range(-(2**31), 2**31), "in ±2^31"),
    UInt32: _integer_in(range(2**32), "from 0 to 2^32-1"),
    float: _number,
    bytes: _bytes,
    Duration: _duration,
}
_WANTED: Final[dict[object, str]] = {
    str: "a text",
    bool: "a boolean",
    int: "a whole number",
    Int32: "a whole number",
    UInt32: "a whole number",
    float: "a number",
    bytes: "base64",
    Duration: "a duration",
}
