"""Authorization over HTTP/1.1 as a part of a server process."""

import asyncio

import pytest

from remixer.foundation.clock import SystemClock
from remixer.foundation.errors import StartupError
from remixer.server.compose import RemixerServer
from remixer.server.forward_auth import forward_auth_part
from remixer.server.setting_table import SettingsError
from remixer.server.settings import Settings, read_settings
from remixer.transport.peer_trust import PeerTrust

ANY_PORT = "127.0.0.1:0"
ASK = b"GET /check/a HTTP/1.1\r\nHost: shop\r\n\r\n"


async def answer(address: str, request: bytes = ASK) -> bytes:
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    writer.close()
    return head


def settings(*, forward_auth: str | None) -> Settings:
    return Settings(
        address=(ANY_PORT,),
        monitoring_address=ANY_PORT,
        prometheus_address=ANY_PORT,
        forward_auth_address=forward_auth,
        drain_grace_s=1.0,
    )


async def test_a_server_answers_proxies_and_counts() -> None:
    async with RemixerServer(settings(forward_auth=ANY_PORT)).serving() as server:
        address = server.addresses.forward_auth
        assert address is not None
        assert (await answer(address)).startswith(b"HTTP/1.1 200 ")
        counted = server.metrics.render().decode()
        assert 'remixer_http_answers_total{server="forward_auth",status="200"} 1' in counted


async def test_without_an_address_nothing_listens() -> None:
    async with RemixerServer(settings(forward_auth=None)).serving() as server:
        assert server.addresses.forward_auth is None


async def test_an_address_that_is_taken_ends_the_start_and_names_the_setting() -> None:
    async with RemixerServer(settings(forward_auth=ANY_PORT)).serving() as server:
        taken = settings(forward_auth=server.addresses.forward_auth)
        with pytest.raises(StartupError, match="--forward-auth-address"):
            async with RemixerServer(taken).serving():
                pass


async def test_a_part_that_never_started_closes() -> None:
    async with RemixerServer(settings(forward_auth=None)).serving() as server:
        part = forward_auth_part(
            lambda: server.mixer, address=ANY_PORT, trust=PeerTrust(), clock=SystemClock()
        )
        await part.aclose()


async def test_a_drained_part_accepts_nothing() -> None:
    bound: list[str] = []
    async with RemixerServer(settings(forward_auth=None)).serving() as server:
        part = forward_auth_part(
            lambda: server.mixer,
            address=ANY_PORT,
            trust=PeerTrust.of(["127.0.0.0/8"]),
            clock=SystemClock(),
            on_bound=bound.append,
        )
        await part.start()
        assert (await answer(bound[0])).startswith(b"HTTP/1.1 200 ")
        await part.drain(grace_s=1.0)
        with pytest.raises(ConnectionError):
            await answer(bound[0])
        await part.aclose()


def test_settings_of_one_address_for_two_listeners_are_refused() -> None:
    with pytest.raises(SettingsError, match="both want"):
        read_settings(["--forward-auth-address", "127.0.0.1:9091"], {})


def test_settings_say_who_may_ask_where_and_how_long() -> None:
    arguments = ["--forward-auth-address", "unix:/tmp/x", "--forward-auth-from", "10.0.0.0/8"]
    found = read_settings([*arguments, "--forward-auth-timeout", "250ms"], {})
    assert found.forward_auth_address == "unix:/tmp/x"
    assert found.forward_auth_from == ("10.0.0.0/8",)
    assert found.forward_auth_timeout_s == 0.25
