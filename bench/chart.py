"""Lines as SVG, many small pictures in a grid, each with axes of its own.

Colours follow the reader's scheme, light or dark.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10

_WIDTH, _HEIGHT = 400, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 16, 48, 44
_COLOURS = ("#4c9bd6", "#e08a2e", "#b5589a", "#4aa36b", "#8a8a8a", "#c94f4f")
_STYLE = (
    "<style>text{fill:#222}.axis{stroke:#bbb}.grid{stroke:#e4e4e4}.paper{fill:#fff}"
    "@media(prefers-color-scheme:dark){text{fill:#ddd}.axis{stroke:#555}.grid{stroke:#2c323a}"
    ".paper{fill:#161b22}}</style>"
)
_TEXT, _SMALL = 13, 11
_STEPS = 4
"""Marks of a linear axis."""


@dataclass(frozen=True, slots=True)
class Line:
    """Points from left to right; what is not above zero has no place on a logarithmic axis."""

    name: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture. `marks`: words for numbers of a linear x axis."""

    title: str
    x_name: str
    y_name: str
    lines: tuple[Line, ...]
    is_logarithmic: bool = True
    marks: tuple[tuple[float, str], ...] = ()


def svg(panels: Sequence[Panel], *, across: int = 2) -> str:
    """A document of its own."""
    width = _WIDTH * min(across, max(1, len(panels)))
    height = _HEIGHT * max(1, ceil(len(panels) / across))
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="{_SMALL}">'
        ),
        _STYLE,
        f'<rect class="paper" width="{width}" height="{height}"/>',
    ]
    for number, panel in enumerate(panels):
        x, y = number % across * _WIDTH, number // across * _HEIGHT
        parts += [f'<g transform="translate({x},{y})">', *_drawn(panel), "</g>"]
    return "\n".join([*parts, "</svg>", ""])


@dataclass(frozen=True, slots=True)
class _Axis:
    """From values to a part of a picture's side."""

    least: float
    most: float
    is_logarithmic: bool

    @staticmethod
    def of(values: Sequence[float], *, is_logarithmic: bool) -> "_Axis":
        if not is_logarithmic:
            return _Axis(min(0.0, *values), max(values) or 1.0, is_logarithmic)
        seen = [log10(value) for value in values if value > 0] or [0.0]
        least, most = floor(min(seen)), ceil(max(seen))
        return _Axis(least, max(most, least + 1), is_logarithmic)

    def part(self, value: float) -> float:
        at = log10(value) if self.is_logarithmic else value
        return (at - self.least) / ((self.most - self.least) or 1.0)

    def marks(self) -> Iterator[tuple[float, str]]:
        if self.is_logarithmic:
            for power in range(int(self.least), int(self.most) + 1):
                yield 10.0**power, _short(10.0**power)
        else:
            for step in range(_STEPS + 1):
                value = self.least + (self.most - self.least) * step / _STEPS
                yield value, _short(value)


def _short(value: float) -> str:
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{unit}"
    return f"{value:.3g}"


def _drawn(panel: Panel) -> Iterator[str]:
    points = [point for line in panel.lines for point in line.points]
    is_log = panel.is_logarithmic
    across = _Axis.of([x for x, _ in points] or [1.0], is_logarithmic=is_log)
    up = _Axis.of([y for _, y in points] or [1.0], is_logarithmic=is_log)
    plane_width, plane_height = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
    bottom = _HEIGHT - _BOTTOM
    yield _text(panel.title, _LEFT, 16, size=_TEXT, is_bold=True)
    for value, mark in up.marks():
        y = bottom - up.part(value) * plane_height
        yield _stroke("grid", _LEFT, y, _WIDTH - _RIGHT, y)
        yield _text(mark, _LEFT - 6, y + 4, anchor="end")
    for value, mark in panel.marks or across.marks():
        x = _LEFT + across.part(value) * plane_width
        yield _stroke("axis", x, bottom, x, bottom + 4)
        yield _text(mark, x, bottom + 17, anchor="middle")
    yield _stroke("axis", _LEFT, bottom, _WIDTH - _RIGHT, bottom)
    yield _text(panel.x_name, _WIDTH - _RIGHT, bottom + 34, anchor="end")
    yield _text(panel.y_name, 6, 16 + 18)
    at = _LEFT + 34
    for colour, line in zip(_cycled(len(panel.lines)), panel.lines, strict=True):
        yield f'<rect x="{at}" y="26" width="9" height="9" fill="{colour}"/>'
        yield _text(line.name, at + 13, 34)
        at += 24 + 6 * len(line.name)
        placed = [
            (_LEFT + across.part(x) * plane_width, bottom - up.part(y) * plane_height)
            for x, y in line.points
            if not is_log or (x > 0 and y > 0)
        ]
        yield from _curve(placed, colour)


def _curve(placed: Sequence[tuple[float, float]], colour: str) -> Iterator[str]:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in placed)
    yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
    for x, y in placed:
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="{colour}"/>'


def _cycled(count: int) -> Iterator[str]:
    for number in range(count):
        yield _COLOURS[number % len(_COLOURS)]


def _stroke(kind: str, x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _text(
    text: str,
    x: float,
    y: float,
    *,
    anchor: str = "start",
    size: int = _SMALL,
    is_bold: bool = False,
) -> str:
    weight = ' font-weight="bold"' if is_bold else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}"{weight}>'
        f"{escape(text)}</text>"
    )
