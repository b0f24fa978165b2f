"""The HTTP/1.1 server on real sockets: order, bounds in number and time, orderly ends.

Where time matters it is virtual: the loop jumps to the next timer when nothing else is to do.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import uvloop

from remixer.foundation.clock import SystemClock
from remixer.foundation.errors import InternalError, StartupError
from remixer.testing.clock import clock_of_running_loop, in_virtual_time
from remixer.transport.http1.port import Http1Limits, HttpRequest, HttpResponse
from remixer.transport.http1.server import Http1Server

Handler = Callable[[HttpRequest], HttpResponse | Awaitable[HttpResponse]]
GET = b"GET /%s HTTP/1.1\r\nHost: a\r\n\r\n"


@dataclass
class Counts:
    answered: list[tuple[str, int]] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    one_ended: asyncio.Event = field(default_factory=asyncio.Event)

    def http_answered(self, *, server: str, status: int, seconds: float) -> None:
        assert seconds >= 0
        self.answered.append((server, status))

    def http_connection_ended(self, *, server: str, cause: str) -> None:
        assert server == "test"
        self.ended.append(cause)
        self.one_ended.set()


@dataclass
class Served:
    server: Http1Server
    address: str
    counts: Counts

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self.address.startswith("unix:"):
            return await asyncio.open_unix_connection(self.address.removeprefix("unix:"))
        host, _, port = self.address.rpartition(":")
        return await asyncio.open_connection(host, int(port))

    async def all_of(self, data: bytes) -> bytes:
        """Everything that one connection answers to `data`, up to its end."""
        reader, writer = await self.connect()
        writer.write(data)
        answer = await reader.read()
        writer.close()
        return answer


def echo(request: HttpRequest) -> HttpResponse:
    return HttpResponse(200, (), f"{request.method} {request.target}".encode())


@asynccontextmanager
async def serving(
    handler: Handler = echo, *, address: str = "127.0.0.1:0", limits: Http1Limits | None = None
) -> AsyncIterator[Served]:
    counts = Counts()
    clock = SystemClock() if _is_real() else clock_of_running_loop()
    server = Http1Server(name="test", handler=handler, clock=clock, limits=limits, observer=counts)
    bound = await server.start(address, setting="--here")
    try:
        yield Served(server, bound, counts)
    finally:
        await server.drain(grace_s=0.0)


def _is_real() -> bool:
    return not hasattr(asyncio.get_running_loop(), "clock")


async def one_answer(reader: asyncio.StreamReader) -> bytes:
    """Head and body."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(
        int(line.partition(b":")[2])
        for line in head.split(b"\r\n")
        if line.startswith(b"content-length")
    )
    return head + await reader.readexactly(length)


# ------------------------------------------------------------------ answers


async def test_many_requests_are_answered_on_one_connection() -> None:
    async with serving() as served:
        reader, writer = await served.connect()
        for word in (b"a", b"b"):
            writer.write(GET % word)
            assert (await one_answer(reader)).endswith(b"GET /" + word)
        writer.close()
        assert served.counts.answered == [("test", 200)] * 2


async def test_requests_that_come_together_are_answered_in_order() -> None:
    async def late(request: HttpRequest) -> HttpResponse:
        await asyncio.sleep(0)
        return echo(request)

    def handler(request: HttpRequest) -> HttpResponse | Awaitable[HttpResponse]:
        return late(request) if int(request.target[1:]) % 3 == 0 else echo(request)

    async with serving(handler) as served:
        reader, writer = await served.connect()
        writer.write(b"".join(GET % b"%d" % n for n in range(100)))
        writer.write_eof()
        answers = await reader.read()
        writer.close()
        numbers = [int(each.rpartition(b"/")[2]) for each in answers.split(b"HTTP/1.1 200")[1:]]
        assert numbers == list(range(100))


async def test_a_peer_that_closes_its_side_still_gets_the_answer() -> None:
    async def late(request: HttpRequest) -> HttpResponse:
        await asyncio.sleep(0.01)
        return echo(request)

    async with serving(late) as served:
        reader, writer = await served.connect()
        writer.write(GET % b"x")
        writer.write_eof()
        assert (await reader.read()).endswith(b"GET /x")
        writer.close()


async def test_the_handler_learns_who_asks(tmp_path: Path) -> None:
    peers = []

    def note(request: HttpRequest) -> HttpResponse:
        peers.append(request.peer.address)
        return HttpResponse(200)

    for address in ("127.0.0.1:0", f"unix:{tmp_path}/s"):
        async with serving(note, address=address) as served:
            await served.all_of(b"GET / HTTP/1.0\r\n\r\n")
    assert peers[0].startswith("ipv4:127.0.0.1:")
    assert peers[1] == "unix:"


async def test_a_defect_of_the_handler_is_a_500_and_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def late(_request: HttpRequest) -> HttpResponse:
        raise KeyError(1)

    def fail(request: HttpRequest) -> HttpResponse | Awaitable[HttpResponse]:
        if request.target == "/late":
            return late(request)
        raise KeyError(1)

    async with serving(fail) as served:
        reader, writer = await served.connect()
        for word in (b"late", b"now"):
            writer.write(GET % word)
            assert (await one_answer(reader)).startswith(b"HTTP/1.1 500 ")
        writer.close()
    assert [each.levelno for each in caplog.records] == [logging.ERROR] * 2


