"""A Mixer that answers quotas from tokens fetched ahead, over one that keeps the limits."""

from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final

import pytest

from remixer.attributes.bag import Bag, Condition, Reference, plain_bag
from remixer.attributes.values import Duration
from remixer.foundation.errors import UnavailableError
from remixer.foundation.status import OK, Code, Status
from remixer.mixer.combined_quotas import UNLIMITED_GRANT
from remixer.mixer.outcome import (
    DEFAULT_VALID_DURATION,
    UNKNOWN_REFERENCES,
    CheckOutcome,
    QuotaOutcome,
    ReportOutcome,
)
from remixer.mixer.request import CheckRequest, MatchingQuotas, QuotaArgs
from remixer.mixer.verdict import verdict_of
from remixer.testing.clock import VirtualClock
from remixer.tiers.cached import CachedMixer
from remixer.tiers.quota_cache import QuotaCacheCounts, QuotaCachedMixer, QuotaCacheSettings
from remixer.tiers.settings import CacheSettings

_S: Final = 10**9
MINUTE: Final = Duration(60 * _S)
USER: Final = frozenset({Reference("user", None, Condition.EXACT)})
DENIED: Final = Status(Code.PERMISSION_DENIED, "no")
AWAY: Final = QuotaOutcome(0, Duration(0), USER, Status(Code.UNAVAILABLE, "store"))


@dataclass(slots=True)
class Server:
    """Grants what is left per user, for a minute; `says` overrules that."""

    left: int = 10
    budgets: dict[str, int] = field(default_factory=dict)
    status: Status = OK
    says: QuotaOutcome | UnavailableError | None = None
    is_silent: bool = False
    """Leaves quotas out of its answers."""
    waits: bool = True
    references: frozenset[Reference] = USER
    checks: list[CheckRequest] = field(default_factory=list)
    grants: list[CheckRequest] = field(default_factory=list)
    reports: int = 0

    def check_now(self, request: CheckRequest) -> CheckOutcome | None:
        return None if self.waits else self._checked(request)

    async def check(self, request: CheckRequest) -> CheckOutcome:
        return self._checked(request)

    def grant_now(self, _request: CheckRequest) -> Mapping[str, QuotaOutcome] | None:
        return None

    async def grant(self, request: CheckRequest) -> Mapping[str, QuotaOutcome]:
        self.grants.append(request)
        return self._granted(request)

    def report(self, bags: Sequence[Bag]) -> ReportOutcome:
        self.reports += len(bags)
        return ReportOutcome()

    def _checked(self, request: CheckRequest) -> CheckOutcome:
        self.checks.append(request)
        quotas = self._granted(request) if self.status.is_ok else {}
        return CheckOutcome(self.status, MINUTE, 1_000, USER, quotas=quotas)

    def _granted(self, request: CheckRequest) -> Mapping[str, QuotaOutcome]:
        asked = request.quotas
        if isinstance(asked, MatchingQuotas):
            asked = {"*": asked.args}
        if isinstance(self.says, UnavailableError):
            raise self.says
        if self.is_silent:
            return {}
        return {name: self.says or self._take(request.bag, args) for name, args in asked.items()}

    def _take(self, bag: Bag, args: QuotaArgs) -> QuotaOutcome:
        user = str(bag["user"])
        left = self.budgets.setdefault(user, self.left)
        granted = min(left, args.amount)
        self.budgets[user] -= granted
        return QuotaOutcome(granted, MINUTE, self.references)


@dataclass(slots=True)
class Later:
    """Keeps work for the test to run, or to drop."""

    work: list[Coroutine[object, None, None]] = field(default_factory=list)

    def __call__(self, work: Coroutine[object, None, None], *, name: str) -> None:
        assert name
        self.work.append(work)

    async def run(self) -> None:
        work, self.work = self.work, []
        for each in work:
            await each

    def drop(self) -> None:
        for each in self.work:
            each.close()
        self.work.clear()


