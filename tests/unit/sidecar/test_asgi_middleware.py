"""ASGI middleware, event by event: what the application, the client and the Mixer see."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import pytest

from remixer.attributes.bag import Bag, plain_bag
from remixer.embedded import Remixer
from remixer.foundation.errors import CheckFailedError
from remixer.foundation.status import Code
from remixer.mixer.outcome import CheckOutcome, HeaderOperation, HeaderOperationKind, Provenance
from remixer.mixer.request import MatchingQuotas, QuotaArgs
from remixer.sidecar.asgi import MixerMiddleware
from remixer.sidecar.asgi_http import App, Event, Receive, Send
from remixer.sidecar.asgi_scope import Scope
from remixer.sidecar.blocking import BlockingMixer, BlockingMixerClient
from remixer.sidecar.grpc_server import MixerInterceptor
from remixer.sidecar.hop_trust import HopTrust
from remixer.testing.app_mixers import FakeAppMixer, Reported, allowed, denied
from remixer.testing.clock import VirtualClock
from remixer.wire.forwarded import encode_forwarded

REMOVE, APPEND = HeaderOperationKind.REMOVE, HeaderOperationKind.APPEND
OK_HEAD: Event = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"text/plain")],
}


def scope(path: str = "/cart", *, headers: Iterable[tuple[str, str]] = (), **changes: Any) -> Scope:
    lines = [("host", "cart.shop"), *headers]
    return {
        "type": "http",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "client": ("192.0.2.7", 4711),
        "server": ("192.0.2.1", 80),
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in lines],
        **changes,
    }


class Wire:
    """A server's side of one request: gives `events`, then nothing; keeps what is sent."""

    def __init__(self, *events: Event) -> None:
        self._events = list(events or ({"type": "http.request", "body": b""},))
        self.received = 0
        self.sent: list[Event] = []

    async def receive(self) -> Event:
        if not self._events:
            await asyncio.Event().wait()
        self.received += 1
        return self._events.pop(0)

    async def send(self, event: Event) -> None:
        self.sent.append(event)

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        return list(self.sent[0]["headers"])

    @property
    def body(self) -> bytes:
        return b"".join(event.get("body", b"") for event in self.sent[1:])


class Site:
    """An application of one function, that remembers the scopes it saw."""

    def __init__(self, *events: Event) -> None:
        self.events = events or (OK_HEAD, {"type": "http.response.body", "body": b"hi"})
        self.scopes: list[Scope] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scopes.append(scope)
        while (await receive()).get("more_body"):
            pass
        for event in self.events:
            await send(event)

    def header(self, name: str) -> list[str]:
        lines = self.scopes[-1]["headers"]
        return [value.decode() for each, value in lines if each.decode() == name]


async def run(
    app: App,
    outcome: CheckOutcome | Callable[[Bag], CheckOutcome] | None = None,
    *,
    request: Scope | None = None,
    wire: Wire | None = None,
    answers_at_once: bool = True,
    **settings: Any,
) -> tuple[Wire, FakeAppMixer]:
    decision = outcome if outcome is not None else allowed()
    policy = decision if callable(decision) else lambda _: decision
    mixer = FakeAppMixer(policy, answers_at_once=answers_at_once)
    wire = wire or Wire()
    middleware = MixerMiddleware(app, mixer, **settings)
    await middleware(request or scope(), wire.receive, wire.send)
    return wire, mixer


def only(mixer: FakeAppMixer) -> Reported:
    (report,) = mixer.reports
    return report


# ---------------------------------------------------------------- allowed


@pytest.mark.parametrize("at_once", [True, False])
async def test_an_allowed_request_passes_and_is_reported(*, at_once: bool) -> None:
    site = Site()
    wire, mixer = await run(site, answers_at_once=at_once)
    assert (wire.status, wire.body) == (200, b"hi")
    report = only(mixer)
    assert report["response.code"] == 200
    assert report["response.headers"] == {":status": "200", "content-type": "text/plain"}
    assert report["response.size"] == 2
    assert report["response.total_size"] == 2 + len("content-typetext/plain")
    assert report["request.total_size"] == len("hostcart.shop")
    assert report["context.proxy_error_code"] == "-"
    assert report["check.cache_hit"] is False
    assert "check.error_code" not in report


