"""Answers on their way to the shared cache: written behind, in batches, bounded, dropped if need be.

Dropping costs a hit at some other time, and nothing else.
"""

import asyncio
from typing import Final

from remixer.drivers.key_values import (
    KeyValueError,
    KeyValueRefusedError,
    KeyValues,
    Put,
)
from remixer.tiers.background import Background
from remixer.tiers.shared.breaker import Breaker
from remixer.tiers.shared.counts import SharedCounts
from remixer.tiers.shared.settings import SharedSettings

_FLUSH_S: Final = 0.5
"""Of an orderly end."""


class WriteBehind:
    """Writes to one server."""

    def __init__(
        self,
        store: KeyValues,
        *,
        breaker: Breaker,
        settings: SharedSettings,
        counts: SharedCounts,
        background: Background,
    ) -> None:
        self._store = store
        self._breaker = breaker
        self._settings = settings
        self._counts = counts
        self._background = background
        self._waiting: dict[bytes, Put] = {}
        self._bytes = 0
        self._is_writing = False
        self._idle = asyncio.Event()
        self._idle.set()

    def put(self, entry: Put) -> None:
        """Take it, or drop and count it; never waits. A newer one of the same key replaces it."""
        if self._breaker.is_open:
            self._counts.write_dropped_resting += 1
            return
        before = self._waiting.pop(entry.key, None)
        self._bytes -= 0 if before is None else _size(before)
        if (
            len(self._waiting) >= self._settings.max_unwritten
            or self._bytes + _size(entry) > self._settings.max_unwritten_bytes
        ):
            self._counts.write_dropped_full += 1
            return
        self._waiting[entry.key] = entry
        self._bytes += _size(entry)
        if not self._is_writing:
            self._is_writing = True
            self._idle.clear()
            self._background(self._write(), name="write to the shared cache")

    async def flush(self) -> None:
        """Return when all was written or dropped, or after a short time."""
        try:
            async with asyncio.timeout(_FLUSH_S):
                await self._idle.wait()
        except TimeoutError:
            self._counts.write_dropped_full += len(self._waiting)
            self._waiting.clear()
            self._bytes = 0

    async def _write(self) -> None:
        try:
            while self._waiting:
                batch = self._taken()
                if self._breaker.is_open:
                    self._counts.write_dropped_resting += len(batch)
                    continue
                await self._put_all(batch)
        finally:
            self._is_writing = False
            self._idle.set()

    def _taken(self) -> list[Put]:
        keys = list(self._waiting)[: self._settings.max_batch]
        batch = [self._waiting.pop(key) for key in keys]
        self._bytes -= sum(map(_size, batch))
        return batch

    async def _put_all(self, batch: list[Put]) -> None:
        try:
            await self._store.put_many(batch)
        except KeyValueError as error:
            self._counts.write_dropped_failed += len(batch)
            if not isinstance(error, KeyValueRefusedError):
                self._breaker.failed()
        else:
            self._counts.written += len(batch)


def _size(entry: Put) -> int:
    return len(entry.key) + len(entry.value)
