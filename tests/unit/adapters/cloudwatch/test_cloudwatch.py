"""`cloudwatch`: what the service is sent, what is refused, and a service that is away."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from random import Random
from typing import Any

import boto3
import pytest
from aiohttp import web
from moto.server import ThreadedMotoServer

from remixer.adapters.cloudwatch import (
    INFO,
    CloudWatchHandler,
    LogInfo,
    MetricDatum,
    Params,
    Unit,
)
from remixer.adapters.cloudwatch.logs import LONGEST_MESSAGE_BYTES, requests_of
from remixer.adapters.cloudwatch.metrics import MetricError, datum_of
from remixer.attributes.values import Duration, Timestamp, ValueType
from remixer.drivers import aws
from remixer.foundation.clock import SystemClock
from remixer.templates.instances import LogEntry, Metric
from remixer.templates.schema import InstanceType
from remixer.testing.adapters import AdapterHarness, RejectedParamsError
from remixer.testing.clock import VirtualClock, in_virtual_time

HITS = "hits.instance.shop"
ACCESS = "access.instance.shop"
REGION = "eu-west-1"
SECOND_NS = 1_000_000_000
NOW_NS = SystemClock().unix_ns()


@pytest.fixture(autouse=True)
def _aws_of_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials that open nothing, and no look at files or the network for others."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/nonexistent/aws")
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture(scope="module")
def moto_url() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def _metric_instance(
    type_: ValueType = ValueType.INT64, name: str = HITS, dimensions: int = 0
) -> InstanceType:
    types = {f"dimensions[d{number}]": ValueType.STRING for number in range(dimensions)}
    return InstanceType(name, "metric", {"value": type_, **types})


def _log_instance(name: str = ACCESS) -> InstanceType:
    return InstanceType(name, "logentry", {"variables[method]": ValueType.STRING})


def _params(url: str, **more: Any) -> Params:
    wanted: dict[str, Any] = {
        "namespace": "Shop",
        "metric_info": {HITS: MetricDatum(Unit["Count"])},
        "log_group_name": "g",
        "log_stream_name": "s",
        "logs": {ACCESS: LogInfo()},
        "region": REGION,
        "endpoint_url": url,
        **more,
    }
    return Params(**wanted)


INSTANCES = (_metric_instance(), _log_instance())


# ---------------------------------------------------------------- against moto


@pytest.mark.usefixtures("patient_ends")
async def test_metrics_arrive_with_value_unit_and_dimensions(moto_url: str) -> None:
    async with AdapterHarness() as harness:
        params = _params(moto_url, namespace="Moto")
        handler = await harness.build(INFO, params, instances=INSTANCES)
        handler.report([Metric(HITS, 3, {"user": "eve", "code": 200, "none": ""})])
        handler.report([Metric(HITS, 4, {"user": "eve", "code": 200})])
    reader = boto3.client("cloudwatch", region_name=REGION, endpoint_url=moto_url)
    found = reader.list_metrics(Namespace="Moto")["Metrics"][0]
    assert found["MetricName"] == HITS
    assert found["Dimensions"] == [
        {"Name": "code", "Value": "200"},
        {"Name": "user", "Value": "eve"},
    ]
    (point,) = reader.get_metric_statistics(
        Namespace="Moto",
        MetricName=HITS,
        Dimensions=found["Dimensions"],
        StartTime=datetime(2021, 5, 31, tzinfo=UTC),
        EndTime=datetime(2021, 6, 2, tzinfo=UTC),
        Period=86_400,
        Statistics=["Sum"],
    )["Datapoints"]
    assert (point["Sum"], point["Unit"]) == (7.0, "Count")


@pytest.mark.usefixtures("patient_ends")
async def test_logs_arrive_in_order_of_time(moto_url: str) -> None:
    reader = boto3.client("logs", region_name=REGION, endpoint_url=moto_url)
    reader.create_log_group(logGroupName="ordered")
    reader.create_log_stream(logGroupName="ordered", logStreamName="s")
    logs = {ACCESS: LogInfo("{{.severity}} {{.method}}")}
    async with AdapterHarness() as harness:
        params = _params(moto_url, log_group_name="ordered", logs=logs)
        handler = await harness.build(INFO, params, instances=INSTANCES)
        for method, age_s in (("POST", 1), ("GET", 3), ("PUT", 2)):
            at = Timestamp(NOW_NS - age_s * SECOND_NS)
            handler.report([LogEntry(ACCESS, {"method": method}, at, "info")])
    events = reader.get_log_events(logGroupName="ordered", logStreamName="s")["events"]
    assert [each["message"] for each in events] == ["info GET", "info PUT", "info POST"]


# ---------------------------------------------------------------- metrics


@pytest.mark.parametrize(
    ("value", "unit", "wanted"),
    [
        (3, "Count", 3.0),
        (0.5, "Percent", 0.5),
        ("12.5", "None", 12.5),
        (Duration(1_999_999_999), "Seconds", 1.0),
        (Duration(1_999_999_999), "Milliseconds", 1_999.0),
        (Duration(1_999_999_999), "Microseconds", 1_999_999.0),
        (Duration(-1_999_999_999), "Seconds", -1.0),
    ],
)
def test_values_are_numbers_and_durations_are_cut_to_their_unit(
    value: Any, unit: str, wanted: float
) -> None:
    datum = datum_of(Metric(HITS, value), Unit[unit], unix_ns=1)
    assert (datum.value, datum.unit) == (wanted, unit)


@pytest.mark.parametrize(
    "value", [None, "many", "", True, b"\0" * 4, Duration(1), float("nan"), "Infinity", 2.0**361]
)
def test_what_is_no_number_is_left_out(value: Any) -> None:
    with pytest.raises(MetricError, match=HITS):
        datum_of(Metric(HITS, value), Unit["Count"], unix_ns=1)


def test_units_have_the_numbers_and_names_of_the_original() -> None:
    assert [each.value for each in Unit] == list(range(27))
    assert [Unit["None"], Unit["Percent"], Unit["Count_Second"]] == [0, 15, 26]
    assert datum_of(Metric(HITS, 1), Unit["Bytes_Second"], unix_ns=1).unit == "Bytes/Second"


def test_dimensions_are_what_the_service_takes() -> None:
    metric = Metric(HITS, 1, {"b": "é\n", "a": "x" * 2_000, "c": " ", "d" * 300: "1"})
    names_and_values = datum_of(metric, Unit["Count"], unix_ns=1).dimensions
    assert names_and_values == (("a", "x" * 1_024), ("b", "__"), ("d" * 255, "1"))


# ---------------------------------------------------------------- log entries


@pytest.mark.parametrize(
    ("variables", "wanted"),
    [
        ({}, '- - - [2021-06-01T00:00:00Z] "- - -" - -'),
        (
            {
                "source_ip": bytes([10, 0, 0, 1]),
                "source_user": "eve",
                "method": "GET",
                "url": "/a",
                "protocol": "http",
                "response_code": 200,
                "response_size": 17,
            },
            '10.0.0.1 - eve [2021-06-01T00:00:00Z] "GET /a http" 200 17',
        ),
    ],
)
@pytest.mark.parametrize("template", ["", "   "])
@in_virtual_time
async def test_the_default_template(variables: Any, wanted: str, template: str) -> None:
    client = _FakeCloudWatch()
    handler = _handler(client, _params("", logs={ACCESS: LogInfo(template)}))
    handler.report([LogEntry(ACCESS, variables, Timestamp(VirtualClock().unix_ns()))])
    assert await _flushed(handler, client.events) == [wanted]


@in_virtual_time
async def test_an_instance_without_entry_has_the_default_template_too() -> None:
    client = _FakeCloudWatch()
    handler = _handler(client, _params(""))
    handler.report([LogEntry("other", {"method": "GET"})])
    assert await _flushed(handler, client.events) == ['- - - [1970-01-01T00:00:00Z] "GET - -" - -']
    # An entry without a time would be refused as too old.
    assert client.events[0].unix_ms == VirtualClock().unix_ns() // 1_000_000


@in_virtual_time
async def test_an_entry_is_as_long_as_the_service_takes() -> None:
    client = _FakeCloudWatch()
    handler = _handler(client, _params("", logs={ACCESS: LogInfo("{{.a}}")}))
    handler.report([LogEntry(ACCESS, {"a": "é" * 200_000}), LogEntry(ACCESS, {"a": "\udc80"})])
    first, second = await _flushed(handler, client.events)
    assert len(first.encode()) == LONGEST_MESSAGE_BYTES
    assert second == "?"


@in_virtual_time
async def test_text_is_not_escaped_as_for_html() -> None:
    client = _FakeCloudWatch()
    handler = _handler(client, _params("", logs={ACCESS: LogInfo("{{.a}}")}))
    handler.report([LogEntry(ACCESS, {"a": "/?a=1&b=<\"'>"})])
    assert await _flushed(handler, client.events) == ["/?a=1&b=<\"'>"]


@in_virtual_time
async def test_an_empty_message_is_not_sent() -> None:
    client = _FakeCloudWatch()
    handler = _handler(client, _params("", logs={ACCESS: LogInfo("{{.a}}")}))
    handler.report([LogEntry(ACCESS, {"a": ""})])
    assert await _flushed(handler, client.events) == []


@in_virtual_time
async def test_an_entry_that_cannot_be_rendered_leaves_the_others() -> None:
    client = _FakeCloudWatch()
    handler = _handler(client, _params("", logs={ACCESS: LogInfo("{{.a.Format `2006`}}")}))
    with pytest.raises(ExceptionGroup, match="1 of 2 instances left out"):
        handler.report([LogEntry(ACCESS, {"a": "x"}), LogEntry(ACCESS, {"a": Timestamp(1)})])
    assert await _flushed(handler, client.events) == ["1970"]


def test_a_request_spans_a_day_at_most() -> None:
    day_ms = 86_400_000
    events = [aws.LogEvent(at, "x") for at in (day_ms + 1, 0, day_ms, 2 * day_ms + 1)]
    requests = list(requests_of(events))
    assert [[each.unix_ms for each in request] for request in requests] == [
        [0, day_ms],
        [day_ms + 1, 2 * day_ms + 1],
    ]


# ---------------------------------------------------------------- sending


class _FakeCloudWatch:
    """A `CloudWatchClient` that remembers, fails as often as told, or hangs."""

    def __init__(self, *failures: aws.AwsError, hangs: bool = False) -> None:
        self._failures = list(failures)
        self._hangs = hangs
        self.requests: list[int] = []
        """Sizes, failed ones included."""
        self.data: list[aws.MetricDatum] = []
        self.events: list[aws.LogEvent] = []
        self.closed = False

    async def put_metrics(self, namespace: str, data: Sequence[aws.MetricDatum]) -> None:
        assert namespace == "Shop"
        await self._request(len(data))
        self.data += data

    async def put_logs(self, group: str, stream: str, events: Sequence[aws.LogEvent]) -> int:
        assert (group, stream) == ("g", "s")
        await self._request(len(events))
        self.events += events
        return 0

    async def _request(self, size: int) -> None:
        self.requests.append(size)
        if self._hangs:
            await asyncio.Event().wait()
        if self._failures:
            raise self._failures.pop(0)

    def close(self) -> None:
        self.closed = True


def _handler(client: _FakeCloudWatch, params: Params) -> CloudWatchHandler:
    clock = VirtualClock()
    return CloudWatchHandler(params, client=client, clock=clock, chance=Random(7), name="h")


@asynccontextmanager
async def _working(handler: CloudWatchHandler) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(box.work()) for box in (handler.metrics, handler.logs)]
        yield
        await handler.aclose()
        for task in tasks:
            task.cancel()


async def _flushed(handler: CloudWatchHandler, events: list[aws.LogEvent]) -> list[str]:
    async with _working(handler):
        pass
    return [each.message for each in events]


@in_virtual_time
async def test_a_request_has_twenty_metrics_at_most() -> None:
    client = _FakeCloudWatch()
    handler = _handler(client, _params(""))
    handler.report([Metric(HITS, number) for number in range(41)])
    async with _working(handler):
        await asyncio.sleep(0.5)
        assert client.requests == [20, 20]  # full ones wait for nothing
        await asyncio.sleep(1)
        assert client.requests == [20, 20, 1]
    assert [each.value for each in client.data] == list(range(41))
    assert client.closed


@in_virtual_time
async def test_a_request_has_ten_thousand_events_or_a_megabyte_at_most() -> None:
    client = _FakeCloudWatch()
    handler = _handler(client, _params("", logs={ACCESS: LogInfo("{{.a}}")}))
    handler.report([LogEntry(ACCESS, {"a": "x"})] * 10_001)
    handler.report([LogEntry(ACCESS, {"a": "x" * (104_832 - 26)})] * 11)
    await _flushed(handler, client.events)
    assert client.requests == [10_000, 11, 1]  # one small and ten large ones are a megabyte


@in_virtual_time
async def test_what_may_be_tried_again_is_and_nothing_is_sent_twice() -> None:
    away = aws.AwsError("away", can_retry=True)
    client = _FakeCloudWatch(away, away)
    handler = _handler(client, _params(""))
    handler.report([Metric(HITS, 1)])
    async with _working(handler):
        await asyncio.sleep(10)
    assert client.requests == [1, 1, 1]
    assert len(client.data) == 1


@in_virtual_time
async def test_a_request_that_is_wrong_is_given_up_at_once() -> None:
    client = _FakeCloudWatch(aws.AwsError("wrong"))
    handler = _handler(client, _params(""))
    handler.report([Metric(HITS, 1)])
    async with _working(handler):
        await asyncio.sleep(10)
        handler.report([Metric(HITS, 2)])
    assert (client.requests, handler.metrics.dropped) == ([1, 1], 1)


@in_virtual_time
async def test_five_attempts_are_made_and_no_more() -> None:
    client = _FakeCloudWatch(*[aws.AwsError("away", can_retry=True)] * 100)
    handler = _handler(client, _params(""))
    handler.report([Metric(HITS, 1)])
    async with _working(handler):
        await asyncio.sleep(60)
        assert (len(client.requests), handler.metrics.dropped) == (5, 1)


@in_virtual_time
async def test_what_there_is_no_room_for_is_dropped_and_told() -> None:
    handler = _handler(_FakeCloudWatch(hangs=True), _params(""))
    async with _working(handler):
        await asyncio.sleep(0)
        with pytest.raises(ExceptionGroup, match="left out"):
            handler.report([Metric(HITS, number) for number in range(10_030)])
        assert handler.metrics.waiting <= 10_020


@in_virtual_time
async def test_closing_takes_a_second_when_the_service_hangs() -> None:
    handler = _handler(_FakeCloudWatch(hangs=True), _params(""))
    handler.report([Metric(HITS, 1), LogEntry(ACCESS, {"method": "GET"})])
    loop = asyncio.get_running_loop()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(box.work()) for box in (handler.metrics, handler.logs)]
        await asyncio.sleep(2)
        begun_s = loop.time()
        await handler.aclose()
        assert loop.time() - begun_s == pytest.approx(1.0)
        for task in tasks:
            task.cancel()
    assert (handler.metrics.dropped, handler.logs.dropped) == (1, 1)


def _unused_url() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


@in_virtual_time
async def test_a_service_that_is_away_holds_nobody_up(caplog: pytest.LogCaptureFixture) -> None:
    async with AdapterHarness() as harness:
        handler = await harness.build(INFO, _params(_unused_url()), instances=INSTANCES)
        for number in range(30):
            handler.report([Metric(HITS, number), LogEntry(ACCESS, {"method": "GET"})])
            await asyncio.sleep(1)
        assert handler.metrics.dropped > 0
    assert handler.metrics.dropped + handler.logs.dropped == 60
    events = {each.msg for each in caplog.records if each.name.startswith("remixer")}
    assert events == {"outbox_send_failed", "outbox_entries_dropped"}


@in_virtual_time
async def test_a_service_that_throttles_gets_everything_in_the_end() -> None:
    answers = [429, 503, 200]
    bodies: list[Any] = []

    async def answer(request: web.Request) -> web.Response:
        status = answers.pop(0) if answers else 200
        if status == 200:
            bodies.append(json.loads(await request.read()))
        return web.Response(status=status, text="{}", content_type="application/json")

    application = web.Application()
    application.router.add_post("/{path:.*}", answer)
    runner = web.AppRunner(application, shutdown_timeout=0)
    await runner.setup()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        await web.SockSite(runner, listener).start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        async with AdapterHarness() as harness:
            params = _params(url, log_group_name="g")
            handler = await harness.build(INFO, params, instances=INSTANCES)
            handler.report([LogEntry(ACCESS, {"method": "GET"}, Timestamp(SECOND_NS))])
            await asyncio.sleep(10)
            assert (handler.logs.sent, handler.logs.dropped) == (1, 0)
        await runner.cleanup()
    (body,) = bodies
    assert body == {
        "logGroupName": "g",
        "logStreamName": "s",
        "logEvents": [
            {"timestamp": 1_000, "message": '- - - [1970-01-01T00:00:01Z] "GET - -" - -'}
        ],
    }


# ---------------------------------------------------------------- parameters


@pytest.mark.parametrize(
    ("params", "instances", "path"),
    [
        (_params("", namespace=""), INSTANCES, "namespace"),
        (_params("", log_group_name=""), INSTANCES, "log_group_name"),
        (_params("", log_stream_name=""), INSTANCES, "log_stream_name"),
        (_params("nonsense"), INSTANCES, "endpoint_url"),
        (_params("ftp://a"), INSTANCES, "endpoint_url"),
        (_params("http://[a"), INSTANCES, "endpoint_url"),
        (_params(""), INSTANCES[1:], f"metric_info[{HITS}]"),
        (_params("", metric_info={}), INSTANCES, "metric_info"),
        (_params(""), (_metric_instance(ValueType.BOOL),), f"metric_info[{HITS}]"),
        (_params(""), (_metric_instance(ValueType.DURATION),), f"metric_info[{HITS}].unit"),
        (_params(""), (_metric_instance(dimensions=11),), f"metric_info[{HITS}]"),
        (
            _params("", logs={ACCESS: LogInfo("{{nope}}")}),
            INSTANCES,
            f"logs[{ACCESS}].payload_template",
        ),
        (_params(""), (*INSTANCES[:1], InstanceType(ACCESS, "logentry", {})), "logs"),
    ],
)
@in_virtual_time
async def test_faults_of_parameters_are_told(
    params: Params, instances: Sequence[InstanceType], path: str
) -> None:
    async with AdapterHarness() as harness:
        with pytest.raises(RejectedParamsError) as caught:
            await harness.build(INFO, params, instances=instances)
    assert [each.path for each in caught.value.problems] == [path]


@pytest.mark.parametrize(
    ("instance", "unit"),
    [
        (_metric_instance(ValueType.STRING), "None"),
        (_metric_instance(ValueType.DOUBLE), "Percent"),
        (_metric_instance(ValueType.DURATION), "Microseconds"),
        (_metric_instance(dimensions=10), "Count"),
    ],
)
@in_virtual_time
async def test_what_may_be_measured(instance: InstanceType, unit: str) -> None:
    params = _params("", metric_info={HITS: MetricDatum(Unit[unit])})
    async with AdapterHarness() as harness:
        await harness.build(INFO, params, instances=[instance])


@in_virtual_time
async def test_metrics_alone_need_no_log_group() -> None:
    params = _params("", log_group_name="", log_stream_name="", logs={})
    async with AdapterHarness() as harness:
        await harness.build(INFO, params, instances=INSTANCES[:1])
