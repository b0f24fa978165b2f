"""A store of keys and values in memory, whose faults a test decides."""

import asyncio
from collections.abc import Callable, Sequence

from remixer.drivers.key_values import (
    READERS_LIFE_MS,
    Addition,
    KeyValueError,
    KeyValueRefusedError,
    KeyValueUnavailableError,
    Put,
    Read,
    edition_of,
    value_of,
    with_edition,
)
from remixer.foundation.clock import Clock

_MS_PER_S = 1_000


class FakeKeyValues:
    """Implements `KeyValueStore`. Several clients may use one: pass it to all of them."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._values: dict[bytes, tuple[bytes, float]] = {}
        self._listeners: list[tuple[str, Callable[[], None]]] = []
        self.calls: list[str] = []
        """`get 2`, `put 1`, `add 1`: what came, with how many keys."""
        self.delay_s = 0.0
        self.failure: KeyValueError | None = None
        """What every call raises."""
        self.write_failure: KeyValueError | None = None
        """What writes raise."""

    def __str__(self) -> str:
        return "fake"

    # ------------------------------------------------------------ what tests do

    def break_down(self) -> None:
        """From now on nobody is there."""
        self.failure = KeyValueUnavailableError("fake: gone")

    def recover(self) -> None:
        self.failure = None
        self.write_failure = None
        self.delay_s = 0.0

    def refuse_writes(self) -> None:
        """As a server without room does."""
        self.write_failure = KeyValueRefusedError("fake: out of memory")

    @property
    def contents(self) -> dict[bytes, bytes]:
        """All that has not ended."""
        return {key: value for key in self._values if (value := self._value(key)) is not None}

    @property
    def editions(self) -> dict[bytes, bytes]:
        """What was put with an edition, without it; counters are no such thing."""
        return {key: value_of(kept) for key, kept in self.contents.items() if not kept.isdigit()}

    def overwrite(self, key: bytes, value: bytes) -> None:
        """As a stranger may who has access."""
        self._values[key] = value, self._values[key][1]

    def forge(self, key: bytes, value: bytes) -> None:
        """The same for what was put with an edition, which stays."""
        self.overwrite(key, self._values[key][0][: -len(value_of(self._values[key][0]))] + value)

    def clear(self) -> None:
        """As after a restart."""
        self._values.clear()

    # ------------------------------------------------------------ the port

    async def start(self) -> None:
        """Nothing to do."""

    async def get_many(self, keys: Sequence[bytes]) -> Sequence[bytes | None]:
        await self._called("get", len(keys))
        return [self._value(key) for key in keys]

    async def read_many(self, keys: Sequence[bytes]) -> Sequence[Read | None]:
        await self._called("get", len(keys))
        found: list[Read | None] = []
        for key in keys:
            kept = self._value(key)
            edition = b"" if kept is None else edition_of(kept)
            found.append(None if kept is None else Read(value_of(kept), self._ticket(key, edition)))
        return found

    def _ticket(self, key: bytes, edition: bytes) -> int:
        if not edition or self.write_failure is not None:
            return 0
        counter = key + b":" + edition
        number = int(self._value(counter) or b"0") + 1
        self._put(counter, b"%d" % number, READERS_LIFE_MS)
        return number

    async def put_many(self, entries: Sequence[Put]) -> None:
        await self._called("put", len(entries), writes=True)
        for entry in entries:
            self._put(entry.key, with_edition(entry), entry.life_ms)

    async def add_many(self, additions: Sequence[Addition]) -> Sequence[int]:
        await self._called("add", len(additions), writes=True)
        totals: list[int] = []
        for key, amount, life_ms in additions:
            totals.append(int(self._value(key) or b"0") + amount)
            self._put(key, b"%d" % totals[-1], life_ms)
        return totals

    async def notify(self, channel: str) -> None:
        await self._called("notify", 1)
        for wanted, on_notice in self._listeners:
            if wanted == channel:
                on_notice()

    async def listen(self, channel: str, on_notice: Callable[[], None]) -> None:
        listener = (channel, on_notice)
        self._listeners.append(listener)
        try:
            on_notice()
            await asyncio.Event().wait()
        finally:
            self._listeners.remove(listener)

    async def aclose(self) -> None:
        """Nothing to do."""

    async def _called(self, what: str, count: int, *, writes: bool = False) -> None:
        self.calls.append(f"{what} {count}")
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        if self.failure is not None:
            raise self.failure
        if writes and self.write_failure is not None:
            raise self.write_failure

    def _value(self, key: bytes) -> bytes | None:
        found = self._values.get(key)
        if found is None or self._clock.monotonic_s() >= found[1]:
            return None
        return found[0]

    def _put(self, key: bytes, value: bytes, life_ms: int) -> None:
        self._values[key] = value, self._clock.monotonic_s() + life_ms / _MS_PER_S
