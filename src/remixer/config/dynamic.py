"""Templates and adapters that operators bring as resources, decoded."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from remixer.config import kinds
from remixer.config.references import Directory
from remixer.sdk.adapter import AdapterInfo
from remixer.sdk.remote import RemoteAdapterFactory, RemoteParams
from remixer.templates.schema import Template
from remixer.wire.descriptor_schema import ParamsSchema, ServiceSchema


@dataclass(frozen=True, slots=True)
class DynamicTemplate:
    """A usable `template` resource."""

    template: Template
    service: ServiceSchema

    @property
    def name(self) -> str:
        """`metric.template.istio-system`."""
        return self.template.name


@dataclass(frozen=True, slots=True)
class DynamicAdapter:
    """A usable `adapter` resource."""

    info: AdapterInfo[RemoteParams]
    templates: Mapping[str, DynamicTemplate]
    params: ParamsSchema | None
    """None: it takes no parameters."""
    is_session_based: bool
    uses_sessions: bool


@dataclass(frozen=True, slots=True)
class Dynamic:
    """All of them, and who makes adapters; `factory` None: this process calls nobody."""

    factory: RemoteAdapterFactory | None = None
    templates: Directory[DynamicTemplate] = field(
        default_factory=lambda: Directory(kinds.TEMPLATE, {})
    )
    adapters: Directory[DynamicAdapter] = field(
        default_factory=lambda: Directory(kinds.ADAPTER, {})
    )
