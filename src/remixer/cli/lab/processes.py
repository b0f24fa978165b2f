"""Processes that the experiments start: Remixers, sidecars, Envoys. All listen where they like."""

import asyncio
import json
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from remixer.cli.demo.bootstrap import EnvoyPlan, bootstrap
from remixer.cli.demo.envoy import EnvoyProcess
from remixer.cli.demo.polling import until
from remixer.cli.demo.processes import stop
from remixer.drivers.http import AioHttpClient
from remixer.foundation.errors import StartupError
from remixer.transport.addresses import TcpAddress

AUTHZ: Final = "envoy.filters.http.ext_authz"
_READY_S: Final = 30.0
_STOP_S: Final = 10.0
_REMIXER: Final = ("-c", "from remixer.cli.main import run; run()")
_ANYWHERE: Final = "127.0.0.1:0"
_OWN_FLAGS: Final[Mapping[str, tuple[str, ...]]] = {"serve": ("--prometheus-address", _ANYWHERE)}


@dataclass(frozen=True, slots=True)
class Listening:
    """Where a process serves."""

    grpc: tuple[str, ...]
    monitoring: TcpAddress


async def started_server(stack: AsyncExitStack, log: Path, flags: tuple[str, ...]) -> TcpAddress:
    """A `remixer serve` that ends with `stack`; where its gRPC is."""
    process = RemixerProcess("serve", log)
    stack.push_async_callback(process.aclose)
    return host_port((await process.start(("--address", _ANYWHERE, *flags))).grpc[0])


class RemixerProcess:
    """`remixer COMMAND` as a child; may be started again after its end."""

    def __init__(self, command: str, log: Path) -> None:
        self._command = command
        self._log = log
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        """Once started."""
        assert self._process is not None  # noqa: S101 - who asks earlier is wrong
        return self._process.pid

    async def start(self, flags: tuple[str, ...]) -> Listening:
        """Returns once it serves. Raises `StartupError` with the reason in its log."""
        with self._log.open("wb") as file:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, *_REMIXER, self._command, "--log-format", "json"),
                *("--monitoring-address", _ANYWHERE, *_OWN_FLAGS.get(self._command, ()), *flags),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        try:
            return await until(partial(self._listening, self._process), within_s=_READY_S)
        except TimeoutError as error:
            message = (
                f"`remixer {self._command}` was not ready within {_READY_S:g} s; its log: "
                f"{self._log.read_text()}"
            )
            raise StartupError(message) from error

    async def kill(self) -> None:
        """At once, as a machine that loses power."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def aclose(self) -> None:
        """Stop it, kindly and then not; safe before `start`, and twice."""
        if self._process is not None:
            await stop(self._process, within_s=_STOP_S)

    async def _listening(self, process: asyncio.subprocess.Process) -> Listening | None:
        """From the log, once it says that requests are accepted."""
        text = await asyncio.to_thread(self._log.read_text)
        if process.returncode is not None:
            message = (
                f"`remixer {self._command}` ended with code {process.returncode}; its log: {text}"
            )
            raise StartupError(message)
        lines = text.rpartition("\n")[0].splitlines()
        events = {each.get("event"): each for each in map(json.loads, lines)}
        if "serving" not in events:
            return None
        told = events["listening"]
        return Listening(tuple(told["grpc"]), host_port(told["monitoring"]))


async def started_envoy(
    stack: AsyncExitStack,
    program: str,
    folder: Path,
    http: AioHttpClient,
    document: Mapping[str, Any],
) -> TcpAddress:
    """An Envoy that ends with `stack`; where it takes requests."""
    envoy = EnvoyProcess(program=program, folder=folder, http=http)
    stack.push_async_callback(envoy.aclose)
    config = folder / "bootstrap.json"
    config.write_text(json.dumps(document))
    return (await envoy.start_with(config)).service


def copied(plan: EnvoyPlan) -> tuple[dict[str, Any], dict[str, Any]]:
    """The demo's document, to be changed, and the connection manager in it."""
    document: dict[str, Any] = json.loads(json.dumps(bootstrap(plan)))
    (listener,) = document["static_resources"]["listeners"]
    return document, listener["filter_chains"][0]["filters"][0]["typed_config"]


def without_check(plan: EnvoyPlan) -> dict[str, Any]:
    """An Envoy that asks nobody and tells nobody."""
    document, manager = copied(plan)
    forget_mixer(manager)
    return document


def forget_mixer(manager: dict[str, Any]) -> None:
    """Ask nobody and tell nobody from now on."""
    manager["http_filters"] = [each for each in manager["http_filters"] if each["name"] != AUTHZ]
    del manager["access_log"]
    for host in manager["route_config"]["virtual_hosts"]:
        del host["typed_per_filter_config"]


def host_port(address: str) -> TcpAddress:
    """Of the text in a log."""
    host, _, port = address.rpartition(":")
    return TcpAddress(host.strip("[]"), int(port))
