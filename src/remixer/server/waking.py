"""Wakes revisions as a check would: the operator's rules say which adapter hears of it.

A trigger becomes the check of a request that the gateway never sent, with what rules need to know of
its destination. It is decided anew each time, and its verdict counts for nothing.
"""

from typing import Final

from remixer.attributes.bag import plain_bag
from remixer.foundation.clock import Clock
from remixer.foundation.deadline import Deadline
from remixer.foundation.errors import PolicyError
from remixer.foundation.event_limit import EventLimit
from remixer.foundation.log import event_log
from remixer.mixer.port import Mixer
from remixer.mixer.request import CheckRequest
from remixer.server.activate import PATH
from remixer.tiers.background import Background

_PATIENCE_S: Final = 60.0
"""An adapter that holds requests until a pod is ready does so for this, too."""
_MOST_AT_ONCE: Final = 1_000
_LOG_INTERVAL_S: Final = 10.0

_log: Final = event_log(__name__)


class CheckingWaker:
    """Implements `Waker` by asking a Mixer."""

    def __init__(self, mixer: Mixer, *, background: Background, clock: Clock) -> None:
        self._mixer = mixer
        self._background = background
        self._clock = clock
        self._under_way: set[tuple[str, str]] = set()
        self._complaints = EventLimit(interval_s=_LOG_INTERVAL_S)

    def wake(self, namespace: str, revision: str) -> None:
        key = (namespace, revision)
        if key in self._under_way:
            return  # the adapter counts that one as waiting for as long as it does
        if len(self._under_way) >= _MOST_AT_ONCE:
            self._complain("too many are being woken")
            return
        self._under_way.add(key)
        self._background(self._asked(key), name="wake a revision")

    async def _asked(self, key: tuple[str, str]) -> None:
        try:
            await self._mixer.check(self._request(*key))
        except PolicyError as error:
            self._complain(error.message)
        finally:
            self._under_way.discard(key)

    def _request(self, namespace: str, revision: str) -> CheckRequest:
        bag = plain_bag(
            {
                "context.protocol": "http",
                "context.reporter.kind": "outbound",
                "destination.service.host": f"{revision}.{namespace}.svc.cluster.local",
                "destination.service.name": revision,
                "destination.service.namespace": namespace,
                "request.method": "POST",
                "request.path": PATH,
            }
        )
        deadline = Deadline(self._clock.monotonic_s() + _PATIENCE_S)
        return CheckRequest(bag, deadline=deadline, is_renewal=True)

    def _complain(self, reason: str) -> None:
        held_back = self._complaints.pass_now("", now_s=self._clock.monotonic_s())
        if held_back is not None:
            _log.warning("revision_not_woken", reason=reason, held_back=held_back)
