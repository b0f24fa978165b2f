"""Datagrams: real sockets, peers that come and go, names that change."""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from remixer.drivers.datagrams import (
    LARGEST_DATAGRAM_BYTES,
    RESOLVE_INTERVAL_S,
    DatagramSender,
    Resolver,
    SocketAddress,
    parse_peer,
    resolve,
)
from remixer.testing.clock import VirtualClock, in_virtual_time
from remixer.testing.datagrams import DatagramPeer


@asynccontextmanager
async def _sender(address: str, resolver: Resolver = resolve) -> AsyncIterator[DatagramSender]:
    sender = DatagramSender(parse_peer(address), name="h", clock=VirtualClock(), resolver=resolver)
    async with asyncio.TaskGroup() as group:
        await sender.open()
        task = group.create_task(sender.keep_resolved())
        try:
            yield sender
        finally:
            task.cancel()
            sender.close()


class _Names:
    """A resolver that answers from a list, the last answer for ever. None: it fails."""

    def __init__(self, *answers: Sequence[SocketAddress] | None) -> None:
        self._answers = list(answers)
        self.asked = 0

    async def __call__(self, host: str, port: int) -> Sequence[SocketAddress]:
        del host, port
        self.asked += 1
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if answer is None:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return answer


def _v4(peer: DatagramPeer) -> SocketAddress:
    return socket.AF_INET, ("127.0.0.1", peer.port)


# ---------------------------------------------------------------- addresses


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("statsd.monitoring:8125", "statsd.monitoring:8125"),
        ("udp://10.0.0.1:8125", "10.0.0.1:8125"),
        (":8125", "localhost:8125"),
        ("[::1]:8125", "[::1]:8125"),
        ("unix:///run/dsd.socket", "unix:/run/dsd.socket"),
    ],
)
def test_forms_of_addresses(text: str, wanted: str) -> None:
    assert str(parse_peer(text)) == wanted


@pytest.mark.parametrize("text", ["", "statsd", "::1:8125", "a:0", "a:70000", "tcp://a:1", "unix:"])
def test_what_is_no_address_is_told(text: str) -> None:
    with pytest.raises(ValueError, match="`"):
        parse_peer(text)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_a_numeric_address_needs_no_look_up(host: str) -> None:
    names = _Names(None)
    with DatagramPeer(host) as peer:
        async with _sender(peer.address, names) as sender:
            assert sender.send(b"one")
            assert peer.received() == b"one"
            await asyncio.sleep(0)
    assert (sender.sent, sender.dropped, names.asked) == (1, 0, 0)


async def test_a_name_is_found_by_the_system() -> None:
    with DatagramPeer() as peer:
        async with _sender(f"localhost:{peer.port}") as sender:
            assert sender.send(b"one")
            assert peer.received() == b"one"


async def test_ipv4_comes_first_as_in_go() -> None:
    with DatagramPeer() as peer:
        places: list[SocketAddress] = [(socket.AF_INET6, ("::1", peer.port, 0, 0)), _v4(peer)]
        async with _sender("statsd.test:1", _Names(places)) as sender:
            sender.send(b"one")
            assert peer.received() == b"one"


async def test_a_unix_peer_may_come_and_go(tmp_path: Path) -> None:
    path = tmp_path / "dsd.socket"
    async with _sender(f"unix:{path}") as sender:
        assert not sender.send(b"nobody is there")
        for round_ in (b"one", b"two"):
            with DatagramPeer(path=path) as peer:
                assert sender.send(round_)
                assert peer.received() == round_
            assert not sender.send(b"gone again")
            path.unlink()
    assert (sender.sent, sender.dropped) == (2, 3)


# ---------------------------------------------------------------- names that change


@in_virtual_time
async def test_a_name_is_looked_up_again_and_again() -> None:
    with DatagramPeer() as old, DatagramPeer() as new:
        names = _Names([_v4(old)], [_v4(new)])
        async with _sender("statsd.test:1", names) as sender:
            sender.send(b"one")
            assert old.received() == b"one"
            await asyncio.sleep(RESOLVE_INTERVAL_S + 1)
            sender.send(b"two")
            assert new.received() == b"two"
            assert names.asked == 2


