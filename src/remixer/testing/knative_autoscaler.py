"""Knative's autoscaler for tests: a real websocket server in front of the rules of decision.

    async with KnativeAutoscaler() as autoscaler:
        autoscaler.add("shop/cart-00001")
        ... something sends stats to autoscaler.url ...
        await autoscaler.until_desired("shop/cart-00001", 1)

It reads one encoding; what it cannot read it drops and counts, as the real one, and answers
nothing. `server` has the faults: refusals, hangs, drops; `restart` is a rollout.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from remixer.foundation.clock import Clock, SystemClock
from remixer.testing.knative_decider import Decider, Scaling
from remixer.testing.websocket_server import WebSocketServer
from remixer.wire.knative_stats import Encoding, RevisionKey, Stat, StatError, decode_message

TICK_S: Final = 2.0
_MOST_KEPT: Final = 100_000
_NS_PER_S: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Decision:
    """A change of what is desired."""

    key: RevisionKey
    before: int
    after: int
    at_s: float
    """On the monotonic clock."""
    was_poked: bool
    """Else it fell at a tick."""


@dataclass(frozen=True, slots=True)
class SeenStat:
    """A stat, when it came, and in which message."""

    stat: Stat
    at_s: float
    message: int


class KnativeAutoscaler:
    """Decides for the revisions it was told of; `on_decision` functions hear of every change."""

    def __init__(
        self,
        *,
        encoding: Encoding | None = None,
        clock: Clock | None = None,
        tick_s: float = TICK_S,
    ) -> None:
        self._encoding = encoding or Encoding()
        self._clock = clock or SystemClock()
        self._tick_s = tick_s
        self._deciders: dict[RevisionKey, Decider] = {}
        self._changed = asyncio.Event()
        self._ticking: asyncio.TaskGroup | None = None
        self._ticks: asyncio.Task[None] | None = None
        self.server = WebSocketServer(on_message=self._take)
        self.on_decision: list[Callable[[Decision], None]] = []
        self.decisions: deque[Decision] = deque(maxlen=_MOST_KEPT)
        self.seen: deque[SeenStat] = deque(maxlen=_MOST_KEPT)
        """Stats of known and unknown revisions, in the order they came."""
        self.messages = 0
        self.unread: list[str] = []
        """Why messages could not be read; the last hundred."""
        self.unknown: Counter[RevisionKey] = Counter()
        """Stats of revisions it was not told of."""

    async def __aenter__(self) -> Self:
        await self.server.start()
        self._ticking = await asyncio.TaskGroup().__aenter__()
        self._ticks = self._ticking.create_task(self._tick_forever(), name="autoscaler ticks")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.server.__aexit__(kind, error, trace)
        if self._ticking is not None and self._ticks is not None:
            self._ticks.cancel()
            await self._ticking.__aexit__(kind, error, trace)

    @property
    def url(self) -> str:
        return self.server.url

    def add(self, key: str, *, desired: int = 0, scaling: Scaling | None = None) -> None:
        """Know `namespace/revision` from now on. `desired` -1: nothing was decided yet."""
        self._deciders[_key(key)] = Decider(desired=desired, scaling=scaling)

    def remove(self, key: str) -> None:
        self._deciders.pop(_key(key), None)

    def desired(self, key: str) -> int:
        return self._deciders[_key(key)].desired

    def set_ready(self, key: str, pods: int) -> None:
        """So many pods serve, and say from now on that they are idle."""
        self._deciders[_key(key)].ready = pods

    def set_desired(self, key: str, desired: int) -> None:
        """Decide by hand: `0` puts a revision to sleep."""
        decider = self._deciders[_key(key)]
        before, decider.desired = decider.desired, desired
        if before != desired:
            self._announce(_key(key), before, decider, was_poked=False)

    def stats_of(self, key: str) -> list[Stat]:
        return [each.stat for each in self.seen if each.stat.key == _key(key)]

    async def until(self, is_so: Callable[[], bool], *, within_s: float = 60.0) -> None:
        """Return when `is_so`, looked at after every message and decision.

        Raises `TimeoutError`.
        """
        async with asyncio.timeout(within_s):
            while not is_so():
                self._changed.clear()
                # Connections and ends are not announced: look again now and then.
                with suppress(TimeoutError):
                    async with asyncio.timeout(0.02):
                        await self._changed.wait()

    async def until_desired(self, key: str, desired: int, *, within_s: float = 60.0) -> None:
        await self.until(lambda: self.desired(key) == desired, within_s=within_s)

    async def restart(self, *, forgets: bool = True) -> None:
        """Stop with 1012 and listen again at once. Without `forgets` decisions are kept."""
        await self.server.stop()
        if forgets:
            for key, decider in self._deciders.items():
                self._deciders[key] = decider.restarted()
        await self.server.start()

    def tick(self) -> None:
        """What happens every two seconds, now."""
        now_s = self._now_s()
        for key, decider in tuple(self._deciders.items()):
            if decider.ready:
                decider.scrape(0.0, now_s=now_s)
            self._evaluate(key, decider, was_poked=False)

    async def _tick_forever(self) -> None:
        while True:
            await asyncio.sleep(self._tick_s)
            self.tick()

    def _take(self, message: bytes) -> None:
        self.messages += 1
        try:
            stats = decode_message(message, self._encoding)
        except StatError as error:
            self.unread = [*self.unread[-99:], str(error)]
            stats = ()
        for stat in stats:
            self.seen.append(SeenStat(stat, self._clock.monotonic_s(), self.messages))
            decider = self._deciders.get(stat.key)
            if decider is None:
                self.unknown[stat.key] += 1
            elif decider.take(stat, now_s=self._now_s()):
                self._evaluate(stat.key, decider, was_poked=True)
        self._changed.set()

    def _evaluate(self, key: RevisionKey, decider: Decider, *, was_poked: bool) -> None:
        before = decider.desired
        if decider.evaluate(now_s=self._now_s()):
            self._announce(key, before, decider, was_poked=was_poked)

    def _announce(
        self, key: RevisionKey, before: int, decider: Decider, *, was_poked: bool
    ) -> None:
        decision = Decision(key, before, decider.desired, self._clock.monotonic_s(), was_poked)
        self.decisions.append(decision)
        self._changed.set()
        for hear in tuple(self.on_decision):
            hear(decision)

    def _now_s(self) -> float:
        return self._clock.unix_ns() / _NS_PER_S


def _key(text: str) -> RevisionKey:
    namespace, _, name = text.partition("/")
    return RevisionKey(namespace, name)
