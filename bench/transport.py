"""`make bench ARGS="--only transport"`: our own HTTP/2 stack beside grpcio, and beside any peer given.

Server CPU is the kernel's account of the server's process; load comes from h2load, which adds a
`content-length` to each request, and from `bench.raw_load`, which asks as gRPC clients do. Each
figure is the median of `ROUNDS` runs, with the least and the most.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import h2load, idle, raw_load, sequential, through_envoy
from bench import transport_servers as served
from bench.bodies import framed
from bench.h2load import Shape
from bench.measure import Figure

ROUNDS = 3
REQUEST = b"x" * 60
MESSAGES = 200
"""In each request of a streaming row."""
SINGLE, BUSY, WIDE = Shape(1, 1), Shape(2, 16), Shape(4, 16)
ENVOY_CALLS = 8_000
CALLS = {"own": 40_000, "grpcio": 8_000, served.ECHO: 0}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table; times in µs."""

    name: str
    cpu: Figure
    per_s: float | None = None
    p50: float | None = None
    p99: float | None = None
    resident_mb: float | None = None


@dataclass(frozen=True, slots=True)
class Server:
    """Something that answers; `calls` says how many it is asked in one run."""

    name: str
    address: str
    pid: int
    calls: int
    scheme: str = "http"


def rows(peers: list[Server]) -> Iterator[Row]:
    """All that can be measured here, own and grpcio by turns."""
    for stack in served.STACKS:
        with serving(stack) as server:
            yield from _unary_rows(server)
            yield from _stream_rows(server)
        with serving(stack) as server:
            yield _idle_row(server)
        with tempfile.TemporaryDirectory() as folder:
            files = certificate(Path(folder))
            with serving(stack, *files) as server:
                yield _row(f"{stack}, TLS, 2x16", server, served.PLAIN, Shape(2, 16, "https"))
    yield from _sequential_rows()
    yield from _envoy_rows()
    with nghttpd() as file_server:
        if file_server is not None:
            yield _row("nghttpd, static file, 2x16", file_server, "/answer", BUSY)
    for peer in peers:
        yield _row(f"{peer.name}, 2x16", peer, served.PLAIN, BUSY)
        yield _row(f"{peer.name}, 1x1", peer, served.PLAIN, SINGLE)


def _unary_rows(server: Server) -> Iterator[Row]:
    name = server.name
    yield _row(f"{name}, plain function, 2x16", server, served.PLAIN, BUSY)
    yield _row(f"{name}, plain function, 1x1", server, served.PLAIN, SINGLE)
    yield _row(f"{name}, plain function, 4x16", server, served.PLAIN, WIDE)
    yield _row(f"{name}, coroutine, 2x16", server, served.COROUTINE, BUSY)
    yield _row(f"{name}, coroutine that waits, 2x16", server, served.WAITING, BUSY)
    yield _raw_row(f"{name}, as gRPC clients ask, 2x16", server, varies=False)
    yield _raw_row(f"{name}, traceparent that varies, 2x16", server, varies=True)


def _raw_row(name: str, server: Server, *, varies: bool) -> Row:
    loads = [
        raw_load.run(
            server.address,
            served.PLAIN,
            [REQUEST],
            server_pid=server.pid,
            varies=varies,
            calls=server.calls,
        )
        for _ in range(ROUNDS)
    ]
    cpu = Figure.of([load.server_cpu_us for load in loads])
    return Row(name, cpu, _median([load.requests_per_s for load in loads]))


def _sequential_rows() -> Iterator[Row]:
    """One call after another, and a bare echo of the same bytes, by turns."""
    with serving("own") as own, serving("grpcio") as grpcio, serving(served.ECHO) as echo:
        found: dict[str, list[float]] = {}
        for _ in range(ROUNDS):
            for server in (own, grpcio, echo):
                ask = sequential.echo_cpu_us if server is echo else sequential.call_cpu_us
                cpu_us = ask(server.address, served.PLAIN, REQUEST, server_pid=server.pid)
                found.setdefault(server.name, []).append(cpu_us)
    for name, samples in found.items():
        yield Row(f"{name}, one after another", Figure.of(samples))


def _envoy_rows() -> Iterator[Row]:
    """Envoy's ext_authz with a constant answer, by turns; the servers' CPU."""
    with serving("own") as own, serving("grpcio") as grpcio:
        asked = {"nobody": None, "own": own.address, "grpcio": grpcio.address}
        pids = {"nobody": own.pid, "own": own.pid, "grpcio": grpcio.pid}
        found: dict[str, list[through_envoy.ThroughEnvoy]] = {name: [] for name in asked}
        for _ in range(ROUNDS):
            for name, address in asked.items():
                load = through_envoy.run(address, server_pid=pids[name], calls=ENVOY_CALLS)
                found[name].append(load)
    for name, loads in found.items():
        yield _loads_row(f"Envoy asks {name}, 1x1", [load.single for load in loads])
        yield _loads_row(f"Envoy asks {name}, 4x16", [load.busy for load in loads])


def _loads_row(name: str, loads: list[h2load.Load], resident_mb: float | None = None) -> Row:
    failed = sum(load.failed for load in loads)
    if failed:
        message = f"{name}: {failed} calls failed"
        raise SystemExit(message)
    return Row(
        name,
        Figure.of([load.server_cpu_us for load in loads]),
        _median([load.requests_per_s for load in loads]),
        _median([load.p50_us for load in loads]),
        _median([load.p99_us for load in loads]),
        resident_mb,
    )


