"""One answer for all quotas that apply to a request: the entry called `MATCHING`.

It says what the answers by name would have said together: the least of the grants, for the shortest
of the times. A quota that could not be asked for (UNAVAILABLE) is left out if there are others, for
clients take that as granted.

Known cost: what a quota grants above the least is spent there and used by nobody.
"""

from collections.abc import Mapping
from typing import Final

from remixer.attributes.bag import Reference
from remixer.foundation.status import OK, Code
from remixer.mixer.outcome import DEFAULT_VALID_DURATION, QuotaOutcome
from remixer.mixer.verdict import refusal_of

UNLIMITED_GRANT: Final = 2**31 - 1
"""What is granted where no quota applies: a number that every language can count down from."""


def combined(
    quotas: Mapping[str, QuotaOutcome], *, references: frozenset[Reference]
) -> QuotaOutcome:
    """`references` are of all quotas, also of those that do not apply."""
    if not quotas:
        return QuotaOutcome(UNLIMITED_GRANT, DEFAULT_VALID_DURATION, references)
    answered = {name: each for name, each in quotas.items() if not is_unavailable(each)} or quotas
    return QuotaOutcome(
        granted=min(each.granted for each in answered.values()),
        valid_duration=min(each.valid_duration for each in answered.values()),
        references=references,
        status=refusal_of(answered) or refusal_of(quotas) or OK,
    )


def is_unavailable(quota: QuotaOutcome) -> bool:
    """Whether nothing is granted because the quota's store is broken, not because it is used up.

    Source: clients of Istio 1.3, which let such requests pass.
    """
    return quota.granted == 0 and quota.status.code == Code.UNAVAILABLE
