"""Pages for people and Prometheus: exact paths, GET and HEAD, one deadline."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import aiohttp
import pytest

from remixer.foundation.clock import SystemClock
from remixer.server.pages import TEXT, Page, PageAnswer, page_handler, pages_part
from remixer.testing.clock import in_virtual_time
from remixer.transport.http1.port import HttpRequest, HttpResponse
from remixer.transport.port import Peer


def hello() -> PageAnswer:
    return 200, TEXT, b"hello\n"


@asynccontextmanager
async def served(pages: Mapping[str, Page]) -> AsyncIterator[str]:
    found: list[str] = []
    part = pages_part(
        "pages",
        pages,
        address="127.0.0.1:0",
        setting="--here",
        clock=SystemClock(),
        on_bound=found.append,
    )
    await part.start()
    try:
        yield f"http://{found[0]}"
    finally:
        await part.aclose()


@asynccontextmanager
async def asked(method: str, path: str) -> AsyncIterator[aiohttp.ClientResponse]:
    """The answer of a server whose one page is `/`."""
    async with (
        served({"/": hello}) as at,
        aiohttp.ClientSession() as http,
        http.request(method, at + path) as answer,
    ):
        yield answer


async def test_a_page_is_given_and_not_kept_by_anybody() -> None:
    async with asked("GET", "/?fresh=1") as answer:
        assert (answer.status, await answer.text()) == (200, "hello\n")
        assert answer.headers["content-type"] == TEXT
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"


async def test_head_has_the_length_and_no_body() -> None:
    async with asked("HEAD", "/") as answer:
        assert (answer.status, answer.headers["content-length"]) == (200, "6")
        assert await answer.read() == b""


async def test_other_paths_are_not_found() -> None:
    async with asked("GET", "/elsewhere") as answer:
        assert (answer.status, await answer.text()) == (404, "nothing at /elsewhere\n")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
async def test_nothing_can_be_changed(method: str) -> None:
    async with asked(method, "/") as answer:
        assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")


async def test_a_defect_of_a_page_is_500_and_others_are_served(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken() -> PageAnswer:
        message = "no such thing"
        raise KeyError(message)

    caplog.set_level(logging.ERROR)
    async with served({"/": hello, "/broken": broken}) as at, aiohttp.ClientSession() as http:
        async with http.get(f"{at}/broken") as answer:
            assert answer.status == 500
            assert "no such thing" not in await answer.text()
        async with http.get(f"{at}/") as answer:
            assert answer.status == 200
    assert "no such thing" in caplog.text


@in_virtual_time
async def test_a_page_that_takes_too_long_is_503() -> None:
    async def slow() -> PageAnswer:
        await asyncio.Event().wait()
        return hello()

    request = HttpRequest("GET", "/slow", (), Peer("ipv4:127.0.0.1:1"))
    answer = page_handler({"/slow": slow})(request)
    assert not isinstance(answer, HttpResponse)
    late = await answer
    assert (late.status, late.body) == (503, b"no answer in time\n")
