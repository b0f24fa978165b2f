"""Readiness by watching: a revision is ready when Kubernetes lists a ready endpoint of it.

Until the first list is complete nothing is known, and every revision may exist. While the API
server is away, what was known before goes on to count; the list that is due every `refresh_s`
mends what got lost.
"""

import asyncio
from dataclasses import dataclass
from typing import Final

from remixer.adapters.kactivator.crowd import Crowd
from remixer.adapters.kactivator.readiness import Revision
from remixer.adapters.kactivator.slices import REVISION_LABEL, SliceBook
from remixer.drivers.kubernetes import (
    Credentials,
    KubernetesApi,
    KubernetesPlace,
    in_cluster,
    kubeconfig_file,
)
from remixer.drivers.kubernetes_watch import WATCH_BACKOFF, Follower, Watched
from remixer.foundation.backoff import Backoff
from remixer.foundation.log import event_log
from remixer.sdk import Clock, Environment, HandlerContext

SYNC_TIMEOUT_S: Final = 5.0
"""How long building waits for the first list; below the time that building may take."""
_GROUP: Final = "/apis/discovery.k8s.io/v1"
_CLOSE_TIMEOUT_S: Final = 1.0

_log: Final = event_log(__name__)


@dataclass(frozen=True, slots=True)
class WatchSettings:
    """Which cluster, and which of its slices."""

    kubeconfig_path: str = ""
    """`""`: `KUBECONFIG`, or the pod's own service account."""
    namespace: str = ""
    """`""`: all of them."""
    label_selector: str = REVISION_LABEL
    """`""`: private services are told by their names alone."""
    refresh_s: float = 300.0

    @property
    def watched(self) -> Watched:
        within = f"/namespaces/{self.namespace}" if self.namespace else ""
        return Watched(f"{_GROUP}{within}/endpointslices", label_selector=self.label_selector)


class EndpointSlices:
    """A `Readiness` that follows a cluster's EndpointSlices. `run` is its life."""

    def __init__(
        self,
        settings: WatchSettings,
        *,
        api: KubernetesApi,
        clock: Clock,
        backoff: Backoff = WATCH_BACKOFF,
    ) -> None:
        self._api = api
        self._crowd = Crowd()
        self._book = SliceBook(on_ready=self._crowd.wake)
        self._follower = Follower(
            settings.watched,
            api=api,
            sink=self._book,
            clock=clock,
            refresh_s=settings.refresh_s,
            backoff=backoff,
        )
        self._stopped = asyncio.Event()
        self._ended = asyncio.Event()

    @property
    def is_synced(self) -> bool:
        """Whether everything was listed once."""
        return self._follower.synced.is_set()

    @property
    def missing(self) -> str:
        """Why nothing was listed yet, for people."""
        return self._follower.last_error or "EndpointSlices are being listed"

    def is_ready(self, revision: Revision, /) -> bool | None:
        if self._book.is_ready(revision):
            return True
        return False if self.is_synced or self._book.knows(revision) else None

    def may_exist(self, revision: Revision, /) -> bool:
        return not self.is_synced or not self._book.knows_all or self._book.knows(revision)

    async def wait(self, revision: Revision, /, *, timeout_s: float) -> bool:
        if self._book.is_ready(revision):
            return True
        if self._stopped.is_set():
            return False
        return await self._crowd.wait(revision, timeout_s=timeout_s)

    async def wait_synced(self) -> None:
        """Return when everything was listed once."""
        await self._follower.synced.wait()

    async def run(self) -> None:
        """Follow until closed or cancelled, then close the connections.

        Raises `KubernetesError` at once if the credentials are of no use.
        """
        try:
            await self._api.start()
            async with asyncio.TaskGroup() as group:
                following = group.create_task(self._follower.run())
                await self._stopped.wait()
                following.cancel()
        finally:
            self._crowd.dismiss()
            await self._api.aclose()
            self._ended.set()

    async def aclose(self) -> None:
        """Also ends `run`, which must have been started."""
        self._stopped.set()
        self._crowd.dismiss()
        try:
            async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                await self._ended.wait()
        except TimeoutError:
            return


async def open_endpoint_slices(
    settings: WatchSettings,
    context: HandlerContext,
    environment: Environment,
    *,
    place: KubernetesPlace,
    backoff: Backoff = WATCH_BACKOFF,
) -> EndpointSlices:
    """Build, start, and wait for the first list, not for ever.

    Raises `KubernetesError` for credentials of no use.
    """
    api = KubernetesApi(_credentials(settings, place))
    slices = EndpointSlices(settings, api=api, clock=environment.clock, backoff=backoff)
    try:
        await api.start()
        environment.tasks.spawn(slices.run(), name="endpoint slices")
        async with asyncio.timeout(SYNC_TIMEOUT_S):
            await slices.wait_synced()
    except TimeoutError:
        _log.error("knative_slices_not_listed", handler=context.name, reason=slices.missing)
    except BaseException:
        await api.aclose()
        raise
    return slices


def _credentials(settings: WatchSettings, place: KubernetesPlace) -> Credentials:
    path = place.kubeconfig or settings.kubeconfig_path
    return kubeconfig_file(path) if path else in_cluster()
