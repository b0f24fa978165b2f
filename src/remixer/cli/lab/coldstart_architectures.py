"""The ways to wake an idle revision that are compared. A row here is a row of the table."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from remixer.cli.lab.coldstart_children import ActivatorProcess, Cluster
from remixer.cli.lab.coldstart_envoys import Site, asking_mixer, through_activator, with_filter
from remixer.cli.lab.coldstart_rules import (
    asked_themselves,
    told_by_kubernetes,
    write_rules,
)
from remixer.cli.lab.options import ColdstartOptions
from remixer.cli.lab.processes import started_server
from remixer.transport.addresses import TcpAddress

ACTIVATOR: Final = "activator"
RETRY: Final = "retry"
WATCHING_HOLD: Final = "hold-watch"
HOLD: Final = "hold"
FILTER_RETRY: Final = "filter-retry"
FILTER: Final = "filter"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What an architecture starts its parts in."""

    stack: AsyncExitStack
    cluster: Cluster
    site: Site


@dataclass(frozen=True, slots=True)
class Plan:
    """What an Envoy is to be."""

    document: dict[str, Any]
    """Its configuration."""
    decider: TcpAddress | None = None
    """Whom it asks: activator or Mixer."""


@dataclass(frozen=True, slots=True)
class Architecture:
    """One way. `start` starts what it needs besides Envoy."""

    name: str
    title: str
    start: Callable[[Surroundings], Awaitable[Plan]]
    is_routed_around: bool = False
    """Whether endpoints are to be changed once a revision serves."""
    needs_module: bool = False

    def missing(self, options: ColdstartOptions) -> str:
        """Why it cannot run here; `""` if it can."""
        if self.needs_module and not options.filters.is_file():
            return f"there is no {options.filters}: run `make filters`, or say --filters"
        return ""


async def _activator(parts: Surroundings) -> Plan:
    process = ActivatorProcess(log=parts.site.folder / "activator.log")
    parts.stack.push_async_callback(process.aclose)
    activator = await process.start(parts.cluster, namespace=parts.site.namespace)
    return Plan(through_activator(parts.site, activator), activator)


async def _mixer(parts: Surroundings, *, holds: bool, asks_pods: bool = False) -> TcpAddress:
    site, cluster = parts.site, parts.cluster
    readiness = (
        asked_themselves(site.namespace, site.pods)
        if asks_pods
        else told_by_kubernetes(
            site.folder, namespace=site.namespace, kubernetes=cluster.kubernetes
        )
    )
    rules = site.folder / "rules"
    write_rules(rules, autoscaler=cluster.autoscaler, readiness=readiness, holds=holds)
    flags = ("--config-store", f"fs://{rules}")
    return await started_server(parts.stack, site.folder / "remixer.log", flags)


async def _retry(parts: Surroundings) -> Plan:
    mixer = await _mixer(parts, holds=False)
    return Plan(asking_mixer(parts.site, mixer, retries=True), mixer)


async def _watching_hold(parts: Surroundings) -> Plan:
    mixer = await _mixer(parts, holds=True)
    return Plan(asking_mixer(parts.site, mixer, retries=False), mixer)


async def _hold(parts: Surroundings) -> Plan:
    mixer = await _mixer(parts, holds=True, asks_pods=True)
    return Plan(asking_mixer(parts.site, mixer, retries=False), mixer)


async def _filter_retry(parts: Surroundings) -> Plan:
    return Plan(with_filter(parts.site, parts.cluster.autoscaler, retries=True))


async def _filter(parts: Surroundings) -> Plan:
    return Plan(with_filter(parts.site, parts.cluster.autoscaler, retries=False))


ARCHITECTURES: Final = (
    Architecture(ACTIVATOR, "Activator", _activator, is_routed_around=True),
    Architecture(RETRY, "adapter, Envoy retries", _retry),
    Architecture(WATCHING_HOLD, "adapter holds, watches", _watching_hold),
    Architecture(HOLD, "adapter holds, probes", _hold),
    Architecture(FILTER_RETRY, "filter, Envoy retries", _filter_retry, needs_module=True),
    Architecture(FILTER, "filter holds", _filter, needs_module=True),
)


def chosen(options: ColdstartOptions) -> tuple[Sequence[Architecture], dict[str, str]]:
    """Those that run, and why others do not, by title."""
    wanted = [each for each in ARCHITECTURES if not options.only or each.name in options.only]
    missing = {each.title: why for each in wanted if (why := each.missing(options))}
    return [each for each in wanted if each.title not in missing], missing


def module_folder(options: ColdstartOptions) -> Path | None:
    """Where Envoy finds the filter."""
    return options.filters.resolve().parent if options.filters.is_file() else None
