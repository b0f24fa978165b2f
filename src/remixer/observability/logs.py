"""How a log line looks: for people on a console, or one JSON object per line.

Events come from `remixer.foundation.log` with a constant name and fields; records of third
parties are shown the same way. Rendering never fails: a value that cannot be shown is named.
"""

import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import Enum
from typing import Final, TextIO, TypeAlias

from remixer.foundation.log import Event

_LONGEST_VALUE: Final = 8_192
"""Characters of one field; more is cut, so that no request can flood the log."""
_LONGEST_EVENT: Final = 2_048
_PLAIN_MARKS: Final = frozenset("-_.:/@+,*()[]<>~%")
"""With letters and digits, what a console value may hold without quotes."""

_Shown: TypeAlias = "str | int | float | bool | list[str] | None"


class LogFormat(Enum):
    """Values of `--log-format`."""

    CONSOLE = "console"
    JSON = "json"


class LogLevel(Enum):
    """Values of `--log-level`."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def configure_logging(
    *,
    level: LogLevel,
    log_format: LogFormat,
    stream: TextIO,
    logger: logging.Logger | None = None,
) -> None:
    """Send everything to `stream`, replacing what was configured before.

    `logger`: the root logger, unless a test gives its own. Once, at the process entry point.
    """
    target = logging.getLogger() if logger is None else logger
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter(log_format))
    for old in tuple(target.handlers):
        target.removeHandler(old)
    target.addHandler(handler)
    target.setLevel(level.name)
    # A log that cannot be written (closed pipe, full disk) must not fill stderr with tracebacks.
    logging.raiseExceptions = False
    if level is LogLevel.DEBUG:
        # These two tell each call; at debug they would hide our own events.
        for noisy in ("asyncio", "grpc"):
            logging.getLogger(noisy).setLevel(logging.INFO)


def formatter(log_format: LogFormat) -> logging.Formatter:
    match log_format:
        case LogFormat.CONSOLE:
            return ConsoleFormatter()
        case LogFormat.JSON:
            return JsonFormatter()


class ConsoleFormatter(logging.Formatter):
    """`2026-01-31T12:00:00.123Z WARNING remixer.x: event key=value key="two words"`."""

    def format(self, record: logging.LogRecord) -> str:
        fields = "".join(
            f" {_bare(name)}={_console_text(value)}" for name, value in _fields(record).items()
        )
        event = _one_line(_event(record))
        line = f"{_time(record)} {record.levelname:<7} {record.name}: {event}{fields}"
        # Indented: a line break in an exception's text must not begin a line of the log.
        trace = (f"    {_one_line(each)}" for each in _trace(self, record).splitlines())
        return "\n".join((line, *trace))


class JsonFormatter(logging.Formatter):
    """Keys `time level logger event`, the event's own fields, and `exception`.

    A field named as one of these is shown with `field.` before it.
    """

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, _Shown] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": _event(record),
        }
        trace = _trace(self, record)
        if trace:
            line["exception"] = trace
        for name, value in _fields(record).items():
            line[f"field.{name}" if name in line else name] = value
        return json.dumps(line, ensure_ascii=True, allow_nan=False)


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03}Z"


def _event(record: logging.LogRecord) -> str:
    if isinstance(record.msg, Event):
        return _cut(str.__str__(record.msg), _LONGEST_EVENT)
    try:
        text = record.getMessage()
    except Exception:  # noqa: BLE001 - wrong arguments of a third party must not lose the line
        text = f"{record.msg!r} with arguments that do not fit it"
    return _cut(text, _LONGEST_EVENT)


def _trace(owner: logging.Formatter, record: logging.LogRecord) -> str:
    if not record.exc_info:
        return ""
    try:
        return owner.formatException(record.exc_info)
    except Exception:  # noqa: BLE001 - an exception whose own str() fails
        return f"{record.exc_info[0]!r} that cannot be shown"


def _fields(record: logging.LogRecord) -> dict[str, _Shown]:
    found: object = getattr(record, "fields", None)
    if not isinstance(found, Mapping):
        return {}
    return {str(name): _shown(value) for name, value in found.items()}


def _shown(value: object) -> _Shown:
    """The value as JSON knows it; a text for everything else."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int) and -(2**63) <= value < 2**64:
        return int(value)
    if isinstance(value, float) and abs(value) <= _LARGEST_FLOAT:
        return float(value)
    if isinstance(value, list | tuple | set | frozenset):
        return [_text(each) for each in value]
    return _text(value)


_LARGEST_FLOAT: Final = 1.7976931348623157e308
"""Infinities and NaN are no JSON."""


def _text(value: object) -> str:
    try:
        return _cut(str(value), _LONGEST_VALUE)
    except Exception:  # noqa: BLE001 - a value whose own str() fails
        return f"<{type(value).__name__} that cannot be shown>"


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[:longest] + "…"


def _console_text(value: _Shown) -> str:
    match value:
        case list():
            return "[" + " ".join(_bare(each) for each in value) + "]"
        case str():
            return _bare(value)
        case None:
            return "none"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)


def _bare(text: str) -> str:
    """The text itself if no reader can mistake it, else quoted; never more than one line."""
    is_plain = bool(text) and all(
        (each.isascii() and each.isalnum()) or each in _PLAIN_MARKS for each in text
    )
    return text if is_plain else json.dumps(text)


def _one_line(text: str) -> str:
    return text if text.isprintable() else json.dumps(text)[1:-1]
