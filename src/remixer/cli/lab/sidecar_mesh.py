"""The parts of `remixer lab sidecar`: a Mixer, a sidecar, and three Envoys before them.

No service: Envoy answers what may pass by itself, so that only Envoy and whom it asks take time.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from remixer.cli.demo.bootstrap import EnvoyPlan
from remixer.cli.demo.envoy import find_envoy
from remixer.cli.lab.call_counts import CallCounts, call_counts
from remixer.cli.lab.guests import NAMESPACE, configuration
from remixer.cli.lab.processes import (
    Listening,
    RemixerProcess,
    copied,
    forget_mixer,
    host_port,
    started_envoy,
)
from remixer.drivers.http import AioHttpClient
from remixer.transport.addresses import Address, TcpAddress, UnixAddress

ALONE: Final = "Envoy alone"
DIRECT: Final = "Envoy → Mixer"
SIDECAR: Final = "Envoy → sidecar"

_ATTRIBUTES: Final = {"context.reporter.kind": "inbound", "destination.namespace": NAMESPACE}
_NOWHERE: Final = TcpAddress("127.0.0.1", 1)
_ANSWER: Final = {"status": 200, "body": {"inline_string": "allowed\n"}}
_PAGE_BYTES: Final = 4 << 20
_PAGE_S: Final = 10.0


@dataclass(slots=True)
class SidecarMesh:
    """Everything started."""

    envoys: Mapping[str, TcpAddress]
    mixer_at: TcpAddress
    mixer: RemixerProcess
    mixer_flags: tuple[str, ...]
    mixer_pages: TcpAddress
    sidecar_pages: TcpAddress
    http: AioHttpClient

    async def stop_mixer(self) -> None:
        """At once; nobody is told."""
        await self.mixer.kill()

    async def start_mixer(self) -> None:
        """Again, where it was."""
        self.mixer_pages = (await self.mixer.start(self.mixer_flags)).monitoring

    async def counts(self) -> CallCounts:
        """While the Mixer runs."""
        return call_counts(await self._page(self.mixer_pages), await self._page(self.sidecar_pages))

    async def _page(self, at: TcpAddress) -> str:
        answer = await self.http.get(
            f"http://{at}/metrics", timeout_s=_PAGE_S, limit_bytes=_PAGE_BYTES
        )
        return answer.body.decode()


@asynccontextmanager
async def running_sidecar_lab(
    folder: Path, *, tell: Callable[[str], None]
) -> AsyncIterator[SidecarMesh]:
    """Stops in reverse. `folder` exists and belongs to the experiment."""
    program = find_envoy()
    config, sockets = folder / "config", folder / "sockets"
    for each in (config, sockets):
        each.mkdir()
    (config / "lab.yaml").write_text(configuration())
    mixer_socket = UnixAddress(str(sockets / "mixer"))
    sidecar_socket = UnixAddress(str(sockets / "sidecar"))
    async with AsyncExitStack() as stack:
        http = AioHttpClient()
        stack.push_async_callback(http.aclose)
        await http.start()
        tell("starting the Mixer")
        flags = ("--config-store", f"fs://{config}", "--address", str(mixer_socket))
        mixer = RemixerProcess("serve", folder / "mixer.log")
        stack.push_async_callback(mixer.aclose)
        # Envoy asks over TCP, as it would another machine; the socket stays when the Mixer goes.
        started = await mixer.start((*flags, "--address", "127.0.0.1:0"))
        mixer_at = host_port(next(each for each in started.grpc if not each.startswith("unix:")))
        tell("starting the sidecar")
        agent = await _sidecar(stack, folder, mixer_socket, sidecar_socket)
        asked: Mapping[str, Address | None] = {
            ALONE: None,
            DIRECT: mixer_at,
            SIDECAR: sidecar_socket,
        }
        envoys: dict[str, TcpAddress] = {}
        for number, (name, whom) in enumerate(asked.items()):
            tell(f"starting {name}")
            own = folder / str(number)
            own.mkdir()
            envoys[name] = await started_envoy(stack, program, own, http, _document(whom))
        yield SidecarMesh(
            envoys=envoys,
            mixer_at=mixer_at,
            mixer=mixer,
            mixer_flags=(*flags, "--address", str(mixer_at)),
            mixer_pages=started.monitoring,
            sidecar_pages=agent.monitoring,
            http=http,
        )


async def _sidecar(
    stack: AsyncExitStack, folder: Path, mixer: UnixAddress, address: UnixAddress
) -> Listening:
    sidecar = RemixerProcess("sidecar", folder / "sidecar.log")
    stack.push_async_callback(sidecar.aclose)
    return await sidecar.start(("--mixer", str(mixer), "--address", str(address)))


def _document(asked: Address | None) -> dict[str, Any]:
    plan = EnvoyPlan(mixer=asked or _NOWHERE, service=_NOWHERE, static_attributes=_ATTRIBUTES)
    document, manager = copied(plan)
    for host in manager["route_config"]["virtual_hosts"]:
        host["routes"] = [{"match": {"prefix": "/"}, "direct_response": _ANSWER}]
    if asked is None:
        forget_mixer(manager)
    return document
