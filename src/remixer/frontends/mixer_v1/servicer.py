"""Check and Report as gRPC methods; what the messages mean is in `codec`."""

from collections.abc import Awaitable
from typing import Final

from remixer.foundation.clock import Clock
from remixer.foundation.deadline import Deadline
from remixer.foundation.errors import PolicyError
from remixer.foundation.status import Code
from remixer.frontends.mixer_v1.codec import (
    REPORT_RESPONSE,
    CheckDecoder,
    ResponseEncoder,
    decode_check_call,
    decode_report_call,
    laid_out_request,
    report_problem,
)
from remixer.mixer.outcome import CheckOutcome
from remixer.mixer.port import Mixer
from remixer.mixer.request import CheckRequest
from remixer.tiers.places import Question
from remixer.tiers.recall import Recall
from remixer.transport.port import CallContext, RpcError, UnaryMethod
from remixer.wire.client_codec import CHECK_PATH, REPORT_PATH
from remixer.wire.lone_report import AskedNames

# For a caller that sets no deadline: what the proxies' own client allows one attempt.
DEFAULT_TIMEOUT_S: Final = 5.0


def mixer_v1_methods(
    mixer: Mixer, clock: Clock, *, recall: Recall | None = None
) -> tuple[UnaryMethod, ...]:
    """The two methods of `istio.mixer.v1.Mixer`, answered by `mixer`.

    `recall`: of the memory that `mixer` is, if it is one.
    """
    if recall is None:
        service = _MixerV1(mixer=mixer, clock=clock)
    else:
        service = _RememberingMixerV1(mixer=mixer, clock=clock, recall=recall)
    return (UnaryMethod(CHECK_PATH, service.check), UnaryMethod(REPORT_PATH, service.report))


class _MixerV1:
    __slots__ = ("_asked", "_clock", "_encode", "_laid_out", "_mixer")

    def __init__(self, *, mixer: Mixer, clock: Clock) -> None:
        self._mixer = mixer
        self._clock = clock
        self._asked = AskedNames()
        self._laid_out = CheckDecoder().laid_out
        self._encode = ResponseEncoder().encode

    def check(self, payload: bytes, context: CallContext) -> bytes | Awaitable[bytes]:
        try:
            laid_out = self._laid_out(payload)
            if laid_out is None:
                request, word_count = decode_check_call(payload, context.deadline)
            else:
                request = laid_out_request(payload, laid_out, context.deadline)
                word_count = laid_out[3]
            outcome = self._mixer.check_now(request)
        except PolicyError as error:
            raise RpcError(error.code, error.message) from error
        return self._answer(outcome, request, word_count)

    def _answer(
        self, outcome: CheckOutcome | None, request: CheckRequest, word_count: int
    ) -> bytes | Awaitable[bytes]:
        if outcome is None:
            return self._check_later(request, word_count)
        if not outcome.quotas:
            prepared = outcome.prepared.get(word_count)  # see `ResponseEncoder.encode`
            if prepared is not None:
                return prepared
        return self._encode(outcome, global_word_count=word_count)

    async def _check_later(self, request: CheckRequest, word_count: int) -> bytes:
        if request.deadline is None:
            # Only now, because what is answered at once needs none.
            request.deadline = Deadline(self._clock.monotonic_s() + DEFAULT_TIMEOUT_S)
        try:
            outcome = await self._mixer.check(request)
        except PolicyError as error:
            raise RpcError(error.code, error.message) from error
        return self._encode(outcome, global_word_count=word_count)

    def report(self, payload: bytes, _context: CallContext) -> bytes:
        try:
            report = decode_report_call(payload, self._asked)
            outcome = self._mixer.report(report.bags) if report.bags else None
        except PolicyError as error:
            raise RpcError(error.code, error.message) from error
        errors = report.errors if outcome is None else (*report.errors, *outcome.errors)
        if errors:
            raise RpcError(Code.UNKNOWN, report_problem(errors))
        return REPORT_RESPONSE


class _RememberingMixerV1(_MixerV1):
    """Asks a memory first, which needs no request for most answers."""

    __slots__ = ("_recall",)

    def __init__(self, *, mixer: Mixer, clock: Clock, recall: Recall) -> None:
        super().__init__(mixer=mixer, clock=clock)
        self._recall = recall

    def check(self, payload: bytes, context: CallContext) -> bytes | Awaitable[bytes]:
        try:
            laid_out = self._laid_out(payload)
            if laid_out is None:
                return self._check(*decode_check_call(payload, context.deadline))
            layout, words, parts, word_count = laid_out
            if parts.quotas:
                request = laid_out_request(payload, laid_out, context.deadline)
                return self._check(request, word_count)
            found = self._recall.find(payload, layout, words)
            if type(found) is CheckOutcome:
                prepared = found.prepared.get(word_count)
                return prepared or self._encode(found, global_word_count=word_count)
            request = laid_out_request(payload, laid_out, context.deadline)
            if type(found) is not Question:
                return self._check(request, word_count)
            outcome = self._recall.ask_now(request, found)
        except PolicyError as error:
            raise RpcError(error.code, error.message) from error
        return self._answer(outcome, request, word_count)

    def _check(self, request: CheckRequest, word_count: int) -> bytes | Awaitable[bytes]:
        return self._answer(self._mixer.check_now(request), request, word_count)
