"""How the process ends: what was accepted is answered, what was reported is written.

SIGTERM comes under load, with calls and streams open, twice, and in the middle of a start.
"""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from remixer.cli.demo.polling import until
from remixer.foundation.status import Code
from remixer.frontends.envoy.access_log.servicer import ACCESS_LOG_PATH
from remixer.mixer.outcome import CheckOutcome
from remixer.testing.mixer_client import MixerCaller, mixer_caller
from remixer.testing.server_process import ServerProcess, server_process, serving_process
from remixer.transport.client import RpcFailed
from remixer.wire._pb.envoy.service.accesslog.v3.als_pb2 import StreamAccessLogsMessage

pytestmark = pytest.mark.integration

PATIENCE_S = 60.0
LONG_GRACE = ("--drain-grace", "60s")
SHORT_OF_GRACE_S = 40.0
"""What ends without waiting for anybody takes less, on whatever machine."""
LOG = """
kind: handler
metadata: {name: file, namespace: istio-system}
spec: {compiledAdapter: stdio, params: {log_stream: FILE, output_path: LOG_FILE}}
---
kind: instance
metadata: {name: line, namespace: istio-system}
spec: {compiledTemplate: logentry, params: {severity: '"info"', variables: {path: request.path}}}
---
kind: rule
metadata: {name: log, namespace: istio-system}
spec: {actions: [{handler: file, instances: [line]}]}
"""


@pytest.fixture
def log_file(tmp_path: Path) -> Path:
    return tmp_path / "requests.log"


@contextmanager
def served(tmp_path: Path, gate: Any, *flags: str) -> Iterator[ServerProcess]:
    """A server that asks the gate about `/wait` and logs reports to `requests.log`."""
    store = config_of(tmp_path, gate.policy(), LOG.replace("LOG_FILE", f"{tmp_path}/requests.log"))
    with serving_process(*store, *flags, environment=gate.environment) as server:
        yield server
        assert server.other_output == []


def config_of(tmp_path: Path, *texts: str) -> tuple[str, str]:
    folder = tmp_path / "config"
    folder.mkdir()
    for number, text in enumerate(texts):
        (folder / f"{number}.yaml").write_text(text)
    return ("--config-store", f"fs://{folder}")


def stop(server: ServerProcess) -> None:
    server.process.send_signal(signal.SIGTERM)


async def wait_at_the_gate(caller: MixerCaller) -> CheckOutcome:
    return await caller.check({"request.path": "/wait"})


async def asked(gate: Any, count: int) -> None:
    async def look() -> bool | None:
        return gate.story().count("asked") >= count or None

    await until(look, within_s=PATIENCE_S)


async def unready(server: ServerProcess) -> None:
    async def look() -> bool | None:
        page = await server.page("/readyz")
        return (page.status, page.body) == (503, b"not ready: draining\n") or None

    await until(look, within_s=PATIENCE_S)


async def refused(address: str) -> None:
    """Nobody accepts connections there any more."""
    host, _, port = address.rpartition(":")

    async def look() -> bool | None:
        try:
            _, writer = await asyncio.open_connection(host, int(port))
        except ConnectionError:
            return True
        await cut(writer)
        return None

    await until(look, within_s=PATIENCE_S)


async def cut(writer: asyncio.StreamWriter) -> None:
    """Go away without a goodbye."""
    writer.transport.abort()
    with suppress(ConnectionError):
        await writer.wait_closed()


def errors_in(server: ServerProcess) -> list[object]:
    return [line for line in server.log if line["level"] == "error"]


# ------------------------------------------------------------------ the first SIGTERM


async def test_calls_in_flight_are_answered_and_new_ones_refused(tmp_path: Path, gate: Any) -> None:
    with served(tmp_path, gate, *LONG_GRACE) as server:
        async with mixer_caller(server.grpc) as caller, asyncio.TaskGroup() as group:
            waiting = [group.create_task(wait_at_the_gate(caller)) for _ in range(10)]
            await asked(gate, 10)
            stop(server)
            await unready(server)
            assert (await server.page("/healthz")).status == 200
            await refused(server.grpc)
            gate.open()
            for each in waiting:
                assert (await each).status.message == "gate.istio-system:the gate"
        assert await server.ended() == 0
        assert gate.story().count("answered") == 10
        assert gate.story()[-1] == "closed"
        assert errors_in(server) == []


