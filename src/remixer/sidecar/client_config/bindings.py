"""Which specifications hold for which services, as Kubernetes has it said.

A binding selects services by full host name (`service`, or `name` in a namespace and domain), all
of them (`*`), or those of a namespace (`*.ns.*`). A specification that several bindings give to one
service holds once. Order is that of the files.

Source: Istio's control plane, release 1.3 and later, for both kinds of bindings.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from remixer.sidecar.client_config.messages import HTTPAPISpec, IstioService, QuotaSpec

_DOMAIN: Final = "svc.cluster.local"
_ALL: Final = "*"


@dataclass(frozen=True, slots=True)
class Selector:
    """Hosts: one by name, or all that contain a text."""

    host: str = ""
    part: str | None = None


@dataclass(frozen=True, slots=True)
class BoundSpec:
    """A specification and the services that bindings give it to."""

    spec: QuotaSpec | HTTPAPISpec
    selectors: tuple[Selector, ...]


class Bindings:
    """All bound specifications. Immutable."""

    __slots__ = ("_by_host", "_by_part", "_specs")

    def __init__(self, bound: Iterable[BoundSpec] = ()) -> None:
        self._specs: Sequence[BoundSpec] = tuple(bound)
        self._by_host: dict[str, list[int]] = {}
        self._by_part: list[tuple[str, int]] = []
        for index, each in enumerate(self._specs):
            for selector in each.selectors:
                if selector.part is not None:
                    self._by_part.append((selector.part, index))
                else:
                    self._by_host.setdefault(selector.host, []).append(index)

    def selected(self, host: str) -> tuple[int, ...]:
        """The specifications that hold for a service, as numbers in order."""
        found = set(self._by_host.get(host, ()))
        found.update(index for part, index in self._by_part if part in host)
        return tuple(sorted(found))

    def quota_specs(self, selected: Iterable[int]) -> list[QuotaSpec]:
        specs = (self._specs[index].spec for index in selected)
        return [each for each in specs if isinstance(each, QuotaSpec)]

    def api_specs(self, selected: Iterable[int]) -> list[HTTPAPISpec]:
        specs = (self._specs[index].spec for index in selected)
        return [each for each in specs if isinstance(each, HTTPAPISpec)]


def selector_of(service: IstioService, *, namespace: str) -> Selector | None:
    """`namespace`: that of the binding. None if the service is named in a way that selects none."""
    if not service.service:
        if not service.name or _ALL in service.name:
            return None
        domain = service.domain or _DOMAIN
        return Selector(f"{service.name}.{service.namespace or namespace}.{domain}")
    text = service.service
    if text == _ALL:
        return Selector(part="")
    inner = text[1:-1]
    if text.startswith("*.") and text.endswith(".*") and inner.strip(".") and _ALL not in inner:
        return Selector(part=inner)
    return None if _ALL in text else Selector(text)
