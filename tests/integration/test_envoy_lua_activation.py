"""The zero-build way: a Lua filter in a real Envoy asks `POST /activate`, and Envoy retries."""

import asyncio
import json
from pathlib import Path
from socket import socket
from typing import Any

import aiohttp
import pytest
import yaml

from remixer.cli.demo.envoy import EnvoyProcess, find_envoy
from remixer.cli.demo.polling import until
from remixer.drivers.http import AioHttpClient
from remixer.foundation.clock import SystemClock
from remixer.server.activate import activation_handler
from remixer.transport.addresses import TcpAddress
from remixer.transport.http1.server import Http1Server
from remixer.transport.peer_trust import PeerTrust

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
WITHIN_S = 60.0


class Woken:
    """A waker that keeps what it was told."""

    def __init__(self) -> None:
        self.keys: list[str] = []

    def wake(self, namespace: str, revision: str) -> None:
        self.keys.append(f"{namespace}/{revision}")


def configuration(*, pod: int, remixer: str) -> Any:
    config = yaml.safe_load((ROOT / "deploy" / "knative" / "envoy-lua.yaml").read_text())
    (listener,) = config["static_resources"]["listeners"]
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    lua = manager["http_filters"][0]["typed_config"]["default_source_code"]
    lua["filename"] = str(ROOT / lua["filename"])
    host, _, port = remixer.rpartition(":")
    ends = {"hello": ("127.0.0.1", pod), "remixer_activate": (host, int(port))}
    for cluster in config["static_resources"]["clusters"]:
        (endpoint,) = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"]
        endpoint["endpoint"]["address"] = at(*ends[cluster["name"]])
    listener["address"] = config["admin"]["address"] = at("127.0.0.1", 0)
    return config


def at(host: str, port: int) -> dict[str, object]:
    return {"socket_address": {"address": host, "port_value": port}}


async def answer_all(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def get(service: TcpAddress) -> int:
    async with aiohttp.ClientSession() as client, client.get(f"http://{service}/") as answer:
        return answer.status


async def test_requests_wait_in_retries_while_the_revision_is_woken_once(tmp_path: Path) -> None:
    woken = Woken()
    handler = activation_handler(woken, trust=PeerTrust.of(["127.0.0.0/8"]))
    remixer = Http1Server(name="activate", handler=handler, clock=SystemClock())
    http = AioHttpClient()
    await http.start()
    envoy = EnvoyProcess(program=find_envoy(), folder=tmp_path, http=http)
    with socket() as pod:
        pod.bind(("127.0.0.1", 0))
        try:
            where = await remixer.start("127.0.0.1:0", setting="--activate-address")
            config = configuration(pod=pod.getsockname()[1], remixer=where)
            file = tmp_path / "bootstrap.json"
            file.write_text(json.dumps(config))
            service = (await envoy.start_with(file)).service

            async with asyncio.TaskGroup() as tasks:
                going = [tasks.create_task(get(service)) for _ in range(10)]

                async def is_woken() -> bool | None:
                    return bool(woken.keys) or None

                await until(is_woken, within_s=WITHIN_S)
                server = await asyncio.start_server(answer_all, sock=pod)
            assert {each.result() for each in going} == {200}
            assert woken.keys == ["default/hello-00001"]
            # Awake from now on.
            assert await get(service) == 200
            assert woken.keys == ["default/hello-00001"]
            server.close()
        finally:
            await envoy.aclose()
            await remixer.drain(grace_s=1.0)
            await http.aclose()
