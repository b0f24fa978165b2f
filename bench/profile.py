"""Where the time of a call goes, as flame graphs: `python -m bench.profile [hit] [miss] [report]`.

Starts a server, loads it, and asks `py-spy` (of the locked development tools) for stacks.
Pictures are docs/profile-NAME.svg; frames of less than one part in two hundred are left out, so
that their size is bounded.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from bench import h2load, servers
from bench.bodies import recorded
from bench.flame import Flame, svg
from bench.previous import ROOT
from bench.subjects import SUBJECTS, Subject

PROFILES = {"hit": "hit", "miss": "allow", "report": "report-1"}
"""Names of pictures, and of the rows that they are of."""
SECONDS, RATE_HZ = 8, 400
_CALLS = 5_000
"""In each go; as many goes as fit into the time."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.profile", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="hit, miss, report; default: all")
    parser.add_argument("--folder", type=Path, default=ROOT / "docs")
    options = parser.parse_args()
    console = Console(stderr=True)
    program = shutil.which("py-spy") or str(Path(sys.executable).with_name("py-spy"))
    if not Path(program).is_file():
        console.print("py-spy is missing: make types installs the development tools")
        return 1
    for name in options.names or PROFILES:
        subject = next(each for each in SUBJECTS if each.key == PROFILES[name])
        console.print(f"{name}: {SECONDS} s")
        flame = profiled(subject, program)
        title = f"{subject.name}: server on the own transport, {flame.count:,} samples"
        (options.folder / f"profile-{name}.svg").write_text(svg(flame, title), encoding="utf-8")
        for share, frame in flame.heaviest():
            console.print(f"  {share:5.1%} {frame}", highlight=False)
    return 0


def profiled(subject: Subject, program: str) -> Flame:
    """Stacks of the server's process while it answers."""
    cache = "on" if subject.has_cache else "off"
    with (
        servers.running("remixer", subject.config, "own", cache) as server,
        tempfile.TemporaryDirectory() as folder,
    ):
        _load(subject, server)
        raw = Path(folder) / "stacks"
        command = [
            *(program, "record", "--pid", str(server.pid), "--duration", str(SECONDS)),
            *("--rate", str(RATE_HZ), "--format", "raw", "--output", str(raw)),
        ]
        with subprocess.Popen(  # noqa: S603 - a tool of ours, own arguments
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as spy:
            _load_until(subject, server, spy)
        if not raw.is_file():
            message = f"py-spy told nothing of process {server.pid}; may it look into others?"
            raise SystemExit(message)
        return Flame.of(raw.read_text().splitlines())


def _load_until(
    subject: Subject, server: servers.ServerProcess, spy: "subprocess.Popen[bytes]"
) -> None:
    while spy.poll() is None:
        _load(subject, server)


def _load(subject: Subject, server: servers.ServerProcess) -> None:
    body = recorded(subject.body)
    h2load.run(server.address, subject.path, body, server_pid=server.pid, calls=_CALLS)


if __name__ == "__main__":
    raise SystemExit(main())
