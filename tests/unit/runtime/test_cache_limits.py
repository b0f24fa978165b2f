"""How long an answer may be kept under the policies that concern it."""

import pytest

from remixer.attributes.bag import plain_bag
from remixer.attributes.values import Duration
from remixer.config.policy_settings import CachePolicyConfig
from remixer.foundation.status import Status
from remixer.mixer.outcome import CacheHints, CheckOutcome
from remixer.mixer.request import CheckRequest
from remixer.runtime.cache_limits import limited
from remixer.runtime.engine import Engine
from remixer.testing.engine import running_engine
from remixer.testing.scripted import Journal, scripted_adapters
from remixer.testing.texts import DENY, NOTHING, VOCABULARY, action, handler, instance, rule

_S = 1_000_000_000
SHOP = {"destination.namespace": "shop"}


def outcome(*, code: int = 0, seconds: int = 60, uses: int = 100) -> CheckOutcome:
    return CheckOutcome(Status(code), Duration(seconds * _S), uses, frozenset())


def seconds(number: float) -> Duration:
    return Duration(int(number * _S))


PLAIN = CachePolicyConfig("plain")
BRIEF = CachePolicyConfig("brief", max_age=seconds(5), max_uses=3)
LONG = CachePolicyConfig("long", max_age=seconds(600), max_uses=1_000)
DENIALS = CachePolicyConfig("denials", max_age=seconds(30), denial_max_age=seconds(90))


def test_a_policy_that_says_nothing_changes_nothing() -> None:
    assert limited(outcome(), {PLAIN}) == outcome()
    assert limited(outcome(), set()) == outcome()


def test_the_shorter_of_what_adapters_and_policies_allow_counts() -> None:
    assert limited(outcome(), {BRIEF}) == outcome(seconds=5, uses=3)
    assert limited(outcome(), {LONG}) == outcome()
    assert limited(outcome(), {LONG, BRIEF, PLAIN}) == outcome(seconds=5, uses=3)


def test_unlimited_uses_are_limited() -> None:
    assert limited(outcome(uses=-1), {LONG}).valid_use_count == 1_000
    assert limited(outcome(uses=-1), {PLAIN}).valid_use_count == -1


def test_denials_have_an_age_of_their_own() -> None:
    assert limited(outcome(), {DENIALS}).valid_duration == seconds(30)
    assert limited(outcome(code=7, seconds=120), {DENIALS}).valid_duration == seconds(90)
    assert limited(outcome(code=7), {BRIEF}).valid_duration == seconds(5)


def test_an_answer_that_may_not_be_kept_is_good_for_one_request() -> None:
    off = CachePolicyConfig("off", is_enabled=False, stale_for=seconds(60))
    found = limited(outcome(), {LONG, off})
    assert found == outcome(seconds=0, uses=0)


def test_caches_get_the_strictest_hints() -> None:
    one = CachePolicyConfig("one", refresh_at=0.9, stale_for=seconds(10))
    two = CachePolicyConfig("two", refresh_at=0.5, stale_for=seconds(60), is_shared=False)
    assert limited(outcome(), {one, two}).hints == CacheHints(0.5, 10.0, is_shared=False)


CONFIG = VOCABULARY + NOTHING + handler("h", "valid_duration: 60s") + handler("deny", DENY)
CONFIG += rule("r", action("h", "nothing"), match='user == "al"')


def cache_policy(spec: str, name: str = "p", namespace: str = "shop") -> str:
    metadata = f"{{name: {name}, namespace: {namespace}}}"
    return f"\nkind: CachePolicy\nmetadata: {metadata}\nspec: {{{spec}}}\n---\n"


def check(engine: Engine, **bag: str) -> CheckOutcome:
    answer = engine.check_now(CheckRequest(plain_bag({**SHOP, **bag})))
    assert answer is not None
    return answer


async def answers(text: str, *, adds: str = "") -> tuple[CheckOutcome, CheckOutcome]:
    """Of a request that the rule concerns, and of one that it does not."""
    files = {"a": CONFIG + adds + text}
    async with running_engine(files, adapters=scripted_adapters(Journal())) as running:
        assert running.engine.generation.snapshot.problems == ()
        return check(running.engine, user="al"), check(running.engine, user="bo")


@pytest.mark.parametrize("selector", ["rules: [r]", "handlers: [h]"])
async def test_a_rules_or_handlers_policy_concerns_answers_that_it_took_part_in(
    selector: str,
) -> None:
    with_rule, without = await answers(cache_policy(f"{selector}, maxAge: 5s, staleFor: 7s"))
    assert (with_rule.valid_duration, with_rule.hints) == (seconds(5), CacheHints(stale_for_s=7.0))
    assert (without.valid_duration, without.hints) == (seconds(60), None)


@pytest.mark.parametrize("namespace", ["shop", "istio-system"])
async def test_a_namespaces_policy_concerns_answers_to_which_its_rules_apply(
    namespace: str,
) -> None:
    mesh = handler("m", namespace="istio-system")
    mesh += instance("nothing", "checknothing", namespace="istio-system")
    mesh += rule("m", action("m", "nothing"), namespace="istio-system")
    text = cache_policy(f"namespaces: [{namespace}], maxAge: 5s")
    found = await answers(text, adds=mesh)
    assert [each.valid_duration for each in found] == [seconds(5), seconds(5)]


async def test_a_policy_concerns_a_rule_that_only_changes_headers() -> None:
    headers = "requestHeaderOperations: [{name: a, values: ['\"1\"']}]"
    adds = rule("hdr", match='user == "al"', more=headers)
    with_rule, without = await answers(cache_policy("rules: [hdr], enabled: false"), adds=adds)
    assert (with_rule.valid_duration, with_rule.valid_use_count) == (0, 0)
    assert without.valid_duration == seconds(60)


async def test_a_denial_is_limited_as_well() -> None:
    adds = rule("s", action("deny", "nothing"))
    found, _ = await answers(cache_policy("handlers: [deny], denialMaxAge: 1s"), adds=adds)
    assert (found.status.code, found.valid_duration) == (7, seconds(1))


# ---------------------------------------------------------------- what caches are told


async def stamps(*texts: str) -> list[object]:
    """Of the request's route, under one configuration after another."""
    bag, found = plain_bag(SHOP), []
    async with running_engine({"a": CONFIG}, adapters=scripted_adapters(Journal())) as running:
        for text in texts:
            snapshot = await running.apply({"a": CONFIG, "b": text})
            assert snapshot.problems == ()
            found.append(running.engine.place_of(bag)[1])
    return found


async def test_nothing_is_remembered_of_a_namespace_whose_policy_forbids_it() -> None:
    with_policy, without = await stamps(cache_policy("namespaces: [shop], enabled: false"), "")
    assert with_policy is None
    assert without is not None


@pytest.mark.parametrize("selector", ["rules: [r]", "namespaces: [shop]"])
async def test_a_changed_policy_changes_the_stamp(selector: str) -> None:
    one, two = await stamps(
        cache_policy(f"{selector}, maxAge: 5s"), cache_policy(f"{selector}, maxAge: 6s")
    )
    assert one != two
