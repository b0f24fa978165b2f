"""One server of the shared cache: what is asked of it, what is written to it, when it rests.

A server begins at rest, and rests again after failures. Meanwhile checks do not even ask, and a
probe in the background finds out when it is well: when it answers, over warm connections, within
the budget of a check. So no check pays for finding out.
"""

import asyncio
from typing import Final

from remixer.drivers.key_values import Addition, KeyValueError, KeyValues, Read
from remixer.foundation.log import event_log
from remixer.tiers.background import Background
from remixer.tiers.shared.breaker import Breaker
from remixer.tiers.shared.counts import SharedCounts
from remixer.tiers.shared.rounds import Rounds
from remixer.tiers.shared.settings import SharedSettings
from remixer.tiers.shared.writes import WriteBehind

_PROBE_KEY: Final = b"rx:probe"
_FIRST_REST_S: Final = 0.1
_LONGEST_REST_S: Final = 5.0
_START_S: Final = 1.0
"""How long a start waits for the server; later ones are found by the probe."""

_log: Final = event_log(__name__)


class Lane:
    """Asks and writes."""

    def __init__(
        self,
        store: KeyValues,
        *,
        settings: SharedSettings,
        counts: SharedCounts,
        background: Background,
    ) -> None:
        self.store = store
        self._settings = settings
        self._counts = counts
        self._is_resting = asyncio.Event()
        self.breaker = Breaker(on_open=self._rest)
        self.reads: Rounds[bytes, Read | None] = Rounds(
            store.read_many,
            breaker=self.breaker,
            settings=settings,
            counts=counts,
            background=background,
        )
        self.additions: Rounds[Addition, int] = Rounds(
            store.add_many,
            breaker=self.breaker,
            settings=settings,
            counts=counts,
            background=background,
        )
        self.writes = WriteBehind(
            store,
            breaker=self.breaker,
            settings=settings,
            counts=counts,
            background=background,
        )

    async def start(self) -> None:
        """Raises `RemixerError` if there is no client for this server; waits for it a little."""
        await self.store.start()
        try:
            async with asyncio.timeout(_START_S):
                is_well = await self._is_well()
        except TimeoutError:
            is_well = False
        if is_well:
            self.breaker.close()
        else:
            self._rest()

    async def watch(self) -> None:
        """Bring it back after each rest, until cancelled."""
        while True:
            await self._is_resting.wait()
            await self._probe()
            self._is_resting.clear()
            self.breaker.close()
            _log.info("shared_cache_is_back", server=str(self.store))

    async def aclose(self) -> None:
        await self.writes.flush()
        self.breaker.is_open = True
        self.reads.give_up()
        self.additions.give_up()
        await self.store.aclose()

    def _rest(self) -> None:
        self._counts.rests += 1
        self.reads.give_up()
        self.additions.give_up()
        _log.warning("shared_cache_rests", server=str(self.store))
        self._is_resting.set()

    async def _probe(self) -> None:
        """Until it is well."""
        rest_s = _FIRST_REST_S
        await asyncio.sleep(rest_s)
        while not await self._is_well():
            rest_s = min(2 * rest_s, _LONGEST_REST_S)
            await asyncio.sleep(rest_s)

    async def _is_well(self) -> bool:
        """Whether it answers in time, after as many connections were made as checks use."""
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(2 * self._settings.max_rounds):
                    group.create_task(self._ask())
            async with asyncio.timeout(self._settings.budget_s):
                await self._ask()
        except (TimeoutError, ExceptionGroup, KeyValueError):
            return False
        return True

    async def _ask(self) -> None:
        await self.store.get_many((_PROBE_KEY,))
