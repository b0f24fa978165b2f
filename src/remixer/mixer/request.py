"""What a frontend asks."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from remixer.attributes.bag import Bag
from remixer.foundation.deadline import Deadline
from remixer.mixer.outcome import CheckOutcome

MATCHING: Final = "*"
"""The name of "every quota whose rule applies" where quotas are asked for by name.

Remixer's extension to Mixer v1: for this name the server allocates all quotas that apply, and
answers with one entry of this name (`remixer.mixer.combined_quotas`). To Mixer it is a quota that
nobody configured, and so granted.
"""


@dataclass(frozen=True, slots=True)
class QuotaArgs:
    """What to allocate. `amount` < 0 releases; 0 is a no-op at the adapter."""

    amount: int = 1
    best_effort: bool = False


@dataclass(frozen=True, slots=True)
class MatchingQuotas:
    """Every quota whose rule applies to the request, each with the same arguments.

    For protocols that cannot name quotas (Envoy's ext_authz). Mixer's own protocol names them;
    there it is a quota called `MATCHING`.
    """

    args: QuotaArgs = QuotaArgs()
    is_combined: bool = False
    """Whether one answer is wanted for all, under the name `MATCHING`, also if no quota applies.
    It then depends on all that was read to find out which quotas apply."""


@dataclass(slots=True)  # not frozen: every request makes one, and freezing takes 1 us
class CheckRequest:
    """One request to decide on. To be left as it was made."""

    bag: Bag
    quotas: Mapping[str, QuotaArgs] | MatchingQuotas = field(default_factory=dict)
    deduplication_id: str | Callable[[], str] = ""
    """To be read as `once`; a function where it takes time to find out, for most requests need
    none."""
    deadline: Deadline | None = None
    keeps_answer: bool = False
    """Whether the asker will use the answer again, as Mixer's clients do and Envoy does not."""
    is_renewal: bool = False
    """Whether a remembered answer will not do: the call is made to replace one."""
    last_good: CheckOutcome | None = None
    """An answer that has ended and may still stand in for a failure: a cache offers it, and the
    policies of the handlers that fail decide."""

    @property
    def once(self) -> str:
        """Unique per logical call, equal over its retries; "" means no de-duplication."""
        known = self.deduplication_id
        return known if isinstance(known, str) else known()
