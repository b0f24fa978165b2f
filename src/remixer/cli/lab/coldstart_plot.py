"""Cold starts as a picture: one bar per architecture, its phases in the order they happen. SVG.

The pod's own start is left out of the scale: it is the same for all, and would dwarf the rest.
Colours follow the reader's scheme, light or dark.
"""

from collections.abc import Iterator, Sequence
from html import escape
from math import ceil
from pathlib import Path
from typing import Final

from remixer.cli.exits import OperatorError
from remixer.cli.lab.coldstart_wakes import Row

_WIDTH: Final = 800
_LEFT, _RIGHT, _TOP, _BOTTOM = 190, 130, 66, 40
_BAR: Final = 22
_ROW: Final = 40
_POD: Final = 34  # pixels, whatever it takes
_PHASES: Final = (
    ("request → stat", "#4c9bd6"),
    ("stat → decision", "#b5589a"),
    ("pod starts (not to scale)", "#9a9a9a"),
    ("pod up → answer", "#e08a2e"),
)
_TICKS: Final = 5
_STYLE: Final = (
    "<style>text{fill:#222}.axis{stroke:#bbb}.paper{fill:#fff}.worst{stroke:#222}"
    "@media(prefers-color-scheme:dark){text{fill:#ddd}.axis{stroke:#555}.paper{fill:#161b22}"
    ".worst{stroke:#ddd}}</style>"
)


def write_timeline(rows: Sequence[Row], file: Path) -> None:
    """Raises `OperatorError` for a file that cannot be written."""
    try:
        file.write_text(timeline(rows), encoding="utf-8")
    except OSError as error:
        raise OperatorError(
            what=f"cannot write {file}: {error.strerror}",
            where="--plot",
            next_step="name a file in a directory that exists and is yours",
        ) from error


def timeline(rows: Sequence[Row]) -> str:
    """The picture as a document of its own. Rows in which every wake failed have no bar."""
    height = _TOP + _ROW * len(rows) + _BOTTOM
    longest_ms = max((sum(_lengths(row)) for row in rows), default=0.0) or 1.0
    step_ms = _step(longest_ms / _TICKS)
    pixels = (_WIDTH - _LEFT - _RIGHT - _POD) / longest_ms
    lines = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" '
            f'viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif" font-size="13">'
        ),
        _STYLE,
        f'<rect class="paper" width="{_WIDTH}" height="{height}"/>',
        _text("Cold start without the pod's own: median of each phase, ms", _LEFT, 24, bold=True),
        *_legend(),
    ]
    for number, row in enumerate(rows):
        lines += _bar(row, _TOP + number * _ROW, pixels)
    bottom = _TOP + _ROW * len(rows)
    lines.append(f'<line class="axis" x1="{_LEFT}" x2="{_LEFT}" y1="{_TOP - 6}" y2="{bottom}"/>')
    lines.append(
        f'<line class="axis" x1="{_LEFT}" x2="{_LEFT + step_ms * pixels:.1f}" '
        f'y1="{bottom + 8}" y2="{bottom + 8}" stroke-width="3"/>'
    )
    lines.append(_text(f"{step_ms:g} ms", _LEFT, bottom + 26))
    return "\n".join([*lines, "</svg>", ""])


def _lengths(row: Row) -> tuple[float, ...]:
    """Milliseconds of what is drawn to scale."""
    typical = row.typical()
    if typical is None:
        return ()
    return typical.report_ms, typical.decision_ms, typical.answer_ms


def _step(milliseconds: float) -> float:
    """The next of 1, 2, 5, 10, 20 and so on."""
    size = 1.0
    for factor in (2.0, 2.5, 2.0) * 6:
        if size >= milliseconds:
            return size
        size *= factor
    return float(ceil(milliseconds))


def _legend() -> Iterator[str]:
    x = float(_LEFT)
    for name, colour in _PHASES:
        yield f'<rect x="{x:.0f}" y="36" width="10" height="10" fill="{colour}"/>'
        yield _text(name, x + 15, 46)
        x += 30 + 7 * len(name)


def _bar(row: Row, y: float, pixels: float) -> Iterator[str]:
    yield _text(row.title, _LEFT - 10, y + _BAR - 6, end=True)
    lengths = _lengths(row)
    if not lengths:
        yield _text("no wake succeeded", _LEFT + 8, y + _BAR - 6)
        return
    report, decision, answer = (each * pixels for each in lengths)
    x = float(_LEFT)
    for (name, colour), width in zip(_PHASES, (report, decision, _POD, answer), strict=True):
        yield (
            f'<rect x="{x:.1f}" y="{y}" width="{max(width, 0.5):.1f}" height="{_BAR}" '
            f'fill="{colour}"><title>{escape(name)}</title></rect>'
        )
        x += width
    yield _text(f"{sum(lengths):.1f} ms", x + 8, y + _BAR - 6)


def _text(text: str, x: float, y: float, *, end: bool = False, bold: bool = False) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{"end" if end else "start"}" '
        f'font-weight="{"bold" if bold else "normal"}">{escape(text)}</text>'
    )
