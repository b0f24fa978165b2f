"""Figures of all runs as JSON lines, and how they went: `python -m bench.history FILE... --plot FILE.svg`.

Runs go to `build/bench/history.jsonl`, which nobody commits. What a release measured is added to
`bench/history.jsonl` by `make bench ARGS="--history bench/history.jsonl"`.
"""

import argparse
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.chart import Line, Panel, svg
from bench.previous import ROOT

LOCAL = ROOT / "build" / "bench" / "history.jsonl"
RELEASES = ROOT / "bench" / "history.jsonl"
_RUNS = 30
"""The latest that a plot shows."""
_ACROSS = 4


@dataclass(frozen=True, slots=True)
class Entry:
    """One figure of one run."""

    commit: str
    date: str
    machine: str
    row: str
    column: str
    unit: str
    minimum: float
    median: float
    maximum: float


def append(file: Path, entries: Iterable[Entry]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8") as out:
        for entry in entries:
            out.write(json.dumps(asdict(entry)) + "\n")


def read(files: Iterable[Path]) -> list[Entry]:
    """All entries, oldest first; files that are not there have none."""
    lines = [line for file in files if file.is_file() for line in file.read_text().splitlines()]
    return sorted((Entry(**json.loads(line)) for line in lines), key=lambda each: each.date)


def plot(entries: Sequence[Entry]) -> str:
    """A small picture for each row, with a line for each column."""
    runs = sorted({(each.date, each.commit) for each in entries})[-_RUNS:]
    places = {run: number for number, run in enumerate(runs)}
    rows: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for each in entries:
        place = places.get((each.date, each.commit))
        if place is not None:
            row = f"{each.row}, {each.unit}"
            points = rows.setdefault(row, {}).setdefault(each.column, [])
            points.append((float(place), each.median))
    step = max(1, len(runs) // 4)
    marks = tuple((float(at), runs[at][1]) for at in range(0, len(runs), step))
    panels = [
        Panel(
            row,
            "commit",
            "",
            tuple(Line(column, tuple(points)) for column, points in columns.items()),
            is_logarithmic=False,
            marks=marks,
        )
        for row, columns in rows.items()
    ]
    return svg(panels, across=_ACROSS)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.history", description=__doc__)
    parser.add_argument("files", nargs="*", type=Path, default=[RELEASES, LOCAL], metavar="FILE")
    parser.add_argument("--plot", type=Path, default=LOCAL.with_suffix(".svg"), metavar="FILE.svg")
    options = parser.parse_args()
    entries = read(options.files)
    options.plot.parent.mkdir(parents=True, exist_ok=True)
    options.plot.write_text(plot(entries), encoding="utf-8")
    print(f"{len(entries)} figures, drawn in {options.plot}")


if __name__ == "__main__":
    main()
