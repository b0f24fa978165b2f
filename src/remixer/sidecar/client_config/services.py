"""A client's configuration in force: what holds for one service.

A service is looked for by the name of the destination; without an entry of its own it gets the
default one; without that there is neither check nor report. Specifications that bindings select
are added to those of the entry, by the name that was asked for.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from remixer.attributes.bag import Bag, PlainBag
from remixer.foundation.problems import Problem
from remixer.mixer.request import QuotaArgs
from remixer.sidecar.client_config.api_spec import ApiTable
from remixer.sidecar.client_config.attribute_layers import (
    Layers,
    LocalNode,
    forwarded_attributes,
    is_outbound,
    node_attributes,
)
from remixer.sidecar.client_config.attribute_values import values_of
from remixer.sidecar.client_config.bindings import Bindings
from remixer.sidecar.client_config.messages import (
    HttpClientConfig,
    ServiceConfig,
    TcpClientConfig,
)
from remixer.sidecar.client_config.quota_spec import QuotaTable
from remixer.wire.forwarded import encode_forwarded

MOST_VIEWS: Final = 1_000
"""Kept at once; as many as the original keeps."""
_NOTHING_FORWARDED: Final[Mapping[str, str]] = {}


@dataclass(frozen=True, slots=True)
class ServiceView:
    """What holds for requests to one service, or for TCP connections."""

    is_checked: bool
    is_reported: bool
    layers: Layers
    quota_table: QuotaTable
    reads_forwarded: bool = True
    """Whether a received `x-istio-attributes` counts."""
    forwarded: PlainBag = field(default_factory=PlainBag)
    """What is handed on."""
    forwarded_header: str | None = None
    """The same as the value of `x-istio-attributes`; None: send none."""

    def quotas(self, bag: Bag) -> dict[str, QuotaArgs]:
        """What a request is charged; `bag` is one of `bag_for`."""
        return self.quota_table.charges(bag)

    def bag_for(self, request: Bag, *, forwarded: Mapping[str, str] = _NOTHING_FORWARDED) -> Bag:
        """A request's attributes with those of all layers.

        `forwarded`: what `remixer.wire.forwarded.accepted` took of a header of somebody trusted.
        """
        return self.layers.over(request, forwarded if self.reads_forwarded else _NOTHING_FORWARDED)


class ClientConfig:
    """Everything that the operator of a client said. Keeps the views of services it was asked for.

    Raises `PatternError` and `TemplateError` for messages that `loading` would have refused.
    """

    __slots__ = ("_bindings", "_node", "_views", "http", "tcp", "warnings")

    def __init__(
        self,
        *,
        http: HttpClientConfig,
        tcp: TcpClientConfig | None = None,
        bindings: Bindings | None = None,
        node: LocalNode | None = None,
        warnings: tuple[Problem, ...] = (),
    ) -> None:
        self.http: Final = http
        self.tcp: Final = tcp or TcpClientConfig()
        self.warnings: Final = warnings
        """What the operator should know although everything is in force."""
        self._bindings = bindings or Bindings()
        self._node = node
        self._views: dict[object, ServiceView] = {}

    def for_service(self, name: str) -> ServiceView | None:
        """What holds for a destination; None: neither check nor report."""
        entry = name if name in self.http.service_configs else self.http.default_destination_service
        service = self.http.service_configs.get(entry)
        if service is None:
            return None
        # Names come from requests. Those that nothing tells apart share one view.
        key = (entry, self._bindings.selected(name))
        found = self._views.get(key)
        if found is None:
            found = self._http_view(service, name)
            self._keep(key, found)
        return found

    def for_connections(self) -> ServiceView:
        """What holds for TCP connections."""
        found = self._views.get(None)
        if found is None:
            found = self._tcp_view()
            self._keep(None, found)
        return found

    def _keep(self, key: object, view: ServiceView) -> None:
        if len(self._views) >= MOST_VIEWS:
            self._views.pop(next(iter(self._views)))
        self._views[key] = view

    def _http_view(self, service: ServiceConfig, name: str) -> ServiceView:
        http = self.http
        client = values_of(http.mixer_attributes)
        outbound = is_outbound(client)
        forwarded = forwarded_attributes(
            self._node,
            outbound=outbound,
            client=values_of(http.forward_attributes),
            service=values_of(service.forward_attributes),
        )
        selected = self._bindings.selected(name)
        quotas = (*service.quota_spec, *self._bindings.quota_specs(selected))
        apis = (*service.http_api_spec, *self._bindings.api_specs(selected))
        static = node_attributes(self._node, outbound=outbound) | client
        return ServiceView(
            is_checked=not service.disable_check_calls,
            is_reported=not service.disable_report_calls,
            layers=Layers(static | values_of(service.mixer_attributes), ApiTable(apis)),
            quota_table=QuotaTable(quotas),
            reads_forwarded=not http.ignore_forwarded_attributes,
            forwarded=forwarded,
            forwarded_header=encode_forwarded(forwarded) if forwarded else None,
        )

    def _tcp_view(self) -> ServiceView:
        tcp = self.tcp
        client = values_of(tcp.mixer_attributes)
        static = node_attributes(self._node, outbound=is_outbound(client)) | client
        return ServiceView(
            is_checked=not tcp.disable_check_calls,
            is_reported=not tcp.disable_report_calls,
            layers=Layers(static),
            quota_table=QuotaTable((tcp.connection_quota_spec,)),
            reads_forwarded=False,
        )


def everything_checked() -> HttpClientConfig:
    """The configuration of who says nothing of services: each is checked and reported."""
    return HttpClientConfig(
        service_configs={"default": ServiceConfig()}, default_destination_service="default"
    )
