"""Which quotas are compiled, and how often. What they answer: `tests/property/test_quota_laws.py`."""

import pytest

from remixer.attributes.bag import plain_bag
from remixer.mixer.request import CheckRequest, MatchingQuotas, QuotaArgs
from remixer.runtime import compiled_quotas
from remixer.runtime.compiled_quotas import CompiledQuotas
from remixer.runtime.function_writer import NotWritableError
from remixer.runtime.guard import Guard
from remixer.runtime.metrics import NoMetrics
from remixer.runtime.quota_code import write_quota
from remixer.runtime.routes import QuotaStep
from remixer.testing.clock import VirtualClock
from remixer.testing.engine import RunningEngine, running_engine
from remixer.testing.scripted import Journal, scripted_adapters
from remixer.testing.texts import FAIL, VOCABULARY, action, handler, instance, rule

BASE = VOCABULARY + instance("Count", "quota", 'dimensions: {user: user | "nobody"}')
BASE += handler("q", "grant: 100") + handler("p", "grant: 1") + handler("broken", FAIL)
BASE += handler("slow", "grant: 5", adapter="waiting") + instance("size", "quota")
ONE = BASE + rule("r", action("q", "Count"), match='user == "al"')
BREAKER = """
kind: FailurePolicy
metadata: {name: watched, namespace: shop}
spec: {rules: [r], breaker: {consecutiveFailures: 1}}
---
"""
ADAPTERS = scripted_adapters(Journal())


def guard() -> Guard:
    return Guard(clock=VirtualClock(), metrics=NoMetrics(), adapter_timeout_s=1)


def compiled_for(running: RunningEngine) -> CompiledQuotas:
    generation = running.engine.generation
    return CompiledQuotas(generation.routes, generation.snapshot.vocabulary, guard=guard())


def steps_of(running: RunningEngine, name: str) -> tuple[QuotaStep, ...]:
    return running.engine.generation.routes.by_namespace["shop"].quota[name]


def request(*names: str, user: str = "al") -> CheckRequest:
    bag = plain_bag({"destination.namespace": "shop", "user": user})
    return CheckRequest(bag, quotas={name: QuotaArgs(3) for name in names})


@pytest.mark.parametrize(
    "rules",
    [
        rule("r", action("slow", "Count")),
        rule("r", action("q", "Count"), action("p", "Count")),
        rule("r", action("q", "Count")) + rule("s", action("p", "Count")),
        rule("r", action("q", "Count")) + BREAKER,
    ],
    ids=["waits", "two-actions", "two-rules", "breaker"],
)
async def test_only_one_plain_target_is_written(rules: str) -> None:
    async with running_engine({"a": BASE + rules}, adapters=ADAPTERS) as running:
        vocabulary = running.engine.generation.snapshot.vocabulary
        with pytest.raises(NotWritableError):
            write_quota(steps_of(running, "count"), vocabulary, guard())


async def test_a_quota_has_one_function_in_whatever_case_it_is_asked_for() -> None:
    async with running_engine({"a": ONE}, adapters=ADAPTERS) as running:
        quotas = compiled_for(running)
        outcomes = quotas.allocate_now(request("count", "Count", "COUNT"))
        assert outcomes is not None
        assert [each.granted for each in outcomes.values()] == [3, 3, 3]
        assert list(quotas._compiled["shop"].functions) == ["count"]


async def test_what_is_not_configured_takes_no_memory() -> None:
    async with running_engine({"a": ONE}, adapters=ADAPTERS) as running:
        quotas = compiled_for(running)
        outcomes = quotas.allocate_now(request("a", "b"))
        assert outcomes is not None
        assert [each.granted for each in outcomes.values()] == [3, 3]
        assert not quotas._compiled


async def test_beyond_the_limit_quotas_are_interpreted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled_quotas, "MAX_COMPILED", 1)
    text = ONE + rule("s", action("p", "size"))
    async with running_engine({"a": text}, adapters=ADAPTERS) as running:
        quotas = compiled_for(running)
        outcomes = quotas.allocate_now(request("count", "size"))
        assert outcomes is not None
        assert [each.granted for each in outcomes.values()] == [3, 1]
        assert len(quotas._compiled["shop"].functions) == 1


async def test_a_route_that_may_wait_is_not_asked() -> None:
    text = ONE + rule("s", action("slow", "size"))
    async with running_engine({"a": text}, adapters=ADAPTERS) as running:
        quotas = compiled_for(running)
        assert quotas.allocate_now(request("count")) is None
        matching = CheckRequest(request().bag, quotas=MatchingQuotas())
        assert quotas.allocate_now(matching) is None


async def test_the_same_reads_give_the_same_set_of_references() -> None:
    async with running_engine({"a": ONE}, adapters=ADAPTERS) as running:
        quotas = compiled_for(running)
        one, other = (quotas.allocate_now(request("count")) for _ in range(2))
        assert one is not None
        assert other is not None
        assert one["count"].references is other["count"].references


async def test_quotas_that_a_change_does_not_touch_stay_compiled() -> None:
    async with running_engine({"a": ONE}, adapters=ADAPTERS) as running:
        quotas = compiled_for(running)
        quotas.allocate_now(request("count"))
        generation = running.engine.generation
        same = quotas.followed_by(generation.routes, generation.snapshot.vocabulary)
        assert same._compiled == quotas._compiled
        assert same._compiled["shop"].functions
        async with running_engine({"a": ONE}, adapters=ADAPTERS) as other:
            changed = other.engine.generation
            following = quotas.followed_by(changed.routes, changed.snapshot.vocabulary)
            assert not following._compiled


async def test_a_rule_that_does_not_apply_is_told_by_the_compiled_quota() -> None:
    async with running_engine({"a": ONE}, adapters=ADAPTERS) as running:
        steps = steps_of(running, "count")
        write = write_quota(steps, running.engine.generation.snapshot.vocabulary, guard())
        bag = request("count", user="bo").bag
        found = write(bag, None, "shop", ..., None, 3, False, "")  # noqa: FBT003 - as it is called
        assert isinstance(found, frozenset)
        assert {each.name for each in found} == {
            "context.reporter.kind",
            "destination.namespace",
            "user",
        }


async def test_matching_quotas_are_compiled_and_leave_out_what_does_not_apply() -> None:
    text = ONE + rule("s", action("p", "size"))
    async with running_engine({"a": text}, adapters=ADAPTERS) as running:
        quotas = compiled_for(running)
        asked = CheckRequest(request(user="bo").bag, quotas=MatchingQuotas(QuotaArgs(3)))
        outcomes = quotas.allocate_now(asked)
        assert outcomes is not None
        assert {name: each.granted for name, each in outcomes.items()} == {"size": 1}
        assert set(quotas._compiled["shop"].functions) == {"count", "size"}


@pytest.mark.parametrize("rules", [BASE, ONE], ids=["nowhere", "elsewhere"])
async def test_a_route_without_quotas_has_none_that_match(rules: str) -> None:
    async with running_engine({"a": rules}, adapters=ADAPTERS) as running:
        bag = plain_bag({"destination.namespace": "bank", "user": "al"})
        asked = CheckRequest(bag, quotas=MatchingQuotas())
        assert compiled_for(running).allocate_now(asked) == {}
