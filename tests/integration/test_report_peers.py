"""A client's reports against real peers: our own server, bad ones, none, and after a crash."""

import asyncio
import contextlib
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from remixer.attributes.bag import Bag, plain_bag
from remixer.cli.demo.polling import until
from remixer.drivers.spill_directory import SpillDirectory
from remixer.foundation.backoff import Backoff
from remixer.foundation.clock import SystemClock
from remixer.frontends.mixer_v1 import mixer_v1_methods
from remixer.mixer.outcome import REPORTED, CheckOutcome, QuotaOutcome, ReportOutcome
from remixer.mixer.request import CheckRequest
from remixer.tiers.report_pipeline import ReportPipeline, ReportSettings
from remixer.transport.client import GrpcClient
from remixer.transport.own_server import own_servers
from remixer.transport.port import Listener, TransportLimits
from remixer.wire.client_codec import REPORT_PATH
from remixer.wire.report_batch import BatchLimits

pytestmark = pytest.mark.integration

PATIENCE_S = 60.0
PATIENT = ReportSettings(
    batch=BatchLimits(most_records=10),
    interval_s=0.05,
    call_timeout_s=PATIENCE_S,
    backoff=Backoff(first_s=0.02, longest_s=0.1),
)
HASTY = replace(PATIENT, call_timeout_s=0.5)
"""With those who never answer."""


class NotingMixer:
    """Implements `Mixer`: notes reports."""

    def __init__(self) -> None:
        self.bags: list[dict[str, object]] = []

    def check_now(self, request: CheckRequest) -> CheckOutcome | None:
        raise NotImplementedError

    async def check(self, request: CheckRequest) -> CheckOutcome:
        raise NotImplementedError

    def grant_now(self, request: CheckRequest) -> Mapping[str, QuotaOutcome] | None:
        raise NotImplementedError

    async def grant(self, request: CheckRequest) -> Mapping[str, QuotaOutcome]:
        raise NotImplementedError

    def report(self, bags: Sequence[Bag]) -> ReportOutcome:
        self.bags += [{name: bag[name] for name in bag.names()} for bag in bags]
        return REPORTED

    def numbers(self) -> Counter[object]:
        return Counter(bag["n"] for bag in self.bags)


@asynccontextmanager
async def served(mixer: NotingMixer, path: Path) -> AsyncIterator[None]:
    server = own_servers(clock=SystemClock())(
        methods=mixer_v1_methods(mixer, SystemClock()),
        listeners=[Listener(f"unix:{path}")],
        limits=TransportLimits(),
    )
    await server.start()
    try:
        yield
    finally:
        await server.drain(grace_s=1)


@asynccontextmanager
async def sending(
    path: Path, settings: ReportSettings = PATIENT, *, spill: Path | None = None
) -> AsyncIterator[ReportPipeline]:
    """A pipeline that makes a connection per call: what is tested is not the channel."""

    async def send(payload: bytes) -> None:
        client = GrpcClient(f"unix:{path}")
        try:
            await client.unary(REPORT_PATH, payload, timeout_s=settings.call_timeout_s)
        finally:
            await client.aclose()

    pipeline = ReportPipeline(
        send=send,
        settings=settings,
        clock=SystemClock(),
        random=Random(1),
        spill=None if spill is None else SpillDirectory(spill),
    )
    async with asyncio.TaskGroup() as group:
        group.create_task(pipeline.run())
        try:
            yield pipeline
        finally:
            await pipeline.aclose(5)


async def flushed(pipeline: ReportPipeline) -> None:
    async with asyncio.timeout(PATIENCE_S):
        await pipeline.flush()


async def holds(condition: Callable[[], bool]) -> None:
    """Return when it does."""

    async def look() -> bool | None:
        return condition() or None

    await until(look, within_s=PATIENCE_S)


def record(number: int) -> dict[str, object]:
    return {
        "n": number,
        "request.path": f"/{number % 7}",
        "response.code": 200 if number % 3 else 503,
        **({"app.tier": "'200'"} if number % 5 else {}),
    }


def bags(start: int, end: int) -> list[Bag]:
    return [plain_bag(record(number)) for number in range(start, end)]  # type: ignore[arg-type] # values of attributes


