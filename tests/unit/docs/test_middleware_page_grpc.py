"""docs/middleware.md: the two lines for each of grpcio's servers put an interceptor in the way."""

import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc import aio

from remixer.testing.app_mixers import FakeAppMixer, FakeBlockingMixer, denied

PAGE = Path(__file__).parents[3] / "docs" / "middleware.md"
BLOCKS = dict(re.findall(r"^```py (\w+)\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL))


def run(block: str, kind: Callable[[Any], Any]) -> dict[str, Any]:
    """The names of a block, whose client is a Mixer that denies."""
    text, count = re.subn(r"(Blocking)?MixerClient\(\"mixer:9091\"\)", "mixer()", BLOCKS[block])
    assert count == 1
    names: dict[str, Any] = {"mixer": lambda: kind(lambda _: denied(message=block))}
    exec(text, names)  # noqa: S102 - the page's own words
    return names


async def refusal(port: int, path: str = "/shop.Cart/Get") -> tuple[grpc.StatusCode, str | None]:
    async with aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        with pytest.raises(aio.AioRpcError) as caught:
            await channel.unary_unary(path, None, None)(b"")
    return caught.value.code(), caught.value.details()


async def test_two_lines_stand_before_an_asyncio_service() -> None:
    server = run("asyncio", FakeAppMixer)["server"]
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    assert await refusal(port) == (grpc.StatusCode.PERMISSION_DENIED, "asyncio")
    code, _ = await refusal(port, "/grpc.health.v1.Health/Check")
    assert code is grpc.StatusCode.UNIMPLEMENTED
    await server.stop(None)


async def test_two_lines_stand_before_a_service_of_threads() -> None:
    server = run("threads", FakeBlockingMixer)["server"]
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    assert await refusal(port) == (grpc.StatusCode.PERMISSION_DENIED, "threads")
    await asyncio.to_thread(server.stop(None).wait)


def test_every_server_of_the_page_is_tried() -> None:
    assert set(BLOCKS) == {"asyncio", "threads"}
