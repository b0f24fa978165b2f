"""`remixer lab`: experiments on this machine that end in numbers."""

from pathlib import Path
from typing import Annotated

import typer

from remixer.cli.console import OutputFlag, OutputFormat
from remixer.cli.exits import ExitCode
from remixer.cli.lab.options import (
    MOST_WAKES,
    AvailabilityOptions,
    ColdstartOptions,
    SidecarOptions,
)

app = typer.Typer(add_completion=False)

_DEFAULTS = AvailabilityOptions()
_SIDECAR = SidecarOptions()
_COLDSTART = ColdstartOptions()


@app.callback()
def lab() -> None:
    """Experiments on this machine, with real Envoys, that end in numbers."""


@app.command("availability")
def availability(
    *,
    minutes: Annotated[
        float, typer.Option(min=0.2, max=600.0, help="How long to send requests.")
    ] = _DEFAULTS.minutes,
    rate: Annotated[
        float, typer.Option(min=1.0, max=500.0, help="Requests per second, through each Envoy.")
    ] = _DEFAULTS.rate,
    lifetime: Annotated[
        float, typer.Option(min=0.1, metavar="SECONDS", help="Of the back end's verdicts.")
    ] = _DEFAULTS.lifetime_s,
    strangers: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Part of requests of users never seen before.")
    ] = _DEFAULTS.strangers,
    seed: Annotated[int, typer.Option(help="Of outages and requests.")] = _DEFAULTS.seed,
    output: OutputFlag = OutputFormat.TEXT,
) -> int:
    """Let a back end fail behind Remixer and Envoy: what is answered, with and without caches.

    Exit codes:
    0 measured
    1 a part could not start
    130 interrupted
    """
    from remixer.cli.interrupts import run_until_interrupted
    from remixer.cli.lab.program import run_availability

    options = AvailabilityOptions(
        minutes=minutes,
        rate=rate,
        lifetime_s=lifetime,
        strangers=strangers,
        seed=seed,
        output=output,
    )
    run_until_interrupted(run_availability(options))
    return ExitCode.DONE


@app.command("sidecar")
def sidecar(  # noqa: PLR0913 - each is a flag of its own
    *,
    requests: Annotated[
        int, typer.Option(min=100, max=100_000_000, help="Requests, through each Envoy.")
    ] = _SIDECAR.requests,
    keys: Annotated[
        int, typer.Option(min=1, max=9_000, help="Users who ask often.")
    ] = _SIDECAR.keys,
    tail: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Part of the requests of users who ask rarely.")
    ] = _SIDECAR.tail,
    connections: Annotated[
        int,
        typer.Option(min=1, max=1_000, help="To each Envoy; one request after another on each."),
    ] = _SIDECAR.connections,
    outage: Annotated[
        float, typer.Option(min=0.1, max=600.0, metavar="SECONDS", help="Without the Mixer.")
    ] = _SIDECAR.outage_s,
    checks: Annotated[
        int, typer.Option(min=1_000, max=1_000_000_000, help="Of the library, in this process.")
    ] = _SIDECAR.checks,
    seed: Annotated[int, typer.Option(help="Of the requests.")] = _SIDECAR.seed,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw latencies and calls: an .svg.")
    ] = _SIDECAR.plot,
    output: OutputFlag = OutputFormat.TEXT,
) -> int:
    """Send the same traffic with and without a sidecar: calls saved, latencies, no Mixer at all.

    Exit codes:
    0 measured
    1 a part could not start
    2 --plot cannot be drawn
    130 interrupted
    """
    from remixer.cli.interrupts import run_until_interrupted
    from remixer.cli.lab.bar_chart import require_svg
    from remixer.cli.lab.sidecar_program import run_sidecar_lab

    if plot is not None:
        require_svg(plot)
    options = SidecarOptions(
        requests=requests,
        keys=keys,
        tail=tail,
        connections=connections,
        outage_s=outage,
        checks=checks,
        seed=seed,
        plot=plot,
        output=output,
    )
    run_until_interrupted(run_sidecar_lab(options))
    return ExitCode.DONE


@app.command("coldstart")
def coldstart(  # noqa: PLR0913 - one parameter for each flag
    *,
    wakes: Annotated[
        int,
        typer.Option(min=1, max=MOST_WAKES, help="Idle revisions to wake, each architecture."),
    ] = _COLDSTART.wakes,
    pod_start: Annotated[
        str, typer.Option(metavar="DURATION", help="What a pod takes to start: 500ms, 2s.")
    ] = "500ms",
    burst: Annotated[
        int, typer.Option(min=1, max=1_000, help="Requests at once to one idle revision.")
    ] = _COLDSTART.burst,
    warm: Annotated[
        int, typer.Option(min=10, max=100_000, help="Requests to a revision that is awake.")
    ] = _COLDSTART.warm,
    filters: Annotated[
        Path, typer.Option(metavar="FILE", help="Envoy's module with the filter; `make filters`.")
    ] = _COLDSTART.filters,
    only: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="activator, retry, hold-watch, hold, filter-retry, filter."
        ),
    ] = None,
    steps: Annotated[
        bool, typer.Option("--steps", help="Listen on loopback: when each step was taken. As root.")
    ] = _COLDSTART.steps,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw the phases: an .svg.")
    ] = _COLDSTART.plot,
    output: OutputFlag = OutputFormat.TEXT,
) -> int:
    """Wake idle Knative revisions by Activator, adapter and filter: what each adds to a start.

    Exit codes:
    0 measured
    1 a part could not start
    2 --plot cannot be drawn
    130 interrupted
    """
    from remixer.cli.interrupts import run_until_interrupted
    from remixer.cli.lab.bar_chart import require_svg
    from remixer.cli.lab.coldstart_program import pod_start_seconds, run_coldstart_lab

    if plot is not None:
        require_svg(plot)
    options = ColdstartOptions(
        wakes=wakes,
        pod_start_s=pod_start_seconds(pod_start),
        burst=burst,
        warm=warm,
        filters=filters,
        only=tuple(only or ()),
        steps=steps,
        plot=plot,
        output=output,
    )
    run_until_interrupted(run_coldstart_lab(options))
    return ExitCode.DONE
