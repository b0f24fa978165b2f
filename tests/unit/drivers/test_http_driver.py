"""The aiohttp client: redirects, schemes, compression, life."""

import asyncio
import socket
import zlib
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from remixer.drivers.http import AioHttpClient
from remixer.drivers.http_client import HttpError

_LIMIT = 1000


async def _respond(request: web.Request) -> web.Response:
    match request.path:
        case "/moved":
            return web.Response(status=302, headers={"Location": "/here"})
        case "/here":
            return web.Response(body=b"arrived")
        case "/circle":
            return web.Response(status=301, headers={"Location": "/circle"})
        case "/away":
            return web.Response(status=307, headers={"Location": "file:///etc/hostname"})
        case "/nowhere":
            return web.Response(status=302)
        case _:
            packed = zlib.compress(bytes(_LIMIT * 100))
            return web.Response(body=packed, headers={"Content-Encoding": "deflate"})


@pytest.fixture
async def origin() -> AsyncIterator[str]:
    application = web.Application()
    application.router.add_get("/{path:.*}", _respond)
    runner = web.AppRunner(application, shutdown_timeout=0)
    await runner.setup()
    listener = socket.create_server(("127.0.0.1", 0))
    await web.SockSite(runner, listener).start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    await runner.cleanup()


@pytest.fixture
async def client() -> AsyncIterator[AioHttpClient]:
    made = AioHttpClient()
    await made.start()
    yield made
    await made.aclose()


async def test_a_redirect_within_the_scheme_is_followed(client: AioHttpClient, origin: str) -> None:
    response = await client.get(f"{origin}/moved", timeout_s=60, limit_bytes=_LIMIT)
    assert response.body == b"arrived"


async def test_a_redirect_without_location_is_an_answer(client: AioHttpClient, origin: str) -> None:
    response = await client.get(f"{origin}/nowhere", timeout_s=60, limit_bytes=_LIMIT)
    assert response.status == 302


async def test_a_redirect_to_another_scheme_is_an_error(client: AioHttpClient, origin: str) -> None:
    with pytest.raises(HttpError, match="another scheme"):
        await client.get(f"{origin}/away", timeout_s=60, limit_bytes=_LIMIT)


async def test_a_circle_of_redirects_ends(client: AioHttpClient, origin: str) -> None:
    with pytest.raises(HttpError, match="more than 5 redirects"):
        await client.get(f"{origin}/circle", timeout_s=60, limit_bytes=_LIMIT)


async def test_the_limit_counts_unpacked_bytes(client: AioHttpClient, origin: str) -> None:
    with pytest.raises(HttpError, match="longer than"):
        await client.get(f"{origin}/bomb", timeout_s=60, limit_bytes=_LIMIT)


@pytest.mark.parametrize("url", ["file:///etc/hostname", "ftp://host/x", "list", "", "http://"])
async def test_a_url_that_is_not_http_is_an_error(client: AioHttpClient, url: str) -> None:
    with pytest.raises(HttpError):
        await client.get(url, timeout_s=60, limit_bytes=_LIMIT)


async def test_a_client_that_is_not_started_says_so() -> None:
    with pytest.raises(HttpError, match="not started"):
        await AioHttpClient().get("http://127.0.0.1/", timeout_s=1, limit_bytes=1)


async def test_start_and_close_twice_are_safe() -> None:
    client = AioHttpClient()
    await client.start()
    await client.start()
    await client.aclose()
    await client.aclose()


async def test_what_is_no_url_is_told_without_its_secrets() -> None:
    client = AioHttpClient()
    await client.start()
    try:
        with pytest.raises(HttpError) as caught:
            await client.get("http://ann:s3cret@[bad/", timeout_s=60, limit_bytes=_LIMIT)
        assert "s3cret" not in str(caught.value)
    finally:
        await client.aclose()


async def test_an_answer_that_is_no_http_is_told_without_the_secrets_of_the_url() -> None:
    async def talk(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"nonsense\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    client = AioHttpClient()
    await client.start()
    try:
        url = f"http://ann:s3cret@127.0.0.1:{port}/a?token=s3cret"
        with pytest.raises(HttpError, match=r"GET http://127\.0\.0\.1:\d+/a\?…: ") as caught:
            await client.get(url, timeout_s=60, limit_bytes=_LIMIT)
        assert "s3cret" not in str(caught.value)
    finally:
        await client.aclose()
        server.close()
        await server.wait_closed()


async def test_an_answer_that_is_no_http_is_one_line(client: AioHttpClient) -> None:
    async def babble(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"garbage\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(babble, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    async with server:
        with pytest.raises(HttpError) as caught:
            await client.get(url, timeout_s=60, limit_bytes=_LIMIT)
    assert str(caught.value) == f"GET {url}: the answer is no HTTP (Bad status line)"
