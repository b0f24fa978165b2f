"""What `redisquota` never does: grant more than the limit within a window."""

import uuid
from itertools import accumulate

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from remixer.adapters.redisquota import INFO, Params, Quota, RateLimitAlgorithm
from remixer.attributes.values import Duration
from remixer.sdk import QuotaRequest
from remixer.templates.instances import Quota as QuotaInstance
from remixer.testing.adapters import AdapterHarness
from remixer.testing.clock import VirtualClock
from remixer.testing.valkey import ValkeyProcess

_WINDOW_US = 1_000
_BUCKET_US = 100

_steps = st.lists(
    st.tuples(st.integers(0, 400), st.integers(1, 8), st.booleans()), min_size=1, max_size=25
)
_each_law = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


async def _grants(
    valkey: ValkeyProcess,
    algorithm: RateLimitAlgorithm,
    limit: int,
    steps: list[tuple[int, int, bool]],
) -> list[tuple[int, int]]:
    """Instant in microseconds, and what was granted."""
    name = f"law{uuid.uuid4().hex}"
    window, bucket = Duration(_WINDOW_US * 1_000), Duration(_BUCKET_US * 1_000)
    params = Params((Quota(name, limit, window, bucket, algorithm),), valkey.url)
    grants: list[tuple[int, int]] = []
    async with AdapterHarness() as harness:
        harness._clock = clock = VirtualClock(unix_ns=1_900_000_000_000_000_000)
        handler = await harness.build(INFO, params)
        instants = accumulate(later for later, _, _ in steps)
        for at_us, (later_us, amount, best_effort) in zip(instants, steps, strict=True):
            clock.advance(later_us / 1_000_000)
            request = QuotaRequest(amount, best_effort=best_effort)
            result = await handler.allocate(QuotaInstance(name), request)
            assert 0 <= result.granted <= amount
            assert best_effort or result.granted in {0, amount}
            grants.append((at_us, result.granted))
    return grants


@_each_law
@given(limit=st.integers(0, 12), steps=_steps)
async def test_a_fixed_window_grants_at_most_the_limit(
    valkey: ValkeyProcess, limit: int, steps: list[tuple[int, int, bool]]
) -> None:
    begins_us, used = None, 0
    for at_us, granted in await _grants(valkey, RateLimitAlgorithm.FIXED_WINDOW, limit, steps):
        if granted and (begins_us is None or at_us >= begins_us + _WINDOW_US):
            begins_us, used = at_us, 0
        used += granted
        assert used <= limit


@_each_law
@given(limit=st.integers(0, 12), steps=_steps)
async def test_any_window_less_a_bucket_rolls_over_at_most_the_limit(
    valkey: ValkeyProcess, limit: int, steps: list[tuple[int, int, bool]]
) -> None:
    grants = await _grants(valkey, RateLimitAlgorithm.ROLLING_WINDOW, limit, steps)
    for begins_us, _ in grants:
        ends_us = begins_us + _WINDOW_US - _BUCKET_US
        assert sum(each for at_us, each in grants if begins_us <= at_us <= ends_us) <= limit
