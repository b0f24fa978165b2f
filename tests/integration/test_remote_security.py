"""Encrypted connections to back ends, who is trusted, and what each call shows."""

import asyncio
import logging
import shutil
import ssl
import stat
import subprocess
import tempfile
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import grpc
import pytest
import uvloop
from aiohttp import web
from grpc import aio

from remixer.drivers.http import AioHttpClient
from remixer.foundation.status import Code
from remixer.testing.clock import VirtualClock
from remixer.transport.remote_channel import ChannelLimits, GrpcRemoteChannel, open_remote_channel
from remixer.transport.remote_identity import uri_names
from remixer.transport.remote_port import NoTokenError, RpcFailed
from remixer.transport.remote_spec import (
    Authentication,
    AuthHeader,
    ConnectionSpec,
    CustomHeader,
    MutualTls,
    OAuthClient,
    Tls,
    TokenFile,
)
from remixer.transport.remote_subchannel import WireLimits

pytestmark = pytest.mark.integration

NAMES = "DNS:localhost,IP:127.0.0.1"
SHOP = "spiffe://cluster.local/ns/shop/sa/mixer"
OTHER = "spiffe://cluster.local/ns/shop/sa/mixer2"
TIMEOUT_S = 60.0
_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)  # noqa: S603, S607 - fixed words


class Authority:
    """Makes certificates with the openssl command."""

    def __init__(self, folder: Path, name: str) -> None:
        self._stem = folder / name
        self.certificate = f"{self._stem}.pem"
        subject = ("-subj", f"/CN={name}", "-days", "2")
        openssl("req", "-x509", *_NEW_KEY, *subject, "-keyout", self._key, "-out", self.certificate)

    @property
    def _key(self) -> str:
        return f"{self._stem}.key"

    def issue(self, name: str, names: str) -> tuple[str, str]:
        """Paths of certificate and key."""
        stem = f"{self._stem}-{name}"
        Path(f"{stem}.ext").write_text(f"subjectAltName={names}\n")
        made = ("-keyout", f"{stem}.key", "-out", f"{stem}.csr")
        openssl("req", *_NEW_KEY, "-subj", "/O=example", *made)
        signer = ("-CA", self.certificate, "-CAkey", self._key, "-CAcreateserial")
        files = ("-in", f"{stem}.csr", "-out", f"{stem}.pem", "-extfile", f"{stem}.ext")
        openssl("x509", "-req", "-days", "2", *signer, *files)
        return f"{stem}.pem", f"{stem}.key"


@dataclass(frozen=True)
class Certificates:
    """All that the tests need, made once."""

    ours: str
    theirs: str
    server: tuple[str, str]
    shop: tuple[str, str]
    other: tuple[str, str]
    nameless: tuple[str, str]
    """Carries no name of any kind that matters here."""
    foreign_shop: tuple[str, str]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    folder = tmp_path_factory.mktemp("remote")
    ours, theirs = Authority(folder, "ours"), Authority(folder, "theirs")
    return Certificates(
        ours.certificate,
        theirs.certificate,
        ours.issue("server", NAMES),
        ours.issue("shop", f"URI:{SHOP}"),
        ours.issue("other", f"URI:{OTHER},DNS:localhost"),
        ours.issue("nameless", "email:a@example.com"),
        theirs.issue("shop", f"URI:{SHOP}"),
    )


class BackEnd(grpc.GenericRpcHandler):
    """Remembers what calls showed; refuses tokens that it was told to refuse."""

    def __init__(self) -> None:
        self.metadata: list[dict[str, str | bytes]] = []
        self.refused: set[str] = set()

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> "grpc.RpcMethodHandler[bytes, bytes]":
        shown = dict(handler_call_details.invocation_metadata)
        self.metadata.append(shown)

        async def serve(request: bytes, context: "aio.ServicerContext[bytes, bytes]") -> bytes:
            if shown.get("authorization") in self.refused:
                await context.abort(grpc.StatusCode.UNAUTHENTICATED, "another token, please")
            return request

        return grpc.unary_unary_rpc_method_handler(serve)

    def shown(self, name: str) -> list[str | bytes | None]:
        return [each.get(name) for each in self.metadata]


