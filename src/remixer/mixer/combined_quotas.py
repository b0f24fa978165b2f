"""One answer for all quotas that apply to a request: the entry called `MATCHING`.

It says what the answers by name would have said together: the least of the grants, for the shortest
of the times. A quota that could not be asked for (UNAVAILABLE) is left out if there are others, for
clients take that as granted.

Its text names the quotas that are used up: where nothing is granted, and where less is than was asked
for. Who fetches ahead has to refuse as soon as that is spent, and can then say why.

Known cost: what a quota grants above the least is spent there and used by nobody.
"""

from collections.abc import Mapping
from typing import Final

from remixer.attributes.bag import Reference
from remixer.foundation.status import OK, Code, Status
from remixer.mixer.outcome import DEFAULT_VALID_DURATION, QuotaOutcome
from remixer.mixer.verdict import exhausted, refusal_of

UNLIMITED_GRANT: Final = 2**31 - 1
"""What is granted where no quota applies: a number that every language can count down from."""


def combined(
    quotas: Mapping[str, QuotaOutcome], *, amount: int, references: frozenset[Reference]
) -> QuotaOutcome:
    """`amount` was asked of each; `references` are of all, also of those that do not apply."""
    if not quotas:
        return QuotaOutcome(UNLIMITED_GRANT, DEFAULT_VALID_DURATION, references)
    answered = {name: each for name, each in quotas.items() if not is_unavailable(each)} or quotas
    granted = min(each.granted for each in answered.values())
    status = refusal_of(answered) or refusal_of(quotas) or OK
    if status.is_ok and granted < amount:
        scarce = (name for name, each in answered.items() if each.granted < amount)
        status = Status(Code.OK, exhausted(scarce))
    return QuotaOutcome(
        granted=granted,
        valid_duration=min(each.valid_duration for each in answered.values()),
        references=references,
        status=status,
    )


def refusal_after(answer: QuotaOutcome) -> Status:
    """What a refusal is to say once the tokens of `answer` are spent; OK: nothing is known."""
    status = answer.status
    if status.is_ok and status.message:
        return Status(Code.RESOURCE_EXHAUSTED, status.message)
    return status if status.code == Code.RESOURCE_EXHAUSTED else OK


def is_unavailable(quota: QuotaOutcome) -> bool:
    """Whether nothing is granted because the quota's store is broken, not because it is used up.

    Source: clients of Istio 1.3, which let such requests pass.
    """
    return quota.granted == 0 and quota.status.code == Code.UNAVAILABLE
