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
    decode_report_call,
    report_problem,
)
from remixer.mixer.port import Mixer
from remixer.mixer.request import CheckRequest
from remixer.transport.port import CallContext, RpcError, UnaryMethod
from remixer.wire.client_codec import CHECK_PATH, REPORT_PATH
from remixer.wire.lone_report import AskedNames

# For a caller that sets no deadline: what the proxies' own client allows one attempt.
DEFAULT_TIMEOUT_S: Final = 5.0


def mixer_v1_methods(mixer: Mixer, clock: Clock) -> tuple[UnaryMethod, ...]:
    """The two methods of `istio.mixer.v1.Mixer`, answered by `mixer`."""
    service = _MixerV1(mixer=mixer, clock=clock)
    return (UnaryMethod(CHECK_PATH, service.check), UnaryMethod(REPORT_PATH, service.report))


class _MixerV1:
    __slots__ = ("_asked", "_clock", "_decode", "_encode", "_mixer")

    def __init__(self, *, mixer: Mixer, clock: Clock) -> None:
        self._mixer = mixer
        self._clock = clock
        self._asked = AskedNames()
        self._decode = CheckDecoder().decode
        self._encode = ResponseEncoder().encode

    def check(self, payload: bytes, context: CallContext) -> bytes | Awaitable[bytes]:
        try:
            request, word_count = self._decode(payload, context.deadline)
            outcome = self._mixer.check_now(request)
        except PolicyError as error:
            raise RpcError(error.code, error.message) from error
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
