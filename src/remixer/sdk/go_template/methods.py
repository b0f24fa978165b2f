"""Methods of instants and durations that templates may call.

Source: Go `time.Time` and `time.Duration`; instants are UTC.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from remixer.attributes.values import Duration, Timestamp
from remixer.foundation.durations import format_duration
from remixer.sdk.go_template.errors import TemplateError
from remixer.sdk.go_template.formats import instant_text

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND_NS: Final = 1_000_000_000
_MONTHS: Final = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
_DAYS: Final = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]

# Longest first where one begins another.
_LAYOUT_PARTS: Final[tuple[tuple[str, Callable[[datetime], str]], ...]] = (
    ("January", lambda at: _MONTHS[at.month - 1]),
    ("Jan", lambda at: _MONTHS[at.month - 1][:3]),
    ("Monday", lambda at: _DAYS[at.weekday()]),
    ("Mon", lambda at: _DAYS[at.weekday()][:3]),
    ("MST", lambda _: "UTC"),
    ("2006", lambda at: f"{at.year:04d}"),
    ("Z07:00:00", lambda _: "Z"),
    ("Z07" + "0000", lambda _: "Z"),  # in one piece it looks like the code of a problem
    ("Z07:00", lambda _: "Z"),
    ("Z0700", lambda _: "Z"),
    ("Z07", lambda _: "Z"),
    ("-07:00:00", lambda _: "+00:00:00"),
    ("-070000", lambda _: "+000000"),
    ("-07:00", lambda _: "+00:00"),
    ("-0700", lambda _: "+0000"),
    ("-07", lambda _: "+00"),
    ("002", lambda at: f"{at.timetuple().tm_yday:03d}"),
    ("01", lambda at: f"{at.month:02d}"),
    ("02", lambda at: f"{at.day:02d}"),
    ("03", lambda at: f"{at.hour % 12 or 12:02d}"),
    ("04", lambda at: f"{at.minute:02d}"),
    ("05", lambda at: f"{at.second:02d}"),
    ("06", lambda at: f"{at.year % 100:02d}"),
    ("15", lambda at: f"{at.hour:02d}"),
    ("PM", lambda at: "PM" if at.hour >= 12 else "AM"),  # noqa: PLR2004 - noon
    ("pm", lambda at: "pm" if at.hour >= 12 else "am"),  # noqa: PLR2004 - noon
    ("_2", lambda at: f"{at.day:2d}"),
    ("1", lambda at: str(at.month)),
    ("2", lambda at: str(at.day)),
    ("3", lambda at: str(at.hour % 12 or 12)),
    ("4", lambda at: str(at.minute)),
    ("5", lambda at: str(at.second)),
)
_FRACTION_DIGITS: Final = 9


def format_instant(value: Timestamp, layout: str) -> str:
    """Go's `Time.Format`: the layout shows how 2006-01-02 15:04:05 -0700 would look."""
    return "".join(_laid_out(value, layout))


def _laid_out(value: Timestamp, layout: str) -> Iterator[str]:
    instant = _EPOCH + timedelta(seconds=value // _SECOND_NS)
    at = 0
    while at < len(layout):
        part = next((each for each in _LAYOUT_PARTS if _begins(layout, at, each[0])), None)
        fraction = _fraction_length(layout, at)
        if part is not None:
            yield part[1](instant)
            at += len(part[0])
        elif fraction:
            yield _fraction(value, layout[at : at + fraction])
            at += fraction
        else:
            yield layout[at]
            at += 1


def _begins(layout: str, at: int, part: str) -> bool:
    if not layout.startswith(part, at):
        return False
    following = layout[at + len(part) : at + len(part) + 1]
    return part not in {"Jan", "Mon"} or not following.islower()


def _fraction_length(layout: str, at: int) -> int:
    """Of `.000` or `.999`, point included; 0 if there is none."""
    digit = layout[at + 1 : at + 2]
    if layout[at] not in ".," or digit not in {"0", "9"}:
        return 0
    end = at + 1
    while layout[end : end + 1] == digit:
        end += 1
    is_whole = not layout[end : end + 1].isdecimal()
    return end - at if is_whole and end - at - 1 <= _FRACTION_DIGITS else 0


def _fraction(value: Timestamp, part: str) -> str:
    digits = f"{value % _SECOND_NS:09d}"[: len(part) - 1]
    if part[1] == "9":
        digits = digits.rstrip("0")
    return part[0] + digits if digits else ""


_INSTANT_METHODS: Final[Mapping[str, Callable[[Timestamp], object]]] = {
    "Unix": lambda at: at // _SECOND_NS,
    "UnixNano": int,
    "UTC": lambda at: at,
    "String": instant_text,
}
_DURATION_METHODS: Final[Mapping[str, Callable[[Duration], object]]] = {
    "Hours": lambda length: length / (3_600 * _SECOND_NS),
    "Minutes": lambda length: length / (60 * _SECOND_NS),
    "Seconds": lambda length: length / _SECOND_NS,
    "Milliseconds": lambda length: _whole(length, 1_000_000),
    "Microseconds": lambda length: _whole(length, 1_000),
    "Nanoseconds": int,
    "String": format_duration,
}


def _whole(length: int, unit_ns: int) -> int:
    return abs(length) // unit_ns * (-1 if length < 0 else 1)


def call_method(value: object, name: str, arguments: tuple[object, ...]) -> object:
    """Raises `TemplateError` if the value has no such method, or takes other arguments."""
    if isinstance(value, Timestamp) and name == "Format":
        if len(arguments) == 1 and isinstance(arguments[0], str):
            return format_instant(value, arguments[0])
        message = "Format wants one text, the layout"
        raise TemplateError(message)
    if arguments:
        message = f"{name} takes no argument"
        raise TemplateError(message)
    if isinstance(value, Timestamp) and name in _INSTANT_METHODS:
        return _INSTANT_METHODS[name](value)
    if isinstance(value, Duration) and name in _DURATION_METHODS:
        return _DURATION_METHODS[name](value)
    message = f"can't evaluate field {name} in a {type(value).__name__}"
    raise TemplateError(message)
