"""Follows the pods and controllers of one cluster."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from remixer.adapters.kubernetesenv.cache import ClusterCache
from remixer.drivers.kubernetes import KubernetesApi
from remixer.drivers.kubernetes_watch import Follower, ObjectSink, Watched
from remixer.foundation.backoff import Backoff
from remixer.foundation.clock import Clock

_PODS: Final = Watched("/api/v1/pods")
_CONTROLLERS: Final = {
    "ReplicaSet": Watched("/apis/apps/v1/replicasets"),
    "ReplicationController": Watched("/api/v1/replicationcontrollers"),
}


@dataclass(frozen=True, slots=True)
class Watching:
    """How clusters are followed."""

    clock: Clock
    refresh_s: float
    backoff: Backoff

    def follower(self, watched: Watched, api: KubernetesApi, sink: ObjectSink) -> Follower:
        return Follower(
            watched,
            api=api,
            sink=sink,
            clock=self.clock,
            refresh_s=self.refresh_s,
            backoff=self.backoff,
        )


class Cluster:
    """One cluster's cache and what keeps it fresh. `run` is its life; `stop` ends it."""

    def __init__(
        self,
        name: str,
        *,
        api: KubernetesApi,
        watching: Watching,
        also: Sequence[tuple[Watched, ObjectSink]] = (),
    ) -> None:
        """`also` is followed too, but not part of being synced."""
        self.name = name
        self.cache = ClusterCache()
        self._api = api
        self._stopped = asyncio.Event()
        self._ended = asyncio.Event()
        sinks: list[tuple[Watched, ObjectSink]] = [(_PODS, self.cache.pods)]
        for kind, watched in _CONTROLLERS.items():
            sinks.append((watched, self.cache.controllers[kind]))
        self._needed = [watching.follower(watched, api, sink) for watched, sink in sinks]
        self._also = [watching.follower(watched, api, sink) for watched, sink in also]
        self._is_synced = False

    @property
    def is_synced(self) -> bool:
        """Whether everything was listed once."""
        if not self._is_synced:
            self._is_synced = all(each.synced.is_set() for each in self._needed)
        return self._is_synced

    @property
    def missing(self) -> str:
        """What was not listed yet and why, for people; `""` if all was."""
        return "; ".join(
            each.last_error or f"{each.watched.kind} are being listed"
            for each in self._needed
            if not each.synced.is_set()
        )

    async def wait_synced(self) -> None:
        """Return when everything was listed once."""
        for each in self._needed:
            await each.synced.wait()

    async def run(self) -> None:
        """Follow until stopped or cancelled, then close the connections.

        Raises `KubernetesError` at once if the credentials are of no use.
        """
        try:
            await self._api.start()
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(each.run()) for each in (*self._needed, *self._also)]
                await self._stopped.wait()
                for task in tasks:
                    task.cancel()
        finally:
            await self._api.aclose()
            self._ended.set()

    def stop(self) -> None:
        """Ask `run` to end."""
        self._stopped.set()

    async def wait_ended(self) -> None:
        """Return when `run` has ended."""
        await self._ended.wait()