async def test_a_verdict_at_hand_is_taken_without_waiting() -> None:
    _, mixer = await run(Site(), allowed(provenance=Provenance.MEMORY))
    assert not mixer.inner.asked.is_set()
    assert only(mixer)["check.cache_hit"] is True


async def test_without_changes_the_application_gets_the_server_s_own_scope() -> None:
    site, request = Site(), scope()
    await run(site, request=request)
    assert site.scopes[0] is request


async def test_the_check_sees_the_request_and_the_service() -> None:
    request = scope(
        "/c%20t", query_string=b"a=1", headers=[("x-a", "1"), ("x-a", "2"), ("x-b", "\xff\xc3\xa4")]
    )
    _, mixer = await run(
        Site(), request=request, attributes={"destination.uid": "u", "source.labels": {"a": "b"}}
    )
    bag = mixer.inner.requests[0].bag
    assert bag["request.path"] == "/c%20t?a=1"
    assert bag["request.host"] == "cart.shop"
    assert (bag["source.ip"], bag["source.port"]) == (b"\xc0\x00\x02\x07", 4711)
    assert (bag["destination.ip"], bag["destination.port"]) == (b"\xc0\x00\x02\x01", 80)
    assert (bag["destination.uid"], bag["context.reporter.kind"]) == ("u", "inbound")
    report = only(mixer)
    assert report["source.labels"] == {"a": "b"}
    headers = report["request.headers"]
    assert isinstance(headers, dict)
    assert (headers["x-a"], headers["x-b"]) == ("2", r"\xffä")


async def test_a_server_that_tells_no_raw_path_is_understood() -> None:
    _, mixer = await run(Site(), request=scope("/ü d", raw_path=None, query_string=b"q"))
    assert mixer.inner.requests[0].bag["request.path"] == "/%C3%BC%20d?q"


async def test_request_operations_change_what_the_application_sees() -> None:
    site = Site()
    operations = [
        HeaderOperation(":path", "/new%20path?x=y"),
        HeaderOperation(":authority", "other"),
        HeaderOperation(":method", "PUT"),
        HeaderOperation("X-Policy", "väl"),
        HeaderOperation("x-policy", "two", APPEND),
        HeaderOperation("x-gone", kind=REMOVE),
    ]
    await run(site, allowed(request=operations), request=scope(headers=[("x-gone", "1")]))
    seen = site.scopes[0]
    assert (seen["method"], seen["path"]) == ("PUT", "/new path")
    assert (seen["raw_path"], seen["query_string"]) == (b"/new%20path", b"x=y")
    assert (site.header("host"), site.header("x-gone")) == (["other"], [])
    assert site.header("x-policy") == ["väl", "two"]


async def test_a_report_tells_the_request_as_it_came() -> None:
    _, mixer = await run(Site(), allowed(request=[HeaderOperation(":path", "/new")]))
    assert only(mixer)["request.path"] == "/cart"


async def test_operations_cannot_break_the_request_line_nor_the_framing() -> None:
    site = Site()
    operations = [
        HeaderOperation(":path", "no slash"),
        HeaderOperation(":method", "GET /evil"),
        HeaderOperation(":path", kind=REMOVE),
        HeaderOperation("content-length", "5"),
        HeaderOperation("transfer-encoding", "chunked", APPEND),
        HeaderOperation("x-a", "1\r\nx-evil: 1"),
        HeaderOperation("x y", "1"),
    ]
    await run(site, allowed(request=operations))
    seen = site.scopes[0]
    assert (seen["method"], seen["path"]) == ("GET", "/cart")
    assert seen["headers"] == [(b"host", b"cart.shop"), (b"x-a", b"1  x-evil: 1")]


