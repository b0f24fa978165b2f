"""The sidecar as a process: its start, its socket, its end, and peers that mean no good."""

import asyncio
import signal
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from remixer.cli.demo.polling import until
from remixer.foundation.status import Code
from remixer.mixer.outcome import CheckOutcome
from remixer.testing.mixer_client import MixerCaller, mixer_caller, traffic
from remixer.testing.server_process import ServerProcess, server_process
from remixer.transport.client import RpcFailed

pytestmark = pytest.mark.integration

PATIENCE_S = 60.0
DENIED = Code.PERMISSION_DENIED


async def logs(place: Any, count: int, *mixers: str) -> list[str]:
    """What the Mixers wrote down, once it is so much."""

    async def look() -> list[str] | None:
        found: list[str] = place.logged(*mixers)
        return found if len(found) >= count else None

    return await until(look, within_s=PATIENCE_S)


async def check_at(place: Any, path: str) -> CheckOutcome:
    async with mixer_caller(f"unix:{place.socket}") as caller:
        return await caller.check({"request.path": path})


def stop(process: ServerProcess) -> None:
    process.process.send_signal(signal.SIGTERM)


# ------------------------------------------------------------ the start

KEEPS_NAMES = """
import atexit, sys
atexit.register(lambda: open({file!r}, "w").write("\\n".join(sys.modules)))
"""
HEAVY = ("aiohttp", "typer", "rich", "remixer.runtime", "remixer.adapters", "remixer.expr")


async def test_a_sidecar_is_small_and_starts_without_what_servers_need(
    place: Any, tmp_path: Path
) -> None:
    package, names = tmp_path / "package", tmp_path / "names"
    package.mkdir()
    (package / "sitecustomize.py").write_text(KEEPS_NAMES.format(file=str(names)))
    environment = {"PYTHONPATH": str(package), "PATH": "/usr/bin:/bin"}
    place.mixer()
    flags = ("--address", f"unix:{place.socket}", "--mixer", place.address_of())
    began_s = time.monotonic()
    with server_process(*flags, command="sidecar", environment=environment) as sidecar:
        await sidecar.logged("listening")
        started_s = time.monotonic() - began_s
        at_start_mb = sidecar.resident_mb
        async with mixer_caller(f"unix:{place.socket}") as caller:
            for number in range(1_000):
                assert (await caller.check({"request.path": f"/{number}"})).status.is_ok
        after_mb = sidecar.resident_mb
        stop(sidecar)
        assert await sidecar.ended() == 0
    print(
        f"\nsidecar: listening after {started_s:.2f} s (goal 0.5), {at_start_mb:.1f} MB at the start,"
        f" {after_mb:.1f} MB after 1,000 checks (goal 60)"
    )
    loaded = names.read_text().splitlines()
    assert "remixer.server.sidecar" in loaded
    assert [each for each in loaded if each in HEAVY] == []


@pytest.mark.parametrize("failure", ["open", "closed"])
async def test_without_a_mixer_it_starts_and_asks_as_soon_as_there_is_one(
    place: Any, failure: str
) -> None:
    sidecar = place.sidecar("--failure", failure, "--timeout", "5s")
    assert (await sidecar.page("/readyz")).status == 200
    assert (await check_at(place, "/deny")).status.is_ok is (failure == "open")
    assert (await check_at(place, "/open")).status.is_ok is (failure == "open")
    place.mixer()

    async def decided() -> bool | None:
        code = (await check_at(place, "/deny")).status.code
        return (code == DENIED) or None

    await until(decided, within_s=PATIENCE_S)
    assert (await check_at(place, "/open")).status.is_ok


# ------------------------------------------------------------ the socket


async def test_a_second_sidecar_on_a_socket_says_so_and_ends(place: Any) -> None:
    place.mixer()
    place.sidecar()
    with place.sidecar_until(waits=False) as second:
        assert await second.ended() == 1
        told = "".join(second.other_output)
        assert str(place.socket) in told
        assert "another process listens there" in told
        assert "Traceback" not in told
    assert (await check_at(place, "/open")).status.is_ok


async def test_the_socket_of_a_killed_sidecar_is_taken_over(place: Any) -> None:
    place.mixer()
    with place.sidecar_until() as first:
        first.process.kill()
        await first.ended()
    assert place.socket.exists()
    place.sidecar()
    assert (await check_at(place, "/deny")).status.code == DENIED


async def test_only_its_owner_may_use_the_socket(place: Any) -> None:
    place.sidecar()
    assert place.socket.stat().st_mode & 0o077 == 0


async def test_peers_that_say_little_keep_nobody_waiting(place: Any) -> None:
    place.mixer()
    sidecar = place.sidecar()
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    writers = []
    for number in range(200):
        _, writer = await asyncio.open_unix_connection(place.socket)
        writer.write(preface[: number % (len(preface) + 1)])
        writers.append(writer)
    async with mixer_caller(f"unix:{place.socket}") as caller:
        for number in range(200):
            writers[number].write(b"\0")  # some of them no HTTP/2 any more
            outcome = await caller.check({"request.path": f"/deny/{number}"})
            assert outcome.status.code == DENIED
    stop(sidecar)
    assert await sidecar.ended() == 0
    await closed(writers)


async def closed(writers: Iterable[asyncio.StreamWriter]) -> None:
    for writer in writers:
        writer.transport.abort()
        with suppress(ConnectionError):
            await writer.wait_closed()