@in_virtual_time
async def test_an_address_that_is_still_there_is_kept() -> None:
    with DatagramPeer() as first, DatagramPeer() as second:
        names = _Names([_v4(first), _v4(second)], [_v4(second), _v4(first)])
        async with _sender("statsd.test:1", names) as sender:
            await asyncio.sleep(RESOLVE_INTERVAL_S + 1)
            sender.send(b"one")
            assert first.received() == b"one"


@in_virtual_time
async def test_an_unknown_name_drops_until_it_is_known(caplog: pytest.LogCaptureFixture) -> None:
    with DatagramPeer() as peer:
        async with _sender("statsd.test:1", _Names(None, None, [_v4(peer)])) as sender:
            assert not sender.send(b"one")
            assert not sender.send(b"two")
            await asyncio.sleep(5)
            assert sender.send(b"three")
            assert peer.received() == b"three"
    assert (sender.sent, sender.dropped) == (1, 2)
    assert [each.msg for each in caplog.records] == [
        "datagram_peer_unresolved",
        "datagram_dropped",
    ]


@in_virtual_time
async def test_a_name_that_is_lost_keeps_its_last_address() -> None:
    with DatagramPeer() as peer:
        async with _sender("statsd.test:1", _Names([_v4(peer)], None)) as sender:
            await asyncio.sleep(RESOLVE_INTERVAL_S + 1)
            assert sender.send(b"one")


@in_virtual_time
async def test_a_look_up_that_hangs_does_not_hold_up_the_start() -> None:
    async def hang(host: str, port: int) -> Sequence[SocketAddress]:
        del host, port
        await asyncio.Event().wait()
        raise AssertionError

    async with _sender("statsd.test:1", hang) as sender:
        assert asyncio.get_running_loop().time() == 2
        assert not sender.send(b"one")


async def test_a_name_that_no_resolver_takes_is_only_logged() -> None:
    async with _sender(f"{'a' * 70}.test:1") as sender:
        assert not sender.send(b"one")


# ---------------------------------------------------------------- bad peers


async def test_nobody_listening_is_counted_and_raises_nothing() -> None:
    with DatagramPeer() as peer:
        address = peer.address
    async with _sender(address) as sender:
        for _ in range(10):
            sender.send(b"x")
    assert sender.dropped >= 9  # the news of the last one has nobody to tell
    assert sender.sent + sender.dropped > 10


async def test_a_datagram_after_a_refused_one_is_sent() -> None:
    with DatagramPeer() as peer:
        port, address = peer.port, peer.address
    async with _sender(address) as sender:
        sender.send(b"lost")
        with DatagramPeer(port=port) as back:
            assert sender.send(b"arrives")
            assert back.received() == b"arrives"
    assert (sender.sent, sender.dropped) == (2, 1)


async def test_a_peer_that_reads_nothing_never_holds_up_the_sender(tmp_path: Path) -> None:
    with DatagramPeer(path=tmp_path / "dsd.socket") as peer:
        async with _sender(peer.address) as sender:
            for _ in range(10_000):
                sender.send(b"x" * 1_000)
    assert sender.dropped > 0
    assert sender.sent + sender.dropped == 10_000


async def test_too_long_a_datagram_is_dropped() -> None:
    with DatagramPeer() as peer:
        async with _sender(peer.address) as sender:
            assert sender.send(bytes(LARGEST_DATAGRAM_BYTES))
            assert not sender.send(bytes(LARGEST_DATAGRAM_BYTES + 1))


async def test_after_closing_everything_is_dropped() -> None:
    with DatagramPeer() as peer:
        async with _sender(peer.address) as sender:
            sender.close()
            assert not sender.send(b"x")


async def test_drops_are_logged_at_intervals(caplog: pytest.LogCaptureFixture) -> None:
    async with _sender("unix:/nonexistent/dsd.socket") as sender:
        for _ in range(1_000):
            sender.send(b"x")
    assert [each.msg for each in caplog.records] == ["datagram_dropped"]
