"""The root command: late imports, one shape of error, exit codes."""

import errno
import json
import os
import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from remixer.cli.app import app
from remixer.cli.complaints import show_error
from remixer.cli.exits import ExitCode, OperatorError
from remixer.cli.lazy import COMMANDS, LazyGroup
from remixer.foundation.errors import StartupError

# What makes a start slow; none of it is needed to say which commands exist.
SLOW = ("asyncio", "grpc", "google.protobuf", "yaml", "aiohttp", "uvloop", "re2")
HELP_IMPORTS = """
import sys
from remixer.cli.main import run
sys.argv = ["remixer", "--help"]
try:
    run()
finally:
    print("\\n".join(sys.modules), file=sys.stderr)
"""


def failing_app(error: BaseException) -> typer.Typer:
    """The root command, with a subcommand `fail` that raises `error`."""

    def fail() -> None:
        raise error

    failing = typer.Typer(cls=LazyGroup, add_completion=False)
    failing.callback()(lambda: None)
    failing.command("fail")(fail)
    return failing


def test_help_names_every_command_and_the_exit_codes() -> None:
    result = CliRunner().invoke(app, ["--help"])

    assert result.exit_code == ExitCode.DONE
    assert all(name in result.output for name in COMMANDS)
    assert "3 server not reached" in " ".join(result.output.split())


def test_no_command_shows_the_help() -> None:
    assert CliRunner().invoke(app, []).output == CliRunner().invoke(app, ["--help"]).output


def test_help_imports_no_command_and_nothing_slow() -> None:
    done = subprocess.run(  # noqa: S603 - our own text
        [sys.executable, "-c", HELP_IMPORTS], capture_output=True, text=True, check=True
    )
    loaded = set(done.stderr.split())

    assert "remixer.cli.main" in loaded
    assert loaded.isdisjoint(SLOW)
    assert not {name for name in loaded if name.startswith("remixer.cli.commands")}


def test_every_listed_command_can_be_loaded_and_shows_its_own_help() -> None:
    for name in COMMANDS:
        result = CliRunner().invoke(app, [name, "--help"])

        assert (name, result.exit_code) == (name, ExitCode.DONE)
        assert f"remixer {name}" in result.output


def test_version_is_told_to_people_and_to_machines() -> None:
    text = CliRunner().invoke(app, ["version"]).output
    document = json.loads(CliRunner().invoke(app, ["version", "--output", "json"]).output)

    assert text.startswith(f"remixer {document['remixer']} (Python ")
    assert ("compiled modules" in text) is document["compiled"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["vrsion"], "no such command 'vrsion'. Did you mean 'version'?; remixer; see"),
        (["version", "--nope"], "no such option: --nope; remixer version; see `remixer version"),
        (["version", "-o", "xml"], "invalid value for '--output' / '-o': 'xml' is not one of"),
    ],
)
def test_a_mistyped_command_line_is_told_in_one_line(arguments: list[str], complaint: str) -> None:
    result = CliRunner().invoke(app, arguments)

    assert result.exit_code == ExitCode.USAGE
    assert result.stdout == ""
    assert result.stderr.startswith(f"error: {complaint}")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "code", "stderr"),
    [
        (
            OperatorError(what="w", where="h", next_step="n", exit_code=ExitCode.UNREACHABLE),
            ExitCode.UNREACHABLE,
            "error: w; h; n\n",
        ),
        (
            StartupError("cannot listen on :1. Choose another."),
            ExitCode.FAILED,
            "error: cannot listen on :1. Choose another.\n",
        ),
        (KeyboardInterrupt(), ExitCode.INTERRUPTED, ""),
    ],
)
def test_mistakes_and_interruption_end_without_a_traceback(
    error: BaseException, code: ExitCode, stderr: str
) -> None:
    result = CliRunner().invoke(failing_app(error), ["fail"])

    assert (result.exit_code, result.stderr) == (code, stderr)


def test_a_fault_of_our_own_is_not_hidden() -> None:
    result = CliRunner().invoke(failing_app(ZeroDivisionError("ours")), ["fail"])

    assert isinstance(result.exception, ZeroDivisionError)


def test_an_os_error_that_is_no_closed_pipe_is_not_hidden() -> None:
    result = CliRunner().invoke(failing_app(OSError(errno.EIO, "ours")), ["fail"])

    assert isinstance(result.exception, OSError)


def test_a_reader_that_went_away_ends_the_command_quietly() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as gone:
        done = subprocess.run(
            [sys.executable, "-c", "from remixer.cli.main import run; run()", "version"],
            stdout=gone,
            stderr=subprocess.PIPE,
            check=False,
        )

    assert (done.returncode, done.stderr) == (ExitCode.FAILED, b"")


def test_control_characters_in_an_error_do_not_reach_the_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show_error("bad \x1b[2J name")

    assert capsys.readouterr().err == "error: bad \\x1b[2J name\n"