async def test_response_operations_change_the_head_alone() -> None:
    operations = [
        HeaderOperation("content-type", kind=REMOVE),
        HeaderOperation("set-cookie", "a=1", APPEND),
        HeaderOperation("set-cookie", "b=2", APPEND),
        HeaderOperation(":status", "500"),
        HeaderOperation("content-length", "99"),
        HeaderOperation("x-a", "1\r\n\r\nbody"),
    ]
    wire, mixer = await run(Site(), allowed(response=operations))
    assert wire.headers == [
        (b"set-cookie", b"a=1"),
        (b"set-cookie", b"b=2"),
        (b"x-a", b"1    body"),
    ]
    assert (wire.status, wire.body) == (200, b"hi")
    headers = only(mixer)["response.headers"]
    assert headers == {":status": "200", "set-cookie": "b=2", "x-a": "1    body"}


async def test_bodies_pass_piece_by_piece_and_are_counted() -> None:
    pieces: list[Event] = [
        {"type": "http.response.body", "body": b"abc", "more_body": True} for _ in range(50)
    ]
    site = Site(OK_HEAD, *pieces, {"type": "http.response.body"})
    wire = Wire(
        {"type": "http.request", "body": b"12", "more_body": True},
        {"type": "http.request", "body": b"345"},
    )
    wire, mixer = await run(site, wire=wire)
    assert wire.sent[1:-1] == pieces
    assert (only(mixer)["request.size"], only(mixer)["response.size"]) == (5, 150)


async def test_the_report_goes_out_with_the_last_byte_not_with_the_application_s_end() -> None:
    reports: list[int] = []
    mixer = FakeAppMixer(lambda _: allowed())

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send(OK_HEAD)
        await send({"type": "http.response.body", "body": b"", "more_body": True})
        reports.append(len(mixer.reports))
        await send({"type": "http.response.body", "body": b"x"})
        reports.append(len(mixer.reports))

    wire = Wire()
    await MixerMiddleware(app, mixer)(scope(), wire.receive, wire.send)
    assert (reports, len(mixer.reports)) == ([0, 1], 1)


async def test_the_duration_is_that_of_the_exchange() -> None:
    clock = VirtualClock()

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send(OK_HEAD)
        clock.advance(2)
        await send({"type": "http.response.body"})
        clock.advance(5)

    _, mixer = await run(app, clock=clock)
    report = only(mixer)
    assert report["response.duration"] == 2_000_000_000
    assert report["response.time"] == clock.unix_ns() - 5_000_000_000
    assert report["request.time"] == clock.unix_ns() - 7_000_000_000


async def test_trailers_end_a_response_that_announced_them() -> None:
    site = Site(
        {**OK_HEAD, "trailers": True},
        {"type": "http.response.body", "body": b"m"},
        {"type": "http.response.trailers", "headers": [(b"grpc-status", b"5")]},
    )
    _, mixer = await run(site, request=scope(headers=[("content-type", "application/grpc")]))
    report = only(mixer)
    assert (report["response.grpc_status"], report["response.grpc_message"]) == ("5", "")
    assert report["context.protocol"] == "grpc"
    assert report["response.total_size"] == 1 + len("content-typetext/plain") + len("grpc-status5")


async def test_a_file_that_the_server_sends_is_counted_as_the_application_says() -> None:
    head = {**OK_HEAD, "headers": [(b"Content-Length", b"1234")]}
    _, mixer = await run(Site(head, {"type": "http.response.pathsend", "path": "/f"}))
    assert only(mixer)["response.size"] == 1234


async def test_headers_from_a_generator_reach_server_and_report() -> None:
    head = {**OK_HEAD, "headers": ((name, b"1") for name in (b"X-A", b"x-b"))}
    wire, mixer = await run(Site(head, {"type": "http.response.body"}))
    assert wire.headers == [(b"X-A", b"1"), (b"x-b", b"1")]
    assert only(mixer)["response.headers"] == {":status": "200", "x-a": "1", "x-b": "1"}


async def test_many_headers_are_all_seen() -> None:
    many = [(f"x-{number}", "v") for number in range(10_000)]
    _, mixer = await run(Site(), request=scope(headers=many))
    headers = only(mixer)["request.headers"]
    assert isinstance(headers, dict)
    assert len(headers) == 10_000 + len((":authority", ":method", ":path", ":scheme"))