async def test_under_load_what_was_written_is_what_was_acknowledged(
    tmp_path: Path, gate: Any, log_file: Path
) -> None:
    acknowledged: set[str] = set()
    refusals: list[RpcFailed] = []

    async def report(name: str, caller: MixerCaller) -> None:
        for number in range(1_000_000):
            path = f"/{name}/{number}"
            try:
                await caller.report([{"request.path": path}])
            except RpcFailed as error:
                refusals.append(error)
                return
            acknowledged.add(path)

    with served(tmp_path, gate) as server:
        callers = [MixerCaller(server.grpc) for _ in range(4)]
        async with asyncio.TaskGroup() as group:
            for number, caller in enumerate(callers):
                for lane in "abc":
                    group.create_task(report(f"{number}{lane}", caller))

            async def busy() -> bool | None:
                return len(acknowledged) >= 300 or None

            await until(busy, within_s=PATIENCE_S)
            stop(server)
        for caller in callers:
            await caller.aclose()
        assert await server.ended() == 0
        # CANCELLED: reached the server, but no handler, while it was saying goodbye.
        assert {each.code for each in refusals} <= {Code.UNAVAILABLE, Code.CANCELLED}
        assert len(refusals) == 12
        assert paths_in(log_file) == acknowledged
        assert errors_in(server) == []


def paths_in(log_file: Path) -> set[str]:
    return {line.split('"path":"')[1].split('"')[0] for line in log_file.read_text().splitlines()}


async def test_call_that_outlasts_the_grace_is_cut_and_the_exit_is_orderly(
    tmp_path: Path, gate: Any
) -> None:
    with served(tmp_path, gate, "--drain-grace", "0.3s") as server:
        async with mixer_caller(server.grpc) as caller, asyncio.TaskGroup() as group:
            waiting = group.create_task(failure(wait_at_the_gate(caller)))
            await asked(gate, 1)
            stop(server)
            assert (await waiting).code in {Code.UNAVAILABLE, Code.CANCELLED}
        assert await server.ended() == 0
        assert gate.story() == ["asked", "closed"]


async def failure(call: Any) -> RpcFailed:
    with pytest.raises(RpcFailed) as caught:
        await call
    return caught.value


async def test_notice_is_unready_but_serves(tmp_path: Path, gate: Any) -> None:
    with served(tmp_path, gate, "--drain-notice", "60s") as server:
        stop(server)
        await unready(server)
        async with mixer_caller(server.grpc) as late:
            assert (await late.check({"request.path": "/other"})).status.is_ok
        stop(server)
        assert await server.ended() == 0


async def test_silent_connections_hold_up_no_drain(tmp_path: Path, gate: Any) -> None:
    with served(tmp_path, gate, *LONG_GRACE) as server:
        places = [address.rpartition(":") for address in (server.grpc, server.monitoring) * 20]
        writers = [(await asyncio.open_connection(host, int(port)))[1] for host, _, port in places]
        began_s = time.monotonic()
        stop(server)
        assert await server.ended() == 0
        assert time.monotonic() - began_s < SHORT_OF_GRACE_S
        for writer in writers:
            await cut(writer)


# ------------------------------------------------------------------ streams


def access_log(path: str) -> bytes:
    message = StreamAccessLogsMessage()
    message.http_logs.log_entry.add().request.path = path
    return message.SerializeToString()


async def test_open_stream_ends_in_order_and_all_it_sent_is_reported(
    tmp_path: Path, gate: Any, log_file: Path
) -> None:
    paths = [f"/{number}" for number in range(500)]
    with served(tmp_path, gate) as server:
        async with grpc.aio.insecure_channel(server.grpc) as channel:
            call = channel.stream_stream(ACCESS_LOG_PATH)()
            for path in paths:
                await call.write(access_log(path))
            await reported_some(log_file)
            stop(server)
            assert await ending(call) == (grpc.StatusCode.OK, "")
        assert await server.ended() == 0
        assert paths_in(log_file) == set(paths)
        assert errors_in(server) == []


