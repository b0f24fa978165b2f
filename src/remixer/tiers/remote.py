"""A Mixer that asks one elsewhere, over Mixer's own protocol.

Theory of operation. A check is one logical call however often it is attempted: its deduplication id
stays the same, so that the server grants quotas once. A failed attempt is followed by another, if
the settings allow, after a random pause that grows; the channel below may try a second address at
once besides. A server that does not know our dictionary says so in a certain way; from then on the
words of the smallest dictionary are used. Reports go into a pipeline and are sent later.

Source: the C++ client of Istio 1.1 to 1.3.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from random import Random
from typing import Final, Protocol

from remixer.attributes.bag import Bag
from remixer.foundation.clock import Clock
from remixer.foundation.deadline import Deadline
from remixer.foundation.errors import PolicyError
from remixer.foundation.status import Code
from remixer.mixer.outcome import REPORTED, CheckOutcome, QuotaOutcome, ReportOutcome
from remixer.mixer.request import CheckRequest
from remixer.tiers.settings import RemoteSettings
from remixer.transport.remote_port import RemoteChannel, RpcFailed
from remixer.wire.client_codec import (
    CHECK_PATH,
    UnreadableAnswerError,
    decode_check_response,
    encode_check_request,
)
from remixer.wire.dictionary import (
    FALLBACK_WORD_COUNT,
    GLOBAL_WORD_COUNT,
    refuses_dictionary,
)

_MOST_DOUBLINGS: Final = 30  # 2^30 ms is above every longest pause

_CODES_TOLD: Final = {Code.RESOURCE_EXHAUSTED: Code.UNAVAILABLE}
"""An answer was too large, or too much is under way. As a verdict the code would say that whoever is
judged used up a quota; verdicts that mean so come in answers."""


@dataclass(slots=True)
class RemoteCounts:
    """Calls of Check; attempts by how they ended. Names are those of the C++ client."""

    remote_calls: int = 0
    """Logical calls: a call that is retried counts once."""
    remote_call_successes: int = 0
    remote_call_timeouts: int = 0
    remote_call_send_errors: int = 0
    """Nobody could be reached, or the connection broke."""
    remote_call_other_errors: int = 0
    remote_call_retries: int = 0
    remote_call_cancellations: int = 0
    """Whoever asked went away."""


class RemoteCallError(PolicyError):
    """No answer came that could be used. The code is the call's own, but for RESOURCE_EXHAUSTED."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code


class ReportSink(Protocol):
    """Takes reports at once and sends them later."""

    def put(self, bags: Sequence[Bag]) -> None: ...

    def use_smallest_dictionary(self) -> None:
        """The server knows no more words."""
        ...


class RemoteMixer:
    """Implements `Mixer`. Never answers without waiting."""

    def __init__(
        self,
        channel: RemoteChannel,
        *,
        reports: ReportSink,
        settings: RemoteSettings,
        clock: Clock,
        random: Random,
        new_base: Callable[[], str],
    ) -> None:
        """`new_base` gives the part of deduplication ids that no other process has."""
        self._channel = channel
        self._reports = reports
        self._settings = settings
        self._clock = clock
        self._random = random
        self._base = new_base()
        self._call_numbers = count()
        self._word_count = GLOBAL_WORD_COUNT
        self.counts = RemoteCounts()

    def check_now(self, request: CheckRequest) -> CheckOutcome | None:  # noqa: ARG002 - the port's
        return None

    async def check(self, request: CheckRequest) -> CheckOutcome:
        self.counts.remote_calls += 1
        if not request.once:
            call_id = f"{self._base}{next(self._call_numbers)}"
            request = replace(request, deduplication_id=call_id)
        try:
            return await self._attempts(request)
        except asyncio.CancelledError:
            self.counts.remote_call_cancellations += 1
            raise

    def grant_now(self, request: CheckRequest) -> Mapping[str, QuotaOutcome] | None:  # noqa: ARG002 - the port's
        return None

    async def grant(self, request: CheckRequest) -> Mapping[str, QuotaOutcome]:
        """The protocol has no call for quotas alone: a check whose verdict counts for nothing."""
        return (await self.check(request)).quotas

    def report(self, bags: Sequence[Bag]) -> ReportOutcome:
        self._reports.put(bags)
        return REPORTED

    # ------------------------------------------------------------ inside

    async def _attempts(self, request: CheckRequest) -> CheckOutcome:
        """Raises as `_attempt`, for the last of them."""
        retries = 0
        while True:
            try:
                return await self._attempt(request)
            except RemoteCallError:
                pause_s = self._pause_s(retries)
                is_last = retries >= self._settings.max_retry
                if is_last or not self._has_more_than(pause_s, request):
                    raise
            await asyncio.sleep(pause_s)
            retries += 1
            self.counts.remote_call_retries += 1

    async def _attempt(self, request: CheckRequest) -> CheckOutcome:
        """Raises `RemoteCallError`, or `InvalidRequestError` for a request that cannot be asked."""
        word_count = self._word_count
        try:
            return await self._called(request, word_count)
        except RpcFailed as failure:
            error = self._failed(failure)
            is_refusal = refuses_dictionary(failure.code, failure.message)
            if word_count == FALLBACK_WORD_COUNT or not is_refusal:
                raise error from failure
        # Others that are under way learn the same by themselves.
        self._word_count = FALLBACK_WORD_COUNT
        self._reports.use_smallest_dictionary()
        try:
            return await self._called(request, FALLBACK_WORD_COUNT)
        except RpcFailed as failure:
            raise self._failed(failure) from failure

    async def _called(self, request: CheckRequest, word_count: int) -> CheckOutcome:
        payload = encode_check_request(request, global_word_count=word_count)
        timeout_s = self._settings.timeout_s
        if request.deadline is not None:
            timeout_s = min(timeout_s, self._left_s(request.deadline))
        answer = await self._channel.unary(
            CHECK_PATH, payload, timeout_s=timeout_s, is_safe_to_retry=True
        )
        try:
            outcome = decode_check_response(answer)
        except UnreadableAnswerError as error:
            raise RpcFailed(error.code, error.message) from error
        self.counts.remote_call_successes += 1
        return outcome

    def _failed(self, failure: RpcFailed) -> RemoteCallError:
        counts = self.counts
        match failure.code:
            case Code.DEADLINE_EXCEEDED:
                counts.remote_call_timeouts += 1
            case Code.UNAVAILABLE:
                counts.remote_call_send_errors += 1
            case _:
                counts.remote_call_other_errors += 1
        return RemoteCallError(_CODES_TOLD.get(failure.code, failure.code), failure.message)

    def _has_more_than(self, pause_s: float, request: CheckRequest) -> bool:
        return request.deadline is None or self._left_s(request.deadline) > pause_s

    def _left_s(self, deadline: Deadline) -> float:
        return deadline.remaining_s(now_s=self._clock.monotonic_s())

    def _pause_s(self, retries: int) -> float:
        """So that the first retry waits just the base, and later ones between it and a bound."""
        settings = self._settings
        grown_s = settings.base_retry_wait_s * 2.0 ** min(retries, _MOST_DOUBLINGS)
        longest_s = max(settings.base_retry_wait_s, min(settings.max_retry_wait_s, grown_s))
        return self._random.uniform(settings.base_retry_wait_s, longest_s)