# ---------------------------------------------------------------- denied


async def test_a_denial_is_answered_here_and_the_body_stays_unread() -> None:
    site, wire = Site(), Wire({"type": "http.request", "body": b"x" * 1000, "more_body": True})
    wire, mixer = await run(
        site, denied(message="no"), wire=wire, request=scope(headers=[("content-length", "1000")])
    )
    assert (wire.status, wire.body) == (403, b"PERMISSION_DENIED:no")
    assert wire.headers == [(b"content-type", b"text/plain"), (b"content-length", b"20")]
    assert (site.scopes, wire.received) == ([], 0)
    report = only(mixer)
    assert report["response.code"] == 403
    assert (report["check.error_code"], report["check.error_message"]) == (
        7,
        "PERMISSION_DENIED:no",
    )
    assert report["context.proxy_error_code"] == "UAEX"
    assert report["response.size"] == 20


async def test_an_upload_is_not_read_while_its_check_waits() -> None:
    wire = Wire({"type": "http.request", "body": b"x", "more_body": True})
    request = scope(headers=[("transfer-encoding", "chunked")])
    wire, _ = await run(Site(), denied(), wire=wire, request=request, answers_at_once=False)
    assert (wire.status, wire.received) == (403, 0)


async def test_a_direct_response_is_sent_and_reported_with_the_code_of_the_denial() -> None:
    operations = [HeaderOperation("Location", "/login"), HeaderOperation("content-length", "9")]
    outcome = denied(Code.UNAUTHENTICATED, direct=(302, "göö"), response=operations)
    wire, mixer = await run(Site(), outcome)
    assert (wire.status, wire.body) == (302, "göö".encode())
    assert wire.headers == [
        (b"content-type", b"text/plain"),
        (b"content-length", b"5"),
        (b"location", b"/login"),
    ]
    report = only(mixer)
    assert report["response.code"] == 401
    headers = report["response.headers"]
    assert isinstance(headers, dict)
    assert headers[":status"] == "302"


async def test_an_allowed_request_may_be_answered_directly() -> None:
    site = Site()
    wire, mixer = await run(site, allowed(direct=(204, "ignored")))
    assert (wire.status, wire.headers, wire.body, site.scopes) == (204, [], b"", [])
    assert only(mixer)["response.code"] == 204
    assert only(mixer)["context.proxy_error_code"] == "-"


async def test_the_answer_to_head_has_no_body() -> None:
    wire, _ = await run(Site(), denied(), request=scope(method="HEAD"))
    assert wire.body == b""
    assert (b"content-length", b"17") in wire.headers


async def test_a_grpc_client_is_refused_with_a_grpc_status() -> None:
    request = scope(method="POST", headers=[("content-type", "application/grpc")])
    wire, mixer = await run(Site(), denied(message="nö\n"), request=request)
    assert (wire.status, wire.body) == (200, b"")
    assert wire.headers == [
        (b"content-type", b"application/grpc"),
        (b"grpc-status", b"7"),
        (b"grpc-message", b"n%C3%B6%0A"),
    ]
    report = only(mixer)
    assert (report["response.code"], report["response.grpc_status"]) == (403, "7")


@pytest.mark.parametrize("at_once", [True, False])
async def test_a_mixer_that_fails_refuses(*, at_once: bool) -> None:
    def fail(_: Bag) -> CheckOutcome:
        message = "broken"
        raise CheckFailedError(message)

    site = Site()
    wire, mixer = await run(site, fail, answers_at_once=at_once)
    assert (wire.status, wire.body, site.scopes) == (500, b"INTERNAL:broken", [])
    assert only(mixer)["check.error_code"] == Code.INTERNAL


# ---------------------------------------------------------------- failures


async def test_an_application_that_raises_is_reported_with_500() -> None:
    async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
        message = "bug"
        raise RuntimeError(message)

    mixer, wire = FakeAppMixer(lambda _: allowed()), Wire()
    with pytest.raises(RuntimeError, match="bug"):
        await MixerMiddleware(app, mixer)(scope(), wire.receive, wire.send)
    assert (only(mixer)["response.code"], wire.sent) == (500, [])


