"""What every adapter keeps to, whatever it does. Third parties can run theirs through it too."""

import asyncio
import inspect
import os
import threading
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import pytest

from remixer.adapters import (
    cloudwatch,
    denier,
    dogstatsd,
    fluentd,
    kactivator,
    kubernetesenv,
    listchecker,
    memquota,
    noop,
    opa,
    otlp,
    prometheus,
    rbac,
    redisquota,
    statsd,
    stdio,
    zipkin,
)
from remixer.adapters.registry import BUILTIN_ADAPTERS
from remixer.attributes.values import Duration, ValueType
from remixer.foundation.errors import RemixerError
from remixer.sdk import (
    AdapterInfo,
    CheckResult,
    HandlerContext,
    QuotaRequest,
    QuotaResult,
)
from remixer.templates.instances import BUILTIN_TEMPLATES, Quota
from remixer.templates.schema import InstanceType, Template, Variety
from remixer.testing.adapters import AdapterHarness
from remixer.testing.clock import in_virtual_time

_TEMPLATES = {template.name: template for template in BUILTIN_TEMPLATES}
_METHODS = {
    Variety.CHECK: "check",
    Variety.QUOTA: "allocate",
    Variety.REPORT: "report",
    Variety.ATTRIBUTE_GENERATOR: "generate",
}
_URL = "http://lists.test/callers"
# They need something of the operator: a policy, a store.
_WITHOUT_USABLE_DEFAULTS = frozenset({"bypass", "opa", "rbac", "redisquota"})


@dataclass(frozen=True)
class _Case:
    """An adapter with parameters that make it take the instances below."""

    info: AdapterInfo[Any]
    params: Any
    id: str
    instances: tuple[InstanceType, ...] = field(
        default_factory=lambda: tuple(InstanceType(name, name, {}) for name in _TEMPLATES)
    )

    def routed(self) -> tuple[InstanceType, ...]:
        """Instances of templates that the adapter takes."""
        return tuple(each for each in self.instances if each.template in self.info.templates)


_INTEGER_METRIC = InstanceType("metric", "metric", {"value": ValueType.INT64})
_LOG_ENTRY = InstanceType("logentry", "logentry", {"variables[a]": ValueType.STRING})

