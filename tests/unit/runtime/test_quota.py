"""Quotas for protocols that cannot name them, and the bounds of asking.

What a named quota gets is part of `tests/conformance/dispatch.yaml`.
"""

import pytest

from remixer.attributes.bag import Condition, Reference, plain_bag
from remixer.foundation.errors import InvalidRequestError
from remixer.foundation.status import Code, Status
from remixer.mixer.outcome import DEFAULT_VALID_DURATION
from remixer.mixer.request import CheckRequest, MatchingQuotas, QuotaArgs
from remixer.runtime.quota import MAX_QUOTAS
from remixer.testing.engine import running_engine
from remixer.testing.scripted import Journal, scripted_adapters
from remixer.testing.texts import VOCABULARY, action, handler, instance, rule

COUNT = instance("Count", "quota", 'dimensions: {user: user | "nobody"}')
TEXT = (
    VOCABULARY
    + COUNT
    + handler("q", "grant: 100")
    + rule("r", action("q", "Count"), match='(user | "") != "admin"')
)


def request(
    quotas: dict[str, QuotaArgs] | MatchingQuotas, *, user: str = "al", once: str = ""
) -> CheckRequest:
    return CheckRequest(
        bag=plain_bag({"destination.namespace": "shop", "user": user}),
        quotas=quotas,
        deduplication_id=once,
    )


async def test_matching_quotas_are_those_whose_rule_applies() -> None:
    async with running_engine({"a": TEXT}, adapters=scripted_adapters(Journal())) as running:
        admin = running.engine.check_now(request(MatchingQuotas(), user="admin"))
        other = running.engine.check_now(request(MatchingQuotas(QuotaArgs(3))))
    assert admin is not None
    assert admin.quotas == {}
    assert other is not None
    assert other.quotas["count"].granted == 3
    assert other.quotas["count"].decision is not None
    assert other.quotas["count"].decision.rule == "r.rule.shop"


def user(condition: Condition) -> Reference:
    return Reference("user", None, condition)


async def test_a_combined_answer_depends_on_rules_that_do_not_apply() -> None:
    quotas = MatchingQuotas(QuotaArgs(3), is_combined=True)
    async with running_engine({"a": TEXT}, adapters=scripted_adapters(Journal())) as running:
        none = running.engine.check_now(request(quotas, user="admin"))
        one = running.engine.check_now(request(quotas))
    assert none is not None
    assert one is not None
    assert {name: each.granted for name, each in none.quotas.items()} == {"*": 2**31 - 1}
    assert none.quotas["*"].valid_duration == DEFAULT_VALID_DURATION
    assert {name: each.granted for name, each in one.quotas.items()} == {"*": 3}
    for outcome in (none, one):
        references = outcome.quotas["*"].references
        assert user(Condition.EXACT) in references
        assert Reference("destination.namespace", None, Condition.EXACT) in references


async def test_a_combined_answer_without_quotas_depends_on_the_namespace() -> None:
    quotas = MatchingQuotas(is_combined=True)
    async with running_engine({"a": VOCABULARY}, adapters=scripted_adapters(Journal())) as running:
        granted = running.engine.grant_now(request(quotas))
    assert granted is not None
    assert Reference("destination.namespace", None, Condition.EXACT) in granted["*"].references


async def test_a_combined_answer_is_the_least_of_all_and_names_what_is_exhausted() -> None:
    text = TEXT + instance("size", "quota") + handler("none", "grant: 0")
    text += rule("s", action("none", "size"), match='user == "al"')
    quotas = MatchingQuotas(QuotaArgs(3, best_effort=True), is_combined=True)
    async with running_engine({"a": text}, adapters=scripted_adapters(Journal())) as running:
        both = running.engine.grant_now(request(quotas))
        one = running.engine.grant_now(request(quotas, user="bo"))
    assert both is not None
    assert both["*"].granted == 0
    assert both["*"].status == Status(8, "Quota is exhausted for: size")
    assert one is not None
    assert (one["*"].granted, one["*"].status) == (3, Status())


@pytest.mark.parametrize(("once", "passed_on"), [("id-", " id-Count"), ("", "")])
async def test_the_handler_gets_an_id_per_quota_only_if_the_request_has_one(
    once: str, passed_on: str
) -> None:
    journal = Journal()
    async with running_engine({"a": TEXT}, adapters=scripted_adapters(journal)) as running:
        running.engine.check_now(request({"Count": QuotaArgs(2)}, once=once))
    assert journal.of("allocate") == [f"q.shop allocate 2{passed_on}"]


async def test_an_instance_that_cannot_be_built_grants_nothing() -> None:
    text = TEXT.replace('user | "nobody"', "size")
    async with running_engine({"a": text}, adapters=scripted_adapters(Journal())) as running:
        outcome = running.engine.check_now(request({"Count": QuotaArgs(2)}))
    assert outcome is not None
    quota = outcome.quotas["Count"]
    assert (quota.granted, quota.status.code) == (0, Code.UNAVAILABLE)
    assert "lookup failed: 'size'" in quota.status.message


async def test_several_quotas_of_one_rule_are_asked_apart() -> None:
    journal = Journal()
    text = VOCABULARY + COUNT + instance("size", "quota") + handler("q", "grant: 100")
    text += rule("r", action("q", "Count", "size"))
    async with running_engine({"a": text}, adapters=scripted_adapters(journal)) as running:
        outcome = running.engine.check_now(request({"size": QuotaArgs(1)}))
    assert outcome is not None
    assert journal.of("allocate") == ["q.shop allocate 1"]
    decision = outcome.quotas["size"].decision
    assert decision is not None
    assert decision.instance == "size.instance.shop"


async def test_a_request_may_ask_for_a_thousand_quotas_and_not_for_one_more() -> None:
    async with running_engine({"a": TEXT}, adapters=scripted_adapters(Journal())) as running:
        most = {f"q{number}": QuotaArgs() for number in range(MAX_QUOTAS)}
        outcome = running.engine.check_now(request(most))
        assert outcome is not None
        assert len(outcome.quotas) == MAX_QUOTAS
        with pytest.raises(InvalidRequestError, match="1001 quotas"):
            running.engine.check_now(request({**most, "more": QuotaArgs()}))
