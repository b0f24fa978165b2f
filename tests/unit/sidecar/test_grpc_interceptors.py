"""gRPC interceptors on real servers: what handler, client and Mixer see, of every kind of call.

Each test runs on grpcio's asyncio server, on its server of threads, and with plain functions beside
the asyncio server's loop; where they differ, the test says so.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from concurrent import futures
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, Self

import grpc
import pytest
from grpc import aio

from remixer.attributes.bag import Bag, plain_bag
from remixer.attributes.http_bag import RequestHeaders
from remixer.foundation.errors import CheckFailedError, StartupError
from remixer.foundation.status import Code
from remixer.mixer.outcome import CheckOutcome, HeaderOperation, HeaderOperationKind
from remixer.mixer.request import QuotaArgs
from remixer.sidecar.grpc_server import BlockingMixerInterceptor, MixerInterceptor
from remixer.sidecar.hop_trust import HopTrust
from remixer.testing.app_mixers import (
    FakeAppMixer,
    FakeBlockingMixer,
    Policy,
    Reported,
    allowed,
    denied,
)
from remixer.wire.forwarded import encode_forwarded

PATIENCE_S: Final = 60.0
"""No test waits so long unless it fails."""
QUIET_S: Final = 2.0
"""Longer than a thread takes to end that can."""
REPLACE, REMOVE, APPEND = HeaderOperationKind
KINDS: Final = ("Get", "List", "Put", "Chat")
Metadata = list[tuple[str, str | bytes]]


@dataclass(frozen=True)
class Word:
    """A message; on the wire in lower case."""

    text: str

    @staticmethod
    def read(raw: bytes) -> "Word":
        """What is not ASCII is no message."""
        return Word(raw.decode("ascii").upper())

    @staticmethod
    def written(word: object) -> bytes:
        assert isinstance(word, Word)
        if word.text == "UNWRITABLE":
            message = "cannot be said"
            raise ValueError(message)
        return word.text.lower().encode()


def pairs(metadata: Iterable[Any]) -> Metadata:
    return [(each.key, each.value) for each in metadata]


def sent_with(error: aio.AioRpcError) -> list[object]:
    """The trailing metadata, which the stubs describe otherwise."""
    return list(error.trailing_metadata() or ())


def joined(words: Iterable[Word]) -> Word:
    return Word("".join(word.text for word in words))


# ---------------------------------------------------------------- services


class Site:
    """What handlers do, by the word of the first request; and what they saw."""

    def __init__(self) -> None:
        self.metadata: list[Metadata] = []
        self.entered = threading.Event()
        self.released = threading.Event()
        self.ended = threading.Event()
        """The handler that waits was left, one way or the other."""

    def begin(self, context: Any) -> None:
        self.metadata.append(pairs(context.invocation_metadata()))

    def values(self, name: str) -> list[str | bytes]:
        return [value for key, value in self.metadata[-1] if key == name]


class AsyncSite(Site):
    """Four methods for an event loop."""

    async def act(self, word: Word, context: Any) -> Word:
        match word.text:
            case "ABORT":
                await context.abort(grpc.StatusCode.NOT_FOUND, "not hére", (("x-why", "gone"),))
            case "RAISE":
                message = "boom"
                raise ValueError(message)
            case "CODE":
                context.set_code(grpc.StatusCode.OUT_OF_RANGE)
                context.set_details("too far")
            case "META":
                await context.send_initial_metadata((("x-own", "1"), ("x-raw-bin", b"\0")))
                context.set_trailing_metadata((("x-end", "2"), ("x-end-bin", b"\1")))
            case "WAIT":
                self.entered.set()
                try:
                    await asyncio.Event().wait()
                finally:
                    self.ended.set()
            case "UNWRITABLE":
                return word
            case _:
                pass
        return Word(f"<{word.text}>")

    async def get(self, request: Word, context: Any) -> Word:
        self.begin(context)
        return await self.act(request, context)

    async def list(self, request: Word, context: Any) -> AsyncIterator[Word]:
        self.begin(context)
        yield Word("FIRST")
        yield await self.act(request, context)

    async def put(self, requests: AsyncIterator[Word], context: Any) -> Word:
        self.begin(context)
        words = [await self.act(word, context) async for word in requests]
        return joined(words)

    async def chat(self, _requests: object, context: Any) -> None:
        """Reads and writes by itself."""
        self.begin(context)
        while (word := await context.read()) is not aio.EOF:  # type: ignore[attr-defined]  # missing in the stubs
            await context.write(await self.act(word, context))


class ThreadSite(Site):
    """The same for threads."""

    def act(self, word: Word, context: Any) -> Word:
        match word.text:
            case "ABORT":
                context.set_trailing_metadata((("x-why", "gone"),))
                context.abort(grpc.StatusCode.NOT_FOUND, "not hére")
            case "RAISE":
                message = "boom"
                raise ValueError(message)
            case "CODE":
                context.set_code(grpc.StatusCode.OUT_OF_RANGE)
                context.set_details("too far")
            case "META":
                context.send_initial_metadata((("x-own", "1"), ("x-raw-bin", b"\0")))
                context.set_trailing_metadata((("x-end", "2"), ("x-end-bin", b"\1")))
            case "WAIT":
                self.entered.set()
                self.released.wait(PATIENCE_S)
                self.ended.set()
            case "UNWRITABLE":
                return word
            case _:
                pass
        return Word(f"<{word.text}>")

    def get(self, request: Word, context: Any) -> Word:
        self.begin(context)
        return self.act(request, context)

    def list(self, request: Word, context: Any) -> Iterator[Word]:
        self.begin(context)
        yield Word("FIRST")
        yield self.act(request, context)

    def put(self, requests: Iterator[Word], context: Any) -> Word:
        self.begin(context)
        return joined([self.act(word, context) for word in requests])

    def chat(self, requests: Iterator[Word], context: Any) -> Iterator[Word]:
        self.begin(context)
        for word in requests:
            yield self.act(word, context)


def handlers(site: AsyncSite | ThreadSite) -> "grpc.GenericRpcHandler[Any, Any]":
    made = {
        "Get": grpc.unary_unary_rpc_method_handler(site.get, Word.read, Word.written),
        "List": grpc.unary_stream_rpc_method_handler(site.list, Word.read, Word.written),
        "Put": grpc.stream_unary_rpc_method_handler(site.put, Word.read, Word.written),
        "Chat": grpc.stream_stream_rpc_method_handler(site.chat, Word.read, Word.written),
    }
    return grpc.method_handlers_generic_handler("shop.Cart", made)


# ---------------------------------------------------------------- servers


class Reports(list[Reported]):
    """What a Mixer was told; one may wait for it."""

    def __init__(self) -> None:
        super().__init__()
        self._changed = threading.Condition()

    def append(self, report: Reported) -> None:
        with self._changed:
            super().append(report)
            self._changed.notify_all()

    def __iadd__(self, reports: Iterable[Reported]) -> Self:  # type: ignore[misc,override]  # of lists only what fakes use
        for each in reports:
            self.append(each)
        return self

    async def arrived(self, count: int = 1) -> None:
        def wait() -> bool:
            with self._changed:
                return self._changed.wait_for(lambda: len(self) >= count, PATIENCE_S)

        assert await asyncio.to_thread(wait)


@dataclass
class Service:
    """A server that runs, and what its Mixer was told."""

    address: str
    site: Site
    requests: Callable[[], Sequence[Any]]
    reports: Reports
    channel: aio.Channel

    def call(self, kind: str, *words: str, path: str | None = None, **options: Any) -> Any:
        """A call with these requests, and its responses in one iterator."""
        path = path or f"/shop.Cart/{kind}"
        requests = [word.encode("latin-1") for word in words]
        match kind:
            case "Get":
                return self.channel.unary_unary(path, None, None)(requests[0], **options)
            case "List":
                return self.channel.unary_stream(path, None, None)(requests[0], **options)
            case "Put":
                return self.channel.stream_unary(path, None, None)(iter(requests), **options)
            case _:
                return self.channel.stream_stream(path, None, None)(iter(requests), **options)

    async def ask(self, kind: str, *words: str, **options: Any) -> list[bytes]:
        """The responses."""
        call = self.call(kind, *words, **options)
        async with asyncio.timeout(PATIENCE_S):
            if kind in {"Get", "Put"}:
                return [await call]
            return [response async for response in call]

    async def refusal(self, kind: str, *words: str, **options: Any) -> aio.AioRpcError:
        """The failure. A client that is cut off while it writes may tell of that instead."""
        with pytest.raises(aio.AioRpcError) as caught:
            await self.ask(kind, *words, **options)
        return caught.value


class Pool(ThreadPoolExecutor):
    """Threads for grpcio's asyncio server, which hand on to the loop even after the end."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self._begun: list[Future[Any]] = []

    def submit(self, work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        self._begun.append(future := super().submit(work, *args, **kwargs))
        return future

    async def quiet(self) -> None:
        """Those of calls that were given up, grpcio leaves waiting: they end with the loop."""
        await asyncio.to_thread(futures.wait, self._begun, QUIET_S)
        self.shutdown(wait=False)


class Flavour:
    """One way to serve: kept until the server has stopped, when all reports are in."""

    name = "asyncio"

    @asynccontextmanager
    async def serve(
        self, policy: Policy | CheckOutcome | None = None, **settings: Any
    ) -> AsyncIterator[Service]:
        mixer = FakeAppMixer(deciding(policy), answers_at_once=settings.pop("at_once", True))
        async with self.serve_with(mixer, **settings) as service:
            yield service

    @asynccontextmanager
    async def serve_with(self, mixer: Any, **settings: Any) -> AsyncIterator[Service]:
        site, pool = self.site(), Pool(8)
        server = aio.server(pool, interceptors=[MixerInterceptor(mixer, **settings)])
        server.add_generic_rpc_handlers((handlers(site),))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        async with channel_to(f"127.0.0.1:{port}") as channel:
            inner, reports = mixer.inner, Reports()
            inner.reports = reports
            yield Service(f"127.0.0.1:{port}", site, lambda: inner.requests, reports, channel)
        site.released.set()
        await server.stop(PATIENCE_S)
        await mixer.aclose()
        await pool.quiet()

    def site(self) -> AsyncSite | ThreadSite:
        return AsyncSite()


class PlainFunctions(Flavour):
    """Handlers for threads on the asyncio server."""

    name = "threads beside asyncio"

    def site(self) -> ThreadSite:
        return ThreadSite()


class Threads(Flavour):
    """The server of threads."""

    name = "threads"

    @asynccontextmanager
    async def serve(
        self, policy: Policy | CheckOutcome | None = None, **settings: Any
    ) -> AsyncIterator[Service]:
        settings.pop("at_once", None)
        mixer = FakeBlockingMixer(deciding(policy))
        async with self.serve_with(mixer, **settings) as service:
            yield service

    @asynccontextmanager
    async def serve_with(self, mixer: Any, **settings: Any) -> AsyncIterator[Service]:
        site = ThreadSite()
        with ThreadPoolExecutor(8) as pool:
            server = grpc.server(pool, interceptors=[BlockingMixerInterceptor(mixer, **settings)])
            server.add_generic_rpc_handlers((handlers(site),))
            port = server.add_insecure_port("127.0.0.1:0")
            server.start()
            async with channel_to(f"127.0.0.1:{port}") as channel:
                mixer.reports = reports = Reports()
                yield Service(f"127.0.0.1:{port}", site, lambda: mixer.requests, reports, channel)
            site.released.set()
            await asyncio.to_thread(server.stop(PATIENCE_S).wait)


def deciding(policy: Policy | CheckOutcome | None) -> Policy:
    if callable(policy):
        return policy
    outcome = policy or allowed()
    return lambda _: outcome


@asynccontextmanager
async def channel_to(address: str) -> AsyncIterator[aio.Channel]:
    channel = aio.insecure_channel(address, (("grpc.use_local_subchannel_pool", 1),))
    try:
        yield channel
    finally:
        await channel.close(None)


FLAVOURS: Final = (Flavour(), PlainFunctions(), Threads())


@pytest.fixture(params=FLAVOURS, ids=lambda each: each.name)
def flavour(request: pytest.FixtureRequest) -> Flavour:
    found = request.param
    assert isinstance(found, Flavour)
    return found


def header(bag: Bag, name: str) -> str:
    headers = bag["request.headers"]
    assert isinstance(headers, RequestHeaders)
    return headers[name] or ""


def only(service: Service) -> Reported:
    (report,) = service.reports
    return report


def status_of(report: Reported) -> tuple[object, ...]:
    names = ("response.code", "response.grpc_status", "response.grpc_message")
    return tuple(report.get(name) for name in names)


async def drained(call: Any, kind: str) -> None:
    """To its end, whatever that is."""
    try:
        if kind in {"Get", "Put"}:
            await call
        else:
            async for _ in call:
                pass
    except (aio.AioRpcError, asyncio.CancelledError):
        pass


# ---------------------------------------------------------------- allowed


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("kind", KINDS)
async def test_an_allowed_call_passes_and_is_reported(
    flavour: Flavour, kind: str, *, at_once: bool
) -> None:
    async with flavour.serve(at_once=at_once) as service:
        responses = await service.ask(kind, "ab")
    assert b"".join(responses).removeprefix(b"first") == b"<ab>"
    report = only(service)
    assert status_of(report) == (200, "0", "")
    assert report["request.size"] == 2
    assert report["response.size"] == len(b"".join(responses))
    assert report["check.cache_hit"] is False
    assert report["context.proxy_error_code"] == "-"
    assert "check.error_code" not in report


async def test_messages_of_streams_are_counted_together(flavour: Flavour) -> None:
    async with flavour.serve() as service:
        assert await service.ask("Chat", "a", "bc", "def") == [b"<a>", b"<bc>", b"<def>"]
        assert await service.ask("Put", "a", "bc") == [b"<a><bc>"]
    sizes = [(each["request.size"], each["response.size"]) for each in service.reports]
    assert sizes == [(6, 12), (3, 7)]


async def test_a_stream_may_be_without_requests(flavour: Flavour) -> None:
    async with flavour.serve() as service:
        assert await service.ask("Put") == [b""]
        assert await service.ask("Chat") == []
    assert [status_of(each) for each in service.reports] == [(200, "0", "")] * 2


async def test_attributes_are_those_of_a_sidecar(flavour: Flavour) -> None:
    async with flavour.serve(
        attributes={"destination.uid": "kubernetes://cart.shop"}, authority="cart.shop:50051"
    ) as service:
        metadata = (("x-a", "1"), ("x-a", "2"), ("x-b-bin", b"\0"))
        await service.ask("Get", "ab", metadata=metadata)
    (request,) = service.requests()
    bag = request.bag
    headers = dict(bag["request.headers"].whole())
    assert headers.pop("user-agent").startswith("grpc-python")
    assert headers == {
        ":authority": "cart.shop:50051",
        ":method": "POST",
        ":path": "/shop.Cart/Get",
        ":scheme": "http",
        "content-type": "application/grpc",
        "x-a": "2",
    }
    assert (bag["request.path"], bag["request.url_path"]) == ("/shop.Cart/Get", "/shop.Cart/Get")
    assert (bag["request.method"], bag["request.scheme"]) == ("POST", "http")
    assert bag["request.host"] == "cart.shop:50051"
    assert bag["context.protocol"] == "grpc"
    assert bag["source.ip"] == bag["origin.ip"] == bytes((127, 0, 0, 1))
    assert 0 < bag["source.port"] < 65_536
    assert bag["connection.mtls"] is False
    assert bag["source.principal"] is None
    assert bag["request.time"] > 0
    assert bag["destination.uid"] == bag["context.reporter.uid"] == "kubernetes://cart.shop"
    assert (bag["api.service"], bag["api.operation"], bag["destination.ip"]) == (None,) * 3


async def test_excluded_services_and_methods_are_neither_checked_nor_reported(
    flavour: Flavour,
) -> None:
    async with flavour.serve(denied(), exclude=("/shop.Cart/Get", "/other.Service/")) as service:
        assert await service.ask("Get", "ab") == [b"<ab>"]
        missing = await service.refusal("Get", "ab", path="/other.Service/Get")
        assert missing.code() is grpc.StatusCode.UNIMPLEMENTED
        assert (await service.refusal("Put")).code() is grpc.StatusCode.PERMISSION_DENIED
    assert len(service.requests()) == len(service.reports) == 1


async def test_a_whole_service_is_excluded_by_its_name(flavour: Flavour) -> None:
    async with flavour.serve(denied(), exclude=("/shop.Cart/",)) as service:
        assert await service.ask("Get", "ab") == [b"<ab>"]
    assert service.requests() == []


@pytest.mark.parametrize(
    ("make", "mixer"),
    [(MixerInterceptor, FakeAppMixer), (BlockingMixerInterceptor, FakeBlockingMixer)],
)
def test_an_exclude_that_is_no_path_is_refused(
    make: Callable[..., object], mixer: Callable[..., object]
) -> None:
    with pytest.raises(ValueError, match="is no path"):
        make(mixer(deciding(None)), exclude=("grpc.health.v1.Health/",))


async def test_quotas_are_asked_for_each_call(flavour: Flavour) -> None:
    async with flavour.serve(quotas=lambda bag: {bag["request.path"]: 2}) as service:
        await service.ask("Get", "ab")
    (request,) = service.requests()
    assert request.quotas == {"/shop.Cart/Get": QuotaArgs(2)}


async def test_the_clients_deadline_does_not_bound_the_check(flavour: Flavour) -> None:
    """With a short one a client could choose what a failure policy decides."""
    async with flavour.serve() as service:
        await service.ask("Get", "ab", timeout=PATIENCE_S)
    (request,) = service.requests()
    assert request.deadline is None


# ---------------------------------------------------------------- refused

VERDICTS: Final = [
    *((denied(code, "no"), code, "no") for code in Code if code is not Code.OK),
    (denied(99, "odd"), Code.UNKNOWN, "odd"),  # type: ignore[arg-type]  # as adapters may
    (denied(-1, "odd"), Code.UNKNOWN, "odd"),  # type: ignore[arg-type]  # as adapters may
    (denied(Code.NOT_FOUND, ""), Code.NOT_FOUND, ""),
    (denied(Code.NOT_FOUND, "wörter\nhier"), Code.NOT_FOUND, "wörter\nhier"),
    # The verdict wins over the HTTP code of its direct response.
    (denied(Code.PERMISSION_DENIED, "no", direct=(503, "x")), Code.PERMISSION_DENIED, "no"),
    # Direct responses to allowed calls, by gRPC's own table.
    (allowed(direct=(200, "hello")), Code.UNKNOWN, "hello"),
    (allowed(direct=(301, "")), Code.UNKNOWN, "HTTP 301"),
    (allowed(direct=(400, "")), Code.INTERNAL, "HTTP 400"),
    (allowed(direct=(401, "who?")), Code.UNAUTHENTICATED, "who?"),
    (allowed(direct=(403, "")), Code.PERMISSION_DENIED, "HTTP 403"),
    (allowed(direct=(404, "")), Code.UNIMPLEMENTED, "HTTP 404"),
    (allowed(direct=(418, "")), Code.UNKNOWN, "HTTP 418"),
    (allowed(direct=(429, "")), Code.UNAVAILABLE, "HTTP 429"),
    (allowed(direct=(500, "")), Code.UNKNOWN, "HTTP 500"),
    (allowed(direct=(502, "")), Code.UNAVAILABLE, "HTTP 502"),
    (allowed(direct=(503, "")), Code.UNAVAILABLE, "HTTP 503"),
    (allowed(direct=(504, "")), Code.UNAVAILABLE, "HTTP 504"),
]


async def test_every_verdict_has_its_status(flavour: Flavour) -> None:
    verdicts = iter(VERDICTS)
    async with flavour.serve(lambda _: next(verdicts)[0]) as service:
        told = [await service.refusal("Get", "ab") for _ in VERDICTS]
    found = [(each.code().value[0], each.details()) for each in told]
    assert found == [(code, message) for _, code, message in VERDICTS]
    assert [each["response.grpc_status"] for each in service.reports] == [
        str(int(code)) for _, code, _ in VERDICTS
    ]
    assert service.site.metadata == []


@pytest.mark.parametrize("kind", KINDS)
async def test_a_denied_call_reaches_no_handler_and_is_reported(
    flavour: Flavour, kind: str
) -> None:
    async with flavour.serve(denied(Code.PERMISSION_DENIED, "shish")) as service:
        error = await service.refusal(kind, *(["ab"] if kind in {"Get", "List"} else []))
    assert (error.code(), error.details()) == (grpc.StatusCode.PERMISSION_DENIED, "shish")
    assert service.site.metadata == []
    report = only(service)
    assert status_of(report) == (403, "7", "shish")
    assert report["check.error_code"] == 7
    assert report["check.error_message"] == "PERMISSION_DENIED:shish"
    assert report["context.proxy_error_code"] == "UAEX"


async def test_the_verdict_comes_before_the_request_is_read(flavour: Flavour) -> None:
    async with flavour.serve(denied()) as service:
        error = await service.refusal("Get", "\xff")  # which no deserializer takes
    assert error.code() is grpc.StatusCode.PERMISSION_DENIED
    assert only(service)["request.size"] == 0


async def test_a_stream_is_refused_while_its_client_still_has_nothing_to_say(
    flavour: Flavour,
) -> None:
    async with flavour.serve(denied()) as service, asyncio.timeout(PATIENCE_S):
        call = service.channel.stream_stream("/shop.Cart/Chat", None, None)()  # type: ignore[call-arg]  # may be none
        assert await call.code() is grpc.StatusCode.PERMISSION_DENIED


async def test_operations_of_a_direct_response_are_trailing_metadata(flavour: Flavour) -> None:
    operations = (
        HeaderOperation("Set-Cookie", "a=1", APPEND),
        HeaderOperation("set-cookie", "b=2", APPEND),
        HeaderOperation("x-tab", "a\tb\nc é", APPEND),
        HeaderOperation("x-raw-bin", "AAE", APPEND),
        HeaderOperation("x-bad-bin", "%%", APPEND),
        HeaderOperation("grpc-status", "0"),
        HeaderOperation("content-length", "7"),
        HeaderOperation("content-type", "text/html"),
        HeaderOperation("x y", "1"),
        HeaderOperation("x!", "1"),
        HeaderOperation(":status", "200"),
    )
    outcome = denied(Code.UNAUTHENTICATED, "who?", response=operations, direct=(401, "page"))
    async with flavour.serve(outcome) as service:
        error = await service.refusal("Get", "ab")
    assert (error.code(), error.details()) == (grpc.StatusCode.UNAUTHENTICATED, "who?")
    assert sent_with(error) == [
        ("set-cookie", "a=1"),
        ("set-cookie", "b=2"),
        ("x-tab", "a b c \\xe9"),
        ("x-raw-bin", b"\0\1"),
    ]
    report = only(service)
    assert report["response.code"] == 401
    headers = report["response.headers"]
    assert isinstance(headers, dict)
    assert headers["set-cookie"] == "b=2"
    assert headers[":status"] == "200"


async def test_a_plain_denial_carries_no_operations(flavour: Flavour) -> None:
    operations = (HeaderOperation("x-a", "1"),)
    async with flavour.serve(denied(response=operations)) as service:
        error = await service.refusal("Get", "ab")
    assert sent_with(error) == []


async def test_a_long_message_still_reaches_the_client(flavour: Flavour) -> None:
    async with flavour.serve(denied(message="é" * 50_000)) as service:
        error = await service.refusal("Get", "ab")
    assert error.code() is grpc.StatusCode.PERMISSION_DENIED
    assert (error.details() or "").startswith("éé")


async def test_a_check_without_a_verdict_refuses_with_its_failure(flavour: Flavour) -> None:
    def fail(_bag: Bag) -> CheckOutcome:
        message = "no handler"
        raise CheckFailedError(message)

    async with flavour.serve(fail) as service:
        error = await service.refusal("Get", "ab")
    assert (error.code(), error.details()) == (grpc.StatusCode.INTERNAL, "no handler")
    assert only(service)["check.error_code"] == 13


async def test_a_method_that_the_server_does_not_have_is_checked_all_the_same(
    flavour: Flavour,
) -> None:
    async with flavour.serve(
        lambda bag: denied() if bag["request.path"] == "/shop.Cart/Secret" else allowed()
    ) as service:
        unknown = await service.refusal("Get", "ab", path="/shop.Cart/Nothing")
        hidden = await service.refusal("Chat", path="/shop.Cart/Secret")
    assert (unknown.code(), unknown.details()) == (
        grpc.StatusCode.UNIMPLEMENTED,
        "Method not found!",
    )
    assert hidden.code() is grpc.StatusCode.PERMISSION_DENIED
    assert [each["response.grpc_status"] for each in service.reports] == ["12", "7"]


# ---------------------------------------------------------------- operations


@pytest.mark.parametrize("kind", KINDS)
async def test_request_operations_change_what_the_handler_sees(flavour: Flavour, kind: str) -> None:
    operations = (
        HeaderOperation("X-User", "änne"),
        HeaderOperation("x-a", "3", APPEND),
        HeaderOperation("x-gone", kind=REMOVE),
        HeaderOperation("x-bin", kind=REMOVE),
        HeaderOperation(":path", "/other"),
        HeaderOperation("host", "other"),
        HeaderOperation("grpc-timeout", "1n"),
    )
    sent = (("x-a", "1"), ("x-gone", "1"), ("x-bin", b"\0"), ("x-kept-bin", b"\1\2\3"))
    async with flavour.serve(allowed(request=operations)) as service:
        await service.ask(kind, "ab", metadata=sent)
    seen = [each for each in service.site.metadata[0] if each[0] != "user-agent"]
    assert seen == [("x-a", "1"), ("x-kept-bin", b"\1\2\3"), ("x-user", "änne"), ("x-a", "3")]
    headers = only(service)["request.headers"]
    assert isinstance(headers, dict)
    assert "x-user" not in headers  # what came in


async def test_without_operations_the_handler_sees_what_was_sent(flavour: Flavour) -> None:
    async with flavour.serve() as service:
        await service.ask("Get", "ab", metadata=(("x-a", "1"), ("x-a", "2"), ("b-bin", b"\0")))
    assert service.site.values("x-a") == ["1", "2"]
    assert service.site.values("b-bin") == [b"\0"]


RESPONSE_OPERATIONS: Final = (HeaderOperation("X-Mixed", "yes"), HeaderOperation("x-own", "2"))


@pytest.mark.parametrize("kind", KINDS)
async def test_response_operations_are_initial_metadata(flavour: Flavour, kind: str) -> None:
    async with flavour.serve(allowed(response=RESPONSE_OPERATIONS)) as service:
        call = service.call(kind, "ab")
        head = await call.initial_metadata()
        await drained(call, kind)
    assert list(head) == [("x-mixed", "yes"), ("x-own", "2")]
    headers = only(service)["response.headers"]
    assert isinstance(headers, dict)
    assert headers["x-mixed"] == "yes"


@pytest.mark.parametrize("kind", ["Get", "Put", "Chat"])
async def test_response_operations_change_the_handlers_own_metadata(
    flavour: Flavour, kind: str
) -> None:
    async with flavour.serve(allowed(response=RESPONSE_OPERATIONS)) as service:
        call = service.call(kind, "meta")
        await drained(call, kind)
        head, trailing = await call.initial_metadata(), await call.trailing_metadata()
    assert list(head) == [("x-raw-bin", b"\0"), ("x-mixed", "yes"), ("x-own", "2")]
    assert list(trailing) == [("x-end", "2"), ("x-end-bin", b"\1")]
    headers = only(service)["response.headers"]
    assert headers == {
        ":status": "200",
        "content-type": "application/grpc",
        "grpc-status": "0",
        "x-mixed": "yes",
        "x-own": "2",
        "x-end": "2",
    }


@pytest.mark.parametrize("word", ["abort", "raise", "code"])
async def test_response_operations_go_out_with_a_failure_too(flavour: Flavour, word: str) -> None:
    async with flavour.serve(allowed(response=RESPONSE_OPERATIONS)) as service:
        call = service.call("Put", word)
        head = await call.initial_metadata()
        assert await call.code() is not grpc.StatusCode.OK
    assert list(head) == [("x-mixed", "yes"), ("x-own", "2")]


async def test_metadata_of_handlers_passes_unchanged_without_operations(flavour: Flavour) -> None:
    async with flavour.serve() as service:
        call = service.call("Get", "meta")
        head, trailing = await call.initial_metadata(), await call.trailing_metadata()
    assert list(head) == [("x-own", "1"), ("x-raw-bin", b"\0")]
    assert list(trailing) == [("x-end", "2"), ("x-end-bin", b"\1")]


# ---------------------------------------------------------------- how calls end


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("word", "code", "message"),
    [("abort", 5, "not h%C3%A9re"), ("code", 11, "too far")],
)
async def test_a_status_of_the_handler_is_reported(
    flavour: Flavour, kind: str, word: str, code: int, message: str
) -> None:
    if (flavour.name, kind, word) == (PlainFunctions.name, "List", "abort"):
        kind = "Get"  # grpcio's own loses every other abort after a message there
    async with flavour.serve() as service:
        error = await service.refusal(kind, word)
    assert error.code().value[0] == code
    assert status_of(only(service)) == (200, str(code), message)
    assert only(service)["context.proxy_error_code"] == "-"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("word", ["raise", "unwritable"])
