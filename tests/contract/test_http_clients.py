"""What every `HttpClient` keeps to: the real one over a socket, and the fake of the harness."""

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Protocol
from urllib.parse import urlsplit

import pytest
from aiohttp import web

from remixer.drivers.http import AioHttpClient
from remixer.drivers.http_client import HttpClient, HttpError
from remixer.testing.http import Answer, FakeHttpClient

_LIMIT = 1000


class Site(Protocol):
    """A client and the place it talks to."""

    client: HttpClient

    def url(self, path: str) -> str:
        """Address of a path of this site."""
        ...

    def posted(self) -> tuple[str, bytes, str]:
        """Path, body and header `X-Token` of the last POST."""
        ...


class _Fake:
    def __init__(self, answers: Mapping[str, Answer]) -> None:
        self.client = FakeHttpClient()
        for path, answer in answers.items():
            self.client.serve(self.url(path), answer)

    def url(self, path: str) -> str:
        return f"http://fake.test{path}"

    def posted(self) -> tuple[str, bytes, str]:
        last = self.client.posted[-1]
        return urlsplit(last.url).path, last.body, last.headers["X-Token"]


class _Real:
    def __init__(
        self, client: AioHttpClient, port: int, seen: list[tuple[str, bytes, str]]
    ) -> None:
        self.client = client
        self._port = port
        self._seen = seen

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self._port}{path}"

    def posted(self) -> tuple[str, bytes, str]:
        return self._seen[-1]


@asynccontextmanager
async def _real(answers: Mapping[str, Answer]) -> AsyncIterator[_Real]:
    closing = asyncio.Event()
    seen: list[tuple[str, bytes, str]] = []

    async def respond(request: web.Request) -> web.Response:
        answer = answers[request.path]
        if request.method == "POST":
            token = request.headers.get("X-Token", "")
            seen.append((request.path, await request.read(), token))
        if answer.after_s:
            await closing.wait()
        return web.Response(body=answer.body, status=answer.status, headers=answer.headers)

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", respond)
    runner = web.AppRunner(application, shutdown_timeout=0)
    await runner.setup()
    listener = socket.create_server(("127.0.0.1", 0))
    await web.SockSite(runner, listener).start()
    client = AioHttpClient()
    await client.start()
    try:
        yield _Real(client, listener.getsockname()[1], seen)
    finally:
        closing.set()
        await client.aclose()
        await runner.cleanup()


@asynccontextmanager
async def _fake(answers: Mapping[str, Answer]) -> AsyncIterator[_Fake]:
    yield _Fake(answers)


@pytest.fixture(params=["real", "fake"])
async def site(request: pytest.FixtureRequest) -> AsyncIterator[Site]:
    answers = {
        "/list": Answer(b"a\nb\n", headers={"X-Version": "7"}),
        "/moved": Answer(status=307, headers={"Location": "/list"}),
        "/gone": Answer(b"sorry", status=404),
        "/just": Answer(b"x" * _LIMIT),
        "/long": Answer(b"x" * (_LIMIT + 1)),
        "/slow": Answer(b"late", after_s=30),
    }
    make = _real if request.param == "real" else _fake
    async with make(answers) as made:
        yield made


async def test_a_whole_answer_has_status_headers_and_body(site: Site) -> None:
    response = await site.client.get(site.url("/list"), timeout_s=60, limit_bytes=_LIMIT)
    assert (response.status, response.body) == (200, b"a\nb\n")
    assert response.headers["X-Version"] == "7"


async def test_an_error_status_is_an_answer(site: Site) -> None:
    response = await site.client.get(site.url("/gone"), timeout_s=60, limit_bytes=_LIMIT)
    assert (response.status, response.body) == (404, b"sorry")


async def test_a_post_carries_its_body_and_gives_the_answer(site: Site) -> None:
    response = await site.client.post(
        site.url("/list"), b"{}", headers={"X-Token": "t"}, timeout_s=60, limit_bytes=_LIMIT
    )
    assert (response.status, response.body) == (200, b"a\nb\n")
    assert site.posted() == ("/list", b"{}", "t")


async def test_a_post_does_not_follow_a_redirect(site: Site) -> None:
    response = await site.client.post(
        site.url("/moved"), b"x", headers={}, timeout_s=60, limit_bytes=_LIMIT
    )
    assert response.status == 307


async def test_an_answer_to_a_post_one_byte_over_the_limit_is_an_error(site: Site) -> None:
    with pytest.raises(HttpError, match=r"POST .* longer than 1000 bytes"):
        await site.client.post(site.url("/long"), b"", headers={}, timeout_s=60, limit_bytes=_LIMIT)


async def test_a_body_of_just_the_limit_passes(site: Site) -> None:
    response = await site.client.get(site.url("/just"), timeout_s=60, limit_bytes=_LIMIT)
    assert len(response.body) == _LIMIT


async def test_a_body_one_byte_over_the_limit_is_an_error(site: Site) -> None:
    with pytest.raises(HttpError, match="longer than 1000 bytes"):
        await site.client.get(site.url("/long"), timeout_s=60, limit_bytes=_LIMIT)


async def test_a_late_answer_is_an_error_that_names_the_time(site: Site) -> None:
    with pytest.raises(HttpError, match=r"no answer within 0\.05 s"):
        await site.client.get(site.url("/slow"), timeout_s=0.05, limit_bytes=_LIMIT)


async def test_a_refused_connection_is_an_error_that_names_the_url(site: Site) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    url = f"http://127.0.0.1:{port}/"
    with pytest.raises(HttpError, match=f"GET {url}: "):
        await site.client.get(url, timeout_s=60, limit_bytes=_LIMIT)


@pytest.mark.parametrize("path", ["/slow", "/long"])
async def test_no_error_shows_what_is_secret_in_an_address(site: Site, path: str) -> None:
    url = site.url(f"{path}?token=s3cret").replace("://", "://ann:s3cret@")
    if isinstance(site.client, FakeHttpClient):
        site.client.serve(url, Answer(error="refused"))
    with pytest.raises(HttpError) as caught:
        await site.client.get(url, timeout_s=0.05, limit_bytes=1)
    assert "s3cret" not in str(caught.value)
    assert f"{path}?…" in str(caught.value)