def server_credentials(
    certificate: tuple[str, str], client_ca: str | None
) -> grpc.ServerCredentials:
    chain, key = (Path(path).read_bytes() for path in certificate)
    authorities = None if client_ca is None else Path(client_ca).read_bytes()
    return grpc.ssl_server_credentials(
        [(key, chain)], authorities, require_client_auth=client_ca is not None
    )


@asynccontextmanager
async def back_end(
    certificate: tuple[str, str], *, client_ca: str | None = None, place: str = "127.0.0.1:0"
) -> AsyncIterator[tuple[BackEnd, str]]:
    credentials = server_credentials(certificate, client_ca)
    handler = BackEnd()
    server = aio.server()
    server.add_generic_rpc_handlers((handler,))
    port = server.add_secure_port(place, credentials)
    await server.start()
    try:
        yield handler, place if place.startswith("unix:") else f"127.0.0.1:{port}"
    finally:
        await server.stop(0)


class Tasks:
    """Runs background work in the test's own group."""

    def __init__(self, group: asyncio.TaskGroup) -> None:
        self._group = group

    def spawn(self, work: Coroutine[object, None, None], *, name: str) -> None:
        self._group.create_task(work, name=name)


@asynccontextmanager
async def channel(
    address: str, authentication: Authentication, *, clock: VirtualClock | None = None
) -> AsyncIterator[GrpcRemoteChannel]:
    http = AioHttpClient()
    await http.start()
    try:
        async with asyncio.TaskGroup() as group:
            opened = await open_remote_channel(
                ConnectionSpec(address, None, authentication),
                clock=clock or VirtualClock(),
                tasks=Tasks(group),
                http=http,
                limits=ChannelLimits(wire=WireLimits(first_backoff_s=0.05)),
            )
            try:
                yield opened
            finally:
                await opened.aclose()
    finally:
        await http.aclose()


async def call(on: GrpcRemoteChannel, request: bytes = b"hello") -> bytes:
    return await on.unary("/pkg.Service/Echo", request, timeout_s=TIMEOUT_S, is_safe_to_retry=False)


async def until_ready(on: GrpcRemoteChannel) -> None:
    """The background work of a channel tells nobody when it did something."""
    async with asyncio.timeout(TIMEOUT_S):
        while not on.status.ready:  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.005)


