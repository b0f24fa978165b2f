"""WSGI middleware: what the application, the client and the Mixer see."""

import io
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import pytest

from remixer.attributes.bag import Bag, plain_bag
from remixer.embedded import Remixer
from remixer.foundation.errors import CheckFailedError
from remixer.foundation.status import Code
from remixer.mixer.http_answer import Line
from remixer.mixer.outcome import CheckOutcome, HeaderOperation, HeaderOperationKind
from remixer.mixer.request import QuotaArgs
from remixer.sidecar.client import MixerClient
from remixer.sidecar.grpc_server import BlockingMixerInterceptor
from remixer.sidecar.hop_trust import HopTrust
from remixer.sidecar.wsgi import App, ExcInfo, MixerMiddleware, StartResponse
from remixer.sidecar.wsgi_environ import Environ
from remixer.testing.app_mixers import FakeBlockingMixer, Reported, allowed, denied
from remixer.testing.clock import VirtualClock
from remixer.wire.forwarded import encode_forwarded

REMOVE, APPEND = HeaderOperationKind.REMOVE, HeaderOperationKind.APPEND
PLAIN: list[Line] = [("Content-Type", "text/plain")]


class UnreadInput(io.BytesIO):
    """A request's body that nobody may read."""

    def read(self, size: int | None = -1, /) -> bytes:
        pytest.fail(f"the body was read ({size})")


def environ(path: str = "/cart", **changes: Any) -> Environ:
    found: Environ = {}
    setup_testing_defaults(found)
    return found | {
        "PATH_INFO": path,
        "SCRIPT_NAME": "",
        "QUERY_STRING": "",
        "REMOTE_ADDR": "192.0.2.7",
        "REMOTE_PORT": "4711",
        "SERVER_NAME": "192.0.2.1",
        "HTTP_HOST": "cart.shop",
        **changes,
    }


class Server:
    """A server's side of one request; the body is iterated and closed as PEP 3333 has it."""

    def __init__(self) -> None:
        self.heads: list[tuple[str, list[Line], ExcInfo | None]] = []
        self.written: list[bytes] = []

    def start_response(
        self, status: str, headers: list[Line], exc_info: ExcInfo | None = None, /
    ) -> Callable[[bytes], object]:
        self.heads.append((status, headers, exc_info))
        return self.written.append

    def serve(self, app: App, request: Environ) -> None:
        body = app(request, self.start_response)
        try:
            self.written.extend(body)
        finally:
            if hasattr(body, "close"):
                body.close()

    @property
    def status(self) -> str:
        return self.heads[-1][0]

    @property
    def headers(self) -> list[Line]:
        return self.heads[-1][1]

    @property
    def body(self) -> bytes:
        return b"".join(self.written)


class Site:
    """An application that remembers the environs it saw."""

    def __init__(self, body: Iterable[bytes] = (b"hi",)) -> None:
        self.body = body
        self.environs: list[Environ] = []

    def __call__(self, request: Environ, start_response: StartResponse) -> Iterable[bytes]:
        self.environs.append(request)
        start_response("200 OK", list(PLAIN))
        return self.body


def run(
    app: App,
    outcome: CheckOutcome | Callable[[Bag], CheckOutcome] | None = None,
    request: Environ | None = None,
    **settings: Any,
) -> tuple[Server, FakeBlockingMixer]:
    decision = outcome if outcome is not None else allowed()
    mixer = FakeBlockingMixer(decision if callable(decision) else lambda _: decision)
    server = Server()
    server.serve(MixerMiddleware(app, mixer, **settings), request or environ())
    return server, mixer


def only(mixer: FakeBlockingMixer) -> Reported:
    (report,) = mixer.reports
    return report


# ---------------------------------------------------------------- allowed


def test_an_allowed_request_passes_and_is_reported() -> None:
    request = environ(CONTENT_LENGTH="7", HTTP_X_A="b")
    server, mixer = run(Site(), request=request)
    assert (server.status, server.headers, server.body) == ("200 OK", PLAIN, b"hi")
    report = only(mixer)
    assert (report["response.code"], report["response.size"]) == (200, 2)
    assert report["response.headers"] == {":status": "200", "content-type": "text/plain"}
    assert report["response.total_size"] == 2 + len("content-typetext/plain")
    assert report["request.size"] == 7
    assert report["request.total_size"] == 7 + len("hostcart.shopx-abcontent-length7")
    assert report["context.proxy_error_code"] == "-"


