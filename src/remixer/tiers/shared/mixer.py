"""A Mixer that answers from what several processes have learnt together.

Theory of operation. It stands between the memory of one process and the Mixer that decides. A check
computes its keys for the shapes known of its rules and asks the shared cache, all checks of a turn
in one round trip. What is found is opened, judged (clock, revocations, uses), and answers; what is
not goes to the inner Mixer, and is written behind. All questions of one check together have
`budget_s`. While the cache rests, checks go straight through.

Uses. The first quarter of an answer's uses goes to who made it. Its readers are numbered by the
server, and each number has a part of the rest, the last ones nothing. So a use is spent once,
whoever spends it. Readers of unlimited answers are not counted.

Renewal. Past `refresh_at` of its life an answer still answers, and one instance (who increments
its counter first) makes it anew in the background. To a request that is itself a renewal, only an
answer answers that is not past that point: another instance has renewed it already.

Quotas are never shared: the verdict is, and the inner Mixer grants.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple, Protocol

from remixer.attributes.bag import Bag
from remixer.attributes.values import Duration
from remixer.drivers.key_values import Addition, Put, Read
from remixer.foundation.clock import Clock
from remixer.foundation.deadline import Deadline
from remixer.foundation.errors import PolicyError
from remixer.foundation.status import Code
from remixer.mixer.outcome import CheckOutcome, Provenance, QuotaOutcome, ReportOutcome
from remixer.mixer.port import Mixer
from remixer.mixer.request import CheckRequest
from remixer.tiers.background import Background
from remixer.tiers.shared.cache import SharedCache
from remixer.tiers.shared.keys import SharedShape
from remixer.tiers.shared.places import SharedPlace, SharedPlaces
from remixer.tiers.shared.revocations import SharedRevocations
from remixer.tiers.shared.seal import Kind, Refusal, RefusedError, Seal
from remixer.tiers.shared.settings import MOST_AGE_S
from remixer.tiers.shared.values import UNLIMITED, AnswerCodec, StoredAnswer

_NS_PER_MS: Final = 1_000_000
_MS_PER_S: Final = 1_000
_OWN_SHARE: Final = 4
"""Who made an answer gets one part in so many of its uses."""
_READERS: Final = 32
"""So many readers have a part of the rest."""
_TROUBLE: Final = frozenset({Code.UNAVAILABLE, Code.INTERNAL})
"""Verdicts that report trouble are not for others."""
_LEAST_BUDGET: Final = 0.25
"""Who has less than this part of the budget left does not ask any more."""
_GRACE_MS: Final = 1_000
"""Claims stay a little longer than what they are for."""


class SharedPolicies(Protocol):
    """What tells rules apart in all processes alike."""

    def signature_of(self, bag: Bag) -> bytes | None:
        """Of the rules that decide a request; equal only if these rules would answer it alike.

        None: share nothing.
        """
        ...


class _Hit(NamedTuple):
    """An answer that was found."""

    shape: SharedShape
    key: bytes
    stored: StoredAnswer
    uses: int
    left_ms: int


class SharedMixer:
    """Implements `Mixer` around another."""

    def __init__(
        self,
        inner: Mixer,
        *,
        cache: SharedCache,
        policies: SharedPolicies,
        clock: Clock,
        seal: Seal,
        revocations: SharedRevocations | None = None,
        background: Background | None = None,
    ) -> None:
        """Without `background` nothing is renewed ahead of its end."""
        self._inner = inner
        self._cache = cache
        self._settings = cache.settings
        self._policies = policies
        self._clock = clock
        self._revocations = revocations
        self._background = background
        self._codec = AnswerCodec()
        self._places = SharedPlaces(cache, clock=clock, seal=seal)
        self._renewals = 0
        self._skew_ms = int(self._settings.max_skew_s * _MS_PER_S)
        self._age_ms = int(min(self._settings.max_age_s, MOST_AGE_S) * _MS_PER_S)
        self.counts = cache.counts

    def use_seal(self, seal: Seal) -> None:
        """Close and open with it from now on."""
        self._places.seal = seal

    # ------------------------------------------------------------ the port

    def check_now(self, request: CheckRequest) -> CheckOutcome | None:
        if self._settings.shares_quick_answers and self._signature(request) is not None:
            return None
        return self._inner.check_now(request)

    async def check(self, request: CheckRequest) -> CheckOutcome:
        signature = self._signature(request)
        if signature is None:
            self.counts.bypassed += 1
            return await self._inner.check(request)
        if not self._settings.shares_quick_answers:
            quick = self._inner.check_now(request)
            if quick is not None:
                return quick
        place = self._places.place(signature)
        hit = await self._look_up(place, request)
        if hit is None or (request.is_renewal and self._is_due(hit)):
            self.counts.misses += 1
            return await self._ask(place, request, replaces=hit)
        self.counts.hits += 1
        self._renew_if_due(place, hit, request)
        outcome = self._told(hit)
        if not request.quotas or not outcome.status.is_ok:
            return outcome
        return replace(outcome, quotas=await self._inner.grant(request))

    def grant_now(self, request: CheckRequest) -> Mapping[str, QuotaOutcome] | None:
        return self._inner.grant_now(request)

    async def grant(self, request: CheckRequest) -> Mapping[str, QuotaOutcome]:
        return await self._inner.grant(request)

    def report(self, bags: Sequence[Bag]) -> ReportOutcome:
        return self._inner.report(bags)

    # ------------------------------------------------------------ looking up

    def _signature(self, request: CheckRequest) -> bytes | None:
        """None if the shared cache is not to be asked."""
        if self._cache.is_resting:
            return None
        return self._policies.signature_of(request.bag)

    async def _look_up(self, place: SharedPlace, request: CheckRequest) -> _Hit | None:
        if request.deadline is not None and self._is_in_a_hurry(request.deadline):
            return None
        ends_s = asyncio.get_running_loop().time() + self._settings.budget_s
        if self._places.is_due(place):
            await self._read_shapes(place, ends_s=ends_s)
            if not self._has_time(ends_s):
                return None
        shapes, keys = place.keys_of(request.bag)
        if not keys:
            return None
        found = await self._cache.get(keys, ends_s=ends_s)
        for shape, key, read in zip(shapes, keys, found, strict=False):
            if read is not None:
                try:
                    return self._judged(shape, key, read, request.bag)
                except RefusedError as error:
                    self.counts.refused[error.cause] += 1
        return None

    async def _read_shapes(self, place: SharedPlace, *, ends_s: float) -> None:
        """At once the first time; else in the background, where there is one."""
        if place.is_known and self._background is not None:
            place.read_at_s = self._clock.monotonic_s()  # so that others do not begin, too
            later_s = ends_s + self._settings.budget_s  # nobody waits for it
            self._background(self._places.read(place, ends_s=later_s), name="read shared shapes")
        else:
            await self._places.read(place, ends_s=ends_s)

    def _is_in_a_hurry(self, deadline: Deadline) -> bool:
        """Whether asking the shared cache might take all the time that there is."""
        left_s = deadline.remaining_s(now_s=self._clock.monotonic_s())
        return left_s <= self._settings.budget_s

    def _has_time(self, ends_s: float) -> bool:
        left_s = ends_s - asyncio.get_running_loop().time()
        return left_s >= self._settings.budget_s * _LEAST_BUDGET

    def _judged(self, shape: SharedShape, key: bytes, read: Read, bag: Bag) -> _Hit:
        """What was read, if it may be used. Raises `RefusedError`."""
        stored = self._codec.decode(self._places.seal.open(Kind.ANSWER, key, read.value))
        left_ms = self._left_ms(stored)
        revocations = self._revocations
        if (
            revocations is not None
            and revocations.are_in_force
            and revocations.is_revoked(stored.made_ms, lambda: shape.values_of(bag))
        ):
            raise RefusedError(Refusal.REVOKED)
        uses = UNLIMITED if stored.uses < 0 else _uses_of(stored, read.ticket)
        return _Hit(shape, key, stored, uses, left_ms)

    def _left_ms(self, stored: StoredAnswer) -> int:
        """How long the answer is good for. Raises `RefusedError`."""
        now_ms = self._now_ms()
        if stored.made_ms > now_ms + self._skew_ms:
            raise RefusedError(Refusal.SKEWED)
        # A clock that is behind must not make an answer live longer than it was to.
        left_ms = min(stored.ends_ms - now_ms, stored.ends_ms - stored.made_ms, self._age_ms)
        if left_ms <= 0:
            raise RefusedError(Refusal.EXPIRED)
        return left_ms

    def _told(self, hit: _Hit) -> CheckOutcome:
        answer = hit.stored.answer
        return CheckOutcome(
            status=answer.status,
            valid_duration=Duration(hit.left_ms * _NS_PER_MS),
            valid_use_count=hit.uses,
            references=hit.shape.references,
            directive=answer.directive,
            decisions=answer.decisions,
            provenance=Provenance.SHARED,
            hints=answer.hints,
        )

    # ------------------------------------------------------------ learning

    async def _ask(
        self, place: SharedPlace, request: CheckRequest, *, replaces: _Hit | None = None
    ) -> CheckOutcome:
        """The inner Mixer, for all processes, unless its rules changed meanwhile."""
        made_ms = self._now_ms()
        is_same = self._policies.signature_of(request.bag) == place.rules
        outcome = await self._inner.check(request)
        if not is_same or self._policies.signature_of(request.bag) != place.rules:
            return outcome
        told, key = self._learned(place, request, outcome, made_ms=made_ms)
        if replaces is not None and key != replaces.key:
            # The old answer must not come back after a newer one, even one that is not for others.
            self._cache.put(Put(replaces.key, b"", 1, edition=0))
        return told

    def _learned(
        self, place: SharedPlace, request: CheckRequest, outcome: CheckOutcome, *, made_ms: int
    ) -> tuple[CheckOutcome, bytes | None]:
        """What this process gets, and where the rest of the uses is for all; None: nowhere."""
        life_ms = min(outcome.valid_duration // _NS_PER_MS, self._age_ms)
        total = outcome.valid_use_count
        own = UNLIMITED if total < 0 else -(-total // _OWN_SHARE)
        is_for_others = total < 0 or own < total
        if not is_for_others or life_ms <= 0 or not _may_be_shared(outcome):
            return outcome, None
        if self._cache.is_resting:
            return outcome, None
        shape = self._places.shape(place, outcome.references)
        key = None if shape is None else shape.key_of(request.bag)
        uses = UNLIMITED if total < 0 else total - own
        if key is None or not self._write(
            key, outcome, made_ms=made_ms, life_ms=life_ms, uses=uses
        ):
            return outcome, None
        return outcome if total < 0 else replace(outcome, valid_use_count=own), key

    def _write(
        self, key: bytes, outcome: CheckOutcome, *, made_ms: int, life_ms: int, uses: int
    ) -> bool:
        """Whether it can be written at all."""
        ends_ms = self._now_ms() + life_ms
        try:
            body = self._codec.encode(outcome, made_ms=made_ms, ends_ms=ends_ms, uses=uses)
        except OverflowError:
            return False
        document = self._places.seal.close(Kind.ANSWER, key, body)
        if len(document) > self._settings.max_value_bytes:
            self.counts.too_large += 1
            return False
        self._cache.put(Put(key, document, life_ms, edition=0 if uses < 0 else made_ms))
        return True

    # ------------------------------------------------------------ renewal

    def _renew_if_due(self, place: SharedPlace, hit: _Hit, request: CheckRequest) -> None:
        if (
            not self._is_due(hit)
            or self._background is None
            or self._renewals >= self._settings.max_refreshes
        ):
            return
        self._renewals += 1
        plain = CheckRequest(bag=request.bag, is_renewal=True)
        self._background(self._renew(place, hit, plain), name="renew a shared answer")

    def _is_due(self, hit: _Hit) -> bool:
        """Whether the answer is near its end."""
        hints = hit.stored.answer.hints
        refresh_at = None if hints is None else hints.refresh_at
        part = self._settings.refresh_at if refresh_at is None else refresh_at
        life_ms = hit.stored.ends_ms - hit.stored.made_ms
        return hit.left_ms <= life_ms * (1.0 - part)

    async def _renew(self, place: SharedPlace, hit: _Hit, request: CheckRequest) -> None:
        try:
            # One for each making of an answer.
            counter = b"%b:r:%d" % (hit.key, hit.stored.made_ms)
            claim = Addition(counter, 1, hit.left_ms + _GRACE_MS)
            ends_s = asyncio.get_running_loop().time() + self._settings.budget_s
            if await self._cache.add(claim, ends_s=ends_s) == 1:
                self.counts.renewals += 1
                await self._ask(place, request, replaces=hit)
        except PolicyError:
            return  # it still has time; the next who asks past its end hears of the failure
        finally:
            self._renewals -= 1

    def _now_ms(self) -> int:
        return self._clock.unix_ns() // _NS_PER_MS


def _may_be_shared(outcome: CheckOutcome) -> bool:
    is_allowed = outcome.hints is None or outcome.hints.is_shared
    is_news = outcome.provenance is Provenance.COMPUTED
    return is_allowed and is_news and outcome.status.code not in _TROUBLE


def _uses_of(stored: StoredAnswer, ticket: int) -> int:
    """The uses of the reader with this number, more than none. Raises `RefusedError`."""
    share = max(1, stored.uses // _READERS)
    uses = min(share, stored.uses - (ticket - 1) * share)
    if ticket < 1 or uses < 1:
        raise RefusedError(Refusal.SPENT)
    return uses
