"""`remixer lab coldstart`: a tiny run measures every architecture, and leaves nothing behind."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from remixer.cli.exits import ExitCode

pytestmark = pytest.mark.integration

REMIXER = [sys.executable, "-c", "from remixer.cli.main import run; run()"]
MODULE = Path(__file__).parents[2] / "build" / "libremixer_envoy.so"
PATIENCE_S = 120.0


def started(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """All its processes have the name of `folder` in their environment."""
    return subprocess.Popen(  # noqa: S603 - our own command
        [*REMIXER, "lab", "coldstart", "--pod-start", "50ms", "--filters", str(MODULE), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(folder)},  # noqa: TID251 - a child's, not settings
    )


def left_behind(folder: Path) -> list[str]:
    """Command lines of processes that know `folder`."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"TMPDIR={folder}\0".encode() in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_text().replace("\0", " "))
        except OSError:  # another's, or gone meanwhile
            continue
    return found


def test_every_architecture_wakes_bursts_and_outlives_the_autoscaler(tmp_path: Path) -> None:
    plot = tmp_path / "coldstart.svg"
    process = started(
        tmp_path, *("--wakes", "2", "--burst", "20", "--warm", "100"), "--plot", str(plot), "-ojson"
    )
    stdout, stderr = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == ExitCode.DONE, stderr
    report = json.loads(stdout)
    rows = {each["name"]: each for each in report["rows"]}

    inside = {"filter", "filter-retry"} if MODULE.is_file() else set()
    assert set(rows) == {"activator", "retry", "hold-watch", "hold"} | inside
    for name, row in rows.items():
        assert row["failed"] == 0, name
        assert len(row["overheads_ms"]) == 2, name
        assert row["phases"]["pod_ms"] >= 50, name
        assert row["burst"]["failed"] == 0, name
        assert row["burst"]["stats"] < 20, name
        assert row["pods_beyond_need"] == 0, name
        assert row["without_autoscaler"]["status"] == 200, name
    assert all(each["overhead_p50_ms"] <= each["overhead_p99_ms"] for each in rows.values())
    assert plot.read_text().startswith("<svg")
    assert left_behind(tmp_path) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_ends_all_that_it_started(tmp_path: Path, number: signal.Signals) -> None:
    process = started(tmp_path, "--only", "activator", "--only", "hold", "--wakes", "80")
    assert process.stderr is not None
    said = ""
    while "wake" not in (line := process.stderr.readline()):
        said += line
        assert line, f"it ended by itself: {said}"
    assert len(left_behind(tmp_path)) > 5
    process.send_signal(number)
    _, stderr = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == ExitCode.INTERRUPTED, stderr
    assert left_behind(tmp_path) == []
