"""A real `remixer serve` or `sidecar` in a process of its own, on addresses that the system chose.

with serving_process("--config-store", f"fs://{folder}") as server:
    channel = grpc.aio.insecure_channel(server.grpc)
"""

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import IO, Final

from remixer.drivers.http import AioHttpClient
from remixer.drivers.http_client import HttpResponse

_COMMAND: Final = (sys.executable, "-c", "from remixer.cli.main import run; run()")
_PATIENCE_S: Final = 60.0
"""Whatever takes longer hangs; generous, for machines that do much else."""
_LOOK_S: Final = 0.01
_LARGEST_PAGE_BYTES: Final = 16 << 20

LogLine = Mapping[str, object]


@dataclass(slots=True)
class ServerProcess:
    """The process and its log."""

    process: "subprocess.Popen[str]"
    log: list[LogLine] = field(default_factory=list)
    """Events so far, as `--log-format json` writes them."""
    other_output: list[str] = field(default_factory=list)
    """Lines on stderr that are no events."""
    _told: threading.Condition = field(default_factory=threading.Condition)
    _is_silent: bool = False

    @property
    def grpc(self) -> str:
        """The first address for gRPC."""
        addresses = self.wait_for("listening")["grpc"]
        assert isinstance(addresses, list)  # noqa: S101 - the shape of the event
        return str(addresses[0])

    @property
    def monitoring(self) -> str:
        return str(self.wait_for("listening")["monitoring"])

    @property
    def prometheus(self) -> str:
        return str(self.wait_for("listening")["prometheus"])

    def events(self, event: str, **fields: object) -> list[LogLine]:
        """Events of this name with these fields, so far."""
        return [
            line
            for line in tuple(self.log)
            if line.get("event") == event
            and all(line.get(name) == value for name, value in fields.items())
        ]

    def wait_for(self, event: str, *, count: int = 1, **fields: object) -> LogLine:
        """The event once it was logged so often; for synchronous callers.

        Raises `TimeoutError`, or `EOFError` if the process ends before.
        """
        with self._told:
            is_there = self._told.wait_for(
                lambda: self._is_silent or len(self.events(event, **fields)) >= count, _PATIENCE_S
            )
        found = self.events(event, **fields)
        if len(found) >= count:
            return found[count - 1]
        problem = f"no event {event!r} {fields}: {self.log} {self.other_output}"
        raise EOFError(problem) if is_there else TimeoutError(problem)

    async def logged(self, event: str, *, count: int = 1, **fields: object) -> LogLine:
        """As `wait_for`, while the event loop goes on."""
        async with asyncio.timeout(_PATIENCE_S):
            while len(self.events(event, **fields)) < count:
                if self._is_silent:
                    break
                await asyncio.sleep(_LOOK_S)
        return self.wait_for(event, count=count, **fields)

    def wait(self) -> int:
        """The exit code, once it has ended and all output was read."""
        code = self.process.wait(_PATIENCE_S)
        with self._told:
            self._told.wait_for(lambda: self._is_silent, _PATIENCE_S)
        return code

    async def ended(self) -> int:
        """As `wait`, while the event loop goes on."""
        return await asyncio.to_thread(self.wait)

    async def page(self, path: str) -> HttpResponse:
        """GET from the monitoring address."""
        async with _http() as http:
            url = f"http://{self.monitoring}{path}"
            return await http.get(url, timeout_s=_PATIENCE_S, limit_bytes=_LARGEST_PAGE_BYTES)

    async def metric(self, name: str) -> float:
        """The sum of the server's own metric of this name, over all labels."""
        samples = [
            line.rpartition(" ")
            for line in (await self.metrics()).splitlines()
            if line.partition(" ")[0].partition("{")[0] == name
        ]
        return sum(float(value) for _, _, value in samples)

    @property
    def resident_mb(self) -> float:
        """Memory that the process takes now."""
        with open(f"/proc/{self.process.pid}/status") as file:
            (line,) = (each for each in file if each.startswith("VmRSS:"))
        return int(line.split()[1]) / 1024

    async def metrics(self) -> str:
        """The server's own metrics, in Prometheus's text format."""
        return (await self.page("/metrics")).body.decode()

    def read(self, stderr: IO[str]) -> None:
        """Take in all output, to its end; on a thread of its own."""
        for text in stderr:
            try:
                line = json.loads(text)
            except ValueError:
                line = None
            with self._told:
                if isinstance(line, dict):
                    self.log.append(line)
                else:
                    self.other_output.append(text)
                self._told.notify_all()
        with self._told:
            self._is_silent = True
            self._told.notify_all()


@contextmanager
def server_process(
    *flags: str, command: str = "serve", environment: Mapping[str, str] | None = None
) -> Iterator[ServerProcess]:
    """A process that may still be starting; killed at the end if it still runs.

    `flags` count before those that choose free addresses. `environment` replaces the whole.
    """
    defaults = (
        *("--log-format", "json"),
        *("--monitoring-address", "127.0.0.1:0"),
        *(("--prometheus-address", "127.0.0.1:0") if command == "serve" else ()),
        *(() if "--address" in flags else ("--address", "127.0.0.1:0")),
    )
    with subprocess.Popen(  # noqa: S603 - our own command
        [*_COMMAND, command, *defaults, *flags],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        assert process.stderr is not None  # noqa: S101 - it is a pipe
        server = ServerProcess(process)
        reader = threading.Thread(target=server.read, args=(process.stderr,))
        reader.start()
        try:
            yield server
        finally:
            process.kill()
            process.wait(_PATIENCE_S)
            reader.join(_PATIENCE_S)


@contextmanager
def serving_process(
    *flags: str, command: str = "serve", environment: Mapping[str, str] | None = None
) -> Iterator[ServerProcess]:
    """A process that serves."""
    with server_process(*flags, command=command, environment=environment) as server:
        server.wait_for("serving")
        yield server


@asynccontextmanager
async def _http() -> AsyncIterator[AioHttpClient]:
    http = AioHttpClient()
    await http.start()
    try:
        yield http
    finally:
        await http.aclose()
