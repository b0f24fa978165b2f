"""`remixer cache`: what operators do with the memory of verdicts."""

from pathlib import Path
from typing import Annotated

import typer

from remixer.cli.call_flags import DEFAULT_ADDRESS, DEFAULT_TIMEOUT_S, AddressFlag, TimeoutFlag
from remixer.cli.console import OutputFlag, OutputFormat
from remixer.cli.exits import ExitCode

app = typer.Typer(add_completion=False)


@app.callback()
def cache() -> None:
    """Forget remembered verdicts, look into the memory, find its best size."""


@app.command("flush")
def flush(
    *,
    address: AddressFlag = DEFAULT_ADDRESS,
    timeout: TimeoutFlag = DEFAULT_TIMEOUT_S,
    output: OutputFlag = OutputFormat.TEXT,
) -> int:
    """Forget all verdicts, in the shared cache too.

    Exit codes:
    0 forgotten
    2 the command line cannot be understood
    3 no server answered
    4 the server refused
    """
    from remixer.cli.cache_calls import flush as forget_all

    forget_all(address, timeout_s=timeout, output=output)
    return ExitCode.DONE


@app.command("revoke")
def revoke(
    *,
    match: Annotated[
        str,
        typer.Option(
            "--match",
            metavar="CEXL",
            help="A condition on the attributes that a verdict depended on, as "
            '`source.user == "mallory"`; all others count as absent.',
        ),
    ],
    address: AddressFlag = DEFAULT_ADDRESS,
    timeout: TimeoutFlag = DEFAULT_TIMEOUT_S,
    output: OutputFlag = OutputFormat.TEXT,
) -> int:
    """Forget the verdicts that match a condition, in the shared cache too.

    Exit codes:
    0 forgotten, also if there was none
    2 the condition is none; the message says where
    3 no server answered
    4 the server refused
    """
    from remixer.cli.cache_calls import revoke as forget_matching

    forget_matching(match, address, timeout_s=timeout, output=output)
    return ExitCode.DONE


@app.command("stats")
def stats(
    *,
    address: AddressFlag = DEFAULT_ADDRESS,
    timeout: TimeoutFlag = DEFAULT_TIMEOUT_S,
    output: OutputFlag = OutputFormat.TEXT,
) -> int:
    """Show hits, entries, ages, and the attributes that verdicts depend on.

    Exit codes:
    0 shown
    2 the command line cannot be understood
    3 no server answered
    4 the server refused
    """
    from remixer.cli.cache_calls import show_stats

    show_stats(address, timeout_s=timeout, output=output)
    return ExitCode.DONE


@app.command("advise")
def advise(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="What `remixer serve --cache-record` wrote.")
    ],
    *,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE.svg|FILE.png", help="Draw hits against size there."),
    ] = None,
    output: OutputFlag = OutputFormat.TEXT,
) -> int:
    """Tell hits by size and lifetime, the size to pick, and what costs the most hits.

    Exit codes:
    0 told
    1 the recording has no checks
    2 the command line cannot be understood, or the file cannot be read
    """
    from remixer.cli.cache_advice import tell

    return ExitCode.DONE if tell(file, plot=plot, output=output) else ExitCode.FAILED