def _idle_row(server: Server) -> Row:
    """Bytes in place of µs, of a fresh process."""
    count = idle.possible()
    found = idle.bytes_per_connection(server.address, server_pid=server.pid, connections=count)
    name = f"{server.name}, {count:,} idle connections, bytes each"
    return Row(name, Figure.of([found]), resident_mb=h2load.resident_mb(server.pid))


def _stream_rows(server: Server) -> Iterator[Row]:
    body = framed(REQUEST) * MESSAGES
    for name, path in (("messages in", served.COUNT), ("messages in and out", served.EACH)):
        loads = [
            h2load.run_body(
                server.address,
                path,
                body,
                server_pid=server.pid,
                calls=server.calls // MESSAGES,
                shape=BUSY,
            )
            for _ in range(ROUNDS)
        ]
        cpu = Figure.of([load.server_cpu_us / MESSAGES for load in loads])
        yield Row(f"{server.name}, {name}, each", cpu)


def _row(name: str, server: Server, path: str, shape: Shape) -> Row:
    # Sequential calls are slow for the client, and long runs show nothing more.
    calls = server.calls // 4 if shape.calls_at_once == 1 else server.calls
    loads = [
        h2load.run(server.address, path, REQUEST, server_pid=server.pid, calls=calls, shape=shape)
        for _ in range(ROUNDS)
    ]
    return _loads_row(name, loads, h2load.resident_mb(server.pid))


def _median(samples: list[float]) -> float:
    return Figure.of(samples).median


@contextmanager
def serving(stack: str, *files: str) -> Iterator[Server]:
    """`python -m bench.transport_servers` during the block."""
    command = [sys.executable, "-m", "bench.transport_servers", stack, *files]
    with subprocess.Popen(  # noqa: S603 - this interpreter, our own arguments
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            address = process.stdout.readline().strip()
            yield Server(stack, address, process.pid, CALLS[stack])
        finally:
            process.stdin.close()
            process.wait(timeout=30)


@contextmanager
def nghttpd() -> Iterator[Server | None]:
    """nghttp2's own server, in C, with a file in place of an answer; None if not installed."""
    program = shutil.which("nghttpd")
    if program is None:
        yield None
        return
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "answer").write_bytes(framed(served.ANSWER))
        port = "8" + str(os.getpid())[-4:].zfill(4)  # it cannot choose one itself
        command = [program, "--no-tls", "-a", "127.0.0.1", "-d", folder, port]
        with subprocess.Popen(command) as process:  # noqa: S603 - fixed program, own arguments
            try:
                yield Server("nghttpd", f"127.0.0.1:{port}", process.pid, CALLS["own"])
            finally:
                process.terminate()


def certificate(folder: Path) -> tuple[str, str]:
    """A fresh self-signed certificate and its key."""
    paths = str(folder / "tls.crt"), str(folder / "tls.key")
    command = [
        "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
        "-nodes", "-subj", "/CN=localhost", "-out", paths[0], "-keyout", paths[1],
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - fixed program, own arguments
    return paths


def peer(text: str) -> Server:
    """`NAME=ADDRESS,PID`; it must answer `/bench.Bench/Plain`."""
    name, equals, rest = text.partition("=")
    address, comma, pid = rest.rpartition(",")
    if not (equals and comma and pid.isdigit()):
        message = f"`{text}`: wanted NAME=ADDRESS,PID"
        raise argparse.ArgumentTypeError(message)
    return Server(name, address, int(pid), CALLS["grpcio"])


def table(found: list[Row]) -> Table:
    title = f"transport: CPU µs per call or message, median of {ROUNDS} runs"
    columns = ("CPU µs", "min", "max", "calls/s", "p50 µs", "p99 µs", "MB")
    shown = Table("server", *columns, title=title)
    for row in found:
        cpu = (f"{each:.2f}" for each in (row.cpu.median, row.cpu.minimum, row.cpu.maximum))
        more = (row.per_s, row.p50, row.p99, row.resident_mb)
        shown.add_row(row.name, *cpu, *("" if each is None else f"{each:,.0f}" for each in more))
    return shown


def add_peer_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--transport-peer",
        type=peer,
        action="append",
        default=[],
        metavar="NAME=ADDRESS,PID",
        help="one more server for `--only transport`; it must answer /bench.Bench/Plain",
    )


def show(peers: list[Server], *, as_json: bool) -> int:
    """Measure and print; 0 unless something could not be measured at all."""
    console = Console(stderr=True)
    if not h2load.is_installed():
        console.print("h2load is missing: apt-get install nghttp2-client")
        return 1
    found: list[Row] = []
    for row in rows(peers):
        console.print(f"{row.name}: {row.cpu.median:.2f}", highlight=False)
        found.append(row)
    if as_json:
        json.dump([asdict(row) for row in found], sys.stdout, indent=2)
        return 0
    load = ", ".join(f"{each:.2f}" for each in os.getloadavg())
    Console().print(f"{os.cpu_count()} cores, load average {load}")
    Console(width=120).print(table(found))
    return 0
