"""Entry point of `remixer`."""

import sys

import typer

from remixer.cli.grpc_log import quiet_grpc
from remixer.cli.lazy import LazyGroup

app = typer.Typer(
    name="remixer",
    cls=LazyGroup,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={
        "help_option_names": ["--help", "-h"],
        # mixc writes its long flags with underscores; `--string_attributes` means the same.
        "token_normalize_func": lambda token: token.replace("_", "-"),
    },
    epilog="Exit codes: 0 done, 1 found wrong, 2 usage, 3 server not reached, "
    "4 server answered with an error, 130 interrupted.",
)


@app.callback()
def remixer() -> None:
    """Mixer, made again: policy, quota and telemetry between proxies and back ends."""


def run() -> None:
    """Run the command line of this process and exit with the command's code."""
    quiet_grpc()
    typer.main.get_command(app)(sys.argv[1:], prog_name="remixer")
