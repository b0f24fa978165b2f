"""The pages of the monitoring address."""

import json
from collections.abc import Awaitable

from remixer import __version__
from remixer.foundation.build import is_compiled
from remixer.server.lifecycle import Phase, Readiness
from remixer.server.monitoring import monitoring_routes
from remixer.server.pages import PageAnswer


class FixedMetrics:
    def render(self) -> bytes:
        return b"up 1\n"


def get(path: str, readiness: Readiness | None = None) -> PageAnswer:
    routes = monitoring_routes(readiness=readiness or Readiness(), metrics=FixedMetrics())
    answer = routes[path]()
    assert not isinstance(answer, Awaitable)
    return answer


def test_process_is_alive_while_it_starts() -> None:
    assert get("/healthz")[0] == 200


def test_process_is_not_ready_until_it_serves() -> None:
    status, _type, body = get("/readyz")
    assert (status, body) == (503, b"not ready: starting\n")


def test_process_is_ready_when_it_serves_and_misses_nothing() -> None:
    readiness = Readiness()
    readiness.phase = Phase.SERVING
    assert get("/readyz", readiness)[0] == 200


def test_every_reason_is_told() -> None:
    readiness = Readiness()
    readiness.phase = Phase.DRAINING
    readiness.wait_for("configuration", "not loaded yet")
    status, _type, body = get("/readyz", readiness)
    assert status == 503
    assert body == b"not ready: draining\nnot ready: configuration: not loaded yet\n"


def test_metrics_are_in_the_text_format() -> None:
    assert get("/metrics") == (200, "text/plain; version=0.0.4; charset=utf-8", b"up 1\n")


def test_version_is_json() -> None:
    status, content_type, body = get("/version")
    assert (status, content_type) == (200, "application/json")
    assert json.loads(body)["version"] == __version__
    assert json.loads(body)["compiled"] is is_compiled()


def test_index_links_to_every_page() -> None:
    routes = monitoring_routes(readiness=Readiness(), metrics=FixedMetrics())
    page = get("/")[2].decode()
    for path in routes:
        assert path == "/" or f'href="{path}"' in page
