"""The servers of the shared cache, as one. What cannot be had is a miss; nothing raises."""

import asyncio
from collections.abc import Mapping, Sequence

from remixer.drivers.hash_ring import HashRing
from remixer.drivers.key_values import Addition, KeyValues, Put, Read
from remixer.tiers.background import Background
from remixer.tiers.shared.counts import SharedCounts
from remixer.tiers.shared.lane import Lane
from remixer.tiers.shared.settings import SharedSettings


class SharedCache:
    """Values and counters by key, spread over servers."""

    def __init__(
        self,
        stores: Mapping[str, KeyValues],
        *,
        settings: SharedSettings,
        background: Background,
    ) -> None:
        """`stores` by name; names decide which server keeps which key."""
        self.settings = settings
        self.counts = SharedCounts()
        self._lanes = [
            Lane(store, settings=settings, counts=self.counts, background=background)
            for store in stores.values()
        ]
        self._only = self._lanes[0]
        self._ring = HashRing(list(stores)) if len(stores) > 1 else None

    async def start(self) -> None:
        """Raises `RemixerError` if the client of a server is not installed.

        A server that is not there is no reason to fail: it is asked when it has come.
        """
        async with asyncio.TaskGroup() as group:
            for lane in self._lanes:
                group.create_task(lane.start())

    async def watch(self) -> None:
        """Bring servers back after their rests, until cancelled."""
        async with asyncio.TaskGroup() as group:
            for lane in self._lanes:
                group.create_task(lane.watch())

    async def aclose(self) -> None:
        async with asyncio.TaskGroup() as group:
            for lane in self._lanes:
                group.create_task(lane.aclose())

    @property
    def is_resting(self) -> bool:
        """Whether there is no server to ask at present."""
        if self._ring is None:
            return self._only.breaker.is_open
        return all(lane.breaker.is_open for lane in self._lanes)

    def store_of(self, key: bytes) -> KeyValues:
        """The server that keeps this key, for those who can wait and care for errors."""
        return self._lane(key).store

    async def get(self, keys: Sequence[bytes], *, ends_s: float) -> Sequence[Read | None]:
        """The value of each key, None for a miss; or nothing at all.

        `ends_s`: on the loop's clock.
        """
        if self._ring is None:
            only = self._only
            asked_only = None if only.breaker.is_open else only.reads.ask(keys, ends_s=ends_s)
            return (() if asked_only is None else await asked_only) or ()
        asked = [self._get(self._lane(key), (key,), ends_s=ends_s) for key in keys]
        found = await asyncio.gather(*asked)
        return [None if each is None else each[0] for each in found]

    async def find(self, key: bytes, *, ends_s: float) -> tuple[Read | None] | None:
        """The value of one key, None inside for none; None if nobody knows."""
        answers = await self._get(self._lane(key), (key,), ends_s=ends_s)
        return None if answers is None else (answers[0],)

    async def add(self, addition: Addition, *, ends_s: float) -> int | None:
        """The counter's total, or None if nobody knows."""
        lane = self._lane(addition.key)
        if lane.breaker.is_open:
            return None
        asked = lane.additions.ask((addition,), ends_s=ends_s)
        answers = None if asked is None else await asked
        return None if answers is None else answers[0]

    def put(self, entry: Put) -> None:
        """Keep a value, some time soon; or drop it."""
        self._lane(entry.key).writes.put(entry)

    def _lane(self, key: bytes) -> Lane:
        return self._lanes[0 if self._ring is None else self._ring.index_of(key)]

    @staticmethod
    async def _get(
        lane: Lane, keys: Sequence[bytes], *, ends_s: float
    ) -> Sequence[Read | None] | None:
        if lane.breaker.is_open:
            return None
        asked = lane.reads.ask(keys, ends_s=ends_s)
        return None if asked is None else await asked