async def test_an_application_that_raises_in_the_middle_keeps_its_code() -> None:
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send(OK_HEAD)
        await send({"type": "http.response.body", "body": b"abc", "more_body": True})
        message = "bug"
        raise RuntimeError(message)

    mixer, wire = FakeAppMixer(lambda _: allowed()), Wire()
    with pytest.raises(RuntimeError, match="bug"):
        await MixerMiddleware(app, mixer)(scope(), wire.receive, wire.send)
    assert (only(mixer)["response.code"], only(mixer)["response.size"]) == (200, 3)


async def test_a_client_that_leaves_is_reported() -> None:
    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        await send(OK_HEAD)
        await receive()
        await receive()

    wire = Wire({"type": "http.request"}, {"type": "http.disconnect"})
    _, mixer = await run(app, wire=wire)
    assert only(mixer)["context.proxy_error_code"] == "DC"


async def test_a_client_that_leaves_after_all_was_sent_took_it_all() -> None:
    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        await send(OK_HEAD)
        await receive()
        await send({"type": "http.response.body"})

    _, mixer = await run(app, wire=Wire({"type": "http.disconnect"}))
    assert only(mixer)["context.proxy_error_code"] == "-"


async def test_a_cancelled_application_is_reported_as_one_without_a_client() -> None:
    begun = asyncio.Event()

    async def app(_scope: Scope, receive: Receive, _send: Send) -> None:
        await receive()
        begun.set()
        await asyncio.Event().wait()

    mixer, wire = FakeAppMixer(lambda _: allowed()), Wire()
    async with asyncio.TaskGroup() as group:
        request = group.create_task(MixerMiddleware(app, mixer)(scope(), wire.receive, wire.send))
        await begun.wait()
        request.cancel()
    assert request.cancelled()
    assert only(mixer)["context.proxy_error_code"] == "DC"


async def test_a_check_is_cancelled_when_its_client_leaves() -> None:
    site, mixer = Site(), FakeAppMixer(lambda _: allowed(), answers_at_once=False)
    mixer.inner.gate = asyncio.Event()
    wire = Wire({"type": "http.request", "body": b""}, {"type": "http.disconnect"})
    await MixerMiddleware(site, mixer)(scope(), wire.receive, wire.send)
    assert (mixer.inner.cancelled, site.scopes, wire.sent) == (1, [], [])
    report = only(mixer)
    assert (report["context.proxy_error_code"], report["response.code"]) == ("DC", 500)
    assert "check.cache_hit" not in report


async def test_a_check_is_cancelled_with_its_request() -> None:
    site, mixer = Site(), FakeAppMixer(lambda _: allowed(), answers_at_once=False)
    mixer.inner.gate = asyncio.Event()
    wire = Wire()
    async with asyncio.TaskGroup() as group:
        request = group.create_task(MixerMiddleware(site, mixer)(scope(), wire.receive, wire.send))
        await mixer.inner.asked.wait()
        request.cancel()
    assert request.cancelled()
    assert (mixer.inner.cancelled, site.scopes) == (1, [])
    assert only(mixer)["context.proxy_error_code"] == "DC"


async def test_what_was_looked_at_ahead_reaches_the_application() -> None:
    """The request's own event is seen while the check waits, and passed on all the same."""
    gate, mixer = asyncio.Event(), FakeAppMixer(lambda _: allowed(), answers_at_once=False)
    mixer.inner.gate = gate
    seen: list[Event] = []

    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        seen.extend([await receive(), await receive()])
        await send(OK_HEAD)
        await send({"type": "http.response.body"})

    first: Event = {"type": "http.request", "body": b"a", "more_body": True}
    last: Event = {"type": "http.request", "body": b"b"}
    wire = Wire(first, last)
    async with asyncio.TaskGroup() as group:
        group.create_task(MixerMiddleware(app, mixer)(scope(), wire.receive, wire.send))
        await mixer.inner.asked.wait()
        for _ in range(5):
            await asyncio.sleep(0)
        assert wire.received == 1, "a body is not read ahead"
        gate.set()
    assert seen == [first, last]
    assert only(mixer)["request.size"] == 2