# ------------------------------------------------------------ memory


async def test_many_distinct_keys_take_bounded_memory(place: Any) -> None:
    keys, lanes = 3_000, 20
    place.mixer()
    sidecar = place.sidecar("--cache-entries", "500")
    sizes: list[float] = []

    async def ask(caller: MixerCaller, lane: int) -> None:
        for number in range(lane, keys, lanes):
            outcome = await caller.check({"request.path": f"/{number}", "user": "x" * 50})
            assert outcome.status.is_ok
            if number % 1_000 == 0:
                sizes.append(sidecar.resident_mb)

    async with mixer_caller(f"unix:{place.socket}") as caller, asyncio.TaskGroup() as group:
        for lane in range(lanes):
            group.create_task(ask(caller, lane))
    entries = await sidecar.metric("remixer_cache_entries")
    told = ", ".join(f"{each:.1f}" for each in [*sizes, sidecar.resident_mb])
    print(f"\n{keys} keys: {entries:.0f} entries, MB: {told}")
    assert 0 < entries <= 500
    assert await sidecar.metric("remixer_client_check_calls_total") == keys


# ------------------------------------------------------------ the end


@dataclass(slots=True)
class Load:
    """Callers that check and report until they are refused."""

    taken: list[str] = field(default_factory=list)
    """Reports that were acknowledged."""
    refusals: list[RpcFailed] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    async def lane(self, caller: MixerCaller, name: str) -> None:
        for number in range(1_000_000):
            path = f"/{name}/{number}"
            try:
                if (await caller.check({"request.path": f"/deny{path}"})).status.code != DENIED:
                    self.wrong.append(path)
                await caller.report([{"request.path": path}])
            except RpcFailed as error:
                self.refusals.append(error)
                return
            self.taken.append(path)

    async def is_busy(self) -> bool | None:
        return len(self.taken) >= 300 or None


async def test_sigterm_under_load_answers_what_was_accepted_and_sends_all_reports(
    place: Any,
) -> None:
    load = Load()
    place.mixer()
    sidecar = place.sidecar()
    callers = [MixerCaller(f"unix:{place.socket}") for _ in range(4)]
    async with asyncio.TaskGroup() as group:
        for number, caller in enumerate(callers):
            for name in "abc":
                group.create_task(load.lane(caller, f"{number}{name}"))
        await until(load.is_busy, within_s=PATIENCE_S)
        stop(sidecar)
    await asyncio.gather(*(caller.aclose() for caller in callers))
    assert await sidecar.ended() == 0
    found = place.logged()
    print(
        f"\nSIGTERM: {len(load.taken)} reports acknowledged, {len(found)} written,"
        f" {len(load.refusals)} callers refused, {len(load.wrong)} answers wrong"
    )
    assert load.wrong == []
    assert {each.code for each in load.refusals} <= {Code.UNAVAILABLE, Code.CANCELLED}
    # A report may have been taken although its caller was not told so any more.
    assert set(load.taken) <= set(found)
    assert len(found) == len(set(found))
    assert not place.socket.exists()
    assert sidecar.other_output == []
    assert [line for line in sidecar.log if line["level"] == "error"] == []


async def test_reports_outlive_the_sidecar_on_disk(place: Any, tmp_path: Path) -> None:
    spill = ("--report-spill", str(tmp_path / "spill"))
    paths = [f"/{number}" for number in range(2_000)]
    with place.sidecar_until(*spill, "--drain-grace", "2s") as sidecar:
        async with mixer_caller(f"unix:{place.socket}") as caller:
            for first in range(0, len(paths), 100):
                await caller.report([{"request.path": each} for each in paths[first : first + 100]])
        stop(sidecar)
        assert await sidecar.ended() == 0
    assert place.logged() == []
    place.mixer()
    place.sidecar(*spill)
    await logs(place, len(paths))
    assert sorted(place.logged()) == sorted(paths)
    print(f"\nspill: {len(paths)} reported, {len(place.logged())} written")


async def test_a_second_sigterm_ends_at_once(place: Any) -> None:
    sidecar = place.sidecar("--drain-notice", "60s")
    stop(sidecar)
    await sidecar.logged("stop requested")
    stop(sidecar)
    assert await sidecar.ended() == 0


# ------------------------------------------------------------ several Mixers


async def test_while_one_of_two_mixers_drains_no_call_fails(place: Any) -> None:
    mixers = [place.mixer("a", "--drain-notice", "1s"), place.mixer("b")]
    addresses = ",".join(place.address_of(each) for each in "ab")
    sidecar = place.sidecar("--cache", "off", mixer=addresses)

    async def ask(caller: MixerCaller) -> str:
        outcome = await caller.check({"request.path": "/open"})
        return "" if outcome.status.is_ok else f"{outcome.status}"

    async with traffic(f"unix:{place.socket}", ask, clients=4) as running:
        await running.more(200)
        stop(mixers[0])
        assert await mixers[0].ended() == 0
        await running.more(200)
    calls = await sidecar.metric("remixer_client_remote_calls_total")
    errors = await sidecar.metric("remixer_client_remote_call_send_errors_total")
    print(
        f"\none of two drained: {running.answers} answers, {len(running.wrong)} wrong;"
        f" {calls:.0f} calls, {errors:.0f} not made"
    )
    assert running.wrong == []
    assert errors == 0
