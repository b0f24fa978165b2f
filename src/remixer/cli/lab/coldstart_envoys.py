"""Envoy's configuration for each way of waking: one virtual host and one cluster per revision.

What differs stands here next to each other: who is asked, where a request is sent that comes for
an idle revision, and who sends it again.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from remixer.cli.demo.bootstrap import EnvoyPlan
from remixer.cli.lab.coldstart_rules import attributes_of
from remixer.cli.lab.processes import AUTHZ, copied
from remixer.transport.addresses import TcpAddress

Json = dict[str, Any]

MODULE: Final = "remixer_envoy"
"""As Envoy names it: the file is `libremixer_envoy.so`."""
BARE: Final = "bare"
"""The listener where nobody is asked."""
MOST_HELD: Final = 10_000
_PATIENCE: Final = "120s"
_BACK_OFF: Final = "0.1s"
"""Flat: for starts of seconds better than one that doubles."""
_NOWHERE: Final = TcpAddress("127.0.0.1", 1)
_TYPES: Final = "type.googleapis.com/"
_MODULE_FILTER: Final = "envoy.extensions.filters.http.dynamic_modules.v3.DynamicModuleFilter"


@dataclass(frozen=True, slots=True)
class Site:
    """What an Envoy is told of: revisions by name, and where their pods are or will be."""

    namespace: str
    """Of all its revisions. One for each Envoy: nobody hears of another's pods."""
    pods: Mapping[str, TcpAddress]
    folder: Path
    """Of this Envoy."""

    def key(self, name: str) -> str:
        """As the autoscaler knows the revision."""
        return f"{self.namespace}/{name}"


def host_of(name: str) -> str:
    """What a client writes in `host`."""
    return f"{name}.lab"


def through_activator(site: Site, activator: TcpAddress) -> Json:
    """Endpoints are the activator until `send_to_pod`: routes never change, as with Knative."""
    document, manager = _document(site)
    manager["http_filters"] = manager["http_filters"][-1:]
    clusters = []
    for name in site.pods:
        clusters.append(_discovered(site, name))
        _write_endpoints(site, name, activator)
    _finish(document, manager, site, clusters, {"timeout": "0s"})
    for host in manager["route_config"]["virtual_hosts"]:
        host["request_headers_to_add"] = [
            _header("Knative-Serving-Namespace", site.namespace),
            _header("Knative-Serving-Revision", host["name"]),
        ]
    return document


def send_to_pod(site: Site, name: str) -> None:
    """The revision serves: its endpoints are its pods from now on."""
    _write_endpoints(site, name, site.pods[name])


def asking_mixer(site: Site, mixer: TcpAddress, *, retries: bool) -> Json:
    """`ext_authz` wakes. `retries`: Envoy itself tries until the pod is there."""
    document, manager = _document(site, mixer)
    authz = next(each for each in manager["http_filters"] if each["name"] == AUTHZ)
    authz["typed_config"]["grpc_service"]["timeout"] = _PATIENCE
    manager["http_filters"] = [authz, manager["http_filters"][-1]]
    mixer_cluster = document["static_resources"]["clusters"][0]
    mixer_cluster["circuit_breakers"] = _breakers()
    clusters = [mixer_cluster, *(_static(name, at) for name, at in site.pods.items())]
    _finish(document, manager, site, clusters, _retried() if retries else {"timeout": _PATIENCE})
    for host in manager["route_config"]["virtual_hosts"]:
        host["typed_per_filter_config"] = {
            AUTHZ: {
                "@type": f"{_TYPES}envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute",
                "check_settings": {
                    "context_extensions": attributes_of(site.namespace, host["name"])
                },
            }
        }
    return document


