"""`make bench`: prints the table; `ARGS=--output json` for machines, `--record` for new bodies."""

import argparse
import json
import os
import platform
import sys
from collections.abc import Iterator
from dataclasses import asdict

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn
from rich.table import Table

from bench import bodies, h2load, out_of_process, servers, sidecar, transport
from bench.configuration import config_rows
from bench.in_process import Row, engine_rows, expression_rows
from bench.measure import Figure

CHECK = "/istio.mixer.v1.Mixer/Check"
ROUNDS = 3


def main() -> int:
    """Measure and print; 0 unless something could not be measured at all."""
    options = _options()
    if options.record:
        for name, body in bodies.record().items():
            (bodies.FOLDER / f"{name}.bin").write_bytes(body)
        return 0
    if options.only == "transport":
        return transport.show(options.peer, as_json=options.output == "json")
    console = Console(stderr=True)
    rows: list[Row] = []
    loads: list[tuple[str, Figure, Figure, float]] = []
    lines: list[sidecar.Line] = []
    with Progress(SpinnerColumn(), TextColumn("{task.description}"), console=console) as progress:
        task = progress.add_task("expressions", total=None)
        rows += expression_rows()
        progress.update(task, description="configuration")
        rows += config_rows()
        progress.update(task, description="engine, in process")
        rows += engine_rows()
        progress.update(task, description="out-of-process checks")
        rows += out_of_process.rows()
        progress.update(task, description="client library")
        rows += sidecar.client_rows()
        if h2load.is_installed():
            for name, *arguments in _SERVERS:
                progress.update(task, description=f"over gRPC: {name}")
                loads.append(_loaded(name, *arguments))
            progress.update(task, description="Envoys and a sidecar")
            lines = sidecar.envoy_lines()
        else:
            progress.console.print("h2load is missing: apt-get install nghttp2-client")
    _print(rows, loads, lines, as_json=options.output == "json")
    if options.only == "all" and options.output == "text":
        return transport.show(options.peer, as_json=False)
    return 0


_SERVERS = (
    ("bare grpcio, constant answer", "check-25", "constant"),
    ("check, hit", "check-25", "remixer", "allow", "own", "on"),
    ("check, no rule", "check-25", "remixer", "none", "own", "off"),
    ("check, allow through a list rule", "check-25", "remixer", "allow", "own", "off"),
    ("check, deny", "check-25", "remixer", "deny", "own", "off"),
    ("check, allow with quota", "check-25-quota", "remixer", "quota", "own", "off"),
    ("grpcio: check, hit", "check-25", "remixer", "allow", "grpcio", "on"),
    ("grpcio: allow through a list rule", "check-25", "remixer", "allow", "grpcio", "off"),
)


def _loaded(name: str, body: str, *arguments: str) -> tuple[str, Figure, Figure, float]:
    """Server CPU per call in µs, requests per second, resident MB at the end."""
    with servers.running(*arguments) as process:
        runs = [
            h2load.run(process.address, CHECK, bodies.recorded(body), server_pid=process.pid)
            for _ in range(ROUNDS)
        ]
        resident_mb = h2load.resident_mb(process.pid)
    failed = sum(run.failed for run in runs)
    if failed:
        message = f"{name}: {failed} calls failed"
        raise SystemExit(message)
    cpu = Figure.of([run.server_cpu_us for run in runs])
    return name, cpu, Figure.of([run.requests_per_s for run in runs]), resident_mb


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--output", choices=("text", "json"), default="text")
    parser.add_argument("--only", choices=("all", "mixer", "transport"), default="all")
    transport.add_peer_option(parser)
    parser.add_argument("--record", action="store_true", help="write bench/bodies/*.bin anew")
    return parser.parse_args()


def _print(
    rows: list[Row],
    loads: list[tuple[str, Figure, Figure, float]],
    lines: list[sidecar.Line],
    *,
    as_json: bool,
) -> None:
    if as_json:
        json.dump(
            {
                "machine": _machine(),
                "in_process": [asdict(row) for row in rows],
                "grpc": [
                    {"name": name, "server_cpu_us": asdict(cpu), "per_s": asdict(rate), "mb": mb}
                    for name, cpu, rate, mb in loads
                ],
                "sidecar": [asdict(line) for line in lines],
            },
            sys.stdout,
            indent=2,
        )
        return
    console = Console()
    console.print(_machine())
    table = Table("in process", "CPU µs per call", "min", "max", "goal", title=None)
    for row in rows:
        table.add_row(row.name, *_texts(row.figure), _goal(row))
    console.print(table)
    if loads:
        console.print(_load_table(loads))
    if lines:
        console.print(sidecar.lines_table(lines))


def _load_table(loads: list[tuple[str, Figure, Figure, float]]) -> Table:
    title = f"over gRPC: h2load, {h2load.CONNECTIONS} connections of {h2load.STREAMS} streams"
    table = Table(
        "over gRPC",
        "server CPU µs per call",
        "min",
        "max",
        "ratio",
        "requests/s",
        "MB",
        title=title,
    )
    base = loads[0][1].median
    for name, cpu, rate, mb in loads:
        ratio = f"{cpu.median / base:.2f}"
        table.add_row(name, *_texts(cpu), ratio, f"{rate.median:,.0f}", f"{mb:.0f}")
    return table


def _texts(figure: Figure) -> Iterator[str]:
    for value in (figure.median, figure.minimum, figure.maximum):
        yield f"{value:.2f}" if value < 10 else f"{value:.1f}"


def _goal(row: Row) -> str:
    if row.goal_us is None:
        return ""
    return f"≤ {row.goal_us:g} {'met' if row.figure.median <= row.goal_us else 'missed'}"


def _machine() -> str:
    load = ", ".join(f"{each:.2f}" for each in os.getloadavg())
    return f"Python {platform.python_version()}, {os.cpu_count()} cores, load average {load}"


if __name__ == "__main__":
    raise SystemExit(main())
