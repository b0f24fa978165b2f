"""The forward protocol: what is packed, and what a client does with servers of all kinds."""

import asyncio
import struct
from pathlib import Path
from typing import Any

import msgpack
import pytest

from remixer.drivers.forward_protocol import (
    ForwardClient,
    ForwardCodec,
    ForwardError,
    ForwardMessage,
    check_address,
)

_TIME = 1_622_505_600_123_456_789
_EVENT_TIME = msgpack.ExtType(0, struct.pack(">II", 1_622_505_600, 123_456_789))


def _unpacked(data: bytes) -> list[Any]:
    unpacker = msgpack.Unpacker()
    unpacker.feed(data)
    return list(unpacker)


# ---------------------------------------------------------------- packing


def test_an_entry_has_nanoseconds() -> None:
    assert _unpacked(ForwardCodec().entry(_TIME, {"k": "v"})) == [[_EVENT_TIME, {"k": "v"}]]


@pytest.mark.parametrize(
    ("time_ns", "second", "nanoseconds"),
    [
        (0, 0, 0),
        (-1, 0, 0),
        (2**32 * 10**9 - 1, 2**32 - 1, 999_999_999),
        (2**32 * 10**9, 2**32 - 1, 0),
    ],
)
def test_times_beyond_event_time_become_its_first_or_last(
    time_ns: int, second: int, nanoseconds: int
) -> None:
    ((time, _),) = _unpacked(ForwardCodec().entry(time_ns, {}))
    assert struct.unpack(">II", time.data) == (second, nanoseconds)


def test_one_entry_goes_in_message_mode() -> None:
    codec = ForwardCodec()
    message = codec.message("app", [codec.entry(_TIME, {"k": 1})], None)
    assert _unpacked(message.body) == [["app", _EVENT_TIME, {"k": 1}]]
    message = codec.message("app", [codec.entry(_TIME, {"k": 1})], "c1")
    assert _unpacked(message.body) == [["app", _EVENT_TIME, {"k": 1}, {"chunk": "c1"}]]


def test_several_entries_go_in_packed_forward_mode() -> None:
    codec = ForwardCodec()
    entries = [codec.entry(_TIME, {"k": number}) for number in (1, 2)]
    ((tag, packed, options),) = _unpacked(codec.message("app", entries, "c2").body)
    assert (tag, options) == ("app", {"chunk": "c2", "size": 2})
    assert _unpacked(packed) == [[_EVENT_TIME, {"k": 1}], [_EVENT_TIME, {"k": 2}]]


def test_text_that_is_no_utf_8_is_escaped() -> None:
    assert _unpacked(ForwardCodec().entry(0, {"k": "\udc80"}))[0][1] == {"k": "\\udc80"}


def test_a_value_that_msgpack_does_not_know_is_a_type_error() -> None:
    with pytest.raises(TypeError):
        ForwardCodec().entry(0, {"k": object()})


# ---------------------------------------------------------------- answers


def test_acknowledgements_may_come_in_pieces() -> None:
    reader = ForwardCodec().answers()
    data = msgpack.packb({"ack": "one"}) + msgpack.packb({"ack": "two"})
    assert list(reader.feed(data[:-2])) == ["one"]
    assert list(reader.feed(data[-2:])) == ["two"]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (msgpack.packb(["HELO", {"nonce": b"n"}]), "shared key"),
        (msgpack.packb({"ok": 1}), "no acknowledgement"),
        (msgpack.packb({"ack": 1}), "no acknowledgement"),
        (b"HTTP/1.1 400 Bad Request\r\n", "no acknowledgement"),
        (b"\xc1", "not of the forward protocol"),
        (b"\xda\xff\xff" + b"x" * 70_000, "not of the forward protocol"),
    ],
)
def test_other_answers_are_errors(data: bytes, reason: str) -> None:
    reader = ForwardCodec().answers()
    with pytest.raises(ForwardError, match=reason):
        list(reader.feed(data))


# ---------------------------------------------------------------- addresses


@pytest.mark.parametrize(
    "address", ["localhost:24224", "10.0.0.1:1", "[::1]:24224", "unix:/run/fluent.sock"]
)
def test_addresses_of_servers(address: str) -> None:
    assert check_address(address) == ""


@pytest.mark.parametrize(
    "address", ["", "localhost", "::1:24224", "localhost:0", "localhost:x", "h:65536", "unix:"]
)
def test_texts_that_are_no_address_of_a_server(address: str) -> None:
    assert check_address(address)


