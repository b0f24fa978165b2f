"""A Mixer that answers quotas from tokens fetched ahead: no request waits for a grant.

Theory of operation. A request whose verdict is remembered (`CachedMixer` asks `grant_now` for it)
draws from the *pool* of its quota and key. The key is made of what the quota's own answers say they
depend on, as for verdicts: shapes, learnt per quota name. A request that fits no stored pool draws
from the *pending* pool of that name, which all such requests share. The first answer that tells the
key of the request which caused it makes the pending pool that key's own; the next request without a
pool begins a new one. A draw may begin a prefetch: a grant asked of the inner Mixer in the
background, a logical call of its own, with the attributes of the request that caused it.

An answer belongs to the key of the request that asked. If meanwhile the pool became another key's,
the tokens go to the pool they belong to. A stored pool whose answer tells another key has outlived
the rules it was learnt from: it moves to that key.

A request whose verdict is not remembered asks for verdict and quotas in one call (`check`, passed
through). Quotas fail open: what the inner Mixer cannot be asked for is granted.

Bags are read after their requests have ended, until the prefetch is answered. Single thread, or one
event loop. Source: the C++ client of Istio 1.3, without its faults (docs/compat.md).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple, TypeAlias

from remixer.attributes.bag import Bag
from remixer.attributes.values import Duration
from remixer.foundation.clock import Clock
from remixer.foundation.deadline import Deadline
from remixer.foundation.errors import PolicyError
from remixer.mixer.combined_quotas import UNLIMITED_GRANT, is_unavailable, refusal_after
from remixer.mixer.outcome import (
    DEFAULT_VALID_DURATION,
    UNKNOWN_REFERENCES,
    CheckOutcome,
    QuotaOutcome,
    ReportOutcome,
)
from remixer.mixer.port import Mixer
from remixer.mixer.request import MATCHING, CheckRequest, MatchingQuotas, QuotaArgs
from remixer.tiers.background import Background
from remixer.tiers.quota_pool import Draw, PoolSettings, Prefetch
from remixer.tiers.quota_pools import KeyedPool, PoolLimits, Pools

_NS_PER_MS: Final = 1_000_000
_MS_PER_S: Final = 1_000
_AT_ONCE: Final = Duration(0)
_GRACE_S: Final = 1.0
"""Past its deadline, before a prefetch counts as lost."""

_Quotas: TypeAlias = Mapping[str, QuotaOutcome]


@dataclass(frozen=True, slots=True)
class QuotaCacheSettings:
    """Whether tokens are fetched ahead, and how many."""

    is_on: bool = True
    """Off: every quota is asked of the server, and requests wait for it."""
    max_prefetches: int = 256
    """Under way at once, for all pools. More requests than that pass or fail as their pools are:
    an open pool grants without tokens, a closed one refuses."""
    prefetch_timeout_s: float = 5.0
    """The proxies' own limit of one attempt. After that, what was asked for counts as granted."""
    limits: PoolLimits = field(default_factory=PoolLimits)
    pool: PoolSettings = field(default_factory=PoolSettings)


@dataclass(slots=True)
class QuotaCacheCounts:
    """How quotas were answered. Requests are counted, not the quotas of each."""

    calls: int = 0
    """Requests with quotas whose verdict was no denial from memory. Hits and misses together; one
    whose call failed and that an old verdict stood in for is both."""
    cache_hits: int = 0
    """Answered from pools."""
    cache_misses: int = 0
    """Asked of the server, most of them together with the verdict."""
    hit_accepts: int = 0
    """Hits for which all quotas were granted."""
    hit_denies: int = 0
    remote_calls: int = 0
    """Misses and prefetches, answered or not."""
    remote_accepts: int = 0
    """Answers to these that granted something of every quota; failed calls, too."""
    remote_denies: int = 0
    prefetches: int = 0
    """Calls for tokens ahead, one for each pool."""
    prefetch_failures: int = 0
    """Prefetches that nobody answered, or whose quota could not be asked for."""
    unbacked: int = 0
    """Quotas granted without a token, because too many prefetches were under way."""


class _Flight(NamedTuple):
    """A prefetch under way."""

    name: str
    held: KeyedPool
    prefetch: Prefetch
    bag: Bag
    was_pending: bool
    lost_ms: int
    """When it counts as lost, should nothing be heard of it: work in the background may be dropped."""


