"""Collectors on real sockets: what they got, and manners that a test chooses."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest
from aiohttp import web
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as traces

_SERVICES = {
    "metrics": ("metrics.v1.MetricsService", metrics.ExportMetricsServiceRequest),
    "logs": ("logs.v1.LogsService", logs.ExportLogsServiceRequest),
    "traces": ("trace.v1.TraceService", traces.ExportTraceServiceRequest),
}


@dataclass
class Collector:
    """`manners` gets each call's transport object and gives the answer's bytes."""

    endpoint: str = ""
    over_http: bool = False
    manners: Callable[[Any], Awaitable[Any]] | None = None
    got: dict[str, asyncio.Queue[Any]] = field(
        default_factory=lambda: {name: asyncio.Queue() for name in _SERVICES}
    )
    headers: list[dict[str, str]] = field(default_factory=list)
    compressed: list[bool] = field(default_factory=list)

    async def next(self, signal: str) -> Any:
        """The next request of one signal."""
        async with asyncio.timeout(60):
            return await self.got[signal].get()

    async def answer(self, call: Any) -> Any:
        return b"" if self.manners is None else await self.manners(call)


def _grpc_handler(collector: Collector, signal: str) -> grpc.GenericRpcHandler:
    service, request = _SERVICES[signal]

    async def export(body: bytes, call: Any) -> bytes:
        collector.headers.append(dict(call.invocation_metadata()))
        collector.got[signal].put_nowait(request.FromString(body))
        answer = await collector.answer(call)
        assert isinstance(answer, bytes)
        return answer

    handler = grpc.unary_unary_rpc_method_handler(export)
    return grpc.method_handlers_generic_handler(
        f"opentelemetry.proto.collector.{service}", {"Export": handler}
    )


@pytest.fixture
async def grpc_collector() -> AsyncIterator[Collector]:
    """A collector that speaks gRPC."""
    collector = Collector()
    server = grpc.aio.server()
    server.add_generic_rpc_handlers([_grpc_handler(collector, signal) for signal in _SERVICES])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    collector.endpoint = f"127.0.0.1:{port}"
    yield collector
    await server.stop(None)


@pytest.fixture
async def http_collector() -> AsyncIterator[Collector]:
    """A collector that speaks HTTP with protobuf."""
    collector = Collector(over_http=True)

    async def take(request: web.Request) -> web.StreamResponse:
        signal = request.match_info["signal"]
        assert request.headers["content-type"] == "application/x-protobuf"
        collector.headers.append({name.lower(): text for name, text in request.headers.items()})
        # aiohttp has decompressed the body already.
        collector.compressed.append(request.headers.get("content-encoding") == "gzip")
        body = await request.read()
        body = gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body
        collector.got[signal].put_nowait(_SERVICES[signal][1].FromString(body))
        answer = await collector.answer(request)
        return answer if isinstance(answer, web.StreamResponse) else web.Response(body=answer)

    app = web.Application()
    app.router.add_post("/base/v1/{signal}", take)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    collector.endpoint = f"http://127.0.0.1:{runner.addresses[0][1]}/base"
    yield collector
    await runner.cleanup()


@pytest.fixture(params=["grpc", "http"])
def collector(request: pytest.FixtureRequest) -> Collector:
    """One collector after the other."""
    found: Collector = request.getfixturevalue(f"{request.param}_collector")
    return found
