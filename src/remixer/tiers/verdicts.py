"""What was answered, apart from to whom and when: few verdicts, for many answers.

A policy's answers recur: equal ones share one `Verdict`, with all that follows from it.
"""

from dataclasses import replace
from typing import Final

from remixer.attributes.values import Duration
from remixer.mixer.outcome import CacheHints, CheckOutcome, Provenance, RouteDirective
from remixer.tiers.settings import CacheSettings

_NS_PER_S: Final = 1_000_000_000
_NS_PER_TENTH: Final = _NS_PER_S // 10
_UNLIMITED: Final = -1
_USES_BITS: Final = 31
_MOST_USES: Final = 2**_USES_BITS - 1
_SHARE: Final = 4
"""A caller that keeps an answer gets up to this part of its uses: the next one finds some left."""
_LARGEST_SHARE: Final = 1 << 20
"""More requests than a caller has in the life of an answer: what it got beyond would be lost, and the
answer renewed the sooner."""
SHARES: Final = tuple(
    min(1 << bits >> _SHARE.bit_length(), _LARGEST_SHARE) for bits in range(_USES_BITS + 1)
)
"""What a caller gets of uses that have so many bits: a power of two, so that outcomes recur."""
_FEW_USES: Final = 16
"""An answer with fewer is not renewed ahead of its last use: that would double the calls."""
_MOST_SHARED: Final = 1_000
"""Verdicts known in case they come again; more are all different, and not worth it."""
_MOST_TOLD: Final = 100
_VERDICT_BYTES: Final = 1_000
"""Of a verdict that no other entry shares, beside its texts."""
_OPERATION_BYTES: Final = 200

_NO_HINTS: Final = CacheHints()


class Verdict:
    """What was answered, and what follows from it; entries that agree share it."""

    __slots__ = (
        "ahead_s",
        "ahead_uses",
        "first_share",
        "is_ending_at_first",
        "left_at_first",
        "life_s",
        "outcome",
        "stale_for_s",
        "told",
        "told_first",
        "uses",
    )

    def __init__(self, outcome: CheckOutcome, settings: CacheSettings) -> None:
        self.outcome = replace(outcome, quotas={}, provenance=Provenance.MEMORY)
        self.life_s = min(outcome.valid_duration / _NS_PER_S, settings.max_age_s)
        hints = outcome.hints or _NO_HINTS
        refresh_at = settings.refresh_at if hints.refresh_at is None else hints.refresh_at
        self.ahead_s = self.life_s * (1.0 - refresh_at)
        """An entry with no more than this left is renewed."""
        stale_for_s = hints.stale_for_s
        self.stale_for_s = settings.stale_for_s if stale_for_s is None else stale_for_s
        self.uses = max(min(outcome.valid_use_count, _MOST_USES), _UNLIMITED)
        is_renewed = refresh_at < 1.0 and self.uses >= _FEW_USES
        self.ahead_uses = int(self.uses * (1.0 - settings.refresh_uses_at)) if is_renewed else 0
        """And so is one with fewer uses left."""
        self.told: dict[tuple[int, int], CheckOutcome] = {}
        """As told to callers that keep it, by time and uses left: few, so that they recur."""
        first_share = self.uses if self.uses <= 0 else SHARES[self.uses.bit_length()]
        self.first_share = first_share
        """What a caller gets that keeps it and fetched it, and what is left then."""
        self.left_at_first = self.uses - max(first_share, 0)
        self.is_ending_at_first = 0 <= self.left_at_first < self.ahead_uses
        """Whether so few are left then that it is renewed."""
        self.told_first: dict[Provenance, CheckOutcome] = {}
        """As told to such a caller, by where it comes from."""

    def told_at(self, left: int, given: int) -> CheckOutcome:
        """As told to a caller that keeps it, with so many tenths of a second and uses left."""
        if len(self.told) >= _MOST_TOLD:
            self.told.clear()
        told = self.told[left, given] = replace(
            self.outcome,
            valid_duration=Duration(left * _NS_PER_TENTH),
            valid_use_count=given,
        )
        return told


class Verdicts:
    """Verdicts by what they say."""

    def __init__(self, settings: CacheSettings) -> None:
        self._settings = settings
        self._shared: dict[tuple[object, ...], Verdict] = {}
        self._recurring: dict[int, tuple[CheckOutcome, Verdict]] = {}
        """By `id`: answers that equalled earlier ones. The same objects come again and again."""
        self.longest_stale_s = settings.stale_for_s
        """How long past its end any answer may stand in for a failure."""

    def __len__(self) -> int:
        """How many are known in case they come again; bounded."""
        return len(self._shared)

    def again(self, outcome: CheckOutcome) -> Verdict | None:
        """The verdict of an object that came before."""
        recurring = self._recurring.get(id(outcome))
        if recurring is None or recurring[0] is not outcome:
            return None
        return recurring[1]

    def of(self, outcome: CheckOutcome) -> tuple[Verdict, int]:
        """One object for equal answers, and what it takes if no other entry has it yet."""
        status, directive = outcome.status, outcome.directive
        sameness = (
            status.code,
            status.message,
            outcome.valid_duration,
            outcome.valid_use_count,
            outcome.references,
            directive,
            outcome.decisions,
            outcome.hints,
        )
        verdict = self._shared.get(sameness)
        if verdict is not None:
            if len(self._recurring) >= _MOST_SHARED:
                self._recurring.clear()
            self._recurring[id(outcome)] = outcome, verdict
            return verdict, 0
        if len(self._shared) >= _MOST_SHARED:
            # Forgetting makes equal answers take memory twice, no more.
            self._shared.clear()
        verdict = self._shared[sameness] = Verdict(outcome, self._settings)
        self.longest_stale_s = max(self.longest_stale_s, verdict.stale_for_s)
        return verdict, _VERDICT_BYTES + len(status.message) + _bytes_of(directive)

    def clear(self) -> None:
        """Forget all; the longest time past an end stays."""
        self._shared.clear()
        self._recurring.clear()


def _bytes_of(directive: RouteDirective | None) -> int:
    if directive is None:
        return 0
    operations = (*directive.request_header_operations, *directive.response_header_operations)
    texts = sum(len(each.name) + len(each.value) + _OPERATION_BYTES for each in operations)
    return texts + len(directive.direct_response_body)
