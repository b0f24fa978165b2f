"""What an Envoy in front of Knative revisions is to do, as the operator says it."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from remixer.adapters.kactivator.readiness import Revision
from remixer.transport.addresses import TcpAddress

ANY_HOST: Final = "*"
_EVERYBODY: Final = TcpAddress("0.0.0.0", 10000)  # noqa: S104 - a gateway's address
_MIXER: Final = TcpAddress("remixer.remixer.svc.cluster.local", 9091)
_ACTIVATE: Final = TcpAddress("remixer.remixer.svc.cluster.local", 9095)
_CONTROL_PLANE: Final = TcpAddress("control-plane.example.com", 18000)


class Mode(StrEnum):
    """Where a request waits while its pod starts."""

    RETRY = "retry"
    """In Envoy's router, which tries again and again; the check only wakes."""
    HOLD = "hold"
    """In the check, which is answered when the revision is ready."""
    FILTER = "filter"
    """In a filter of Envoy's own; no Mixer is asked."""
    LUA = "lua"
    """In Envoy's router; a script in Envoy asks Remixer to wake."""

    @property
    def retries(self) -> bool:
        """Whether Envoy's router tries until the pod answers."""
        return self in {Mode.RETRY, Mode.LUA}

    @property
    def checks(self) -> bool:
        """Whether Remixer is asked before each request."""
        return self in {Mode.RETRY, Mode.HOLD}


class FileFormat(StrEnum):
    """How the settings are written."""

    YAML = "yaml"
    """A bootstrap, with reasons."""
    JSON = "json"
    """The same without."""
    ENVOY_FILTER = "envoy-filter"
    """Istio's resource, with reasons."""


class Endpoints(StrEnum):
    """How Envoy finds the pods."""

    SERVICE = "service"
    """By the address of the private Kubernetes service, which refuses while there is no pod."""
    EDS = "eds"
    """From a control plane."""
    ORIGINAL_DST = "original-dst"
    """From a header that comes with the grant."""


@dataclass(frozen=True, slots=True)
class Target:
    """A revision and the hosts that requests for it name."""

    revision: Revision
    hosts: tuple[str, ...] = (ANY_HOST,)

    @property
    def cluster(self) -> str:
        return f"{self.revision.namespace}.{self.revision.name}"

    @property
    def private_service(self) -> str:
        return f"{self.revision.name}-private"

    @property
    def private_host(self) -> str:
        return f"{self.private_service}.{self.revision.namespace}.svc.cluster.local"


@dataclass(frozen=True, slots=True)
class KnativeEnvoyPlan:
    """Everything that the settings follow from."""

    mode: Mode
    targets: Sequence[Target]
    endpoints: Endpoints = Endpoints.SERVICE
    cold_start_s: int = 60
    """The longest start of a pod that is waited for."""
    request_timeout_s: int = 300
    """What a request may take once it reached its pod; Knative's own default."""
    held: int = 1024
    """Requests that wait at once."""
    listen: TcpAddress = _EVERYBODY
    mixer: TcpAddress = _MIXER
    activate: TcpAddress = _ACTIVATE
    """Where Remixer is told to wake a revision, by `LUA`."""
    script: str = ""
    """For `LUA`: the text of `filters/activate.lua`."""
    control_plane: TcpAddress = _CONTROL_PLANE
    autoscaler: str = "ws://autoscaler.knative-serving.svc.cluster.local:8080"
    pod_port: int = 80
    """Of the private service."""
