"""One configuration in force, and the count of requests that still use it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, Self

from remixer.attributes.bag import Bag
from remixer.config.snapshot import EMPTY_SNAPSHOT, Snapshot
from remixer.foundation.errors import InternalError
from remixer.runtime.handlers import HandlerTable
from remixer.runtime.routes import RouteTable
from remixer.runtime.slices import Work


class BagSink(Protocol):
    """Takes bags of reports whose generators wait."""

    def put(self, bag: Bag) -> None:
        """Accept a bag, or drop and count it; never blocks."""
        ...

    async def flush(self) -> None:
        """Return when everything accepted so far was reported."""
        ...

    async def aclose(self) -> None:
        """Accept nothing more; report what was accepted if there is time."""
        ...


@dataclass(slots=True, eq=False)
class Generation:
    """A snapshot, its handlers and its routes; requests that wait hold it.

    Requests that never wait need not: they begin and end between two steps of the loop.
    """

    number: int = 0
    snapshot: Snapshot = EMPTY_SNAPSHOT
    handlers: HandlerTable = field(default_factory=HandlerTable)
    routes: RouteTable = field(default_factory=RouteTable)
    preprocessing: BagSink | None = None
    """Set if some generator waits. Reports in it hold this generation."""
    later: Callable[[Work], None] | None = None
    """Does what need not be done while a request waits; None: do it at once."""
    _holders: int = 0
    _released: asyncio.Event = field(default_factory=asyncio.Event)

    def __enter__(self) -> Self:
        self._holders += 1
        return self

    def __exit__(self, *_exc: object) -> None:
        self._holders -= 1
        if self._holders == 0:
            self._released.set()

    @property
    def holders(self) -> int:
        """Requests in flight."""
        return self._holders

    def preprocess_later(self, bag: Bag) -> None:
        """Report `bag` when its generators have answered; never blocks."""
        if self.preprocessing is None:
            message = "generators wait, and nothing waits for them"
            raise InternalError(message)
        self.preprocessing.put(bag)

    async def drained(self) -> None:
        """Return when no request holds it. Call only after a newer one is in force."""
        while self._holders:
            self._released.clear()
            await self._released.wait()
