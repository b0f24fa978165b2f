"""A Mixer that answers from memory what it has answered before.

Theory of operation. A check is looked up first. What is remembered answers at once; near the end of
its life it is renewed in the background, by one call, while others still get it. What is not goes to
the inner Mixer, once for all who ask alike at the same time: the others wait, and take the answer if
its key is theirs, too. If the inner Mixer fails, an answer that has ended not long ago stands in.

Quotas are never answered from memory: the verdict is, and the inner Mixer grants.
"""

import asyncio
from collections.abc import Callable, Coroutine, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Final, Protocol

from remixer.attributes.bag import Bag
from remixer.attributes.values import Duration
from remixer.foundation.clock import Clock
from remixer.foundation.errors import PolicyError
from remixer.foundation.event_limit import EventLimit
from remixer.foundation.log import event_log
from remixer.mixer.outcome import CheckOutcome, Provenance, QuotaOutcome, ReportOutcome
from remixer.mixer.port import Mixer
from remixer.mixer.request import CheckRequest
from remixer.tiers.answers import Answers, Entry, Found
from remixer.tiers.settings import CacheSettings

_NS_PER_S: Final = 1_000_000_000
_LOG_INTERVAL_S: Final = 10.0

_log: Final = event_log(__name__)


class Policies(Protocol):
    """What chooses the rules of a request, and which rules those are now."""

    def place_of(self, bag: Bag) -> tuple[Hashable, object]:
        """The place of a request, and its stamp.

        The place is equal for requests that the same rules decide. The stamp is another one as
        soon as these rules may answer otherwise; None: remember nothing.
        """
        ...


class Background(Protocol):
    """Runs renewals; `asyncio.TaskGroup.create_task` is one."""

    def __call__(self, work: Coroutine[object, object, None], *, name: str) -> object: ...


@dataclass(slots=True)
class CacheCounts:
    """How checks were answered."""

    hits: int = 0
    misses: int = 0
    stale: int = 0
    """A failure was covered up by an answer that had ended."""
    joined: int = 0
    """Misses that waited for another's answer and took it."""
    renewals: int = 0
    bypassed: int = 0
    """The rules of the request may not be cached."""


