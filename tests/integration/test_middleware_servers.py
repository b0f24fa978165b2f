"""Middleware in real servers: one policy, the same site in every framework, the same answers."""

import json
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

_APPS = Path(__file__).parent / "middleware_apps"
_ASGI = ("starlette", "fastapi", "litestar", "quart", "plain")
_WSGI = ("flask", "django")
_PATIENCE_S = 60.0
_LARGEST_REPORT = 65_536


class UnixConnection(HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("cart.shop", timeout=_PATIENCE_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(_PATIENCE_S)
        self.sock.connect(str(self._path))


@dataclass
class Server:
    """A server process, and where its reports arrive."""

    directory: Path
    process: "subprocess.Popen[str]"
    reports: socket.socket

    def open(self) -> UnixConnection:
        return UnixConnection(self.directory / "app.sock")

    def ask(
        self,
        path: str,
        *,
        method: str = "GET",
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[HTTPResponse, bytes]:
        connection = self.open()
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response, response.read()
        finally:
            connection.close()

    def report(self) -> dict[str, object]:
        found: dict[str, object] = json.loads(self.reports.recv(_LARGEST_REPORT))
        return found


def command_of(framework: str) -> list[str]:
    if framework in _ASGI:
        uvicorn = ["-m", "uvicorn", f"{framework}_app:app", "--app-dir", str(_APPS)]
        return [*uvicorn, "--uds", "app.sock", "--no-access-log", "--lifespan", "on"]
    forked = ["--preload", "--workers", "2", "--pythonpath", str(_APPS), "--no-control-socket"]
    return ["-m", "gunicorn", *forked, "--bind", "unix:app.sock", f"{framework}_app:app"]


@pytest.fixture(scope="module", params=[*_ASGI, *_WSGI])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    # Not pytest's directory: the path of a Unix socket has at most 107 characters.
    with (
        tempfile.TemporaryDirectory() as name,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as reports,
        (Path(name) / "log").open("w+") as log,
    ):
        directory = Path(name)
        reports.bind(str(directory / "reports.sock"))
        reports.settimeout(_PATIENCE_S)
        process = subprocess.Popen(  # noqa: S603 - our own words
            [sys.executable, *command_of(request.param)],
            cwd=directory,
            stdout=log,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            _wait_for_start(process)
            yield Server(directory, process, reports)
        finally:
            process.terminate()
            _, rest = process.communicate(timeout=_PATIENCE_S)
        assert process.returncode in {0, -15}, rest


def _wait_for_start(process: "subprocess.Popen[str]") -> None:
    assert process.stderr is not None
    lines: list[str] = []
    for line in process.stderr:
        lines.append(line)
        if "Uvicorn running" in line or "Booting worker" in line:
            return
    pytest.fail("".join(lines))


def test_an_allowed_request_is_changed_answered_and_reported(server: Server) -> None:
    response, body = server.ask("/hello?a=1", headers={"user-agent": "test"})
    assert (response.status, body) == (200, b"hello seen")
    assert response.headers["x-checked"] == "yes"
    report = server.report()
    assert (report["response.code"], report["response.size"]) == (200, len(body))
    assert (report["request.path"], report["request.url_path"]) == ("/hello?a=1", "/hello")
    assert (report["request.query_params"], report["request.method"]) == ({"a": "1"}, "GET")
    assert (report["request.host"], report["request.useragent"]) == ("cart.shop", "test")
    assert (report["destination.service.name"], report["context.protocol"]) == ("cart", "http")
    assert (report["request.size"], report["check.cache_hit"]) == (0, False)
    assert report["context.proxy_error_code"] == "-"
    headers = report["response.headers"]
    assert isinstance(headers, dict)
    assert (headers[":status"], headers["x-checked"]) == ("200", "yes")
    assert "source.ip" not in report


def test_a_denial_is_answered_and_reported(server: Server) -> None:
    response, body = server.ask("/denied")
    assert (response.status, body) == (403, b"PERMISSION_DENIED:not you")
    assert "x-checked" not in response.headers
    report = server.report()
    assert (report["response.code"], report["check.error_code"]) == (403, 7)
    assert report["context.proxy_error_code"] == "UAEX"


def test_a_denied_upload_is_answered_before_its_body_comes(server: Server) -> None:
    connection = server.open()
    connection.putrequest("POST", "/denied")
    connection.putheader("content-length", "1000000")
    connection.endheaders()
    assert connection.getresponse().status == 403
    connection.close()
    assert server.report()["response.code"] == 403


def test_a_direct_response_is_sent(server: Server) -> None:
    response, body = server.ask("/moved")
    assert (response.status, response.headers["location"], body) == (302, "/hello", b"")
    assert server.report()["response.code"] == 302


def test_a_body_reaches_the_application_whole(server: Server) -> None:
    response, body = server.ask("/echo", method="POST", body=b"x" * 300_000)
    assert (response.status, body) == (200, b"300000")
    report = server.report()
    assert (report["request.size"], report["request.method"]) == (300_000, "POST")


def test_a_stream_is_counted(server: Server) -> None:
    response, body = server.ask("/stream")
    assert (response.status, body) == (200, b"part" * 3)
    assert server.report()["response.size"] == len(body)


def test_an_application_that_fails_is_reported_with_500(server: Server) -> None:
    response, _ = server.ask("/boom")
    assert (response.status, server.report()["response.code"]) == (500, 500)


def test_excluded_paths_are_not_reported(server: Server) -> None:
    assert server.ask("/healthz")[1] == b"well"
    server.ask("/hello")
    assert server.report()["request.path"] == "/hello"


def test_a_trusted_socket_tells_the_client_s_address(server: Server) -> None:
    headers = {"x-forwarded-for": "203.0.113.9", "x-istio-attributes": "Zm9v"}
    server.ask("/hello", headers=headers)
    report = server.report()
    assert report["source.ip"] == repr(b"\xcb\x00\x71\x09")
    seen = report["request.headers"]
    assert isinstance(seen, dict)
    assert "x-istio-attributes" not in seen


def test_requests_of_one_connection_are_each_reported(server: Server) -> None:
    connection = server.open()
    for _ in range(3):
        connection.request("GET", "/hello")
        response = connection.getresponse()
        assert (response.status, response.read()) == (200, b"hello seen")
    connection.close()
    assert [server.report()["response.code"] for _ in range(3)] == [200, 200, 200]


def test_requests_are_served_where_they_should_be(server: Server) -> None:
    """Gunicorn forks after it has loaded the application; uvicorn does not fork."""
    server.ask("/hello")
    is_forked = "gunicorn" in server.process.args
    assert (server.report()["pid"] != server.process.pid) == is_forked
