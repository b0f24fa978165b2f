"""`KeyValueStore` on Redis or Valkey: one server, a primary named by sentinels, or a cluster."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Final, cast

from remixer.drivers.key_values import Addition, Put
from remixer.drivers.redis import (
    RedisAnswerError,
    RedisClient,
    RedisPubSub,
    RedisScript,
    RedisSettings,
)
from remixer.drivers.redis_group import Grouping, RedisGroup
from remixer.foundation.clock import Clock
from remixer.foundation.log import event_log

# One command for a batch costs a tenth of a pipeline of two commands for each counter.
_ADD: Final = RedisScript(
    """
local totals = {}
for i, key in ipairs(KEYS) do
  totals[i] = redis.call('INCRBY', key, ARGV[2 * i - 1])
  redis.call('PEXPIRE', key, ARGV[2 * i])
end
return totals
"""
)
_LISTEN_S: Final = 5.0
"""How long one wait for a notice lasts; arbitrary, nothing happens at its end."""
_AGAIN_S: Final = 1.0
"""Between attempts to listen again."""

_log: Final = event_log(__name__)


class RedisValues:
    """Values, counters and notices."""

    def __init__(self, settings: RedisSettings, *, clock: Clock) -> None:
        place = settings.address
        self._is_cluster = isinstance(place, RedisGroup) and place.grouping is Grouping.CLUSTER
        self._client = RedisClient(settings, clock=clock)

    def __str__(self) -> str:
        return str(self._client.address)

    async def start(self) -> None:
        await self._client.start()

    async def get_many(self, keys: Sequence[bytes]) -> Sequence[bytes | None]:
        return cast("Sequence[bytes | None]", await self._client.get_many(keys))

    async def put_many(self, entries: Sequence[Put]) -> None:
        await self._client.execute_many(
            [("SET", key, value, "PX", life_ms) for key, value, life_ms in entries]
        )

    async def add_many(self, additions: Sequence[Addition]) -> Sequence[int]:
        if self._is_cluster:  # whose scripts take keys of one slot only
            commands = [
                command
                for key, amount, life_ms in additions
                for command in (("INCRBY", key, amount), ("PEXPIRE", key, life_ms))
            ]
            answers: object = (await self._client.execute_many(commands))[::2]
        else:
            numbers = [number for each in additions for number in each[1:]]
            answers = await self._client.run_script(_ADD, [each.key for each in additions], numbers)
        if not isinstance(answers, list) or not all(isinstance(each, int) for each in answers):
            message = f"{self}: a counter is no number"
            raise RedisAnswerError(message)
        return answers

    async def notify(self, channel: str) -> None:
        await self._client.execute("PUBLISH", channel, "")

    async def listen(self, channel: str, on_notice: Callable[[], None]) -> None:
        while True:
            try:
                await self._client.ping()  # a cluster's client must know the layout first
                async with contextlib.aclosing(self._client.pub_sub()) as connection:
                    await _hear(connection, channel, on_notice)
            except Exception as error:  # noqa: BLE001 - the library trips over nonsense, too
                _log.info("notices_not_heard", reason=str(self._client.told(error)))
            await asyncio.sleep(_AGAIN_S)

    async def aclose(self) -> None:
        await self._client.aclose()


async def _hear(connection: RedisPubSub, channel: str, on_notice: Callable[[], None]) -> None:
    await connection.subscribe(channel)
    while True:
        # The first that comes is that of the subscription itself.
        if await connection.get_message(timeout=_LISTEN_S) is not None:
            on_notice()