# ---------------------------------------------------------------- settings


async def test_excluded_paths_are_neither_checked_nor_reported() -> None:
    for path in ("/healthz", "/static/a/b.css"):
        site = Site()
        settings: dict[str, Any] = {"exclude": ("/healthz", "/static/*")}
        _, mixer = await run(site, denied(), request=scope(path), **settings)
        assert (len(site.scopes), mixer.inner.requests, mixer.reports) == (1, [], [])


@pytest.mark.parametrize(
    "path", ["/healthz/", "/healthz2", "/static", "/static/../admin", "/statics/a"]
)
async def test_paths_that_only_resemble_excluded_ones_are_checked(path: str) -> None:
    wire, _ = await run(Site(), denied(), request=scope(path), exclude=("/healthz", "/static/*"))
    assert wire.status == 403


@pytest.mark.parametrize("path", ["healthz", "/a*", "/*/b", ""])
def test_an_exclusion_that_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="wanted `/healthz`"):
        MixerMiddleware(Site(), FakeAppMixer(lambda _: allowed()), exclude=(path,))


async def test_quotas_are_asked_for_with_the_check() -> None:
    _, mixer = await run(Site(), quotas={"requests": 2})
    assert mixer.inner.requests[0].quotas == {"requests": QuotaArgs(2)}
    _, mixer = await run(Site(), quotas=MatchingQuotas())
    assert mixer.inner.requests[0].quotas == MatchingQuotas()
    _, mixer = await run(Site())
    assert mixer.inner.requests[0].quotas == {}


async def test_quotas_may_depend_on_the_request() -> None:
    def charges(bag: Bag) -> dict[str, int]:
        return {"uploads": 1} if bag["request.method"] == "POST" else {}

    for method, quotas in (("POST", {"uploads": QuotaArgs(1)}), ("GET", {})):
        _, mixer = await run(Site(), quotas=charges, request=scope(method=method))
        assert mixer.inner.requests[0].quotas == quotas


# ---------------------------------------------------------------- trust


FORWARDED = encode_forwarded(plain_bag({"source.uid": "kubernetes://web.shop"}))
HOP_HEADERS = [
    ("x-istio-attributes", FORWARDED),
    ("x-forwarded-for", "198.51.100.1"),
    ("x-forwarded-for", "203.0.113.9, 192.0.2.8"),
    ("x-forwarded-proto", "https"),
    ("x-forwarded-host", "shop.example"),
    ("x-forwarded-client-cert", "URI=spiffe://evil, By=x;URI=spiffe://td/ns/shop/sa/web"),
]


async def test_headers_of_strangers_tell_nothing() -> None:
    site = Site()
    _, mixer = await run(site, request=scope(headers=HOP_HEADERS))
    bag = mixer.inner.requests[0].bag
    assert (bag["source.ip"], bag["request.scheme"]) == (b"\xc0\x00\x02\x07", "http")
    assert (bag["request.host"], bag["source.uid"]) == ("cart.shop", None)
    assert (bag["source.principal"], bag["connection.mtls"]) == (None, False)
    headers = only(mixer)["request.headers"]
    assert isinstance(headers, dict)
    assert "x-istio-attributes" not in headers
    assert headers["x-forwarded-proto"] == "https"
    assert site.header("x-istio-attributes") == []
    assert len(site.header("x-forwarded-for")) == 2


async def test_headers_of_trusted_hops_tell_where_a_request_comes_from() -> None:
    site = Site()
    near = ["192.0.2.0/24"]
    trust = HopTrust.of(addresses=near, certificates=near, attributes=near)
    _, mixer = await run(site, request=scope(headers=HOP_HEADERS), trust=trust)
    bag = mixer.inner.requests[0].bag
    assert (bag["source.ip"], bag["source.port"]) == (b"\xcb\x00\x71\x09", None)
    assert bag["origin.ip"] == b"\xc0\x00\x02\x07"
    assert (bag["request.scheme"], bag["request.host"]) == ("https", "shop.example")
    assert (bag["source.principal"], bag["source.namespace"]) == ("td/ns/shop/sa/web", "shop")
    assert (bag["connection.mtls"], bag["source.uid"]) == (True, "kubernetes://web.shop")
    assert site.header("x-istio-attributes") == []


