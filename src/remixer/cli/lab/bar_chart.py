"""Bars as SVG, one chart below the other: for each group some bars, each with its number.

Lengths are logarithmic, for what is compared lies decades apart; a number stands at every bar.
Colours follow the reader's scheme, light or dark.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10
from pathlib import Path
from typing import Final

from remixer.cli.exits import OperatorError

_WIDTH: Final = 800
_LEFT, _RIGHT, _TOP, _BOTTOM = 190, 80, 40, 24
_BAR: Final = 14  # pixels high
_GAP: Final = 12  # between groups
_TEXT: Final = 13
_COLOURS: Final = ("#4c9bd6", "#e08a2e", "#b5589a")
_STYLE: Final = (
    "<style>text{fill:#222}.axis{stroke:#bbb}.paper{fill:#fff}"
    "@media(prefers-color-scheme:dark){text{fill:#ddd}.axis{stroke:#555}.paper{fill:#161b22}}"
    "</style>"
)


@dataclass(frozen=True, slots=True)
class BarGroup:
    """Bars that belong together. 0: no bar."""

    name: str
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class BarChart:
    """Groups with the same kinds of bars."""

    title: str
    kinds: tuple[str, ...]
    groups: tuple[BarGroup, ...]

    @property
    def height(self) -> int:
        return _TOP + len(self.groups) * (len(self.kinds) * _BAR + _GAP) + _BOTTOM


def write_chart(charts: Sequence[BarChart], file: Path) -> None:
    """Raises `OperatorError` for another ending than .svg, and a file that cannot be written."""
    require_svg(file)
    try:
        file.write_text(svg(charts), encoding="utf-8")
    except OSError as error:
        raise _not_written(file, error) from error


def require_svg(file: Path) -> None:
    """Raises `OperatorError` for another ending, and where nothing can be written.

    Measuring takes minutes: what will be in vain at their end is told before.
    """
    if file.suffix.lower() != ".svg":
        raise OperatorError(
            what=f"`{file.name}` does not end in .svg",
            where="--plot",
            next_step="write `--plot sidecar.svg`",
        )
    was_there = file.exists()
    try:
        with file.open("ab"):  # as it is, if it exists
            pass
        if not was_there:
            file.unlink()
    except OSError as error:
        raise _not_written(file, error) from error


def _not_written(file: Path, error: OSError) -> OperatorError:
    return OperatorError(
        what=f"cannot write {file}: {error.strerror}",
        where="--plot",
        next_step="name a file in a directory that exists and is yours",
    )


def svg(charts: Sequence[BarChart]) -> str:
    """The picture as a document of its own."""
    height = sum(chart.height for chart in charts)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" '
        f'viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif" font-size="{_TEXT}">'
    )
    lines = [
        head,
        _STYLE,
        f'<rect class="paper" width="{_WIDTH}" height="{height}"/>',
    ]
    top = 0
    for chart in charts:
        lines += _drawn(chart, top)
        top += chart.height
    return "\n".join([*lines, "</svg>", ""])


def _drawn(chart: BarChart, top: int) -> Iterator[str]:
    scale = _Scale.of([value for group in chart.groups for value in group.values])
    yield _text(chart.title, _LEFT, top + 24, weight="bold")
    at = _WIDTH - _RIGHT
    for colour, kind in reversed([*zip(_COLOURS, chart.kinds, strict=False)]):
        at -= 80
        yield f'<rect x="{at}" y="{top + 14}" width="10" height="10" fill="{colour}"/>'
        yield _text(kind, at + 15, top + 24)
    y = top + _TOP
    for group in chart.groups:
        middle = y + len(chart.kinds) * _BAR / 2 + 5
        yield _text(group.name, _LEFT - 10, middle, anchor="end")
        for colour, value in zip(_COLOURS, group.values, strict=False):
            yield from _bar(value, y, scale, colour)
            y += _BAR
        y += _GAP
    bottom = y - _GAP
    yield f'<line class="axis" x1="{_LEFT}" x2="{_LEFT}" y1="{top + _TOP - 4}" y2="{bottom + 4}"/>'


def _bar(value: float, y: float, scale: "_Scale", colour: str) -> Iterator[str]:
    if value > 0:
        width = max(1.0, scale.length(value) * (_WIDTH - _LEFT - _RIGHT))
        yield (
            f'<rect x="{_LEFT}" y="{y:.0f}" width="{width:.1f}" height="{_BAR - 2}" '
            f'fill="{colour}"/>'
        )
        yield _text(f"{value:,.0f}", _LEFT + width + 6, y + _BAR - 3)


@dataclass(frozen=True, slots=True)
class _Scale:
    """Powers of ten."""

    least: int
    most: int

    @staticmethod
    def of(values: Sequence[float]) -> "_Scale":
        seen = [value for value in values if value > 0] or [1.0]
        # A decade below the least, so that it has a length, too.
        least = floor(log10(min(seen))) - 1
        return _Scale(least, max(least + 1, ceil(log10(max(seen)))))

    def length(self, value: float) -> float:
        """Of the whole, from 0 to 1."""
        return (log10(value) - self.least) / (self.most - self.least)


def _text(text: str, x: float, y: float, *, anchor: str = "start", weight: str = "normal") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}">'
        f"{escape(text)}</text>"
    )
