"""Authorization over HTTP/1.1 as a part of a sidecar: it says of requests what the server's does."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from remixer.attributes.bag import plain_bag
from remixer.server.compose import RemixerServer
from remixer.server.settings import Settings
from remixer.server.sidecar import SidecarServer
from remixer.server.sidecar_settings import SidecarSettings, read_sidecar_settings
from remixer.wire.forwarded import encode_forwarded

ANY_PORT = "127.0.0.1:0"
RULES = """
kind: handler
metadata: {name: deny, namespace: istio-system}
spec: {compiledAdapter: denier, params: {status: {code: 7, message: not you}}}
---
kind: instance
metadata: {name: nothing, namespace: istio-system}
spec: {compiledTemplate: checknothing}
---
kind: rule
metadata: {name: strangers, namespace: istio-system}
spec:
  match: source.uid == "kubernetes://stranger.shop"
  actions: [{handler: deny, instances: [nothing]}]
"""
STRANGER = encode_forwarded(plain_bag({"source.uid": "kubernetes://stranger.shop"}))


@asynccontextmanager
async def sidecar(folder: Path, *flags: str) -> AsyncIterator[SidecarServer]:
    """One in front of a Mixer with `RULES`."""
    (folder / "rules.yaml").write_text(RULES)
    mixer = Settings(
        config_store=f"fs://{folder}",
        address=(ANY_PORT,),
        monitoring_address=ANY_PORT,
        prometheus_address=ANY_PORT,
        drain_grace_s=1.0,
    )
    async with RemixerServer(mixer).serving() as server:
        settings = sidecar_settings(server.addresses.grpc[0], *flags)
        async with SidecarServer(settings).serving() as found:
            yield found


def sidecar_settings(mixer: str, *flags: str) -> SidecarSettings:
    own = (f"--mixer={mixer}", f"--address={ANY_PORT}", f"--forward-auth-address={ANY_PORT}")
    return read_sidecar_settings([*own, "--monitoring-address=", "--drain-grace=1s", *flags], {})


async def status(address: str, *lines: str, host: str = "shop") -> int:
    """Of the answer to a question about `/a` with these headers."""
    place, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(place, int(port))
    head = "".join(f"{line}\r\n" for line in ("GET /check/a HTTP/1.1", f"Host: {host}", *lines))
    writer.write(f"{head}\r\n".encode())
    answer = await reader.readuntil(b"\r\n\r\n")
    writer.close()
    return int(answer.split(b" ")[1])


async def test_forwarded_attributes_count_from_proxies_that_are_trusted(tmp_path: Path) -> None:
    async with sidecar(tmp_path, "--trust-forwarded-attributes-from=127.0.0.1") as found:
        asked = found.forward_auth_address
        assert await status(asked, f"x-istio-attributes: {STRANGER}") == 403
        assert await status(asked) == 200
        counted = found.metrics.render().decode()
        assert 'remixer_forwarded_attributes_total{result="used"} 1' in counted


async def test_forwarded_attributes_of_others_count_for_nothing(tmp_path: Path) -> None:
    async with sidecar(tmp_path) as found:
        asked = found.forward_auth_address
        assert await status(asked, f"x-istio-attributes: {STRANGER}") == 200
        counted = found.metrics.render().decode()
        assert 'remixer_forwarded_attributes_total{result="untrusted"} 1' in counted


async def test_a_client_configuration_that_ignores_them_has_the_last_word(tmp_path: Path) -> None:
    config = tmp_path / "client.yaml"
    config.write_text(
        "service_configs: {default: {}}\n"
        "default_destination_service: default\n"
        "ignore_forwarded_attributes: true\n"
    )
    rules = tmp_path / "rules"
    rules.mkdir()
    trusting = "--trust-forwarded-attributes-from=127.0.0.1"
    async with sidecar(rules, trusting, f"--client-config={config}") as found:
        line = f"x-istio-attributes: {STRANGER}"
        assert await status(found.forward_auth_address, line) == 200


async def test_a_destination_picks_the_service_of_the_client_configuration(tmp_path: Path) -> None:
    config, file, rules = tmp_path / "c.yaml", tmp_path / "d.yaml", tmp_path / "rules"
    config.write_text(
        "service_configs:\n"
        "  web: {mixer_attributes: {attributes: {source.uid: "
        "{string_value: kubernetes://stranger.shop}}}}\n"
        "  books: {}\n"
    )
    file.write_text(
        "shop: {destination.service.name: web}\nbooks: {destination.service.name: books}\n"
    )
    rules.mkdir()
    flags = (f"--client-config={config}", f"--forward-auth-destinations={file}")
    async with sidecar(rules, *flags) as found:
        asked = found.forward_auth_address
        assert await status(asked) == 403
        assert await status(asked, host="books") == 200
        assert await status(asked, host="nobody") == 403
