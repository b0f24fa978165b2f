"""Requests that went on to Envoy before their revision was awake: how long they count as held.

One task per revision waits for its readiness, however many requests there were; then all of them
have left, as far as the autoscaler is concerned. Requests beyond the bound of revisions count as
one request at one moment.
"""

from typing import Final

from remixer.adapters.kactivator.connection import AutoscalerLink
from remixer.adapters.kactivator.readiness import Readiness, Revision
from remixer.sdk import TaskSpawner

MOST_VIGILS: Final = 1_000
"""Tasks; a scanner that makes names up gets no more."""


class Vigils:
    """All revisions that requests went on to."""

    def __init__(
        self, readiness: Readiness, *, link: AutoscalerLink, tasks: TaskSpawner, timeout_s: float
    ) -> None:
        self._readiness = readiness
        self._link = link
        self._tasks = tasks
        self._timeout_s = timeout_s
        self._requests: dict[Revision, int] = {}

    def __len__(self) -> int:
        return len(self._requests)

    def keep(self, revision: Revision) -> None:
        """One request more."""
        if revision not in self._requests and len(self._requests) >= MOST_VIGILS:
            self._link.wake(revision)
            return
        self._link.arrive(revision)
        if revision in self._requests:
            self._requests[revision] += 1
        else:
            self._requests[revision] = 1
            self._tasks.spawn(self._watch(revision), name=f"vigil for {revision}")

    async def _watch(self, revision: Revision) -> None:
        try:
            await self._readiness.wait(revision, timeout_s=self._timeout_s)
        finally:
            self._link.leave(revision, requests=self._requests.pop(revision))
