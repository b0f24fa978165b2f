"""A websocket to a peer that only listens, and peers that do worse."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from remixer.drivers.aio_websocket import AioWebSocketConnector
from remixer.drivers.websocket import (
    HandshakeRefusedError,
    WebSocket,
    WebSocketEnd,
    WebSocketError,
    WebSocketTiming,
    websocket_url,
)
from remixer.testing.websocket_server import Behaviour, WebSocketServer

_QUICK = WebSocketTiming(
    handshake_s=60, ping_every_s=0.01, pong_within_s=60, send_s=0.1, close_s=0.05
)
"""In a hurry where somebody is in the way; a test may shorten what its peer will not give."""


class _Peer:
    """A server and what it got."""

    def __init__(self) -> None:
        self.got: list[bytes] = []
        self.server = WebSocketServer(on_message=self.got.append)

    async def until(self, is_so: object) -> None:
        assert callable(is_so)
        async with asyncio.timeout(60):
            while not is_so():  # noqa: ASYNC110 - the other end of a socket
                await asyncio.sleep(0.001)


@pytest.fixture
async def peer() -> AsyncIterator[_Peer]:
    fresh = _Peer()
    async with fresh.server:
        yield fresh


@contextlib.asynccontextmanager
async def _listening(socket: WebSocket) -> AsyncIterator[asyncio.Task[WebSocketEnd]]:
    async with asyncio.TaskGroup() as group:
        ending = group.create_task(socket.ended())
        yield ending
        ending.cancel()


async def test_messages_arrive_binary_and_in_order(peer: _Peer) -> None:
    socket = await AioWebSocketConnector().connect(peer.server.url)
    sizes = (0, 1, 125, 126, 65_535, 65_536)
    for size in sizes:
        await socket.send(b"x" * size)
    await peer.until(lambda: len(peer.got) == len(sizes))
    await socket.aclose()
    assert [len(each) for each in peer.got] == list(sizes)
    assert peer.server.texts == 0


async def test_what_is_sent_without_waiting_arrives_between_the_others(peer: _Peer) -> None:
    socket = await AioWebSocketConnector().connect(peer.server.url)
    assert socket.send_now(b"first")
    await socket.send(b"second")
    assert socket.send_now(b"third")
    await peer.until(lambda: len(peer.got) == 3)
    await socket.aclose()
    assert peer.got == [b"first", b"second", b"third"]
    with pytest.raises(WebSocketError):
        socket.send_now(b"fourth")


async def test_a_peer_that_reads_nothing_is_not_sent_more_without_waiting(peer: _Peer) -> None:
    peer.server.reading.clear()
    socket = await AioWebSocketConnector(timing=_QUICK).connect(peer.server.url)
    taken = 0
    while socket.send_now(b"x" * 1_000_000):
        taken += 1
        assert taken < 100, "a buffer without end"
    assert taken
    with pytest.raises(WebSocketError, match="the peer reads nothing"):
        await socket.send(b"x" * 1_000_000)
    assert not socket.send_now(b"still nothing")
    peer.server.reading.set()
    await socket.aclose()


async def test_neither_origin_nor_subprotocol_nor_compression_is_offered(peer: _Peer) -> None:
    socket = await AioWebSocketConnector().connect(peer.server.url)
    await socket.aclose()
    head = peer.server.heads[0].lower()
    assert "upgrade: websocket" in head
    for absent in ("origin:", "sec-websocket-protocol:", "sec-websocket-extensions:", "cookie:"):
        assert absent not in head


async def test_a_proxy_of_the_environment_is_not_asked(
    peer: _Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ws_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    socket = await AioWebSocketConnector().connect(peer.server.url)
    await socket.aclose()


async def test_closing_waits_for_no_end_of_tcp_and_leaves_no_socket(peer: _Peer) -> None:
    socket = await AioWebSocketConnector().connect(peer.server.url)
    begun_s = time.perf_counter()
    await socket.aclose()
    await socket.aclose()
    assert time.perf_counter() - begun_s < 10.0  # the peer never ends TCP by itself
    await peer.until(lambda: peer.server.open_connections == 0)
    assert peer.server.closes == [1000]


@pytest.mark.parametrize(
    ("behaviour", "status"),
    [
        (Behaviour.OK, 200),
        (Behaviour.REDIRECT, 302),
        (Behaviour.BAD_REQUEST, 400),
        (Behaviour.FORBIDDEN, 403),
        (Behaviour.NOT_FOUND, 404),
    ],
)
async def test_another_answer_than_an_upgrade_is_told_by_its_status(
    peer: _Peer, behaviour: Behaviour, status: int
) -> None:
    peer.server.behaviour = behaviour
    with pytest.raises(HandshakeRefusedError, match=f"HTTP status {status}") as caught:
        await AioWebSocketConnector().connect(peer.server.url)
    assert caught.value.status == status
    assert peer.server.connections == 1
    await peer.until(lambda: peer.server.open_connections == 0)


async def test_a_peer_that_hangs_is_given_up_in_time(peer: _Peer) -> None:
    peer.server.behaviour = Behaviour.HANG
    timing = replace(_QUICK, handshake_s=0.1)
    with pytest.raises(WebSocketError, match=r"no websocket within 0\.1 s"):
        await AioWebSocketConnector(timing=timing).connect(peer.server.url)
    await peer.until(lambda: peer.server.open_connections == 0)


async def test_a_peer_that_drops_is_told(peer: _Peer) -> None:
    peer.server.behaviour = Behaviour.DROP
    with pytest.raises(WebSocketError, match=r"ws://127\.0\.0\.1"):
        await AioWebSocketConnector().connect(peer.server.url)


async def test_an_answer_that_is_no_http_is_one_line() -> None:
    async def babble(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"garbage\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(babble, "127.0.0.1", 0)
    url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        with pytest.raises(WebSocketError) as caught:
            await AioWebSocketConnector().connect(url)
    assert str(caught.value) == f"{url}: the answer is no HTTP (Bad status line)"


async def test_nobody_there_is_told(peer: _Peer) -> None:
    await peer.server.stop()
    with pytest.raises(WebSocketError, match=r"ws://127\.0\.0\.1:\d+: "):
        await AioWebSocketConnector().connect(peer.server.url)


async def test_a_restart_is_told_by_code_and_reason(peer: _Peer) -> None:
    socket = await AioWebSocketConnector().connect(peer.server.url)
    async with _listening(socket) as ending:
        await asyncio.sleep(0)
        await peer.server.stop()
        end = await ending
        await socket.aclose()
        assert end == WebSocketEnd(1012, "Restarting")
        assert end.is_restart
        assert str(end) == "1012 Restarting"


async def test_an_end_without_a_goodbye_is_told(peer: _Peer) -> None:
    socket = await AioWebSocketConnector().connect(peer.server.url)
    async with _listening(socket) as ending:
        await asyncio.sleep(0)
        peer.server.cut()
        end = await ending
        await socket.aclose()
        assert (end.code, end.is_restart) == (1006, False)
        with pytest.raises(WebSocketError):
            await socket.send(b"late")


async def test_pings_keep_a_connection_and_silence_ends_it(peer: _Peer) -> None:
    timing = replace(_QUICK, pong_within_s=2.0)
    socket = await AioWebSocketConnector(timing=timing).connect(peer.server.url)
    async with _listening(socket) as ending:
        await peer.until(lambda: peer.server.pings >= 10)
        assert not ending.done()
        peer.server.answers_pings = False
        assert "no pong within 2 s" in (await ending).reason
        await socket.aclose()
        await peer.until(lambda: peer.server.open_connections == 0)


async def test_a_peer_that_reads_nothing_is_given_up(peer: _Peer) -> None:
    peer.server.reading.clear()
    socket = await AioWebSocketConnector(timing=_QUICK).connect(peer.server.url)

    async def send_for_ever() -> None:
        while True:
            await socket.send(b"x" * 1_000_000)

    with pytest.raises(WebSocketError, match="the peer reads nothing"):
        await send_for_ever()
    await socket.aclose()


async def test_what_a_peer_says_is_dropped_and_too_much_at_once_ends_it(peer: _Peer) -> None:
    socket = await AioWebSocketConnector(timing=_QUICK).connect(peer.server.url)
    async with _listening(socket) as ending:
        for _ in range(50):
            peer.server.say(b"x" * 4_000)
        before = peer.server.pings
        await peer.until(lambda: peer.server.pings > before + 2)
        assert not ending.done()
        peer.server.say(b"x" * 5_000)
        assert "broke the protocol" in (await ending).reason
        await socket.aclose()


async def test_a_cancelled_listener_leaves_the_connection_to_its_owner(peer: _Peer) -> None:
    socket = await AioWebSocketConnector().connect(peer.server.url)
    async with _listening(socket) as ending:
        await peer.until(lambda: peer.server.pings == 1)
        ending.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await ending
        await socket.aclose()
        await peer.until(lambda: peer.server.open_connections == 0)


@pytest.mark.parametrize(
    "url", ["http://h:1", "ws://", "h:8080", "ws://h:0", "ws://a b", "ws://[", ""]
)
async def test_what_is_no_websocket_address_is_told(url: str) -> None:
    assert websocket_url(url) is None
    with pytest.raises(WebSocketError, match="not a websocket address"):
        await AioWebSocketConnector().connect(url)


async def test_a_password_of_an_address_is_not_told() -> None:
    with pytest.raises(WebSocketError) as caught:
        await AioWebSocketConnector(timing=_QUICK).connect("ws://me:secret@127.0.0.1:9/?key=1")
    assert "secret" not in str(caught.value)
    assert "key=1" not in str(caught.value)
