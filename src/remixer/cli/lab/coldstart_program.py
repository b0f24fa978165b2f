"""`remixer lab coldstart`: wake idle revisions in several ways, side by side, in one run."""

import asyncio
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from remixer.cli.console import OutputFormat, emit_json, show
from remixer.cli.demo.progress import Progress
from remixer.cli.exits import OperatorError
from remixer.cli.lab.coldstart_architectures import chosen
from remixer.cli.lab.coldstart_experiment import Experiment
from remixer.cli.lab.coldstart_mesh import running_coldstart_lab
from remixer.cli.lab.coldstart_plot import write_timeline
from remixer.cli.lab.coldstart_table import ColdstartReport, report_json, report_text
from remixer.cli.lab.options import ColdstartOptions
from remixer.foundation.clock import SystemClock
from remixer.foundation.durations import parse_duration
from remixer.foundation.errors import StartupError
from remixer.observability.logs import LogFormat, LogLevel, configure_logging

_NS_PER_S: Final = 1_000_000_000
_LONGEST_POD_START_S: Final = 60.0


def pod_start_seconds(text: str) -> float:
    """Of `--pod-start`. Raises `OperatorError`."""
    nanoseconds = parse_duration(text)
    if nanoseconds is None or not 0 <= nanoseconds <= _LONGEST_POD_START_S * _NS_PER_S:
        raise OperatorError(
            what=f"`{text}` is no duration from 0s to {_LONGEST_POD_START_S:g}s",
            where="--pod-start",
            next_step="write `--pod-start 500ms`",
        )
    return nanoseconds / _NS_PER_S


@contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM ends this as Ctrl-C does: Envoys and Mixers must not stay behind."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None  # noqa: S101 - called in one
    loop.add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGTERM)


async def run_coldstart_lab(options: ColdstartOptions) -> None:
    """Raises `StartupError` if a part cannot start, or there is nothing to compare."""
    configure_logging(log_format=LogFormat.CONSOLE, level=LogLevel.ERROR, stream=sys.stderr)
    architectures, missing = chosen(options)
    if not architectures:
        message = f"nothing to measure: {missing or 'no architecture has such a name'}"
        raise StartupError(message)
    with (
        _terminable(),
        tempfile.TemporaryDirectory(prefix="remixer-lab-") as folder,
        Progress() as progress,
    ):
        async with running_coldstart_lab(
            options, architectures, folder=Path(folder), tell=progress.tell
        ) as mesh:
            experiment = Experiment(mesh, options, clock=SystemClock(), tell=progress.tell)
            rows = await experiment.rows()
            progress.tell("stopping everything")
    report = ColdstartReport(options, rows, {**missing, **experiment.dropped})
    if options.plot is not None:
        write_timeline(report.rows, options.plot)
    match options.output:
        case OutputFormat.TEXT:
            show(report_text(report))
        case OutputFormat.JSON:
            emit_json(report_json(report))
