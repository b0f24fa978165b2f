"""The parts of `remixer lab coldstart`: one cluster, and for each architecture its own Envoy."""

import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from remixer.cli.demo.envoy import EnvoyProcess, find_envoy
from remixer.cli.lab.coldstart_architectures import (
    Architecture,
    Surroundings,
    module_folder,
)
from remixer.cli.lab.coldstart_children import Cluster
from remixer.cli.lab.coldstart_envoys import BARE, Site, send_to_pod, with_bare_listener
from remixer.cli.lab.options import ColdstartOptions
from remixer.drivers.http import AioHttpClient
from remixer.transport.addresses import TcpAddress

WARM: Final = "warm"
"""The revision that is woken once, and stays awake."""
_ADMIN_S: Final = 5.0
_LONGEST_BYTES: Final = 64 * 1024
REHEARSALS: Final = 2
"""Wakes before those that count, so that connections and code are there."""


@dataclass(frozen=True, slots=True)
class Ingress:
    """An Envoy that runs."""

    at: TcpAddress
    bare: TcpAddress
    """Where it asks nobody: for revisions that are awake."""
    pid: int


@dataclass(frozen=True, slots=True)
class Arm:
    """One architecture that runs, and the names of its revisions, each for one purpose."""

    architecture: Architecture
    ingress: Ingress
    site: Site
    rehearsals: Sequence[str]
    wakes: Sequence[str]
    burst: str
    orphan: str
    """Asked for while there is no autoscaler."""
    decider: TcpAddress | None = None
    """Whom its Envoy asks."""

    def serves(self, name: str) -> None:
        """What a controller would do now: route around whoever held the request."""
        if self.architecture.is_routed_around:
            send_to_pod(self.site, name)


@dataclass(frozen=True, slots=True)
class ColdstartMesh:
    """Everything started."""

    cluster: Cluster
    arms: Sequence[Arm]


def revision_names(wakes: int) -> list[str]:
    """Rehearsals, wakes, burst, orphan."""
    return [
        *(f"rehearsal-{number}" for number in range(REHEARSALS)),
        *(f"wake-{number:04}" for number in range(wakes)),
        "burst",
        "orphan",
    ]


@asynccontextmanager
async def running_coldstart_lab(
    options: ColdstartOptions,
    architectures: Sequence[Architecture],
    *,
    folder: Path,
    tell: Callable[[str], None],
) -> AsyncIterator[ColdstartMesh]:
    """Stops in reverse. `folder` exists and belongs to the experiment."""
    program = find_envoy()
    async with AsyncExitStack() as stack:
        http = AioHttpClient()
        stack.push_async_callback(http.aclose)
        await http.start()
        tell("starting the cluster")
        names = revision_names(options.wakes)
        cluster = Cluster(log=folder / "cluster.log")
        stack.push_async_callback(cluster.aclose)
        everything = [f"{each.name}/{name}" for each in architectures for name in (WARM, *names)]
        await cluster.start(everything, pod_start_s=options.pod_start_s)
        start = _Starter(stack, program, http, module_folder(options))
        arms = []
        for each in architectures:
            tell(f"starting {each.title}")
            site = _site(folder / each.name, each.name, cluster, [WARM, *names])
            plan = await each.start(Surroundings(stack, cluster, site))
            ingress = await start.envoy(site.folder, plan.document)
            arms.append(_arm(each, ingress, site, names, plan.decider))
        yield ColdstartMesh(cluster, arms)


def _site(folder: Path, namespace: str, cluster: Cluster, names: Sequence[str]) -> Site:
    folder.mkdir()
    pods = {name: cluster.pods[f"{namespace}/{name}"] for name in names}
    return Site(namespace, pods, folder)


def _arm(
    architecture: Architecture,
    ingress: Ingress,
    site: Site,
    names: Sequence[str],
    decider: TcpAddress | None,
) -> Arm:
    *others, burst, orphan = names
    return Arm(
        architecture,
        ingress,
        site,
        rehearsals=others[:REHEARSALS],
        wakes=others[REHEARSALS:],
        burst=burst,
        orphan=orphan,
        decider=decider,
    )


@dataclass(frozen=True, slots=True)
class _Starter:
    """Starts Envoys that end with `stack`."""

    stack: AsyncExitStack
    program: str
    http: AioHttpClient
    modules: Path | None

    async def envoy(self, folder: Path, document: dict[str, Any]) -> Ingress:
        process = EnvoyProcess(
            program=self.program, folder=folder, http=self.http, modules=self.modules
        )
        self.stack.push_async_callback(process.aclose)
        config = folder / "bootstrap.json"
        config.write_text(json.dumps(with_bare_listener(document)))
        addresses = await process.start_with(config)
        bare = await self._bare_address(addresses.admin)
        return Ingress(addresses.service, bare, process.pid)

    async def _bare_address(self, admin: TcpAddress) -> TcpAddress:
        answer = await self.http.get(
            f"http://{admin}/listeners?format=json", timeout_s=_ADMIN_S, limit_bytes=_LONGEST_BYTES
        )
        listeners: Any = json.loads(answer.body)["listener_statuses"]
        (address,) = (each["local_address"] for each in listeners if each["name"] == BARE)
        told = address["socket_address"]
        return TcpAddress(told["address"], told["port_value"])
