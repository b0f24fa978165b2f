"""What the runtime tells of itself, in order: to metrics, and to its log."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from remixer.runtime.metrics import NoMetrics


@dataclass(slots=True)
class ToldMetrics(NoMetrics):
    """Keeps what requests make the runtime tell its metrics."""

    told: list[object] = field(default_factory=list)

    def dispatched(
        self, *, template: str, handler: str, adapter: str, error: bool, seconds: float
    ) -> None:
        self.told.append((template, handler, adapter, error, seconds))

    def failure_covered(self, *, handler: str, step: str) -> None:
        self.told.append((handler, step))

    def destinations(self, count: int, instances: int) -> None:
        self.told.append((count, instances))


class _Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(str((record.getMessage(), vars(record).get("fields"))))


@contextmanager
def runtime_log(of_level: int) -> Iterator[list[str]]:
    """All events of the runtime from this level on, with their fields; nobody else gets them."""
    logger, lines = logging.getLogger("remixer.runtime"), _Lines()
    level, propagates = logger.level, logger.propagate
    logger.addHandler(lines)
    logger.setLevel(of_level)
    logger.propagate = False
    try:
        yield lines.lines
    finally:
        logger.removeHandler(lines)
        logger.setLevel(level)
        logger.propagate = propagates