async def test_a_failing_handler_is_reported_as_the_client_is_told(
    flavour: Flavour, kind: str, word: str
) -> None:
    if (kind, word) == ("Put", "unwritable"):
        word = "raise"  # what is joined can be written
    async with flavour.serve() as service:
        error = await service.refusal(kind, word)
    report = only(service)
    assert error.code() in {grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL}
    assert status_of(report) == (200, str(error.code().value[0]), error.details())


async def test_trailing_metadata_of_an_abort_reaches_client_and_report(flavour: Flavour) -> None:
    async with flavour.serve() as service:
        error = await service.refusal("Get", "abort")
    assert sent_with(error) == [("x-why", "gone")]
    headers = only(service)["response.headers"]
    assert isinstance(headers, dict)
    assert headers["x-why"] == "gone"


@pytest.mark.parametrize("kind", ["Get", "List"])
async def test_a_request_that_cannot_be_read_ends_the_call(flavour: Flavour, kind: str) -> None:
    async with flavour.serve() as service:
        error = await service.refusal(kind, "\xff")
    assert service.site.metadata == []
    assert status_of(only(service)) == (200, str(error.code().value[0]), error.details())
    assert only(service)["request.size"] == 1


@pytest.mark.parametrize("kind", ["Get", "List"])
async def test_a_call_without_its_one_request_is_unimplemented(flavour: Flavour, kind: str) -> None:
    async with flavour.serve() as service:
        error = await service.refusal("Chat", path=f"/shop.Cart/{kind}")
    assert error.code() is grpc.StatusCode.UNIMPLEMENTED
    assert service.site.metadata == []
    assert only(service)["response.grpc_status"] == "12"