async def test_trust_in_one_thing_is_none_in_another() -> None:
    trust = HopTrust.of(addresses=["192.0.2.0/24"])
    _, mixer = await run(Site(), request=scope(headers=HOP_HEADERS), trust=trust)
    bag = mixer.inner.requests[0].bag
    assert (bag["source.ip"], bag["source.principal"]) == (b"\xcb\x00\x71\x09", None)
    assert bag["source.uid"] is None


async def test_a_trusted_unix_socket_stands_for_whoever_may_open_it() -> None:
    trust = HopTrust.of(addresses=["unix"])
    for server, source in ((("/run/app.sock", None), b"\xcb\x00\x71\x09"), (None, None)):
        request = scope(headers=HOP_HEADERS, client=None, server=server)
        trusted = HopTrust.of(addresses=["unix", "192.0.2.0/24"])
        _, mixer = await run(Site(), request=request, trust=trusted)
        assert mixer.inner.requests[0].bag["source.ip"] == source
    _, mixer = await run(Site(), request=scope(headers=HOP_HEADERS), trust=trust)
    assert mixer.inner.requests[0].bag["source.ip"] == b"\xc0\x00\x02\x07"


# ---------------------------------------------------------------- WebSockets


def socket_scope(**changes: Any) -> Scope:
    return {**scope(), "type": "websocket", "scheme": "ws", **changes}


