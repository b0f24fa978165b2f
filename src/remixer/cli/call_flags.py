"""The flags of commands that call a server: where it is, how often, how long to wait."""

from enum import StrEnum
from typing import Annotated, Final, TypeAlias

import typer

DEFAULT_ADDRESS: Final = "localhost:9091"
_CALLS_PANEL: Final = "Calls"
# A mistyped number must not fill the machine with connections' streams or answers.
_MAX_REPEAT: Final = 1_000_000
_MAX_CONCURRENCY: Final = 1_000  # below the 1024 streams that servers allow one connection


class CallOutput(StrEnum):
    """Who reads the answers of a server."""

    TEXT = "text"
    JSON = "json"
    MIXC = "mixc"


CallOutputFlag: TypeAlias = Annotated[
    CallOutput,
    typer.Option(
        "--output",
        "-o",
        help="`text` for people, `json` for machines, `mixc` for scripts that read mixc's text: "
        "then calls without an answer are lines too, each of --concurrency senders sends "
        "--repeat requests, and the exit code is 0.",
    ),
]
PrintFlag: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--print-response/--no-print-response",
        help="Whether to print answers.",
        rich_help_panel=_CALLS_PANEL,
    ),
]
RateFlag: TypeAlias = Annotated[
    int,
    typer.Option(
        "--rate",
        metavar="PER_SECOND",
        help="Most requests per second of each of the concurrent senders; 0 for no limit.",
        rich_help_panel=_CALLS_PANEL,
    ),
]
AddressFlag: TypeAlias = Annotated[
    str,
    typer.Option(
        "--address",
        "--mixer",
        "-m",
        metavar="HOST:PORT|unix:PATH",
        help="The server.",
        rich_help_panel=_CALLS_PANEL,
    ),
]
RepeatFlag: TypeAlias = Annotated[
    int,
    typer.Option(
        "--repeat",
        "-r",
        min=1,
        max=_MAX_REPEAT,
        help="Send the request so many times, in quick succession.",
        rich_help_panel=_CALLS_PANEL,
    ),
]
ConcurrencyFlag: TypeAlias = Annotated[
    int,
    typer.Option(
        "--concurrency",
        "-c",
        min=1,
        max=_MAX_CONCURRENCY,
        help="How many of the repeated requests may be under way at once.",
        rich_help_panel=_CALLS_PANEL,
    ),
]
TimeoutFlag: TypeAlias = Annotated[
    float,
    typer.Option(
        "--timeout",
        min=0.001,
        metavar="SECONDS",
        help="Longest wait for one answer.",
        rich_help_panel=_CALLS_PANEL,
    ),
]

# Source: the deadline of the proxies' own client, for both methods.
DEFAULT_TIMEOUT_S: Final = 5.0


def requests_of(repeat: int, concurrency: int, output: CallOutput) -> int:
    """How many to send in all; each of mixc's senders sent `repeat` of its own."""
    return repeat * concurrency if output is CallOutput.MIXC else repeat
