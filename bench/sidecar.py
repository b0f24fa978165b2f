"""What the client library and the sidecar cost; also `python -m bench.sidecar`.

In process: a verdict from memory, however it is asked for, and a record of a report. Beside an
Envoy: `remixer sidecar` on a Unix socket, against a grpcio asyncio server whose answer is a
constant, the smallest server that can answer at all, and an Envoy that asks nobody; rounds alternate,
so that a busy machine slows all.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table

from bench import h2load, report_batch, servers, smallest_authz, through_envoy
from bench.bodies.recording import bag_of, read
from bench.facts import Fact, facts_table
from bench.measure import Figure, Row, cpu_per_call
from remixer.foundation.clock import SystemClock
from remixer.frontends.forward_auth import forward_auth_handler
from remixer.mixer.request import CheckRequest
from remixer.sidecar.asgi import MixerMiddleware
from remixer.sidecar.asgi_http import Event, Receive, Send
from remixer.sidecar.asgi_scope import Scope
from remixer.sidecar.blocking import BlockingMixerClient
from remixer.sidecar.client import MixerClient
from remixer.sidecar.settings import ClientSettings
from remixer.transport.http1.port import HttpRequest
from remixer.transport.peer_trust import PeerTrust
from remixer.transport.port import Peer

MIXER = ("remixer", "lasting", "own", "on")
ROUNDS = 3
CALLS = 8_000
STARTS = 5
HIT_GOAL_US = 4.0
ASGI_GOAL_US = 15.0
MEMORY_GOAL_MB = 60
RATIO_GOAL = 2.0
ADDED_GOAL_US = 100
_WHOM = {
    "nobody": "nobody",
    "smallest": "the smallest server",
    "grpcio": "grpcio, a constant",
    "sidecar": "the sidecar",
}
_RECORDS_AT_ONCE = 1_000
_HIT_ROUNDS = 5


# ------------------------------------------------------------ in process


def client_rows() -> list[Row]:
    """CPU time of this process, per call."""
    with servers.running(*MIXER) as mixer:
        rows = asyncio.run(_client_rows(mixer.address))
        rows.append(_blocking_row(mixer.address))
    return [*rows, *_report_rows()]


def library_figure() -> Figure:
    """A verdict that the client library remembers."""
    with servers.running(*MIXER) as mixer:
        return asyncio.run(_library_figure(mixer.address))


async def _library_figure(address: str) -> Figure:
    bag = bag_of(read("check-25"))
    request = CheckRequest(bag)
    async with MixerClient(address, ClientSettings(close_s=0.0)) as client:
        port = client.port
        await port.check(request)
        return _hit(lambda: port.check_now(request))


async def _client_rows(address: str) -> list[Row]:
    bag = bag_of(read("check-25"))
    attributes = dict(bag)
    request = CheckRequest(bag)
    async with MixerClient(address, ClientSettings(close_s=0.0)) as client:
        port = client.port
        await port.check(request)
        hit = Row("client: check_now, hit", _hit(lambda: port.check_now(request)), HIT_GOAL_US)
    # A client of its own: a verdict is good for a million uses, and one row may need most of them.
    async with MixerClient(address, ClientSettings(close_s=0.0)) as client:
        await client.port.check(request)
        rows = [
            Row(
                "client: await check of 25 attributes, hit",
                cpu_per_call(lambda: _stepped(client.check(attributes))),
            ),
            await _asgi_row(client),
            await _forward_auth_row(client),
        ]
        counted = client.statistics()
    assert counted["total_remote_calls"] < 10, counted
    return [hit, *rows]


def _hit(call: Callable[[], object]) -> Figure:
    assert call() is not None
    figure = cpu_per_call(call, rounds=_HIT_ROUNDS)
    assert call() is not None, "the verdict's uses were used up: some calls were no hits"
    return figure


def _stepped(coroutine: Coroutine[object, None, object]) -> None:
    """Run one that never waits."""
    with suppress(StopIteration):
        coroutine.send(None)
        message = "a hit waited"
        raise AssertionError(message)


async def _asgi_row(client: MixerClient) -> Row:
    """The middleware around an application, less the application alone."""
    wrapped = MixerMiddleware(_application, client, attributes={"destination.service.name": "cart"})
    await wrapped(_scope(), _receive, _send)
    alone = cpu_per_call(lambda: _stepped(_application(_scope(), _receive, _send)))
    both = cpu_per_call(lambda: _stepped(_called(wrapped(_scope(), _receive, _send))))
    added = Figure.of(
        [
            one - other
            for one, other in (
                (both.minimum, alone.minimum),
                (both.median, alone.median),
                (both.maximum, alone.maximum),
            )
        ]
    )
    return Row("ASGI middleware, cached allow and report, added", added, ASGI_GOAL_US)


async def _called(work: Awaitable[object]) -> object:
    return await work


async def _application(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send(
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [(b"content-type", b"text/plain"), (b"content-length", b"2")],
        }
    )
    await send({"type": "http.response.body", "body": b"ok"})


async def _receive() -> Event:
    await asyncio.Event().wait()  # a client that has said all and stays
    return {"type": "http.disconnect"}


async def _send(_event: Event) -> None:
    """Nowhere to send it."""


def _scope() -> Scope:
    return {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/cart/items/17",
        "raw_path": b"/cart/items/17",
        "query_string": b"",
        "root_path": "",
        "client": ("127.0.0.1", 40_000),
        "server": ("127.0.0.1", 8_080),
        "headers": [
            (b"host", b"cart.shop:8080"),
            (b"user-agent", b"Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101"),
            (b"accept", b"*/*"),
            (b"accept-encoding", b"gzip, deflate"),
            (b"x-request-id", b"4c1d7b1e-8f8b-4a51-9f0e-6a3c0d5b7d11"),
            (b"x-user", b"ann"),
        ],
    }


async def _forward_auth_row(client: MixerClient) -> Row:
    handle = forward_auth_handler(
        client.port,
        trust=PeerTrust.of(("127.0.0.0/8",)),
        clock=SystemClock(),
        budget_s=5.0,
        trust_setting="",
    )
    lines = (
        ("host", "cart.shop:8080"),
        ("x-forwarded-method", "GET"),
        ("x-forwarded-uri", "/cart/items/17"),
        ("x-forwarded-host", "cart.shop:8080"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-for", "192.0.2.7"),
        ("user-agent", "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101"),
        ("x-user", "ann"),
    )
    question = HttpRequest("GET", "/check", lines, Peer("ipv4:127.0.0.1:40000"))
    answer = handle(question)
    if not hasattr(answer, "status"):
        answer = await answer  # the first one is asked of the Mixer
    assert answer.status == 200, answer
    return Row("forward_auth question, hit", cpu_per_call(lambda: handle(question)))


def _blocking_row(address: str) -> Row:
    bag = bag_of(read("check-25"))
    request = CheckRequest(bag)
    with BlockingMixerClient(address) as client:
        client.check(request)
        # Its thread has something to do now and then: that is part of the price.
        return Row("blocking client: check, hit", cpu_per_call(lambda: client.check(request)))


def _report_rows() -> Iterator[Row]:
    bags = report_batch.records(_RECORDS_AT_ONCE)

    def all_of_them() -> None:
        report_batch.batched(bags)

    whole = cpu_per_call(all_of_them)
    each = Figure(*(figure / len(bags) for figure in (whole.minimum, whole.median, whole.maximum)))
    yield Row("report: a record of 35 attributes, delta", each, report_batch.GOAL_US)


# ------------------------------------------------------------ beside an Envoy


@dataclass(frozen=True, slots=True)
class SidecarProcess:
    """`remixer sidecar`, and how long it took to listen."""

    address: str
    pid: int
    listening_after_s: float


@contextmanager
def running_sidecar(mixer: str) -> Iterator[SidecarProcess]:
    """On a Unix socket, as an operator would start it."""
    with TemporaryDirectory() as folder:
        address = f"unix:{Path(folder) / 'sidecar.sock'}"
        command = [
            *(sys.executable, "-c", "from remixer.cli.main import run; run()", "sidecar"),
            *("--mixer", mixer, "--address", address, "--monitoring-address", "127.0.0.1:0"),
            *("--log-format", "json"),
        ]
        began_s = time.monotonic()
        with subprocess.Popen(  # noqa: S603 - this interpreter, our own arguments
            command, stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT, stdout=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            try:
                for line in process.stdout:
                    if json.loads(line).get("event") == "listening":
                        break
                yield SidecarProcess(address, process.pid, time.monotonic() - began_s)
            finally:
                process.terminate()
                process.wait(timeout=30)


def envoy_facts() -> list[Fact]:
    """Starts, memory, and calls through Envoys."""
    with (
        servers.running(*MIXER) as mixer,
        servers.running("constant-authz") as constant,
        smallest_authz.running() as smallest,
    ):
        starts = []
        for _ in range(STARTS):
            with running_sidecar(mixer.address) as sidecar:
                starts.append(sidecar.listening_after_s)
        with running_sidecar(mixer.address) as sidecar:
            idle_mb = h2load.resident_mb(sidecar.pid)
            asked = {
                "nobody": (None, constant.pid),
                "smallest": (smallest.address, smallest.pid),
                "grpcio": (constant.address, constant.pid),
                "sidecar": (sidecar.address, sidecar.pid),
            }
            found: dict[str, list[through_envoy.ThroughEnvoy]] = {name: [] for name in asked}
            for _ in range(ROUNDS):
                for name, (address, pid) in asked.items():
                    load = through_envoy.run(address, server_pid=pid, calls=CALLS)
                    found[name].append(load)
            busy_mb = h2load.resident_mb(sidecar.pid)
    calls = f"{ROUNDS * CALLS * 1.25:,.0f}"
    return [
        Fact("sidecar-start", "start to listening", "s", Figure.of(starts), 0.5),
        Fact("sidecar-memory", "resident, started", "MB", Figure.of([idle_mb]), MEMORY_GOAL_MB),
        Fact(
            "sidecar-memory-busy",
            f"resident after {calls} calls",
            "MB",
            Figure.of([busy_mb]),
            MEMORY_GOAL_MB,
        ),
        *_load_facts(found),
    ]


def _load_facts(found: dict[str, list[through_envoy.ThroughEnvoy]]) -> Iterator[Fact]:
    """Rounds are compared with one another before they are put together."""
    for name, loads in found.items():
        failed = sum(load.single.failed + load.busy.failed for load in loads)
        if failed:
            message = f"Envoy that asks {name}: {failed} calls failed"
            raise SystemExit(message)
        rates = [load.busy.requests_per_s for load in loads]
        text = f"Envoy that asks {_WHOM[name]}, 4 x 16"
        yield Fact(f"sidecar-rate-{name}", text, "requests/s", Figure.of(rates))
    pairs = list(zip(found["sidecar"], found["grpcio"], strict=True))
    ratios = [ours.busy.requests_per_s / other.busy.requests_per_s for ours, other in pairs]
    yield Fact(
        "sidecar-ratio",
        "the sidecar's to grpcio's, 4 x 16",
        "ratio",
        Figure.of(ratios),
        RATIO_GOAL,
        is_least=True,
    )
    for name in ("smallest", "grpcio", "sidecar"):
        alone = (load.single.p50_us for load in found["nobody"])
        added = [load.single.p50_us - least for load, least in zip(found[name], alone, strict=True)]
        cpu = [load.busy.server_cpu_us for load in found[name]]
        goal = ADDED_GOAL_US if name == "sidecar" else None
        text = f"added p50 of an Envoy that asks {_WHOM[name]}, 1 x 1"
        yield Fact(f"sidecar-added-{name}", text, "µs", Figure.of(added), goal)
        text = f"CPU of {_WHOM[name]} for each, 4 x 16"
        yield Fact(f"sidecar-cpu-{name}", text, "µs", Figure.of(cpu))


def main() -> int:
    """Both tables."""
    table = Table("client", "CPU µs per call", "min", "max", "goal")
    for row in client_rows():
        figure = row.figure
        goal = "" if row.goal_us is None else f"≤ {row.goal_us:g}"
        table.add_row(
            row.name,
            *(f"{each:.2f}" for each in (figure.median, figure.minimum, figure.maximum)),
            goal,
        )
    console = Console()
    console.print(table)
    if h2load.is_installed():
        console.print(facts_table("sidecar", envoy_facts()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