async def test_a_handler_may_end_the_connection() -> None:
    async with serving(lambda _: HttpResponse(403, ends_connection=True)) as served:
        answer = await served.all_of(GET % b"x" + GET % b"y")
        assert answer.count(b"HTTP/1.1 403") == 1
        assert b"\r\nconnection: close\r\n" in answer


# ------------------------------------------------------------------ bodies


@pytest.mark.parametrize(
    "framing", [b"Content-Length: 34", b"Content-Length: 1000000", b"Transfer-Encoding: chunked"]
)
async def test_a_request_in_a_body_is_never_answered(framing: bytes) -> None:
    hidden = GET % b"hidden"
    request = b"POST /x HTTP/1.1\r\nHost: a\r\n" + framing + b"\r\n\r\n" + hidden
    async with serving() as served:
        answer = await served.all_of(request)
        assert answer.endswith(b"POST /x")
        assert answer.count(b"HTTP/1.1 ") == 1


async def test_a_length_without_a_body_does_not_swallow_the_next_request() -> None:
    async with serving() as served:
        reader, writer = await served.connect()
        writer.write(b"GET /x HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\n")
        assert b"\r\nconnection: close\r\n" in await one_answer(reader)
        assert await reader.read() == b""
        writer.close()


async def test_a_long_body_does_not_keep_the_answer_from_its_peer() -> None:
    body = b"x" * 500_000
    request = b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\n" + body
    async with serving() as served:
        assert (await served.all_of(request)).endswith(b"POST /x")