async def test_our_server_reads_what_was_handed_over(tmp_path: Path) -> None:
    mixer = NotingMixer()
    async with served(mixer, tmp_path / "s"), sending(tmp_path / "s") as pipeline:
        pipeline.put(bags(0, 500))
        await flushed(pipeline)
    assert sorted(mixer.bags, key=lambda bag: str(bag["n"])) == sorted(
        (record(number) for number in range(500)), key=lambda bag: str(bag["n"])
    )
    assert pipeline.counts.report_records_sent == 500


async def test_a_server_that_comes_and_goes_loses_nothing(tmp_path: Path) -> None:
    mixer = NotingMixer()
    async with sending(tmp_path / "s") as pipeline:
        for start in range(0, 300, 100):
            pipeline.put(bags(start, start + 50))
            async with served(mixer, tmp_path / "s"):
                pipeline.put(bags(start + 50, start + 100))
                await flushed(pipeline)
    assert set(mixer.numbers()) == set(range(300))
    assert pipeline.counts.report_records_sent == 300


async def _hang(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def _hang_up(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Close before a byte is read."""


async def _die_amid(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Greet as a server does, read the call, and break the connection."""
    writer.write(b"\x00\x00\x00\x04\x00\x00\x00\x00\x00")
    await reader.readuntil(b"Report")
    writer.transport.abort()


async def _talk_garbage(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n\r\nwelcome" * 10)
    await reader.read(100)


@pytest.mark.parametrize("behaviour", [_hang, _hang_up, _die_amid, _talk_garbage])
async def test_bad_peers_get_nothing_lost(
    tmp_path: Path,
    behaviour: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> None:
    path, mixer = tmp_path / "s", NotingMixer()
    peers: dict[asyncio.Task[None] | None, asyncio.StreamWriter] = {}

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peers[asyncio.current_task()] = writer
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await behaviour(reader, writer)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    async with sending(path, HASTY) as pipeline:
        bad = await asyncio.start_unix_server(serve, path)
        pipeline.put(bags(0, 25))
        await holds(lambda: pipeline.counts.remote_report_calls > 2 and bool(peers))
        bad.close()
        for writer in peers.values():
            writer.transport.abort()
        await asyncio.gather(*(task for task in peers if task is not None))
        path.unlink(missing_ok=True)
        async with served(mixer, path):
            await flushed(pipeline)
    assert set(mixer.numbers()) == set(range(25))
    assert pipeline.counts.report_records_refused == 0
    assert pipeline.counts.report_records_sent == 25


_SPILLER = """
import asyncio, sys
from random import Random
from pathlib import Path
from dataclasses import replace
from remixer.attributes.bag import plain_bag
from remixer.drivers.spill_directory import SpillDirectory
from remixer.foundation.clock import SystemClock
from remixer.foundation.status import Code
from remixer.tiers.report_pipeline import ReportPipeline, ReportSettings
from remixer.transport.remote_port import RpcFailed

async def send(payload):
    raise RpcFailed(Code.UNAVAILABLE, "away")

async def main():
    pipeline = ReportPipeline(
        send=send,
        settings=ReportSettings(interval_s=0.01, backlog_bytes=2000),
        clock=SystemClock(), random=Random(1), spill=SpillDirectory(Path(sys.argv[1])),
    )
    async with asyncio.TaskGroup() as group:
        group.create_task(pipeline.run())
        number = 0
        while True:
            pipeline.put([plain_bag({"n": number})])
            number += 1
            await asyncio.sleep(0.001)
            if pipeline.counts.report_records_spilled > 50:
                print(pipeline.counts.report_records_spilled, flush=True)

asyncio.run(main())
"""


@contextmanager
def spiller(folder: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A process that spills to `folder`, prints how much when there is something, and is killed."""
    command = [sys.executable, "-c", _SPILLER, str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)  # noqa: S603 - our own text
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


async def test_what_a_killed_process_wrote_is_sent_by_the_next(tmp_path: Path) -> None:
    folder = tmp_path / "spill"
    with spiller(folder) as process:
        assert process.stdout is not None
        spilled = int(await asyncio.to_thread(process.stdout.readline))
    mixer = NotingMixer()
    async with (
        served(mixer, tmp_path / "s"),
        sending(tmp_path / "s", spill=folder) as pipeline,
    ):
        await holds(lambda: bool(mixer.bags) and not list(folder.glob("*.spill")))
    arrived = mixer.numbers()
    assert set(arrived) >= set(range(spilled))
    assert set(arrived.values()) == {1}
    assert pipeline.counts.report_records_restored == len(arrived)
