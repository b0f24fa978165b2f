"""`kubernetesenv`: lookups.

`generate` never waits: everything that can be known is in the caches. A pod that they do not know
is not asked for at the API server: it would not be known there either, or the watch tells it
within moments, and whoever can make up names could make this process ask.

Until the local cluster was listed once, a lookup is a failure, not an answer of nothing: rules
would decide on guesses. Building waits for the first list, not for ever.
"""

import asyncio
from collections.abc import Iterator
from typing import Final

from remixer.adapters.kubernetesenv.cluster import Cluster, Watching
from remixer.adapters.kubernetesenv.objects import Pod, address
from remixer.adapters.kubernetesenv.outputs import DESTINATION, SOURCE, container_at, describe
from remixer.adapters.kubernetesenv.params import Params, validate
from remixer.adapters.kubernetesenv.registry import ClusterRegistry, secrets_of, wait_all_ended
from remixer.attributes.values import Value
from remixer.drivers.kubernetes import (
    Credentials,
    KubernetesApi,
    KubernetesPlace,
    in_cluster,
    kubeconfig_file,
    kubernetes_place,
)
from remixer.drivers.kubernetes_watch import WATCH_BACKOFF
from remixer.foundation.backoff import Backoff
from remixer.foundation.errors import RemixerError
from remixer.foundation.log import event_log
from remixer.sdk import AdapterInfo, Environment, HandlerContext
from remixer.templates.instances import Kubernetes

SYNC_TIMEOUT_S: Final = 5.0
"""How long building waits for the first list; below the time that it may take."""
_CLOSE_TIMEOUT_S: Final = 1.0
_SECOND_NS: Final = 1_000_000_000
_DEFAULT_NAMESPACE: Final = "istio-system"
_UID_PREFIX: Final = "kubernetes://"
_V4_BYTES: Final = 4
_V4_MAPPED: Final = bytes(10) + b"\xff\xff"
_UNSPECIFIED: Final = frozenset({b"", bytes(4), bytes(16), _V4_MAPPED + bytes(4)})

_log: Final = event_log(__name__)


class NotListedError(RemixerError):
    """The cluster's pods are not known yet; `str()` says what is missing and why."""


class KubernetesEnv:
    """Looks both ends up, in the local cluster first, then in the others by name."""

    def __init__(self, local: Cluster, registry: ClusterRegistry) -> None:
        self._local = local
        self._registry = registry

    def generate(self, instance: Kubernetes, /) -> dict[str, Value]:
        """Fields of the ends that are known; none of those that are not.

        Raises `NotListedError` until the local cluster was listed once.
        """
        outputs: dict[str, Value] = {}
        found = self._find(instance.destination_uid, instance.destination_ip)
        if found is not None:
            pod, cluster = found
            outputs.update(describe(DESTINATION, pod, cluster.cache))
            if instance.destination_port > 0:
                container = container_at(pod, instance.destination_port)
                if container:
                    outputs["destination_container_name"] = container
        found = self._find(instance.source_uid, instance.source_ip)
        if found is not None:
            pod, cluster = found
            outputs.update(describe(SOURCE, pod, cluster.cache))
        return outputs

    async def aclose(self) -> None:
        clusters = list(self._clusters())
        self._registry.close()
        self._local.stop()
        await wait_all_ended(clusters, timeout_s=_CLOSE_TIMEOUT_S)

    def _clusters(self) -> Iterator[Cluster]:
        yield self._local
        yield from self._registry.clusters

    def _find(self, uid: str, ip: bytes) -> tuple[Pod, Cluster] | None:
        """By `uid`, or without one by `ip`; an unknown uid is not looked for by address."""
        if uid:
            return self._find_uid(uid.removeprefix(_UID_PREFIX))
        if ip in _UNSPECIFIED:
            return None
        return self._find_address(_V4_MAPPED + ip if len(ip) == _V4_BYTES else ip)

    def _find_uid(self, uid: str) -> tuple[Pod, Cluster] | None:
        if packed := address(uid):
            return self._find_address(packed)
        # Namespaces have no dots; names may.
        name, dot, namespace = uid.rpartition(".")
        if not dot:
            namespace, _, name = uid.partition("/")
        self._require_list()
        for cluster in self._clusters():
            pod = cluster.cache.pods.by_name((namespace, name))
            if pod is not None:
                return pod, cluster
        return None

    def _find_address(self, packed: bytes) -> tuple[Pod, Cluster] | None:
        self._require_list()
        for cluster in self._clusters():
            pod = cluster.cache.pods.by_address(packed)
            if pod is not None:
                return pod, cluster
        return None

    def _require_list(self) -> None:
        if not self._local.is_synced:
            message = f"the cluster's pods are not known yet: {self._local.missing}"
            raise NotListedError(message)


async def open_handler(
    params: Params,
    context: HandlerContext,
    environment: Environment,
    *,
    place: KubernetesPlace,
    backoff: Backoff = WATCH_BACKOFF,
) -> KubernetesEnv:
    """Build, and wait for the first list. Raises `KubernetesError` for credentials of no use."""
    watching = Watching(
        environment.clock, params.cache_refresh_duration / _SECOND_NS, backoff=backoff
    )
    registry = ClusterRegistry(tasks=environment.tasks, watching=watching, handler=context.name)
    namespace = params.cluster_registries_namespace or place.pod_namespace or _DEFAULT_NAMESPACE
    api = KubernetesApi(_credentials(params, place))
    local = Cluster("", api=api, watching=watching, also=[(secrets_of(namespace), registry)])
    try:
        await api.start()
        environment.tasks.spawn(local.run(), name="local cluster")
        await _wait_for_list(local, context)
    except BaseException:
        await api.aclose()
        raise
    return KubernetesEnv(local, registry)


def _credentials(params: Params, place: KubernetesPlace) -> Credentials:
    path = place.kubeconfig or params.kubeconfig_path
    return kubeconfig_file(path) if path else in_cluster()


async def _wait_for_list(local: Cluster, context: HandlerContext) -> None:
    try:
        async with asyncio.timeout(SYNC_TIMEOUT_S):
            await local.wait_synced()
    except TimeoutError:
        _log.error("kubernetes_not_listed", handler=context.name, reason=local.missing)


async def _build(
    params: Params, context: HandlerContext, environment: Environment
) -> KubernetesEnv:
    return await open_handler(params, context, environment, place=kubernetes_place())


INFO = AdapterInfo(
    name="kubernetesenv",
    description="Attributes of the pods at both ends of a connection.",
    templates=frozenset({"kubernetes"}),
    defaults=Params(),
    build=_build,
    validate=validate,
)
