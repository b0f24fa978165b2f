"""`statsd`: what goes over a real UDP socket, and what is refused."""

import asyncio
from random import Random
from typing import Any

import pytest

from remixer.adapters.statsd import INFO, MetricInfo, MetricType, Params, StatsdHandler
from remixer.adapters.statsd.recipes import Recipe
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
_MS = 1_000_000


def _params(peer: DatagramPeer, info: MetricInfo, **more: Any) -> Params:
    return Params(address=peer.address, metrics={_HITS: info}, **more)


async def _lines(info: MetricInfo, *metrics: Metric, **more: Any) -> list[str]:
    with DatagramPeer() as peer:
        async with AdapterHarness() as harness:
            handler = await harness.build(INFO, _params(peer, info, **more))
            handler.report(metrics)
        return peer.lines()


# ---------------------------------------------------------------- lines


@pytest.mark.parametrize(
    ("kind", "value", "wanted"),
    [
        (MetricType.COUNTER, 3, ["hits.instance.shop:3|c"]),
        (MetricType.GAUGE, 3, ["hits.instance.shop:3|g"]),
        (MetricType.GAUGE, -3, ["hits.instance.shop:0|g", "hits.instance.shop:-3|g"]),
        (MetricType.DISTRIBUTION, Duration(250 * _MS), ["hits.instance.shop:250|ms"]),
        (MetricType.DISTRIBUTION, Duration(1_234), ["hits.instance.shop:0.001234|ms"]),
        (MetricType.DISTRIBUTION, 3, ["hits.instance.shop:3|c"]),
    ],
)
@in_virtual_time
async def test_types_and_values(kind: MetricType, value: Any, wanted: list[str]) -> None:
    assert await _lines(MetricInfo(kind), Metric(_HITS, value)) == wanted


@in_virtual_time
async def test_a_name_may_be_made_of_dimensions() -> None:
    info = MetricInfo(MetricType.COUNTER, '{{.service}}.{{or .user "nobody"}}.{{.code}}')
    metric = Metric(_HITS, 1, {"service": "web", "code": 200})
    assert await _lines(info, metric, prefix="mixer") == ["mixer.web.nobody.200:1|c"]


@in_virtual_time
async def test_a_missing_dimension_prints_as_in_go() -> None:
    info = MetricInfo(MetricType.COUNTER, "{{.nothing}}")
    assert await _lines(info, Metric(_HITS, 1)) == ["<no value>:1|c"]


@in_virtual_time
async def test_a_request_cannot_write_lines_of_its_own() -> None:
    info = MetricInfo(MetricType.COUNTER, "{{.path}}")
    metric = Metric(_HITS, 1, {"path": "/a:9|c\nevil:1|g|@0.1#x"})
    assert await _lines(info, metric) == ["/a_9_c_evil_1_g__0.1_x:1|c"]


@in_virtual_time
async def test_a_name_that_is_no_utf8_goes_out() -> None:
    info = MetricInfo(MetricType.COUNTER, "{{.path}}")
    assert await _lines(info, Metric(_HITS, 1, {"path": "\udc80é"})) == ["?é:1|c"]


@pytest.mark.parametrize("value", [None, 1.5, "3", True, Duration(1)])
@in_virtual_time
async def test_a_counter_takes_integers_only(value: Any) -> None:
    with DatagramPeer() as peer:
        async with AdapterHarness() as harness:
            handler = await harness.build(INFO, _params(peer, MetricInfo(MetricType.COUNTER)))
            with pytest.raises(ExceptionGroup, match="1 of 2 metrics left out") as caught:
                handler.report([Metric(_HITS, value), Metric(_HITS, 7)])
        assert peer.lines() == [f"{_HITS}:7|c"]
    assert "a COUNTER cannot record" in str(caught.value.exceptions[0])


@in_virtual_time
async def test_a_metric_without_type_or_entry_is_an_error_of_that_instance() -> None:
    with DatagramPeer() as peer:
        async with AdapterHarness() as harness:
            handler = await harness.build(INFO, _params(peer, MetricInfo()))
            with pytest.raises(ExceptionGroup) as caught:
                handler.report([Metric(_HITS, 1), Metric("other", 1)])
    texts = [str(each) for each in caught.value.exceptions]
    assert texts == [
        f"{_HITS}: a UNKNOWN cannot record a int",
        "no usable entry for other in the handler's metrics",
    ]


