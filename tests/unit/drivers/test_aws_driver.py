"""boto3 behind its port: against moto's server, and against back ends that misbehave."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager

import boto3
import pytest
from aiohttp import web
from moto.server import ThreadedMotoServer

from remixer.drivers.aws import (
    AwsError,
    AwsTimeouts,
    CloudWatchClient,
    LogEvent,
    MetricDatum,
    open_cloudwatch,
)
from remixer.foundation.clock import SystemClock

REGION = "eu-west-1"
NOW_NS = SystemClock().unix_ns()
DATUM = MetricDatum("hits", 2.0, "Count", (("user", "eve"),), NOW_NS)
EVENT = LogEvent(NOW_NS // 1_000_000, "line")


@pytest.fixture(autouse=True)
def _aws_of_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials that open nothing, and no look at files or the network for others."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/nonexistent/aws")
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture(scope="module")
def moto_url() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@asynccontextmanager
async def _client(url: str, **timeouts: float) -> AsyncIterator[CloudWatchClient]:
    wanted = AwsTimeouts(**timeouts)
    client = await open_cloudwatch(region=REGION, endpoint_url=url, timeouts=wanted)
    try:
        yield client
    finally:
        client.close()


@asynccontextmanager
async def _back_end(
    answer: Callable[[web.Request], Awaitable[web.StreamResponse]],
) -> AsyncIterator[str]:
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(application, shutdown_timeout=0)
    await runner.setup()
    listener = socket.create_server(("127.0.0.1", 0))
    await web.SockSite(runner, listener).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        await runner.cleanup()


async def _failure(url: str, **timeouts: float) -> AwsError:
    async with _client(url, **timeouts) as client:
        with pytest.raises(AwsError) as caught:
            await client.put_metrics("Shop", [DATUM])
    return caught.value


# ---------------------------------------------------------------- a back end that works


async def test_metrics_arrive(moto_url: str) -> None:
    async with _client(moto_url) as client:
        await client.put_metrics("Driver", [DATUM])
    reader = boto3.client("cloudwatch", region_name=REGION, endpoint_url=moto_url)
    (found,) = reader.list_metrics(Namespace="Driver")["Metrics"]
    assert found["MetricName"] == "hits"
    assert found["Dimensions"] == [{"Name": "user", "Value": "eve"}]


async def test_logs_arrive(moto_url: str) -> None:
    reader = boto3.client("logs", region_name=REGION, endpoint_url=moto_url)
    reader.create_log_group(logGroupName="driver")
    reader.create_log_stream(logGroupName="driver", logStreamName="s")
    async with _client(moto_url) as client:
        assert await client.put_logs("driver", "s", [EVENT]) == 0
    events = reader.get_log_events(logGroupName="driver", logStreamName="s")["events"]
    assert [each["message"] for each in events] == ["line"]


@pytest.mark.parametrize(
    ("told", "wanted"),
    [
        ("{}", 0),
        ('{"rejectedLogEventsInfo": {"tooOldLogEventEndIndex": 1}}', 1),
        ('{"rejectedLogEventsInfo": {"expiredLogEventEndIndex": 2}}', 2),
        ('{"rejectedLogEventsInfo": {"tooNewLogEventStartIndex": 3}}', 1),
        (
            (
                '{"rejectedLogEventsInfo": '
                '{"tooOldLogEventEndIndex": 1, "tooNewLogEventStartIndex": 2}}'
            ),
            3,
        ),
        ('{"rejectedLogEventsInfo": {"tooOldLogEventEndIndex": 999}}', 4),
    ],
)
async def test_events_that_the_service_refuses_are_counted(told: str, wanted: int) -> None:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(text=told, content_type="application/x-amz-json-1.1")

    async with _back_end(answer) as url, _client(url) as client:
        assert await client.put_logs("g", "s", [EVENT] * 4) == wanted


async def test_a_log_group_that_is_not_there_is_told(moto_url: str) -> None:
    async with _client(moto_url) as client:
        with pytest.raises(AwsError, match="log group or stream does not exist") as caught:
            await client.put_logs("nowhere", "s", [EVENT])
    assert not caught.value.can_retry


# ---------------------------------------------------------------- one that does not


async def test_nobody_listening_may_be_tried_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    error = await _failure(f"http://127.0.0.1:{port}")
    assert "EndpointConnectionError" in str(error)
    assert error.can_retry


@pytest.mark.parametrize(
    ("status", "code", "can_retry"),
    [
        (400, "InvalidParameterValue", False),
        (400, "Throttling", True),
        (403, "AccessDenied", False),
        (429, "Whatever", True),
        (503, "ServiceUnavailable", True),
    ],
)
async def test_what_may_be_tried_again(status: int, code: str, *, can_retry: bool) -> None:
    async def answer(_request: web.Request) -> web.Response:
        body = f'{{"__type": "com.amazonaws#{code}", "message": "eve is secret"}}'
        return web.Response(status=status, text=body, content_type="application/json")

    async with _back_end(answer) as url:
        error = await _failure(url)
    assert error.can_retry is can_retry
    assert "secret" not in str(error)


@pytest.mark.parametrize("body", [b"", b"\x00garbage", b"<html>", b"{"])
async def test_garbage_with_an_error_status_is_an_error(body: bytes) -> None:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(status=500, body=body)

    async with _back_end(answer) as url:
        assert (await _failure(url)).can_retry


async def test_a_back_end_that_never_answers_times_out() -> None:
    released = asyncio.Event()

    async def answer(_request: web.Request) -> web.Response:
        await released.wait()
        return web.Response()

    async with _back_end(answer) as url:
        error = await _failure(url, read_s=0.1)
        released.set()
    assert "ReadTimeoutError" in str(error)
    assert error.can_retry


async def test_a_call_that_does_not_come_back_is_left_alone_and_no_other_begins() -> None:
    arrived, released = asyncio.Event(), asyncio.Event()
    calls = 0

    async def answer(_request: web.Request) -> web.Response:
        nonlocal calls
        calls += 1
        arrived.set()
        await released.wait()
        return web.Response(text="{}")

    async with _back_end(answer) as url, _client(url, call_s=0.1) as client:
        with pytest.raises(AwsError, match="no answer within"):
            await client.put_metrics("Shop", [DATUM])
        await arrived.wait()
        with pytest.raises(AwsError, match="has not come back"):
            await client.put_metrics("Shop", [DATUM])
        released.set()
    assert calls == 1


async def test_a_connection_that_dies_midway_is_an_error() -> None:
    async def answer(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async with _back_end(answer) as url:
        assert (await _failure(url)).can_retry


# ---------------------------------------------------------------- without what it needs


async def test_a_missing_region_is_told_with_the_next_step() -> None:
    with pytest.raises(AwsError, match="set `region`, or AWS_REGION"):
        await open_cloudwatch(region="", endpoint_url="")


async def test_a_region_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-north-1")
    (await open_cloudwatch(region="", endpoint_url="")).close()


async def test_an_endpoint_that_is_none_is_told() -> None:
    with pytest.raises(AwsError, match="no client for CloudWatch"):
        await open_cloudwatch(region=REGION, endpoint_url="nonsense")


async def test_missing_credentials_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    error = await _failure("http://127.0.0.1:1")
    assert "give AWS credentials to the process" in str(error)
    assert not error.can_retry
