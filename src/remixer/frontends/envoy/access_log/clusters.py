"""What a cluster's name tells of the service behind it."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

_ISTIO_PARTS: Final = 4  # direction|port|subset|host


@dataclass(frozen=True, slots=True)
class ServiceName:
    """Parts of a service's identity, as far as they are known."""

    name: str | None = None
    namespace: str | None = None
    host: str | None = None


@lru_cache(maxsize=1_024)  # pure; the same few clusters come with every request
def service_of(cluster: str) -> ServiceName:
    """Istio's `outbound|80||web.shop.svc.cluster.local` in parts; any other name is the name."""
    parts = cluster.split("|")
    if len(parts) != _ISTIO_PARTS:
        return ServiceName(name=cluster or None)
    host = parts[-1]
    if not host:
        return ServiceName()
    labels = host.split(".")
    if labels[2:3] == ["svc"]:
        return ServiceName(labels[0], labels[1], host)
    return ServiceName(host=host, name=host)