class QuotaCachedMixer:
    """Implements `Mixer` around another."""

    def __init__(
        self,
        inner: Mixer,
        *,
        settings: QuotaCacheSettings,
        clock: Clock,
        background: Background | None,
    ) -> None:
        """Without `background` nothing can be fetched ahead, as if it were switched off."""
        self._inner = inner
        self._settings = settings
        self._clock = clock
        self._background = background
        self._flights: dict[Prefetch, _Flight] = {}
        """The one to be lost first comes first."""
        self.pools = Pools(settings.limits, settings.pool)
        self.counts = QuotaCacheCounts()

    # ------------------------------------------------------------ the port

    def check_now(self, request: CheckRequest) -> CheckOutcome | None:
        if not request.quotas:
            return self._inner.check_now(request)
        try:
            outcome = self._inner.check_now(request)
        except PolicyError:
            self._count_direct({})
            raise
        return None if outcome is None else self._with_direct(outcome, request)

    async def check(self, request: CheckRequest) -> CheckOutcome:
        if not request.quotas:
            return await self._inner.check(request)
        try:
            outcome = await self._inner.check(request)
        except PolicyError:
            self._count_direct({})
            raise
        return self._with_direct(outcome, request)

    def grant_now(self, request: CheckRequest) -> _Quotas | None:
        """None if switched off, or if something is released: that is for the server to know."""
        asked = _by_name(request.quotas)
        background = self._background if self._settings.is_on else None
        if background is None:
            return None
        if any(args.amount <= 0 for args in asked.values()):
            return None
        outcomes: dict[str, QuotaOutcome] = {}
        is_granted = True
        now_ms = self._now_ms()
        if self._flights:
            self._give_up_lost(now_ms=now_ms)
        for name, args in asked.items():
            held = self.pools.find(name, request.bag, now_ms=now_ms)
            if now_ms < held.idle_until_ms:
                continue  # no quota applies to requests of this key: there is nothing to tell
            draw = self._drawn(held, args, now_ms=now_ms)
            if draw.prefetch is not None:
                flight = self._begun(name, held, draw.prefetch, request.bag, now_ms=now_ms)
                background(self._fetch(flight), name="fetch quota tokens ahead")
            outcome = outcomes[name] = _outcome(held, draw, now_ms=now_ms)
            is_granted &= outcome.granted > 0
        if outcomes:
            counts = self.counts
            counts.calls += 1
            counts.cache_hits += 1
            counts.hit_accepts += is_granted
            counts.hit_denies += not is_granted
        return outcomes

    async def grant(self, request: CheckRequest) -> _Quotas:
        outcomes = self.grant_now(request)
        if outcomes is not None:
            return outcomes
        asked = _by_name(request.quotas)
        try:
            answers = await self._inner.grant(request)
        except PolicyError:
            answers = {name: _let_pass(args) for name, args in asked.items()}
        self._count_direct(answers)
        return _failing_open(answers, asked)

    def report(self, bags: Sequence[Bag]) -> ReportOutcome:
        return self._inner.report(bags)

    # ------------------------------------------------------------ asked together with the verdict

    def _with_direct(self, outcome: CheckOutcome, request: CheckRequest) -> CheckOutcome:
        quotas = outcome.quotas
        self._count_direct(quotas)
        if MATCHING in quotas and _applies_to_nothing(quotas[MATCHING]):
            return replace(outcome, quotas={})
        if not any(is_unavailable(each) for each in quotas.values()):
            return outcome
        return replace(outcome, quotas=_failing_open(quotas, _by_name(request.quotas)))

    def _count_direct(self, answers: _Quotas) -> None:
        counts = self.counts
        counts.calls += 1
        counts.cache_misses += 1
        counts.remote_calls += 1
        self._count_answer(answers)

    def _count_answer(self, answers: _Quotas) -> None:
        is_granted = all(each.granted > 0 or is_unavailable(each) for each in answers.values())
        self.counts.remote_accepts += is_granted
        self.counts.remote_denies += not is_granted

    # ------------------------------------------------------------ from pools

    def _drawn(self, held: KeyedPool, args: QuotaArgs, *, now_ms: int) -> Draw:
        draw = held.pool.draw(
            args.amount,
            best_effort=args.best_effort,
            may_ask=len(self._flights) < self._settings.max_prefetches,
            now_ms=now_ms,
        )
        self.counts.unbacked += draw.is_unbacked
        return draw

    def _begun(
        self, name: str, held: KeyedPool, prefetch: Prefetch, bag: Bag, *, now_ms: int
    ) -> _Flight:
        patience_s = self._settings.prefetch_timeout_s + _GRACE_S
        lost_ms = now_ms + round(patience_s * _MS_PER_S)
        flight = _Flight(name, held, prefetch, bag, held.key is None, lost_ms)
        self._flights[prefetch] = flight
        self.counts.prefetches += 1
        self.counts.remote_calls += 1
        return flight

    async def _fetch(self, flight: _Flight) -> None:
        args = QuotaArgs(flight.prefetch.size, best_effort=True)
        is_matching = flight.name == MATCHING
        deadline = Deadline(self._clock.monotonic_s() + self._settings.prefetch_timeout_s)
        request = CheckRequest(
            bag=flight.bag,
            quotas=MatchingQuotas(args, is_combined=True) if is_matching else {flight.name: args},
            deadline=deadline,
        )
        answers: _Quotas = {}
        try:
            answers = await self._inner.grant(request)
        except PolicyError:
            return  # settled as granted; whoever makes the calls tells of their failures
        finally:
            if self._flights.pop(flight.prefetch, None) is not None:
                self._settle(flight, answers.get(flight.name), now_ms=self._now_ms())

    def _give_up_lost(self, *, now_ms: int) -> None:
        while self._flights:
            flight = next(iter(self._flights.values()))
            if now_ms < flight.lost_ms:
                return
            del self._flights[flight.prefetch]
            self._settle(flight, None, now_ms=now_ms)

    def _settle(self, flight: _Flight, answer: QuotaOutcome | None, *, now_ms: int) -> None:
        """Tokens into the pool; None if there was no answer. Once for every flight."""
        held, prefetch = flight.held, flight.prefetch
        self._count_answer({} if answer is None else {flight.name: answer})
        if answer is None or is_unavailable(answer):
            self.counts.prefetch_failures += 1
            held.pool.answered(prefetch, None, life_ms=0, now_ms=now_ms)
            return
        home = self.pools.home_of(
            flight.name,
            held,
            answer.references,
            flight.bag,
            was_pending=flight.was_pending,
            now_ms=now_ms,
        )
        home.refusal = refusal_after(answer)
        life_ms = answer.valid_duration // _NS_PER_MS
        home.idle_until_ms = now_ms + life_ms if _applies_to_nothing(answer) else now_ms
        if home is held:
            held.pool.answered(prefetch, answer.granted, life_ms=life_ms, now_ms=now_ms)
            return
        spent = held.pool.withdraw(prefetch)
        home.pool.receive(
            prefetch.size, answer.granted, spent=spent, life_ms=life_ms, now_ms=now_ms
        )

    def _now_ms(self) -> int:
        return round(self._clock.monotonic_s() * _MS_PER_S)