class CachedMixer:
    """Implements `Mixer` around another."""

    def __init__(
        self,
        inner: Mixer,
        *,
        settings: CacheSettings,
        policies: Policies,
        clock: Clock,
        random: Random,
        background: Background | None = None,
    ) -> None:
        """Without `background` nothing is renewed ahead of its end."""
        self._inner = inner
        self._settings = settings
        self._policies = policies
        self._clock = clock
        self._background = background
        self._flights: dict[tuple[Hashable, ...], asyncio.Future[None]] = {}
        self._renewals = 0
        self._stale_logged = EventLimit(interval_s=_LOG_INTERVAL_S)
        self.answers = Answers(settings, random=random)
        self.counts = CacheCounts()

    # ------------------------------------------------------------ the port

    def check_now(self, request: CheckRequest) -> CheckOutcome | None:
        found = self._find(request)
        if found is None:
            return self._inner.check_now(request)
        if self._answers(found):
            quotas = self._inner.grant_now(request) if self._needs_quotas(found, request) else {}
            return None if quotas is None else self._hit(found, request, quotas)
        try:
            outcome = self._inner.check_now(request)
        except PolicyError as error:
            return self._stale_now(found, request, error)
        if outcome is None:
            return None
        self.counts.misses += 1
        return self._learned(found, request, outcome)

    async def check(self, request: CheckRequest) -> CheckOutcome:
        found = self._find(request)
        if found is None:
            self.counts.bypassed += 1
            return await self._inner.check(request)
        if not self._answers(found) and found.keys in self._flights:
            await asyncio.wait({self._flights[found.keys]})
            again = self._find(request)
            if again is not None and self._answers(again):
                self.counts.joined += 1
                found = again
        if self._answers(found):
            needs = self._needs_quotas(found, request)
            quotas = await self._inner.grant(request) if needs else {}
            return self._hit(found, request, quotas)
        self.counts.misses += 1
        return await self._ask(found, request)

    def grant_now(self, request: CheckRequest) -> Mapping[str, QuotaOutcome] | None:
        return self._inner.grant_now(request)

    async def grant(self, request: CheckRequest) -> Mapping[str, QuotaOutcome]:
        return await self._inner.grant(request)

    def report(self, bags: Sequence[Bag]) -> ReportOutcome:
        return self._inner.report(bags)

    # ------------------------------------------------------------ operators

    def revoke(self, matches: Callable[[Mapping[str, object]], bool] | None = None) -> int:
        """Forget answers whose known attributes match, or all; how many."""
        if matches is None:
            count = len(self.answers.table)
            self.answers.clear()
            return count
        doomed = [key for shape, key, _ in self.answers.entries() if matches(shape.values_of(key))]
        for key in doomed:
            self.answers.drop(key)
        return len(doomed)

    # ------------------------------------------------------------ inside

    def _find(self, request: CheckRequest) -> Found | None:
        """None if the answer must not be remembered."""
        place, stamp = self._policies.place_of(request.bag)
        if stamp is None:
            return None
        now_s = self._clock.monotonic_s()
        return self.answers.find(request.bag, place=place, stamp=stamp, now_s=now_s)

    def _answers(self, found: Found) -> bool:
        entry = found.entry
        return entry is not None and entry.uses != 0 and self._clock.monotonic_s() < entry.ends_s

    def _needs_quotas(self, found: Found, request: CheckRequest) -> bool:
        assert found.entry is not None  # noqa: S101 - by the caller
        return bool(request.quotas) and found.entry.outcome.status.is_ok

    def _hit(
        self, found: Found, request: CheckRequest, quotas: Mapping[str, QuotaOutcome]
    ) -> CheckOutcome:
        entry = found.entry
        assert entry is not None  # noqa: S101 - by the caller
        self.counts.hits += 1
        now_s = self._clock.monotonic_s()
        if now_s >= entry.renews_s:
            self._renew(found, request)
        given = _spend(entry, keeps=request.keeps_answer)
        return _told(entry, given, quotas, now_s=now_s, keeps=request.keeps_answer)

    async def _ask(self, found: Found, request: CheckRequest) -> CheckOutcome:
        """The inner Mixer, for all who ask the same meanwhile."""
        flight: asyncio.Future[None] | None = None
        if found.keys and found.keys not in self._flights:
            flight = self._flights[found.keys] = asyncio.get_running_loop().create_future()
        try:
            outcome = await self._inner.check(request)
            return self._learned(found, request, outcome)
        except PolicyError as error:
            stale = self._stale(found, error)
            if stale is None:
                raise
            quotas = await self._inner.grant(request) if request.quotas else {}
            return replace(stale, quotas=quotas) if quotas else stale
        finally:
            if flight is not None:
                del self._flights[found.keys]
                flight.set_result(None)

    def _learned(self, found: Found, request: CheckRequest, outcome: CheckOutcome) -> CheckOutcome:
        """What the first asker gets; the rest of the uses stays here."""
        now_s = self._clock.monotonic_s()
        entry = self.answers.learn(request.bag, outcome, place=found.place, now_s=now_s)
        if entry is None:
            return outcome
        given = _spend(entry, keeps=request.keeps_answer)
        return replace(outcome, valid_use_count=given) if request.keeps_answer else outcome

    def _stale_now(
        self, found: Found, request: CheckRequest, error: PolicyError
    ) -> CheckOutcome | None:
        stale = self._stale(found, error)
        if stale is None:
            raise error
        quotas = self._inner.grant_now(request) if request.quotas and stale.status.is_ok else {}
        if quotas is None:
            return None
        return replace(stale, quotas=quotas) if quotas else stale

    def _stale(self, found: Found, error: PolicyError) -> CheckOutcome | None:
        """The answer that stands in for a failure, for one use."""
        entry = found.entry
        if entry is None or not self._settings.stale_for_s:
            return None
        self.counts.stale += 1
        now_s = self._clock.monotonic_s()
        held_back = self._stale_logged.pass_now(error.message, now_s=now_s)
        if held_back is not None:
            ended_s = round(now_s - entry.ends_s, 1)
            _log.warning(
                "stale_answer_used", reason=error.message, ended_s=ended_s, held_back=held_back
            )
        return replace(
            entry.outcome,
            valid_duration=Duration(0),
            valid_use_count=0,
            provenance=Provenance.STALE,
        )

    def _renew(self, found: Found, request: CheckRequest) -> None:
        entry = found.entry
        assert entry is not None  # noqa: S101 - by the caller
        if (
            self._background is None
            or entry.is_renewing
            or self._renewals >= self._settings.max_refreshes
        ):
            return
        entry.is_renewing = True
        self._renewals += 1
        self.counts.renewals += 1
        plain = replace(request, quotas={}, deduplication_id="", deadline=None)
        self._background(self._renewed(found, entry, plain), name="renew an answer")

    async def _renewed(self, found: Found, entry: Entry, request: CheckRequest) -> None:
        try:
            outcome = await self._inner.check(request)
        except PolicyError:
            return  # it still has time; the next who asks past its end hears of the failure
        finally:
            self._renewals -= 1
            entry.is_renewing = False
        self.answers.learn(request.bag, outcome, place=found.place, now_s=self._clock.monotonic_s())


def _spend(entry: Entry, *, keeps: bool) -> int:
    """Take one use, and for a caller that keeps the answer half of the rest; what it gets."""
    if entry.uses < 0:
        return entry.uses
    entry.uses -= 1
    if not keeps:
        return 0
    given = entry.uses // 2
    entry.uses -= given
    return given


def _told(
    entry: Entry, given: int, quotas: Mapping[str, QuotaOutcome], *, now_s: float, keeps: bool
) -> CheckOutcome:
    """The remembered answer for one request.

    Whole seconds are told to a caller that keeps it, so that encoded answers recur.
    """
    outcome = entry.outcome
    if keeps:
        left_s = entry.ends_s - now_s
        left_ns = int(left_s) * _NS_PER_S if left_s >= 1.0 else int(left_s * _NS_PER_S)
        return replace(
            outcome, valid_duration=Duration(left_ns), valid_use_count=given, quotas=quotas
        )
    return replace(outcome, quotas=quotas) if quotas else outcome
