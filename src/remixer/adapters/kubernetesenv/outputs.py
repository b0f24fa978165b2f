"""What is told of a pod, in the fields of the template `kubernetes`."""

from typing import Final

from remixer.adapters.kubernetesenv.cache import ClusterCache
from remixer.adapters.kubernetesenv.objects import Owner, Pod
from remixer.attributes.values import PlainStringMap, Value

SOURCE: Final = "source_"
DESTINATION: Final = "destination_"


def describe(side: str, pod: Pod, cache: ClusterCache) -> dict[str, Value]:
    """The output fields of one side; what is not known is left out."""
    root = cache.root_controller(pod)
    workload = pod.name if root is None else root.name
    texts = {
        "pod_uid": f"kubernetes://{pod.name}.{pod.namespace}",
        "pod_name": pod.name,
        "namespace": pod.namespace,
        "service_account_name": pod.service_account,
        "workload_name": workload,
        "workload_namespace": pod.namespace,
        "workload_uid": f"istio://{pod.namespace}/workloads/{workload}",
        "owner": _owner(pod, root),
    }
    outputs: dict[str, Value] = {side + name: text for name, text in texts.items() if text}
    if pod.labels:
        outputs[side + "labels"] = PlainStringMap(pod.labels)
    if pod.ip:
        outputs[side + "pod_ip"] = pod.ip
    if pod.host_ip:
        outputs[side + "host_ip"] = pod.host_ip
    return outputs


def container_at(pod: Pod, port: int) -> str:
    """The first container that exposes `port`; `""` if none does."""
    for number, name in pod.ports:
        if number == port:
            return name
    return ""


def _owner(pod: Pod, root: Owner | None) -> str:
    if root is not None:
        return (
            f"kubernetes://apis/{root.api_version}/namespaces/{pod.namespace}/"
            f"{root.kind.lower()}s/{root.name}"
        )
    # API servers from Kubernetes 1.20 on leave the link out; it was always this.
    return pod.self_link or f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}"