_CASES = [
    _Case(denier.INFO, denier.Params(), "denier"),
    # Their servers are away: none could answer in virtual time.
    _Case(
        kubernetesenv.INFO, kubernetesenv.Params(kubeconfig_path="kubeconfig"), "kubernetesenv-away"
    ),
    _Case(
        redisquota.INFO,
        redisquota.Params(
            (redisquota.Quota("quota", 10, Duration(10**9)),), "unix:///nowhere/redis.sock"
        ),
        "redisquota-away",
    ),
    _Case(listchecker.INFO, listchecker.Params(overrides=("a",)), "listchecker"),
    _Case(listchecker.INFO, listchecker.Params(provider_url=_URL), "listchecker-provider"),
    _Case(memquota.INFO, memquota.Params((memquota.Quota("quota", 10),)), "memquota"),
    _Case(noop.INFO, noop.Params(), "noop"),
    _Case(
        prometheus.INFO,
        prometheus.Params(
            (prometheus.MetricInfo("m", "metric", kind=prometheus.Kind.COUNTER),),
            prometheus.MetricsExpirationPolicy(Duration(10**9)),
        ),
        "prometheus",
    ),
    _Case(
        opa.INFO,
        opa.Params(policy=("package a\ndefault b = false",), check_method="data.a.b"),
        "opa",
    ),
    _Case(
        opa.INFO,
        opa.Params(server_url="http://opa.test", check_method="data.a.b", fail_close=True),
        "opa-remote",
    ),
    _Case(rbac.INFO, rbac.Params(config_store_url="fs://."), "rbac"),
    # Nobody listens at the port of discard.
    _Case(
        kactivator.INFO,
        kactivator.Params(autoscaler_endpoint="ws://127.0.0.1:9"),
        "kactivator-away",
    ),
    _Case(
        kactivator.INFO,
        kactivator.Params(
            autoscaler_endpoint="ws://127.0.0.1:9",
            mode=kactivator.Mode.HOLD,
            readiness=kactivator.ReadinessSource.PROBE,
        ),
        "kactivator-hold-away",
    ),
    _Case(fluentd.INFO, fluentd.Params(address="127.0.0.1:9"), "fluentd-away"),
    _Case(
        otlp.INFO,
        otlp.Params(
            endpoint="http://127.0.0.1:9",
            protocol=otlp.Protocol.HTTP_PROTOBUF,
            metrics=(otlp.MetricInfo("metric", kind=otlp.Kind.COUNTER),),
            trace=otlp.Trace(1.0),
        ),
        "otlp-away",
    ),
    _Case(zipkin.INFO, zipkin.Params("http://zipkin.test/spans", 1.0), "zipkin-away"),
    _Case(
        statsd.INFO,
        statsd.Params(
            address="localhost:9",
            metrics={"metric": statsd.MetricInfo(statsd.MetricType.COUNTER, "{{.a}}")},
        ),
        "statsd-away",
    ),
    _Case(
        dogstatsd.INFO,
        dogstatsd.Params(
            address="unix:/nowhere/dsd.socket",
            metrics={"metric": dogstatsd.MetricInfo("m", dogstatsd.MetricType.COUNTER)},
        ),
        "dogstatsd-away",
        (_INTEGER_METRIC,),
    ),
    _Case(
        cloudwatch.INFO,
        cloudwatch.Params(
            namespace="Shop",
            metric_info={"metric": cloudwatch.MetricDatum()},
            log_group_name="group",
            log_stream_name="stream",
            region="eu-west-1",
            endpoint_url="http://127.0.0.1:9",
        ),
        "cloudwatch-away",
        (_INTEGER_METRIC, _LOG_ENTRY),
    ),
    _Case(stdio.INFO, stdio.Params(), "stdio"),
    _Case(
        stdio.INFO,
        stdio.Params(log_stream=stdio.LogStream.FILE, output_path="contract.log"),
        "stdio-file",
    ),
    _Case(
        stdio.INFO,
        stdio.Params(log_stream=stdio.LogStream.ROTATED_FILE, output_path="contract.log"),
        "stdio-rotated",
    ),
]

_each_case = pytest.mark.parametrize("case", _CASES, ids=[case.id for case in _CASES])
_each_adapter = pytest.mark.parametrize(
    "info", BUILTIN_ADAPTERS, ids=[info.name for info in BUILTIN_ADAPTERS]
)


_KUBECONFIG = """
current-context: here
contexts: [{name: here, context: {cluster: here}}]
clusters: [{name: here, cluster: {server: "http://127.0.0.1:1"}}]
"""


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KUBECONFIG", raising=False)
    # Neither looked for in files nor asked of the network.
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    (tmp_path / "kubeconfig").write_text(_KUBECONFIG)


def _run(scenario: Callable[[AdapterHarness], Awaitable[None]]) -> None:
    @in_virtual_time
    async def main() -> None:
        async with AdapterHarness() as harness:
            harness.http.serve(_URL, b"a\n")
            await scenario(harness)

    main()


async def _build(harness: AdapterHarness, case: _Case) -> Any:
    return await harness.build(case.info, case.params, instances=case.routed())


def _sample(template: Template) -> Any:
    """An instance with nothing in it but what one of its kind needs."""
    carrier = template.message.carrier
    values: dict[str, Any] = {"listentry": {"value": "1"}, "metric": {"value": 1}}
    return carrier(name=template.name, **values.get(template.name, {}))


def _garbage(template: Template) -> Iterator[Any]:
    """Instances as only a broken configuration or a bug could make them."""
    carrier = template.message.carrier
    yield carrier(name="nobody.knows.me")
    names = [each.name for each in fields(carrier) if each.name != "name"]
    for value in (object(), None, {"k": object()}, "\udc80", b"\x00"):
        yield carrier(name=template.name, **dict.fromkeys(names, value))


