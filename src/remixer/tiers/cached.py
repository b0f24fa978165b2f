"""A Mixer that answers from memory what it has answered before.

Theory of operation. A check is looked up first. What is remembered answers at once; near the end of
its life it is renewed in the background, by one call, while others still get it. What is not goes to
the inner Mixer, once for all who ask alike at the same time (a *flight*): the others wait, no longer
than they may, and take the answer if its key is theirs, too. If the inner Mixer fails, an answer
that has ended not long ago stands in; the inner Mixer is then given a little less time than the
request has, so that this is not too late.

An answer is remembered only if no rule has changed and nothing was revoked between the question and
the answer. Quotas are never answered from memory: the verdict is, and the inner Mixer grants.

A flight is a future: it ends with None, or with the failure, or cancelled if whoever led it went
away; then one of those who waited leads the next.
"""

import asyncio
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Final, Protocol, TypeAlias

from remixer.attributes.bag import Bag
from remixer.attributes.values import Duration, Value
from remixer.foundation.clock import Clock
from remixer.foundation.deadline import Deadline
from remixer.foundation.errors import InvalidRequestError, PolicyError, UnavailableError
from remixer.foundation.event_limit import EventLimit
from remixer.foundation.log import event_log
from remixer.mixer.outcome import CheckOutcome, Provenance, QuotaOutcome, ReportOutcome
from remixer.mixer.port import Mixer
from remixer.mixer.request import CheckRequest
from remixer.tiers.answers import NOT_KEPT, Answers
from remixer.tiers.background import Background
from remixer.tiers.keys import Key
from remixer.tiers.places import Question
from remixer.tiers.settings import CacheSettings

_LOG_INTERVAL_S: Final = 10.0
_STALE_RESERVE: Final = 0.1
"""This part of a request's time is kept for giving a stale answer instead."""
_LONGEST_RENEWAL_S: Final = 30.0
"""A renewal that is not over by then was dropped, or is as good as lost: another may begin."""
_SLOTS_AT_ONCE: Final = 500  # a few milliseconds' worth of revoking

_STANDS_IN: Final = frozenset({Provenance.STALE, Provenance.SUBSTITUTE})
"""Answers of the inner Mixer that must not displace a good one."""

_FAILED_BEFORE: Final = "a stale answer stood in for a failure, for one who asks the same"
_log: Final = event_log(__name__)

_Quotas: TypeAlias = Mapping[str, QuotaOutcome]
_Flight: TypeAlias = asyncio.Future[PolicyError | None]


class Policies(Protocol):
    """What chooses the rules of a request, and which rules those are now."""

    def place_of(self, bag: Bag) -> tuple[Hashable, object]:
        """The place of a request, and its stamp.

        The place is equal for requests that the same rules decide. The stamp is an equal one as
        long as these rules cannot answer otherwise, and the same object as long as no rule at all
        was changed; None: remember nothing.
        """
        ...


@dataclass(slots=True)
class CacheCounts:
    """How checks were answered."""

    hits: int = 0
    hit_denials: int = 0
    """Hits that were denials."""
    misses: int = 0
    stale: int = 0
    """A failure was covered up by an answer that had ended."""
    joined: int = 0
    """Hits that waited for another's answer."""
    renewals: int = 0
    bypassed: int = 0
    """The rules of the request may not be cached."""


