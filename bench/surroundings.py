"""What is no CPU time of a call: memory, what Envoy's requests cost, reading configuration."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import h2load, servers, through_envoy, transport
from bench.bodies import recorded
from bench.configuration import config_rows
from bench.facts import Fact
from bench.measure import Figure
from bench.policies import policy_text
from bench.subjects import CHECK

ROUNDS = 3
ENVOY_CALLS = 8_000
CALLS = 10_000
MEMORY_GOAL_MB = 70
RATIO_GOAL = 0.9
ADDED_GOAL_US = 80


def facts() -> Iterator[tuple[str, Callable[[], list[Fact]]]]:
    """What to tell while it is measured, and how to."""
    yield "memory of `remixer serve`", memory
    yield "reading configuration", configuration
    yield "through Envoy", through


def memory() -> list[Fact]:
    """As an operator starts it, with one rule."""
    started, busy = [], []
    for _ in range(ROUNDS):
        with _served("lasting") as server:
            started.append(h2load.resident_mb(server.pid))
            h2load.run(
                server.address, CHECK, recorded("check-25"), server_pid=server.pid, calls=CALLS
            )
            busy.append(h2load.resident_mb(server.pid))
    return [
        Fact("memory", "resident, started", "MB", Figure.of(started), MEMORY_GOAL_MB),
        Fact(
            "memory-busy",
            f"resident after {CALLS:,} hits",
            "MB",
            Figure.of(busy),
            MEMORY_GOAL_MB,
        ),
    ]


def configuration() -> list[Fact]:
    """CPU time from files to a snapshot."""
    keys = ("configuration", "configuration-change")
    return [
        Fact(key, row.name, "ms", row.figure.shared_by(1_000), row.goal_us and row.goal_us / 1_000)
        for key, row in zip(keys, config_rows(), strict=True)
    ]


def through() -> list[Fact]:
    """Envoy asks Remixer, a constant answer on the same transport, and nobody, by turns."""
    with (
        servers.running("remixer", "lasting", "own", "on") as remixer,
        transport.serving("own") as constant,
    ):
        asked = {
            "nobody": (None, constant.pid),
            "constant": (constant.address, constant.pid),
            "remixer": (remixer.address, remixer.pid),
        }
        found: dict[str, list[through_envoy.ThroughEnvoy]] = {name: [] for name in asked}
        for _ in range(ROUNDS):
            for name, (address, pid) in asked.items():
                load = through_envoy.run(address, server_pid=pid, calls=ENVOY_CALLS)
                assert load.single.failed + load.busy.failed == 0, name
                found[name].append(load)
    pairs = list(zip(found["remixer"], found["constant"], found["nobody"], strict=True))
    rates = [ours.busy.requests_per_s / other.busy.requests_per_s for ours, other, _ in pairs]
    added = [ours.single.p50_us - alone.single.p50_us for ours, _, alone in pairs]
    floor = [other.single.p50_us - alone.single.p50_us for _, other, alone in pairs]
    return [
        Fact(
            "envoy-rate",
            "requests/s through Envoy, 4 x 16, to those with a constant answer",
            "ratio",
            Figure.of(rates),
            RATIO_GOAL,
            is_least=True,
        ),
        Fact(
            "envoy-added", "added p50 through Envoy, 1 x 1", "µs", Figure.of(added), ADDED_GOAL_US
        ),
        Fact("envoy-floor", "added p50 of a constant answer, 1 x 1", "µs", Figure.of(floor)),
    ]


@contextmanager
def _served(config: str) -> Iterator[servers.ServerProcess]:
    """`remixer serve` itself, not a process that also knows how to measure."""
    with TemporaryDirectory() as folder:
        (Path(folder) / "rules.yaml").write_text(policy_text(config))
        command = [
            *(sys.executable, "-c", "from remixer.cli.main import run; run()", "serve"),
            *("--config-store", f"fs://{folder}", "--address", "127.0.0.1:0"),
            *("--monitoring-address", "127.0.0.1:0", "--prometheus-address", "127.0.0.1:0"),
            *("--log-format", "json"),
        ]
        with subprocess.Popen(  # noqa: S603 - this interpreter, our own arguments
            command, stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT, stdout=subprocess.PIPE
        ) as process:
            try:
                yield servers.ServerProcess(_address_of(process), process.pid)
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait(timeout=30)


def _address_of(process: "subprocess.Popen[bytes]") -> str:
    assert process.stdout is not None
    for line in process.stdout:
        event = json.loads(line)
        if event.get("event") == "listening":
            return str(event["grpc"][0])
    message = "`remixer serve` ended before it listened"
    raise SystemExit(message)
