"""The functions that Go's templates have built in. Source: Go `text/template`, funcs.go."""

from collections.abc import Callable, Mapping
from html import escape
from typing import Final, TypeAlias, cast
from urllib.parse import quote_plus

from remixer.attributes.values import StringMap, Timestamp
from remixer.sdk.go_template.errors import TemplateError
from remixer.sdk.go_template.formats import formatted, printed
from remixer.sdk.go_template.nodes import MISSING

Arguments: TypeAlias = tuple[object, ...]


def is_true(value: object) -> bool:
    """False for absent values, false, 0, and what is empty. An instant is always true."""
    if value is MISSING or value is None:
        return False
    if isinstance(value, Timestamp):
        return True
    whole = entries_of(value)
    return bool(whole) if whole is not None else bool(value)


def entries_of(value: object) -> Mapping[str, object] | None:
    """The entries of a map; None if `value` is none."""
    if hasattr(value, "whole"):
        return cast("StringMap", value).whole()
    return value if isinstance(value, Mapping) else None


def _and(arguments: Arguments) -> object:
    return next((each for each in arguments if not is_true(each)), arguments[-1])


def _or(arguments: Arguments) -> object:
    return next((each for each in arguments if is_true(each)), arguments[-1])


def _not(arguments: Arguments) -> object:
    return not is_true(arguments[0])


def _length(arguments: Arguments) -> object:
    value = arguments[0]
    whole = entries_of(value)
    if whole is not None:
        return len(whole)
    if isinstance(value, str | bytes):
        return len(value if isinstance(value, bytes) else value.encode("utf-8", "replace"))
    message = "len wants a text or a map"
    raise TemplateError(message)


def _index(arguments: Arguments) -> object:
    value = arguments[0]
    for key in arguments[1:]:
        whole = entries_of(value)
        if whole is None or not isinstance(key, str):
            message = "index wants a map and texts"
            raise TemplateError(message)
        value = whole.get(key, MISSING)
    return value


def _print(arguments: Arguments) -> object:
    """Blanks only between values neither of which is a text."""
    parts: list[str] = []
    for number, value in enumerate(arguments):
        if number and not isinstance(value, str) and not isinstance(arguments[number - 1], str):
            parts.append(" ")
        parts.append(_shown(value))
    return "".join(parts)


def _print_line(arguments: Arguments) -> object:
    return " ".join(map(_shown, arguments)) + "\n"


def _shown(value: object) -> str:
    return printed(None if value is MISSING else value)


def _printf(arguments: Arguments) -> object:
    layout = arguments[0]
    if not isinstance(layout, str):
        message = "printf wants a text first"
        raise TemplateError(message)
    return formatted(layout, arguments[1:])


def _joined(arguments: Arguments) -> str:
    return "".join(_shown(each) for each in arguments)


def _html(arguments: Arguments) -> object:
    text = escape(_joined(arguments)).replace("&quot;", "&#34;").replace("&#x27;", "&#39;")
    return text.replace("\0", "\ufffd")


def _urlquery(arguments: Arguments) -> object:
    return quote_plus(_joined(arguments), safe="~", errors="replace")


_JS_ESCAPES: Final = {
    ord(character): rf"\u{ord(character):04X}" for character in "<>&=\u2028\u2029"
} | {ord("\\"): r"\\", ord("'"): r"\'", ord('"'): r"\""}


def _js(arguments: Arguments) -> object:
    text = _joined(arguments).translate(_JS_ESCAPES)
    return "".join(each if each >= " " else rf"\u{ord(each):04X}" for each in text)


# ---------------------------------------------------------------- comparisons


def _kind(value: object) -> str:
    """Values compare only within one kind; `none` stands for absent ones."""
    match value:
        case bool():
            return "bool"
        case Timestamp():
            return "instant"
        case int():
            return "integer"
        case float():
            return "double"
        case str():
            return "text"
        case bytes():
            return "address"
        case _ if value is MISSING or value is None:
            return "none"
        case _:
            message = "non-comparable type in a comparison"
            raise TemplateError(message)


def _is_equal(left: object, right: object) -> bool:
    kinds = {_kind(left), _kind(right)}
    if kinds == {"none"}:
        return True
    if len(kinds) > 1:
        if "none" in kinds:
            return False
        message = "incompatible types for comparison"
        raise TemplateError(message)
    return left == right


def _equal(arguments: Arguments) -> object:
    return any(_is_equal(arguments[0], each) for each in arguments[1:])


def _unequal(arguments: Arguments) -> object:
    return not _is_equal(arguments[0], arguments[1])


def _is_less(left: object, right: object) -> bool:
    if isinstance(left, str) and isinstance(right, str):
        return left < right
    kinds = {_kind(left), _kind(right)}
    if kinds in ({"integer"}, {"double"}):
        return cast("float", left) < cast("float", right)
    message = "incompatible types for comparison"
    raise TemplateError(message)


def _less(arguments: Arguments) -> object:
    return _is_less(arguments[0], arguments[1])


def _less_or_equal(arguments: Arguments) -> object:
    return _is_less(arguments[0], arguments[1]) or _is_equal(arguments[0], arguments[1])


def _greater(arguments: Arguments) -> object:
    return not _less_or_equal(arguments)


def _greater_or_equal(arguments: Arguments) -> object:
    return not _less(arguments)


_MANY: Final = 1_000_000
FUNCTIONS: Final[Mapping[str, tuple[Callable[[Arguments], object], int, int]]] = {
    "and": (_and, 1, _MANY),
    "or": (_or, 1, _MANY),
    "not": (_not, 1, 1),
    "len": (_length, 1, 1),
    "index": (_index, 1, _MANY),
    "print": (_print, 0, _MANY),
    "println": (_print_line, 0, _MANY),
    "printf": (_printf, 1, _MANY),
    "html": (_html, 0, _MANY),
    "js": (_js, 0, _MANY),
    "urlquery": (_urlquery, 0, _MANY),
    "eq": (_equal, 2, _MANY),
    "ne": (_unequal, 2, 2),
    "lt": (_less, 2, 2),
    "le": (_less_or_equal, 2, 2),
    "gt": (_greater, 2, 2),
    "ge": (_greater_or_equal, 2, 2),
}
"""By name: the function, and how many arguments it takes at least and at most."""


def call_function(name: str, arguments: Arguments) -> object:
    """Raises `TemplateError` for a wrong number or wrong types of arguments."""
    function, least, most = FUNCTIONS[name]
    if not least <= len(arguments) <= most:
        wanted = f"{least}" if least == most else f"at least {least}"
        message = f"{name} has {len(arguments)} arguments, wanted {wanted}"
        raise TemplateError(message)
    return function(arguments)
