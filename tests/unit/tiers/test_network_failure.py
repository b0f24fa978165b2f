"""What becomes of requests that nobody decides on: they pass, or they are refused."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remixer.attributes.bag import Bag, PlainBag
from remixer.attributes.values import Duration
from remixer.foundation.errors import (
    CheckFailedError,
    InvalidRequestError,
    PolicyError,
    UnavailableError,
)
from remixer.foundation.status import OK, Code, Status
from remixer.mixer.outcome import (
    REPORTED,
    CheckOutcome,
    Provenance,
    QuotaOutcome,
    ReportOutcome,
    RouteDirective,
)
from remixer.mixer.request import CheckRequest
from remixer.mixer.verdict import verdict_of
from remixer.testing.clock import VirtualClock
from remixer.tiers.network_failure import FailureCounts, NetworkFailureMixer
from remixer.tiers.settings import FailPolicy

OPEN, CLOSED = FailPolicy.OPEN, FailPolicy.CLOSED
TOLD = "the request could not be checked"
AWAY = UnavailableError("no Mixer is there")
ALLOWED = CheckOutcome(
    OK, Duration(10**9), 5, frozenset(), directive=RouteDirective(direct_response_body="x")
)
DENIED = replace(ALLOWED, status=Status(Code.PERMISSION_DENIED, "no"))
ASKED = CheckRequest(PlainBag({"request.path": "/a"}))
GRANTED = QuotaOutcome(1, Duration(10**9), frozenset())
EXHAUSTED = replace(GRANTED, granted=0)
BROKEN = replace(GRANTED, granted=0, status=Status(Code.INTERNAL, "no store"))

Answer = CheckOutcome | PolicyError | None


@dataclass(slots=True)
class Inner:
    """A Mixer that answers the same to everything."""

    answer: Answer
    reported: list[Bag] = field(default_factory=list)

    def check_now(self, request: CheckRequest) -> CheckOutcome | None:
        assert request is ASKED
        if isinstance(self.answer, PolicyError):
            raise self.answer
        return self.answer

    async def check(self, request: CheckRequest) -> CheckOutcome:
        found = self.check_now(request)
        assert found is not None
        return found

    def grant_now(self, request: CheckRequest) -> Mapping[str, QuotaOutcome] | None:
        found = self.check_now(request)
        return None if found is None else found.quotas

    async def grant(self, request: CheckRequest) -> Mapping[str, QuotaOutcome]:
        return (await self.check(request)).quotas

    def report(self, bags: Sequence[Bag]) -> ReportOutcome:
        self.reported += bags
        return REPORTED


def around(answer: Answer, policy: FailPolicy) -> NetworkFailureMixer:
    return NetworkFailureMixer(Inner(answer), policy=policy, clock=VirtualClock())


async def both_ways(mixer: NetworkFailureMixer) -> CheckOutcome:
    """The outcome, which is the same with and without waiting."""
    now = mixer.check_now(ASKED)
    later = await mixer.check(ASKED)
    assert now == later
    return later


# ------------------------------------------------------------ nobody decides


async def test_open_lets_pass_what_nobody_decides_on_once_and_for_nobody_else() -> None:
    mixer = around(AWAY, OPEN)
    outcome = await both_ways(mixer)
    assert outcome.status is OK
    assert (outcome.valid_duration, outcome.valid_use_count) == (0, 0)
    assert outcome.provenance is Provenance.SUBSTITUTE
    assert outcome.directive is None
    assert mixer.counts == FailureCounts(accepted=2, opened=2)


async def test_closed_refuses_it_with_the_code_of_the_failure_and_not_its_text() -> None:
    mixer = around(AWAY, CLOSED)
    outcome = await both_ways(mixer)
    assert outcome.status == Status(Code.UNAVAILABLE, TOLD)
    assert (outcome.valid_duration, outcome.valid_use_count) == (0, 0)
    assert outcome.provenance is Provenance.SUBSTITUTE
    assert mixer.counts == FailureCounts(denied=2, closed=2)


@pytest.mark.parametrize("policy", FailPolicy)
async def test_a_request_that_cannot_be_understood_passes_nowhere(policy: FailPolicy) -> None:
    mixer = around(InvalidRequestError("attribute index 999"), policy)
    outcome = await both_ways(mixer)
    assert outcome.status == Status(Code.INVALID_ARGUMENT, TOLD)
    assert outcome.valid_use_count == 0
    assert mixer.counts == FailureCounts(denied=2, closed=2)


async def test_an_internal_failure_that_a_mixer_tells_as_verdict_is_open_too() -> None:
    failed = replace(DENIED, status=Status(Code.INTERNAL, "adapter broke"))
    assert (await both_ways(around(failed, OPEN))).status is OK
    assert await both_ways(around(failed, CLOSED)) is failed


@pytest.mark.parametrize("code", [code for code in Code if code not in {Code.OK, Code.INTERNAL}])
async def test_all_other_denials_are_denials_under_both(code: Code) -> None:
    denied = replace(DENIED, status=Status(code, "no"))
    for policy in FailPolicy:
        mixer = around(denied, policy)
        assert await both_ways(mixer) is denied
        assert mixer.counts == FailureCounts(denied=2)


@pytest.mark.parametrize("policy", FailPolicy)
async def test_a_working_verdict_is_handed_on_as_it_is(policy: FailPolicy) -> None:
    assert await both_ways(around(ALLOWED, policy)) is ALLOWED
    granted = replace(ALLOWED, quotas={"q": GRANTED})
    assert await both_ways(around(granted, policy)) is granted
    mixer = around(None, policy)
    assert mixer.check_now(ASKED) is None
    assert mixer.counts == FailureCounts()


# ------------------------------------------------------------ quotas


@pytest.mark.parametrize("policy", FailPolicy)
async def test_an_exhausted_quota_is_no_failure(policy: FailPolicy) -> None:
    outcome = replace(ALLOWED, quotas={"a": GRANTED, "b": EXHAUSTED})
    assert await both_ways(around(outcome, policy)) is outcome


async def test_a_quota_that_cannot_be_asked_for_passes_or_not() -> None:
    outcome = replace(ALLOWED, quotas={"a": GRANTED, "b": BROKEN})
    passed = await both_ways(around(outcome, OPEN))
    assert passed == replace(outcome, quotas={})
    refused = await both_ways(around(outcome, CLOSED))
    assert refused.status == Status(Code.INTERNAL, TOLD)
    assert not refused.quotas


@pytest.mark.parametrize("policy", FailPolicy)
async def test_an_exhausted_quota_counts_beside_one_that_cannot_be_asked(
    policy: FailPolicy,
) -> None:
    outcome = replace(ALLOWED, quotas={"a": EXHAUSTED, "b": BROKEN})
    assert verdict_of(await both_ways(around(outcome, policy))).status.code == (
        Code.RESOURCE_EXHAUSTED
    )


# ------------------------------------------------------------ the rest of the port


async def test_grants_and_reports_are_handed_on() -> None:
    inner = Inner(replace(ALLOWED, quotas={"q": GRANTED}))
    mixer = NetworkFailureMixer(inner, policy=OPEN, clock=VirtualClock())
    assert mixer.grant_now(ASKED) == await mixer.grant(ASKED) == {"q": GRANTED}
    assert mixer.report([ASKED.bag]) is REPORTED
    assert inner.reported == [ASKED.bag]


# ------------------------------------------------------------ laws

STATUSES = st.sampled_from([Status(code, "") for code in Code])
QUOTAS = st.dictionaries(
    st.sampled_from("abc"),
    st.builds(
        lambda granted, status: replace(GRANTED, granted=granted, status=status),
        st.integers(0, 1),
        STATUSES,
    ),
)


def decided(outcome: CheckOutcome) -> Status | None:
    """The verdict of who asks; None if there is none."""
    try:
        return verdict_of(outcome).status
    except PolicyError:
        return None


@given(status=STATUSES, quotas=QUOTAS, policy=st.sampled_from(FailPolicy))
def test_no_working_denial_passes_and_no_working_allowance_is_refused(
    status: Status, quotas: dict[str, QuotaOutcome], policy: FailPolicy
) -> None:
    outcome = replace(ALLOWED, status=status, quotas=quotas if status.is_ok else {})
    before = decided(outcome)
    mixer = around(outcome, policy)
    answer = mixer.check_now(ASKED)
    assert answer is not None
    assert mixer.counts.accepted == answer.status.is_ok
    assert mixer.counts.denied == (not answer.status.is_ok)
    after = decided(answer)
    assert after is not None, "whoever asks gets a verdict"
    if before is None or (before.code == Code.INTERNAL and policy is OPEN):
        assert after.is_ok is (policy is OPEN)
    else:
        assert after == before


@given(
    failure=st.sampled_from([AWAY, CheckFailedError("x"), InvalidRequestError("x")]),
    policy=st.sampled_from(FailPolicy),
)
def test_what_nobody_decided_is_never_kept(failure: PolicyError, policy: FailPolicy) -> None:
    answer = around(failure, policy).check_now(ASKED)
    assert answer is not None
    assert answer.valid_use_count == answer.valid_duration == 0
