"""Load over gRPC with `h2load`; server CPU by the kernel's accounting of the server process."""

import shutil
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from bench.bodies import framed

CONNECTIONS, STREAMS = 2, 16
CALLS = 10_000
_PAUSE_S, _PAUSES = 0.02, 250
_IDLE_PART = 0.1
"""Of a processor; a server looks at its clocks now and then."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How the calls come."""

    connections: int
    streams: int
    scheme: str = "http"

    @property
    def calls_at_once(self) -> int:
        return self.connections * self.streams


BUSY = Shape(CONNECTIONS, STREAMS)


@dataclass(frozen=True, slots=True)
class Load:
    """One run of h2load."""

    calls: int
    failed: int
    requests_per_s: float
    server_cpu_us: float
    """Per call."""
    p50_us: float
    p99_us: float


def is_installed() -> bool:
    return shutil.which("h2load") is not None


def run(
    address: str,
    path: str,
    message: bytes,
    *,
    server_pid: int,
    calls: int = CALLS,
    shape: Shape = BUSY,
) -> Load:
    """`calls` unary calls after a warm-up of a tenth."""
    return run_body(address, path, framed(message), server_pid=server_pid, calls=calls, shape=shape)


def run_body(
    address: str, path: str, body: bytes, *, server_pid: int, calls: int, shape: Shape = BUSY
) -> Load:
    """The same with any number of framed messages in each request."""
    with tempfile.TemporaryDirectory() as folder:
        file, log = Path(folder) / "body", Path(folder) / "log"
        file.write_bytes(body)
        _h2load(address, path, file, max(calls // 10, shape.calls_at_once), shape)
        before = settled_cpu_s(server_pid)
        output = _h2load(address, path, file, calls, shape, "--log-file", str(log))
        spent = settled_cpu_s(server_pid) - before
        took_us = sorted(int(line.split("\t")[2]) for line in log.read_text().splitlines())
    return Load(
        calls=calls,
        failed=calls - _number(output, "2xx", "status codes:"),
        requests_per_s=_rate(output),
        server_cpu_us=spent / calls * 1e6,
        p50_us=took_us[len(took_us) // 2],
        p99_us=took_us[len(took_us) * 99 // 100],
    )


def cpu_s(pid: int) -> float:
    """User and system time of the process so far, in seconds, to the nanosecond.

    The clock's number is what `clock_getcpuclockid` gives: the process, and "as scheduled".
    """
    return time.clock_gettime(~pid << 3 | 2)


def settled_cpu_s(pid: int) -> float:
    """The same once the process has nothing more to do with what it was sent."""
    pause, spent = threading.Event(), cpu_s(pid)
    for _ in range(_PAUSES):
        pause.wait(_PAUSE_S)
        before, spent = spent, cpu_s(pid)
        if spent - before < _PAUSE_S * _IDLE_PART:
            break
    return spent


def resident_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def _h2load(address: str, path: str, body: Path, calls: int, shape: Shape, *more: str) -> str:
    command = [
        "h2load", "-n", str(calls), "-c", str(shape.connections), "-m", str(shape.streams),
        "-d", str(body), "-H", "content-type: application/grpc", "-H", "te: trailers", *more,
        f"{shape.scheme}://{address}{path}",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)  # noqa: S603 - fixed program, own arguments
    return done.stdout


def _number(output: str, unit: str, start: str) -> int:
    line = next(line for line in output.splitlines() if line.startswith(start))
    words = line.replace(",", "").split()
    return int(words[words.index(unit) - 1])


def _rate(output: str) -> float:
    line = next(line for line in output.splitlines() if line.startswith("finished in"))
    return float(line.split(",")[1].split()[0])
