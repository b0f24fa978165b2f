"""Further clusters, from secrets labelled `istio/multiCluster=true` in one namespace.

Each entry of such a secret is a cluster's name and a kubeconfig. A cluster whose entry changed is
followed anew from the start, one whose entry is gone is dropped. Entries are trusted less than
the operator's files: see `remixer.drivers.kubernetes.kubeconfig_text`.
"""

import asyncio
import base64
import binascii
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from remixer.adapters.kubernetesenv.cluster import Cluster, Watching
from remixer.adapters.kubernetesenv.objects import identity
from remixer.drivers.kubernetes import KubernetesApi, KubernetesError, kubeconfig_text
from remixer.drivers.kubernetes_watch import Watched
from remixer.foundation.log import event_log
from remixer.sdk import TaskSpawner

LABEL: Final = "istio/multiCluster=true"
MOST_CLUSTERS: Final = 100
"""Beyond the largest known meshes; each costs the memory of its pods."""

JsonObject: TypeAlias = Mapping[str, Any]

_log: Final = event_log(__name__)


def secrets_of(namespace: str) -> Watched:
    """What the registry is to be fed with."""
    return Watched(f"/api/v1/namespaces/{namespace}/secrets", label_selector=LABEL)


@dataclass(frozen=True, slots=True)
class _Entry:
    """A cluster that is followed, and from what."""

    secret: str
    digest: bytes
    cluster: Cluster


class ClusterRegistry:
    """A sink of secrets that follows the clusters they name."""

    def __init__(self, *, tasks: TaskSpawner, watching: Watching, handler: str) -> None:
        self._tasks = tasks
        self._watching = watching
        self._handler = handler
        self._entries: dict[str, _Entry] = {}
        self._seen: set[str] = set()
        self._is_closed = False
        self.clusters: tuple[Cluster, ...] = ()
        """Sorted by name: lookups go through them in this order."""

    def begin(self) -> None:
        self._seen = set()

    def put(self, item: JsonObject, /) -> None:
        key = identity(item)
        if key is None:
            return
        secret = key[1]
        self._seen.add(secret)
        found = item.get("data")
        data = found if isinstance(found, dict) else {}
        self._drop([name for name in self._named_by(secret) if name not in data])
        for name in sorted(data):
            self._follow(name, secret, data[name])

    def remove(self, item: JsonObject, /) -> None:
        key = identity(item)
        if key is not None:
            self._drop(self._named_by(key[1]))

    def sweep(self) -> None:
        gone = {entry.secret for entry in self._entries.values()} - self._seen
        for secret in gone:
            self._drop(self._named_by(secret))

    def close(self) -> None:
        """Drop all and take no more."""
        self._is_closed = True
        self._drop(list(self._entries))

    def _named_by(self, secret: str) -> list[str]:
        return [name for name, entry in self._entries.items() if entry.secret == secret]

    def _follow(self, name: str, secret: str, encoded: object) -> None:
        old = self._entries.get(name)
        if old is not None and old.secret != secret:
            self._refuse(name, secret, f"secret {old.secret} names it already")
            return
        if old is None and len(self._entries) >= MOST_CLUSTERS:
            self._refuse(name, secret, f"there are {MOST_CLUSTERS} clusters already")
            return
        try:
            text = base64.b64decode(encoded if isinstance(encoded, str) else "?", validate=True)
        except (binascii.Error, ValueError):
            self._refuse(name, secret, "its entry is not base64")
            return
        digest = hashlib.sha256(text).digest()
        if self._is_closed or (old is not None and old.digest == digest):
            return
        self._drop([name])
        api = KubernetesApi(kubeconfig_text(text, name=f"secret {secret}, cluster {name}"))
        cluster = Cluster(name, api=api, watching=self._watching)
        self._entries[name] = _Entry(secret, digest, cluster)
        self._publish()
        self._tasks.spawn(self._run(cluster), name=f"cluster {name}")

    async def _run(self, cluster: Cluster) -> None:
        _log.info("kubernetes_cluster_followed", handler=self._handler, cluster=cluster.name)
        try:
            await cluster.run()
        except KubernetesError as error:
            # Until the secret changes: its content cannot become better by waiting.
            _log.error(
                "kubernetes_cluster_not_followed",
                handler=self._handler,
                cluster=cluster.name,
                reason=str(error),
            )

    def _refuse(self, name: str, secret: str, reason: str) -> None:
        _log.warning(
            "kubernetes_cluster_refused",
            handler=self._handler,
            cluster=name,
            secret=secret,
            reason=reason,
        )

    def _drop(self, names: Iterable[str]) -> None:
        for name in names:
            entry = self._entries.pop(name, None)
            if entry is not None:
                entry.cluster.stop()
        self._publish()

    def _publish(self) -> None:
        self.clusters = tuple(self._entries[name].cluster for name in sorted(self._entries))


async def wait_all_ended(clusters: Iterable[Cluster], *, timeout_s: float) -> None:
    """Return when all have ended, or the time is up."""
    try:
        async with asyncio.timeout(timeout_s):
            for each in clusters:
                await each.wait_ended()
    except TimeoutError:
        return