class CheckTrace(Protocol):
    """Takes note of checks, for advice on the cache."""

    def note(self, answers: Answers, slot: int, *, is_hit: bool, now_s: float) -> None:
        """The answer at `slot` was given: from memory, or it was just learned."""
        ...


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
        trace: CheckTrace | None = None,
    ) -> None:
        """Without `background` nothing is renewed ahead of its end."""
        self._trace = trace
        self._inner = inner
        self._settings = settings
        self._policies = policies
        self._clock = clock
        self._background = background
        self.renews = background is not None
        """Whether answers are renewed ahead of their end."""
        self._flights: dict[tuple[Key, ...], _Flight] = {}
        self._renewals: dict[Key, float] = {}
        """Under way, with when each began."""
        self._stale_logged = EventLimit(interval_s=_LOG_INTERVAL_S)
        self.answers = Answers(settings, random=random)
        self.counts = CacheCounts()

    # ------------------------------------------------------------ the port

    def check_now(self, request: CheckRequest) -> CheckOutcome | None:
        bag = request.bag
        place, stamp = self._policies.place_of(bag)
        if stamp is None or request.is_renewal:
            return self._bypass_now(request)
        now_s = self._clock.monotonic_s()
        found = self.answers.find(bag, place, stamp, now_s=now_s)
        if isinstance(found, int):
            if not request.quotas or not self.answers.is_ok(found):
                return self._hit(found, request, now_s=now_s)
            quotas = self._inner.grant_now(request)
            return None if quotas is None else self._hit(found, request, quotas, now_s=now_s)
        return self.ask_now(request, found)

    def ask_now(self, request: CheckRequest, found: Question) -> CheckOutcome | None:
        """The rest of `check_now`: `found` is what `answers` said of the request just now."""
        asked = request if found.stale is None else replace(request, last_good=found.stale.outcome)
        try:
            outcome = self._inner.check_now(asked)
        except PolicyError as error:
            self.counts.misses += 1
            return self._stand_in_now(found, request, error)
        if outcome is None:
            return None
        self.counts.misses += 1
        return self._learned(outcome, found, request)

    def take_now(self, request: CheckRequest, *, slot: int, now_s: float) -> CheckOutcome:
        """The rest of `check_now` without quotas: `answers` said just now that it is at `slot`."""
        return self._hit(slot, request, now_s=now_s)

    async def check(self, request: CheckRequest) -> CheckOutcome:
        found = self._find(request)
        if isinstance(found, Question):
            found = await self._joined(found, request)
        if found is None:
            self.counts.bypassed += 1
            return await self._inner.check(request)
        if isinstance(found, Question):
            return await self._asked(found, request)
        outcome = self._hit(found, request, now_s=self._clock.monotonic_s())
        return await self._with_quotas(outcome, request)

    def grant_now(self, request: CheckRequest) -> _Quotas | None:
        return self._inner.grant_now(request)

    async def grant(self, request: CheckRequest) -> _Quotas:
        return await self._inner.grant(request)

    def report(self, bags: Sequence[Bag]) -> ReportOutcome:
        return self._inner.report(bags)

    # ------------------------------------------------------------ operators

    async def revoke(self, matches: Callable[[Mapping[str, Value]], bool] | None = None) -> int:
        """Forget answers whose known attributes match, or all; how many.

        Takes its time, so that requests need not wait: what was asked before it began is not
        remembered, what is asked afterwards is.
        """
        if matches is None:
            count = len(self.answers.table)
            self.answers.clear()
            return count
        self.answers.begin_epoch()
        count = 0
        for first in range(0, self.answers.table.slots, _SLOTS_AT_ONCE):
            count += self.answers.forget(first, first + _SLOTS_AT_ONCE, matches)
            await asyncio.sleep(0)
        return count

    # ------------------------------------------------------------ what is remembered

    def _find(self, request: CheckRequest) -> int | Question | None:
        """The slot of an answer, or the question; None if it must not be remembered."""
        place, stamp = self._policies.place_of(request.bag)
        if stamp is None or request.is_renewal:
            return None
        return self.answers.find(request.bag, place, stamp, now_s=self._clock.monotonic_s())

    def _hit(
        self, slot: int, request: CheckRequest, quotas: _Quotas | None = None, *, now_s: float
    ) -> CheckOutcome:
        self.counts.hits += 1
        answers = self.answers
        if self._trace is not None:
            self._trace.note(answers, slot, is_hit=True, now_s=now_s)
        if self._background is not None and answers.is_ending(slot, now_s=now_s):
            self._renew(slot, request, self._background, now_s=now_s)
        outcome = answers.take(slot, now_s=now_s, keeps=request.keeps_answer)
        if outcome.status.code:
            self.counts.hit_denials += 1
        return outcome.with_quotas(quotas) if quotas else outcome

    async def _with_quotas(self, outcome: CheckOutcome, request: CheckRequest) -> CheckOutcome:
        if not request.quotas or not outcome.status.is_ok:
            return outcome
        quotas = await self._inner.grant(request)
        return outcome.with_quotas(quotas) if quotas else outcome

    def _bypass_now(self, request: CheckRequest) -> CheckOutcome | None:
        outcome = self._inner.check_now(request)
        self.counts.bypassed += outcome is not None
        return outcome

    # ------------------------------------------------------------ what is not

    async def _joined(self, question: Question, request: CheckRequest) -> int | Question | None:
        """What there is after others who ask the same have their answer, or the time is up."""
        found: int | Question | None = question
        while isinstance(found, Question) and found.is_joinable:
            flight = self._flights.get(found.keys)
            if flight is None:
                return found
            await asyncio.wait({flight}, timeout=self._left_s(found, request))
            found = self._find(request)
            if isinstance(found, int):
                self.counts.joined += 1
            elif found is not None and not flight.cancelled():
                late = "whoever asks the same has no answer yet"
                found.failure = flight.result() if flight.done() else UnavailableError(late)
                return found
        return found

    async def _asked(self, question: Question, request: CheckRequest) -> CheckOutcome:
        """The inner Mixer's answer, for all who ask the same meanwhile."""
        if question.failure is not None and question.stale is not None:
            return await self._stand_in(question, request, question.failure)
        self.counts.misses += 1
        flight = self._begun(question)
        try:
            outcome = await self._inner.check(self._in_time(question, request))
            outcome = self._learned_later(outcome, question, request)
            is_stale = outcome.provenance is Provenance.STALE
            _land(flight, UnavailableError(_FAILED_BEFORE) if is_stale else None)
        except PolicyError as error:
            _land(flight, error)
            failure = error
        else:
            return outcome
        finally:
            if flight is not None:
                flight.cancel()  # unless it has landed
                del self._flights[question.keys]
        return await self._stand_in(question, request, failure)

    def _begun(self, question: Question) -> _Flight | None:
        """A flight for others to join; None if nobody could, or another leads."""
        if not question.keys or question.keys in self._flights:
            return None
        flight: _Flight = asyncio.get_running_loop().create_future()
        self._flights[question.keys] = flight
        return flight

    def _left_s(self, question: Question, request: CheckRequest) -> float | None:
        """How long the request may wait for others."""
        if request.deadline is None:
            return None
        left_s = request.deadline.remaining_s(now_s=self._clock.monotonic_s())
        return left_s if question.stale is None else left_s * (1.0 - _STALE_RESERVE)

    def _in_time(self, question: Question, request: CheckRequest) -> CheckRequest:
        """The request, with a stale answer if there is one, and some time kept back for it."""
        if question.stale is None:
            return request
        request = replace(request, last_good=question.stale.outcome)
        if request.deadline is None:
            return request
        left_s = request.deadline.remaining_s(now_s=self._clock.monotonic_s())
        earlier = Deadline(request.deadline.at_monotonic_s - left_s * _STALE_RESERVE)
        return replace(request, deadline=earlier)

    def _learned(
        self, outcome: CheckOutcome, question: Question, request: CheckRequest
    ) -> CheckOutcome:
        """What the asker gets; the rest of the uses stays here."""
        if outcome.provenance in _STANDS_IN:
            self.counts.stale += outcome.provenance is Provenance.STALE
            return outcome
        answers = self.answers
        now_s = self._clock.monotonic_s()
        slot = answers.learn(request.bag, outcome, question, now_s=now_s)
        if self._trace is not None and slot != NOT_KEPT and not request.is_renewal:
            self._trace.note(answers, slot, is_hit=False, now_s=now_s)
        return answers.told_first(outcome, slot) if request.keeps_answer else outcome

    def _learned_later(
        self, outcome: CheckOutcome, question: Question, request: CheckRequest
    ) -> CheckOutcome:
        """The same, if no rule has changed meanwhile: nobody knows which rules answered."""
        if self._policies.place_of(request.bag)[1] is question.stamp:
            keys = self.answers.keys_of(request.bag, question.place)
            return self._learned(outcome, replace(question, keys=keys), request)
        return self.answers.told_first(outcome, NOT_KEPT) if request.keeps_answer else outcome

    # ------------------------------------------------------------ failures

    def _stand_in_now(
        self, question: Question, request: CheckRequest, error: PolicyError
    ) -> CheckOutcome | None:
        """The stale answer with quotas; None if they wait."""
        outcome = self._stale(question, error)
        if not request.quotas or not outcome.status.is_ok:
            return outcome
        quotas = self._inner.grant_now(request)
        return None if quotas is None else outcome.with_quotas(quotas)

    async def _stand_in(
        self, question: Question, request: CheckRequest, error: PolicyError
    ) -> CheckOutcome:
        return await self._with_quotas(self._stale(question, error), request)

    def _stale(self, question: Question, error: PolicyError) -> CheckOutcome:
        """The answer that stands in for a failure, once; raises `error` if there is none."""
        if question.stale is None or isinstance(error, InvalidRequestError):
            raise error
        self.counts.stale += 1
        now_s = self._clock.monotonic_s()
        held_back = self._stale_logged.pass_now(str(question.place.name), now_s=now_s)
        if held_back is not None:
            _log.warning(
                "stale_answer_used",
                place=str(question.place.name),
                code=error.code.name,
                # 0 if its uses ended before its time.
                ended_s=max(0.0, round(now_s - question.ended_s, 1)),
                held_back=held_back,
            )
        # Apart, because it may quote an attribute's value.
        _log.debug("stale_answer_reason", reason=error.message)
        return replace(
            question.stale.outcome,
            valid_duration=Duration(0),
            valid_use_count=0,
            provenance=Provenance.STALE,
        )

    # ------------------------------------------------------------ renewal

    def _renew(
        self, slot: int, request: CheckRequest, background: Background, *, now_s: float
    ) -> None:
        key = self.answers.table.key_at(slot)
        begun_s = self._renewals.get(key)
        if begun_s is not None and now_s - begun_s < _LONGEST_RENEWAL_S:
            return
        if len(self._renewals) >= self._settings.max_refreshes and not self._make_room(now_s=now_s):
            return
        self._renewals[key] = now_s
        self.counts.renewals += 1
        place, stamp = self._policies.place_of(request.bag)
        question = self.answers.question(place, stamp, now_s=now_s)
        plain = CheckRequest(bag=request.bag, is_renewal=True)
        background(self._renewed(key, question, plain), name="renew an answer")

    def _make_room(self, *, now_s: float) -> bool:
        """Give up the oldest renewal if it has taken too long."""
        oldest = next(iter(self._renewals), None)
        if oldest is None or now_s - self._renewals[oldest] < _LONGEST_RENEWAL_S:
            return False
        del self._renewals[oldest]
        return True

    async def _renewed(self, key: Key, question: Question, request: CheckRequest) -> None:
        try:
            outcome = await self._inner.check(request)
        except PolicyError:
            return  # it still has time; the next who asks past its end hears of the failure
        finally:
            self._renewals.pop(key, None)
        self._learned_later(outcome, question, request)


def _land(flight: _Flight | None, failure: PolicyError | None) -> None:
    """Tell those who wait. What is wrong with one request is not so with another."""
    if flight is not None:
        flight.set_result(None if isinstance(failure, InvalidRequestError) else failure)
