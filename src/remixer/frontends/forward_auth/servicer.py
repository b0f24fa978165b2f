"""The questions of proxies over HTTP/1.1: `/check`, `/auth_request` and `/check/…`."""

import asyncio
from collections.abc import Awaitable, Mapping
from typing import Final

from remixer.attributes.http_bag import FORWARDED_HEADER, HttpBag
from remixer.attributes.values import Timestamp, Value
from remixer.foundation.clock import Clock
from remixer.foundation.deadline import Deadline
from remixer.foundation.errors import PolicyError
from remixer.foundation.event_limit import EventLimit
from remixer.foundation.log import event_log
from remixer.foundation.status import Code, Status
from remixer.frontends.forward_auth.codec import encode_failure, encode_outcome, refused
from remixer.frontends.forward_auth.destinations import Destinations
from remixer.frontends.forward_auth.told import (
    AUTH_REQUEST_PATH,
    CHECK_PATH,
    Question,
    question,
    way_of_asking,
)
from remixer.mixer.port import Mixer
from remixer.mixer.request import CheckRequest, MatchingQuotas
from remixer.transport.http1.port import HttpHandler, HttpRequest, HttpResponse
from remixer.transport.peer_trust import PeerTrust
from remixer.transport.port import Peer
from remixer.wire.forwarded_reader import ForwardedReader

_QUOTAS: Final = MatchingQuotas()  # proxies cannot name quotas: the rules decide which apply
_COMPLAINT_INTERVAL_S: Final = 60.0
_LONGEST_LOGGED: Final = 200  # characters of what a proxy is told
_UNTRUSTED: Final = refused(
    403,
    Status(Code.PERMISSION_DENIED, "this proxy is not trusted to tell of requests"),
    ends_connection=True,
)
_NO_DESTINATION: Final = refused(
    403, Status(Code.PERMISSION_DENIED, "no service is known by the host of the request")
)
_NOT_FOUND: Final = refused(
    404, Status(Code.NOT_FOUND, f"ask at {CHECK_PATH}, {AUTH_REQUEST_PATH} or {CHECK_PATH}/PATH")
)
_TOO_LATE: Final = refused(503, Status(Code.DEADLINE_EXCEEDED, "no verdict in time"))

_NOTHING_STATIC: Final[Mapping[str, Value]] = {}

_log: Final = event_log(__name__)


def forward_auth_handler(
    mixer: Mixer,
    *,
    trust: PeerTrust,
    clock: Clock,
    budget_s: float,
    trust_setting: str,
    forwarded: ForwardedReader | None = None,
    destinations: Destinations | None = None,
) -> HttpHandler:
    """Answers proxies from `mixer`; `trust` names those that are believed.

    `forwarded` judges headers `x-istio-attributes`; without it none counts. `destinations` says
    which service a request is for, and refuses what is for none; without it nothing is known.
    A question waits at most `budget_s`. `trust_setting` is what a warning tells operators to change.
    """
    return _ForwardAuth(
        mixer,
        trust=trust,
        clock=clock,
        budget_s=budget_s,
        trust_setting=trust_setting,
        forwarded=forwarded or ForwardedReader(),
        destinations=destinations,
    ).answer


class _ForwardAuth:
    def __init__(
        self,
        mixer: Mixer,
        *,
        trust: PeerTrust,
        clock: Clock,
        budget_s: float,
        trust_setting: str,
        forwarded: ForwardedReader,
        destinations: Destinations | None,
    ) -> None:
        self._mixer = mixer
        self._trust = trust
        self._clock = clock
        self._budget_s = budget_s
        self._trust_setting = trust_setting
        self._forwarded = forwarded
        self._destinations = destinations
        self._complaints = EventLimit(interval_s=_COMPLAINT_INTERVAL_S)

    def answer(self, request: HttpRequest) -> HttpResponse | Awaitable[HttpResponse]:
        if not self._trust.covers(request.peer):
            step = f"name its network with {self._trust_setting}, if it is a proxy of yours"
            self._complain("forward_auth_untrusted", request, step)
            return _UNTRUSTED
        asking = way_of_asking(request.target)
        if asking is None:
            return _NOT_FOUND
        try:
            received_at = Timestamp(self._clock.unix_ns())
            asked = question(request, asking, received_at=received_at)
        except PolicyError as error:
            self._complain("forward_auth_not_understood", request, error.message)
            return encode_failure(error)
        static: Mapping[str, Value] | None = _NOTHING_STATIC
        if self._destinations is not None:
            static = self._destinations.attributes_of(asked.facts.authority)
        if static is None:
            step = "its host has no entry among the destinations; add one, or one for `*`"
            self._complain("forward_auth_without_destination", request, step)
            return _NO_DESTINATION
        return self._decide(asked, request.peer, static)

    def _decide(
        self, asked: Question, peer: Peer, static: Mapping[str, Value]
    ) -> HttpResponse | Awaitable[HttpResponse]:
        header = asked.facts.headers[FORWARDED_HEADER]
        forwarded = None if header is None else self._forwarded.read(header, peer)
        check = CheckRequest(
            bag=HttpBag(asked.facts, static=static, forwarded=forwarded),
            quotas=_QUOTAS,
            deadline=Deadline(self._clock.monotonic_s() + self._budget_s),
        )
        try:
            outcome = self._mixer.check_now(check)
            if outcome is not None:
                return encode_outcome(outcome, asked)
        except PolicyError as error:
            return encode_failure(error)
        return self._decide_later(check, asked)

    async def _decide_later(self, check: CheckRequest, asked: Question) -> HttpResponse:
        try:
            async with asyncio.timeout(self._budget_s):
                return encode_outcome(await self._mixer.check(check), asked)
        except TimeoutError:
            return _TOO_LATE
        except PolicyError as error:
            return encode_failure(error)

    def _complain(self, event: str, request: HttpRequest, reason: str) -> None:
        """Whoever can connect, and clients through their proxy, must not fill the log."""
        held_back = self._complaints.pass_now(event, now_s=self._clock.monotonic_s())
        if held_back is not None:
            _log.warning(
                event,
                peer=request.peer.address,
                reason=reason[:_LONGEST_LOGGED],
                held_back=held_back,
            )
