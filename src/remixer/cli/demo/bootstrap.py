"""Envoy's bootstrap for the demo, as data: one HTTP listener in front of one service.

`deploy/envoy/remixer.yaml` is the same for operators, with fixed ports and more comments. Two
things are the demo's own: ports that Envoy chooses, and a filter that shows the decision as
response headers. Envoy reads JSON as YAML, so a JSON document is what it gets.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias, assert_never

from remixer.transport.addresses import Address, TcpAddress, UnixAddress

Json: TypeAlias = "str | int | float | bool | Sequence[Json] | Mapping[str, Json]"

LISTENER: Final = "service"
DECISION_HEADERS: Final[Mapping[str, str]] = {
    "x-remixer-decision": "decision",
    "x-remixer-rule": "rule",
    "x-remixer-handler": "handler",
}
"""Response header to the field of the decision's metadata that it shows."""

_ANY_PORT: Final = TcpAddress("127.0.0.1", 0)
_TYPES: Final = "type.googleapis.com/"
_MIXER: Final = "remixer"
_SERVICE: Final = "service"
_AUTHZ: Final = "envoy.filters.http.ext_authz"


@dataclass(frozen=True, slots=True)
class EnvoyPlan:
    """What an Envoy of the demo is told."""

    mixer: Address
    service: TcpAddress
    listen: TcpAddress = _ANY_PORT
    static_attributes: Mapping[str, str] = field(default_factory=dict)
    """What Envoy cannot know and every check and log entry shall say."""
    node_metadata: Mapping[str, Json] = field(default_factory=dict)
    status_on_error: int = 503


def bootstrap(plan: EnvoyPlan) -> Mapping[str, Json]:
    """The whole document."""
    return {
        "node": {"id": "remixer-demo", "cluster": "demo", "metadata": plan.node_metadata},
        "admin": {"address": _address(_ANY_PORT)},
        "static_resources": {
            "listeners": [_listener(plan)],
            "clusters": [
                _cluster(_MIXER, plan.mixer, speaks_http2=True),
                _cluster(_SERVICE, plan.service, speaks_http2=False),
            ],
        },
    }


def _typed(name: str, message: str, config: Mapping[str, Json]) -> dict[str, Json]:
    return {"name": name, "typed_config": {"@type": _TYPES + message, **config}}


def _address(at: Address) -> Json:
    match at:
        case TcpAddress():
            return {"socket_address": {"address": at.host, "port_value": at.port}}
        case UnixAddress():
            return {"pipe": {"path": at.path}}
        case _:
            assert_never(at)


def _cluster(name: str, at: Address, *, speaks_http2: bool) -> Json:
    endpoint: Json = {"endpoint": {"address": _address(at)}}
    cluster: dict[str, Json] = {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
    }
    if speaks_http2:
        options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
        cluster["typed_extension_protocol_options"] = {
            options: {
                "@type": _TYPES + options,
                "explicit_http_config": {"http2_protocol_options": {}},
            }
        }
    return cluster


def _listener(plan: EnvoyPlan) -> Json:
    manager = _typed(
        "envoy.filters.network.http_connection_manager",
        "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        {
            "stat_prefix": "demo",
            # So that a response can be found in the access log.
            "always_set_request_id_in_response": True,
            "access_log": [_access_log(plan)],
            "route_config": _routes(plan),
            "http_filters": [_show_decision(), _ext_authz(plan), _router()],
        },
    )
    return {
        "name": LISTENER,
        "address": _address(plan.listen),
        # A port that somebody else serves must be an error, not a port shared with him.
        "enable_reuse_port": False,
        "filter_chains": [{"filters": [manager]}],
    }


def _mixer_service(timeout: str) -> Json:
    return {"envoy_grpc": {"cluster_name": _MIXER}, "timeout": timeout}


def _ext_authz(plan: EnvoyPlan) -> Json:
    return _typed(
        _AUTHZ,
        "envoy.extensions.filters.http.ext_authz.v3.ExtAuthz",
        {
            "transport_api_version": "V3",
            "grpc_service": _mixer_service("1s"),
            "status_on_error": {"code": plan.status_on_error},
            "include_tls_session": True,
        },
    )


def _access_log(plan: EnvoyPlan) -> Json:
    tags: list[Json] = [
        {"tag": name, "literal": {"value": value}} for name, value in plan.static_attributes.items()
    ]
    return _typed(
        "envoy.access_loggers.http_grpc",
        "envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig",
        {
            "common_config": {
                "log_name": "demo",
                "transport_api_version": "V3",
                "grpc_service": _mixer_service("0s"),
                "buffer_flush_interval": "0.1s",
                "custom_tags": tags,
            },
            "additional_request_headers_to_log": ["content-type", "x-user"],
            "additional_response_headers_to_log": ["grpc-status", "grpc-message"],
            "additional_response_trailers_to_log": ["grpc-status", "grpc-message"],
        },
    )


def _routes(plan: EnvoyPlan) -> Json:
    per_route = "envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute"
    return {
        "name": "demo",
        "virtual_hosts": [
            {
                "name": "demo",
                "domains": ["*"],
                "routes": [{"match": {"prefix": "/"}, "route": {"cluster": _SERVICE}}],
                "typed_per_filter_config": {
                    _AUTHZ: {
                        "@type": _TYPES + per_route,
                        "check_settings": {"context_extensions": plan.static_attributes},
                    }
                },
            }
        ],
    }


def _show_decision() -> Json:
    """Puts the decision's metadata on responses, refusals included: it stands first in line."""
    mutations: list[Json] = [
        {
            "append": {
                "header": {"key": header, "value": f"%DYNAMIC_METADATA({_AUTHZ}:{name})%"},
                "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
            }
        }
        for header, name in DECISION_HEADERS.items()
    ]
    return _typed(
        "envoy.filters.http.header_mutation",
        "envoy.extensions.filters.http.header_mutation.v3.HeaderMutation",
        {"mutations": {"response_mutations": mutations}},
    )


def _router() -> Json:
    return _typed("envoy.filters.http.router", "envoy.extensions.filters.http.router.v3.Router", {})
