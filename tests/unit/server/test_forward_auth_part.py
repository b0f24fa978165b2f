"""Authorization over HTTP/1.1 as a part of a server process."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from remixer.attributes.vocabulary import Vocabulary
from remixer.foundation.clock import SystemClock
from remixer.foundation.errors import StartupError
from remixer.server.compose import RemixerServer
from remixer.server.forward_auth import forward_auth_parts
from remixer.server.lifecycle import Part
from remixer.server.setting_table import SettingsError
from remixer.server.settings import Settings, read_settings
from remixer.wire.forwarded_reader import ForwardedReader

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


def part_of(server: RemixerServer, bound: list[str]) -> Part:
    """One more beside the server's own."""
    (part,) = forward_auth_parts(
        lambda: server.mixer,
        settings=settings(forward_auth=ANY_PORT),
        vocabulary=Vocabulary,
        clock=SystemClock(),
        forwarded=ForwardedReader(),
        on_bound=bound.append,
    )
    return part


async def test_a_part_that_never_started_closes() -> None:
    async with RemixerServer(settings(forward_auth=None)).serving() as server:
        await part_of(server, []).aclose()


async def test_a_drained_part_accepts_nothing() -> None:
    bound: list[str] = []
    async with RemixerServer(settings(forward_auth=None)).serving() as server:
        part = part_of(server, bound)
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


# ------------------------------------------------------------------ whose rules apply

RULES_OF_SHOP = """
kind: handler
metadata: {name: closed, namespace: shop}
spec: {compiledAdapter: denier, params: {status: {code: 7, message: shop is closed}}}
---
kind: instance
metadata: {name: nothing, namespace: shop}
spec: {compiledTemplate: checknothing}
---
kind: rule
metadata: {name: closed, namespace: shop}
spec:
  match: destination.service.name == "web" && destination.port == 80
  actions: [{handler: closed, instances: [nothing]}]
"""
DESTINATIONS = """
shop.example: {destination.namespace: shop, destination.service.name: web, destination.port: 80}
"*.books.example": {destination.namespace: books}
"""


def question(host: str) -> bytes:
    """As Traefik asks."""
    lines = ("X-Forwarded-Uri: /", "X-Forwarded-Method: GET", f"X-Forwarded-Host: {host}")
    return "\r\n".join(("GET /check HTTP/1.1", "Host: auth", *lines, "", "")).encode()


async def test_the_rules_of_a_service_s_namespace_apply_by_the_host(tmp_path: Path) -> None:
    rules, file = tmp_path / "rules", tmp_path / "destinations.yaml"
    rules.mkdir()
    (rules / "shop.yaml").write_text(RULES_OF_SHOP)
    file.write_text(DESTINATIONS)
    chosen = replace(
        settings(forward_auth=ANY_PORT),
        config_store=f"fs://{rules}",
        forward_auth_destinations=str(file),
    )
    async with RemixerServer(chosen).serving() as server:
        address = server.addresses.forward_auth
        assert address is not None
        assert (await answer(address, question("shop.example"))).startswith(b"HTTP/1.1 403 ")
        assert (await answer(address, question("a.books.example"))).startswith(b"HTTP/1.1 200 ")
        # Nobody said whose it is: not even a proxy that passes it on to the shop opens it.
        assert (await answer(address, question("shop.local"))).startswith(b"HTTP/1.1 403 ")
        chosen = replace(chosen, forward_auth_destinations=None)
    async with RemixerServer(chosen).serving() as server:
        address = server.addresses.forward_auth
        assert address is not None
        assert (await answer(address, question("shop.example"))).startswith(b"HTTP/1.1 200 ")


def test_a_file_of_destinations_that_cannot_be_used_ends_the_start(tmp_path: Path) -> None:
    file = tmp_path / "destinations.yaml"
    file.write_text("shop.example:80: {destination.namespace: shop}")
    chosen = replace(settings(forward_auth=ANY_PORT), forward_auth_destinations=str(file))
    with pytest.raises(StartupError, match=r"destinations.yaml:1:1: error SET006"):
        RemixerServer(chosen)
