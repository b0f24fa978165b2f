"""The same settings as an `EnvoyFilter`, for the gateways of Istio.

Istio's own cluster of a service has the endpoints that its control plane knows: none while the
revision sleeps, and a cluster without endpoints fails at once. So each revision gets a cluster of
its own, and the routes of its hosts are sent there.
"""

from collections.abc import Iterator, Mapping
from typing import Final, cast

from remixer.cli.knative.commented import Because, Document
from remixer.cli.knative.envoy_clusters import TYPES, clusters
from remixer.cli.knative.envoy_document import (
    MANAGER,
    MANAGER_TYPE,
    route_settings,
    stream_idle_timeout,
)
from remixer.cli.knative.envoy_document import virtual_host_settings as host_settings
from remixer.cli.knative.envoy_filters import http_filters
from remixer.cli.knative.envoy_plan import KnativeEnvoyPlan, Target

_ROUTER: Final = "envoy.filters.http.router"
_GATEWAY: Final = "GATEWAY"
_HTTP_PORT: Final = 80


def envoy_filter(plan: KnativeEnvoyPlan) -> Mapping[str, Document]:
    """The whole resource."""
    return {
        "apiVersion": "networking.istio.io/v1alpha3",
        "kind": "EnvoyFilter",
        "metadata": {"name": f"knative-{plan.mode}", "namespace": "istio-system"},
        "spec": {
            "workloadSelector": {"labels": {"istio": "ingressgateway"}},
            "configPatches": list(_patches(plan)),
        },
    }


def _patches(plan: KnativeEnvoyPlan) -> Iterator[Document]:
    for cluster in clusters(plan):
        yield _patch("CLUSTER", "ADD", cluster)
    for each in http_filters(plan):
        bare = each.value if isinstance(each, Because) else each
        if cast("Mapping[str, Document]", bare)["name"] != _ROUTER:
            yield _patch("HTTP_FILTER", "INSERT_BEFORE", each, _in_manager(before=_ROUTER))
    timeout: dict[str, Document] = {
        "@type": TYPES + MANAGER_TYPE,
        "stream_idle_timeout": stream_idle_timeout(plan),
    }
    manager: Document = {"name": MANAGER, "typed_config": timeout}
    yield _patch("NETWORK_FILTER", "MERGE", manager, _in_manager())
    for target in plan.targets:
        for host in target.hosts:
            yield from _host_patches(target, host, plan)


def _host_patches(target: Target, host: str, plan: KnativeEnvoyPlan) -> Iterator[Document]:
    name = Because(f"{host}:{_HTTP_PORT}", "As Istio names it: the host and the gateway's port.")
    yield _patch("VIRTUAL_HOST", "MERGE", host_settings(target, plan), _at_host({"name": name}))
    found: Document = {"name": f"{host}:{_HTTP_PORT}", "route": {"action": "ROUTE"}}
    yield _patch("HTTP_ROUTE", "MERGE", route_settings(target, plan), _at_host(found))


def _patch(
    applies_to: str, operation: str, value: Document, where: Mapping[str, Document] | None = None
) -> Document:
    return {
        "applyTo": applies_to,
        "match": {"context": _GATEWAY, **(where or {})},
        "patch": {"operation": operation, "value": value},
    }


def _in_manager(*, before: str = "") -> Mapping[str, Document]:
    found: dict[str, Document] = {"name": MANAGER}
    if before:
        found["subFilter"] = {"name": before}
    return {"listener": {"filterChain": {"filter": found}}}


def _at_host(host: Document) -> Mapping[str, Document]:
    return {"routeConfiguration": {"vhost": host}}
