"""Port: whether a revision has an endpoint that answers, and waiting until it has.

`remixer.adapters.kactivator.probe` asks the revision's address,
`remixer.adapters.kactivator.endpoint_slices` follows what Kubernetes says.
"""

from typing import NamedTuple, Protocol


class Revision(NamedTuple):
    """Names a revision, and so its scaler: not the Knative service, and no host."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class Readiness(Protocol):
    """Tells which revisions are awake. All methods are called on the event loop."""

    def is_ready(self, revision: Revision, /) -> bool | None:
        """Whether an endpoint answers; None if nothing is known of the revision. Never waits."""
        ...

    def may_exist(self, revision: Revision, /) -> bool:
        """False only if there certainly is no such revision: then nobody needs to be woken."""
        ...

    async def wait(self, revision: Revision, /, *, timeout_s: float) -> bool:
        """Whether an endpoint answers, as soon as one does, at last after `timeout_s`.

        However many wait for a revision, one event wakes them all. May be cancelled.
        """
        ...

    async def aclose(self) -> None:
        """Release everything; whoever still waits gets False."""
        ...