async def test_a_body_without_end_is_cut() -> None:
    async with serving() as served:
        reader, writer = await served.connect()
        writer.write(b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        with pytest.raises(ConnectionError):
            await _flood(writer)
        writer.close()
        del reader


async def test_nonsense_gets_one_400_and_the_end() -> None:
    async with serving() as served:
        answer = await served.all_of(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" + GET % b"x")
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert answer.count(b"HTTP/1.1 ") == 1
        assert served.counts.answered == [("test", 400)]
    assert served.counts.ended == ["bad_request"]


# ------------------------------------------------------------------ time


@in_virtual_time
async def test_a_head_that_trickles_is_cut_after_a_bounded_time() -> None:
    async with serving() as served:
        reader, writer = await served.connect()
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        writer.write(b"GET / HTTP/1.1\r\n")
        answer = asyncio.create_task(reader.read())  # noqa: TID251 - awaited below
        while not answer.done():
            writer.write(b"x")
            await asyncio.sleep(1.0)
        assert (await answer).startswith(b"HTTP/1.1 408 ")
        assert loop.time() - began_s < 15.0
        writer.close()
    assert served.counts.ended == ["head_timeout"]


@in_virtual_time
async def test_complete_requests_are_not_cut_however_long_the_connection_lives() -> None:
    async with serving() as served:
        reader, writer = await served.connect()
        for _ in range(20):
            await asyncio.sleep(5.0)
            writer.write(GET % b"x")
            await one_answer(reader)
        writer.close()


@in_virtual_time
async def test_an_idle_connection_is_closed() -> None:
    async with serving() as served:
        loop = asyncio.get_running_loop()
        for request in (b"", GET % b"x"):
            reader, writer = await served.connect()
            began_s = loop.time()
            writer.write(request)
            await reader.read()
            assert 119.0 < loop.time() - began_s < 123.0
            writer.close()


@in_virtual_time
async def test_a_peer_that_does_not_close_after_the_last_answer_is_cut() -> None:
    async with serving() as served:
        reader, writer = await served.connect()
        writer.write(b"GET / HTTP/1.0\r\n\r\n")
        await reader.read()
        await served.counts.one_ended.wait()
        assert served.counts.ended == ["answered_last"]
        writer.close()


@in_virtual_time
async def test_a_peer_that_does_not_read_is_cut() -> None:
    body = b"x" * 1_000_000
    async with serving(lambda _: HttpResponse(200, (), body)) as served:
        _, writer = await served.connect()
        writer.transport.pause_reading()
        writer.write((GET % b"x") * 200)
        await served.counts.one_ended.wait()
        assert served.counts.ended == ["slow_reader"]
        assert len(served.counts.answered) < 50
        writer.close()


# ------------------------------------------------------------------ numbers


async def test_full_the_oldest_without_an_answer_gives_way() -> None:
    limits = Http1Limits(max_connections=3)
    async with serving(limits=limits) as served:
        known_reader, known = await served.connect()
        known.write(GET % b"x")
        await one_answer(known_reader)
        slow = [await served.connect() for _ in range(2)]
        for _, writer in slow:
            writer.write(b"GET /")
        newest_reader, newest = await served.connect()
        newest.write(GET % b"y")
        assert (await one_answer(newest_reader)).endswith(b"/y")
        known.write(GET % b"z")
        assert (await one_answer(known_reader)).endswith(b"/z")
        assert served.counts.ended == ["gave_way"]
        for writer in (known, newest, *(each for _, each in slow)):
            writer.close()


async def test_full_of_proxies_at_work_the_newcomer_is_closed() -> None:
    async with serving(limits=Http1Limits(max_connections=1)) as served:
        reader, writer = await served.connect()
        writer.write(GET % b"x")
        await one_answer(reader)
        late_reader, late = await served.connect()
        late.write(GET % b"y")
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await one_answer(late_reader)
        assert served.counts.ended == ["too_many_connections"]
        writer.close()
        late.close()


async def test_what_comes_while_an_answer_is_awaited_is_bounded() -> None:
    release = asyncio.Event()

    async def wait(_request: HttpRequest) -> HttpResponse:
        await release.wait()
        return HttpResponse(200)

    async with serving(wait) as served:
        reader, writer = await served.connect()
        writer.write(GET % b"x")
        flood = asyncio.create_task(_flood(writer))  # noqa: TID251 - ended below
        done, _ = await asyncio.wait({flood}, timeout=0.2)
        assert not done, "the server reads without bound"
        flood.cancel()
        await asyncio.wait({flood})
        release.set()
        assert (await one_answer(reader)).startswith(b"HTTP/1.1 200 ")
        writer.transport.abort()


async def _flood(writer: asyncio.StreamWriter) -> None:
    for _ in range(1_000):
        writer.write(b"x" * 100_000)
        await writer.drain()


# ------------------------------------------------------------------ the end


async def test_a_drain_closes_idle_connections_and_finishes_what_is_under_way() -> None:
    asked, release = asyncio.Event(), asyncio.Event()

    async def wait(request: HttpRequest) -> HttpResponse:
        asked.set()
        await release.wait()
        return echo(request)

    def handler(request: HttpRequest) -> HttpResponse | Awaitable[HttpResponse]:
        return wait(request) if request.target == "/slow" else echo(request)

    async with serving(handler) as served:
        idle_reader, idle = await served.connect()
        idle.write(GET % b"x")
        await one_answer(idle_reader)
        reader, writer = await served.connect()
        writer.write(GET % b"slow")
        await asked.wait()
        draining = asyncio.create_task(served.server.drain(grace_s=5.0))  # noqa: TID251 - awaited
        assert await idle_reader.read() == b""
        idle.close()
        with pytest.raises(OSError):  # noqa: PT011 - refused, by any name
            await served.connect()
        release.set()
        answer = await reader.read()
        assert answer.endswith(b"GET /slow")
        assert b"\r\nconnection: close\r\n" in answer
        writer.close()
        await draining
    assert served.counts.ended == ["drained", "drained"]


async def test_after_the_grace_what_is_left_is_cut() -> None:
    async def never(_request: HttpRequest) -> HttpResponse:
        await asyncio.Event().wait()
        raise AssertionError

    async with serving(never) as served:
        reader, writer = await served.connect()
        writer.write(GET % b"x")
        await asyncio.sleep(0.05)  # the request has to be there
        await served.server.drain(grace_s=0.05)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await one_answer(reader)
        writer.close()
    assert served.counts.ended == ["cut"]


async def test_a_peer_that_goes_away_cancels_its_handler() -> None:
    asked, cancelled = asyncio.Event(), asyncio.Event()

    async def wait(_request: HttpRequest) -> HttpResponse:
        asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        raise AssertionError

    async with serving(wait) as served:
        _, writer = await served.connect()
        writer.write(GET % b"x")
        await asked.wait()
        # With a reset, as a peer does that cares for nothing any more.
        socket = writer.get_extra_info("socket")
        socket.setsockopt(1, 13, b"\x01\x00\x00\x00\x00\x00\x00\x00")  # SO_LINGER, 0 s
        writer.transport.abort()
        await asyncio.wait_for(cancelled.wait(), 5.0)


async def test_an_address_that_is_taken_names_the_setting() -> None:
    async with serving() as served:
        other = Http1Server(name="test", handler=echo, clock=SystemClock())
        with pytest.raises(StartupError, match="--there"):
            await other.start(served.address, setting="--there")


async def test_a_socket_file_is_removed_at_the_end(tmp_path: Path) -> None:
    async with serving(address=f"unix:{tmp_path}/s"):
        assert (tmp_path / "s").stat().st_mode & 0o777 == 0o600
    assert not (tmp_path / "s").exists()


async def test_a_server_starts_once() -> None:
    async with serving() as served:
        with pytest.raises(InternalError):
            await served.server.start("127.0.0.1:0", setting="--here")


def test_the_same_on_uvloop() -> None:
    async def main() -> None:
        async with serving() as served:
            reader, writer = await served.connect()
            writer.write(b"".join(GET % b"%d" % n for n in range(50)))
            for n in range(50):
                assert (await one_answer(reader)).endswith(b"/%d" % n)
            writer.write(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n")
            assert (await reader.read()).endswith(b"POST /x")
            writer.close()
            reader, writer = await served.connect()
            writer.write(GET % b"y")
            await one_answer(reader)
            await served.server.drain(grace_s=1.0)
            assert await reader.read() == b""
            writer.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
