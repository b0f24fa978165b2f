"""Knocking at real sockets on loopback: who counts as answering, and what bad peers get."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from remixer.drivers.reachability import ProbeTarget, knock, parse_target

SOON_S = 60.0
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nqueue"


class Peer:
    """Answers every connection with the same bytes, piece by piece, and keeps what it was sent."""

    def __init__(self, *pieces: bytes, hangs: bool = False) -> None:
        self._pieces = pieces
        self._hangs = hangs
        self.heard = b""
        self.connections = 0
        self.ended = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            if self._pieces:
                self.heard = await reader.readuntil(b"\r\n\r\n")
            for piece in self._pieces:
                writer.write(piece)
                await asyncio.sleep(0)
            if self._hangs:
                await reader.read()
        except OSError:
            pass
        finally:
            writer.transport.abort()
            self.ended.set()


@asynccontextmanager
async def served(peer: Peer) -> AsyncIterator[int]:
    server = await asyncio.start_server(peer.serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def knock_at(peer: Peer, *, path: str = "/", timeout_s: float = SOON_S) -> str:
    async with served(peer) as port:
        reason = await knock(ProbeTarget("127.0.0.1", port, path), timeout_s=timeout_s)
        if peer.connections:
            await asyncio.wait_for(peer.ended.wait(), SOON_S)
    return reason


async def test_a_2xx_is_an_answer() -> None:
    assert await knock_at(Peer(OK)) == ""
    assert await knock_at(Peer(b"HTTP/1.0 204 No Content\r\n\r\n")) == ""


async def test_the_request_is_one_that_queue_proxy_answers_for_its_pod() -> None:
    peer = Peer(OK)
    await knock_at(peer, path="/healthz?full=1")
    head = peer.heard.decode()
    assert head.startswith("GET /healthz?full=1 HTTP/1.1\r\n")
    assert "\r\nK-Network-Probe: queue\r\n" in head
    assert "\r\nConnection: close\r\n" in head
    assert "\r\nHost: 127.0.0.1:" in head


@pytest.mark.parametrize("code", [100, 301, 400, 404, 503])
async def test_any_other_status_is_none(code: int) -> None:
    # The Activator answers 400 to such a probe: an address of its own must not count as a pod.
    reason = await knock_at(Peer(f"HTTP/1.1 {code} so so\r\n\r\n".encode()))
    assert reason == f"status {code}, wanted 2xx"


@pytest.mark.parametrize(
    "garbage",
    [b"", b"\r\n", b"SSH-2.0-x\r\n", b"HTTP/2 200\r\n", b"HTTP/1.1 2x\r\n", b"\x00\xff\n"],
)
async def test_garbage_is_none(garbage: bytes) -> None:
    assert await knock_at(Peer(garbage)) == "the answer is not HTTP/1"


async def test_a_line_without_end_is_cut_off() -> None:
    assert await knock_at(Peer(*[b"x" * 10_000] * 3, hangs=True))


async def test_an_answer_in_pieces_is_one() -> None:
    assert await knock_at(Peer(b"HTT", b"P/1.1 2", b"00 OK\r", b"\n\r\n")) == ""


async def test_who_says_nothing_is_left_in_time() -> None:
    peer = Peer(b"", hangs=True)
    assert await knock_at(peer, timeout_s=0.05) == "no answer within 0.05 s"


async def test_a_connection_is_enough_without_a_path() -> None:
    async with served(Peer(hangs=True)) as port:
        assert await knock(ProbeTarget("127.0.0.1", port), timeout_s=SOON_S) == ""


async def test_a_refusal_is_a_reason() -> None:
    async with served(Peer()) as port:
        pass
    assert "failed" in await knock(ProbeTarget("127.0.0.1", port, "/"), timeout_s=SOON_S)


async def test_a_name_that_cannot_be_encoded_is_a_reason() -> None:
    assert await knock(ProbeTarget("a" * 70 + ".test", 80, "/"), timeout_s=SOON_S)


async def test_a_cancelled_knock_closes_its_connection() -> None:
    peer = Peer(b"", hangs=True)
    async with served(peer) as port, asyncio.TaskGroup() as group:
        knocking = group.create_task(knock(ProbeTarget("127.0.0.1", port, "/"), timeout_s=SOON_S))
        async with asyncio.timeout(SOON_S):
            while not peer.heard:  # noqa: ASYNC110 - what sockets bring sets no event of ours
                await asyncio.sleep(0)
        knocking.cancel()
        await asyncio.wait_for(peer.ended.wait(), SOON_S)


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("http://cart.shop", ProbeTarget("cart.shop", 80, "/")),
        ("http://cart.shop:8012/a/b?c=d", ProbeTarget("cart.shop", 8012, "/a/b?c=d")),
        ("http://[::1]:8012/", ProbeTarget("::1", 8012, "/")),
        ("tcp://cart.shop:80", ProbeTarget("cart.shop", 80)),
    ],
)
def test_urls_become_targets(url: str, target: ProbeTarget) -> None:
    assert parse_target(url) == target


@pytest.mark.parametrize(
    ("target", "authority"),
    [
        (ProbeTarget("cart.shop", 80, "/"), "cart.shop"),
        (ProbeTarget("cart.shop", 8012, "/"), "cart.shop:8012"),
        (ProbeTarget("::1", 8012, "/"), "[::1]:8012"),
    ],
)
def test_the_host_header_leaves_the_usual_port_out(target: ProbeTarget, authority: str) -> None:
    assert target.authority == authority
