"""Flame graphs as SVG: who called whom from below to above, as wide as the time it took.

Colours follow the room of the package that a function lives in, and the reader's scheme.
"""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from html import escape
from zlib import crc32

_WIDTH, _ROW, _TOP, _SIDE = 1_200, 17, 34, 10
_LEAST_PART = 1 / 200
"""Of all samples; what is narrower could not be read, and would make the file large."""
_CHARACTER = 6.2
_IDLE = ("epoll_wait", "select (selectors", "poll (", "_worker (", "_WorkItem.run (")
"""Stacks that end there waited for work; the last two are threads of a pool."""
_HUES = {
    "transport": 205,
    "frontends": 265,
    "wire": 330,
    "tiers": 150,
    "runtime": 30,
    "adapters": 5,
}
_OTHER_HUE = 50
_STYLE = (
    "<style>text{fill:#222;font:11px sans-serif}.paper{fill:#fff}.part text{pointer-events:none}"
    ".part rect{stroke:#fff;stroke-width:.5}"
    "@media(prefers-color-scheme:dark){.head{fill:#ddd}.paper{fill:#161b22}}</style>"
)


@dataclass(slots=True)
class Flame:
    """A function, how often it was seen, and what it called."""

    frame: str = "all"
    count: int = 0
    own: int = 0
    """Seen as the innermost."""
    calls: "dict[str, Flame]" = field(default_factory=dict)

    @staticmethod
    def of(lines: Iterable[str]) -> "Flame":
        """From lines of `frame;frame;frame COUNT`, outermost first."""
        root = Flame()
        for line in lines:
            stack, _, count = line.rpartition(" ")
            frames = [_shown(each) for each in stack.split(";")]
            if frames and not frames[-1].startswith(_IDLE):
                root.add(frames, int(count))
        return root

    def add(self, frames: list[str], count: int) -> None:
        node = self
        node.count += count
        for frame in frames:
            node = node.calls.setdefault(frame, Flame(sys.intern(frame)))
            node.count += count
        node.own += count

    def heaviest(self, most: int = 10) -> list[tuple[float, str]]:
        """Functions by the part of all samples in which they were the innermost."""
        found: dict[str, int] = {}
        for node in _all_of(self):
            found[node.frame] = found.get(node.frame, 0) + node.own
        by_weight = sorted(found.items(), key=lambda each: -each[1])
        return [(own / (self.count or 1), frame) for frame, own in by_weight[:most]]


def svg(flame: Flame, title: str) -> str:
    """A document of its own."""
    boxes = list(_boxes(flame, 0, 0))
    depth = 1 + max(level for level, _, _ in boxes)
    height = _TOP + depth * _ROW + _SIDE
    scale = (_WIDTH - 2 * _SIDE) / (flame.count or 1)
    lines = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" '
            f'viewBox="0 0 {_WIDTH} {height}">'
        ),
        _STYLE,
        f'<rect class="paper" width="{_WIDTH}" height="{height}"/>',
        f'<text class="head" x="{_SIDE}" y="20" font-weight="bold">{escape(title)}</text>',
    ]
    for level, begins, node in boxes:
        y = height - _SIDE - (level + 1) * _ROW
        lines.append(_box(node, _SIDE + begins * scale, y, node.count * scale, flame.count))
    return "\n".join([*lines, "</svg>", ""])


def _boxes(node: Flame, level: int, begins: int, most: int = 0) -> Iterator[tuple[int, int, Flame]]:
    most = most or node.count
    if node.count < most * _LEAST_PART:
        return
    yield level, begins, node
    for call in sorted(node.calls.values(), key=lambda each: -each.count):
        yield from _boxes(call, level + 1, begins, most)
        begins += call.count


def _box(node: Flame, x: float, y: float, width: float, most: int) -> str:
    name = node.frame
    room = int((width - 6) / _CHARACTER)
    text = name if len(name) <= room else name[: max(0, room - 1)] + "…"
    label = f'<text x="{x + 3:.1f}" y="{y + 12}">{escape(text)}</text>' if room > 2 else ""
    return (
        f'<g class="part"><title>{escape(name)}: {node.count / (most or 1):.1%}</title>'
        f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{_ROW - 1}" fill="{_colour(name)}"/>'
        f"{label}</g>"
    )


def _colour(frame: str) -> str:
    room = next((hue for name, hue in _HUES.items() if f"{name}/" in frame), _OTHER_HUE)
    return f"hsl({room},65%,{68 + crc32(frame.encode()) % 14}%)"


def _shown(frame: str) -> str:
    """`function (remixer/room/module.py:line)` without the line, which would split functions."""
    name, bracket, place = frame.strip().partition(" (")
    if not bracket:
        return name
    file = place.rstrip(")").rpartition(":")[0] or place.rstrip(")")
    file = file.rpartition("src/remixer/")[2].rpartition("site-packages/")[2]
    return f"{name} ({'/'.join(file.split('/')[-3:])})"


def _all_of(node: Flame) -> Iterator[Flame]:
    yield node
    for call in node.calls.values():
        yield from _all_of(call)
