"""The command line of `remixer`."""

import typer

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


def run_command_line(arguments: list[str]) -> None:
    """Run one command and exit with its code."""
    typer.main.get_command(app)(arguments, prog_name="remixer")
