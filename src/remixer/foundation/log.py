"""Structured events: a constant name and fields, on top of the standard `logging`.

Lower rooms log through this; `remixer.observability` decides how a line looks. No attribute
values above debug.
"""

import logging
from typing import TypeAlias

Loggable: TypeAlias = str | int | float | bool | list[str] | None


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
            self._logger.log(level, event, extra={"fields": fields})


def event_log(module: str) -> EventLog:
    """The log of a module; call with `__name__`."""
    return EventLog(logging.getLogger(module))