@in_virtual_time
async def test_a_template_that_does_not_go_with_the_dimensions_drops_the_metric(
    caplog: pytest.LogCaptureFixture,
) -> None:
    instance = InstanceType(_HITS, "metric", {"dimensions[code]": ValueType.INT64})
    info = MetricInfo(MetricType.COUNTER, "{{.code.Format `2006`}}")
    with DatagramPeer() as peer:
        async with AdapterHarness() as harness:
            handler = await harness.build(INFO, _params(peer, info), instances=[instance])
            with pytest.raises(ExceptionGroup):
                handler.report([Metric(_HITS, 1, {"code": 1})])
    assert [each.msg for each in caplog.records] == ["statsd_name_impossible"]


@in_virtual_time
async def test_routed_instances_without_entry_are_told_at_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    instances = [InstanceType(_HITS, "metric", {}), InstanceType("other", "metric", {})]
    with DatagramPeer() as peer:
        async with AdapterHarness() as harness:
            await harness.build(INFO, _params(peer, MetricInfo()), instances=instances)
    assert [each.msg for each in caplog.records] == [
        "statsd_type_missing",
        "statsd_metric_missing",
    ]


# ---------------------------------------------------------------- buffering


@in_virtual_time
async def test_lines_share_a_datagram_up_to_flush_bytes() -> None:
    info = MetricInfo(MetricType.COUNTER, "{{.n}}")
    with DatagramPeer() as peer:
        async with AdapterHarness() as harness:
            params = _params(peer, info, flush_bytes=Int32(11))
            handler = await harness.build(INFO, params)
            handler.report([Metric(_HITS, 1, {"n": name}) for name in "abc"])
            assert peer.received() == b"a:1|c\nb:1|c"
        assert peer.received() == b"c:1|c"


@pytest.mark.parametrize(("given", "waits_s"), [(0, 0.3), (2_000 * _MS, 2.0)])
@in_virtual_time
async def test_lines_wait_for_flush_duration_at_most(given: int, waits_s: float) -> None:
    with DatagramPeer() as peer:
        async with AdapterHarness() as harness:
            info = MetricInfo(MetricType.COUNTER)
            params = _params(peer, info, flush_duration=Duration(given), flush_bytes=Int32(0))
            handler = await harness.build(INFO, params)
            handler.report([Metric(_HITS, 1)])
            await asyncio.sleep(waits_s - 0.01)
            assert peer.lines() == []
            await asyncio.sleep(0.02)
            assert peer.lines() == [f"{_HITS}:1|c"]


@in_virtual_time
async def test_sampling_is_reproducible_and_told() -> None:
    async def run(seed: int) -> list[str]:
        with DatagramPeer() as peer:
            sender = DatagramSender(parse_peer(peer.address), name="h", clock=VirtualClock())
            await sender.open()
            recipe = Recipe.of(_HITS, MetricInfo(MetricType.COUNTER, "{{.n}}"), prefix="")
            sampler = Sampler(0.5, random=Random(seed))
            handler = StatsdHandler(
                {_HITS: recipe}, sampler=sampler, sender=sender, params=Params()
            )
            handler.report([Metric(_HITS, 1, {"n": number}) for number in range(20)])
            await handler.aclose()
            return peer.lines()

    first = await run(1)
    assert first == await run(1) != await run(2)
    assert 0 < len(first) < 20
    assert all(line.endswith(":1|c|@0.5") for line in first)


@in_virtual_time
async def test_a_daemon_that_is_away_costs_nothing() -> None:
    with DatagramPeer() as peer:
        params = _params(peer, MetricInfo(MetricType.COUNTER))
    async with AdapterHarness() as harness:
        handler = await harness.build(INFO, params)
        for _ in range(100):
            handler.report([Metric(_HITS, 1)])
            await asyncio.sleep(1)


# ---------------------------------------------------------------- parameters


@pytest.mark.parametrize(
    ("params", "path"),
    [
        (Params(address="statsd"), "address"),
        (Params(flush_duration=Duration(-1)), "flush_duration"),
        (Params(flush_bytes=Int32(-1)), "flush_bytes"),
        (Params(flush_bytes=Int32(65_508)), "flush_bytes"),
        (Params(sampling_rate=-0.1), "sampling_rate"),
        (Params(sampling_rate=float("nan")), "sampling_rate"),
        (Params(metrics={"a": MetricInfo(name_template="{{nope}}")}), "metrics[a].name_template"),
    ],
)
@in_virtual_time
async def test_faults_of_parameters_are_told(params: Params, path: str) -> None:
    async with AdapterHarness() as harness:
        with pytest.raises(RejectedParamsError) as caught:
            await harness.build(INFO, params)
    assert [each.path for each in caught.value.problems] == [path]
