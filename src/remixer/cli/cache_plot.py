"""Hits against size as a picture: SVG by hand, PNG with Pillow.

Both draw the same strokes and texts, placed once.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from importlib.util import find_spec
from math import log2
from pathlib import Path
from typing import Final, TypeAlias

from remixer.cli.exits import ExitCode, OperatorError
from remixer.tiers.advice import Advice, Curve

_WIDTH: Final = 800
_HEIGHT: Final = 480
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 180, 40, 60
_TEXT: Final = 13  # pixels high
_INK: Final = "#222222"
_FAINT: Final = "#dddddd"
_COLOURS: Final = ("#0b6e99", "#d9730d", "#0f7b6c", "#ad1a72", "#6940a5", "#64473a")
_RATIO_STEPS: Final = 5
_SCALE: Final = 2  # pixels of a PNG for one of these

Point: TypeAlias = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Stroke:
    """A line through points."""

    points: tuple[Point, ...]
    colour: str
    width: float = 1.0


@dataclass(frozen=True, slots=True)
class Label:
    """A text; `at` is its baseline's start, middle or end, as `anchor` says."""

    text: str
    at: Point
    anchor: str = "start"
    colour: str = _INK


Mark: TypeAlias = Stroke | Label


def write_plot(advice: Advice, file: Path) -> None:
    """Draw the curves. Raises `OperatorError` for another ending than .svg and .png."""
    match file.suffix.lower():
        case ".svg":
            content = svg(advice).encode()
        case ".png":
            content = png(advice)
        case _:
            raise OperatorError(
                what=f"`{file.name}` ends in neither .svg nor .png",
                where="--plot",
                next_step="write `--plot hits.svg`",
            )
    try:
        file.write_bytes(content)
    except OSError as error:
        raise OperatorError(
            what=f"cannot write {file}: {error.strerror}",
            where="--plot",
            next_step="name a file in a directory that exists and is yours",
        ) from error


def svg(advice: Advice) -> str:
    """The picture as a document of its own."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{_HEIGHT}" '
        f'viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" font-size="{_TEXT}">'
    )
    lines = [head, f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>']
    for mark in marks(advice):
        match mark:
            case Stroke():
                points = " ".join(f"{x:.1f},{y:.1f}" for x, y in mark.points)
                lines.append(
                    f'<polyline points="{points}" fill="none" stroke="{mark.colour}" '
                    f'stroke-width="{mark.width}"/>'
                )
            case Label():
                x, y = mark.at
                lines.append(
                    f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{mark.anchor}" '
                    f'fill="{mark.colour}">{escape(mark.text)}</text>'
                )
    return "\n".join([*lines, "</svg>", ""])


def png(advice: Advice) -> bytes:
    """The same, with Pillow. Raises `OperatorError` if it is not installed."""
    if find_spec("PIL") is None:
        raise OperatorError(
            what="PNG needs Pillow, which is not installed",
            where="--plot",
            next_step="write `--plot FILE.svg`, or `pip install 'remixer[plot]'`",
            exit_code=ExitCode.FAILED,
        )
    from io import BytesIO

    from PIL import Image, ImageDraw, ImageFont

    image = Image.new("RGB", (_WIDTH * _SCALE, _HEIGHT * _SCALE), "white")
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(_TEXT * _SCALE)
    anchors = {"start": "ls", "middle": "ms", "end": "rs"}
    for mark in marks(advice):
        match mark:
            case Stroke():
                points = [(x * _SCALE, y * _SCALE) for x, y in mark.points]
                draw.line(points, fill=mark.colour, width=round(mark.width * _SCALE))
            case Label():
                x, y = mark.at
                draw.text(
                    (x * _SCALE, y * _SCALE),
                    mark.text,
                    fill=mark.colour,
                    font=font,
                    anchor=anchors[mark.anchor],
                )
    buffer = BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def marks(advice: Advice) -> Iterator[Mark]:
    """Everything to draw, from behind to before."""
    sizes = [point.entries for point in advice.curves[0].points]
    plane = _Plane(least=log2(min(sizes)), most=log2(max(sizes)))
    yield Label("Hit ratio by entries of the cache", (_LEFT, _TOP - 16))
    for step in range(_RATIO_STEPS + 1):
        ratio = step / _RATIO_STEPS
        y = plane.at(min(sizes), ratio)[1]
        yield Stroke(((_LEFT, y), (_WIDTH - _RIGHT, y)), _FAINT)
        yield Label(f"{ratio:.0%}", (_LEFT - 8, y + _TEXT / 3), "end")
    for size in sizes:
        yield Label(_short(size), (plane.at(size, 0.0)[0], _HEIGHT - _BOTTOM + 20), "middle")
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    yield Label("entries", (middle, _HEIGHT - 16), "middle")
    if advice.entries:
        x = plane.at(advice.entries, 0.0)[0]
        yield Stroke(((x, _TOP), (x, _HEIGHT - _BOTTOM)), _INK)
        yield Label(f"pick {advice.entries:,}", (x + 5, _HEIGHT - _BOTTOM - 6))
    for number, curve in enumerate(advice.curves):
        colour = _COLOURS[number % len(_COLOURS)]
        yield Stroke(
            tuple(plane.at(point.entries, point.ratio) for point in curve.points), colour, 2.0
        )
        yield Label(_legend(curve), (_WIDTH - _RIGHT + 12, _TOP + 20 * (number + 1)), colour=colour)


@dataclass(frozen=True, slots=True)
class _Plane:
    """From entries, as powers of two, and ratios to the picture."""

    least: float
    most: float

    def at(self, entries: int, ratio: float) -> Point:
        width = self.most - self.least
        along = (log2(entries) - self.least) / width if width else 0.5
        x = _LEFT + along * (_WIDTH - _RIGHT - _LEFT)
        return x, _HEIGHT - _BOTTOM - ratio * (_HEIGHT - _BOTTOM - _TOP)


def _legend(curve: Curve) -> str:
    if curve.ttl_cap_s is None:
        return "lifetimes as allowed"
    return f"at most {curve.ttl_cap_s:g} s"


def _short(size: int) -> str:
    for factor, unit in ((1 << 20, "Mi"), (1 << 10, "Ki")):
        if size >= factor:
            return f"{size // factor}{unit}"
    return str(size)
