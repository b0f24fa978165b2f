"""The HTTP client that is loaded when something is fetched."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from remixer.drivers.http_client import HttpError
from remixer.drivers.http_on_demand import HttpClientOnDemand

_LIMIT = 1000


async def _respond(request: web.Request) -> web.Response:
    return web.Response(body=request.method.encode() + b" " + await request.read())


@pytest.fixture
async def origin() -> AsyncIterator[str]:
    application = web.Application()
    application.router.add_route("*", "/", _respond)
    runner = web.AppRunner(application, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    address = runner.addresses[0]
    yield f"http://127.0.0.1:{address[1]}/"
    await runner.cleanup()


async def test_many_at_once_fetch_over_one_client(origin: str) -> None:
    client = HttpClientOnDemand()
    await client.start()
    async with asyncio.TaskGroup() as group:
        fetches = [
            group.create_task(client.get(origin, timeout_s=5, limit_bytes=_LIMIT)) for _ in range(5)
        ]
    posted = await client.post(origin, b"x", headers={}, timeout_s=5, limit_bytes=_LIMIT)
    await client.aclose()
    assert {fetch.result().body for fetch in fetches} == {b"GET "}
    assert posted.body == b"POST x"


async def test_before_its_start_and_after_its_end_nothing_is_fetched(origin: str) -> None:
    client = HttpClientOnDemand()
    with pytest.raises(HttpError, match="not started"):
        await client.get(origin, timeout_s=5, limit_bytes=_LIMIT)
    await client.start()
    await client.get(origin, timeout_s=5, limit_bytes=_LIMIT)
    await client.aclose()
    await client.aclose()
    with pytest.raises(HttpError, match="not started"):
        await client.post(origin, b"", headers={}, timeout_s=5, limit_bytes=_LIMIT)


@pytest.mark.parametrize("module", ["remixer.drivers.http_on_demand", "remixer.server.main"])
def test_a_server_that_fetches_nothing_loads_no_client(module: str) -> None:
    """Of HTTP, of gRPC, of Kubernetes, of Amazon: each costs megabytes."""
    shown = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", f"import sys, {module}; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    heavy = {"aiohttp", "boto3", "grpc", "kubernetes_asyncio", "opentelemetry", "redis", "typer"}
    assert heavy.isdisjoint(shown.stdout.split())
