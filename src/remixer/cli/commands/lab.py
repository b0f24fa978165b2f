"""`remixer lab`: experiments on this machine that end in numbers."""

from typing import Annotated

import typer

from remixer.cli.console import OutputFlag, OutputFormat
from remixer.cli.exits import ExitCode
from remixer.cli.lab.options import AvailabilityOptions

app = typer.Typer(add_completion=False)

_DEFAULTS = AvailabilityOptions()


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
