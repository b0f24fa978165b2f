"""`dogstatsd`: what goes over a real UDP socket, and what is refused."""

import asyncio
from pathlib import Path
from random import Random
from typing import Any

import pytest

from remixer.adapters.dogstatsd import (
    INFO,
    DogstatsdHandler,
    MetricInfo,
    MetricType,
    Params,
)
from remixer.adapters.dogstatsd.recipes import Recipe
from remixer.attributes.values import Duration, ValueType
from remixer.drivers.datagrams import DatagramSender, parse_peer
from remixer.sdk import Int32
from remixer.sdk.datagram_lines import Sampler
from remixer.templates.instances import Metric
from remixer.templates.schema import InstanceType
from remixer.testing.adapters import AdapterHarness, RejectedParamsError
from remixer.testing.clock import VirtualClock, in_virtual_time
from remixer.testing.datagrams import DatagramPeer

_HITS = "hits.instance.shop"


def _instance(type_: ValueType = ValueType.INT64, name: str = _HITS) -> InstanceType:
    return InstanceType(name, "metric", {"value": type_})


async def _lines(
    info: MetricInfo, *metrics: Metric, type_: ValueType = ValueType.INT64, **more: Any
) -> list[str]:
    with DatagramPeer() as peer:
        async with AdapterHarness() as harness:
            params = Params(address=peer.address, metrics={_HITS: info}, **more)
            handler = await harness.build(INFO, params, instances=[_instance(type_)])
            handler.report(metrics)
        return peer.lines()


# ---------------------------------------------------------------- lines


@pytest.mark.parametrize(
    ("kind", "value", "wanted"),
    [
        (MetricType.COUNTER, 3, "istio.hits:3|c"),
        (MetricType.GAUGE, -3, "istio.hits:-3|g"),
        (MetricType.DISTRIBUTION, 3, "istio.hits:3|h"),
        (MetricType.DISTRIBUTION, Duration(1_500_000), "istio.hits:1.5|ms"),
    ],
)
@in_virtual_time
async def test_types_and_values(kind: MetricType, value: Any, wanted: str) -> None:
    assert await _lines(MetricInfo("hits", kind), Metric(_HITS, value)) == [wanted]


@pytest.mark.parametrize(
    ("prefix", "wanted"), [("a", "a.hits"), ("a.", "a.hits"), ("a.b", "a.b.hits"), ("", "hits")]
)
@in_virtual_time
async def test_a_prefix_ends_in_one_dot(prefix: str, wanted: str) -> None:
    info = MetricInfo("hits", MetricType.COUNTER)
    assert await _lines(info, Metric(_HITS, 1), prefix=prefix) == [f"{wanted}:1|c"]


@in_virtual_time
async def test_a_metric_without_name_has_its_instance_s() -> None:
    lines = await _lines(MetricInfo(type=MetricType.COUNTER), Metric(_HITS, 1))
    assert lines == ["istio.hits.instance.shop:1|c"]


@in_virtual_time
async def test_global_tags_then_the_metric_s_overlaid_by_dimensions_each_sorted() -> None:
    info = MetricInfo("hits", MetricType.COUNTER, {"z": "1", "code": "none", "a": "2"})
    metric = Metric(_HITS, 1, {"user": "eve", "code": 200, "ip": bytes([10, 0, 0, 1])})
    lines = await _lines(info, metric, global_tags={"zone": "b", "env": "test"})
    assert lines == ["istio.hits:1|c|#env:test,zone:b,a:2,code:200,ip:10.0.0.1,user:eve,z:1"]


@in_virtual_time
async def test_a_request_cannot_write_tags_and_lines_of_its_own() -> None:
    info = MetricInfo("hi:ts", MetricType.COUNTER)
    metric = Metric(_HITS, 1, {"p:a|t@h": "/a?b=1,admin:true|c\nevil:1|g|#x", "ip": bytes(16)})
    assert await _lines(info, metric) == [
        "istio.hi_ts:1|c|#ip:::,p_a_t_h:/a?b=1_admin:true_c_evil:1_g__x"
    ]


@in_virtual_time
async def test_an_instance_that_cannot_be_recorded_leaves_the_others() -> None:
    with DatagramPeer() as peer:
        async with AdapterHarness() as harness:
            info = MetricInfo("hits", MetricType.COUNTER)
            params = Params(address=peer.address, metrics={_HITS: info})
            handler = await harness.build(INFO, params, instances=[_instance()])
            with pytest.raises(ExceptionGroup, match="2 of 3 metrics left out"):
                handler.report([Metric(_HITS, "1"), Metric("other", 1), Metric(_HITS, 2)])
        assert peer.lines() == ["istio.hits:2|c"]


# ---------------------------------------------------------------- buffering and sampling


@in_virtual_time
async def test_without_a_buffer_each_metric_is_a_datagram() -> None:
    with DatagramPeer() as peer:
        async with AdapterHarness() as harness:
            info = MetricInfo("hits", MetricType.COUNTER)
            params = Params(address=peer.address, metrics={_HITS: info})
            handler = await harness.build(INFO, params, instances=[_instance()])
            handler.report([Metric(_HITS, 1), Metric(_HITS, 2)])
            assert [peer.received(), peer.received()] == [b"istio.hits:1|c", b"istio.hits:2|c"]


