"""Knative's things for tests: a readiness that is told, and EndpointSlices as Kubernetes has them.

readiness = FakeReadiness()
waiting = asyncio.create_task(readiness.wait(revision, timeout_s=30.0))
readiness.wake(revision)
"""

from collections.abc import Sequence
from typing import Any

from remixer.adapters.kactivator.crowd import Crowd
from remixer.adapters.kactivator.readiness import Revision
from remixer.adapters.kactivator.slices import (
    REVISION_LABEL,
    SERVICE_LABEL,
    SERVICE_TYPE_LABEL,
)


class FakeReadiness:
    """A `Readiness` that says what it was told."""

    def __init__(self) -> None:
        self._ready: set[Revision] = set()
        self._asleep: set[Revision] = set()
        self._crowd = Crowd()
        self._is_closed = False
        self.missing: set[Revision] = set()
        """Those that certainly do not exist."""

    def wake(self, revision: Revision) -> None:
        """It is ready from now on."""
        self._asleep.discard(revision)
        self._ready.add(revision)
        self._crowd.wake(revision)

    def put_to_sleep(self, revision: Revision) -> None:
        """It is not ready from now on."""
        self._ready.discard(revision)
        self._asleep.add(revision)

    def waiting_for(self, revision: Revision) -> int:
        return self._crowd.waiting_for(revision)

    def is_ready(self, revision: Revision, /) -> bool | None:
        if revision in self._ready:
            return True
        return False if revision in self._asleep else None

    def may_exist(self, revision: Revision, /) -> bool:
        return revision not in self.missing

    async def wait(self, revision: Revision, /, *, timeout_s: float) -> bool:
        if revision in self._ready:
            return True
        return not self._is_closed and await self._crowd.wait(revision, timeout_s=timeout_s)

    async def aclose(self) -> None:
        self._is_closed = True
        self._crowd.dismiss()


def endpoint_slice(
    revision: Revision,
    *,
    ready: Sequence[str] = (),
    not_ready: Sequence[str] = (),
    number: int = 1,
) -> dict[str, Any]:
    """A slice of the revision's private service, with these addresses."""
    service = f"{revision.name}-private"
    labels = {
        SERVICE_LABEL: service,
        SERVICE_TYPE_LABEL: "Private",
        REVISION_LABEL: revision.name,
    }
    endpoints = [
        {"addresses": [address], "conditions": {"ready": is_ready}}
        for addresses, is_ready in ((ready, True), (not_ready, False))
        for address in addresses
    ]
    return {
        "metadata": {
            "namespace": revision.namespace,
            "name": f"{service}-{number}",
            "labels": labels,
        },
        "addressType": "IPv4",
        "endpoints": endpoints,
    }
