"""What the monitoring address serves: health, readiness, version, metrics, and a list of them."""

import json
import platform
from collections.abc import Mapping
from html import escape
from typing import Final, Protocol

from remixer import __version__
from remixer.foundation.build import is_compiled
from remixer.observability.serving_metrics import CONTENT_TYPE
from remixer.server.lifecycle import Readiness
from remixer.server.pages import HTML, JSON, TEXT, Page, PageAnswer

_PAGES: Final[Mapping[str, str]] = {
    "/healthz": "200 while the process is alive",
    "/readyz": "200 when requests should come here, else 503 and why not",
    "/metrics": "Remixer's own metrics, for Prometheus",
    "/version": "versions, as JSON",
}


class MetricsSource(Protocol):
    """Metrics in Prometheus's text format."""

    def render(self) -> bytes: ...


def monitoring_routes(*, readiness: Readiness, metrics: MetricsSource) -> dict[str, Page]:
    """Pages by path."""

    def readyz() -> PageAnswer:
        reasons = readiness.reasons()
        if not reasons:
            return 200, TEXT, b"ready\n"
        return 503, TEXT, "".join(f"not ready: {each}\n" for each in reasons).encode()

    def expose() -> PageAnswer:
        return 200, CONTENT_TYPE, metrics.render()

    return {
        "/": _index,
        "/healthz": _healthz,
        "/readyz": readyz,
        "/metrics": expose,
        "/version": _version,
    }


def _healthz() -> PageAnswer:
    return 200, TEXT, b"alive\n"


def _version() -> PageAnswer:
    versions = {
        "version": __version__,
        "python": platform.python_version(),
        "compiled": is_compiled(),
    }
    return 200, JSON, json.dumps(versions).encode() + b"\n"


def _index() -> PageAnswer:
    links = "".join(
        f'<li><a href="{path}">{path}</a>: {escape(about)}</li>' for path, about in _PAGES.items()
    )
    page = (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Remixer</title>'
        f"<h1>Remixer {escape(__version__)}</h1><ul>{links}</ul></html>\n"
    )
    return 200, HTML, page.encode()
