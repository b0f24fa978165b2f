"""What the Mixers of the cold-start laboratory are told: wake the revision of each request."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from remixer.cli.scaffold.resources import resource, yaml_text
from remixer.transport.addresses import TcpAddress

_RULES: Final = "istio-system"
"""Rules of this namespace apply wherever a gateway's request goes."""
HOLD_TIMEOUT: Final = "120s"


def attributes_of(namespace: str, name: str) -> dict[str, str]:
    """What Envoy tells of a route: which revision it leads to."""
    return {
        "context.reporter.kind": "outbound",
        "destination.namespace": namespace,
        "destination.service.name": name,
        "destination.service.namespace": namespace,
    }


def told_by_kubernetes(folder: Path, *, namespace: str, kubernetes: str) -> dict[str, Any]:
    """Readiness is what Kubernetes says. Writes a file into `folder`."""
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(_kubeconfig(kubernetes)))
    return {
        "readiness": "ENDPOINT_SLICES",
        # The stand-in of Kubernetes knows no selector without a value.
        "endpoint_slices": {
            "kubeconfig_path": str(kubeconfig),
            "namespace": namespace,
            "label_selector": "",
        },
    }


def asked_themselves(namespace: str, pods: Mapping[str, TcpAddress]) -> dict[str, Any]:
    """Readiness is that a revision's address takes a connection, as the filter asks."""
    addresses = {f"{namespace}/{name}": f"tcp://{at}" for name, at in pods.items()}
    return {"readiness": "PROBE", "probe": {"addresses": addresses}}


def write_rules(
    folder: Path, *, autoscaler: str, readiness: Mapping[str, Any], holds: bool
) -> None:
    """Rules for `remixer serve`."""
    params = {
        "autoscaler_endpoint": autoscaler,
        "mode": "HOLD" if holds else "ANSWER",
        "hold": {"timeout": HOLD_TIMEOUT},
        **readiness,
    }
    action = {
        "namespace": "destination.service.namespace",
        "service": "destination.service.name",
        "method": 'request.method | ""',
        "path": 'request.path | ""',
    }
    documents = [
        resource("handler", "waker", _RULES, {"compiledAdapter": "kactivator", "params": params}),
        resource(
            "instance",
            "revision",
            _RULES,
            {"compiledTemplate": "authorization", "params": {"action": action}},
        ),
        resource(
            "rule", "wake", _RULES, {"actions": [{"handler": "waker", "instances": ["revision"]}]}
        ),
    ]
    folder.mkdir()
    (folder / "wake.yaml").write_text(yaml_text(documents))


def _kubeconfig(url: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
        "clusters": [{"name": "here", "cluster": {"server": url}}],
        "users": [{"name": "me", "user": {}}],
    }
