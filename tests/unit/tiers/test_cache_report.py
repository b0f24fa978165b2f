"""What the memory tells of itself: by namespace and by set of attributes."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import astuple
from random import Random

import pytest

from remixer.attributes.bag import Bag, Condition, Reference, plain_bag
from remixer.attributes.values import Duration, ValueType
from remixer.attributes.vocabulary import Vocabulary
from remixer.foundation.status import OK
from remixer.mixer.outcome import CheckOutcome, QuotaOutcome, ReportOutcome
from remixer.mixer.request import CheckRequest
from remixer.testing.clock import VirtualClock
from remixer.tiers.cache_report import Quantiles, cache_report
from remixer.tiers.cached import CachedMixer
from remixer.tiers.settings import CacheSettings

VOCABULARY = Vocabulary({"request.path": ValueType.STRING, "request.time": ValueType.TIMESTAMP})
STAMP = object()


class Inner:
    """Allows everything for 100 s and 10 uses, having read path and user."""

    def check_now(self, request: CheckRequest) -> CheckOutcome | None:
        user = Condition.EXACT if request.bag["source.user"] else Condition.ABSENCE
        return CheckOutcome(
            status=OK,
            valid_duration=Duration(100_000_000_000),
            valid_use_count=10,
            references=frozenset(
                {
                    Reference("request.path", None, Condition.EXACT),
                    Reference("source.user", None, user),
                }
            ),
        )

    async def check(self, request: CheckRequest) -> CheckOutcome:
        raise NotImplementedError(request)

    def grant_now(self, request: CheckRequest) -> Mapping[str, QuotaOutcome] | None:
        raise NotImplementedError(request)

    async def grant(self, request: CheckRequest) -> Mapping[str, QuotaOutcome]:
        raise NotImplementedError(request)

    def report(self, bags: Sequence[Bag]) -> ReportOutcome:
        raise NotImplementedError(bags)


class Policies:
    """The namespace is the place."""

    def place_of(self, bag: Bag) -> tuple[Hashable, object]:
        return str(bag["namespace"]), STAMP


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def cached(clock: VirtualClock) -> CachedMixer:
    return CachedMixer(
        Inner(),
        settings=CacheSettings(jitter=0.0),
        policies=Policies(),
        clock=clock,
        random=Random(1),
    )


def ask(cached: CachedMixer, path: str, *, namespace: str = "shop", **more: str) -> None:
    values = {"namespace": namespace, "request.path": path}
    if more:
        values["source.user"] = more["user"]
    assert cached.check_now(CheckRequest(plain_bag(values))) is not None


def test_hits_and_keys_are_told_by_namespace_and_shape(cached: CachedMixer) -> None:
    for path in ("/a", "/a", "/a", "/b"):
        ask(cached, path)
    ask(cached, "/a", user="ann")
    ask(cached, "/a", namespace="other")
    report = cache_report(cached, VOCABULARY, now_s=0.0)
    shop, other = report.places

    assert (shop.name, shop.hits, shop.learned) == ("shop", 2, 3)
    assert (other.name, other.hits, other.learned) == ("other", 0, 1)
    assert [(each.hits, each.keys) for each in shop.shapes] == [(2, 2), (0, 1)]
    assert [(each.name, each.is_absent) for each in shop.shapes[0].attributes] == [
        ("request.path", False),
        ("source.user", True),
    ]


def test_ages_and_what_is_left_are_of_the_entries(cached: CachedMixer, clock: VirtualClock) -> None:
    began_s = clock.monotonic_s()
    ask(cached, "/a")
    report = cache_report(cached, VOCABULARY, now_s=began_s + 30.0)

    assert astuple(report.ages) == pytest.approx((30.0, 30.0, 30.0, 30.0))
    assert astuple(report.left) == pytest.approx((70.0, 70.0, 70.0, 70.0))
    assert report.entries == 1


def test_uses_are_counted_as_they_are_spent(cached: CachedMixer) -> None:
    for _ in range(4):
        ask(cached, "/a")
    counts = cache_report(cached, VOCABULARY, now_s=0.0).counts or {}
    assert (counts["hit"], counts["miss"], counts["uses_spent"]) == (3, 1, 3)


def test_quantiles_of_nothing_are_zero() -> None:
    assert Quantiles.of([]) == Quantiles()
    assert Quantiles.of([3.0, 1.0, 2.0]) == Quantiles(1.0, 2.0, 2.0, 3.0)