async def echo(_scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    while (event := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": "ä", "bytes": None})
        del event


async def test_a_websocket_is_checked_before_it_opens_and_reported_at_its_end() -> None:
    wire = Wire(
        {"type": "websocket.connect"},
        {"type": "websocket.receive", "text": None, "bytes": b"abc"},
        {"type": "websocket.disconnect", "code": 1000},
    )
    outcome = allowed(response=[HeaderOperation("x-a", "1")])
    wire, mixer = await run(echo, outcome, request=socket_scope(), wire=wire)
    assert wire.sent[0] == {"type": "websocket.accept", "headers": [(b"x-a", b"1")]}
    report = only(mixer)
    assert (report["response.code"], report["request.scheme"]) == (101, "http")
    assert (report["request.size"], report["response.size"]) == (3, 2)
    assert report["context.proxy_error_code"] == "-"


async def test_a_refused_websocket_is_closed_before_it_opens() -> None:
    wire = Wire({"type": "websocket.connect"})
    wire, mixer = await run(echo, denied(), request=socket_scope(), wire=wire)
    assert wire.sent == [{"type": "websocket.close", "code": 1008}]
    assert only(mixer)["response.code"] == 403


async def test_a_refused_websocket_gets_an_answer_where_the_server_can_send_one() -> None:
    wire = Wire({"type": "websocket.connect"})
    request = socket_scope(extensions={"websocket.http.response": {}})
    outcome = denied(Code.UNAUTHENTICATED, "who", response=[HeaderOperation("x-a", "1")])
    wire, mixer = await run(echo, outcome, request=request, wire=wire, answers_at_once=False)
    assert [event["type"] for event in wire.sent] == [
        "websocket.http.response.start",
        "websocket.http.response.body",
    ]
    assert (wire.status, wire.body) == (401, b"UNAUTHENTICATED:who")
    assert only(mixer)["response.size"] == len(b"UNAUTHENTICATED:who")


async def test_a_websocket_that_the_application_turns_down_is_reported_with_403() -> None:
    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.close"})

    wire = Wire({"type": "websocket.connect"})
    _, mixer = await run(app, request=socket_scope(), wire=wire)
    assert only(mixer)["response.code"] == 403


# ---------------------------------------------------------------- life


LIFE: tuple[Event, Event] = ({"type": "lifespan.startup"}, {"type": "lifespan.shutdown"})


async def live(app: App, mixer: FakeAppMixer) -> list[str]:
    wire = Wire(*LIFE)
    await MixerMiddleware(app, mixer)({"type": "lifespan"}, wire.receive, wire.send)
    return [event["type"] for event in wire.sent]


async def test_the_mixer_lives_as_long_as_the_application() -> None:
    mixer, lives = FakeAppMixer(lambda _: allowed()), list[tuple[str, int, int]]()

    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        for step in ("startup", "shutdown"):
            await receive()
            lives.append((step, mixer.started, mixer.closed))
            await send({"type": f"lifespan.{step}.complete"})

    assert await live(app, mixer) == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert lives == [("startup", 1, 0), ("shutdown", 1, 0)]
    assert (mixer.started, mixer.closed) == (1, 1)


async def test_an_application_without_lifespan_still_has_its_mixer_closed() -> None:
    async def raises(scope: Scope, _receive: Receive, _send: Send) -> None:
        assert scope["type"] == "http"

    async def returns(_scope: Scope, _receive: Receive, _send: Send) -> None:
        pass

    apps: list[Callable[[Scope, Receive, Send], Awaitable[None]]] = [raises, returns]
    for app in apps:
        mixer = FakeAppMixer(lambda _: allowed())
        assert await live(app, mixer) == [
            "lifespan.startup.complete",
            "lifespan.shutdown.complete",
        ]
        assert (mixer.started, mixer.closed) == (1, 1)


async def test_a_mixer_that_cannot_start_fails_the_startup() -> None:
    mixer, site = FakeAppMixer(lambda _: allowed()), Site()
    mixer.failure = ValueError("no such file")
    wire = Wire(*LIFE)
    await MixerMiddleware(site, mixer)({"type": "lifespan"}, wire.receive, wire.send)
    assert wire.sent == [{"type": "lifespan.startup.failed", "message": "Mixer: no such file"}]
    assert site.scopes == []


async def test_an_application_that_fails_to_start_has_its_mixer_closed() -> None:
    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no"})
        message = "no"
        raise RuntimeError(message)

    mixer = FakeAppMixer(lambda _: allowed())
    with pytest.raises(RuntimeError):
        await live(app, mixer)
    assert (mixer.started, mixer.closed) == (1, 1)


async def test_without_lifespan_the_first_request_starts_the_mixer_once() -> None:
    mixer = FakeAppMixer(lambda _: allowed())
    middleware = MixerMiddleware(Site(), mixer)
    for _ in range(3):
        wire = Wire()
        await middleware(scope(), wire.receive, wire.send)
    assert (mixer.started, len(mixer.reports)) == (1, 3)


async def test_two_middlewares_share_one_mixer() -> None:
    mixer = FakeAppMixer(lambda _: allowed())
    for _ in range(2):
        wire = Wire()
        await MixerMiddleware(Site(), mixer)(scope(), wire.receive, wire.send)
    assert (mixer.started, len(mixer.reports)) == (1, 2)


def test_another_loop_starts_the_mixer_again() -> None:
    mixer = FakeAppMixer(lambda _: allowed())
    middleware = MixerMiddleware(Site(), mixer)
    for _ in range(2):
        wire = Wire()
        asyncio.run(_serve(middleware, wire))
    assert mixer.started == 2


async def _serve(middleware: MixerMiddleware, wire: Wire) -> None:
    await middleware(scope(), wire.receive, wire.send)


async def test_other_kinds_of_scopes_pass() -> None:
    site = Site()
    _, mixer = await run(site, denied(), request={"type": "something.new"})
    assert (len(site.scopes), mixer.reports) == (1, [])


@pytest.mark.parametrize(
    "make",
    [
        lambda: BlockingMixerClient("mixer:9091"),
        lambda: BlockingMixer(lambda: Remixer.local(".")),
    ],
)
def test_a_mixer_for_threads_is_refused_when_the_middleware_is_made(
    make: Callable[[], Any],
) -> None:
    async def app(*_: object) -> None:
        """Never called."""

    with pytest.raises(TypeError, match=r"not for asyncio.*`MixerClient"):
        MixerMiddleware(app, make())
    with pytest.raises(TypeError, match=r"not for asyncio.*`MixerClient"):
        MixerInterceptor(make())
