"""A channel that can let go of everything for a moment, as for a fork.

gRPC's threads do not live in a forked child, and what they left there waits for them for ever. A
process that was at rest while it forked, and in which they had ended, can use gRPC, on both sides.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from remixer.foundation.status import Code
from remixer.transport.grpc_threads import until_ended
from remixer.transport.remote_port import RemoteChannel, RpcFailed

_LATE: Final = "no connection before the time was over"


class RestingChannel:
    """Implements `RemoteChannel` by others, opened as they are needed."""

    def __init__(self, first: RemoteChannel, again: Callable[[], Awaitable[RemoteChannel]]) -> None:
        self._channel: RemoteChannel | None = first
        self._again = again
        self._opening = asyncio.Lock()
        self._is_awake = asyncio.Event()
        self._is_awake.set()
        self._is_closed = False
        self.is_at_rest = False
        """Whether nothing is held that a child could not use."""

    async def unary(
        self, path: str, request: bytes, *, timeout_s: float, is_safe_to_retry: bool
    ) -> bytes:
        channel = self._channel
        if channel is None:
            loop = asyncio.get_running_loop()
            ends_at_s = loop.time() + timeout_s
            try:
                async with asyncio.timeout(timeout_s):
                    channel = await self._awoken()
            except TimeoutError as error:
                raise RpcFailed(Code.DEADLINE_EXCEEDED, _LATE) from error
            timeout_s = ends_at_s - loop.time()
        return await channel.unary(
            path, request, timeout_s=timeout_s, is_safe_to_retry=is_safe_to_retry
        )

    async def rest(self) -> None:
        """Finish the calls under way, within a bound; others wait until `wake`."""
        self._is_awake.clear()
        if await self._let_go():
            await until_ended()
        self.is_at_rest = self._channel is None

    async def _let_go(self) -> bool:
        """Whether there was anything to close."""
        async with self._opening:
            channel, self._channel = self._channel, None
        if channel is None:
            return False
        await channel.aclose()
        return True

    def wake(self) -> None:
        """Be of use again."""
        self._is_awake.set()

    async def aclose(self) -> None:
        self._is_closed = True
        self._is_awake.clear()
        await self._let_go()
        self.is_at_rest = self._channel is None
        self.wake()

    async def _awoken(self) -> RemoteChannel:
        await self._is_awake.wait()
        async with self._opening:
            if self._is_closed:
                raise RpcFailed(Code.UNAVAILABLE, "the connection is closed")
            if self._channel is None:
                self.is_at_rest = False
                self._channel = await self._again()
            return self._channel
