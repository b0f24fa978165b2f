"""`remixer lab availability`: a short run with real Envoys ends in numbers that make sense."""

import json
import subprocess
import sys

import pytest

from remixer.cli.exits import ExitCode

pytestmark = pytest.mark.integration

REMIXER = [sys.executable, "-c", "from remixer.cli.main import run; run()"]
PATIENCE_S = 180.0


def lab(*arguments: str) -> tuple[int, str, str]:
    done = subprocess.run(  # noqa: S603 - our own command
        [*REMIXER, "lab", "availability", *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_stale_answers_cover_what_is_down() -> None:
    # One outage of a few seconds; seed and time are chosen for that.
    code, stdout, stderr = lab("--minutes", "0.5", "--seed", "8", "--rate", "25", "-o", "json")
    assert code == ExitCode.DONE, stderr
    report = json.loads(stdout)
    rows = {(each["cache"], each["down_share"]): each for each in report["rows"]}

    assert report["outages"]
    assert len(rows) == 6
    off, stale = rows["off", 0.01], rows["memory+stale", 0.01]
    assert off["failed_while_down"] > 0.5
    assert stale["failed_while_down"] < 0.2
    assert stale["availability"] > off["availability"]
    assert off["requests"] == stale["requests"] > 0
    assert all(each["wrong"] == 0 for each in report["rows"])


def test_too_little_time_is_told() -> None:
    code, stdout, stderr = lab("--minutes", "0.2")
    assert (code, stdout) == (ExitCode.FAILED, "")
    assert "--minutes" in stderr