def with_filter(site: Site, autoscaler: str, *, retries: bool) -> Json:
    """The filter wakes, inside Envoy. `retries`: it lets requests go on at once."""
    document, manager = _document(site)
    revisions = {site.key(name): str(at) for name, at in site.pods.items()}
    settings = {
        "autoscaler": autoscaler,
        "mode": "retry" if retries else "hold",
        "recognise": {"hosts": {host_of(name): site.key(name) for name in site.pods}},
        "revisions": revisions,
    }
    waker = {
        "name": "remixer_knative",
        "typed_config": {
            "@type": _TYPES + _MODULE_FILTER,
            "dynamic_module_config": {"name": MODULE},
            "filter_name": "remixer_knative",
            "filter_config": {
                "@type": f"{_TYPES}google.protobuf.StringValue",
                "value": json.dumps(settings),
            },
        },
    }
    manager["http_filters"] = [waker, manager["http_filters"][-1]]
    clusters = [_static(name, at) for name, at in site.pods.items()]
    _finish(document, manager, site, clusters, _retried() if retries else {"timeout": _PATIENCE})
    return document


def with_bare_listener(document: Json) -> Json:
    """Beside the one that there is another, where nobody is asked: for revisions that are awake.

    In the same Envoy: of two that are configured alike, one may take a tenth longer.
    """
    (listener,) = document["static_resources"]["listeners"]
    bare = json.loads(json.dumps(listener))
    bare["name"] = BARE
    manager = bare["filter_chains"][0]["filters"][0]["typed_config"]
    manager["http_filters"] = manager["http_filters"][-1:]
    for host in manager["route_config"]["virtual_hosts"]:
        host.pop("typed_per_filter_config", None)
    document["static_resources"]["listeners"].append(bare)
    return document


def _document(site: Site, mixer: TcpAddress = _NOWHERE) -> tuple[Json, Json]:
    del site
    document, manager = copied(EnvoyPlan(mixer=mixer, service=_NOWHERE))
    del manager["access_log"]
    # A burst of one client's connections is the experiment, no attack.
    manager["stream_idle_timeout"] = "0s"
    return document, manager


def _finish(
    document: Json, manager: Json, site: Site, clusters: Sequence[Json], route: Mapping[str, Any]
) -> None:
    document["static_resources"]["clusters"] = list(clusters)
    manager["route_config"]["virtual_hosts"] = [
        {
            "name": name,
            "domains": [host_of(name)],
            "routes": [{"match": {"prefix": "/"}, "route": {"cluster": name, **route}}],
        }
        for name in site.pods
    ]


def _retried() -> Json:
    return {
        "timeout": _PATIENCE,
        "retry_policy": {
            "retry_on": "connect-failure",
            "num_retries": MOST_HELD,
            "retry_back_off": {"base_interval": _BACK_OFF, "max_interval": _BACK_OFF},
        },
    }


def _breakers() -> Json:
    """Defaults let three retries run at a time, and refuse the others."""
    names = ("max_connections", "max_pending_requests", "max_requests", "max_retries")
    return {"thresholds": [dict.fromkeys(names, MOST_HELD)]}


def _cluster(name: str) -> Json:
    return {"name": name, "connect_timeout": "1s", "circuit_breakers": _breakers()}


def _static(name: str, at: TcpAddress) -> Json:
    return {**_cluster(name), "type": "STATIC", "load_assignment": _assignment(name, at)}


def _discovered(site: Site, name: str) -> Json:
    source = {"path_config_source": {"path": str(_endpoint_file(site, name))}}
    return {
        **_cluster(name),
        "type": "EDS",
        "eds_cluster_config": {"eds_config": {**source, "resource_api_version": "V3"}},
    }


def _assignment(name: str, at: TcpAddress) -> Json:
    address = {"socket_address": {"address": at.host, "port_value": at.port}}
    return {
        "cluster_name": name,
        "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
    }


def _endpoint_file(site: Site, name: str) -> Path:
    return site.folder / f"endpoints-{name}.json"


def _write_endpoints(site: Site, name: str, at: TcpAddress) -> None:
    """Moved into place: Envoy looks at a file when one takes its name."""
    resource = {
        "@type": f"{_TYPES}envoy.config.endpoint.v3.ClusterLoadAssignment",
        **_assignment(name, at),
    }
    file = _endpoint_file(site, name)
    fresh = file.with_suffix(".new")
    fresh.write_text(json.dumps({"version_info": str(at), "resources": [resource]}))
    fresh.replace(file)


def _header(name: str, value: str) -> Json:
    return {"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