@pytest.mark.parametrize("kind", KINDS)
async def test_a_call_that_the_client_cancels_is_reported(flavour: Flavour, kind: str) -> None:
    async with flavour.serve() as service:
        call = service.call(kind, "wait")
        reading = asyncio.ensure_future(drained(call, kind))  # noqa: TID251 - ended below
        await asyncio.to_thread(service.site.entered.wait, PATIENCE_S)
        call.cancel()
        await asyncio.wait({reading})
        await service.reports.arrived()
    report = only(service)
    assert report["response.grpc_status"] == "1"
    assert report["context.proxy_error_code"] == "DC"
    assert report["response.code"] == (200 if kind == "List" else 500)
    assert report["check.cache_hit"] is False
    assert service.site.ended.is_set()


@pytest.mark.parametrize("kind", KINDS)
async def test_a_call_whose_deadline_passes_is_reported(flavour: Flavour, kind: str) -> None:
    async with flavour.serve() as service:
        error = await service.refusal(kind, "wait", timeout=1.0)
        await service.reports.arrived()
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert only(service)["response.grpc_status"] == "4"
    assert only(service)["context.proxy_error_code"] == "DC"


async def test_many_calls_at_once_each_have_their_report(flavour: Flavour) -> None:
    async with flavour.serve(
        lambda bag: denied() if header(bag, "x-n").endswith("7") else allowed(),
        at_once=False,
    ) as service:
        calls = [
            service.ask(kind, "ab", metadata=(("x-n", str(number)),))
            for number in range(50)
            for kind in KINDS
        ]
        answers = await asyncio.gather(*calls, return_exceptions=True)
    refused = [each for each in answers if isinstance(each, BaseException)]
    assert len(refused) == 5 * len(KINDS)
    assert len(service.reports) == 200
    statuses = [each["response.grpc_status"] for each in service.reports]
    assert (statuses.count("0"), statuses.count("7")) == (180, 20)


