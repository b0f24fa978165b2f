"""The picture of hits against size: as SVG and as PNG, from the same marks."""

import importlib.util
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from remixer.cli.cache_plot import Label, Stroke, marks, png, svg, write_plot
from remixer.cli.exits import OperatorError
from remixer.tiers.advice import Advice, Curve, Point

CURVES = (
    Curve(None, (Point(64, 0.2), Point(128, 0.5), Point(256, 0.9))),
    Curve(5.0, (Point(64, 0.1), Point(128, 0.3), Point(256, 0.4))),
)
ADVICE = Advice(
    checks=1_000, keys=200, hit_ratio=0.8, sampled=1.0, curves=CURVES, entries=256, costs=()
)


def test_every_curve_and_the_size_to_pick_are_drawn() -> None:
    drawn = list(marks(ADVICE))
    texts = [each.text for each in drawn if isinstance(each, Label)]

    assert {"lifetimes as allowed", "at most 5 s", "pick 256", "64", "128", "256"} <= set(texts)
    assert sum(isinstance(each, Stroke) and len(each.points) == 3 for each in drawn) == 2


def test_more_hits_are_higher_and_more_entries_further_right() -> None:
    (curve,) = [
        each
        for each in marks(ADVICE)
        if isinstance(each, Stroke) and len(each.points) == 3 and each.colour == "#0b6e99"
    ]
    columns, rows = zip(*curve.points, strict=True)
    assert sorted(columns) == list(columns)
    assert sorted(rows, reverse=True) == list(rows)


def test_an_svg_is_well_formed() -> None:
    root = ET.fromstring(svg(ADVICE))  # noqa: S314 - our own text
    assert root.tag == "{http://www.w3.org/2000/svg}svg"


@pytest.mark.skipif(importlib.util.find_spec("PIL") is None, reason="needs remixer[plot]")
def test_a_png_is_one(tmp_path: Path) -> None:
    write_plot(ADVICE, tmp_path / "hits.png")
    assert (tmp_path / "hits.png").read_bytes() == png(ADVICE)
    assert png(ADVICE).startswith(b"\x89PNG")


def test_one_size_alone_can_be_drawn() -> None:
    one = Advice(1, 1, 0.0, 1.0, (Curve(None, (Point(64, 0.5),)),), 64, ())
    assert "pick 64" in svg(one)


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="cannot write"):
        write_plot(ADVICE, tmp_path / "no" / "hits.svg")