def entries(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def failure(on: GrpcRemoteChannel) -> RpcFailed:
    with pytest.raises(RpcFailed) as caught:
        await call(on)
    return caught.value


async def answer(address: str, authentication: Authentication) -> str:
    """Empty if the call succeeded, else why not."""
    async with channel(address, authentication) as on:
        try:
            return "" if await call(on) == b"hello" else "another answer"
        except RpcFailed as error:
            assert error.code is Code.UNAVAILABLE  # noqa: PT017 - or there was no error
            return error.message


# ------------------------------------------------------------------ TLS


async def test_a_server_of_a_trusted_authority_is_called_without_any_token(
    made: Certificates,
) -> None:
    async with back_end(made.server) as (server, address):
        assert await answer(address, Tls(made.ours)) == ""
        assert server.shown("authorization") == [None]


async def test_a_server_of_an_unknown_authority_or_another_name_is_not(made: Certificates) -> None:
    async with back_end(made.server) as (server, address):
        why = await answer(address, Tls(made.theirs))
        assert address in why
        assert "its certificate is not trusted (" in why
        assert "its certificate is not trusted (" in await answer(address, Tls())
        assert "is for another name" in await answer(address, Tls(made.ours, "elsewhere.test"))
        assert server.metadata == []


async def test_server_name_stands_in_for_the_host_of_the_address(made: Certificates) -> None:
    async with back_end(made.other) as (_, address):
        assert await answer(address, Tls(made.ours)) != ""
        assert await answer(address, Tls(made.ours, "localhost")) == ""


async def test_server_name_may_be_an_identity(made: Certificates) -> None:
    async with back_end(made.shop) as (_, address):
        assert await answer(address, Tls(made.ours, SHOP)) == ""
        assert OTHER in await answer(address, Tls(made.ours, OTHER))


async def test_tls_over_a_unix_socket(made: Certificates, tmp_path: Path) -> None:
    async with back_end(made.server, place=f"unix:{tmp_path}/a.sock") as (_, address):
        assert await answer(address, Tls(made.ours)) == ""


# ------------------------------------------------------------------ mutual TLS


async def test_a_server_with_our_own_identity_is_called(made: Certificates) -> None:
    async with back_end(made.shop, client_ca=made.ours) as (_, address):
        assert await answer(address, MutualTls(*made.shop, made.ours)) == ""


async def test_a_server_with_another_identity_or_none_is_not_and_the_reason_is_told(
    made: Certificates,
) -> None:
    for certificate, part in ((made.other, OTHER), (made.server, "(none)")):
        async with back_end(certificate, client_ca=made.ours) as (server, address):
            why = await answer(address, MutualTls(*made.shop, made.ours))
            assert part in why
            assert SHOP in why
            assert server.metadata == []


async def test_our_identity_from_an_unknown_authority_is_not_trusted(made: Certificates) -> None:
    async with back_end(made.foreign_shop, client_ca=made.ours) as (server, address):
        assert "not trusted" in await answer(address, MutualTls(*made.shop, made.ours))
        assert server.metadata == []


async def test_server_name_may_name_the_identity_to_demand(made: Certificates) -> None:
    async with back_end(made.other, client_ca=made.ours) as (_, address):
        assert await answer(address, MutualTls(*made.shop, made.ours, OTHER)) == ""
        assert await answer(address, MutualTls(*made.shop, made.ours, SHOP)) != ""


async def test_without_an_identity_of_our_own_the_host_name_counts(made: Certificates) -> None:
    mutual = MutualTls(*made.nameless, made.ours)
    async with back_end(made.server, client_ca=made.ours) as (_, address):
        assert await answer(address, mutual) == ""
        assert await answer(address, replace(mutual, server_name="elsewhere.test")) != ""


async def test_a_server_that_refuses_our_certificate_fails_the_call(made: Certificates) -> None:
    async with back_end(made.shop, client_ca=made.theirs) as (server, address):
        assert address in await answer(address, MutualTls(*made.shop, made.ours))
        assert server.metadata == []


async def test_large_messages_pass_where_the_identity_is_compared(made: Certificates) -> None:
    async with (
        back_end(made.shop, client_ca=made.ours) as (_, address),
        channel(address, MutualTls(*made.shop, made.ours)) as on,
    ):
        sent = bytes(range(256)) * 12_000
        answers = await asyncio.gather(*(call(on, sent) for _ in range(4)))
        assert answers == [sent] * 4


async def test_identities_are_compared_over_unix_sockets_too(
    made: Certificates, tmp_path: Path
) -> None:
    place = f"unix:{tmp_path}/a.sock"
    async with back_end(made.shop, client_ca=made.ours, place=place) as (_, address):
        assert await answer(address, MutualTls(*made.shop, made.ours)) == ""
        assert "wanted" in await answer(address, MutualTls(*made.other, made.ours))


async def test_a_peer_that_is_away_or_speaks_no_tls_is_told_apart(made: Certificates) -> None:
    mutual = MutualTls(*made.shop, made.ours)

    async def babble(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 100)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(babble, "127.0.0.1", 0)
    address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        assert "TLS handshake failed" in await answer(address, mutual)
    assert "Connect call failed" in await answer(address, mutual)


async def test_a_back_end_that_restarts_is_connected_to_again(
    made: Certificates, tmp_path: Path
) -> None:
    place = f"unix:{tmp_path}/a.sock"
    mutual = MutualTls(*made.shop, made.ours)
    async with channel(place, mutual) as on:
        for _ in range(3):
            async with back_end(made.shop, client_ca=made.ours, place=place):
                await until_ready(on)
                assert await call(on) == b"hello"
            assert (await failure(on)).code is Code.UNAVAILABLE


async def test_nothing_is_left_of_the_bridge_when_the_channel_is_closed(
    made: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    async with (
        back_end(made.shop, client_ca=made.ours) as (_, address),
        channel(address, MutualTls(*made.shop, made.ours)) as on,
    ):
        await call(on)
        (folder,) = entries(tmp_path)
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700, "nobody else may use our identity"
        await on.aclose()
        assert entries(tmp_path) == []


def test_the_same_on_uvloop(made: Certificates) -> None:
    async def main() -> list[str]:
        async with back_end(made.shop, client_ca=made.ours) as (_, address):
            mutual = MutualTls(*made.shop, made.ours)
            return [
                await answer(address, each) for each in (mutual, replace(mutual, server_name=OTHER))
            ]

    allowed, refused = uvloop.run(main())
    assert allowed == ""
    assert "wanted " + OTHER in refused


async def test_the_handshake_names_the_server_and_speaks_http2(made: Certificates) -> None:
    seen: list[tuple[str | None, str | None]] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*made.shop)
    names: list[str | None] = []
    context.sni_callback = lambda _, name, __: names.append(name)

    async def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append((writer.get_extra_info("ssl_object").selected_alpn_protocol(), names[-1]))
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=context)
    address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        why = await answer(address, MutualTls(*made.shop, made.ours, "adapter.shop"))
    assert "does not speak HTTP/2" in why
    assert seen[0] == (None, "adapter.shop")


