"""`KeyValueStore` on Redis or Valkey: one server, a primary named by sentinels, or a cluster."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Final, cast

from remixer.drivers.key_values import (
    READERS_LIFE_MS,
    UNCOUNTED,
    Addition,
    Put,
    Read,
    edition_of,
    value_of,
    with_edition,
)
from remixer.drivers.redis import (
    Cancellation,
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
# One round trip for values and their readers' numbers. A counter lives as long as its value; where
# the server has no room for counters (or is a replica), nobody knows a number.
_READ: Final = RedisScript(
    """
local found = {}
for i, key in ipairs(KEYS) do
  local kept = redis.call('GET', key)
  local ticket = 0
  if kept and #kept >= 8 then
    local edition = string.sub(kept, 1, 8)
    if edition ~= ARGV[1] then
      local counter = key .. ':' .. edition
      ticket = redis.pcall('INCR', counter)
      if type(ticket) == 'number' then
        redis.call('PEXPIRE', counter, redis.call('PTTL', key))
      else
        ticket = 0
      end
    end
  end
  found[2 * i - 1] = kept
  found[2 * i] = ticket
end
return found
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

    async def read_many(self, keys: Sequence[bytes]) -> Sequence[Read | None]:
        if self._is_cluster:
            return await self._read_in_cluster(keys)
        answer = await self._client.run_script(_READ, keys, (UNCOUNTED,))
        found = cast("list[bytes | int | None]", answer)
        return [
            Read(value_of(kept), ticket)
            if isinstance(kept, bytes) and isinstance(ticket, int)
            else None
            for kept, ticket in zip(found[::2], found[1::2], strict=True)
        ]

    async def _read_in_cluster(self, keys: Sequence[bytes]) -> Sequence[Read | None]:
        """In two round trips: a cluster's scripts take keys of one slot only."""
        found = await self.get_many(keys)
        counters = {
            index: Addition(key + b":" + edition, 1, READERS_LIFE_MS)
            for index, (key, kept) in enumerate(zip(keys, found, strict=True))
            if kept is not None and (edition := edition_of(kept))
        }
        numbers: Sequence[int] = ()
        # Without numbers the values may be of use all the same.
        with contextlib.suppress(RedisAnswerError):
            numbers = await self.add_many(list(counters.values())) if counters else ()
        tickets = dict(zip(counters, numbers, strict=False))
        return [
            None if kept is None else Read(value_of(kept), tickets.get(index, 0))
            for index, kept in enumerate(found)
        ]

    async def put_many(self, entries: Sequence[Put]) -> None:
        await self._client.execute_many(
            [("SET", each.key, with_edition(each), "PX", each.life_ms) for each in entries]
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
        cancellation = Cancellation()
        while True:
            try:
                await self._client.ping()  # a cluster's client must know the layout first
                async with contextlib.aclosing(self._client.pub_sub()) as connection:
                    await _hear(connection, channel, on_notice)
            except Exception as error:  # noqa: BLE001 - the library trips over nonsense, too
                cancellation.pass_on()
                _log.info("notices_not_heard", reason=str(self._client.told(error)))
            await asyncio.sleep(_AGAIN_S)

    async def aclose(self) -> None:
        await self._client.aclose()


async def _hear(connection: RedisPubSub, channel: str, on_notice: Callable[[], None]) -> None:
    cancellation = Cancellation()
    await connection.subscribe(channel)
    while True:
        cancellation.pass_on()
        # The first that comes is that of the subscription itself.
        if await connection.get_message(timeout=_LISTEN_S) is not None:
            on_notice()