class Client:
    """The tier under test, its server, and a clock that moves by hand."""

    def __init__(
        self, server: Server | None = None, settings: QuotaCacheSettings | None = None
    ) -> None:
        self.server = server or Server()
        self.later = Later()
        self.clock = VirtualClock()
        self.mixer = QuotaCachedMixer(
            self.server,
            settings=settings or QuotaCacheSettings(),
            clock=self.clock,
            background=self.later,
        )

    def draw(self, user: str = "al", amount: int = 1, *, best_effort: bool = False) -> QuotaOutcome:
        quotas = {"q": QuotaArgs(amount, best_effort=best_effort)}
        granted = self.mixer.grant_now(CheckRequest(plain_bag({"user": user}), quotas))
        assert granted is not None
        return granted["q"]

    async def settle(self, seconds: float = 0.001) -> None:
        """What was asked for is answered so much later."""
        self.clock.advance(seconds)
        await self.later.run()


def request(**amounts: int) -> CheckRequest:
    quotas = {name: QuotaArgs(amount) for name, amount in (amounts or {"q": 1}).items()}
    return CheckRequest(plain_bag({"user": "al"}), quotas)


# ------------------------------------------------------------ what is passed through


async def test_checks_without_quotas_and_reports_pass_through() -> None:
    client = Client(Server(waits=False))
    plain = CheckRequest(plain_bag({}))
    assert client.mixer.check_now(plain) == await client.mixer.check(plain)
    assert client.mixer.grant_now(plain) == {}
    client.mixer.report([plain.bag])
    assert [each is plain for each in client.server.checks] == [True, True]
    assert client.server.reports == 1
    assert client.mixer.counts == QuotaCacheCounts()


@pytest.mark.parametrize("waits", [True, False])
async def test_a_check_asks_for_verdict_and_quotas_in_one_call(*, waits: bool) -> None:
    client = Client(Server(waits=waits, left=3))
    outcomes = []
    for _ in range(2):
        now = client.mixer.check_now(request(q=2))
        assert (now is None) is waits
        outcomes.append(now or await client.mixer.check(request(q=2)))
    assert [each.quotas["q"].granted for each in outcomes] == [2, 1]
    assert [each.quotas for each in client.server.checks] == [{"q": QuotaArgs(2)}] * 2
    counts = client.mixer.counts
    assert (counts.calls, counts.cache_misses, counts.cache_hits) == (2, 2, 0)
    assert (counts.remote_calls, counts.remote_accepts, counts.remote_denies) == (2, 2, 0)
    assert client.later.work == []


@pytest.mark.parametrize("waits", [True, False])
async def test_a_check_that_fails_raises_and_its_quotas_count_as_granted(*, waits: bool) -> None:
    client = Client(Server(waits=waits, says=UnavailableError("away")))
    with pytest.raises(UnavailableError):
        client.mixer.check_now(request()) or await client.mixer.check(request())
    assert (client.mixer.counts.remote_accepts, client.mixer.counts.cache_misses) == (1, 1)


async def test_a_quota_of_a_check_that_could_not_be_asked_for_is_granted() -> None:
    client = Client(Server(says=AWAY))
    outcome = await client.mixer.check(request(q=3))
    assert outcome.quotas["q"] == QuotaOutcome(3, DEFAULT_VALID_DURATION, UNKNOWN_REFERENCES)
    assert client.mixer.counts.remote_accepts == 1


async def test_an_exhausted_quota_of_a_check_stays_refused() -> None:
    client = Client(Server(left=0))
    outcome = await client.mixer.check(request())
    assert outcome.quotas["q"].granted == 0
    assert client.mixer.counts.remote_denies == 1


# ------------------------------------------------------------ from pools


async def test_a_request_does_not_wait_for_tokens() -> None:
    client = Client()
    assert client.draw() == QuotaOutcome(1, MINUTE, UNKNOWN_REFERENCES)
    assert client.server.grants == []
    await client.settle()
    assert client.draw() == QuotaOutcome(1, MINUTE, USER)


async def test_a_prefetch_is_a_call_of_its_own_with_the_bag_of_the_request() -> None:
    client = Client()
    asked = CheckRequest(plain_bag({"user": "al"}), {"q": QuotaArgs(1)}, deduplication_id="mine")
    client.mixer.grant_now(asked)
    await client.settle(1.0)
    (prefetch,) = client.server.grants
    assert prefetch.bag is asked.bag
    assert prefetch.quotas == {"q": QuotaArgs(10, best_effort=True)}
    assert prefetch.deduplication_id == ""
    assert prefetch.deadline is not None
    assert prefetch.deadline.at_monotonic_s == 1.0 + 5.0


