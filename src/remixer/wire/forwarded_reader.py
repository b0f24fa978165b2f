"""`x-istio-attributes`: what the caller's proxy says of the caller and of whom it meant to call.

Any client can send the header, so it counts only if the proxy that asks us is one whose clients
the operator trusts; and then only six text attributes of it. Whatever is wrong with it, the
request goes on as if it were not there. It is kept from `request.headers` and from the upstream
in every case. Source: Mixer's client, whose accepted names these are; that client trusted all.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Final, Protocol

from remixer.foundation.errors import InvalidRequestError
from remixer.foundation.log import event_log
from remixer.transport.peer_trust import PeerTrust
from remixer.transport.port import Peer
from remixer.wire.forwarded import accepted

LONGEST_HEADER: Final = 8_192
"""Characters; six names of Kubernetes objects need less than 2,000."""

_log: Final = event_log(__name__)


class ForwardedResult(Enum):
    """What became of one header."""

    USED = "used"
    UNTRUSTED = "untrusted"
    TOO_LONG = "too_long"
    MALFORMED = "malformed"


class ForwardedObserver(Protocol):
    """Is told of every header."""

    def forwarded_attributes(self, *, result: str) -> None:
        """`result`: a value of `ForwardedResult`."""
        ...


class ForwardedReader:
    """Reads the header for the proxies that `trust` covers; nobody by default."""

    __slots__ = ("_observer", "_seen", "_trust")

    def __init__(
        self, *, trust: PeerTrust | None = None, observer: ForwardedObserver | None = None
    ) -> None:
        self._trust = trust or PeerTrust()
        self._observer = observer
        self._seen = dict.fromkeys(ForwardedResult, 0)

    def read(self, header: str, peer: Peer) -> Mapping[str, str]:
        """Accepted attributes of `header`, as `peer` sent it; none if it does not count."""
        result, found = self._judged(header, peer)
        if self._observer is not None:
            self._observer.forwarded_attributes(result=result.value)
        self._seen[result] += 1
        if result is not ForwardedResult.USED:
            self._tell(result, peer)
        return found

    def _judged(self, header: str, peer: Peer) -> tuple[ForwardedResult, Mapping[str, str]]:
        if not self._trust.covers(peer):
            return ForwardedResult.UNTRUSTED, {}
        if len(header) > LONGEST_HEADER:
            return ForwardedResult.TOO_LONG, {}
        try:
            return ForwardedResult.USED, accepted(header)
        except InvalidRequestError:
            return ForwardedResult.MALFORMED, {}

    def _tell(self, result: ForwardedResult, peer: Peer) -> None:
        """At the 1st, 2nd, 4th, 8th, … time: clients must not be able to fill the log."""
        count = self._seen[result]
        if count & (count - 1) == 0:
            _log.warning(
                "forwarded_attributes_ignored",
                reason=result.value,
                proxy=peer.address,
                times=count,
            )
