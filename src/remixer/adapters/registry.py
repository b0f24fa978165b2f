"""Which adapters there are: those that come with Remixer, and those that others installed.

A package offers an adapter by an entry point in the group `remixer.adapters` that names its
`AdapterInfo`:

    [project.entry-points."remixer.adapters"]
    geofence = "geofence.adapter:INFO"

One that cannot be loaded is a fault to show; it never keeps the process from starting.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, is_dataclass
from typing import Any, Final

from remixer.adapters import (
    bypass,
    cloudwatch,
    denier,
    dogstatsd,
    fluentd,
    kactivator,
    kubernetesenv,
    listchecker,
    memquota,
    noop,
    opa,
    otlp,
    prometheus,
    rbac,
    redisquota,
    statsd,
    stdio,
    zipkin,
)
from remixer.sdk import AdapterInfo
from remixer.templates.registry import PluginFault, PluginSource, installed, load_plugins

ADAPTER_GROUP: Final = "remixer.adapters"

BUILTIN_ADAPTERS: Final[tuple[AdapterInfo[Any], ...]] = (
    bypass.INFO,
    cloudwatch.INFO,
    denier.INFO,
    dogstatsd.INFO,
    fluentd.INFO,
    kactivator.INFO,
    kubernetesenv.INFO,
    listchecker.INFO,
    memquota.INFO,
    noop.INFO,
    opa.INFO,
    otlp.INFO,
    prometheus.INFO,
    rbac.INFO,
    redisquota.INFO,
    statsd.INFO,
    stdio.INFO,
    zipkin.INFO,
)


@dataclass(frozen=True, slots=True)
class AdapterRegistry:
    """Adapters by name, sorted, and the faults of those left out."""

    adapters: Mapping[str, AdapterInfo[Any]]
    faults: tuple[PluginFault, ...] = ()


def load_adapters(sources: Iterable[PluginSource] | None = None) -> AdapterRegistry:
    """Built-in adapters and third parties'; `sources` None means: the installed ones.

    A name that is taken already is a fault of the newcomer.
    """
    points = installed(ADAPTER_GROUP) if sources is None else sources
    plugins = load_plugins(ADAPTER_GROUP, AdapterInfo, points)
    adapters: dict[str, AdapterInfo[Any]] = {info.name: info for info in BUILTIN_ADAPTERS}
    faults = list(plugins.faults)
    for source, info in plugins.loaded:
        reason = next(faults_of(info), "")
        if not reason and info.name in adapters:
            reason = f"another adapter is named `{info.name}`"
        if reason:
            faults.append(PluginFault(ADAPTER_GROUP, source.name, source.value, reason))
        else:
            adapters[info.name] = info
    return AdapterRegistry(dict(sorted(adapters.items())), tuple(faults))


def faults_of(info: AdapterInfo[Any]) -> Iterator[str]:
    """What makes an adapter unusable, found before a handler names it."""
    if not info.name.isidentifier():
        yield f"the adapter name `{info.name}` is no identifier"
    if not info.templates:
        yield f"adapter `{info.name}` takes no template"
    if not is_dataclass(info.defaults) or isinstance(info.defaults, type):
        yield f"the defaults of `{info.name}` are no instance of a dataclass"