# ---------------------------------------------------------------- hops and peers


async def test_attributes_of_trusted_hops_count_and_their_header_is_not_passed_on(
    flavour: Flavour,
) -> None:
    header = encode_forwarded(plain_bag({"source.uid": "kubernetes://web.shop"}))
    trust = HopTrust.of(attributes=["127.0.0.1"], addresses=["127.0.0.0/8"])
    sent = (
        ("x-istio-attributes", header),
        ("x-forwarded-for", "192.0.2.9, 127.0.0.2"),
        ("x-forwarded-host", "cart.example"),
    )
    async with flavour.serve(trust=trust) as service:
        await service.ask("Get", "ab", metadata=sent)
    (request,) = service.requests()
    assert request.bag["source.uid"] == "kubernetes://web.shop"
    assert request.bag["source.ip"] == bytes((192, 0, 2, 9))
    assert request.bag["request.host"] == "cart.example"
    assert request.bag["origin.ip"] == bytes((127, 0, 0, 1))
    assert service.site.values("x-istio-attributes") == []
    assert service.site.values("x-forwarded-host") == ["cart.example"]


async def test_nobody_is_trusted_unless_named(flavour: Flavour) -> None:
    header = encode_forwarded(plain_bag({"source.uid": "kubernetes://web.shop"}))
    sent = (("x-istio-attributes", header), ("x-forwarded-for", "192.0.2.9"))
    async with flavour.serve() as service:
        await service.ask("Get", "ab", metadata=sent)
    (request,) = service.requests()
    assert request.bag["source.uid"] is None
    assert request.bag["source.ip"] == bytes((127, 0, 0, 1))
    assert "x-istio-attributes" not in request.bag["request.headers"].whole()
    assert service.site.values("x-istio-attributes") == []


