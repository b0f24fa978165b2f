"""A Mixer that remembers: hits, uses, renewal, flights, failures, changes of rules, revocation."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Final

import pytest

from remixer.attributes.bag import Bag, Condition, PlainBag, Reference
from remixer.attributes.values import Duration
from remixer.foundation.deadline import Deadline
from remixer.foundation.errors import InvalidRequestError, PolicyError, UnavailableError
from remixer.foundation.status import OK, Code, Status
from remixer.mixer.outcome import (
    CheckOutcome,
    HeaderOperation,
    Provenance,
    QuotaOutcome,
    ReportOutcome,
    RouteDirective,
)
from remixer.mixer.request import CheckRequest, QuotaArgs
from remixer.testing.clock import clock_of_running_loop, in_virtual_time
from remixer.tiers.cached import CachedMixer
from remixer.tiers.settings import CacheSettings

_S: Final = 10**9
USER: Final = Reference("user", None, Condition.EXACT)
NO_USER: Final = Reference("user", None, Condition.ABSENCE)
SIZE: Final = Reference("size", None, Condition.EXACT)
DENIED: Final = Status(Code.PERMISSION_DENIED, "no")


def outcome(
    *references: Reference, seconds: float = 60, uses: int = -1, status: Status = OK
) -> CheckOutcome:
    return CheckOutcome(status, Duration(int(seconds * _S)), uses, frozenset(references or (USER,)))


def granted(amount: int) -> Mapping[str, QuotaOutcome]:
    return {"q": QuotaOutcome(amount, Duration(_S), frozenset())}


@dataclass(slots=True)
class Script:
    """A Mixer that answers what it is told to, after `delay_s`; None in `now` means it waits."""

    answer: CheckOutcome | Exception = field(default_factory=outcome)
    waits: bool = False
    delay_s: float = 1.0
    quotas_wait: bool = False
    asked: list[CheckRequest] = field(default_factory=list)
    grants: int = 0
    reports: int = 0

    def check_now(self, request: CheckRequest) -> CheckOutcome | None:
        if self.waits:
            return None
        self.asked.append(request)
        return self._answer(request)

    async def check(self, request: CheckRequest) -> CheckOutcome:
        self.asked.append(request)
        await asyncio.sleep(self.delay_s)
        return self._answer(request)

    def grant_now(self, _request: CheckRequest) -> Mapping[str, QuotaOutcome] | None:
        self.grants += not self.quotas_wait
        return None if self.quotas_wait else granted(self.grants)

    async def grant(self, _request: CheckRequest) -> Mapping[str, QuotaOutcome]:
        self.grants += 1
        return granted(self.grants)

    def report(self, bags: Sequence[Bag]) -> ReportOutcome:
        self.reports += len(bags)
        return ReportOutcome()

    def _answer(self, request: CheckRequest) -> CheckOutcome:
        if isinstance(self.answer, Exception):
            raise self.answer
        if request.quotas and self.answer.status.is_ok:
            return replace(self.answer, quotas=granted(7))
        return self.answer


@dataclass(slots=True)
class Rules:
    """Places by the attribute `place`; one stamp for all."""

    stamp: object = field(default_factory=object)

    def place_of(self, bag: Bag) -> tuple[Hashable, object]:
        return str(bag["place"] or ""), self.stamp


@dataclass(slots=True)
class Later:
    """Keeps work for the test to run, or drop."""

    work: list[Coroutine[object, None, None]] = field(default_factory=list)

    def __call__(self, work: Coroutine[object, None, None], *, name: str) -> None:
        assert name
        self.work.append(work)

    async def run(self) -> None:
        for each in self.work:
            await each
        self.work.clear()

    def drop(self) -> None:
        for each in self.work:
            each.close()
        self.work.clear()


@dataclass(slots=True)
class Scene:
    """All of it."""

    inner: Script = field(default_factory=Script)
    rules: Rules = field(default_factory=Rules)
    later: Later = field(default_factory=Later)
    settings: CacheSettings = field(
        default_factory=lambda: CacheSettings(jitter=0.0, refresh_at=1.0)
    )

    def cached(self, **changed: float) -> CachedMixer:
        return CachedMixer(
            self.inner,
            settings=replace(self.settings, **changed),  # type: ignore[arg-type] # numbers all
            policies=self.rules,
            clock=clock_of_running_loop(),
            random=Random(1),
            background=self.later,
        )

    def times_asked(self) -> int:
        return len(self.inner.asked)


@pytest.fixture
def scene() -> Scene:
    return Scene()


def request(user: str = "ann", **more: object) -> CheckRequest:
    bag = PlainBag(user=user)
    for name, value in more.items():
        assert isinstance(value, int | str)
        bag[name] = value
    return CheckRequest(bag)


def kept(user: str = "ann") -> CheckRequest:
    return replace(request(user), keeps_answer=True)


def with_quota(user: str = "ann") -> CheckRequest:
    return replace(request(user), quotas={"q": QuotaArgs(1)})


def now(cached: CachedMixer, asked: CheckRequest) -> CheckOutcome:
    answer = cached.check_now(asked)
    assert answer is not None
    return answer


def wait(seconds: float) -> None:
    clock_of_running_loop().advance(seconds)


# ------------------------------------------------------------ hits


@in_virtual_time
async def test_the_same_question_is_asked_once(scene: Scene) -> None:
    cached = scene.cached()
    first, second = now(cached, request()), now(cached, request())
    assert first.provenance is Provenance.COMPUTED
    assert second == replace(first, provenance=Provenance.MEMORY)
    assert scene.times_asked() == 1
    assert (cached.counts.hits, cached.counts.misses) == (1, 1)
    now(cached, request("bob"))
    assert scene.times_asked() == 2


@in_virtual_time
async def test_an_answer_ends_with_its_time() -> None:
    scene = Scene()
    cached = scene.cached()
    now(cached, request())
    wait(59.9)
    now(cached, request())
    assert scene.times_asked() == 1
    wait(0.1)
    now(cached, request())
    assert scene.times_asked() == 2


@in_virtual_time
async def test_an_answer_ends_earlier_by_chance_but_never_later() -> None:
    for seed in range(20):
        scene = Scene(settings=CacheSettings(jitter=0.5, refresh_at=1.0))
        cached = scene.cached()
        cached.answers._random.seed(seed)
        now(cached, request())
        wait(29.9)
        now(cached, request())
        assert scene.times_asked() == 1
        wait(30.1)
        now(cached, request())
        assert scene.times_asked() == 2


@in_virtual_time
async def test_no_answer_is_older_than_the_operator_allows() -> None:
    scene = Scene()
    cached = scene.cached(max_age_s=5.0)
    assert now(cached, kept()).valid_duration == 5 * _S
    wait(5.0)
    now(cached, request())
    assert scene.times_asked() == 2
    never = Scene()
    cached = never.cached(max_age_s=0.0)
    now(cached, request())
    now(cached, request())
    assert never.times_asked() == 2


@pytest.mark.parametrize("answer", [outcome(seconds=0), outcome(uses=0)])
@in_virtual_time
async def test_what_may_not_be_used_again_is_not(scene: Scene, answer: CheckOutcome) -> None:
    scene.inner.answer = answer
    cached = scene.cached()
    assert now(cached, request()) == now(cached, request()) == answer
    assert scene.times_asked() == 2
    assert cached.answers.shapes == 0


@pytest.mark.parametrize("code", [Code.UNAVAILABLE, Code.INTERNAL])
@in_virtual_time
async def test_a_verdict_that_reports_trouble_is_not_remembered(scene: Scene, code: Code) -> None:
    scene.inner.answer = outcome(status=Status(code, "trouble"))
    cached = scene.cached()
    now(cached, request())
    now(cached, request())
    assert scene.times_asked() == 2


@in_virtual_time
async def test_a_denial_keeps_its_own_time() -> None:
    scene = Scene()
    scene.inner.answer = outcome(status=DENIED, seconds=5)
    cached = scene.cached()
    now(cached, request())
    assert now(cached, with_quota()).status == DENIED
    assert scene.inner.grants == 0
    wait(5.0)
    scene.inner.answer = outcome()
    assert now(cached, request()).status == OK


@in_virtual_time
async def test_where_nothing_may_be_remembered_nothing_is(scene: Scene) -> None:
    scene.rules.stamp = None
    cached = scene.cached()
    now(cached, request())
    now(cached, request())
    assert scene.times_asked() == 2
    assert cached.counts.bypassed == 2
    assert len(cached.answers.table) == 0


@in_virtual_time
async def test_where_nothing_may_be_remembered_all_wait_for_themselves() -> None:
    scene = Scene(Script(waits=True), Rules(stamp=None))
    cached = scene.cached()
    assert cached.check_now(request()) is None
    await cached.check(request())
    assert (cached.counts.bypassed, scene.times_asked()) == (1, 1)


@in_virtual_time
async def test_reports_and_quotas_go_through(scene: Scene) -> None:
    cached = scene.cached()
    cached.report([PlainBag()])
    assert scene.inner.reports == 1
    assert cached.grant_now(with_quota()) == granted(1)
    assert await cached.grant(with_quota()) == granted(2)


@in_virtual_time
async def test_an_answer_too_large_for_the_room_is_given_but_not_kept(scene: Scene) -> None:
    cached = scene.cached(max_bytes=1000)
    assert now(cached, kept()).valid_use_count == -1
    now(cached, request())
    assert scene.times_asked() == 2


@in_virtual_time
async def test_texts_of_answers_count_as_memory(scene: Scene) -> None:
    cached = scene.cached()
    now(cached, request("ann"))
    small = cached.answers.table.bytes
    now(cached, request("bob"))
    assert cached.answers.table.bytes - small < small  # the verdict is shared
    operation = HeaderOperation("x", "y" * 10_000)
    scene.inner.answer = replace(outcome(), directive=RouteDirective((operation,)))
    before = cached.answers.table.bytes
    now(cached, request("cat"))
    assert cached.answers.table.bytes - before > 10_000


@in_virtual_time
async def test_verdicts_that_all_differ_are_not_shared(scene: Scene) -> None:
    cached = scene.cached()
    for number in range(2_100):
        scene.inner.answer = outcome(status=Status(7, f"no {number}"))
        now(cached, request(str(number)))
    assert len(cached.answers._known) <= 1_000
    assert now(cached, request("5")).status.message == "no 5"


# ------------------------------------------------------------ use counts


@in_virtual_time
async def test_the_request_that_fetched_an_answer_is_no_use_of_it(scene: Scene) -> None:
    scene.inner.answer = outcome(uses=2)
    cached = scene.cached()
    for _ in range(3):
        now(cached, request())
    assert scene.times_asked() == 1
    now(cached, request())
    assert scene.times_asked() == 2


@in_virtual_time
async def test_uses_are_spent_once_whoever_spends_them(scene: Scene) -> None:
    scene.inner.answer = outcome(uses=100)
    cached = scene.cached()
    spent = now(cached, kept()).valid_use_count
    while True:
        answer = now(cached, kept())
        if scene.times_asked() == 2:
            break
        spent += 1 + answer.valid_use_count
    assert spent == 100


@in_virtual_time
async def test_a_caller_that_keeps_answers_leaves_some_uses_to_others(scene: Scene) -> None:
    scene.inner.answer = outcome(uses=10_000)
    cached = scene.cached()
    assert now(cached, kept()).valid_use_count == 2048
    assert now(cached, kept()).valid_use_count == 1024
    scene.inner.answer = outcome(uses=3)
    assert now(cached, kept("bob")).valid_use_count == 0


@in_virtual_time
async def test_no_caller_takes_more_uses_than_it_can_need(scene: Scene) -> None:
    scene.inner.answer = outcome(uses=2**31 - 1)
    cached = scene.cached()
    assert {now(cached, kept()).valid_use_count for _ in range(1_000)} == {2**20}
    assert scene.times_asked() == 1


@in_virtual_time
async def test_an_answer_whose_uses_dwindle_is_renewed_so_that_shares_stay_large() -> None:
    scene = Scene()
    scene.inner.answer = outcome(uses=10_000)
    cached = scene.cached(refresh_at=0.8)
    shares = []
    for _ in range(100):
        shares.append(now(cached, kept()).valid_use_count)
        await scene.later.run()
    assert min(shares) == 1024
    assert cached.counts.renewals == scene.times_asked() - 1 > 5


@in_virtual_time
async def test_an_answer_with_few_uses_is_not_asked_for_ahead() -> None:
    scene = Scene()
    scene.inner.answer = outcome(uses=15)
    cached = scene.cached(refresh_at=0.8)
    for _ in range(16):
        now(cached, request())
    assert cached.counts.renewals == 0
    assert scene.times_asked() == 1


@in_virtual_time
async def test_an_answer_without_limit_is_given_without_limit(scene: Scene) -> None:
    cached = scene.cached()
    now(cached, kept())
    assert now(cached, kept()).valid_use_count == -1


@in_virtual_time
async def test_a_caller_that_keeps_an_answer_is_told_the_time_left_and_never_more() -> None:
    cached = Scene().cached()
    assert now(cached, kept()).valid_duration == 60 * _S
    wait(10.55)
    assert now(cached, kept()).valid_duration == 49 * _S
    assert now(cached, kept()) is now(cached, kept())
    wait(49.0)
    assert now(cached, kept()).valid_duration == 4 * _S // 10


@in_virtual_time
async def test_those_who_fetch_equal_answers_are_told_the_same_object() -> None:
    scene = Scene()
    cached = scene.cached()
    told = []
    for user in ("ann", "bob", "cat"):
        scene.inner.answer = outcome(uses=10_000)  # equal, never the same
        told.append(now(cached, kept(user)))
    assert told[0] is told[1] is told[2]
    assert (told[0].valid_use_count, told[0].provenance) == (2048, Provenance.COMPUTED)


@in_virtual_time
async def test_an_answer_that_comes_again_as_the_same_object_is_remembered_alike(
    scene: Scene,
) -> None:
    scene.inner.answer = outcome(uses=10_000)
    cached = scene.cached()
    shares = [now(cached, kept(str(number))).valid_use_count for number in range(4)]
    hits = [now(cached, kept(str(number))).valid_use_count for number in range(4)]
    assert (shares, hits) == ([2048] * 4, [1024] * 4)
    assert len({id(cached.answers._verdicts[slot]) for slot in range(4)}) == 1


@in_virtual_time
async def test_what_callers_are_told_is_not_kept_for_ever() -> None:
    scene = Scene()
    scene.inner.answer = outcome(seconds=3_000)
    cached = scene.cached()
    for _ in range(500):
        now(cached, kept())
        wait(1.0)
    verdict = cached.answers._verdicts[0]
    assert verdict is not None
    assert len(verdict.told) <= 100


# ------------------------------------------------------------ quotas


@in_virtual_time
async def test_quotas_are_granted_anew_for_each_request(scene: Scene) -> None:
    cached = scene.cached()
    assert now(cached, with_quota()).quotas == granted(7)
    assert now(cached, with_quota()).quotas == granted(1)
    assert now(cached, with_quota()).quotas == granted(2)
    assert now(cached, request()).quotas == {}
    assert scene.times_asked() == 1


@in_virtual_time
async def test_quotas_that_wait_spend_one_use_and_are_waited_for() -> None:
    scene = Scene(Script(outcome(uses=2), quotas_wait=True))
    cached = scene.cached()
    now(cached, request())
    assert cached.check_now(with_quota()) is None
    assert (await cached.check(with_quota())).quotas == granted(1)
    assert cached.counts.hits == 1
    now(cached, request())
    assert scene.times_asked() == 1


# ------------------------------------------------------------ shapes and places


@in_virtual_time
async def test_an_answer_is_kept_by_what_it_read(scene: Scene) -> None:
    cached = scene.cached()
    scene.inner.answer = outcome(NO_USER)
    absent = CheckRequest(PlainBag())
    now(cached, absent)
    scene.inner.answer = outcome(USER, status=DENIED)
    now(cached, request())
    assert now(cached, request()).status == DENIED
    assert now(cached, absent).status == OK
    assert (scene.times_asked(), cached.answers.shapes) == (2, 2)


@in_virtual_time
async def test_shapes_in_demand_come_first(scene: Scene) -> None:
    cached = scene.cached()
    now(cached, request())
    scene.inner.answer = outcome(USER, SIZE)
    now(cached, request("bob", size=1))
    now(cached, request("bob", size=1))
    (place,) = cached.answers.places()
    assert [len(shape.references) for shape in place.shapes] == [2, 1]


@in_virtual_time
async def test_the_least_useful_shape_gives_way(scene: Scene) -> None:
    cached = scene.cached(max_shapes=2)
    now(cached, request())
    for name in ("a", "b", "c"):
        scene.inner.answer = outcome(Reference(name, None, Condition.EXACT))
        now(cached, CheckRequest(PlainBag({name: 1})))
    assert cached.answers.shapes == 2
    assert cached.answers.shapes_replaced == 2
    asked = scene.times_asked()
    now(cached, request())
    assert scene.times_asked() == asked


@in_virtual_time
async def test_places_share_nothing(scene: Scene) -> None:
    cached = scene.cached()
    now(cached, request(place="shop"))
    now(cached, request(place="bank"))
    assert scene.times_asked() == 2


@in_virtual_time
async def test_there_are_no_more_places_than_allowed(scene: Scene) -> None:
    cached = scene.cached(max_places=2)
    for place in ("a", "b", "c"):
        now(cached, request(place=place))
    assert [place.name for place in cached.answers.places()] == ["b", "c"]


@in_virtual_time
async def test_places_with_nothing_good_left_are_forgotten_in_time() -> None:
    scene = Scene()
    cached = scene.cached(max_age_s=100.0, stale_for_s=10.0)
    now(cached, request(place="old"))
    wait(111.0)
    now(cached, request(place="new"))
    assert [place.name for place in cached.answers.places()] == ["new"]


@in_virtual_time
async def test_other_rules_make_former_answers_unknown(scene: Scene) -> None:
    cached = scene.cached()
    now(cached, request())
    scene.rules.stamp = object()
    now(cached, request())
    assert scene.times_asked() == 2


@in_virtual_time
async def test_equal_rules_leave_answers_as_they_are(scene: Scene) -> None:
    scene.rules.stamp = (1,)
    cached = scene.cached()
    now(cached, request())
    scene.rules.stamp = tuple([1])  # noqa: C409  another object
    now(cached, request())
    now(cached, request())
    assert scene.times_asked() == 1


@in_virtual_time
async def test_an_answer_found_while_rules_changed_is_not_remembered() -> None:
    scene = Scene(Script(waits=True), Rules((1,)))
    cached = scene.cached()
    async with asyncio.TaskGroup() as group:
        asked = group.create_task(cached.check(kept()))
        await asyncio.sleep(0.5)
        scene.rules.stamp = tuple([1])  # noqa: C409  changed, and changed back
    assert asked.result().valid_duration == 60 * _S
    assert len(cached.answers.table) == 0


# ------------------------------------------------------------ a newer answer counts


@in_virtual_time
async def test_a_denial_that_may_not_be_kept_ends_the_allowance_before_it() -> None:
    scene = Scene()
    cached = scene.cached()
    now(cached, request())
    wait(61.0)
    scene.inner.answer = outcome(status=DENIED, seconds=0)
    assert now(cached, request()).status == DENIED
    scene.inner.answer = UnavailableError("down")
    with pytest.raises(UnavailableError):
        now(cached, request())


@in_virtual_time
async def test_an_answer_of_another_shape_takes_the_place_of_the_former() -> None:
    scene = Scene()
    scene.inner.answer = outcome(USER, SIZE)
    cached = scene.cached(refresh_at=0.8)
    now(cached, request(size=1))
    wait(59.0)
    now(cached, request(size=1))
    scene.inner.answer = outcome(USER, status=DENIED)
    await scene.later.run()
    assert now(cached, request(size=1)).status == DENIED
    assert len(cached.answers.table) == 1


@in_virtual_time
async def test_of_several_ended_answers_the_latest_stands_in() -> None:
    scene = Scene()
    cached = scene.cached()
    scene.inner.answer = outcome(USER, SIZE)
    now(cached, request(size=1))
    scene.inner.answer = outcome(USER, seconds=70, status=DENIED)
    now(cached, request())
    wait(100.0)
    scene.inner.answer = UnavailableError("down")
    assert now(cached, request(size=1)).status == DENIED


# ------------------------------------------------------------ renewal


@in_virtual_time
async def test_an_answer_in_demand_is_renewed_before_it_ends() -> None:
    scene = Scene()
    cached = scene.cached(refresh_at=0.8)
    now(cached, replace(with_quota(), deadline=Deadline(1.0), deduplication_id="d"))
    wait(47.9)
    now(cached, request())
    assert scene.later.work == []
    wait(0.2)
    now(cached, replace(with_quota(), deadline=Deadline(1.0)))
    now(cached, request())
    assert len(scene.later.work) == cached.counts.renewals == 1
    await scene.later.run()
    assert scene.inner.asked[-1] == CheckRequest(request().bag, is_renewal=True)
    wait(30.0)
    now(cached, request())
    assert cached.counts.misses == 1


@in_virtual_time
async def test_a_renewal_that_fails_leaves_the_answer_its_time() -> None:
    scene = Scene()
    cached = scene.cached(refresh_at=0.8)
    now(cached, request())
    wait(50.0)
    now(cached, request())
    scene.inner.answer = UnavailableError("down")
    await scene.later.run()
    assert now(cached, request()).provenance is Provenance.MEMORY
    assert cached.counts.renewals == 2
    scene.later.drop()


@in_virtual_time
async def test_a_renewal_that_was_dropped_is_begun_again_in_time() -> None:
    scene = Scene()
    scene.inner.answer = outcome(seconds=3_000)
    cached = scene.cached(refresh_at=0.8, max_refreshes=1)
    now(cached, request("ann"))
    now(cached, request("bob"))
    wait(2_900.0)
    now(cached, request("ann"))
    now(cached, request("bob"))
    scene.later.drop()
    assert cached.counts.renewals == 1
    wait(31.0)
    now(cached, request("bob"))
    now(cached, request("ann"))
    assert cached.counts.renewals == 2
    wait(31.0)
    now(cached, request("bob"))
    assert cached.counts.renewals == 3
    scene.later.drop()


@in_virtual_time
async def test_renewals_may_be_off() -> None:
    scene = Scene()
    cached = scene.cached(refresh_at=0.8, max_refreshes=0)
    now(cached, request())
    wait(59.0)
    now(cached, request())
    assert scene.later.work == []


@in_virtual_time
async def test_a_renewal_is_not_answered_from_memory() -> None:
    scene = Scene()
    cached = scene.cached(refresh_at=0.8)
    now(cached, request())
    now(cached, replace(request(), is_renewal=True))
    await cached.check(replace(request(), is_renewal=True))
    assert scene.times_asked() == 3


# ------------------------------------------------------------ flights


async def ask_all(
    cached: CachedMixer, *requests: CheckRequest
) -> list[CheckOutcome | BaseException]:
    return await asyncio.gather(*map(cached.check, requests), return_exceptions=True)


async def warm(cached: CachedMixer, scene: Scene) -> None:
    """Let the shape be known."""
    await cached.check(request("warm"))
    scene.inner.asked.clear()


@in_virtual_time
async def test_those_who_ask_the_same_at_once_ask_once() -> None:
    scene = Scene(Script(waits=True))
    cached = scene.cached()
    await warm(cached, scene)
    answers = await ask_all(cached, request(), request(), with_quota(), request("bob"))
    assert scene.times_asked() == 2
    assert cached.counts.joined == 2
    assert isinstance(answers[2], CheckOutcome)
    assert answers[2].quotas == granted(1)


@in_virtual_time
async def test_a_flight_shares_no_answer_that_may_be_used_once() -> None:
    scene = Scene(Script(waits=True))
    cached = scene.cached()
    await warm(cached, scene)
    scene.inner.answer = outcome(seconds=0)
    await ask_all(cached, request(), request(), request())
    assert scene.times_asked() == 3
    begun_s = clock_of_running_loop().monotonic_s()
    await ask_all(cached, request(), request(), request())  # nobody waits for others any more
    assert clock_of_running_loop().monotonic_s() - begun_s == pytest.approx(1.0)


@in_virtual_time
async def test_when_the_leader_goes_away_one_of_the_others_leads() -> None:
    scene = Scene(Script(waits=True))
    cached = scene.cached()
    await warm(cached, scene)
    async with asyncio.TaskGroup() as group:
        leader = group.create_task(cached.check(request()))
        others = [group.create_task(cached.check(request())) for _ in range(3)]
        await asyncio.sleep(0.5)
        leader.cancel()
    assert [each.result().status for each in others] == [OK] * 3
    assert cached.counts.joined == 2
    assert cached._flights == {}


@in_virtual_time
async def test_nobody_waits_for_others_longer_than_for_the_answer() -> None:
    scene = Scene(Script(waits=True, delay_s=10.0))
    cached = scene.cached()
    await warm(cached, scene)
    begun_s = clock_of_running_loop().monotonic_s()
    hurried = replace(request(), deadline=Deadline(begun_s + 2.0))
    async with asyncio.TaskGroup() as group:
        group.create_task(cached.check(request()))
        await asyncio.sleep(0)
        other = group.create_task(cached.check(hurried))
        await asyncio.sleep(2.1)
        assert scene.inner.asked[-1] is hurried
    assert other.done()


@in_virtual_time
async def test_the_failure_of_one_is_met_with_a_stale_answer_by_all() -> None:
    scene = Scene(Script(waits=True))
    cached = scene.cached()
    await warm(cached, scene)
    await cached.check(request())
    wait(70.0)
    scene.inner.asked.clear()
    scene.inner.answer = UnavailableError("down")
    answers = await ask_all(cached, request(), request(), with_quota())
    assert scene.times_asked() == 1
    for answer in answers:
        assert isinstance(answer, CheckOutcome)
        assert answer.provenance is Provenance.STALE
    assert cached.counts.stale == 3


@pytest.mark.parametrize(("uses", "after_s", "ended_s"), [(-1, 70.0, 10.0), (1, 20.0, 0.0)])
@in_virtual_time
async def test_the_log_tells_how_long_ago_a_stale_answer_ended(
    uses: int, after_s: float, ended_s: float, caplog: pytest.LogCaptureFixture
) -> None:
    scene = Scene()
    cached = scene.cached()
    scene.inner.answer = outcome(uses=uses)
    for _ in range(2):
        await cached.check(request())
    wait(after_s)
    scene.inner.answer = UnavailableError("down")
    answer = cached.check_now(request())
    assert answer is not None
    assert answer.provenance is Provenance.STALE
    (told,) = (getattr(each, "fields", {}) for each in caplog.records)
    assert told["ended_s"] == ended_s


@in_virtual_time
async def test_without_a_stale_answer_the_failure_of_one_is_his_own() -> None:
    scene = Scene(Script(waits=True))
    cached = scene.cached()
    await warm(cached, scene)
    scene.inner.answer = UnavailableError("down")
    answers = await ask_all(cached, request(), request())
    assert [type(answer) for answer in answers] == [UnavailableError] * 2
    assert scene.times_asked() == 2


@in_virtual_time
async def test_what_is_wrong_with_one_request_is_not_so_with_the_next() -> None:
    scene = Scene(Script(waits=True))
    cached = scene.cached()
    await warm(cached, scene)
    await cached.check(request())
    wait(70.0)
    scene.inner.asked.clear()
    scene.inner.answer = InvalidRequestError("too many quotas")
    answers = await ask_all(cached, request(), request())
    assert [type(answer) for answer in answers] == [InvalidRequestError] * 2
    assert scene.times_asked() == 2


@in_virtual_time
async def test_a_stale_answer_of_the_inner_mixer_is_no_news() -> None:
    scene = Scene(Script(waits=True))
    cached = scene.cached()
    await warm(cached, scene)
    await cached.check(request())
    wait(70.0)
    scene.inner.asked.clear()
    scene.inner.answer = replace(outcome(seconds=0, uses=0), provenance=Provenance.STALE)
    answers = await ask_all(cached, request(), request())
    assert scene.times_asked() == 1
    assert all(isinstance(each, CheckOutcome) for each in answers)
    assert cached.counts.stale == 2


@in_virtual_time
async def test_a_fault_of_ours_leaves_no_flight_behind() -> None:
    scene = Scene(Script(waits=True))
    cached = scene.cached()
    await warm(cached, scene)
    scene.inner.answer = RuntimeError("a fault")
    answers = await ask_all(cached, request(), request())
    assert [type(answer) for answer in answers] == [RuntimeError] * 2
    assert cached._flights == {}


@in_virtual_time
async def test_rules_that_begin_to_forbid_remembering_end_the_waiting_for_others() -> None:
    scene = Scene(Script(waits=True))
    cached = scene.cached()
    await warm(cached, scene)
    async with asyncio.TaskGroup() as group:
        for _ in range(2):
            group.create_task(cached.check(request()))
        await asyncio.sleep(0.5)
        scene.rules.stamp = None
    assert cached.counts.bypassed == 1


# ------------------------------------------------------------ failures


@in_virtual_time
async def test_an_answer_that_ended_lately_stands_in_for_a_failure_once() -> None:
    scene = Scene()
    cached = scene.cached(stale_for_s=10.0)
    now(cached, request())
    scene.inner.answer = UnavailableError("down")
    wait(69.9)
    answer = now(cached, kept())
    assert answer.provenance is Provenance.STALE
    assert (answer.valid_duration, answer.valid_use_count) == (0, 0)
    assert now(cached, with_quota()).quotas == granted(1)
    assert cached.counts.stale == 2
    wait(0.1)
    with pytest.raises(UnavailableError):
        now(cached, request())


@in_virtual_time
async def test_an_answer_whose_uses_are_spent_may_stand_in() -> None:
    scene = Scene(Script(outcome(uses=1)))
    cached = scene.cached()
    now(cached, request())
    now(cached, request())
    scene.inner.answer = UnavailableError("down")
    assert now(cached, request()).provenance is Provenance.STALE


@in_virtual_time
async def test_nothing_stands_in_if_it_is_not_wanted() -> None:
    scene = Scene(Script(outcome(uses=1)))
    cached = scene.cached(stale_for_s=0.0)
    now(cached, request())
    now(cached, request())
    scene.inner.answer = UnavailableError("down")
    with pytest.raises(UnavailableError):
        now(cached, request())


@in_virtual_time
async def test_a_faulty_request_gets_its_own_error() -> None:
    scene = Scene()
    cached = scene.cached()
    now(cached, request())
    wait(61.0)
    scene.inner.answer = InvalidRequestError("too many quotas")
    with pytest.raises(InvalidRequestError):
        now(cached, request())


@in_virtual_time
async def test_a_stale_denial_grants_nothing() -> None:
    scene = Scene(Script(outcome(status=DENIED)))
    cached = scene.cached()
    now(cached, request())
    wait(61.0)
    scene.inner.answer = UnavailableError("down")
    assert now(cached, with_quota()).quotas == {}


@in_virtual_time
async def test_a_stale_answer_whose_quotas_wait_is_waited_for() -> None:
    scene = Scene(Script(quotas_wait=True))
    cached = scene.cached()
    now(cached, request())
    wait(61.0)
    scene.inner.answer = UnavailableError("down")
    assert cached.check_now(with_quota()) is None
    assert (await cached.check(with_quota())).quotas == granted(1)


@in_virtual_time
async def test_time_is_kept_back_for_a_stale_answer() -> None:
    scene = Scene(Script(waits=True))
    cached = scene.cached()
    await cached.check(request())
    wait(70.0)
    now_s = clock_of_running_loop().monotonic_s()
    hurried = replace(request(), deadline=Deadline(now_s + 1.0))
    await cached.check(hurried)
    asked = scene.inner.asked[-1]
    assert asked.deadline == Deadline(pytest.approx(now_s + 0.9))  # type: ignore[arg-type] # compares
    assert asked.last_good is not None
    await cached.check(replace(request("bob"), deadline=Deadline(now_s + 9.0)))
    assert scene.inner.asked[-1].deadline == Deadline(now_s + 9.0)


@in_virtual_time
async def test_an_error_is_never_remembered() -> None:
    scene = Scene(Script(UnavailableError("down")))
    cached = scene.cached()
    for _ in range(2):
        with pytest.raises(PolicyError):
            cached.check_now(request())
    assert scene.times_asked() == cached.counts.misses == 2


# ------------------------------------------------------------ revocation


def users(*names: str) -> Callable[[Mapping[str, object]], bool]:
    return lambda values: values.get("user") in names


@in_virtual_time
async def test_answers_are_revoked_by_what_is_known_of_their_requests() -> None:
    scene = Scene()
    cached = scene.cached()
    for user in ("ann", "bob", "cat"):
        now(cached, request(user))
    assert await cached.revoke(users("ann", "cat")) == 2
    now(cached, request("bob"))
    assert scene.times_asked() == 3
    now(cached, request("ann"))
    assert scene.times_asked() == 4
    assert await cached.revoke() == 2
    assert (len(cached.answers.table), cached.answers.shapes) == (0, 0)
    now(cached, request("bob"))
    now(cached, request("bob"))
    assert scene.times_asked() == 5


@in_virtual_time
async def test_answers_of_former_rules_are_not_worth_revoking() -> None:
    scene = Scene()
    cached = scene.cached()
    now(cached, request())
    scene.rules.stamp = object()
    now(cached, request("bob"))
    assert await cached.revoke(users("ann", "bob")) == 1


@in_virtual_time
async def test_what_was_asked_before_a_revocation_is_not_remembered_after_it() -> None:
    scene = Scene(Script(waits=True))
    cached = scene.cached()
    async with asyncio.TaskGroup() as group:
        group.create_task(cached.check(request()))
        await asyncio.sleep(0.5)
        await cached.revoke(users("bob"))
    assert len(cached.answers.table) == 0


@in_virtual_time
async def test_revoking_lets_requests_go_between() -> None:
    scene = Scene()
    cached = scene.cached()
    for number in range(1_200):
        now(cached, request(str(number)))
    order: list[str] = []

    def look(_: Mapping[str, object]) -> bool:
        order.append("looked at")
        return True

    async def other() -> None:
        for _ in range(2):
            order.append("request")
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        revoking = group.create_task(cached.revoke(look))
        group.create_task(other())
    assert revoking.result() == 1_200
    assert order.index("request") == 500
