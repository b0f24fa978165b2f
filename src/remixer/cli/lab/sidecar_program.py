"""`remixer lab sidecar`: the same traffic with and without a sidecar, and with no Mixer behind it."""

import asyncio
import sys
import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

from remixer.cli.console import OutputFormat, emit_json, show
from remixer.cli.demo.progress import Progress
from remixer.cli.lab.bar_chart import write_chart
from remixer.cli.lab.call_counts import CallCounts
from remixer.cli.lab.guests import everybody_once, traffic, wanted_status
from remixer.cli.lab.http_load import send_all
from remixer.cli.lab.in_process import LibraryRun, run_library
from remixer.cli.lab.options import SidecarOptions
from remixer.cli.lab.sidecar_mesh import ALONE, DIRECT, SIDECAR, SidecarMesh, running_sidecar_lab
from remixer.cli.lab.sidecar_report import SidecarReport, SidecarRow, library_row, row_of
from remixer.cli.lab.sidecar_table import charts_of, report_json, report_text
from remixer.cli.lab.tally import Sample
from remixer.foundation.clock import SystemClock
from remixer.observability.logs import LogFormat, LogLevel, configure_logging

_SETTLE_S: Final = 10.0
_LOOK_S: Final = 0.1
_AROUND_S: Final = 1.5  # of traffic before and after the outage

_OK: Final = 200

FIRST: Final = f"{SIDECAR}, first"
AWAY: Final = f"{SIDECAR}, no Mixer"


async def run_sidecar_lab(options: SidecarOptions) -> None:
    """Raises `StartupError` if a part cannot start."""
    configure_logging(log_format=LogFormat.CONSOLE, level=LogLevel.ERROR, stream=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="remixer-lab-") as folder, Progress() as progress:
        async with running_sidecar_lab(Path(folder), tell=progress.tell) as mesh:
            report = await _Experiment(mesh, options, progress).report()
    if options.plot is not None:
        write_chart(charts_of(report), options.plot)
    match options.output:
        case OutputFormat.TEXT:
            show(report_text(report))
        case OutputFormat.JSON:
            emit_json(report_json(report))


class _Experiment:
    """One run."""

    def __init__(self, mesh: SidecarMesh, options: SidecarOptions, progress: Progress) -> None:
        self._mesh = mesh
        self._options = options
        self._progress = progress
        self._clock = SystemClock()
        self._through_sidecar = 0
        """Requests that the sidecar should report."""

    async def report(self) -> SidecarReport:
        options = self._options
        rows = [await self._measured(ALONE), await self._measured(DIRECT)]
        self._progress.tell(f"{SIDECAR}: {options.keys:,} users for the first time")
        first = list(everybody_once(options.keys))
        rows.append(await self._counted(FIRST, SIDECAR, iter(first)))
        rows.append(await self._measured(SIDECAR))
        away, outage_s = await self._outage()
        rows.append(away)
        lost = await self._lost_records()
        library = await self._library()
        rows.append(library_row(library))
        return SidecarReport(options, tuple(rows), library, outage_s, lost)

    async def _measured(self, name: str) -> SidecarRow:
        options = self._options
        if name == DIRECT:  # its Mixer's memory, too, shall know everybody
            await self._sent(DIRECT, everybody_once(options.keys))
        self._progress.tell(f"{name}: {options.requests:,} requests")
        return await self._counted(name, name, islice(self._users(), options.requests))

    async def _counted(self, name: str, envoy: str, users: Iterator[str]) -> SidecarRow:
        before = await self._mesh.counts()
        samples = await self._sent(envoy, users)
        if envoy == ALONE:
            return row_of(name, samples)
        if envoy == SIDECAR:
            await self._reported(before.records + len(samples))
        return row_of(name, samples, (await self._mesh.counts()) - before)

    async def _outage(self) -> tuple[SidecarRow, float]:
        """The requests while no Mixer was there."""
        options, over = self._options, asyncio.Event()
        self._progress.tell(f"{SIDECAR}: the Mixer is away for {options.outage_s:g} s")
        began_s = self._clock.monotonic_s()
        async with asyncio.TaskGroup() as group:
            sending = group.create_task(self._sent(SIDECAR, self._users(), until=over))
            await asyncio.sleep(_AROUND_S)
            await self._mesh.stop_mixer()
            left_s = self._clock.monotonic_s() - began_s
            await asyncio.sleep(options.outage_s)
            await self._mesh.start_mixer()
            back_s = self._clock.monotonic_s() - began_s
            await asyncio.sleep(_AROUND_S)
            over.set()
        during = [each for each in sending.result() if left_s <= each.at_s < back_s]
        return row_of(AWAY, during), back_s - left_s

    async def _sent(
        self, envoy: str, users: Iterator[str], *, until: asyncio.Event | None = None
    ) -> list[Sample]:
        samples = await send_all(
            users,
            self._mesh.envoys[envoy],
            connections=self._options.connections,
            clock=self._clock,
            wanted=_everybody_passes if envoy == ALONE else wanted_status,
            until=until,
        )
        if envoy == SIDECAR:
            self._through_sidecar += len(samples)
        return samples

    def _users(self) -> Iterator[str]:
        options = self._options
        return traffic(seed=options.seed, keys=options.keys, tail=options.tail)

    async def _lost_records(self) -> int:
        return self._through_sidecar - (await self._reported(self._through_sidecar)).records

    async def _reported(self, records: int) -> CallCounts:
        """Once the sidecar has reported so many requests, or takes too long."""
        until_s = self._clock.monotonic_s() + _SETTLE_S
        while True:
            counts = await self._mesh.counts()
            if counts.records >= records or self._clock.monotonic_s() > until_s:
                return counts
            await asyncio.sleep(_LOOK_S)

    async def _library(self) -> LibraryRun:
        options = self._options
        return await run_library(
            str(self._mesh.mixer_at),
            checks=options.checks,
            keys=options.keys,
            seed=options.seed,
            clock=self._clock,
            tell=self._progress.tell,
        )


def _everybody_passes(_user: str) -> int:
    return _OK
