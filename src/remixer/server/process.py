"""The frame of a server process: logs, the event loop, signals, the exit code."""

import gc
import sys
from collections.abc import Callable
from typing import Final, Protocol

import uvloop

from remixer.foundation.errors import StartupError
from remixer.observability.logs import LogFormat, LogLevel, configure_logging
from remixer.server.lifecycle import Lifecycle, stop_on_signals
from remixer.server.setting_table import SettingsError

STOPPED: Final = 0
NOT_STARTED: Final = 1
NOT_UNDERSTOOD: Final = 2
"""A setting, or a file that it names, cannot be used."""


class Runnable(Protocol):
    """A server that runs once."""

    @property
    def lifecycle(self) -> Lifecycle: ...

    async def run(self) -> None: ...


def run_process(
    make: Callable[[], Runnable],
    *,
    log_format: LogFormat,
    log_level: LogLevel,
    on_logging: Callable[[], None] = lambda: None,
) -> int:
    """Run until SIGTERM or SIGINT; the exit code. A start that fails is one message.

    `on_logging` is called as soon as there is a log.
    """
    configure_logging(log_format=log_format, level=log_level, stream=sys.stderr)
    on_logging()
    try:
        uvloop.run(_run(make))
    except SettingsError as error:
        for problem in error.problems:
            print(f"error: {problem}", file=sys.stderr)
        return NOT_UNDERSTOOD
    except StartupError as error:
        print(f"error: {error}", file=sys.stderr)
        return NOT_STARTED
    return STOPPED


async def _run(make: Callable[[], Runnable]) -> None:
    server = make()
    with stop_on_signals(server.lifecycle):
        await server.run()


def settled() -> None:
    """What there is now stays: full collections, 50 ms long otherwise, need not look at it."""
    gc.collect()
    gc.freeze()
