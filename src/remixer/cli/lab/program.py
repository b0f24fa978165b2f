"""`remixer lab availability`: start everything, let the back end fail, show what came of it."""

import asyncio
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Final

from remixer.cli.console import OutputFormat, emit_json, show
from remixer.cli.demo.progress import Progress
from remixer.cli.lab.gate import Gate, GateState
from remixer.cli.lab.mesh import NO_CHECK, SETTINGS, LabMesh, running_lab
from remixer.cli.lab.options import SHARES, AvailabilityOptions
from remixer.cli.lab.outages import Schedule, schedule
from remixer.cli.lab.table import AvailabilityReport, report_json, report_text
from remixer.cli.lab.tally import Sample, tally
from remixer.cli.lab.traffic import Planned, acquaintance, plan, send_all
from remixer.foundation.clock import Clock, SystemClock
from remixer.foundation.errors import StartupError
from remixer.observability.logs import LogFormat, LogLevel, configure_logging

_S_PER_MINUTE: Final = 60.0
_WARM_UP_RATE: Final = 60.0  # a second
_MS_PER_S: Final = 1000.0


async def run_availability(options: AvailabilityOptions) -> None:
    """Raises `StartupError` if a part cannot start, or there is no time for an outage."""
    configure_logging(log_format=LogFormat.CONSOLE, level=LogLevel.ERROR, stream=sys.stderr)
    timing = schedule(
        seed=options.seed,
        total_s=options.minutes * _S_PER_MINUTE,
        steady_s=options.steady_s,
    )
    if not timing.outages:
        message = f"{options.minutes:g} minutes are too few for an outage. Give more --minutes."
        raise StartupError(message)
    with tempfile.TemporaryDirectory(prefix="remixer-lab-") as folder, Progress() as progress:
        async with running_lab(options, folder=Path(folder), tell=progress.tell) as mesh:
            progress.tell("warming up")
            await _sent(mesh, acquaintance(rate=_WARM_UP_RATE))
            progress.tell(f"{len(timing.outages)} outages in {options.minutes:g} minutes")
            samples = await _experiment(mesh, options, timing)
    report = _report(options, timing, samples)
    match options.output:
        case OutputFormat.TEXT:
            show(report_text(report))
        case OutputFormat.JSON:
            emit_json(report_json(report))


async def _experiment(
    mesh: LabMesh, options: AvailabilityOptions, timing: Schedule
) -> dict[str, list[Sample]]:
    async with asyncio.TaskGroup() as group:
        failing = group.create_task(_fail(mesh.gate, timing, clock=SystemClock()))
        planned = plan(
            seed=options.seed,
            total_s=timing.total_s,
            rate=options.rate,
            strangers=options.strangers,
        )
        samples = await _sent(mesh, planned)
        await failing
    return samples


async def _sent(mesh: LabMesh, planned: Sequence[Planned]) -> dict[str, list[Sample]]:
    """The same through every Envoy."""
    async with asyncio.TaskGroup() as group:
        tasks = {
            name: group.create_task(send_all(planned, envoy, clock=SystemClock()))
            for name, envoy in mesh.envoys.items()
        }
    return {name: task.result() for name, task in tasks.items()}


async def _fail(gate: Gate, timing: Schedule, *, clock: Clock) -> None:
    began_s = clock.monotonic_s()
    for outage in timing.outages:
        await asyncio.sleep(outage.begins_s - (clock.monotonic_s() - began_s))
        gate.use(GateState.SILENT if outage.is_silent else GateState.REFUSING)
        await asyncio.sleep(outage.ends_s - (clock.monotonic_s() - began_s))
        gate.use(GateState.OPEN)


def _report(
    options: AvailabilityOptions, timing: Schedule, samples: dict[str, list[Sample]]
) -> AvailabilityReport:
    baseline_s = median(each.latency_s for each in samples[NO_CHECK])
    rows = tuple(
        tally(samples[name], timing, cache=name, down_share=share, baseline_s=baseline_s)
        for share in SHARES
        for name in SETTINGS
    )
    return AvailabilityReport(options, timing, baseline_s * _MS_PER_S, rows)