async def test_what_is_over_the_limit_is_refused() -> None:
    client = Client(Server(left=4))
    client.draw()
    await client.settle()
    assert [client.draw().granted for _ in range(5)] == [1, 1, 1, 0, 0]
    assert client.draw() == QuotaOutcome(0, Duration(0), USER)
    assert (client.mixer.counts.hit_accepts, client.mixer.counts.hit_denies) == (4, 3)


async def test_a_refusal_tells_what_the_server_said() -> None:
    told = Status(Code.RESOURCE_EXHAUSTED, "Quota is exhausted for: a,b")
    client = Client(Server(says=QuotaOutcome(0, Duration(0), USER, told)))
    client.draw(amount=10)
    await client.settle()
    assert client.draw().status == told
    client.clock.advance(1)
    client.server.says = QuotaOutcome(1, MINUTE, USER)
    assert client.draw().granted == 0
    await client.settle()
    assert [client.draw().status for _ in range(2)] == [OK, OK]


async def test_a_refusal_of_all_that_apply_names_those_that_are_used_up() -> None:
    told = Status(Code.OK, "Quota is exhausted for: a,b")
    client = Client(Server(says=QuotaOutcome(2, MINUTE, USER, told)))
    asked = CheckRequest(plain_bag({"user": "al"}), MatchingQuotas())
    statuses = []
    for _ in range(3):
        granted = client.mixer.grant_now(asked)
        assert granted is not None
        statuses.append(verdict_of(CheckOutcome(OK, MINUTE, 1, USER, quotas=granted)).status)
        await client.settle()
    assert statuses == [OK, OK, Status(Code.RESOURCE_EXHAUSTED, told.message)]


async def test_every_key_has_tokens_of_its_own() -> None:
    client = Client(Server(left=3))
    for user in ("al", "bo"):
        client.draw(user)
        await client.settle()
    assert [client.draw("al").granted for _ in range(3)] == [1, 1, 0]
    assert [client.draw("bo").granted for _ in range(3)] == [1, 1, 0]
    assert len(client.mixer.pools) == 2


async def test_tokens_that_come_late_are_those_of_the_key_that_asked() -> None:
    """Two keys ask from the pending pool; the first answer makes it the first key's."""
    client = Client(Server(left=100))
    client.draw("al", 10)
    client.draw("bo", 4)
    await client.settle()
    assert client.server.budgets == {"al": 90, "bo": 90}
    assert client.draw("bo", 6).granted == 6
    assert client.later.work == []
    client.draw("al")
    assert len(client.later.work) == 1
    await client.settle()


async def test_grants_of_unknown_dependence_serve_everybody_for_their_time() -> None:
    client = Client(Server(references=UNKNOWN_REFERENCES))
    client.draw("al")
    await client.settle()
    assert [client.draw(user).granted for user in "abcd"] == [1, 1, 1, 1]
    assert client.later.work == []
    assert client.draw("e").references == UNKNOWN_REFERENCES
    await client.settle()
    assert len(client.mixer.pools) == 0


async def test_tokens_end_with_the_time_of_the_answer() -> None:
    client = Client()
    client.draw()
    await client.settle()
    client.clock.advance(20)
    assert client.draw().valid_duration == Duration(40 * _S)
    client.clock.advance(40)
    client.draw()
    assert len(client.later.work) == 1
    await client.settle()


async def test_best_effort_gets_what_there_is() -> None:
    client = Client(Server(left=4))
    client.draw()
    await client.settle()
    assert client.draw(amount=10).granted == 0
    assert client.draw(amount=10, best_effort=True).granted == 3


async def test_all_quotas_of_a_request_have_pools_and_count_as_one_call() -> None:
    client = Client(Server(left=100))
    granted = client.mixer.grant_now(request(a=1, b=20))
    assert granted is not None
    assert {name: each.granted for name, each in granted.items()} == {"a": 1, "b": 20}
    await client.settle()
    assert [each.quotas for each in client.server.grants] == [
        {"a": QuotaArgs(10, best_effort=True)},
        {"b": QuotaArgs(20, best_effort=True)},
    ]
    counts = client.mixer.counts
    assert (counts.calls, counts.cache_hits, counts.prefetches) == (1, 1, 2)
    assert (counts.remote_calls, counts.remote_accepts) == (2, 2)


