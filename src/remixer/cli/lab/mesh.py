"""The parts of the experiment: back end, gate, and for each setting a Remixer and an Envoy."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from remixer.cli.demo.bootstrap import EnvoyPlan, bootstrap
from remixer.cli.demo.envoy import EnvoyProcess, find_envoy
from remixer.cli.demo.polling import until
from remixer.cli.demo.processes import stop
from remixer.cli.demo.upstream import EchoService
from remixer.cli.lab.backend import INFO, NAMESPACE, configuration
from remixer.cli.lab.gate import Gate
from remixer.cli.lab.options import AvailabilityOptions
from remixer.drivers.http import AioHttpClient
from remixer.foundation.errors import StartupError
from remixer.server.adapter_server import AdapterServer, AdapterServerSettings
from remixer.transport.addresses import TcpAddress

SETTINGS: Final[Mapping[str, tuple[str, ...]]] = {
    "off": ("--cache", "off"),
    "memory": ("--cache-stale-for", "0s"),
    "memory+stale": (),
}
"""Flags of each Remixer, by what the table calls it."""
NO_CHECK: Final = "no check"
"""An Envoy that asks nobody: what all latencies are compared with."""

_READY_S: Final = 30.0
_STOP_S: Final = 10.0
_SERVE: Final = ("-c", "from remixer.cli.main import run; run()", "serve")
_AUTHZ: Final = "envoy.filters.http.ext_authz"
_ATTRIBUTES: Final = {"context.reporter.kind": "inbound", "destination.namespace": NAMESPACE}
_ENVOY_TIMEOUT: Final = "3s"
_ADAPTER_TIMEOUT: Final = "1500ms"
"""Less than Envoy waits, so that there is time for another answer; and so long that a machine which
does much else is not taken for a back end that is down."""


@dataclass(frozen=True, slots=True)
class LabMesh:
    """Everything started. Envoys by setting, `NO_CHECK` among them."""

    gate: Gate
    envoys: Mapping[str, TcpAddress]


@asynccontextmanager
async def running_lab(
    options: AvailabilityOptions, *, folder: Path, tell: Callable[[str], None]
) -> AsyncIterator[LabMesh]:
    """Stops in reverse. `folder` exists and belongs to the experiment."""
    program = find_envoy()
    async with AsyncExitStack() as stack:
        tell("starting the back end")
        service = EchoService()
        stack.push_async_callback(service.aclose)
        service_at = await service.start()
        backend = AdapterServer(INFO, AdapterServerSettings(address="127.0.0.1:0"))
        await stack.enter_async_context(backend.serving())
        gate = Gate()
        stack.push_async_callback(gate.aclose)
        gate_at = await gate.start(_host_port(backend.address))
        config = folder / "config"
        config.mkdir()
        (config / "lab.yaml").write_text(configuration(gate_at, lifetime_s=options.lifetime_s))
        http = AioHttpClient()
        stack.push_async_callback(http.aclose)
        await http.start()
        envoys: dict[str, TcpAddress] = {}
        for name, flags in SETTINGS.items():
            tell(f"starting Remixer and Envoy: cache {name}")
            own = folder / name
            own.mkdir()
            mixer = await _started(stack, own, ("--config-store", f"fs://{config}", *flags))
            plan = EnvoyPlan(mixer=mixer, service=service_at, static_attributes=_ATTRIBUTES)
            envoys[name] = await _envoy(stack, program, own, http, _patient(plan))
        tell("starting Envoy without a check")
        own = folder / "none"
        own.mkdir()
        plan = EnvoyPlan(mixer=service_at, service=service_at)
        envoys[NO_CHECK] = await _envoy(stack, program, own, http, _without_check(plan))
        yield LabMesh(gate, envoys)


def _patient(plan: EnvoyPlan) -> Mapping[str, Any]:
    """An Envoy that waits longer for checks than the demo's."""
    document, manager = _copied(plan)
    for each in manager["http_filters"]:
        if each["name"] == _AUTHZ:
            each["typed_config"]["grpc_service"]["timeout"] = _ENVOY_TIMEOUT
    return document


def _copied(plan: EnvoyPlan) -> tuple[dict[str, Any], dict[str, Any]]:
    """The demo's document, to be changed, and the connection manager in it."""
    document: dict[str, Any] = json.loads(json.dumps(bootstrap(plan)))
    (listener,) = document["static_resources"]["listeners"]
    return document, listener["filter_chains"][0]["filters"][0]["typed_config"]


def _without_check(plan: EnvoyPlan) -> Mapping[str, Any]:
    document, manager = _copied(plan)
    manager["http_filters"] = [each for each in manager["http_filters"] if each["name"] != _AUTHZ]
    del manager["access_log"]
    for host in manager["route_config"]["virtual_hosts"]:
        del host["typed_per_filter_config"]
    return document


async def _envoy(
    stack: AsyncExitStack,
    program: str,
    folder: Path,
    http: AioHttpClient,
    document: Mapping[str, Any],
) -> TcpAddress:
    envoy = EnvoyProcess(program=program, folder=folder, http=http)
    stack.push_async_callback(envoy.aclose)
    config = folder / "bootstrap.json"
    config.write_text(json.dumps(document))
    return (await envoy.start_with(config)).service


async def _started(stack: AsyncExitStack, folder: Path, flags: tuple[str, ...]) -> TcpAddress:
    """A `remixer serve` of its own; where it listens. Raises `StartupError` with its reason."""
    log = folder / "remixer.log"
    with log.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, *_SERVE, "--log-format", "json"),
            *("--address", "127.0.0.1:0", "--monitoring-address", "127.0.0.1:0"),
            *("--prometheus-address", "127.0.0.1:0", "--adapter-timeout", _ADAPTER_TIMEOUT),
            *flags,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
    stack.push_async_callback(stop, process, within_s=_STOP_S)
    try:
        return await until(partial(_listening, process, log), within_s=_READY_S)
    except TimeoutError as error:
        message = f"Remixer was not ready within {_READY_S:g} s; its log: {log.read_text()}"
        raise StartupError(message) from error


async def _listening(process: asyncio.subprocess.Process, log: Path) -> TcpAddress | None:
    """From the log, once it says that requests are accepted."""
    text = await asyncio.to_thread(log.read_text)
    if process.returncode is not None:
        message = f"Remixer ended with code {process.returncode}; its log: {text}"
        raise StartupError(message)
    lines = text.rpartition("\n")[0].splitlines()
    events = {each.get("event"): each for each in map(json.loads, lines)}
    if "serving" not in events:
        return None
    return _host_port(str(events["listening"]["grpc"][0]))


def _host_port(address: str) -> TcpAddress:
    host, _, port = address.rpartition(":")
    return TcpAddress(host.strip("[]"), int(port))
