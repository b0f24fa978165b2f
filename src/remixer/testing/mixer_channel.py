"""A connection to a Mixer that a function plays, speaking Mixer's protocol in bytes.

    channel = MixerChannel(lambda asked: allowed())
    stack = ClientStack(settings, channel=channel, …)

Whatever a client sends is decoded as a server would, and kept.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from remixer.attributes.bag import Bag
from remixer.foundation.status import Code
from remixer.frontends.mixer_v1.codec import (
    ResponseEncoder,
    decode_check_call,
    decode_report_call,
)
from remixer.mixer.outcome import CheckOutcome
from remixer.mixer.request import CheckRequest
from remixer.transport.remote_port import RpcFailed
from remixer.wire.client_codec import CHECK_PATH, REPORT_PATH

Answer: TypeAlias = CheckOutcome | RpcFailed | bytes
"""What a call ends with; bytes are sent as they are."""
Decide: TypeAlias = Callable[[CheckRequest], Answer]


@dataclass(frozen=True, slots=True)
class Asked:
    """One attempt of a call of Check."""

    request: CheckRequest
    global_word_count: int
    timeout_s: float
    at_s: float
    """By the clock of the loop."""
    is_safe_to_retry: bool


@dataclass(slots=True)
class MixerChannel:
    """Implements `RemoteChannel`. As a server that is slow, it takes `delay_s` for each answer."""

    decide: Decide
    delay_s: float = 0.0
    refuse_report: RpcFailed | None = None
    checks: list[Asked] = field(default_factory=list)
    reports: list[list[Bag]] = field(default_factory=list)
    """Taken ones, one list for each call."""
    is_closed: bool = False
    _encoder: ResponseEncoder = field(default_factory=ResponseEncoder)

    async def unary(
        self, path: str, request: bytes, *, timeout_s: float, is_safe_to_retry: bool
    ) -> bytes:
        if path == CHECK_PATH:
            return await self._check(request, timeout_s, is_safe_to_retry=is_safe_to_retry)
        assert path == REPORT_PATH, path  # noqa: S101 - a client knows two calls
        if self.refuse_report is not None:
            raise self.refuse_report
        self.reports.append(list(decode_report_call(request).bags))
        return b""

    async def aclose(self) -> None:
        self.is_closed = True

    @property
    def ids(self) -> Sequence[str]:
        """Deduplication ids of all attempts."""
        return [each.request.once for each in self.checks]

    async def _check(self, payload: bytes, timeout_s: float, *, is_safe_to_retry: bool) -> bytes:
        request, word_count = decode_check_call(payload, None)
        now_s = asyncio.get_running_loop().time()
        self.checks.append(Asked(request, word_count, timeout_s, now_s, is_safe_to_retry))
        answer = self.decide(request)
        await asyncio.sleep(min(self.delay_s, timeout_s))
        if self.delay_s > timeout_s:
            raise RpcFailed(Code.DEADLINE_EXCEEDED, "late")
        if isinstance(answer, RpcFailed):
            raise answer
        if isinstance(answer, bytes):
            return answer
        return self._encoder.encode(answer, global_word_count=word_count)
