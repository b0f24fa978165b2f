"""What is known of one cluster's pods and controllers, in memory, found without waiting.

Both caches are sinks of watches. They are bounded: objects beyond the bound are not kept, and
counted; lookups of those find nothing.
"""

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from remixer.adapters.kubernetesenv.objects import Owner, Pod, identity, read_owner, read_pod
from remixer.foundation.log import event_log

MOST_PODS: Final = 300_000
"""Twice what Kubernetes is tested with; about 300 MB."""
MOST_CONTROLLERS: Final = 1_000_000
"""Deployments keep ten old ReplicaSets each unless told otherwise; about 200 MB."""
MOST_GENERATIONS: Final = 16
"""Controllers of controllers; real chains have two."""
_FOLLOWED: Final = frozenset({"ReplicaSet", "ReplicationController"})

JsonObject: TypeAlias = Mapping[str, Any]
Key: TypeAlias = tuple[str, str]
"""Namespace and name."""

_log: Final = event_log(__name__)


class PodCache:
    """Pods by name and by address. Where pods share an address, the newest has it."""

    def __init__(self) -> None:
        self._pods: dict[Key, Pod] = {}
        self._by_address: dict[bytes, tuple[Key, ...]] = {}
        self._seen: set[Key] = set()
        self.not_kept = 0
        """Pods that were too many."""

    def __len__(self) -> int:
        return len(self._pods)

    def by_name(self, key: Key) -> Pod | None:
        return self._pods.get(key)

    def by_address(self, address: bytes) -> Pod | None:
        """`address` has 16 bytes."""
        keys = self._by_address.get(address)
        if keys is None:
            return None
        if len(keys) == 1:
            return self._pods[keys[0]]
        return max((self._pods[key] for key in keys), key=lambda pod: (pod.created, pod.name))

    def begin(self) -> None:
        self._seen = set()

    def put(self, item: JsonObject, /) -> None:
        pod = read_pod(item)
        if pod is None:
            return
        key = (pod.namespace, pod.name)
        self._seen.add(key)
        old = self._pods.get(key)
        if old is None and len(self._pods) >= MOST_PODS:
            if not self.not_kept:
                _log.error("kubernetes_pods_not_kept", most=MOST_PODS)
            self.not_kept += 1
            return
        if old is not None:
            self._forget_addresses(key, old)
        self._pods[key] = pod
        for address in pod.addresses:
            self._by_address[address] = (*self._by_address.get(address, ()), key)

    def remove(self, item: JsonObject, /) -> None:
        key = identity(item)
        if key is not None:
            self._drop(key)

    def sweep(self) -> None:
        for key in [key for key in self._pods if key not in self._seen]:
            self._drop(key)
        self._seen = set()

    def _drop(self, key: Key) -> None:
        pod = self._pods.get(key)
        if pod is not None:
            self._forget_addresses(key, pod)
            del self._pods[key]

    def _forget_addresses(self, key: Key, pod: Pod) -> None:
        for address in pod.addresses:
            left = tuple(each for each in self._by_address[address] if each != key)
            if left:
                self._by_address[address] = left
            else:
                del self._by_address[address]


class ControllerCache:
    """The controllers of controllers of one kind; one without is its own root and not kept."""

    def __init__(self) -> None:
        self._owners: dict[Key, Owner] = {}
        self._seen: set[Key] = set()
        self.not_kept = 0
        """Controllers that were too many."""

    def __len__(self) -> int:
        return len(self._owners)

    def owner_of(self, key: Key) -> Owner | None:
        return self._owners.get(key)

    def begin(self) -> None:
        self._seen = set()

    def put(self, item: JsonObject, /) -> None:
        key, owner = identity(item), read_owner(item)
        if key is None:
            return
        if owner is None:
            self._owners.pop(key, None)
            return
        self._seen.add(key)
        if len(self._owners) >= MOST_CONTROLLERS and key not in self._owners:
            if not self.not_kept:
                _log.error("kubernetes_controllers_not_kept", most=MOST_CONTROLLERS)
            self.not_kept += 1
            return
        self._owners[key] = owner

    def remove(self, item: JsonObject, /) -> None:
        key = identity(item)
        if key is not None:
            self._owners.pop(key, None)

    def sweep(self) -> None:
        for key in [key for key in self._owners if key not in self._seen]:
            del self._owners[key]
        self._seen = set()


class ClusterCache:
    """All that is known of one cluster."""

    def __init__(self) -> None:
        self.pods = PodCache()
        self.controllers = {kind: ControllerCache() for kind in sorted(_FOLLOWED)}

    def root_controller(self, pod: Pod) -> Owner | None:
        """The pod's controller, or that one's own, and so on; None for a pod on its own.

        Source: Mixer 1.3 follows ReplicaSets and ReplicationControllers.
        """
        owner = pod.owner
        for _ in range(MOST_GENERATIONS):
            cache = self.controllers.get(owner.kind) if owner is not None else None
            if owner is None or cache is None:
                return owner
            above = cache.owner_of((pod.namespace, owner.name))
            if above is None:
                return owner
            owner = above
        return owner
