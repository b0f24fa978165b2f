"""`memquota`: what is granted, to whom, how often a repeated call counts, what is kept."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from remixer.adapters.memquota import INFO, MemQuota, Override, Params, Quota
from remixer.adapters.memquota import handler as memquota_handler
from remixer.adapters.memquota.handler import UnknownQuotaError
from remixer.adapters.memquota.keys import LONGEST_KEPT, bounded, counter_key
from remixer.adapters.memquota.replays import MOST_IDS, Replays
from remixer.attributes.values import Duration
from remixer.foundation.durations import parse_duration
from remixer.sdk import QuotaRequest, QuotaResult
from remixer.templates.instances import Quota as QuotaInstance
from remixer.templates.schema import InstanceType
from remixer.testing.adapters import AdapterHarness, RejectedParamsError
from remixer.testing.clock import VirtualClock

_SECOND = Duration(1_000_000_000)
_TABLE = Path(__file__).parents[3] / "conformance/adapters/memquota_windows.yaml"
_CASES = yaml.safe_load(_TABLE.read_text())


def _duration(text: str) -> Duration:
    nanoseconds = parse_duration(text)
    assert nanoseconds is not None
    return Duration(nanoseconds)


def _memquota(*quotas: Quota, clock: VirtualClock | None = None) -> MemQuota:
    return MemQuota(Params(quotas), clock=clock or VirtualClock(unix_ns=0))


@pytest.mark.parametrize("case", _CASES, ids=[case["note"] for case in _CASES])
def test_steps_of_the_table(case: dict[str, Any]) -> None:
    clock = VirtualClock(unix_ns=0)
    quota = Quota("q", case["max_amount"], _duration(case["valid_duration"]))
    handler = _memquota(quota, clock=clock)
    for number, step in enumerate(case["steps"]):
        clock.advance(step["t"] - clock.monotonic_s())
        request = QuotaRequest(step["ask"], best_effort=step.get("best_effort", False))
        wanted = QuotaResult(step["granted"], _duration(step["valid"]))
        assert handler.allocate(QuotaInstance("q"), request) == wanted, f"step {number}"


# ---------------------------------------------------------------- whose counter, which limit


def test_each_set_of_dimension_values_has_a_counter_of_its_own() -> None:
    handler = _memquota(Quota("q", 1))
    for user in ("ann", "bob"):
        instance = QuotaInstance("q", {"user": user})
        assert handler.allocate(instance, QuotaRequest(1)).granted == 1
        assert handler.allocate(instance, QuotaRequest(1)).granted == 0


def test_the_order_of_dimensions_does_not_matter() -> None:
    handler = _memquota(Quota("q", 1))
    handler.allocate(QuotaInstance("q", {"a": "1", "b": 2}), QuotaRequest(1))
    again = handler.allocate(QuotaInstance("q", {"b": 2, "a": "1"}), QuotaRequest(1))
    assert again.granted == 0


def test_no_value_can_pose_as_another_dimension() -> None:
    handler = _memquota(Quota("q", 1))
    handler.allocate(QuotaInstance("q", {"a": "1;b=2"}), QuotaRequest(1))
    other = handler.allocate(QuotaInstance("q", {"a": "1", "b": "2"}), QuotaRequest(1))
    assert other.granted == 1


def test_an_address_of_4_bytes_and_its_mapped_form_share_a_counter() -> None:
    handler = _memquota(Quota("q", 1))
    short = bytes([10, 0, 0, 1])
    handler.allocate(QuotaInstance("q", {"ip": short}), QuotaRequest(1))
    mapped = QuotaInstance("q", {"ip": bytes(10) + b"\xff\xff" + short})
    assert handler.allocate(mapped, QuotaRequest(1)).granted == 0


def test_quotas_do_not_share_counters() -> None:
    handler = _memquota(Quota("q", 1), Quota("p", 1))
    handler.allocate(QuotaInstance("q"), QuotaRequest(1))
    assert handler.allocate(QuotaInstance("p"), QuotaRequest(1)).granted == 1


_OVERRIDES = (
    Override({"user": "ann", "port": "80"}, 50),
    Override({"user": "ann"}, 40),
    Override({"tier": ""}, 30),
    Override({}, 20),
)


@pytest.mark.parametrize(
    ("dimensions", "limit"),
    [
        pytest.param({"user": "ann", "port": 80, "tier": "x"}, 50, id="every-dimension-equals"),
        pytest.param({"user": "ann", "port": 81, "tier": "x"}, 40, id="the-next-one-that-fits"),
        pytest.param({"user": "bob"}, 30, id="a-missing-dimension-equals-the-empty-text"),
        pytest.param({"user": "bob", "tier": "x"}, 20, id="no-dimensions-fit-everything"),
    ],
)
def test_the_first_override_that_fits_sets_the_limit(
    dimensions: dict[str, str | int], limit: int
) -> None:
    handler = _memquota(Quota("q", 10, overrides=_OVERRIDES))
    granted = handler.allocate(QuotaInstance("q", dimensions), QuotaRequest(99, best_effort=True))
    assert granted.granted == limit


def test_without_a_fitting_override_the_quotas_own_limit_holds() -> None:
    handler = _memquota(Quota("q", 10, overrides=_OVERRIDES[:2]))
    instance = QuotaInstance("q", {"user": "bob"})
    assert handler.allocate(instance, QuotaRequest(99, best_effort=True)).granted == 10


def test_an_override_has_a_duration_of_its_own() -> None:
    handler = _memquota(Quota("q", 10, overrides=(Override({}, 5, _SECOND),)))
    assert handler.allocate(QuotaInstance("q"), QuotaRequest(1)) == QuotaResult(1, _SECOND)


def test_an_unknown_quota_is_an_adapter_error_and_harms_nothing() -> None:
    handler = _memquota(Quota("q", 1))
    with pytest.raises(UnknownQuotaError, match="no quota is configured for p"):
        handler.allocate(QuotaInstance("p"), QuotaRequest(1))
    assert handler.allocate(QuotaInstance("q"), QuotaRequest(1)).granted == 1


def test_a_step_of_the_wall_clock_neither_refills_nor_freezes_a_window() -> None:
    clock = VirtualClock(unix_ns=0)
    handler = _memquota(Quota("q", 1, _SECOND), clock=clock)
    handler.allocate(QuotaInstance("q"), QuotaRequest(1))
    clock.jump_wall(3600)
    assert handler.allocate(QuotaInstance("q"), QuotaRequest(1)).granted == 0
    clock.jump_wall(-7200)
    clock.advance(1)
    assert handler.allocate(QuotaInstance("q"), QuotaRequest(1)).granted == 1


# ---------------------------------------------------------------- repeated calls


def test_a_repeated_call_gets_the_same_amount_and_the_time_left() -> None:
    clock = VirtualClock(unix_ns=0)
    handler = _memquota(Quota("q", 10, Duration(500_000_000)), clock=clock)
    request = QuotaRequest(4, deduplication_id="r1q")
    assert handler.allocate(QuotaInstance("q"), request).granted == 4
    clock.advance(0.2)
    again = handler.allocate(QuotaInstance("q"), request)
    assert again == QuotaResult(4, Duration(300_000_000))
    clock.advance(0.7)
    assert handler.allocate(QuotaInstance("q"), request) == QuotaResult(4, Duration(0))
    rest = handler.allocate(QuotaInstance("q"), QuotaRequest(99, best_effort=True))
    assert rest.granted == 6


def test_a_repeated_release_releases_once() -> None:
    handler = _memquota(Quota("q", 10))
    handler.allocate(QuotaInstance("q"), QuotaRequest(10))
    for _ in range(3):
        release = QuotaRequest(-2, deduplication_id="r2q")
        assert handler.allocate(QuotaInstance("q"), release).granted == 2
    assert handler.allocate(QuotaInstance("q"), QuotaRequest(3)).granted == 0


def test_a_denial_is_remembered_too() -> None:
    handler = _memquota(Quota("q", 1))
    handler.allocate(QuotaInstance("q"), QuotaRequest(1))
    denied = QuotaRequest(1, deduplication_id="r3q")
    assert handler.allocate(QuotaInstance("q"), denied).granted == 0
    handler.allocate(QuotaInstance("q"), QuotaRequest(-1))
    assert handler.allocate(QuotaInstance("q"), denied).granted == 0


def test_calls_without_an_id_always_count() -> None:
    handler = _memquota(Quota("q", 2))
    granted = [handler.allocate(QuotaInstance("q"), QuotaRequest(1)).granted for _ in range(3)]
    assert granted == [1, 1, 0]


def test_the_scope_of_an_id_is_the_id_alone() -> None:
    handler = _memquota(Quota("q", 5), Quota("p", 5))
    handler.allocate(QuotaInstance("q"), QuotaRequest(3, deduplication_id="same"))
    other = handler.allocate(QuotaInstance("p"), QuotaRequest(1, deduplication_id="same"))
    assert other.granted == 3


@pytest.mark.parametrize(
    ("said_at", "asked_at", "is_known"),
    [(0.1, 0.9, True), (0.9, 1.1, True), (0.1, 1.9, True), (0.9, 1.95, True), (0.1, 2.0, False)],
)
def test_an_id_is_known_for_one_to_two_periods(
    said_at: float, asked_at: float, *, is_known: bool
) -> None:
    replays = Replays(period_ns=_SECOND, now_ns=0)
    replays.find("id", now_ns=round(said_at * 1e9))
    replays.remember("id", (1, 0))
    known = replays.find("id", now_ns=round(asked_at * 1e9)) is not None
    assert known == is_known


def test_a_long_silence_forgets_both_generations() -> None:
    replays = Replays(period_ns=_SECOND, now_ns=0)
    replays.remember("id", (1, 0))
    assert replays.find("id", now_ns=60 * _SECOND) is None
    assert len(replays) == 0


def test_ids_of_one_generation_have_a_limit_and_the_oldest_goes() -> None:
    replays = Replays(period_ns=_SECOND, now_ns=0)
    for number in range(MOST_IDS + 1):
        replays.remember(str(number), (1, 0))
    assert len(replays) == MOST_IDS
    assert replays.find("0", now_ns=0) is None
    assert replays.find("1", now_ns=0) is not None


# ---------------------------------------------------------------- what is kept


@pytest.mark.parametrize("length", [LONGEST_KEPT, LONGEST_KEPT + 1])
def test_a_key_is_short_however_long_the_values(length: int) -> None:
    one, other = ("x" * (length - 1) + end for end in "ab")
    keys = {counter_key(QuotaInstance("q", {"user": user})) for user in (one, other)}
    assert len(keys) == 2
    assert max(len(part) for key in keys for part in key) <= LONGEST_KEPT
    assert bounded(one) == bounded(one) != bounded(other)


def test_no_text_can_pass_for_a_digest() -> None:
    digest = bounded("x" * 1000)
    assert isinstance(digest, bytes)
    assert bounded(digest.hex()) != digest


def test_long_deduplication_ids_are_told_apart() -> None:
    handler = _memquota(Quota("q", 2, _SECOND))
    granted = [
        handler.allocate(
            QuotaInstance("q"), QuotaRequest(1, deduplication_id="x" * 1000 + end)
        ).granted
        for end in "aabc"
    ]
    assert granted == [1, 1, 1, 0]


def test_expired_windows_are_dropped_as_new_ones_come() -> None:
    clock = VirtualClock(unix_ns=0)
    handler = _memquota(Quota("q", 5, _SECOND), clock=clock)
    for user in range(100):
        handler.allocate(QuotaInstance("q", {"user": user}), QuotaRequest(1))
    clock.advance(1)
    for user in range(100, 200):
        handler.allocate(QuotaInstance("q", {"user": user}), QuotaRequest(1))
    assert len(handler) == 100


def test_a_refusal_and_a_full_release_keep_no_counter() -> None:
    handler = _memquota(Quota("q", 5, _SECOND), Quota("p", 5))
    handler.allocate(QuotaInstance("q"), QuotaRequest(6))
    for name in ("q", "p"):
        handler.allocate(QuotaInstance(name), QuotaRequest(5))
        handler.allocate(QuotaInstance(name), QuotaRequest(-5))
    assert len(handler) == 0


@pytest.mark.parametrize(("more", "forgotten"), [(0, 0), (1, 1)])
def test_beyond_the_limit_the_least_recently_used_counter_is_forgotten(
    monkeypatch: pytest.MonkeyPatch, more: int, forgotten: int
) -> None:
    monkeypatch.setattr(memquota_handler, "MOST_COUNTERS", 3)
    handler = _memquota(Quota("q", 1))
    for user in range(3):
        handler.allocate(QuotaInstance("q", {"user": user}), QuotaRequest(1))
    handler.allocate(QuotaInstance("q", {"user": 0}), QuotaRequest(1))  # used again
    for user in range(3, 3 + more):
        handler.allocate(QuotaInstance("q", {"user": user}), QuotaRequest(1))
    assert (len(handler), handler.forgotten) == (3, forgotten)
    kept = handler.allocate(QuotaInstance("q", {"user": 0}), QuotaRequest(1))
    assert kept.granted == 0


# ---------------------------------------------------------------- parameters


@pytest.fixture
async def harness() -> AsyncIterator[AdapterHarness]:
    async with AdapterHarness() as made:
        yield made


async def test_all_faults_are_found_at_once(harness: AdapterHarness) -> None:
    params = Params(
        quotas=(
            Quota("q", -1, Duration(-1), (Override({}, 1), Override({}, -1, Duration(-1)))),
            Quota("q", 1),
        ),
        min_deduplication_duration=Duration(0),
    )
    routed = [
        InstanceType("r.quota.shop", "quota", {}),
        InstanceType("q", "quota", {}),
        InstanceType("n.checknothing.shop", "checknothing", {}),
    ]
    with pytest.raises(RejectedParamsError) as rejected:
        await harness.build(INFO, params, instances=routed)
    assert [each.path for each in rejected.value.problems] == [
        "min_deduplication_duration",
        "quotas[0].max_amount",
        "quotas[0].valid_duration",
        "quotas[0].overrides[1].max_amount",
        "quotas[0].overrides[1].valid_duration",
        "quotas[1].name",
        "quotas",
    ]
    assert "`r.quota.shop`" in rejected.value.problems[-1].message


async def test_a_quota_that_no_rule_uses_is_fine(harness: AdapterHarness) -> None:
    assert await harness.build(INFO, Params((Quota("unused", 1),))) is not None
