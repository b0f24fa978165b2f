"""`zipkin`: which spans are sent, in which batches, and what a Zipkin that refuses them does."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from remixer.adapters.zipkin import INFO, Params, ZipkinHandler
from remixer.drivers.http import AioHttpClient
from remixer.sdk import InstanceType, OutboxFullError
from remixer.templates.instances import TraceSpan
from remixer.testing.adapters import AdapterHarness, RejectedParamsError
from remixer.testing.clock import in_virtual_time
from remixer.testing.http import Answer

_URL = "http://zipkin.test/api/v2/spans"
_ALL = Params(_URL, 1.0)


def _span(number: int = 1, *, trace_id: str = "463ac35c9f6413ad48485a3953bb6124") -> TraceSpan:
    return TraceSpan("s", trace_id=trace_id, span_id=f"{number:016x}", span_name="GET /")


def _posted(harness: AdapterHarness) -> list[list[str]]:
    """Ids of the spans of each POST."""
    return [[each["id"] for each in json.loads(post.body)] for post in harness.http.posted]


def _ids(*numbers: int) -> list[str]:
    return [f"{number:016x}" for number in numbers]


@in_virtual_time
async def test_spans_of_a_second_go_in_one_post_of_json() -> None:
    async with AdapterHarness() as harness:
        harness.http.serve(_URL, Answer(status=202))
        handler = await harness.build(INFO, _ALL)
        handler.report([_span(1), _span(2)])
        handler.report([_span(3)])
        await harness.advance(1.1)
        assert _posted(harness) == [_ids(1, 2, 3)]
        (post,) = harness.http.posted
        assert (post.url, dict(post.headers)) == (_URL, {"content-type": "application/json"})
        assert handler.outbox.sent == 3


@in_virtual_time
async def test_a_hundred_spans_are_a_batch() -> None:
    async with AdapterHarness() as harness:
        harness.http.serve(_URL, Answer(status=202))
        handler = await harness.build(INFO, _ALL)
        handler.report([_span(number) for number in range(1, 102)])
        await harness.advance(0.1)
        assert [len(batch) for batch in _posted(harness)] == [100]
        await harness.advance(1)
        assert [len(batch) for batch in _posted(harness)] == [100, 1]


@in_virtual_time
async def test_traces_outside_the_share_and_spans_without_ids_are_left_out() -> None:
    async with AdapterHarness() as harness:
        harness.http.serve(_URL, Answer(status=202))
        handler = await harness.build(INFO, Params(_URL, 0.5))
        handler.report(
            [
                _span(1, trace_id="f" * 32),
                _span(2, trace_id="0" * 15 + "1" * 17),
                _span(3, trace_id="48485a3953bb6124"),
                _span(4, trace_id="none"),
            ]
        )
        await harness.advance(1.1)
        assert _posted(harness) == [_ids(2, 3)]


@in_virtual_time
async def test_by_default_nothing_is_sent() -> None:
    async with AdapterHarness() as harness:
        handler = await harness.build(INFO, Params(_URL))
        handler.report([_span()])
        await harness.advance(60)
        assert harness.http.posted == []


@in_virtual_time
async def test_what_is_there_is_sent_at_the_end() -> None:
    async with AdapterHarness() as harness:
        harness.http.serve(_URL, Answer(status=202))
        handler = await harness.build(INFO, _ALL)
        handler.report([_span(1)])
        await harness.close(handler)
        assert _posted(harness) == [_ids(1)]


@pytest.mark.parametrize(
    "refusal",
    [
        Answer(error="connection refused"),
        Answer(status=503),
        Answer(status=429),
        Answer(after_s=3600),
        Answer(b"x" * 100_000),
    ],
)
def test_a_refused_batch_is_posted_again_five_times_at_most(refusal: Answer) -> None:
    @in_virtual_time
    async def scenario() -> None:
        async with AdapterHarness() as harness:
            harness.http.serve(_URL, refusal)
            handler = await harness.build(INFO, _ALL)
            handler.report([_span(1)])
            await harness.advance(120)
            assert _posted(harness) == [_ids(1)] * 5
            assert handler.outbox.dropped == 1

    scenario()


@in_virtual_time
async def test_zipkin_that_comes_back_gets_the_batch() -> None:
    async with AdapterHarness() as harness:
        handler = await harness.build(INFO, _ALL)
        handler.report([_span(1)])
        await harness.advance(1.1)
        harness.http.serve(_URL, Answer(status=202))
        await harness.advance(5)
        assert (handler.outbox.sent, handler.outbox.dropped) == (1, 0)


@pytest.mark.parametrize("status", [301, 400, 404, 413])
def test_what_zipkin_will_never_take_is_posted_once(status: int) -> None:
    @in_virtual_time
    async def scenario() -> None:
        async with AdapterHarness() as harness:
            harness.http.serve(_URL, Answer(status=status))
            handler = await harness.build(INFO, _ALL)
            handler.report([_span(1)])
            await harness.advance(120)
            assert _posted(harness) == [_ids(1)]
            assert handler.outbox.dropped == 1

    scenario()


@in_virtual_time
async def test_without_room_spans_are_dropped_and_counted() -> None:
    async with AdapterHarness() as harness:
        harness.http.serve(_URL, Answer(after_s=3600))
        handler = await harness.build(INFO, _ALL)
        spans = [_span(number) for number in range(1, 10_101)]
        handler.report(spans)  # a batch and a queue
        with pytest.raises(OutboxFullError, match=r"2 spans dropped: no room \(2 so far\)"):
            handler.report([_span(1), _span(2)])


@in_virtual_time
async def test_closing_waits_no_longer_than_a_second_for_zipkin() -> None:
    async with AdapterHarness() as harness:
        harness.http.serve(_URL, Answer(after_s=3600))
        handler = await harness.build(INFO, _ALL)
        handler.report([_span(1)])
        await harness.advance(1.5)
        begun_s = harness.clock.monotonic_s()
        await harness.close(handler)
        assert harness.clock.monotonic_s() - begun_s == pytest.approx(1)
        assert handler.outbox.dropped == 1


# ---------------------------------------------------------------- a Zipkin on a socket


@asynccontextmanager
async def _zipkin(answer: Any) -> AsyncIterator[tuple[str, asyncio.Queue[list[Any]]]]:
    """Address of a Zipkin that answers so, and the batches it takes."""
    batches: asyncio.Queue[list[Any]] = asyncio.Queue(maxsize=100)

    async def take(request: web.Request) -> web.StreamResponse:
        batches.put_nowait(await request.json())
        return await answer(request)

    app = web.Application()
    app.router.add_post("/api/v2/spans", take)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        port = runner.addresses[0][1]
        yield f"http://127.0.0.1:{port}/api/v2/spans", batches
    finally:
        await runner.cleanup()


async def _accept(_request: web.Request) -> web.StreamResponse:
    return web.Response(status=202)


@pytest.mark.usefixtures("patient_ends")
async def test_a_zipkin_on_a_socket_gets_the_spans() -> None:
    http = AioHttpClient()
    await http.start()
    async with _zipkin(_accept) as (url, batches), AdapterHarness() as harness:
        harness.http = http  # type: ignore[assignment] - the real one in place of the fake
        handler: ZipkinHandler = await harness.build(INFO, Params(url, 1.0))
        handler.report([_span(1)])
        await harness.close(handler)
        assert [each["id"] for each in batches.get_nowait()] == _ids(1)
        assert handler.outbox.sent == 1
    await http.aclose()


@pytest.mark.usefixtures("patient_ends")
async def test_a_zipkin_that_dies_midway_gets_the_batch_again() -> None:
    calls = 0

    async def die_once(request: web.Request) -> web.StreamResponse:
        nonlocal calls
        calls += 1
        if calls == 1 and request.transport is not None:
            request.transport.abort()
        return web.Response(status=202)

    http = AioHttpClient()
    await http.start()
    async with _zipkin(die_once) as (url, batches), AdapterHarness() as harness:
        harness.http = http  # type: ignore[assignment] - the real one in place of the fake
        handler: ZipkinHandler = await harness.build(INFO, Params(url, 1.0))
        handler.report([_span(number) for number in range(1, 101)])
        async with asyncio.timeout(60):
            first, second = await batches.get(), await batches.get()
        assert first == second
        await harness.close(handler)
        assert (handler.outbox.sent, handler.outbox.dropped) == (100, 0)
    await http.aclose()


# ---------------------------------------------------------------- parameters


@pytest.mark.parametrize(
    ("params", "path"),
    [
        (Params(_URL, -0.1), "sample_probability"),
        (Params(_URL, 1.1), "sample_probability"),
        (Params(_URL, float("nan")), "sample_probability"),
        (Params("zipkin:9411", 1.0), "url"),
        (Params("ftp://zipkin/x", 1.0), "url"),
        (Params("http://zipkin:x/", 1.0), "url"),
        (Params("", 0.5), "url"),
    ],
)
async def test_parameters_that_cannot_work_are_refused(params: Params, path: str) -> None:
    async with AdapterHarness() as harness:
        with pytest.raises(RejectedParamsError) as caught:
            await harness.build(INFO, params, instances=[InstanceType("s", "tracespan", {})])
        assert [each.path for each in caught.value.problems] == [path]
