"""What calls cost, at growing sizes, as a table and drawn: docs/growth.svg.

About ten minutes. `--only` one part: rules, spread, namespaces, attributes, connections, lists.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench.chart import Line, Panel, svg
from bench.growth.connections import CONNECTIONS, connections
from bench.growth.lists import ENTRIES, MOST_ENTRIES, entries
from bench.growth.point import Reading
from bench.growth.rules import (
    ATTRIBUTES,
    NAMESPACES,
    RULES,
    attributes,
    namespaces,
    rules_in_many,
    rules_in_one,
)
from bench.previous import ROOT
from bench.table import Run

UNITS = {"µs": "CPU µs per call", "MB": "memory, MB", "s": "CPU s"}
_ACROSS = 3


@dataclass(frozen=True, slots=True)
class Part:
    """What grows, and how far."""

    name: str
    title: str
    sizes: tuple[int, ...]
    measure: Callable[[int], list[Reading]]


PARTS = (
    Part("rules", "rules in one namespace", RULES, rules_in_one),
    Part("spread", "rules, ten in each namespace", RULES, rules_in_many),
    Part("namespaces", "namespaces of one rule", NAMESPACES, namespaces),
    Part("attributes", "attributes of a request", ATTRIBUTES, attributes),
    Part("connections", "connections", CONNECTIONS, connections),
    Part("lists", "entries of a list", ENTRIES, entries),
)


@dataclass(frozen=True, slots=True)
class Grown:
    """All readings of one part, by size."""

    part: Part
    by_size: dict[int, list[Reading]]


def main() -> None:
    options = _options()
    sizes = {
        part: (*part.sizes, MOST_ENTRIES)
        if options.ten_million and part.name == "lists"
        else part.sizes
        for part in PARTS
        if not options.only or part.name in options.only
    }
    found = [Grown(part, {}) for part in sizes]
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
    ) as progress:
        task = progress.add_task("", total=sum(map(len, sizes.values())))
        for grown in found:
            for size in sizes[grown.part]:
                progress.update(task, description=f"{grown.part.title}: {size:,}")
                grown.by_size[size] = grown.part.measure(size)
                progress.advance(task)
    print("\n".join(markdown(found)))
    if options.plot:
        options.plot.write_text(svg(list(panels(found)), across=_ACROSS), encoding="utf-8")


def markdown(found: Sequence[Grown]) -> Iterator[str]:
    """A table for each part."""
    yield f"{Run.of((), (), ()).title}. `python -m bench.growth`"
    for grown in found:
        sizes = sorted(grown.by_size)
        yield ""
        yield f"| {grown.part.title} | " + " | ".join(f"{size:,}" for size in sizes) + " |"
        yield "|---|" + "--:|" * len(sizes)
        for unit, line in _lines(grown):
            values = (_value(grown.by_size[size], unit, line) for size in sizes)
            texts = ("" if value is None else f"{value:.3g}" for value in values)
            yield f"| {line}, {unit} | " + " | ".join(texts) + " |"


def panels(found: Sequence[Grown]) -> Iterator[Panel]:
    """A picture for each part and unit, logarithmic both ways."""
    for grown in found:
        for unit, name in UNITS.items():
            lines = [
                Line(line, _points(grown, unit, line))
                for each, line in _lines(grown)
                if each == unit
            ]
            if lines:
                yield Panel(grown.part.title, "", name, tuple(lines))


def _points(grown: Grown, unit: str, line: str) -> tuple[tuple[float, float], ...]:
    values = [(size, _value(grown.by_size[size], unit, line)) for size in sorted(grown.by_size)]
    return tuple((float(size), value) for size, value in values if value is not None)


def _lines(grown: Grown) -> list[tuple[str, str]]:
    """Without doubles, in the order of their first reading."""
    read = (each for readings in grown.by_size.values() for each in readings)
    return list(dict.fromkeys((each.unit, each.line) for each in read))


def _value(readings: Sequence[Reading], unit: str, line: str) -> float | None:
    found = [each.value for each in readings if (each.unit, each.line) == (unit, line)]
    return found[0] if found else None


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.growth", description=__doc__)
    names = [part.name for part in PARTS]
    parser.add_argument("--only", choices=names, action="append", default=[], metavar="PART")
    parser.add_argument("--ten-million", action="store_true", help="a list of 10 million, too")
    parser.add_argument(
        "--plot",
        type=Path,
        metavar="FILE.svg",
        help="default: docs/growth.svg if all parts are measured, else none",
    )
    options = parser.parse_args()
    if options.plot is None and not options.only:
        options.plot = ROOT / "docs" / "growth.svg"
    return options


if __name__ == "__main__":
    main()
