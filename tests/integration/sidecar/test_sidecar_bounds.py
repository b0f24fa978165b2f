"""What a client keeps is bounded, whoever asks about what."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

import pytest

from remixer.attributes.bag import Condition, PlainBag, Reference
from remixer.attributes.values import Duration
from remixer.foundation.clock import SystemClock
from remixer.foundation.status import OK
from remixer.mixer.outcome import CheckOutcome
from remixer.mixer.request import CheckRequest
from remixer.sidecar.cache_settings import client_cache_settings
from remixer.sidecar.settings import ClientSettings
from remixer.sidecar.stack import ClientStack
from remixer.testing.mixer_channel import MixerChannel
from remixer.tiers.background import BackgroundWork
from remixer.transport.remote_resting import RestingChannel

pytestmark = pytest.mark.integration

KEYS = 100_000
ENTRIES = 2_000
REFERENCES = frozenset({Reference("request.path", None, Condition.EXACT)})
ANSWER = CheckOutcome(OK, Duration(60 * 10**9), 100, REFERENCES)


class Answering:
    """A channel that keeps nothing of what it is asked."""

    def __init__(self) -> None:
        self._inner = MixerChannel(lambda _: ANSWER)

    async def unary(
        self, path: str, request: bytes, *, timeout_s: float, is_safe_to_retry: bool
    ) -> bytes:
        answer = await self._inner.unary(
            path, request, timeout_s=timeout_s, is_safe_to_retry=is_safe_to_retry
        )
        self._inner.checks.clear()
        return answer

    async def aclose(self) -> None:
        await self._inner.aclose()


@asynccontextmanager
async def client() -> AsyncIterator[ClientStack]:
    channel = Answering()

    async def again() -> Answering:
        return channel

    background = BackgroundWork()
    async with asyncio.TaskGroup() as group:
        background.run_in(group)
        stack = ClientStack(
            ClientSettings(cache=client_cache_settings(max_entries=ENTRIES)),
            channel=RestingChannel(channel, again),
            background=background,
            clock=SystemClock(),
            random=Random(1),
        )
        yield stack
        await stack.aclose(0.0)


async def test_a_hundred_thousand_distinct_keys_take_no_more_than_the_first_thousands() -> None:
    async with client() as stack:

        async def ask(first: int, end: int) -> None:
            for number in range(first, end):
                bag = PlainBag({"request.path": f"/{number:06}"})
                assert (await stack.mixer.check(CheckRequest(bag))).status.is_ok

        assert stack.cached is not None
        answers = stack.cached.answers
        await ask(0, 2 * ENTRIES)
        full = (len(answers.table), answers.table.bytes, answers.table.slots, answers.shapes)
        assert full[0] == ENTRIES
        await ask(2 * ENTRIES, KEYS)
        assert (
            len(answers.table),
            answers.table.bytes,
            answers.table.slots,
            answers.shapes,
        ) == full
        counts = stack.statistics()
        assert counts["total_check_cache_misses"] == counts["total_remote_calls"] == KEYS
        print(f"\n{KEYS} keys: {full[0]} entries of {full[1]} bytes")