# ---------------------------------------------------------------- connections


class _Server:
    """Says what it is told to, for each connection in turn, and keeps what came."""

    def __init__(self, *answers: bytes | None) -> None:
        self._answers = list(answers)
        self.received: list[bytes] = []
        self.ended = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answer = self._answers.pop(0) if self._answers else b""
        try:
            self.received.append(await reader.read(65_536))
            if answer is not None:
                writer.write(answer)
                await writer.drain()
                await reader.read()
        except ConnectionError:
            pass
        finally:
            writer.close()
            self.ended.set()


def _ack(chunk: str) -> bytes:
    packed = msgpack.packb({"ack": chunk})
    assert isinstance(packed, bytes)
    return packed


async def _deliver(server: _Server, messages: list[ForwardMessage], timeout_s: float = 5) -> None:
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    client = ForwardClient(f"127.0.0.1:{port}", codec=ForwardCodec())
    try:
        async with asyncio.timeout(timeout_s):
            await client.deliver(messages)
    finally:
        client.close()
        listening.close()
        await server.ended.wait()
        await listening.wait_closed()


async def test_without_chunks_a_message_is_delivered_once_it_is_written() -> None:
    server, messages = _Server(), [ForwardMessage(b"one"), ForwardMessage(b"two")]
    await _deliver(server, messages)
    assert messages == []
    assert b"onetwo".startswith(server.received[0])


async def test_with_chunks_all_must_be_acknowledged() -> None:
    messages = [ForwardMessage(b"one", "1"), ForwardMessage(b"two", "2")]
    await _deliver(_Server(_ack("2") + _ack("1")), messages)
    assert messages == []


async def test_what_was_acknowledged_before_the_fault_is_off_the_list() -> None:
    messages = [ForwardMessage(b"one", "1"), ForwardMessage(b"two", "2")]
    with pytest.raises(ForwardError, match="no acknowledgement"):
        await _deliver(_Server(_ack("1") + b"\x00"), messages)
    assert [each.chunk for each in messages] == ["2"]


async def test_an_unknown_acknowledgement_is_ignored() -> None:
    messages = [ForwardMessage(b"one", "1")]
    await _deliver(_Server(_ack("old") + _ack("1")), messages)
    assert messages == []


async def test_a_server_that_hangs_up_is_an_error() -> None:
    messages = [ForwardMessage(b"one", "1")]
    with pytest.raises(ForwardError, match="without acknowledging all"):
        await _deliver(_Server(None), messages)
    assert len(messages) == 1


async def test_a_server_that_never_acknowledges_takes_the_callers_time_only() -> None:
    messages = [ForwardMessage(b"one", "1")]
    with pytest.raises(TimeoutError):
        await _deliver(_Server(b""), messages, timeout_s=0.05)
    assert len(messages) == 1


async def test_nobody_there_is_an_error() -> None:
    with pytest.raises(ForwardError, match=r"missing\.sock: No such file"):
        await ForwardClient("unix:missing.sock", codec=ForwardCodec()).deliver(
            [ForwardMessage(b"one")]
        )


async def test_a_connection_that_the_server_closed_is_made_again() -> None:
    server = _Server(None, None)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    client = ForwardClient(f"127.0.0.1:{port}", codec=ForwardCodec())
    for body in (b"one", b"two"):
        server.ended.clear()
        await client.deliver([ForwardMessage(body)])
        await server.ended.wait()
        assert client._streams is not None
        while not client._streams[0].at_eof():  # noqa: ASYNC110 - nobody tells of the end
            await asyncio.sleep(0)
    client.close()
    listening.close()
    await listening.wait_closed()
    assert server.received == [b"one", b"two"]


@pytest.mark.parametrize("kind", ["ipv6", "unix"])
async def test_other_kinds_of_sockets(kind: str, tmp_path: Path) -> None:
    server = _Server()
    if kind == "unix":
        path = str(tmp_path / "s")
        listening = await asyncio.start_unix_server(server.serve, path)
        address = f"unix:{path}"
    else:
        listening = await asyncio.start_server(server.serve, "::1", 0)
        address = f"[::1]:{listening.sockets[0].getsockname()[1]}"
    client = ForwardClient(address, codec=ForwardCodec())
    await client.deliver([ForwardMessage(b"one")])
    client.close()
    await server.ended.wait()
    listening.close()
    await listening.wait_closed()