def _applies_to_nothing(answer: QuotaOutcome) -> bool:
    """Whether a combined answer says that there is no quota for such requests."""
    return answer.granted == UNLIMITED_GRANT


def _by_name(quotas: Mapping[str, QuotaArgs] | MatchingQuotas) -> Mapping[str, QuotaArgs]:
    return {MATCHING: quotas.args} if isinstance(quotas, MatchingQuotas) else quotas


def _outcome(held: KeyedPool, draw: Draw, *, now_ms: int) -> QuotaOutcome:
    if not draw.granted:
        return QuotaOutcome(0, _AT_ONCE, held.references, held.refusal)
    life = Duration((draw.ends_ms - now_ms) * _NS_PER_MS)
    return QuotaOutcome(draw.granted, life, held.references)


def _failing_open(answers: _Quotas, asked: Mapping[str, QuotaArgs]) -> _Quotas:
    """The same, but what could not be asked for is granted. Names that are missing pass anyway."""
    return {
        name: _let_pass(asked.get(name, QuotaArgs())) if is_unavailable(each) else each
        for name, each in answers.items()
    }


def _let_pass(args: QuotaArgs) -> QuotaOutcome:
    return QuotaOutcome(max(args.amount, 0), DEFAULT_VALID_DURATION, UNKNOWN_REFERENCES)