def test_uris_of_a_certificate_are_read(made: Certificates) -> None:
    found = [uri_names(Path(path).read_bytes()) for path, _ in (made.shop, made.other, made.server)]
    assert found == [{SHOP}, {OTHER}, set()]


@pytest.mark.parametrize("cut", [1, 10, 60, 100])
def test_a_malformed_certificate_is_refused_whatever_is_missing(
    made: Certificates, cut: int
) -> None:
    lines = Path(made.shop[0]).read_bytes().splitlines()
    der = b"".join(lines[1:-1])[: 4 * cut]
    with pytest.raises(ValueError, match="malformed"):
        uri_names(lines[0] + b"\n" + der + b"\n" + lines[-1])


# ------------------------------------------------------------------ files that change


def copy(certificate: tuple[str, str], folder: Path) -> tuple[str, str]:
    """Into files of fixed names, the old ones replaced at once."""
    made = []
    for path, name in zip(certificate, ("cert.pem", "key.pem"), strict=True):
        shutil.copy(path, folder / f"{name}.new")
        (folder / f"{name}.new").rename(folder / name)
        made.append(str(folder / name))
    return made[0], made[1]


async def test_a_new_certificate_is_used_and_a_broken_one_is_not(
    made: Certificates, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = VirtualClock()
    ours = copy(made.other, tmp_path)
    async with (
        back_end(made.shop, client_ca=made.ours) as (_, address),
        channel(address, MutualTls(*ours, made.ours), clock=clock) as on,
    ):
        await failure(on)
        copy(made.shop, tmp_path)
        clock.advance(1)
        assert await call(on) == b"hello"
        (tmp_path / "key.pem").write_text("half a k")
        with caplog.at_level(logging.ERROR):
            for _ in range(5):
                clock.advance(1)
                assert await call(on) == b"hello"
        told = [
            each
            for each in caplog.records
            if each.name.endswith("remote_files") and each.levelno >= logging.ERROR
        ]
        assert len(told) == 1
        assert "half a k" not in str(vars(told[0]))


async def test_authorities_are_read_again_too(made: Certificates, tmp_path: Path) -> None:
    clock = VirtualClock()
    authorities = tmp_path / "ca.pem"
    shutil.copy(made.theirs, authorities)
    async with (
        back_end(made.server) as (_, address),
        channel(address, Tls(str(authorities)), clock=clock) as on,
    ):
        await failure(on)
        shutil.copy(made.ours, authorities)
        clock.advance(1)
        assert await call(on) == b"hello"


@pytest.mark.parametrize("wrong", ["ca", "key", "pair", "token"])
async def test_calls_fail_while_a_file_cannot_be_used_and_name_it(
    made: Certificates, tmp_path: Path, wrong: str, caplog: pytest.LogCaptureFixture
) -> None:
    bad = tmp_path / "bad.pem"
    bad.write_text("s3cret\x07" if wrong == "token" else "s3cret")
    authentication: Authentication = {
        "ca": Tls(str(bad)),
        "key": MutualTls(made.shop[0], str(bad)),
        "pair": MutualTls(made.shop[0], made.other[1]),
        "token": Tls(made.ours, token=TokenFile(str(bad), AuthHeader.PLAIN)),
    }[wrong]
    async with back_end(made.server) as (server, address):
        with caplog.at_level(logging.ERROR):
            why = await answer(address, authentication)
    assert (made.other[1] if wrong == "pair" else str(bad)) in why
    assert server.metadata == []
    (told,) = (each for each in caplog.records if each.name.endswith("remote_files"))
    assert told.msg == "file is not usable, calls fail until it is"
    assert "s3cret" not in why + str(vars(told))


async def test_files_that_come_later_are_used_as_soon_as_they_are_there(
    made: Certificates, tmp_path: Path
) -> None:
    authorities, token = tmp_path / "ca.pem", tmp_path / "token"
    tls = Tls(str(authorities), token=TokenFile(str(token), AuthHeader.BEARER))
    async with back_end(made.server) as (server, address), channel(address, tls) as on:
        for _ in range(10):  # a breaker would be open
            assert f"{authorities} cannot be read" in (await failure(on)).message
        shutil.copy(made.ours, authorities)
        for _ in range(10):
            assert f"no access token: {token} cannot be read" in (await failure(on)).message
        token.write_text("t0ken")
        assert await call(on) == b"hello"
        assert server.shown("authorization") == ["Bearer t0ken"]


# ------------------------------------------------------------------ tokens in files


@pytest.mark.parametrize(
    ("placement", "header", "value"),
    [
        (AuthHeader.PLAIN, "authorization", "t0ken"),
        (AuthHeader.BEARER, "authorization", "Bearer t0ken"),
        (CustomHeader("X-Api-Key"), "x-api-key", "t0ken"),
    ],
)
async def test_a_token_travels_without_the_line_end_of_its_file(
    made: Certificates,
    tmp_path: Path,
    placement: AuthHeader | CustomHeader,
    header: str,
    value: str,
) -> None:
    file = tmp_path / "token"
    file.write_text("t0ken\n")
    tls = Tls(made.ours, token=TokenFile(str(file), placement))
    async with back_end(made.server) as (server, address):
        assert await answer(address, tls) == ""
        assert server.shown(header) == [value]


async def test_a_token_is_read_again_and_the_last_good_one_stays(
    made: Certificates, tmp_path: Path
) -> None:
    clock = VirtualClock()
    file = tmp_path / "token"
    file.write_text("one")
    tls = Tls(made.ours, token=TokenFile(str(file), AuthHeader.PLAIN))
    async with (
        back_end(made.server) as (server, address),
        channel(address, tls, clock=clock) as on,
    ):
        for text in ("one", "two", "", "tri"):
            file.write_text(text)
            clock.advance(1)
            await call(on)
        file.unlink()
        clock.advance(1)
        await call(on)
        assert server.shown("authorization") == ["one", "two", "two", "tri", "tri"]


# ------------------------------------------------------------------ OAuth


class TokenServer:
    """An OAuth token endpoint on loopback."""

    def __init__(self) -> None:
        self.forms: list[dict[str, str]] = []
        self.headers: list[str | None] = []
        self.status = 200
        self.wants_body_secret = False
        self.gate = asyncio.Event()
        self.gate.set()

    async def handle(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        self.forms.append(form)
        self.headers.append(request.headers.get("authorization"))
        await self.gate.wait()
        if self.wants_body_secret and "client_secret" not in form:
            return web.json_response({"error": "invalid_client"}, status=401)
        if self.status != 200:
            return web.json_response({"error": "server_error"}, status=self.status)
        token = {"access_token": f"t{len(self.forms)}", "token_type": "bearer", "expires_in": 600}
        return web.json_response(token)


@asynccontextmanager
async def token_server() -> AsyncIterator[tuple[TokenServer, str]]:
    handler = TokenServer()
    app = web.Application()
    app.router.add_post("/token", handler.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield handler, f"http://127.0.0.1:{runner.addresses[0][1]}/token"
    finally:
        handler.gate.set()
        await runner.cleanup()


def oauth(made: Certificates, folder: Path, url: str) -> Tls:
    secret = folder / "secret"
    if folder.exists():
        secret.write_text("s3cret\n")
    client = OAuthClient(
        "me", str(secret), url, scopes=("read",), endpoint_params=(("audience", "adapter"),)
    )
    return Tls(made.ours, token=client)


async def test_oauth_token_is_fetched_once_for_many_calls_and_renewed_early(
    made: Certificates, tmp_path: Path
) -> None:
    clock = VirtualClock()
    async with (
        token_server() as (tokens, url),
        back_end(made.server) as (server, address),
        channel(address, oauth(made, tmp_path, url), clock=clock) as on,
    ):
        await asyncio.gather(*(call(on) for _ in range(20)))
        assert server.shown("authorization") == ["Bearer t1"] * 20
        assert tokens.forms == [
            {"grant_type": "client_credentials", "scope": "read", "audience": "adapter"}
        ]
        assert tokens.headers == ["Basic bWU6czNjcmV0"]
        clock.advance(541)
        async with asyncio.timeout(TIMEOUT_S):
            while server.shown("authorization")[-1] != "Bearer t2":
                await call(on)
        assert len(tokens.forms) == 2


async def test_oauth_secret_goes_into_the_body_where_the_header_is_refused(
    made: Certificates, tmp_path: Path
) -> None:
    async with token_server() as (tokens, url), back_end(made.server) as (server, address):
        tokens.wants_body_secret = True
        assert await answer(address, oauth(made, tmp_path, url)) == ""
        assert tokens.forms[-1]["client_secret"] == "s3cret"  # noqa: S105 - not a secret
        assert server.shown("authorization") == ["Bearer t2"]


async def test_without_a_token_calls_fail_fast_and_tell_why_but_no_secret(
    made: Certificates, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = VirtualClock()
    async with (
        token_server() as (tokens, url),
        back_end(made.server) as (server, address),
        channel(address, oauth(made, tmp_path, url), clock=clock) as on,
    ):
        tokens.status = 500
        for _ in range(10):
            failed = await failure(on)
            assert isinstance(failed.__cause__, NoTokenError)
        assert failed.message.startswith(
            f"{address}: no access token: the token endpoint answered 500 (server_error); tried"
        )
        assert len(tokens.forms) == 1
        tokens.status = 200
        clock.advance(1)
        assert await call(on) == b"hello", "the back end was never blamed: its breaker is closed"
        assert len(server.metadata) == 1
    everything = "".join(str(vars(each)) for each in caplog.records)
    assert "access_token_not_fetched" in everything
    assert "s3cret" not in everything
    assert "bWU6" not in everything


async def test_a_secret_that_comes_later_is_used(made: Certificates, tmp_path: Path) -> None:
    clock = VirtualClock()
    async with (
        token_server() as (tokens, url),
        back_end(made.server) as (_, address),
        channel(address, oauth(made, tmp_path / "later", url), clock=clock) as on,
    ):
        assert "secret cannot be read (No such file" in (await failure(on)).message
        assert tokens.forms == []
        (tmp_path / "later").mkdir()
        oauth(made, tmp_path / "later", url)
        clock.advance(1)
        assert await call(on) == b"hello"


async def test_a_token_that_the_back_end_refuses_is_replaced(
    made: Certificates, tmp_path: Path
) -> None:
    clock = VirtualClock()
    async with (
        token_server() as (_, url),
        back_end(made.server) as (server, address),
        channel(address, oauth(made, tmp_path, url), clock=clock) as on,
    ):
        await call(on)
        server.refused.add("Bearer t1")
        clock.advance(2)
        assert (await failure(on)).code is Code.UNAUTHENTICATED
        await call(on)
        assert server.shown("authorization")[-1] == "Bearer t2"


async def test_a_call_that_gives_up_takes_no_other_calls_token_with_it(
    made: Certificates, tmp_path: Path
) -> None:
    async with (
        token_server() as (tokens, url),
        back_end(made.server) as (_, address),
        channel(address, oauth(made, tmp_path, url)) as on,
    ):
        tokens.gate.clear()
        with pytest.raises(RpcFailed) as caught:
            await on.unary("/pkg.Service/Echo", b"", timeout_s=0.05, is_safe_to_retry=True)
        assert caught.value.code is Code.DEADLINE_EXCEEDED
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(call(on))
            await asyncio.sleep(0)
            tokens.gate.set()
        assert waiting.result() == b"hello"
        assert len(tokens.forms) == 1
