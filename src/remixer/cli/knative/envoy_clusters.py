"""The clusters of an Envoy in front of Knative revisions."""

from typing import Final, assert_never

from remixer.cli.knative.commented import Because, Document
from remixer.cli.knative.envoy_plan import Endpoints, KnativeEnvoyPlan, Mode, Target
from remixer.transport.addresses import TcpAddress

TYPES: Final = "type.googleapis.com/"
MIXER: Final = "remixer"
ACTIVATE: Final = "remixer_activate"
"""As the script calls it."""
CONTROL_PLANE: Final = "control-plane"
_HTTP_OPTIONS: Final = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def clusters(plan: KnativeEnvoyPlan) -> list[Document]:
    """One per revision, and those of who is asked."""
    asked: list[Document] = []
    if plan.mode.checks:
        asked.append(_mixer(plan))
    if plan.mode is Mode.LUA:
        asked.append(_activate(plan))
    if plan.endpoints is Endpoints.EDS:
        asked.append(_control_plane(plan))
    return [*(_revision(target, plan) for target in plan.targets), *asked]


def _revision(target: Target, plan: KnativeEnvoyPlan) -> Document:
    return {
        "name": target.cluster,
        "connect_timeout": _connect_timeout(plan),
        **_endpoints(target, plan),
        "circuit_breakers": {"thresholds": [_breaker(plan)]},
    }


def _connect_timeout(plan: KnativeEnvoyPlan) -> Document:
    if plan.mode.retries:
        return Because(
            "0.25s",
            "Where packets to an address without pods are dropped instead of refused, each try "
            "costs this much. Longer than any way to a node and back.",
        )
    return "1s"


def _breaker(plan: KnativeEnvoyPlan) -> Document:
    return {
        "max_retries": Because(
            plan.held,
            "Retries under way at once. Envoy's own 3 let three of ten held requests succeed and "
            "fail the others at once.",
        ),
        "max_pending_requests": Because(
            plan.held,
            "All who waited go on in the same instant, before there is one connection. Envoy's "
            "own bound is 1024.",
        ),
        "max_requests": plan.held,
        "max_connections": Because(
            plan.held, "Over HTTP/1.1 each request under way has a connection of its own."
        ),
    }


def _endpoints(target: Target, plan: KnativeEnvoyPlan) -> dict[str, Document]:
    match plan.endpoints:
        case Endpoints.SERVICE:
            return _by_service(target, plan)
        case Endpoints.EDS:
            return _by_control_plane(target)
        case Endpoints.ORIGINAL_DST:
            return _by_header()
        case _:
            assert_never(plan.endpoints)


def _by_service(target: Target, plan: KnativeEnvoyPlan) -> dict[str, Document]:
    address = TcpAddress(target.private_host, plan.pod_port)
    return {
        "type": Because(
            "STRICT_DNS",
            "The private service of the revision: its one address is always known, and refuses "
            "while there is no pod, which is retried. The public service would answer with "
            "Knative's Activator; a cluster without endpoints fails at once and is never retried.",
        ),
        "load_assignment": _assignment(target.cluster, address),
    }


def _by_control_plane(target: Target) -> dict[str, Document]:
    return {
        "type": "EDS",
        "eds_cluster_config": {
            "service_name": target.private_host,
            "eds_config": {
                "resource_api_version": "V3",
                "ads": {},
                "initial_fetch_timeout": Because(
                    "1s",
                    "A sleeping revision may have no endpoints to tell of. Envoy's own 15 s would "
                    "hold up the start, and every change of this cluster, for so long.",
                ),
            },
        },
    }


def _by_header() -> dict[str, Document]:
    return {
        "type": Because(
            "ORIGINAL_DST",
            "The pod's ip:port comes with the grant, so no endpoint must have reached Envoy "
            "before: whoever grants sets x-envoy-original-dst-host (in Remixer a rule's "
            "request_header_operations).",
        ),
        "lb_policy": "CLUSTER_PROVIDED",
        "original_dst_lb_config": {"use_http_header": True},
        "cleanup_interval": Because("60s", "A pod's address is forgotten after it, when unused."),
    }


def _mixer(plan: KnativeEnvoyPlan) -> Document:
    thresholds: dict[str, Document] = {
        "max_requests": Because(
            plan.held if plan.mode is Mode.HOLD else 1024,
            "Every held request is a check under way."
            if plan.mode is Mode.HOLD
            else "Checks are answered at once; Envoy's own bound suffices.",
        ),
    }
    if plan.mode is Mode.HOLD:
        thresholds["max_pending_requests"] = Because(
            plan.held, "As many may come before the connection is made."
        )
    return {
        "name": MIXER,
        "type": "STRICT_DNS",
        "connect_timeout": "1s",
        "load_assignment": _assignment(MIXER, plan.mixer),
        "circuit_breakers": {"thresholds": [thresholds]},
        "typed_extension_protocol_options": _http2(),
    }


def _activate(plan: KnativeEnvoyPlan) -> Document:
    return {
        "name": Because(ACTIVATE, "Remixer's --activate-address, over HTTP/1.1."),
        "type": "STRICT_DNS",
        "connect_timeout": "1s",
        "load_assignment": _assignment(ACTIVATE, plan.activate),
    }


def _control_plane(plan: KnativeEnvoyPlan) -> Document:
    return {
        "name": CONTROL_PLANE,
        "type": "STRICT_DNS",
        "connect_timeout": "1s",
        "load_assignment": _assignment(CONTROL_PLANE, plan.control_plane),
        "typed_extension_protocol_options": _http2(),
    }


def _http2() -> Document:
    options: dict[str, Document] = {
        "@type": TYPES + _HTTP_OPTIONS,
        "explicit_http_config": {"http2_protocol_options": {}},
    }
    return {_HTTP_OPTIONS: options}


def _assignment(cluster: str, at: TcpAddress) -> Document:
    endpoint: Document = {
        "endpoint": {"address": {"socket_address": {"address": at.host, "port_value": at.port}}}
    }
    return {"cluster_name": cluster, "endpoints": [{"lb_endpoints": [endpoint]}]}
