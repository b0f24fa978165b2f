"""What the Mixers of the cold-start laboratory are told: wake the revision of each request."""

from pathlib import Path
from typing import Any, Final

import yaml

from remixer.cli.scaffold.resources import resource, yaml_text

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


def write_rules(
    folder: Path, *, namespace: str, autoscaler: str, kubernetes: str, holds: bool
) -> None:
    """Rules for `remixer serve`. Readiness is what Kubernetes says, in both modes."""
    kubeconfig = folder.parent / f"{folder.name}.kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(_kubeconfig(kubernetes)))
    params = {
        "autoscaler_endpoint": autoscaler,
        "mode": "HOLD" if holds else "ANSWER",
        "hold": {"timeout": HOLD_TIMEOUT},
        "readiness": "ENDPOINT_SLICES",
        # The stand-in of Kubernetes knows no selector without a value.
        "endpoint_slices": {
            "kubeconfig_path": str(kubeconfig),
            "namespace": namespace,
            "label_selector": "",
        },
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