def _served(case: _Case) -> Iterator[Template]:
    for template in BUILTIN_TEMPLATES:
        if template.name in case.info.templates:
            yield template


async def _use(harness: AdapterHarness, handler: Any, template: Template, instance: Any) -> Any:
    match template.variety:
        case Variety.QUOTA:
            return await harness.call(handler.allocate(instance, QuotaRequest(1)))
        case Variety.REPORT:
            return await harness.call(handler.report([instance]))
        case Variety.ATTRIBUTE_GENERATOR:
            return await harness.call(handler.generate(instance))
        case _:
            return await harness.call(handler.check(instance))


# ---------------------------------------------------------------- description


@_each_adapter
def test_name_and_description_are_there_and_templates_exist(info: AdapterInfo[Any]) -> None:
    assert info.name.isidentifier()
    assert info.description.endswith(".")
    assert info.templates
    assert info.templates <= _TEMPLATES.keys()


@_each_adapter
def test_the_defaults_are_a_frozen_dataclass_and_valid(info: AdapterInfo[Any]) -> None:
    assert type(info.defaults).__dataclass_params__.frozen
    problems = tuple(info.validate(info.defaults, HandlerContext("h", ())))
    assert bool(problems) is (info.name in _WITHOUT_USABLE_DEFAULTS)


@_each_case
def test_validation_is_pure(case: _Case) -> None:
    context = HandlerContext("h", case.routed())
    before = repr(case.params)
    first = tuple(case.info.validate(case.params, context))
    assert tuple(case.info.validate(case.params, context)) == first == ()
    assert repr(case.params) == before


@_each_case
def test_every_template_has_its_method(case: _Case) -> None:
    async def scenario(harness: AdapterHarness) -> None:
        handler = await _build(harness, case)
        for template in _served(case):
            assert callable(getattr(handler, _METHODS[template.variety]))

    _run(scenario)


# ---------------------------------------------------------------- answers


@_each_case
def test_every_template_gets_an_answer_of_its_variety(case: _Case) -> None:
    wanted = {
        Variety.CHECK: CheckResult,
        Variety.QUOTA: QuotaResult,
        Variety.REPORT: type(None),
        Variety.ATTRIBUTE_GENERATOR: dict,
    }

    async def scenario(harness: AdapterHarness) -> None:
        handler = await _build(harness, case)
        for template in _served(case):
            answer = await _use(harness, handler, template, _sample(template))
            assert type(answer) is wanted[template.variety]

    _run(scenario)


@_each_case
def test_a_method_is_plain_when_it_never_waits(case: _Case) -> None:
    async def scenario(harness: AdapterHarness) -> None:
        handler = await _build(harness, case)
        for template in _served(case):
            method = getattr(handler, _METHODS[template.variety])
            if not inspect.iscoroutinefunction(method):
                argument = _sample(template)
                arguments = {
                    Variety.CHECK: (argument,),
                    Variety.QUOTA: (argument, QuotaRequest(1)),
                    Variety.REPORT: ([argument],),
                    Variety.ATTRIBUTE_GENERATOR: (argument,),
                }
                assert not inspect.isawaitable(method(*arguments[template.variety]))

    _run(scenario)


@pytest.mark.parametrize(
    "case", [case for case in _CASES if "quota" in case.info.templates], ids=lambda case: case.id
)
def test_no_grant_is_negative_or_more_than_asked_for(case: _Case) -> None:
    async def scenario(harness: AdapterHarness) -> None:
        handler = await _build(harness, case)
        for amount in (7, 7, -3, 0, -100, 2**62, -(2**62)):
            for best_effort in (False, True):
                request = QuotaRequest(amount, best_effort=best_effort)
                result = await harness.call(handler.allocate(Quota("quota"), request))
                assert 0 <= result.granted <= abs(amount)

    _run(scenario)


