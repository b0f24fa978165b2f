"""Structured events: a constant name and fields, on top of the standard `logging`.

Lower rooms log through this; `remixer.observability` decides how a line of our own processes looks.
Inside somebody's application its formatters do, which know nothing of fields: to them the message
tells the fields, too. No attribute values above debug.
"""

import logging
from collections.abc import Mapping
from typing import Final, TypeAlias

Loggable: TypeAlias = str | int | float | bool | list[str] | None
_LONGEST_TEXT: Final = 2_000
"""Characters of one field in a message; arbitrary, some twenty lines of a terminal."""


class Event(str):
    """The name of an event; as the text of a log record it has the fields after it."""

    __slots__ = ("fields",)

    fields: Mapping[str, Loggable]

    def __str__(self) -> str:
        told = (f" {name}={repr(value)[:_LONGEST_TEXT]}" for name, value in self.fields.items())
        return "".join((str.__str__(self), *told))


def _event(name: str, fields: Mapping[str, Loggable]) -> Event:
    event = Event(name)
    event.fields = fields
    return event


class EventLog:
    """Writes events of one module."""

    __slots__ = ("_logger",)

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger

    @property
    def shows_debug(self) -> bool:
        """Whether it is worth making up fields for `debug`."""
        return self._logger.isEnabledFor(logging.DEBUG)

    def debug(self, event: str, **fields: Loggable) -> None:
        self._log(logging.DEBUG, event, fields)

    def info(self, event: str, **fields: Loggable) -> None:
        self._log(logging.INFO, event, fields)

    def warning(self, event: str, **fields: Loggable) -> None:
        self._log(logging.WARNING, event, fields)

    def error(self, event: str, **fields: Loggable) -> None:
        self._log(logging.ERROR, event, fields)

    def _log(self, level: int, event: str, fields: dict[str, Loggable]) -> None:
        if self._logger.isEnabledFor(level):
            self._logger.log(level, _event(event, fields), extra={"fields": fields})


def event_log(module: str) -> EventLog:
    """The log of a module; call with `__name__`."""
    return EventLog(logging.getLogger(module))