async def test_the_quotas_that_apply_are_one_quota() -> None:
    client = Client(Server(left=2))
    asked = CheckRequest(plain_bag({"user": "al"}), MatchingQuotas())
    outcomes = []
    for _ in range(3):
        granted = client.mixer.grant_now(asked)
        assert granted is not None
        outcomes.append({name: each.granted for name, each in granted.items()})
        await client.settle()
    assert outcomes == [{"*": 1}, {"*": 1}, {"*": 0}]
    (prefetch,) = client.server.grants
    assert prefetch.quotas == MatchingQuotas(QuotaArgs(10, best_effort=True), is_combined=True)


async def test_where_no_quota_applies_there_is_nothing_to_tell_or_to_fetch() -> None:
    nothing = QuotaOutcome(UNLIMITED_GRANT, MINUTE, USER)
    client = Client(Server(says=nothing))
    asked = CheckRequest(plain_bag({"user": "al"}), MatchingQuotas())
    assert client.mixer.grant_now(asked) is not None
    await client.settle()
    assert [client.mixer.grant_now(asked) for _ in range(100)] == [{}] * 100
    assert len(client.server.grants) == 1
    outcome = await client.mixer.check(asked)
    assert outcome.quotas == {}


async def test_that_no_quota_applies_is_known_for_as_long_as_the_answer_holds() -> None:
    client = Client(Server(says=QuotaOutcome(UNLIMITED_GRANT, MINUTE, USER)))
    asked = CheckRequest(plain_bag({"user": "al"}), MatchingQuotas())
    client.mixer.grant_now(asked)
    await client.settle()
    client.server.says = QuotaOutcome(0, MINUTE, USER)
    client.clock.advance(59.9)
    assert client.mixer.grant_now(asked) == {}
    client.clock.advance(0.2)
    client.mixer.grant_now(asked)
    await client.settle()
    refused = client.mixer.grant_now(asked)
    assert refused is not None
    assert refused["*"].granted == 0


# ------------------------------------------------------------ failures


@pytest.mark.parametrize(
    "server",
    [Server(says=UnavailableError("away")), Server(is_silent=True), Server(says=AWAY)],
    ids=["failed call", "no entry", "store broken"],
)
async def test_what_nobody_answers_is_granted(server: Server) -> None:
    client = Client(server)
    client.draw()
    await client.settle()
    assert [client.draw().granted for _ in range(4)] == [1, 1, 1, 1]
    assert client.later.work == []
    counts = client.mixer.counts
    assert (counts.prefetch_failures, counts.remote_accepts, counts.remote_denies) == (1, 1, 0)


async def test_a_prefetch_that_was_dropped_counts_as_failed_after_a_while() -> None:
    client = Client(Server(left=1))
    client.draw()
    await client.settle()
    client.clock.advance(1)
    assert client.draw().granted == 0
    client.later.drop()
    client.clock.advance(5.9)
    assert client.draw().granted == 0
    assert client.mixer.counts.prefetch_failures == 0
    client.clock.advance(0.1)
    assert client.draw().granted == 1
    assert client.mixer.counts.prefetch_failures == 1


async def test_an_answer_after_its_prefetch_was_given_up_counts_for_nothing() -> None:
    client = Client(Server(left=100))
    client.draw()
    client.clock.advance(6)
    client.draw()
    assert client.mixer.counts.prefetch_failures == 1
    await client.settle()
    assert client.mixer.counts.prefetch_failures == 1
    assert client.mixer.pools.find("q", plain_bag({"user": "al"}), now_ms=6_001).pool.in_flight == 0


async def test_so_many_prefetches_are_under_way_and_the_next_requests_pass_without() -> None:
    client = Client(settings=QuotaCacheSettings(max_prefetches=2))
    names = ("a", "b", "c")
    granted = [client.mixer.grant_now(request(**{name: 4})) for name in names]
    assert [each is not None and len(each) for each in granted] == [1, 1, 1]
    assert granted[2] is not None
    assert granted[2]["c"] == QuotaOutcome(4, Duration(0), UNKNOWN_REFERENCES)
    assert (client.mixer.counts.prefetches, client.mixer.counts.unbacked) == (2, 1)
    await client.settle()
    client.mixer.grant_now(request(c=4))
    assert client.mixer.counts.prefetches == 3
    await client.settle()


