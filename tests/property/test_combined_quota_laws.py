"""Laws of the one answer for all quotas that apply.

* It says what the answers by name say together, by the rules of Mixer's client.
* Two requests that agree on what it depends on get the same, also if other quotas apply to others.
"""

import asyncio
from collections.abc import Mapping
from typing import Final

from hypothesis import given, settings
from hypothesis import strategies as st

from remixer.attributes.bag import PlainBag, plain_bag
from remixer.attributes.values import Duration
from remixer.foundation.status import Code, Status
from remixer.mixer.combined_quotas import combined, is_unavailable, refusal_after
from remixer.mixer.outcome import QuotaOutcome
from remixer.mixer.request import MATCHING, CheckRequest, MatchingQuotas, QuotaArgs
from remixer.mixer.verdict import refusal_of
from remixer.testing.engine import running_engine
from remixer.testing.scripted import Journal, scripted_adapters
from remixer.testing.texts import VOCABULARY, action, handler, instance, rule
from remixer.tiers.keys import Shape

# ------------------------------------------------------------ one answer for many


def lets_pass(quota: QuotaOutcome) -> bool:
    """As clients from Istio 1.3 on judge one entry."""
    return quota.granted > 0 or quota.status.code == Code.UNAVAILABLE


USED_UP: Final = "Quota is exhausted for: "
CODES: Final = (Code.OK, Code.OK, Code.RESOURCE_EXHAUSTED, Code.UNAVAILABLE, Code.INTERNAL)
QUOTAS: Final = st.builds(
    lambda granted, seconds, code: QuotaOutcome(
        granted,
        Duration(seconds * 10**9),
        frozenset(),
        Status() if granted else Status(code, "why"),
    ),
    st.integers(0, 4),
    st.integers(0, 60),
    st.sampled_from(CODES),
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from("abcd"), QUOTAS))
def test_the_combined_answer_says_what_the_names_say_together(
    quotas: Mapping[str, QuotaOutcome],
) -> None:
    answer = combined(quotas, amount=3, references=frozenset())
    assert lets_pass(answer) is all(map(lets_pass, quotas.values()))
    asked = [each for each in quotas.values() if not is_unavailable(each)]
    for each in asked:
        assert answer.granted <= each.granted
        assert answer.valid_duration <= each.valid_duration
    said = refusal_after(answer)
    for name, quota in quotas.items():
        # Whoever spends the grant is stopped by these, and by no others.
        if answer.status.is_ok and quota.granted:
            assert (name in said.message.removeprefix(USED_UP).split(",")) is (quota.granted < 3)
    exhausted = refusal_of(quotas)
    if exhausted is not None and exhausted.code == Code.RESOURCE_EXHAUSTED:
        assert refusal_of({MATCHING: answer}) == exhausted


# ------------------------------------------------------------ what it depends on

RULES: Final = {
    "a": 'user == "al" || path == "/x"',
    "b": 'path == "/x" && (team | "t1") == "t1"',
    "c": 'team == "t2"',
}
ATTRIBUTES: Final = """
kind: attributemanifest
metadata: {name: more, namespace: istio-system}
spec: {attributes: {path: {valueType: STRING}, team: {valueType: STRING}}}
---
"""


def configuration(rules: Mapping[str, str]) -> str:
    """One quota per rule; how much is granted tells which quotas apply."""
    text = VOCABULARY + ATTRIBUTES
    for grants, (name, match) in zip((8, 5, 3), rules.items(), strict=True):
        text += instance(name, "quota", 'dimensions: {user: user | ""}')
        text += handler(f"h{name}", f"grant: {grants}")
        text += rule(f"r{name}", action(f"h{name}", name), match=match)
    return text


BAGS: Final = st.fixed_dictionaries(
    {"destination.namespace": st.sampled_from(["shop", "bank"])},
    optional={
        "user": st.sampled_from(["al", "bo"]),
        "path": st.sampled_from(["/x", "/y"]),
        "team": st.sampled_from(["t1", "t2"]),
    },
).map(plain_bag)


async def answered(bags: list[PlainBag]) -> list[QuotaOutcome]:
    quotas = MatchingQuotas(QuotaArgs(10, best_effort=True), is_combined=True)
    files = {"a": configuration(RULES)}
    async with running_engine(files, adapters=scripted_adapters(Journal())) as running:
        assert running.engine.generation.snapshot.problems == ()
        found = [running.engine.grant_now(CheckRequest(bag, quotas)) for bag in bags]
    return [each[MATCHING] for each in found if each is not None]


@settings(max_examples=25, deadline=None)
@given(st.lists(BAGS, min_size=2, max_size=12))
def test_requests_that_agree_on_what_was_read_get_the_same(bags: list[PlainBag]) -> None:
    answers = asyncio.run(answered(bags))
    assert len(answers) == len(bags)
    for bag, answer in zip(bags, answers, strict=True):
        shape = Shape(answer.references, serial=1)
        key = shape.key_of(bag)
        assert key is not None
        for other, others in zip(bags, answers, strict=True):
            if shape.key_of(other) == key:
                assert others == answer
