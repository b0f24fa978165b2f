"""Where commands write: rich on stdout for people, JSON lines for machines, errors on stderr."""

import json
import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Final, TypeAlias

import typer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console, RenderableType

Json: TypeAlias = "str | int | float | bool | Sequence[Json] | Mapping[str, Json] | None"

# A pipe has no width; wide enough that no table folds a line of a file that a script reads.
_UNFOLDED_WIDTH: Final = 4096


class OutputFormat(StrEnum):
    """Who reads the answer."""

    TEXT = "text"
    JSON = "json"


OutputFlag: TypeAlias = Annotated[
    OutputFormat,
    typer.Option("--output", "-o", help="`text` for people, `json` for machines."),
]


def show(*renderables: "RenderableType") -> None:
    """Print for people. Colours only on a terminal; `NO_COLOR` is honoured."""
    console = _console()
    for renderable in renderables:
        console.print(renderable)
    console.file.flush()


def show_plain(text: str) -> None:
    """Print `text` and a line end, as it is, at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def emit_json(document: Json) -> None:
    """Print one JSON document on one line, at once."""
    sys.stdout.write(json.dumps(document, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def _console() -> "Console":
    from rich.console import Console

    width = None if sys.stdout.isatty() else _UNFOLDED_WIDTH
    return Console(width=width, highlight=False, markup=False, emoji=False)