# ------------------------------------------------------------ without pools


@pytest.mark.parametrize("has_background", [True, False])
async def test_switched_off_every_quota_is_asked_for(*, has_background: bool) -> None:
    server = Server(left=1)
    mixer = QuotaCachedMixer(
        server,
        settings=QuotaCacheSettings(is_on=not has_background),
        clock=VirtualClock(),
        background=Later() if has_background else None,
    )
    assert mixer.grant_now(request()) is None
    answers = [await mixer.grant(request()) for _ in range(2)]
    assert [each["q"].granted for each in answers] == [1, 0]
    assert [each.quotas for each in server.grants] == [{"q": QuotaArgs(1)}] * 2
    counts = mixer.counts
    assert (counts.calls, counts.cache_misses, counts.cache_hits) == (2, 2, 0)
    assert (counts.remote_calls, counts.remote_accepts, counts.remote_denies) == (2, 1, 1)


@pytest.mark.parametrize("says", [UnavailableError("away"), AWAY], ids=["failed call", "store"])
async def test_switched_off_quotas_fail_open(says: UnavailableError | QuotaOutcome) -> None:
    client = Client(Server(says=says), QuotaCacheSettings(is_on=False))
    wanted = QuotaOutcome(2, DEFAULT_VALID_DURATION, UNKNOWN_REFERENCES)
    assert await client.mixer.grant(request(q=2)) == {"q": wanted}
    matching = CheckRequest(plain_bag({"user": "al"}), MatchingQuotas(QuotaArgs(2)))
    assert await client.mixer.grant(matching) == {"*": wanted}
    assert client.mixer.counts.remote_accepts == 2


async def test_switched_on_the_waiting_call_answers_from_pools_too() -> None:
    client = Client()
    assert (await client.mixer.grant(request()))["q"].granted == 1
    assert client.server.grants == []
    client.later.drop()


@pytest.mark.parametrize("amount", [0, -3])
async def test_releases_are_the_servers(amount: int) -> None:
    client = Client()
    assert client.mixer.grant_now(request(a=1, b=amount)) is None
    await client.mixer.grant(request(a=1, b=amount))
    assert client.server.grants[0].quotas == {"a": QuotaArgs(1), "b": QuotaArgs(amount)}


# ------------------------------------------------------------ behind a cache of verdicts


class _OnePlace:
    def place_of(self, _bag: Bag) -> tuple[str, object]:
        return "", self


async def test_ten_per_minute_with_twenty_requests_counts_as_the_original_counts() -> None:
    """Source: trace of the C++ client; one combined call, one prefetch, the rest is here."""
    client = Client(Server(left=10))
    cached = CachedMixer(
        client.mixer,
        settings=CacheSettings(),
        policies=_OnePlace(),
        clock=client.clock,
        random=Random(1),
        background=client.later,
    )
    allowed = []
    for _ in range(20):
        outcome = cached.check_now(request()) or await cached.check(request())
        allowed.append(verdict_of(outcome).is_allowed)
        await client.settle(0.01)
    assert allowed == [True] * 10 + [False] * 10
    assert (cached.counts.hits, cached.counts.misses) == (19, 1)
    assert client.mixer.counts == QuotaCacheCounts(
        calls=20,
        cache_hits=19,
        cache_misses=1,
        hit_accepts=9,
        hit_denies=10,
        remote_calls=2,
        remote_accepts=2,
        prefetches=1,
    )
    assert (len(client.server.checks), len(client.server.grants)) == (1, 1)
    assert client.server.budgets == {"al": 0}


async def test_a_remembered_denial_costs_no_quota() -> None:
    client = Client(Server(status=DENIED))
    cached = CachedMixer(
        client.mixer,
        settings=CacheSettings(),
        policies=_OnePlace(),
        clock=client.clock,
        random=Random(1),
    )
    for _ in range(3):
        assert await cached.check(request()) is not None
    assert (client.mixer.counts.calls, client.mixer.counts.cache_hits) == (1, 0)
    assert client.server.grants == []
