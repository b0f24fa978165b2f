"""A whole bootstrap for an Envoy in front of Knative revisions, each setting with its reason."""

from collections.abc import Mapping
from typing import Final, assert_never

from remixer.cli.knative.commented import Because, Document
from remixer.cli.knative.envoy_clusters import CONTROL_PLANE, TYPES, clusters
from remixer.cli.knative.envoy_filters import AUTHZ, LUA, context_extensions, http_filters
from remixer.cli.knative.envoy_plan import (
    ANY_HOST,
    Endpoints,
    KnativeEnvoyPlan,
    Mode,
    Target,
)

LISTENER: Final = "service"
MANAGER: Final = "envoy.filters.network.http_connection_manager"
MANAGER_TYPE: Final = (
    "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
)
_TRIES_PER_S: Final = 30
"""With a flat pause of up to 100 ms Envoy tries 25 times a second; more, against chance."""
_LAG_S: Final = 5
"""How much later than its readiness every node knows a new endpoint, at worst."""
_RETRIED_BODY_BYTES: Final = 1024 * 1024
_IN_PLACE: Final = {
    Mode.RETRY: "The check wakes the revision and is answered at once; Envoy's router tries until "
    "the pod answers.",
    Mode.HOLD: "The check wakes the revision and is answered when it is ready.",
    Mode.LUA: "A script in Envoy asks Remixer to wake the revision; Envoy's router tries until the "
    "pod answers.",
    Mode.FILTER: "A filter of Envoy wakes the revision and lets the request go when it is ready; "
    "nobody is asked.",
}


def title(plan: KnativeEnvoyPlan) -> str:
    """The head of the file."""
    return (
        f"An Envoy in front of Knative revisions that may sleep; mode `{plan.mode}`, endpoints by "
        f"`{plan.endpoints}`.\n{_IN_PLACE[plan.mode]}\n"
        f"For pods that start within {plan.cold_start_s} s and {plan.held} requests that wait at "
        f"once.\nMade by `remixer knative envoy-config --mode {plan.mode} …`; tried with Envoy 1.40."
    )


def document(plan: KnativeEnvoyPlan) -> Mapping[str, Document]:
    """As Envoy reads it, with reasons."""
    whole: dict[str, Document] = {
        "node": {"id": "knative-gateway", "cluster": "knative-gateway"},
        "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 9901}}},
    }
    if plan.endpoints is Endpoints.EDS:
        services: Document = [{"envoy_grpc": {"cluster_name": CONTROL_PLANE}}]
        whole["dynamic_resources"] = {
            "ads_config": {
                "api_type": "GRPC",
                "transport_api_version": "V3",
                "grpc_services": services,
            }
        }
    whole["static_resources"] = {"listeners": [_listener(plan)], "clusters": clusters(plan)}
    return whole


def _listener(plan: KnativeEnvoyPlan) -> Document:
    config: dict[str, Document] = {
        "@type": TYPES + MANAGER_TYPE,
        "stat_prefix": "knative",
        "stream_idle_timeout": stream_idle_timeout(plan),
        "route_config": {
            "name": "knative",
            "virtual_hosts": [_virtual_host(target, plan) for target in plan.targets],
        },
        "http_filters": http_filters(plan),
    }
    return {
        "name": LISTENER,
        "address": {
            "socket_address": {"address": plan.listen.host, "port_value": plan.listen.port}
        },
        "filter_chains": [
            {
                "filters": [
                    {"name": MANAGER, "typed_config": config},
                ]
            }
        ],
    }


def stream_idle_timeout(plan: KnativeEnvoyPlan) -> Document:
    """Of the connection manager."""
    return Because(
        f"{plan.cold_start_s + plan.request_timeout_s}s",
        "A held request is an idle stream. Envoy's own 5 minutes would end those that wait long "
        "and then take long.",
    )


def _virtual_host(target: Target, plan: KnativeEnvoyPlan) -> Document:
    domains: list[Document] = []
    for name in target.hosts:
        domains += [name] if name == ANY_HOST else [name, f"{name}:*"]
    return {
        "name": target.cluster,
        "domains": domains,
        "routes": [{"match": {"prefix": "/"}, **route_settings(target, plan)}],
        **virtual_host_settings(target, plan),
    }


def virtual_host_settings(target: Target, plan: KnativeEnvoyPlan) -> dict[str, Document]:
    """What the virtual host of a revision needs beside its routes."""
    host: dict[str, Document] = {
        "request_body_buffer_limit": Because(
            _RETRIED_BODY_BYTES,
            "A request whose body is longer is sent once and never retried. Each one that waits "
            "may take so much memory.",
        ),
    }
    if plan.mode.checks:
        per_route = "envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute"
        host["typed_per_filter_config"] = {
            AUTHZ: {
                "@type": TYPES + per_route,
                "check_settings": {"context_extensions": context_extensions(target)},
            }
        }
    return host


def route_settings(target: Target, plan: KnativeEnvoyPlan) -> dict[str, Document]:
    """What a route of a revision needs beside its match."""
    settings: dict[str, Document] = {"route": _route(target, plan)}
    if plan.mode is Mode.LUA:
        settings["metadata"] = Because(
            {"filter_metadata": {LUA: {"revision": str(target.revision)}}},
            "Tells the script whose requests these are.",
        )
    return settings


def _route(target: Target, plan: KnativeEnvoyPlan) -> Document:
    return {
        "cluster": target.cluster,
        "timeout": _route_timeout(plan),
        "retry_policy": {
            "retry_on": Because(
                "connect-failure,refused-stream,reset-before-request",
                "Only what never reached the application: nothing is done twice.",
            ),
            "num_retries": _retries(plan),
            "retry_back_off": Because(
                {"base_interval": "0.1s", "max_interval": "0.1s"},
                "Flat: the pod is noticed 5 to 53 ms after it is up. Pauses that grow to 1 s "
                "notice it up to 0.9 s late. Each is cut by chance.",
            ),
        },
    }


def _route_timeout(plan: KnativeEnvoyPlan) -> Document:
    match plan.mode:
        case Mode.RETRY | Mode.LUA:
            return Because(
                f"{plan.cold_start_s + plan.request_timeout_s}s",
                "Includes all retries: the start of a pod and then the request. Envoy's own 15 s "
                "end many a start.",
            )
        case Mode.HOLD | Mode.FILTER:
            return Because(
                f"{plan.request_timeout_s}s",
                "Begins when the request goes on; the wait for the pod does not count.",
            )
        case _:
            assert_never(plan.mode)


def _retries(plan: KnativeEnvoyPlan) -> Document:
    if plan.mode.retries:
        return Because(
            plan.cold_start_s * _TRIES_PER_S,
            f"About 25 tries a second for {plan.cold_start_s} s, and some more, as pauses are cut "
            "by chance: the route's timeout is to end them. Envoy's own 1 is over in 25 ms.",
        )
    return Because(
        _LAG_S * _TRIES_PER_S,
        f"Not for the start of the pod: a node may know of its endpoint up to {_LAG_S} s later "
        "than whoever let the request go.",
    )
