"""The websocket server of tests answers as Knative's autoscaler was seen to."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from remixer.testing.websocket_server import MOST_MESSAGE_BYTES, WebSocketServer

_UPGRADE = {
    "Host": "autoscaler:8080",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


class _Bench:
    def __init__(self) -> None:
        self.got: list[bytes] = []
        self.server = WebSocketServer(on_message=self.got.append)

    async def send(self, method: str, change: dict[str, str], then: bytes = b"") -> bytes:
        """A request, what follows it and nothing more, and all that comes back."""
        fields = {name: value for name, value in {**_UPGRADE, **change}.items() if value}
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        port = int(self.server.url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"{method} /any/path HTTP/1.1\r\n{head}\r\n".encode() + then)
        writer.write_eof()
        answer = b""
        with contextlib.suppress(ConnectionError):
            while part := await reader.read(4096):
                answer += part
        writer.close()
        return answer


def _frame(first: int, payload: bytes, *, is_masked: bool = True) -> bytes:
    size = bytes((len(payload) | (0x80 if is_masked else 0),))
    return bytes((first,)) + size + (bytes(4) if is_masked else b"") + payload


@pytest.fixture
async def bench() -> AsyncIterator[_Bench]:
    fresh = _Bench()
    async with fresh.server:
        yield fresh


@pytest.mark.parametrize(
    ("method", "change", "status"),
    [
        ("GET", {}, 101),
        ("GET", {"Origin": "http://autoscaler:8080"}, 101),
        ("GET", {"Origin": "http://elsewhere"}, 403),
        ("GET", {"Sec-WebSocket-Version": "12"}, 400),
        ("GET", {"Upgrade": ""}, 400),
        ("POST", {}, 405),
        ("GET", {"User-Agent": "kube-probe/1.30"}, 200),
        ("GET", {"K-Kubelet-Probe": "value"}, 200),
        ("GET", {"Host": "autoscaler-bucket-00-of-01"}, 200),
    ],
)
async def test_a_request_is_upgraded_or_refused(
    bench: _Bench, method: str, change: dict[str, str], status: int
) -> None:
    assert (await bench.send(method, change)).startswith(f"HTTP/1.1 {status} ".encode())
    assert bench.server.upgrades == (status == 101)


async def test_the_key_is_answered_as_the_protocol_says(bench: _Bench) -> None:
    answer = await bench.send("GET", {})
    assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in answer


async def test_a_frame_without_a_mask_ends_the_connection(bench: _Bench) -> None:
    answer = await bench.send("GET", {}, _frame(0x82, b"x", is_masked=False))
    assert answer.endswith(b"\x88\x0a\x03\xeabad MASK")
    assert bench.got == []


async def test_fragments_are_one_message_and_texts_are_dropped(bench: _Bench) -> None:
    frames = _frame(0x02, b"a") + _frame(0x89, b"") + _frame(0x80, b"b") + _frame(0x81, b"text")
    await bench.send("GET", {}, frames + _frame(0x82, b"c"))
    assert (bench.got, bench.server.texts, bench.server.pings) == ([b"ab", b"c"], 1, 1)


async def test_masks_are_taken_off(bench: _Bench) -> None:
    await bench.send("GET", {}, b"\x82\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58")
    assert bench.got == [b"Hello"]


async def test_tcp_stays_open_after_a_goodbye_until_the_client_closes_it(bench: _Bench) -> None:
    port = int(bench.server.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = "".join(f"{name}: {value}\r\n" for name, value in _UPGRADE.items())
    writer.write(f"GET / HTTP/1.1\r\n{head}\r\n".encode() + _frame(0x88, b"\x03\xe8"))
    await reader.readuntil(b"\r\n\r\n")
    assert await reader.readexactly(4) == b"\x88\x02\x03\xe8"
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await reader.read()
    assert bench.server.open_connections == 1
    writer.close()


async def test_a_frame_beyond_all_bounds_ends_the_connection(bench: _Bench) -> None:
    size = (MOST_MESSAGE_BYTES + 1).to_bytes(8, "big")
    answer = await bench.send("GET", {}, b"\x82\xff" + size)
    assert answer.startswith(b"HTTP/1.1 101 ")
    assert bench.got == []
    assert bench.server.open_connections == 0


async def test_a_head_without_end_is_given_up(bench: _Bench) -> None:
    await bench.send("GET", {"X-Long": "x" * 20_000})
    assert bench.server.upgrades == 0
