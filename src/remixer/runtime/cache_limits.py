"""What policies for caching make of an answer before it leaves the engine. Pure.

Here, and not in the caches, because clients keep answers too. Of several policies that concern an
answer the strictest counts, setting by setting.
"""

from collections.abc import Collection, Iterable
from dataclasses import replace

from remixer.attributes.values import Duration
from remixer.config.policy_settings import CachePolicyConfig
from remixer.mixer.outcome import CacheHints, CheckOutcome, Provenance


def limited(outcome: CheckOutcome, policies: Collection[CachePolicyConfig]) -> CheckOutcome:
    """`outcome`, to be kept no longer than each of `policies` allows."""
    if not policies:
        return outcome
    if not all(policy.is_enabled for policy in policies):
        return not_kept(outcome)
    return replace(
        outcome,
        valid_duration=min(outcome.valid_duration, *_ages(outcome, policies)),
        valid_use_count=_fewest_uses(outcome.valid_use_count, policies),
        hints=_hints(policies),
    )


def not_kept(
    outcome: CheckOutcome, *, provenance: Provenance = Provenance.COMPUTED
) -> CheckOutcome:
    """`outcome`, for one request alone."""
    return replace(
        outcome, valid_duration=Duration(0), valid_use_count=0, hints=None, provenance=provenance
    )


def _ages(outcome: CheckOutcome, policies: Iterable[CachePolicyConfig]) -> Iterable[Duration]:
    yield outcome.valid_duration
    for policy in policies:
        age = policy.max_age
        if not outcome.status.is_ok and policy.denial_max_age is not None:
            age = policy.denial_max_age
        if age is not None:
            yield age


def _fewest_uses(uses: int, policies: Iterable[CachePolicyConfig]) -> int:
    """Counts below zero are unlimited, so they lose against any limit."""
    limits = [policy.max_uses for policy in policies if policy.max_uses is not None]
    return min(limits if uses < 0 else [uses, *limits], default=uses)


def _hints(policies: Iterable[CachePolicyConfig]) -> CacheHints | None:
    parts = [policy.refresh_at for policy in policies if policy.refresh_at is not None]
    stale = [policy.stale_for for policy in policies if policy.stale_for is not None]
    hints = CacheHints(
        refresh_at=min(parts, default=None),
        stale_for_s=min(stale) / 1_000_000_000 if stale else None,
        is_shared=all(policy.is_shared for policy in policies),
    )
    return None if hints == CacheHints() else hints
