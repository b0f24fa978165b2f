"""The parts of the experiment: back end, gate, and for each setting a Remixer and an Envoy."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from remixer.cli.demo.bootstrap import EnvoyPlan
from remixer.cli.demo.envoy import find_envoy
from remixer.cli.demo.upstream import EchoService
from remixer.cli.lab.backend import INFO, NAMESPACE, configuration
from remixer.cli.lab.gate import Gate
from remixer.cli.lab.options import AvailabilityOptions
from remixer.cli.lab.processes import (
    AUTHZ,
    copied,
    host_port,
    started_envoy,
    started_server,
    without_check,
)
from remixer.drivers.http import AioHttpClient
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
        gate_at = await gate.start(host_port(backend.address))
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
            mixer = await started_server(
                stack,
                own / "remixer.log",
                ("--adapter-timeout", _ADAPTER_TIMEOUT, "--config-store", f"fs://{config}", *flags),
            )
            plan = EnvoyPlan(mixer=mixer, service=service_at, static_attributes=_ATTRIBUTES)
            envoys[name] = await started_envoy(stack, program, own, http, _patient(plan))
        tell("starting Envoy without a check")
        own = folder / "none"
        own.mkdir()
        plan = EnvoyPlan(mixer=service_at, service=service_at)
        envoys[NO_CHECK] = await started_envoy(stack, program, own, http, without_check(plan))
        yield LabMesh(gate, envoys)


def _patient(plan: EnvoyPlan) -> Mapping[str, Any]:
    """An Envoy that waits longer for checks than the demo's."""
    document, manager = copied(plan)
    for each in manager["http_filters"]:
        if each["name"] == AUTHZ:
            each["typed_config"]["grpc_service"]["timeout"] = _ENVOY_TIMEOUT
    return document
