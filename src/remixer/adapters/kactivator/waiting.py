"""The waiting room: requests for revisions that are not awake yet.

Theory of operation. `hold` takes a seat or is refused one at once; whoever has one waits for the
readiness of his revision. The port wakes all waiters of a revision by one event. Each then looks
again: a pod that became ready and died in the same moment is waited for anew, with what is left
of the time. A seat is free again when its request goes on, is refused, or is cancelled.

The time is the operator's, unless the call itself ends sooner: then the answer is given shortly
before that end, so that the caller reads a reason instead of meeting his own timeout.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from remixer.adapters.kactivator.readiness import Readiness, Revision
from remixer.sdk import Clock
from remixer.sdk.call_time import call_time_left_s

ANSWER_MARGIN_S: Final = 0.1
"""Kept of the call's own time for the way back of an answer; ten times what it takes."""


class Held(StrEnum):
    """How a hold ended. The values are words of metrics and of the answer's cause header."""

    READY = "ready"
    NOT_READY = "not-ready"
    """The time passed."""
    ROOM_FULL = "room-full"
    REVISION_FULL = "revision-full"
    BYTES_FULL = "bytes-full"
    TOO_MANY_REVISIONS = "too-many-revisions"
    CLOSING = "closing"


@dataclass(frozen=True, slots=True)
class RoomLimits:
    """How much may wait, and how long."""

    hold_timeout_s: float = 30.0
    most_requests: int = 10_000
    """The Activator's bound for one revision; a request held takes about 10 KB here."""
    most_per_revision: int = 1_000
    """Envoy's own bound of requests to one cluster is 1024."""
    most_revisions: int = 1_000
    """A scanner that makes names up gets no more seats than that."""
    most_bytes: int = 256 * 1024 * 1024
    """Of bodies, where their sizes are known."""


@dataclass(slots=True)
class _Party:
    """The requests held for one revision."""

    requests: int = 0


class WaitingRoom:
    """Holds requests until their revisions are ready. One per handler."""

    def __init__(self, *, readiness: Readiness, limits: RoomLimits, clock: Clock) -> None:
        self._readiness = readiness
        self._limits = limits
        self._clock = clock
        self._parties: dict[Revision, _Party] = {}
        self._requests = 0
        self._bytes = 0
        self._ended: Counter[str] = Counter()
        self._is_closing = False

    # ---------------------------------------------------------------- who is here

    @property
    def requests(self) -> int:
        """Requests held now."""
        return self._requests

    @property
    def size_bytes(self) -> int:
        """Bytes of their bodies, as far as they are known."""
        return self._bytes

    @property
    def revisions(self) -> Mapping[Revision, int]:
        """Requests held now, by revision."""
        return {revision: party.requests for revision, party in self._parties.items()}

    @property
    def counts(self) -> Mapping[str, int]:
        """How holds ended so far: values of `Held`, `cancelled`, `died` (woken for nothing)."""
        return dict(self._ended)

    def held_for(self, revision: Revision) -> int:
        party = self._parties.get(revision)
        return 0 if party is None else party.requests

    # ---------------------------------------------------------------- holding

    async def hold(self, revision: Revision, *, size_bytes: int = 0) -> Held:
        """Return when `revision` is ready, the time has passed, or there is no seat."""
        outcome = self._without_seat(revision, size_bytes)
        if outcome is None:
            outcome = await self._seated(revision, size_bytes)
        self._ended[outcome] += 1
        return outcome

    def close(self) -> None:
        """Take nobody any more. Close the readiness next: it lets go of whoever waits."""
        self._is_closing = True

    def _without_seat(self, revision: Revision, size_bytes: int) -> Held | None:
        """Why there is no seat; None if there is."""
        limits = self._limits
        if self._is_closing:
            return Held.CLOSING
        if self._requests >= limits.most_requests:
            return Held.ROOM_FULL
        if self._bytes + size_bytes > limits.most_bytes:
            return Held.BYTES_FULL
        party = self._parties.get(revision)
        if party is None:
            crowded = len(self._parties) >= limits.most_revisions
            return Held.TOO_MANY_REVISIONS if crowded else None
        return Held.REVISION_FULL if party.requests >= limits.most_per_revision else None

    async def _seated(self, revision: Revision, size_bytes: int) -> Held:
        party = self._parties.setdefault(revision, _Party())
        party.requests += 1
        self._requests += 1
        self._bytes += size_bytes
        try:
            return await self._until_ready(revision)
        except asyncio.CancelledError:
            self._ended["cancelled"] += 1
            raise
        finally:
            self._requests -= 1
            self._bytes -= size_bytes
            party.requests -= 1
            if party.requests == 0:
                del self._parties[revision]

    async def _until_ready(self, revision: Revision) -> Held:
        ends_at_s = self._clock.monotonic_s() + self._patience_s()
        while (left_s := ends_at_s - self._clock.monotonic_s()) > 0:
            if not await self._readiness.wait(revision, timeout_s=left_s):
                break
            if self._readiness.is_ready(revision) is not False:
                return Held.READY
            self._ended["died"] += 1
        return Held.CLOSING if self._is_closing else Held.NOT_READY

    def _patience_s(self) -> float:
        wanted_s = self._limits.hold_timeout_s
        left_s = call_time_left_s(
            now_s=self._clock.monotonic_s(), at_most_s=wanted_s + ANSWER_MARGIN_S
        )
        return max(0.0, left_s - ANSWER_MARGIN_S)
