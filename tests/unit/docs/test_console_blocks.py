"""Every `console` block of the manual prints what the page says, in order.

A fence with a file name after its language (```yaml shop.yaml) is a file that the commands of the
same page may use. Commands that need a server are shown in `text` blocks, which nothing checks.
"""

import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from typer.testing import CliRunner

from remixer.cli.app import app

DOCS = Path(__file__).parents[3] / "docs"
FENCE = r"^```(\w+)(?: (\S+))?\n(.*?)^```$"  # language, file name, text
PAGES = sorted(path for path in DOCS.glob("*.md") if "```console" in path.read_text())


@dataclass
class Command:
    """A line after `$` and the lines below it."""

    line: str
    output: list[str] = field(default_factory=list)


def commands_of(block: str) -> list[Command]:
    commands: list[Command] = []
    for line in block.splitlines():
        if line.startswith("$ "):
            commands.append(Command(line.removeprefix("$ ")))
        else:
            commands[-1].output.append(line)
    return commands


def run(line: str) -> list[str]:
    program, *arguments = shlex.split(line)
    assert program == "remixer", f"only our own commands can be tried: {line}"
    printed = CliRunner().invoke(app, arguments).output
    return [each.rstrip() for each in printed.rstrip("\n").split("\n")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_print_what_the_page_says(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    fences = re.findall(FENCE, page.read_text(), re.MULTILINE | re.DOTALL)
    for _, name, text in fences:
        if name:
            (tmp_path / name).write_text(text)
    commands = [each for kind, _, text in fences if kind == "console" for each in commands_of(text)]
    assert commands
    for command in commands:
        assert run(command.line) == command.output, command.line


def test_there_are_pages_with_commands() -> None:
    assert {"configuration", "expressions"} <= {page.stem for page in PAGES}
