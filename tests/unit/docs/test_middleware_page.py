"""docs/middleware.md: the two lines of each framework put the middleware in the way."""

import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from remixer.sidecar.asgi_http import Event
from remixer.sidecar.hop_trust import HopTrust
from remixer.testing.app_mixers import FakeAppMixer, FakeBlockingMixer, denied

PAGE = Path(__file__).parents[3] / "docs" / "middleware.md"
BLOCKS = dict(
    re.findall(r"^```python (\w+)\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
)
_CLIENT = r"(Blocking)?MixerClient\(\"mixer:9091\"\)"


@pytest.fixture(scope="module", autouse=True)
def django() -> None:
    if not settings.configured:
        settings.configure(ROOT_URLCONF=__name__)


urlpatterns: list[object] = []


def app_of(framework: str) -> tuple[Any, list[Any]]:
    """The application of a block, asking a Mixer that denies, and its reports."""
    made: list[Any] = []

    def mixer(kind: Callable[[Any], Any]) -> Any:
        made.append(kind(lambda _: denied(message=framework)))
        return made[-1]

    text = re.sub(_CLIENT, lambda found: f"mixer({found[1] or 'Async'})", BLOCKS[framework])
    names = {
        "mixer": mixer,
        "Async": FakeAppMixer,
        "Blocking": FakeBlockingMixer,
        "__name__": "page",
    }
    exec(text, names)  # noqa: S102 - the page's own words
    (only,) = made
    return names["app"], only.reports


@pytest.mark.parametrize("framework", ["starlette", "fastapi", "litestar", "quart"])
def test_two_lines_stand_before_an_asgi_application(framework: str) -> None:
    app, reports = app_of(framework)
    sent: list[Event] = []

    async def receive() -> Event:
        return {"type": "http.request"}

    async def send(event: Event) -> None:
        sent.append(event)

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
    asyncio.run(app(scope, receive, send))
    assert (sent[0]["status"], sent[1]["body"]) == (403, f"PERMISSION_DENIED:{framework}".encode())
    assert len(reports) == 1


@pytest.mark.parametrize("framework", ["flask", "django"])
def test_two_lines_stand_before_a_wsgi_application(framework: str) -> None:
    app, reports = app_of(framework)
    heads: list[str] = []
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "SERVER_NAME": "a", "SERVER_PORT": "80"}
    body = app(environ, lambda status, _: heads.append(status))
    assert heads == ["403 Forbidden"]
    assert b"".join(body) == f"PERMISSION_DENIED:{framework}".encode()
    assert len(reports) == 1


def test_every_framework_of_the_page_is_tried() -> None:
    assert set(BLOCKS) == {"starlette", "fastapi", "litestar", "quart", "flask", "django"}


def test_the_page_s_trust_is_understood() -> None:
    (text,) = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {"HopTrust": HopTrust}
    exec(text, names)  # noqa: S102 - the page's own words
    assert names["trust"].addresses.is_unix_trusted