@_each_case
def test_garbage_spoils_no_later_call(case: _Case) -> None:
    async def scenario(harness: AdapterHarness) -> None:
        fresh, spoiled = await _build(harness, case), await _build(harness, case)
        for template in _served(case):
            for garbage in _garbage(template):
                try:
                    await _use(harness, spoiled, template, garbage)
                except (RemixerError, ExceptionGroup, TypeError, AttributeError, ValueError):
                    continue  # an adapter error: the runtime's guard makes it a result
        for template in _served(case):
            sample = _sample(template)
            wanted = await _use(harness, fresh, template, sample)
            assert await _use(harness, spoiled, template, sample) == wanted

    _run(scenario)


# ---------------------------------------------------------------- life


def _held() -> tuple[set[str], set[str]]:
    """Open descriptors and threads; executor threads live as long as their loop."""
    return set(os.listdir("/proc/self/fd")), {
        thread.name for thread in threading.enumerate() if not thread.name.startswith("asyncio_")
    }


def _more_than(before: tuple[set[str], set[str]]) -> tuple[set[str], set[str]]:
    """What is held now and was not before; what tests before this one left may go meanwhile."""
    descriptors, threads = _held()
    return descriptors - before[0], threads - before[1]


@_each_case
def test_nothing_is_left_when_it_is_closed(case: _Case) -> None:
    async def scenario(harness: AdapterHarness) -> None:
        await asyncio.to_thread(lambda: None)  # the executor's own descriptors are there now
        before = _held()
        tasks_before = asyncio.all_tasks()
        handler = await _build(harness, case)
        for template in _served(case):
            await _use(harness, handler, template, _sample(template))
        assert await harness.close(handler) == []
        assert _more_than(before) == (set(), set())
        assert asyncio.all_tasks() == tasks_before
        assert harness.scrape.published == 0

    _run(scenario)


@_each_case
def test_closing_twice_is_safe(case: _Case) -> None:
    async def scenario(harness: AdapterHarness) -> None:
        handler = await _build(harness, case)
        await handler.aclose()
        await harness.close(handler)

    _run(scenario)


@_each_case
def test_closing_takes_no_time_to_speak_of(case: _Case) -> None:
    async def scenario(harness: AdapterHarness) -> None:
        handler = await _build(harness, case)
        await harness.advance(1)
        begun_s = harness.clock.monotonic_s()
        await harness.close(handler)
        assert harness.clock.monotonic_s() == begun_s

    _run(scenario)


@_each_case
def test_a_second_build_stands_beside_the_first(case: _Case) -> None:
    async def scenario(harness: AdapterHarness) -> None:
        first = await _build(harness, case)
        second = await _build(harness, case)
        await harness.close(first)
        for template in _served(case):
            await _use(harness, second, template, _sample(template))

    _run(scenario)


@_each_case
@pytest.mark.parametrize("steps", range(4))
def test_a_build_that_is_cancelled_half_way_leaves_nothing(case: _Case, steps: int) -> None:
    async def scenario(harness: AdapterHarness) -> None:
        await asyncio.to_thread(lambda: None)
        before = _held()
        async with asyncio.TaskGroup() as group:
            building = group.create_task(_build(harness, case))
            for _ in range(steps):
                await asyncio.sleep(0)
            building.cancel()
            await asyncio.wait([building])
        if not building.cancelled():  # it was faster than the cancellation
            await harness.close(building.result())
        # A thread that still opens a file closes it, but nobody waits for it: now somebody does.
        await asyncio.get_running_loop().shutdown_default_executor()
        assert _more_than(before) == (set(), set())

    _run(scenario)


@_each_case
def test_background_work_goes_on_without_fault(case: _Case) -> None:
    async def scenario(harness: AdapterHarness) -> None:
        handler = await _build(harness, case)
        await harness.advance(600)
        assert harness.tasks_of(handler).failures == []

    _run(scenario)