# ---------------------------------------------------------------- the Mixer's life


async def test_the_mixer_starts_with_the_first_call_and_once() -> None:
    mixer = FakeAppMixer(deciding(None))
    async with Flavour().serve_with(mixer) as service:
        assert mixer.started == 0
        await asyncio.gather(*(service.ask("Get", "ab") for _ in range(10)))
        assert mixer.started == 1
    assert len(service.reports) == 10


async def test_a_mixer_that_cannot_start_refuses_calls_until_it_can(
    caplog: pytest.LogCaptureFixture,
) -> None:
    mixer = FakeAppMixer(deciding(None))
    mixer.failure = StartupError("no such directory: /secret")
    async with Flavour().serve_with(mixer) as service:
        error = await service.refusal("Get", "ab")
        assert error.code() is grpc.StatusCode.UNAVAILABLE
        assert "secret" not in (error.details() or "")
        mixer.failure = None
        assert await service.ask("Get", "ab") == [b"<ab>"]
    assert "mixer_not_started" in caplog.text


async def test_a_check_is_given_up_when_its_client_cancels() -> None:
    mixer = FakeAppMixer(deciding(None), answers_at_once=False)
    mixer.inner.gate = asyncio.Event()
    async with Flavour().serve_with(mixer) as service:
        call = service.call("Get", "ab")
        async with asyncio.timeout(PATIENCE_S):
            await mixer.inner.asked.wait()
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
    assert mixer.inner.cancelled == 1
    assert service.site.metadata == []
    report = only(service)
    assert "check.cache_hit" not in report
    assert (report["response.code"], report["context.proxy_error_code"]) == (500, "DC")


