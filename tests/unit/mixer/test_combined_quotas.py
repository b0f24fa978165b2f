"""One answer for several quotas, and how it is told as a verdict."""

from typing import Final

import pytest

from remixer.attributes.bag import Condition, Reference
from remixer.attributes.values import Duration
from remixer.foundation.errors import CheckFailedError, UnavailableError
from remixer.foundation.status import OK, Code, Status
from remixer.mixer.combined_quotas import UNLIMITED_GRANT, combined, refusal_after
from remixer.mixer.outcome import DEFAULT_VALID_DURATION, CheckOutcome, QuotaOutcome
from remixer.mixer.request import MATCHING
from remixer.mixer.verdict import refusal_of, verdict_of

SEEN: Final = frozenset({Reference("user", None, Condition.EXACT)})
USED_UP: Final = Status(Code.RESOURCE_EXHAUSTED, "no more")
AWAY: Final = Status(Code.UNAVAILABLE, "store")
BROKEN: Final = Status(Code.INTERNAL, "oops")


def quota(granted: int, seconds: int = 1, status: Status = OK) -> QuotaOutcome:
    return QuotaOutcome(granted, Duration(seconds * 10**9), frozenset(), status)


def of(*, amount: int = 1, **quotas: QuotaOutcome) -> QuotaOutcome:
    return combined(quotas, amount=amount, references=SEEN)


def test_no_quota_is_as_many_as_one_likes_for_a_minute() -> None:
    assert of() == QuotaOutcome(UNLIMITED_GRANT, DEFAULT_VALID_DURATION, SEEN)


def test_the_least_for_the_shortest_time() -> None:
    assert of(a=quota(7, 5), b=quota(9, 2)) == QuotaOutcome(7, Duration(2 * 10**9), SEEN)


def test_every_exhausted_quota_is_named() -> None:
    answer = of(b=quota(0), a=quota(0, 1, USED_UP), c=quota(9))
    assert (answer.granted, answer.status.code) == (0, Code.RESOURCE_EXHAUSTED)
    assert answer.status.message == "Quota is exhausted for: a,b"


def test_a_quota_that_grants_less_than_was_asked_for_is_named() -> None:
    answer = of(amount=10, b=quota(3), a=quota(7), c=quota(10))
    assert (answer.granted, answer.status) == (3, Status(Code.OK, "Quota is exhausted for: a,b"))


def test_nothing_is_said_of_quotas_that_grant_all_or_take_back() -> None:
    assert of(amount=3, a=quota(3), b=quota(4)).status == OK
    assert of(amount=-3, a=quota(0, 1, OK), b=quota(1)).status != OK  # as a grant of nothing
    assert of(amount=-3, a=quota(3), b=quota(1)).status == OK


@pytest.mark.parametrize(
    ("answer", "refusal"),
    [
        (quota(3, 1, Status(Code.OK, "why")), Status(Code.RESOURCE_EXHAUSTED, "why")),
        (quota(0, 1, USED_UP), USED_UP),
        (quota(3), OK),
        (quota(0), OK),
        (quota(0, 0, AWAY), OK),
    ],
)
def test_what_is_said_when_a_grant_is_spent(answer: QuotaOutcome, refusal: Status) -> None:
    assert refusal_after(answer) == refusal


def test_a_quota_that_could_not_be_asked_for_does_not_count_beside_others() -> None:
    answer = of(a=quota(0, 0, AWAY), b=quota(3, 4))
    assert (answer.granted, answer.valid_duration) == (3, Duration(4 * 10**9))
    assert answer.status == Status(Code.UNAVAILABLE, "quota a failed: store")


def test_quotas_that_could_all_not_be_asked_for_are_so_together() -> None:
    answer = of(a=quota(0, 0, AWAY), b=quota(0, 0, AWAY))
    assert (answer.granted, answer.status.code) == (0, Code.UNAVAILABLE)


def test_another_failure_is_told_before_one_that_lets_pass() -> None:
    answer = of(a=quota(0, 0, AWAY), b=quota(0, 0, BROKEN))
    assert (answer.granted, answer.status.code) == (0, Code.INTERNAL)


def test_an_exhausted_quota_is_told_before_a_failure() -> None:
    assert of(a=quota(0, 0, BROKEN), b=quota(0)).status.code == Code.RESOURCE_EXHAUSTED


def test_a_verdict_names_the_quotas_of_a_combined_answer() -> None:
    answer = of(a=quota(0), b=quota(0))
    refusal = refusal_of({MATCHING: answer})
    assert refusal == Status(Code.RESOURCE_EXHAUSTED, "Quota is exhausted for: a,b")


def test_a_combined_answer_that_names_none_goes_by_its_own_name() -> None:
    refusal = refusal_of({MATCHING: quota(0)})
    assert refusal == Status(Code.RESOURCE_EXHAUSTED, "Quota is exhausted for: *")


@pytest.mark.parametrize(
    ("status", "error"), [(AWAY, UnavailableError), (BROKEN, CheckFailedError)]
)
def test_a_verdict_that_hangs_on_a_failed_quota_is_an_error(
    status: Status, error: type[Exception]
) -> None:
    outcome = CheckOutcome(OK, Duration(0), 0, frozenset(), quotas={"q": quota(0, 0, status)})
    with pytest.raises(error, match=f"quota q failed: {status.message}"):
        verdict_of(outcome)