@in_virtual_time
async def test_a_buffer_goes_out_when_full_or_after_a_tenth_of_a_second() -> None:
    with DatagramPeer() as peer:
        async with AdapterHarness() as harness:
            info = MetricInfo("hits", MetricType.COUNTER)
            params = Params(peer.address, "", Int32(2), metrics={_HITS: info})
            handler = await harness.build(INFO, params, instances=[_instance()])
            handler.report([Metric(_HITS, number) for number in (1, 2, 3)])
            assert peer.received() == b"hits:1|c\nhits:2|c"
            await asyncio.sleep(0.09)
            assert peer.lines() == []
            await asyncio.sleep(0.02)
            assert peer.lines() == ["hits:3|c"]


@in_virtual_time
async def test_every_sample_is_sent_unless_told_otherwise() -> None:
    info = MetricInfo("hits", MetricType.COUNTER)
    assert len(await _lines(info, *[Metric(_HITS, 1)] * 50)) == 50


@in_virtual_time
async def test_sampling_is_reproducible_and_told() -> None:
    async def run(seed: int) -> list[str]:
        with DatagramPeer() as peer:
            sender = DatagramSender(parse_peer(peer.address), name="h", clock=VirtualClock())
            await sender.open()
            info = MetricInfo("hits", MetricType.COUNTER, {"a": "b"})
            recipe = Recipe.of(_HITS, info, prefix="", global_tags={})
            sampler = Sampler(0.5, random=Random(seed))
            handler = DogstatsdHandler(
                {_HITS: recipe}, sampler=sampler, sender=sender, buffer_length=0
            )
            handler.report([Metric(_HITS, number) for number in range(20)])
            await handler.aclose()
            return peer.lines()

    first = await run(1)
    assert first == await run(1) != await run(2)
    assert all(line.endswith("|c|@0.5|#a:b") for line in first)


@in_virtual_time
async def test_a_rate_of_nought_is_taken_at_its_word(caplog: pytest.LogCaptureFixture) -> None:
    info = MetricInfo("hits", MetricType.COUNTER)
    assert await _lines(info, *[Metric(_HITS, 1)] * 50, sample_rate=0.0) == []
    assert [each.msg for each in caplog.records] == ["dogstatsd_sends_nothing"]


def test_an_agent_may_listen_at_a_path(tmp_path: Path) -> None:
    path = tmp_path / "dsd.socket"

    @in_virtual_time
    async def scenario() -> None:
        async with AdapterHarness() as harness:
            info = MetricInfo("hits", MetricType.COUNTER)
            params = Params(address=f"unix://{path}", metrics={_HITS: info})
            handler = await harness.build(INFO, params, instances=[_instance()])
            handler.report([Metric(_HITS, 1)])

    with DatagramPeer(path=path) as peer:
        scenario()
        assert peer.lines() == ["istio.hits:1|c"]


# ---------------------------------------------------------------- parameters


@pytest.mark.parametrize(
    ("params", "path"),
    [
        (Params(address="datadog"), "address"),
        (Params(buffer_length=Int32(-1)), "buffer_length"),
        (Params(sample_rate=1.1), "sample_rate"),
        (Params(sample_rate=-0.1), "sample_rate"),
        (Params(sample_rate=float("nan")), "sample_rate"),
    ],
)
@in_virtual_time
async def test_faults_of_parameters_are_told(params: Params, path: str) -> None:
    async with AdapterHarness() as harness:
        with pytest.raises(RejectedParamsError) as caught:
            await harness.build(INFO, params)
    assert [each.path for each in caught.value.problems] == [path]


@pytest.mark.parametrize(
    ("info", "instance", "wanted"),
    [
        (MetricInfo(), _instance(), "metrics[hits.instance.shop].type: is missing"),
        (
            MetricInfo(type=MetricType.COUNTER),
            _instance(ValueType.DURATION),
            "metrics[hits.instance.shop]: the instance's value is DURATION; a COUNTER takes INT64",
        ),
        (
            MetricInfo(type=MetricType.GAUGE),
            _instance(ValueType.DOUBLE),
            "metrics[hits.instance.shop]: the instance's value is DOUBLE; a GAUGE takes INT64",
        ),
        (
            MetricInfo(type=MetricType.DISTRIBUTION),
            _instance(ValueType.STRING),
            (
                "metrics[hits.instance.shop]: the instance's value is STRING; "
                "a DISTRIBUTION takes DURATION or INT64"
            ),
        ),
        (
            MetricInfo(type=MetricType.COUNTER),
            _instance(name="other"),
            (
                "metrics[hits.instance.shop]: no rule sends an instance of this name here; "
                "metrics: has no entry for instance `other`, which a rule sends here"
            ),
        ),
    ],
)
@in_virtual_time
async def test_metrics_and_instances_must_go_together(
    info: MetricInfo, instance: InstanceType, wanted: str
) -> None:
    async with AdapterHarness() as harness:
        with pytest.raises(RejectedParamsError) as caught:
            await harness.build(INFO, Params(metrics={_HITS: info}), instances=[instance])
    assert str(caught.value) == wanted