async def test_a_blocking_mixer_that_cannot_start_refuses_calls() -> None:
    def fail(_bag: Bag) -> CheckOutcome:
        message = "no such directory: /secret"
        raise StartupError(message)

    async with Threads().serve(fail) as service:
        error = await service.refusal("Get", "ab")
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert "secret" not in (error.details() or "")
    assert only(service)["response.grpc_status"] == "14"


async def test_a_failure_of_the_services_own_quotas_fails_the_call(flavour: Flavour) -> None:
    def fail(_bag: Bag) -> dict[str, int]:
        message = "no plan"
        raise KeyError(message)

    async with flavour.serve(quotas=fail) as service:
        error = await service.refusal("Get", "ab")
    assert error.code() is grpc.StatusCode.UNKNOWN
    assert service.site.metadata == []
    assert status_of(only(service)) == (200, "2", error.details())


async def test_a_client_that_leaves_while_a_thread_checks_is_reported() -> None:
    checking, left = threading.Event(), threading.Event()

    def slow(bag: Bag) -> CheckOutcome:
        if bag["request.path"] == "/shop.Cart/Put":
            checking.set()
            left.wait(PATIENCE_S)
        return allowed()

    async with Threads().serve(slow) as service:
        call = service.call("Put", "ab")
        await asyncio.to_thread(checking.wait, PATIENCE_S)
        call.cancel()
        await drained(call, "Put")
        # A server that has answered a later call has seen the first one go.
        assert await service.ask("Get", "cd") == [b"<cd>"]
        left.set()
        await service.reports.arrived(2)
    served, gone = service.reports
    assert (gone["response.grpc_status"], gone["context.proxy_error_code"]) == ("1", "DC")
    assert gone["check.cache_hit"] is False
    assert served["response.grpc_status"] == "0"
