"""`prometheus`: rebuilt handlers, conflicts, expiry, parameters."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from remixer.adapters.prometheus import (
    INFO,
    BucketsDefinition,
    ExplicitBuckets,
    ExponentialBuckets,
    Kind,
    LinearBuckets,
    MetricInfo,
    MetricsExpirationPolicy,
    Params,
)
from remixer.adapters.prometheus import families as prometheus_families
from remixer.adapters.prometheus.store import MetricConflictError
from remixer.attributes.values import Duration, ValueType
from remixer.sdk import Int32
from remixer.sdk.buckets import MOST_BOUNDS
from remixer.templates.instances import Metric
from remixer.templates.schema import InstanceType
from remixer.testing.adapters import AdapterHarness, RejectedParamsError
from remixer.testing.clock import in_virtual_time

_S = 1_000_000_000
_COUNTER = MetricInfo("c", "c", kind=Kind.COUNTER, label_names=("a",))


@pytest.fixture
async def harness() -> AsyncIterator[AdapterHarness]:
    async with AdapterHarness() as made:
        yield made


async def _built(harness: AdapterHarness, name: str, *metrics: MetricInfo) -> Any:
    return await harness.build(INFO, Params(metrics), name=name)


def _lines(harness: AdapterHarness) -> list[str]:
    lines = harness.scrape.exposition().splitlines()
    return [line for line in lines if not line.startswith("#")]


def _count(handler: Any, metric: str = "c", a: str = "x") -> None:
    handler.report([Metric(metric, 1, {"a": a})])


# ---------------------------------------------------------------- rebuilding


async def test_counters_go_on_when_their_handler_is_built_anew(harness: AdapterHarness) -> None:
    old = await _built(harness, "prom", _COUNTER)
    _count(old)
    new = await _built(harness, "prom", _COUNTER, replace(_COUNTER, name="d", instance_name="d"))
    _count(old)  # still draining
    _count(new)
    await harness.close(old)
    _count(new)
    assert _lines(harness) == ['istio_c{a="x"} 4']


async def test_a_changed_metric_begins_anew_and_the_others_go_on(harness: AdapterHarness) -> None:
    other = replace(_COUNTER, name="d", instance_name="d")
    old = await _built(harness, "prom", _COUNTER, other)
    _count(old)
    _count(old, "d")
    new = await _built(harness, "prom", replace(_COUNTER, description="changed"), other)
    await harness.close(old)
    _count(new)
    _count(new, "d")
    assert _lines(harness) == ['istio_c{a="x"} 1', 'istio_d{a="x"} 2']


async def test_a_successor_that_is_closed_first_gives_the_metric_back(
    harness: AdapterHarness,
) -> None:
    old = await _built(harness, "prom", _COUNTER)
    _count(old)
    new = await _built(harness, "prom", replace(_COUNTER, label_names=()))
    assert _lines(harness) == []
    await harness.close(new)
    assert _lines(harness) == ['istio_c{a="x"} 1']


async def test_a_removed_metric_is_not_shown_any_more(harness: AdapterHarness) -> None:
    handler = await _built(harness, "prom", _COUNTER)
    _count(handler)
    await harness.close(handler)
    assert harness.scrape.exposition() == ""


async def test_what_cannot_work_is_told_when_the_handler_is_built(
    harness: AdapterHarness, caplog: pytest.LogCaptureFixture
) -> None:
    instances = [
        InstanceType("c", "metric", {"dimensions[b]": ValueType.STRING}),
        InstanceType("lost", "metric", {}),
    ]
    with caplog.at_level("WARNING"):
        await harness.build(INFO, Params((_COUNTER,)), instances=instances)
    assert [(each.msg, each.__dict__["fields"]) for each in caplog.records] == [
        ("prometheus_labels_differ", {"instance": "c", "difference": "lacks a, has b"}),
        ("prometheus_metric_info_missing", {"instance": "lost"}),
    ]


# ---------------------------------------------------------------- several handlers


async def test_handlers_share_a_metric_of_equal_shape(harness: AdapterHarness) -> None:
    one = await _built(harness, "one", _COUNTER)
    two = await _built(harness, "two", replace(_COUNTER, instance_name="other"))
    _count(one)
    _count(two, "other")
    assert _lines(harness) == ['istio_c{a="x"} 2']
    await harness.close(one)
    assert _lines(harness) == ['istio_c{a="x"} 2']


@pytest.mark.parametrize(
    "changed",
    [
        replace(_COUNTER, label_names=("b",)),
        replace(_COUNTER, description="other"),
        replace(_COUNTER, kind=Kind.GAUGE),
        MetricInfo("c", "c", kind=Kind.DISTRIBUTION, label_names=("a",)),
    ],
)
async def test_another_shape_under_the_same_name_fails_the_second_handler_alone(
    harness: AdapterHarness, changed: MetricInfo
) -> None:
    one = await _built(harness, "one", _COUNTER)
    fine = replace(_COUNTER, name="fine", instance_name="fine")
    with pytest.raises(MetricConflictError, match="metric istio_c: handler one has istio_c"):
        await _built(harness, "two", fine, changed)
    _count(one)
    assert _lines(harness) == ['istio_c{a="x"} 1']
    # Nothing of the failed handler is left: its other metric may take any shape.
    third = await _built(harness, "three", replace(fine, label_names=()))
    third.report([Metric("fine", 1)])
    assert "istio_fine 1" in _lines(harness)


async def test_the_lines_of_a_distribution_are_names_too(harness: AdapterHarness) -> None:
    await _built(harness, "one", MetricInfo("d", "d", kind=Kind.DISTRIBUTION))
    with pytest.raises(MetricConflictError, match="handler one has istio_d"):
        await _built(harness, "two", MetricInfo("d_count", "x", kind=Kind.COUNTER))


async def test_all_conflicts_are_named(harness: AdapterHarness) -> None:
    other = replace(_COUNTER, name="d", instance_name="d")
    await _built(harness, "one", _COUNTER, other)
    with pytest.raises(MetricConflictError, match=r"istio_c.*; metric istio_d"):
        await _built(harness, "two", *(replace(each, label_names=()) for each in (_COUNTER, other)))


# ---------------------------------------------------------------- expiry


def _expiring(duration_s: int, interval_s: int = 0) -> Params:
    policy = MetricsExpirationPolicy(Duration(duration_s * _S), Duration(interval_s * _S))
    return Params((_COUNTER,), policy)


@in_virtual_time
async def test_a_series_without_updates_goes_others_stay() -> None:
    async with AdapterHarness() as harness:
        handler = await harness.build(INFO, _expiring(60, 10))
        _count(handler, a="idle")
        for _ in range(9):
            _count(handler, a="busy")
            await harness.advance(10)
        assert _lines(harness) == ['istio_c{a="busy"} 9']


@in_virtual_time
async def test_a_series_lives_for_the_duration_plus_or_minus_one_interval() -> None:
    async with AdapterHarness() as harness:
        handler = await harness.build(INFO, _expiring(60, 10))
        await harness.advance(15)
        _count(handler)  # stamped with the check at 10 s
        await harness.advance(54.9)
        assert _lines(harness) == ['istio_c{a="x"} 1']
        await harness.advance(10.2)  # the check at 80 s
        assert _lines(harness) == []


@in_virtual_time
async def test_checks_run_at_half_the_duration_by_default() -> None:
    async with AdapterHarness() as harness:
        handler = await harness.build(INFO, _expiring(60))
        _count(handler)
        await harness.advance(89)
        assert len(_lines(harness)) == 1
        await harness.advance(2)
        assert _lines(harness) == []


@in_virtual_time
async def test_an_expired_series_begins_at_zero() -> None:
    async with AdapterHarness() as harness:
        handler = await harness.build(INFO, _expiring(10, 1))
        _count(handler)
        await harness.advance(20)
        _count(handler)
        assert _lines(harness) == ['istio_c{a="x"} 1']


@in_virtual_time
async def test_dimensions_that_come_again_do_not_bring_an_expired_series_back() -> None:
    same = Metric(_COUNTER.instance_name, 1, {"a": "x"})
    async with AdapterHarness() as harness:
        handler = await harness.build(INFO, _expiring(10, 1))
        handler.report([same, same])
        assert _lines(harness) == ['istio_c{a="x"} 2']
        await harness.advance(20)
        handler.report([same])
        handler.report([same])
        assert _lines(harness) == ['istio_c{a="x"} 2']
        await harness.advance(9)
        handler.report([same])
        await harness.advance(9)
        assert _lines(harness) == ['istio_c{a="x"} 3']


@in_virtual_time
async def test_an_expired_series_makes_room_for_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prometheus_families, "MOST_LABEL_CHARACTERS", len('a="x"'))
    async with AdapterHarness() as harness:
        handler = await harness.build(INFO, _expiring(10, 1))
        _count(handler, a="x")
        await harness.advance(20)
        _count(handler, a="y")
        assert _lines(harness) == ['istio_c{a="y"} 1']


@in_virtual_time
async def test_series_from_before_the_policy_expire_too() -> None:
    async with AdapterHarness() as harness:
        old = await harness.build(INFO, Params((_COUNTER,)))
        _count(old)
        await harness.advance(1000)
        assert len(_lines(harness)) == 1
        await harness.build(INFO, _expiring(60, 10))
        await harness.close(old)
        await harness.advance(50)
        assert len(_lines(harness)) == 1
        await harness.advance(21)
        assert _lines(harness) == []


@in_virtual_time
async def test_an_absurdly_short_expiry_does_not_hog_the_loop() -> None:
    async with AdapterHarness() as harness:
        policy = MetricsExpirationPolicy(Duration(1))
        handler = await harness.build(INFO, Params((_COUNTER,), policy))
        _count(handler)
        await harness.advance(1)
        assert _lines(harness) == []


# ---------------------------------------------------------------- parameters


def _distribution(buckets: BucketsDefinition, *labels: str) -> MetricInfo:
    return MetricInfo("d", "d", kind=Kind.DISTRIBUTION, buckets=buckets, label_names=labels)


def _linear(count: int, width: float, offset: float = 0.0) -> MetricInfo:
    return _distribution(BucketsDefinition(LinearBuckets(Int32(count), width, offset)))


def _exponential(count: int, factor: float, scale: float) -> MetricInfo:
    buckets = ExponentialBuckets(Int32(count), factor, scale)
    return _distribution(BucketsDefinition(exponential_buckets=buckets))


def _explicit(*bounds: float) -> MetricInfo:
    return _distribution(BucketsDefinition(explicit_buckets=ExplicitBuckets(bounds)))


async def _problem_paths(harness: AdapterHarness, params: Params) -> list[str]:
    with pytest.raises(RejectedParamsError) as rejected:
        await harness.build(INFO, params)
    return [each.path for each in rejected.value.problems]


_LINEAR = "metrics[0].buckets.linear_buckets"
_EXPONENTIAL = "metrics[0].buckets.exponential_buckets"
_EXPLICIT = "metrics[0].buckets.explicit_buckets"


@pytest.mark.parametrize(
    ("info", "paths"),
    [
        (MetricInfo("m", "m"), ["metrics[0].kind"]),
        (replace(_COUNTER, name="1"), []),
        (replace(_COUNTER, name="a+b"), ["metrics[0].name"]),
        (replace(_COUNTER, namespace="1"), ["metrics[0].name"]),
        (replace(_COUNTER, name="m\u00e9tric"), ["metrics[0].name"]),
        (
            replace(_COUNTER, label_names=("ok", "1", "a.b", "a_b", "__x", "", "le")),
            [f"metrics[0].label_names[{index}]" for index in (1, 3, 4, 5)],
        ),
        (_distribution(BucketsDefinition(), "le"), ["metrics[0].label_names[0]"]),
        (
            _distribution(BucketsDefinition(LinearBuckets(), ExponentialBuckets())),
            ["metrics[0].buckets"],
        ),
        (_linear(0, 1), [f"{_LINEAR}.num_finite_buckets"]),
        (_linear(MOST_BOUNDS, 1), [f"{_LINEAR}.num_finite_buckets"]),
        (_linear(MOST_BOUNDS - 1, 1), []),
        (_linear(2**31 - 1, 1), [f"{_LINEAR}.num_finite_buckets"]),
        (_linear(2, 0), [f"{_LINEAR}.width"]),
        (_linear(2, float("nan")), [f"{_LINEAR}.width"]),
        (_linear(2, 1e-300, 1e300), [_LINEAR]),
        (_linear(2, float("inf")), [_LINEAR]),
        (_exponential(0, 2, 1), [f"{_EXPONENTIAL}.num_finite_buckets"]),
        (_exponential(2, 1, 0), [f"{_EXPONENTIAL}.growth_factor", f"{_EXPONENTIAL}.scale"]),
        (_exponential(400, 1e10, 1), [_EXPONENTIAL]),
        (_explicit(1, 1), [_EXPLICIT]),
        (_explicit(2, 1), [_EXPLICIT]),
        (_explicit(1, float("inf")), [_EXPLICIT]),
        (_explicit(*range(MOST_BOUNDS)), []),
        (_explicit(*range(MOST_BOUNDS + 1)), [_EXPLICIT]),
        (replace(_linear(0, 0), kind=Kind.GAUGE), []),
    ],
)
async def test_faults_of_one_metric(
    harness: AdapterHarness, info: MetricInfo, paths: list[str]
) -> None:
    if paths:
        assert await _problem_paths(harness, Params((info,))) == paths
    else:
        await harness.build(INFO, Params((info,)))


async def test_metrics_of_one_handler_must_agree_on_shared_names(harness: AdapterHarness) -> None:
    metrics = (
        _COUNTER,
        replace(_COUNTER, instance_name="same-shape-is-fine"),
        replace(_COUNTER, instance_name="other", label_names=("b",)),
        MetricInfo("d", "d", kind=Kind.DISTRIBUTION),
        MetricInfo("d_sum", "e", kind=Kind.COUNTER),
        replace(_COUNTER, name="again"),
    )
    assert await _problem_paths(harness, Params(metrics)) == [
        "metrics[2].name",
        "metrics[4].name",
        "metrics[5].instance_name",
    ]


async def test_an_expiry_must_be_longer_than_nothing(harness: AdapterHarness) -> None:
    policy = MetricsExpirationPolicy(Duration(0), Duration(-1))
    assert await _problem_paths(harness, Params((), policy)) == [
        "metrics_expiration_policy.metrics_expiry_duration",
        "metrics_expiration_policy.expiry_check_interval_duration",
    ]
