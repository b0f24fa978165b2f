"""The table of one run: as text, as Markdown, as JSON, as entries of the history."""

import json
import os
import platform
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.columns import OURS, Cell
from bench.facts import Fact, facts_table, short, spread
from bench.history import Entry
from bench.previous import commit_of
from bench.subjects import LIBRARY_GOAL_US, LIBRARY_KEY, LIBRARY_NAME, SUBJECTS
from remixer.foundation.clock import SystemClock

_PAGE_CHARACTERS = 140
"""Where no terminal says how wide it is."""
MIXER = "Mixer 1.3 ¹"
FOOTNOTE = (
    "¹ The Go Mixer, measured elsewhere: two cores, the same load, server CPU by the kernel's "
    "accounting. Its cache of verdicts was never enabled; 31 µs is with it forced on."
)
_NAMES = {each.key: each.name for each in SUBJECTS} | {LIBRARY_KEY: LIBRARY_NAME}
_GOALS = {each.key: each.goal_us for each in SUBJECTS} | {LIBRARY_KEY: LIBRARY_GOAL_US}
_MIXER = {each.key: each.mixer_us for each in SUBJECTS}


@dataclass(frozen=True, slots=True)
class Run:
    """Everything that one run found."""

    columns: tuple[str, ...]
    cells: tuple[Cell, ...]
    facts: tuple[Fact, ...]
    commit: str
    date: str
    machine: str
    load: str

    @staticmethod
    def of(columns: Sequence[str], cells: Sequence[Cell], facts: Sequence[Fact]) -> "Run":
        return Run(
            columns=tuple(columns),
            cells=tuple(cells),
            facts=tuple(facts),
            commit=commit_of(),
            date=_now(),
            machine=_machine(),
            load=", ".join(f"{each:.2f}" for each in os.getloadavg()),
        )

    @property
    def title(self) -> str:
        return f"{self.date}, commit {self.commit}; {self.machine}; load average {self.load}"


def show(run: Run, output: str) -> None:
    match output:
        case "json":
            print(json.dumps(asdict(run), indent=2))
        case "markdown":
            print("\n".join(markdown(run)))
        case _:
            _show_text(run)


def markdown(run: Run) -> Iterator[str]:
    """For docs/performance.md."""
    yield f"{run.title}. `python -m bench --output markdown`; median of CPU µs (least to most)."
    yield ""
    heads = ("", *run.columns, "goal", MIXER)
    yield "| " + " | ".join(heads) + " |"
    yield "|---|" + "--:|" * (len(heads) - 1)
    for texts in _lines(run):
        yield "| " + " | ".join(texts) + " |"
    yield ""
    yield FOOTNOTE
    if run.facts:
        yield ""
        yield "| beside the calls | median (least to most) | goal |"
        yield "|---|--:|--:|"
        for fact in run.facts:
            yield f"| {fact.name} | {fact.text} | {fact.goal_text} |"


def entries(run: Run) -> Iterator[Entry]:
    """One for each figure."""
    found = [(cell.row, cell.column, "µs", cell.figure) for cell in run.cells]
    found += [(fact.key, OURS.title, fact.unit, fact.figure) for fact in run.facts]
    for row, column, unit, figure in found:
        if figure is not None:
            values = (figure.minimum, figure.median, figure.maximum)
            yield Entry(run.commit, run.date, run.machine, row, column, unit, *values)


def _show_text(run: Run) -> None:
    console = Console()
    if not console.is_terminal:
        console = Console(width=_PAGE_CHARACTERS)
    console.print(run.title, highlight=False)
    shown = Table("µs of CPU", *run.columns, "goal", MIXER)
    for texts in _lines(run):
        shown.add_row(*texts)
    console.print(shown)
    console.print(FOOTNOTE, highlight=False)
    if run.facts:
        console.print(facts_table("beside the calls", run.facts))
    for cell in run.cells:
        if cell.figure is None:
            console.print(f"{_NAMES[cell.row]}, {cell.column}: {cell.reason}", highlight=False)


def _lines(run: Run) -> Iterator[tuple[str, ...]]:
    cells = {(cell.row, cell.column): cell for cell in run.cells}
    for row in dict.fromkeys(cell.row for cell in run.cells):
        texts = (_text_of(cells.get((row, column))) for column in run.columns)
        yield _NAMES[row], *texts, _goal(row, cells), _MIXER.get(row, "")


def _text_of(cell: Cell | None) -> str:
    """The spread only where goals are judged: a row is to fit a line."""
    if cell is None or cell.figure is None:
        return ""
    return spread(cell.figure) if cell.column == OURS.title else short(cell.figure.median)


def _goal(row: str, cells: dict[tuple[str, str], Cell]) -> str:
    goal = _GOALS[row]
    if goal is None:
        return ""
    cell = cells.get((row, OURS.title)) or cells.get((row, "in process"))
    if cell is None or cell.figure is None:
        return f"≤ {goal:g}"
    return f"≤ {goal:g} {'met' if cell.figure.median <= goal else 'missed'}"


def _now() -> str:
    instant = datetime.fromtimestamp(SystemClock().unix_ns() // 10**9, UTC)
    return instant.isoformat(timespec="seconds")


def _machine() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    model = models[0] if models else platform.machine()
    return f"{os.cpu_count()} cores of {model}, Python {platform.python_version()}"
