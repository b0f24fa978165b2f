"""What commands complain of, on stderr."""

import sys
from collections.abc import Iterable

from remixer.cli.exits import ExitCode
from remixer.cli.problem_line import problem_line
from remixer.foundation.problems import Problem


def show_error(text: str) -> None:
    """Print `error: …` on stderr."""
    sys.stderr.write(f"error: {printable(text)}\n")
    sys.stderr.flush()


def show_warning(text: str) -> None:
    """Print `warning: …` on stderr."""
    sys.stderr.write(f"warning: {printable(text)}\n")
    sys.stderr.flush()


def show_faults(problems: Iterable[Problem]) -> ExitCode:
    """Print every fault of settings that cannot be used; how the command ends."""
    for problem in problems:
        show_error(problem_line(problem))
    return ExitCode.USAGE


def printable(text: str) -> str:
    """`text` with control characters escaped, so that a server cannot steer the terminal."""
    if text.isprintable():
        return text
    return "".join(_visible(char) for char in text)


def _visible(char: str) -> str:
    if char.isprintable() or char == "\n":
        return char
    return char.encode("unicode_escape").decode("ascii")
