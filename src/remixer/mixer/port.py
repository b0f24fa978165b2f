"""The port: `Mixer`."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from remixer.attributes.bag import Bag
from remixer.mixer.outcome import CheckOutcome, QuotaOutcome, ReportOutcome
from remixer.mixer.request import CheckRequest


class Mixer(Protocol):
    """Answers before a request, takes note after it."""

    def check_now(self, request: CheckRequest) -> CheckOutcome | None:
        """Answer without waiting, or None: then ask `check`. Raises as `check` does."""
        ...

    async def check(self, request: CheckRequest) -> CheckOutcome:
        """Precondition and quotas. Raises `PolicyError` when there is no verdict to give."""
        ...

    def grant_now(self, request: CheckRequest) -> Mapping[str, QuotaOutcome] | None:
        """The quotas of a request whose verdict is known to be OK, without waiting; or None."""
        ...

    async def grant(self, request: CheckRequest) -> Mapping[str, QuotaOutcome]:
        """The same, waiting."""
        ...

    def report(self, bags: Sequence[Bag]) -> ReportOutcome:
        """Take note of finished requests. Never blocks, never raises for load.

        The outcome names only what is known at once; work that waits goes to bounded queues
        and its failures to metrics.
        """
        ...
