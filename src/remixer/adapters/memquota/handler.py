"""`memquota`: allocation and release.

Counters are keyed by instance and all of its dimensions. They are kept in order of use and at
most `MOST_COUNTERS` of them: free ones are dropped as they are found, and beyond the limit the
least recently used one is forgotten, which can only let through more. The original's counters
grew without end.
"""

from collections import OrderedDict
from typing import Final, TypeAlias

from remixer.adapters.memquota.counters import Cell, RollingWindow
from remixer.adapters.memquota.keys import KeyPart, bounded, counter_key
from remixer.adapters.memquota.limits import Limit, QuotaLimits
from remixer.adapters.memquota.params import Params, validate
from remixer.adapters.memquota.replays import Replays
from remixer.attributes.values import Duration
from remixer.foundation.clock import Clock
from remixer.foundation.errors import RemixerError
from remixer.foundation.log import event_log
from remixer.sdk import (
    AdapterInfo,
    Environment,
    HandlerContext,
    QuotaRequest,
    QuotaResult,
)
from remixer.templates.instances import Quota as QuotaInstance

MOST_COUNTERS: Final = 100_000
"""About 60 MB when every one is in use; a quota by client address of a large site."""
_TICK_NS: Final = 100_000_000
_SWEEP: Final = 2  # old counters looked at per new one: the table shrinks faster than it grows

_Counter: TypeAlias = RollingWindow | Cell
_Key: TypeAlias = tuple[KeyPart, ...]

_log: Final = event_log(__name__)


class UnknownQuotaError(RemixerError):
    """An instance without a limit; validation should have found it."""


class MemQuota:
    """Counts in memory. State is lost with the handler and is this process's own."""

    def __init__(self, params: Params, *, clock: Clock) -> None:
        self._monotonic_s = clock.monotonic_s
        # Steps of the wall clock must not refill or freeze windows.
        self._unix_offset_ns = clock.unix_ns() - round(clock.monotonic_s() * 1e9)
        self._limits = {quota.name: QuotaLimits(quota) for quota in params.quotas}
        self._replays = Replays(period_ns=params.min_deduplication_duration, now_ns=self._now_ns())
        self._counters: OrderedDict[_Key, _Counter] = OrderedDict()
        self.forgotten = 0
        """Counters in use that had to go because there were too many."""

    def allocate(self, instance: QuotaInstance, request: QuotaRequest, /) -> QuotaResult:
        """Grant or release; the status is always OK, a refusal is amount 0.

        A known de-duplication id gets the same amount again, with the time that is left. Its
        scope is the id alone: callers append the quota's name.
        """
        limits = self._limits.get(instance.name)
        if limits is None:
            message = f"no quota is configured for {instance.name}"
            raise UnknownQuotaError(message)
        if request.amount == 0:
            return _NOTHING
        now_ns = self._now_ns()
        limit = limits.limit_for(instance.dimensions) if limits.overrides else limits.own
        if not request.deduplication_id:
            return self._count(counter_key(instance), limit, request, now_ns // _TICK_NS)
        replayed_id = bounded(request.deduplication_id)
        answer = self._replays.find(replayed_id, now_ns=now_ns)
        if answer is not None:
            granted, expires_at_ns = answer
            return QuotaResult(granted, Duration(max(0, expires_at_ns - now_ns)))
        result = self._count(counter_key(instance), limit, request, now_ns // _TICK_NS)
        self._replays.remember(replayed_id, (result.granted, now_ns + result.valid_duration))
        return result

    async def aclose(self) -> None:
        """Nothing is held but memory."""

    def __len__(self) -> int:
        """Counters in memory."""
        return len(self._counters)

    def _now_ns(self) -> int:
        return self._unix_offset_ns + round(self._monotonic_s() * 1e9)

    def _count(self, key: _Key, limit: Limit, request: QuotaRequest, tick: int) -> QuotaResult:
        amount, best_effort = request.amount, request.best_effort
        if amount < 0:
            return self._release(key, -amount, tick)
        counter = self._counters.get(key)
        if counter is not None:
            self._counters.move_to_end(key)
            granted = counter.take(amount, tick=tick, best_effort=best_effort)
        else:
            counter = _new_counter(limit)
            granted = counter.take(amount, tick=tick, best_effort=best_effort)
            if granted:
                self._make_room(tick)
                self._counters[key] = counter
        # A best-effort grant of 0 carries the duration too, as in the original.
        is_answer = granted > 0 or best_effort
        return QuotaResult(granted, limit.valid_duration if is_answer else _NO_TIME)

    def _release(self, key: _Key, amount: int, tick: int) -> QuotaResult:
        counter = self._counters.get(key)
        if counter is None:
            return _NOTHING
        released = counter.give_back(amount, tick=tick)
        if counter.is_free:
            del self._counters[key]
        return QuotaResult(released)

    def _make_room(self, tick: int) -> None:
        """Drop free counters from the least recently used end; at the limit one in use."""
        counters = self._counters
        for _ in range(min(_SWEEP, len(counters))):
            key, counter = next(iter(counters.items()))
            counter.roll(tick)
            if not counter.is_free:
                break
            del counters[key]
        if len(counters) >= MOST_COUNTERS:
            counters.popitem(last=False)
            if self.forgotten == 0:
                _log.warning("memquota_counters_forgotten", most=MOST_COUNTERS)
            self.forgotten += 1


_NO_TIME: Final = Duration(0)
_NOTHING: Final = QuotaResult()


def _new_counter(limit: Limit) -> _Counter:
    if limit.ticks:
        return RollingWindow(max_amount=limit.max_amount, length=limit.ticks)
    return Cell(max_amount=limit.max_amount)


async def _build(params: Params, _context: HandlerContext, environment: Environment) -> MemQuota:
    return MemQuota(params, clock=environment.clock)


INFO = AdapterInfo(
    name="memquota",
    description="Quotas counted in this process's memory.",
    templates=frozenset({"quota"}),
    defaults=Params(),
    build=_build,
    validate=validate,
)