async def ending(call: Any) -> tuple[grpc.StatusCode, str]:
    """How a stream ended, once all answers were read."""
    async with asyncio.timeout(PATIENCE_S):
        with suppress(grpc.aio.AioRpcError):
            async for _ in call:
                pass
        return await call.code(), await call.details()


async def reported_some(log_file: Path) -> None:
    async def look() -> bool | None:
        return has_content(log_file) or None

    await until(look, within_s=PATIENCE_S)


def has_content(file: Path) -> bool:
    return file.exists() and file.stat().st_size > 0


async def test_stream_that_never_pauses_ends_within_the_grace(
    tmp_path: Path, gate: Any, log_file: Path
) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for number in range(1_000_000):
            yield access_log(f"/{number}")

    with served(tmp_path, gate, "--drain-grace", "4s") as server:
        async with grpc.aio.insecure_channel(server.grpc) as channel:
            call = channel.stream_stream(ACCESS_LOG_PATH)(endless())
            await reported_some(log_file)
            stop(server)
            await ending(call)  # how, depends on whether it ever looks at what is said to it
        assert await server.ended() == 0
        assert errors_in(server) == []
        numbers = sorted(int(path[1:]) for path in paths_in(log_file))
        assert numbers == list(range(len(numbers))), "a gap in what one stream sent"


# ------------------------------------------------------------------ the second SIGTERM


async def test_second_signal_ends_at_once_and_still_closes(tmp_path: Path, gate: Any) -> None:
    with served(tmp_path, gate, *LONG_GRACE) as server:
        async with mixer_caller(server.grpc) as caller, asyncio.TaskGroup() as group:
            waiting = group.create_task(failure(wait_at_the_gate(caller)))
            await asked(gate, 1)
            stop(server)
            await unready(server)
            began_s = time.monotonic()
            stop(server)
            assert (await waiting).code in {Code.UNAVAILABLE, Code.CANCELLED}
        assert await server.ended() == 0
        assert time.monotonic() - began_s < SHORT_OF_GRACE_S
        assert gate.story() == ["asked", "closed"]
        assert len(server.events("stop requested")) == 2


# ------------------------------------------------------------------ during the start


async def test_signal_while_the_configuration_is_missing(tmp_path: Path) -> None:
    with server_process("--config-store", f"fs://{tmp_path}/none") as server:
        told = await server.logged("config_not_available")
        assert f"{tmp_path}/none" in str(told["reason"])
        stop(server)
        assert await server.ended() == 0
        assert server.events("serving") == []
        assert server.other_output == []


async def test_signal_while_an_adapter_is_being_built(tmp_path: Path, gate: Any) -> None:
    socket = tmp_path / "monitoring"
    store = config_of(tmp_path, gate.policy(hangs_in_build=True))
    flags = (*store, "--monitoring-address", f"unix:{socket}")
    with server_process(*flags, environment=gate.environment) as server:

        async def building() -> bool | None:
            return "building" in gate.story() or None

        await until(building, within_s=PATIENCE_S)
        assert await page(socket, "/healthz") == "HTTP/1.1 200 OK\nalive\n"
        assert await page(socket, "/readyz") == (
            "HTTP/1.1 503 Service Unavailable\n"
            "not ready: starting\nnot ready: configuration: not loaded yet\n"
        )
        began_s = time.monotonic()
        stop(server)
        assert await server.ended() == 0
        assert time.monotonic() - began_s < SHORT_OF_GRACE_S
        assert not socket.exists()
        assert server.other_output == []


async def page(socket: Path, path: str) -> str:
    """Status line and body."""
    reader, writer = await asyncio.open_unix_connection(socket)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    head, _, body = (await reader.read()).decode().partition("\r\n\r\n")
    writer.close()
    return head.partition("\r\n")[0] + "\n" + body


async def test_configuration_that_never_comes_fails_the_start_with_the_next_step(
    tmp_path: Path,
) -> None:
    store = ("--config-store", f"fs://{tmp_path}/none")
    with server_process(*store, "--config-wait", "0.1s") as server:
        assert await server.ended() == 1
        output = "".join(server.other_output)
        assert output.startswith("error: no configuration within 0.1 s (--config-wait):\n")
        assert f"{tmp_path}/none" in output
        assert "Traceback" not in output
