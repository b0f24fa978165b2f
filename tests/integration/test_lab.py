"""`remixer lab`: short runs with real Envoys end in numbers that make sense."""

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from remixer.cli.exits import ExitCode

pytestmark = pytest.mark.integration

REMIXER = [sys.executable, "-c", "from remixer.cli.main import run; run()"]
PATIENCE_S = 180.0


def lab(*arguments: str) -> tuple[int, str, str]:
    done = subprocess.run(  # noqa: S603 - our own command
        [*REMIXER, "lab", *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_stale_answers_cover_what_is_down() -> None:
    # One outage of a few seconds; seed and time are chosen for that.
    code, stdout, stderr = lab(
        "availability", "--minutes", "0.5", "--seed", "8", "--rate", "25", "-o", "json"
    )
    assert code == ExitCode.DONE, stderr
    report = json.loads(stdout)
    rows = {(each["cache"], each["down_share"]): each for each in report["rows"]}

    assert report["outages"]
    assert len(rows) == 6
    off, stale = rows["off", 0.01], rows["memory+stale", 0.01]
    assert off["failed_while_down"] > 0.5
    # The less was asked before, the less is remembered: a slow machine has asked little.
    assert stale["failed_while_down"] < off["failed_while_down"]
    assert stale["availability"] > off["availability"]
    assert off["requests"] == stale["requests"] > 0
    assert all(each["wrong"] == 0 for each in report["rows"])


def test_too_little_time_is_told() -> None:
    code, stdout, stderr = lab("availability", "--minutes", "0.2")
    assert (code, stdout) == (ExitCode.FAILED, "")
    assert "--minutes" in stderr


def test_a_sidecar_saves_calls_and_outlives_its_mixer(tmp_path: Path) -> None:
    picture = tmp_path / "sidecar.svg"
    code, stdout, stderr = lab(
        *("sidecar", "--requests", "1000", "--keys", "50", "--checks", "20000"),
        *("--outage", "0.5", "--plot", str(picture), "-o", "json"),
    )
    assert code == ExitCode.DONE, stderr
    report = json.loads(stdout)
    rows = {each["traffic"]: each for each in report["rows"]}

    direct, warm = rows["Envoy → Mixer"], rows["Envoy → sidecar"]
    assert direct["calls"]["checks"] == direct["requests"] == warm["requests"] == 1_000
    assert warm["requests_per_check"] > 10
    assert warm["calls"]["records"] == 1_000
    assert warm["hit_ratio"] > 0.9
    away = rows["Envoy → sidecar, no Mixer"]
    assert away["requests"] > away["failed"]
    assert all(each["wrong"] == 0 for each in report["rows"])
    assert report["records_lost"] == 0
    assert report["library"]["check_calls"] < 500
    assert report["library"]["report_calls_per_1000"] < 2
    assert ElementTree.parse(picture).getroot().tag.endswith("svg")  # noqa: S314 - our own


def test_a_picture_that_is_no_svg_is_refused_before_anything_starts() -> None:
    code, stdout, stderr = lab("sidecar", "--plot", "sidecar.gif")
    assert (code, stdout) == (ExitCode.USAGE, "")
    assert ".svg" in stderr
