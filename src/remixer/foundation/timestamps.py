"""RFC 3339 texts with nanoseconds, by the rules of Go's `time.Parse`.

Python's `datetime` will not do: it has no nanoseconds, no year 0, and accepts other texts.
Source: Go 1.20 `time.Parse(time.RFC3339, …)` and `Time.Format(time.RFC3339Nano)`.
"""

from typing import Final

_SECOND_NS: Final = 1_000_000_000
_MINUTE_S: Final = 60
_HOUR_S: Final = 3_600
_DAY_S: Final = 86_400
_FRACTION_DIGITS: Final = 9
_MONTH_DAYS: Final = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_FEBRUARY: Final = 2
_MONTHS: Final = 12
_MOST_HOURS: Final = 23
_MOST_MINUTES: Final = 59
# Go tests offsets with `>`: it knows of people who write 24:00 and 60.
_MOST_OFFSET_HOURS: Final = 24
_MOST_OFFSET_MINUTES: Final = 60
_OFFSET_LENGTH: Final = len("+hh:mm")
_DATE_LENGTH: Final = len("yyyy-mm-ddT")
_ERA_DAYS: Final = 146_097  # 400 years
_EPOCH_DAYS: Final = 719_468  # 0000-03-01 to 1970-01-01


def parse_timestamp(text: str) -> int | None:
    """Nanoseconds since 1970 UTC, or None if `text` is not RFC 3339 as Go reads it."""
    day = _parse_date(text[:_DATE_LENGTH])
    clock = _parse_clock(text[_DATE_LENGTH:])
    if day is None or clock is None:
        return None
    nanoseconds, rest = clock
    offset_s = _parse_offset(rest)
    if offset_s is None:
        return None
    return (day * _DAY_S - offset_s) * _SECOND_NS + nanoseconds


def _number(text: str, length: int) -> int | None:
    if len(text) == length and text.isascii() and text.isdigit():
        return int(text)
    return None


def _parse_date(text: str) -> int | None:
    """Days since 1970 of `yyyy-mm-ddT`."""
    if text[4:5] != "-" or text[7:8] != "-" or text[10:] != "T":
        return None
    year, month, day = _number(text[:4], 4), _number(text[5:7], 2), _number(text[8:10], 2)
    if year is None or month is None or day is None or not 1 <= month <= _MONTHS:
        return None
    is_leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    days = _MONTH_DAYS[month - 1] + (is_leap and month == _FEBRUARY)
    return _days_since_1970(year, month, day) if 1 <= day <= days else None


def _parse_clock(text: str) -> tuple[int, str] | None:
    """Nanoseconds of `hh:mm:ss[.fraction]`, and the rest. One hour digit will do, as in Go."""
    hour_text, colon, rest = text.partition(":")
    hour = _number(hour_text, len(hour_text)) if 1 <= len(hour_text) <= 2 else None  # noqa: PLR2004  hh
    minute, second = _number(rest[:2], 2), _number(rest[3:5], 2)
    if not colon or rest[2:3] != ":" or hour is None or minute is None or second is None:
        return None
    if hour > _MOST_HOURS or minute > _MOST_MINUTES or second > _MOST_MINUTES:
        return None
    nanoseconds, rest = _parse_fraction(rest[5:])
    return (hour * _HOUR_S + minute * _MINUTE_S + second) * _SECOND_NS + nanoseconds, rest


def _parse_fraction(text: str) -> tuple[int, str]:
    """Any number of digits; those after the ninth are dropped."""
    end = 1
    while text[end : end + 1] in tuple("0123456789"):
        end += 1
    if text[:1] not in {".", ","} or end == 1:
        return 0, text
    digits = text[1:end][:_FRACTION_DIGITS]
    return int(digits.ljust(_FRACTION_DIGITS, "0")), text[end:]


def _parse_offset(text: str) -> int | None:
    """Seconds east of UTC of `Z` or `±hh:mm`; nothing may follow."""
    if text == "Z":
        return 0
    if len(text) != _OFFSET_LENGTH or text[0] not in {"+", "-"} or text[3] != ":":
        return None
    hours, minutes = _number(text[1:3], 2), _number(text[4:6], 2)
    if hours is None or minutes is None:
        return None
    if hours > _MOST_OFFSET_HOURS or minutes > _MOST_OFFSET_MINUTES:
        return None
    seconds = hours * _HOUR_S + minutes * _MINUTE_S
    return -seconds if text[0] == "-" else seconds


def format_timestamp(nanoseconds: int) -> str:
    """RFC 3339 in UTC, the fraction without trailing zeros."""
    date, clock = _utc(nanoseconds)
    return f"{date}T{clock}Z"


def format_go_timestamp(nanoseconds: int) -> str:
    """As Go prints a time: `2021-06-01 08:00:00 +0000 UTC`."""
    date, clock = _utc(nanoseconds)
    return f"{date} {clock} +0000 UTC"


def _utc(nanoseconds: int) -> tuple[str, str]:
    seconds, fraction = divmod(nanoseconds, _SECOND_NS)
    days, seconds = divmod(seconds, _DAY_S)
    year, month, day = _date(days)
    hour, seconds = divmod(seconds, _HOUR_S)
    minute, second = divmod(seconds, _MINUTE_S)
    digits = f".{fraction:0{_FRACTION_DIGITS}d}".rstrip("0") if fraction else ""
    return f"{year:04d}-{month:02d}-{day:02d}", f"{hour:02d}:{minute:02d}:{second:02d}{digits}"


def _days_since_1970(year: int, month: int, day: int) -> int:
    """Proleptic Gregorian calendar, any year; the year is taken to begin in March."""
    year -= month <= _FEBRUARY
    era, year_of_era = divmod(year, 400)
    day_of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    day_of_era = year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year
    return era * _ERA_DAYS + day_of_era - _EPOCH_DAYS


def _date(days: int) -> tuple[int, int, int]:
    """Inverse of `_days_since_1970`."""
    era, day_of_era = divmod(days + _EPOCH_DAYS, _ERA_DAYS)
    leap_days = day_of_era // 1460 - day_of_era // 36_524 + day_of_era // 146_096
    year_of_era = (day_of_era - leap_days) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted_month = (5 * day_of_year + 2) // 153
    month = (shifted_month + 2) % 12 + 1
    year = year_of_era + era * 400 + (month <= _FEBRUARY)
    return year, month, day_of_year - (153 * shifted_month + 2) // 5 + 1
