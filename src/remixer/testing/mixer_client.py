"""Callers of a served Mixer: single questions, and traffic whose every answer is judged."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from remixer.attributes.bag import plain_bag
from remixer.attributes.values import Value
from remixer.mixer.outcome import CheckOutcome
from remixer.mixer.request import CheckRequest, QuotaArgs
from remixer.transport.client import ClientTls, GrpcClient, RpcFailed
from remixer.wire.client_codec import (
    CHECK_PATH,
    REPORT_PATH,
    decode_check_response,
    encode_check_request,
    encode_report_request,
)

_PATIENCE_S: Final = 60.0
"""A call that takes longer hangs."""

Attributes: TypeAlias = Mapping[str, Value | Mapping[str, str]]


class MixerCaller(GrpcClient):
    """Speaks Mixer's protocol over a connection of its own. Calls raise `RpcFailed`."""

    async def check(
        self, attributes: Attributes, *, quotas: Mapping[str, int] | None = None
    ) -> CheckOutcome:
        """`quotas`: the amount wanted of each."""
        asked = {name: QuotaArgs(amount) for name, amount in (quotas or {}).items()}
        request = CheckRequest(bag=plain_bag(attributes), quotas=asked)
        payload = encode_check_request(request)
        return decode_check_response(await self.unary(CHECK_PATH, payload, timeout_s=_PATIENCE_S))

    async def report(self, requests: Sequence[Attributes]) -> None:
        payload = encode_report_request(plain_bag(each) for each in requests)
        await self.unary(REPORT_PATH, payload, timeout_s=_PATIENCE_S)


@asynccontextmanager
async def mixer_caller(address: str, *, tls: ClientTls | None = None) -> AsyncIterator[MixerCaller]:
    """A caller, connected at its first call and closed at the end."""
    caller = MixerCaller(address, tls=tls)
    try:
        yield caller
    finally:
        await caller.aclose()


Ask: TypeAlias = Callable[[MixerCaller], Awaitable[str]]
"""One or more calls; what was wrong with the answers, or nothing."""


@dataclass(slots=True)
class Traffic:
    """What background callers met so far."""

    answers: int = 0
    wrong: list[str] = field(default_factory=list)
    """What `Ask` complained of, and calls that failed."""
    _is_over: bool = False
    _grown: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def more(self, count: int) -> None:
        """Return when so many further questions were asked and answered."""
        wanted = self.answers + count
        async with asyncio.timeout(_PATIENCE_S), self._grown:
            await self._grown.wait_for(lambda: self.answers >= wanted)

    def stop(self) -> None:
        """Let each caller finish its present question and ask no more."""
        self._is_over = True

    async def ask(self, caller: MixerCaller, ask: Ask) -> None:
        """Ask again and again until stopped."""
        while not self._is_over:
            try:
                problem = await ask(caller)
            except RpcFailed as error:
                problem = str(error)
            if problem:
                self.wrong.append(problem)
            self.answers += 1
            async with self._grown:
                self._grown.notify_all()


@asynccontextmanager
async def traffic(
    address: str, ask: Ask, *, clients: int = 1, tls: ClientTls | None = None
) -> AsyncIterator[Traffic]:
    """Callers that ask during the block, each over its own connection; all answered at its end."""
    running = Traffic()
    callers = [MixerCaller(address, tls=tls) for _ in range(clients)]
    try:
        async with asyncio.TaskGroup() as group:
            for caller in callers:
                group.create_task(running.ask(caller, ask))
            try:
                yield running
            finally:
                running.stop()
    finally:
        for caller in callers:
            await caller.aclose()
