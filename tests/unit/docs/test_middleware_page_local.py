"""docs/middleware.md: a Mixer inside the application, as the page's own words make it."""

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

from remixer.embedded import LocalMixer
from remixer.sidecar.asgi_http import Event
from remixer.sidecar.blocking import BlockingMixer
from remixer.testing.texts import action, handler, instance, rule

PAGE = Path(__file__).parents[3] / "docs" / "middleware.md"
BLOCKS = dict(
    re.findall(r"^```py-local (\w+)\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
)
RULES = (
    handler("deny", "status: {code: 7, message: by rule}", adapter="denier", namespace="shop")
    + instance("nothing", "checknothing", namespace="shop")
    + rule("closed", action("deny", "nothing"), namespace="shop")
)


@pytest.fixture(autouse=True)
def rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "shop.yaml").write_text(RULES)
    monkeypatch.chdir(tmp_path)


def app_of(block: str, made: str) -> tuple[Any, Any]:
    """The application of a block, and the Mixer that it made by these words."""
    mixers: list[Any] = []

    def kept(mixer: Any) -> Any:
        mixers.append(mixer)
        return mixer

    names = {"__name__": "page", "kept": kept}
    assert made in BLOCKS[block]
    exec(BLOCKS[block].replace(made, f"kept({made})"), names)  # noqa: S102 - the page's own words
    (only,) = mixers
    return names["app"], only


async def test_the_rules_decide_for_asyncio() -> None:
    app, mixer = app_of("asyncio", 'Remixer.local("rules")')
    assert isinstance(mixer, LocalMixer)
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/",
        "raw_path": b"/",
        "root_path": "",
        "query_string": b"",
        "headers": [],
    }
    sent: list[Event] = []

    async def receive() -> Event:
        return {"type": "http.request"}

    async def send(event: Event) -> None:
        sent.append(event)

    async with mixer:
        async with asyncio.timeout(60):
            await app(scope, receive, send)
        assert mixer.scrape() == b""  # no handler publishes
    assert (sent[0]["status"], sent[1]["body"]) == (403, b"PERMISSION_DENIED:deny.shop:by rule")


def test_the_rules_decide_for_threads() -> None:
    app, mixer = app_of("threads", 'BlockingMixer(lambda: Remixer.local("rules"))')
    assert isinstance(mixer, BlockingMixer)
    heads: list[str] = []
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "SERVER_NAME": "a", "SERVER_PORT": "80"}
    with mixer:
        body = b"".join(app(environ, lambda status, _: heads.append(status)))
    assert (heads, body) == (["403 Forbidden"], b"PERMISSION_DENIED:deny.shop:by rule")
