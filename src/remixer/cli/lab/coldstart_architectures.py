"""The ways to wake an idle revision that are compared. A row here is a row of the table."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from remixer.cli.lab.coldstart_children import ActivatorProcess, Cluster
from remixer.cli.lab.coldstart_envoys import Site, asking_mixer, through_activator, with_filter
from remixer.cli.lab.coldstart_rules import HOLD_TIMEOUT, write_rules
from remixer.cli.lab.options import ColdstartOptions
from remixer.cli.lab.processes import started_server
from remixer.transport.addresses import TcpAddress

ACTIVATOR: Final = "activator"
RETRY: Final = "retry"
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
class Architecture:
    """One way. `start` starts what it needs and returns the configuration of its Envoy."""

    name: str
    title: str
    start: Callable[[Surroundings], Awaitable[dict[str, Any]]]
    is_routed_around: bool = False
    """Whether endpoints are to be changed once a revision serves."""
    needs_module: bool = False

    def missing(self, options: ColdstartOptions) -> str:
        """Why it cannot run here; `""` if it can."""
        if self.needs_module and not options.filters.is_file():
            return f"there is no {options.filters}: run `make filters`, or say --filters"
        return ""


async def _activator(parts: Surroundings) -> dict[str, Any]:
    process = ActivatorProcess(log=parts.site.folder / "activator.log")
    parts.stack.push_async_callback(process.aclose)
    return through_activator(
        parts.site, await process.start(parts.cluster, namespace=parts.site.namespace)
    )


async def _mixer(parts: Surroundings, *, holds: bool) -> TcpAddress:
    rules = parts.site.folder / "rules"
    cluster = parts.cluster
    write_rules(
        rules,
        namespace=parts.site.namespace,
        autoscaler=cluster.autoscaler,
        kubernetes=cluster.kubernetes,
        holds=holds,
    )
    flags = ("--config-store", f"fs://{rules}", "--adapter-timeout", HOLD_TIMEOUT)
    return await started_server(parts.stack, parts.site.folder / "remixer.log", flags)


async def _retry(parts: Surroundings) -> dict[str, Any]:
    return asking_mixer(parts.site, await _mixer(parts, holds=False), retries=True)


async def _hold(parts: Surroundings) -> dict[str, Any]:
    return asking_mixer(parts.site, await _mixer(parts, holds=True), retries=False)


async def _filter_retry(parts: Surroundings) -> dict[str, Any]:
    return with_filter(parts.site, parts.cluster.autoscaler, retries=True)


async def _filter(parts: Surroundings) -> dict[str, Any]:
    return with_filter(parts.site, parts.cluster.autoscaler, retries=False)


ARCHITECTURES: Final = (
    Architecture(ACTIVATOR, "Activator", _activator, is_routed_around=True),
    Architecture(RETRY, "adapter, Envoy retries", _retry),
    Architecture(HOLD, "adapter, Check holds", _hold),
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