def test_middleware_keeps_to_the_rules_of_wsgi() -> None:
    def app(request: Environ, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        request["wsgi.input"].read(0)
        return [b"hi"]

    mixer = FakeBlockingMixer(
        lambda _: allowed(
            request=[HeaderOperation("x-a", "1"), HeaderOperation(":path", "/b")],
            response=[HeaderOperation("x-b", "1")],
        )
    )
    server = Server()
    checked = validator(MixerMiddleware(validator(app), mixer))  # type: ignore[arg-type]  # typeshed's types are stricter than ours
    server.serve(checked, environ())  # type: ignore[arg-type]  # the same
    assert server.body == b"hi"


def test_without_changes_the_application_gets_the_server_s_own_environ() -> None:
    site, request = Site(), environ()
    run(site, request=request)
    assert site.environs[0] is request


def test_the_check_sees_the_request_and_the_service() -> None:
    request = environ(
        "/c t",
        QUERY_STRING="a=1",
        SCRIPT_NAME="/app",
        CONTENT_TYPE="application/json",
        HTTP_X_B="\xff\xc3\xa4",
    )
    _, mixer = run(Site(), request=request, attributes={"destination.uid": "u"})
    bag = mixer.requests[0].bag
    assert bag["request.path"] == "/app/c%20t?a=1"
    assert (bag["request.host"], bag["request.scheme"]) == ("cart.shop", "http")
    assert (bag["source.ip"], bag["source.port"]) == (b"\xc0\x00\x02\x07", 4711)
    assert (bag["destination.ip"], bag["destination.port"]) == (b"\xc0\x00\x02\x01", 80)
    assert (bag["destination.uid"], bag["context.reporter.kind"]) == ("u", "inbound")
    headers = bag["request.headers"]
    assert not isinstance(headers, str | int | float | bytes | None)
    assert headers["x-b"] == r"\xffä"
    assert headers["content-type"] == "application/json"
    assert headers["x_b"] is None
    assert "content-type" in headers.whole()


@pytest.mark.parametrize("key", ["RAW_URI", "REQUEST_URI"])
def test_the_path_is_that_of_the_request_line_if_the_server_tells(key: str) -> None:
    _, mixer = run(Site(), request=environ("/a b", QUERY_STRING="q", **{key: "/a%20b?q"}))
    assert mixer.requests[0].bag["request.path"] == "/a%20b?q"
    _, mixer = run(Site(), request=environ("/a", **{key: "http://cart.shop/a"}))
    assert mixer.requests[0].bag["request.path"] == "/a"


def test_a_report_tells_the_request_as_it_came() -> None:
    def app(request: Environ, start_response: StartResponse) -> Iterable[bytes]:
        request["HTTP_X_A"] = "changed"
        return Site()(request, start_response)

    _, mixer = run(app, request=environ(HTTP_X_A="sent"))
    headers = only(mixer)["request.headers"]
    assert isinstance(headers, dict)
    assert headers["x-a"] == "sent"


def test_request_operations_change_what_the_application_sees() -> None:
    site = Site()
    operations = [
        HeaderOperation(":path", "/app/n%C3%A4w?x=y"),
        HeaderOperation(":authority", "other"),
        HeaderOperation(":method", "PUT"),
        HeaderOperation("X-Policy", "väl"),
        HeaderOperation("x-policy", "two", APPEND),
        HeaderOperation("cookie", "b=2", APPEND),
        HeaderOperation("content-type", "text/html"),
        HeaderOperation("x-gone", kind=REMOVE),
    ]
    request = environ(SCRIPT_NAME="/app", RAW_URI="/app/cart", HTTP_X_GONE="1", HTTP_COOKIE="a=1")
    run(site, allowed(request=operations), request)
    seen = site.environs[0]
    assert (seen["REQUEST_METHOD"], seen["QUERY_STRING"]) == ("PUT", "x=y")
    assert (seen["SCRIPT_NAME"], seen["PATH_INFO"]) == ("/app", "/n\xc3\xa4w")
    assert seen["RAW_URI"] == "/app/n%C3%A4w?x=y"
    assert (seen["HTTP_HOST"], seen["HTTP_COOKIE"]) == ("other", "a=1; b=2")
    assert (seen["HTTP_X_POLICY"], seen["CONTENT_TYPE"]) == ("v\xc3\xa4l,two", "text/html")
    assert "HTTP_X_GONE" not in seen
    assert "HTTP_X_GONE" in request


def test_a_path_outside_of_the_mount_point_has_none() -> None:
    site = Site()
    operations = [HeaderOperation(":path", "/application")]
    run(site, allowed(request=operations), environ(SCRIPT_NAME="/app"))
    assert (site.environs[0]["SCRIPT_NAME"], site.environs[0]["PATH_INFO"]) == ("", "/application")


def test_operations_cannot_break_the_request_line_nor_the_framing() -> None:
    site = Site()
    operations = [
        HeaderOperation(":path", "no slash"),
        HeaderOperation(":method", "GET /evil"),
        HeaderOperation("content-length", "5"),
        HeaderOperation("x-a", "1\r\nx-evil: 1"),
    ]
    run(site, allowed(request=operations))
    seen = site.environs[0]
    assert (seen["REQUEST_METHOD"], seen["PATH_INFO"]) == ("GET", "/cart")
    assert seen["HTTP_X_A"] == "1  x-evil: 1"
    assert "CONTENT_LENGTH" not in seen


def test_response_operations_change_the_head_alone() -> None:
    operations = [
        HeaderOperation("content-type", kind=REMOVE),
        HeaderOperation("set-cookie", "a=1", APPEND),
        HeaderOperation("set-cookie", "b=ü", APPEND),
        HeaderOperation("connection", "close"),
        HeaderOperation("x-a", "1\r\n\r\nbody"),
    ]
    server, mixer = run(Site(), allowed(response=operations))
    assert server.headers == [
        ("set-cookie", "a=1"),
        ("set-cookie", "b=\xc3\xbc"),
        ("x-a", "1    body"),
    ]
    headers = only(mixer)["response.headers"]
    assert headers == {":status": "200", "set-cookie": "b=ü", "x-a": "1    body"}


class Streaming:
    """A body that is made while it is sent, and closed once."""

    def __init__(self, *parts: bytes | Exception) -> None:
        self._parts = iter(parts)
        self.closed = 0

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        part = next(self._parts)
        if isinstance(part, Exception):
            raise part
        return part

    def close(self) -> None:
        self.closed += 1


def test_a_stream_passes_piece_by_piece_and_is_closed_once() -> None:
    body = Streaming(b"ab", b"", b"cde")
    server, mixer = run(Site(body))
    assert server.written == [b"ab", b"", b"cde"]
    assert (body.closed, only(mixer)["response.size"]) == (1, 5)


def test_the_duration_ends_with_the_last_piece() -> None:
    clock = VirtualClock()

    class Slow(Streaming):
        def __next__(self) -> bytes:
            clock.advance(1)
            return super().__next__()

        def close(self) -> None:
            clock.advance(5)

    _, mixer = run(Site(Slow(b"a", b"b")), clock=clock)
    assert only(mixer)["response.duration"] == 3_000_000_000


def test_what_is_written_directly_counts() -> None:
    def app(_: Environ, start_response: StartResponse) -> Iterable[bytes]:
        write = start_response("200 OK", list(PLAIN))
        write(b"abc")
        return [b"de"]

    server, mixer = run(app)
    assert (server.body, only(mixer)["response.size"]) == (b"abcde", 5)


def test_a_late_head_is_seen() -> None:
    def app(_: Environ, start_response: StartResponse) -> Iterable[bytes]:
        start_response("201 Created", list(PLAIN))
        yield b"abc"

    server, mixer = run(app, allowed(response=[HeaderOperation("x-a", "1")]))
    assert server.headers == [("content-type", "text/plain"), ("x-a", "1")]
    assert only(mixer)["response.code"] == 201


def test_a_head_that_is_replaced_after_an_error_counts() -> None:
    error = ValueError("bug")

    def app(_: Environ, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", list(PLAIN))
        try:
            raise error
        except ValueError:
            start_response("500 Internal Server Error", [], sys.exc_info())
        return [b"sorry"]

    server, mixer = run(app)
    assert server.heads[-1][2] is not None
    assert server.heads[-1][2][1] is error
    assert only(mixer)["response.code"] == 500


# ---------------------------------------------------------------- denied


def test_a_denial_is_answered_here_and_the_body_stays_unread() -> None:
    site = Site()
    request = environ(CONTENT_LENGTH="1000", **{"wsgi.input": UnreadInput(b"x" * 1000)})
    server, mixer = run(site, denied(message="nö"), request)
    assert server.status == "403 Forbidden"
    assert server.headers == [("content-type", "text/plain"), ("content-length", "21")]
    assert (server.body, site.environs) == ("PERMISSION_DENIED:nö".encode(), [])
    report = only(mixer)
    assert (report["response.code"], report["request.size"]) == (403, 0)
    assert (report["check.error_code"], report["context.proxy_error_code"]) == (7, "UAEX")


def test_a_direct_response_is_sent_and_reported_with_the_code_of_the_denial() -> None:
    outcome = denied(direct=(599, ""), response=[HeaderOperation("X-A", "1")])
    server, mixer = run(Site(), outcome)
    assert server.status == "599 Unknown"
    assert ("x-a", "1") in server.headers
    assert only(mixer)["response.code"] == 403


def test_the_answer_to_head_has_no_body() -> None:
    server, _ = run(Site(), denied(), environ(REQUEST_METHOD="HEAD"))
    assert (server.body, ("content-length", "17") in server.headers) == (b"", True)


def test_a_mixer_that_fails_refuses() -> None:
    def fail(_: Bag) -> CheckOutcome:
        message = "broken"
        raise CheckFailedError(message)

    server, mixer = run(Site(), fail)
    assert (server.status, server.body) == ("500 Internal Server Error", b"INTERNAL:broken")
    assert only(mixer)["check.error_code"] == Code.INTERNAL


# ---------------------------------------------------------------- failures


def test_an_application_that_raises_is_reported_with_500() -> None:
    def app(_: Environ, _start: StartResponse) -> Iterable[bytes]:
        message = "bug"
        raise RuntimeError(message)

    mixer = FakeBlockingMixer(lambda _: allowed())
    with pytest.raises(RuntimeError, match="bug"):
        Server().serve(MixerMiddleware(app, mixer), environ())
    assert (only(mixer)["response.code"], only(mixer)["context.proxy_error_code"]) == (500, "-")


def test_an_application_that_raises_in_the_middle_is_closed_and_reported_once() -> None:
    body = Streaming(b"abc", RuntimeError("bug"))
    mixer = FakeBlockingMixer(lambda _: allowed())
    with pytest.raises(RuntimeError, match="bug"):
        Server().serve(MixerMiddleware(Site(body), mixer), environ())
    assert (body.closed, only(mixer)["response.size"]) == (1, 3)
    assert only(mixer)["context.proxy_error_code"] == "-"


def test_a_server_that_stops_in_the_middle_has_lost_its_client() -> None:
    body = Streaming(b"abc", b"def")
    mixer = FakeBlockingMixer(lambda _: allowed())
    response = MixerMiddleware(Site(body), mixer)(environ(), Server().start_response)
    assert next(iter(response)) == b"abc"
    response.close()  # type: ignore[attr-defined]  # the server's duty
    assert (body.closed, only(mixer)["context.proxy_error_code"]) == (1, "DC")


def test_what_close_raises_passes_after_the_report() -> None:
    class Broken(Streaming):
        def close(self) -> None:
            message = "bug"
            raise RuntimeError(message)

    mixer = FakeBlockingMixer(lambda _: allowed())
    with pytest.raises(RuntimeError, match="bug"):
        Server().serve(MixerMiddleware(Site(Broken()), mixer), environ())
    assert len(mixer.reports) == 1


# ---------------------------------------------------------------- settings and trust


def test_excluded_paths_are_neither_checked_nor_reported() -> None:
    for path in ("/healthz", "/static/a"):
        settings: dict[str, Any] = {"exclude": ("/healthz", "/static/*")}
        server, mixer = run(Site(), denied(), environ(path), **settings)
        assert (server.body, mixer.requests, mixer.reports) == (b"hi", [], [])


def test_quotas_are_asked_for_with_the_check() -> None:
    _, mixer = run(Site(), quotas={"requests": 2})
    assert mixer.requests[0].quotas == {"requests": QuotaArgs(2)}


FORWARDED = encode_forwarded(plain_bag({"source.uid": "kubernetes://web.shop"}))
HOP_HEADERS = {
    "HTTP_X_ISTIO_ATTRIBUTES": FORWARDED,
    "HTTP_X_FORWARDED_FOR": "198.51.100.1,203.0.113.9, 192.0.2.8",
    "HTTP_X_FORWARDED_PROTO": "https",
    "HTTP_X_FORWARDED_HOST": "shop.example",
    "HTTP_X_FORWARDED_CLIENT_CERT": "URI=spiffe://td/ns/shop/sa/web",
}


def test_headers_of_strangers_tell_nothing() -> None:
    site = Site()
    _, mixer = run(site, request=environ(**HOP_HEADERS))
    bag = mixer.requests[0].bag
    assert (bag["source.ip"], bag["source.uid"]) == (b"\xc0\x00\x02\x07", None)
    assert (bag["source.principal"], bag["request.scheme"]) == (None, "http")
    assert "HTTP_X_ISTIO_ATTRIBUTES" not in site.environs[0]
    assert "HTTP_X_FORWARDED_FOR" in site.environs[0]
    headers = only(mixer)["request.headers"]
    assert isinstance(headers, dict)
    assert "x-istio-attributes" not in headers


@pytest.mark.parametrize(
    ("address", "near"), [("192.0.2.7", ["192.0.2.0/24"]), ("", ["unix", "192.0.2.0/24"])]
)
def test_headers_of_trusted_hops_tell_where_a_request_comes_from(
    address: str, near: list[str]
) -> None:
    trust = HopTrust.of(addresses=near, certificates=near, attributes=near)
    _, mixer = run(Site(), request=environ(REMOTE_ADDR=address, **HOP_HEADERS), trust=trust)
    bag = mixer.requests[0].bag
    assert bag["source.ip"] == b"\xcb\x00\x71\x09"
    assert (bag["request.scheme"], bag["request.host"]) == ("https", "shop.example")
    assert (bag["source.principal"], bag["source.uid"]) == (
        "td/ns/shop/sa/web",
        "kubernetes://web.shop",
    )


class VerifiedSocket:
    """What gunicorn has of a client that showed a certificate."""

    def __init__(self, *names: tuple[str, str]) -> None:
        self._names = names

    def getpeercert(self) -> dict[str, object]:
        return {"subjectAltName": self._names} if self._names else {}


def test_gunicorn_tells_of_the_certificate_that_it_verified() -> None:
    socket = VerifiedSocket(("DNS", "web"), ("URI", "spiffe://td/ns/shop/sa/web"))
    _, mixer = run(Site(), request=environ(**{"gunicorn.socket": socket}))
    bag = mixer.requests[0].bag
    assert (bag["source.principal"], bag["connection.mtls"]) == ("td/ns/shop/sa/web", True)
    _, mixer = run(Site(), request=environ(**{"gunicorn.socket": VerifiedSocket()}))
    assert mixer.requests[0].bag["connection.mtls"] is False


@pytest.mark.parametrize(
    ("verified", "is_trusted", "is_mtls"),
    [
        ("SUCCESS", True, True),
        ("SUCCESS", False, False),
        ("FAILED:x", True, False),
        ("", True, False),
    ],
)
def test_server_variables_count_if_the_operator_says_so(
    verified: str, *, is_trusted: bool, is_mtls: bool
) -> None:
    request = environ(SSL_CLIENT_VERIFY=verified, SSL_CLIENT_CERT="-----BEGIN CERTIFICATE-----")
    trust = HopTrust(has_server_certificates=is_trusted)
    _, mixer = run(Site(), request=request, trust=trust)
    assert mixer.requests[0].bag["connection.mtls"] is is_mtls


@pytest.mark.parametrize("make", [lambda: MixerClient("mixer:9091"), lambda: Remixer.local(".")])
def test_a_mixer_for_asyncio_is_refused_when_the_middleware_is_made(
    make: Callable[[], Any],
) -> None:
    with pytest.raises(TypeError, match=r"for threads.*BlockingMixer"):
        MixerMiddleware(lambda *_: [], make())
    with pytest.raises(TypeError, match=r"for threads.*BlockingMixer"):
        BlockingMixerInterceptor(make())
