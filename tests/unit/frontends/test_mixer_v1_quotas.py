"""Quotas over Mixer's protocol, from a client's bytes through a real engine and back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from remixer.attributes.bag import Condition, Reference, plain_bag
from remixer.foundation.clock import SystemClock
from remixer.foundation.deadline import Deadline
from remixer.foundation.status import Status
from remixer.frontends.mixer_v1 import mixer_v1_methods
from remixer.mixer.outcome import CheckOutcome
from remixer.mixer.request import CheckRequest, MatchingQuotas, QuotaArgs
from remixer.mixer.verdict import verdict_of
from remixer.testing.engine import running_engine
from remixer.testing.scripted import Journal, scripted_adapters
from remixer.testing.texts import VOCABULARY, action, handler, instance, rule
from remixer.transport.port import Peer
from remixer.wire.client_codec import CHECK_PATH, decode_check_response, encode_check_request

TEXT: Final = (
    VOCABULARY
    + instance("all", "quota", 'dimensions: {user: user | ""}')
    + instance("few", "quota", 'dimensions: {user: user | ""}')
    + handler("many", "grant: 100")
    + handler("none", "grant: 0")
    + rule("r", action("many", "all"))
    + rule("s", action("none", "few"), match='user == "bo"')
    + instance("some", "quota", 'dimensions: {user: user | ""}')
    + handler("three", "grant: 3")
    + rule("t", action("three", "some"), match='user == "cy"')
)


@dataclass
class Call:
    deadline: Deadline | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    peer: Peer = field(default_factory=lambda: Peer("unix:"))

    def set_trailing_metadata(self, metadata: Mapping[str, str]) -> None:
        raise NotImplementedError


async def answer(user: str, quotas: Mapping[str, QuotaArgs] | MatchingQuotas) -> CheckOutcome:
    bag = plain_bag({"destination.namespace": "shop", "user": user})
    async with running_engine({"a": TEXT}, adapters=scripted_adapters(Journal())) as running:
        methods = mixer_v1_methods(running.engine, SystemClock())
        check = {method.path: method.handle for method in methods}[CHECK_PATH]
        answered = check(encode_check_request(CheckRequest(bag, quotas)), Call())
        payload = answered if isinstance(answered, bytes) else await answered
    return decode_check_response(payload)


async def test_all_quotas_that_apply_are_answered_as_one() -> None:
    outcome = await answer("al", MatchingQuotas(QuotaArgs(7)))
    assert {name: each.granted for name, each in outcome.quotas.items()} == {"*": 7}
    user = Reference("user", None, Condition.EXACT)
    assert user in outcome.quotas["*"].references


async def test_the_verdict_is_that_of_the_names() -> None:
    combined = await answer("bo", MatchingQuotas(QuotaArgs(7)))
    named = await answer("bo", {"all": QuotaArgs(7), "few": QuotaArgs(7)})
    assert verdict_of(combined).status == verdict_of(named).status
    assert verdict_of(combined).status == Status(8, "Quota is exhausted for: few")


async def test_who_gets_less_than_asked_for_is_told_which_quotas_are_used_up() -> None:
    (quota,) = (await answer("cy", MatchingQuotas(QuotaArgs(10)))).quotas.values()
    assert (quota.granted, quota.status) == (3, Status(0, "Quota is exhausted for: some"))
    (quota,) = (await answer("cy", MatchingQuotas(QuotaArgs(3)))).quotas.values()
    assert (quota.granted, quota.status) == (3, Status())
