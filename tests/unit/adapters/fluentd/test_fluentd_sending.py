"""`fluentd`: entries on their way to a server on a real socket, good ones and bad ones."""

import asyncio
import struct
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import msgpack
import pytest

from remixer.adapters.fluentd import INFO, FluentdHandler, Params
from remixer.attributes.values import Duration, Timestamp
from remixer.drivers import forward_protocol
from remixer.sdk import OutboxFullError
from remixer.templates.instances import LogEntry
from remixer.testing.adapters import AdapterHarness, RejectedParamsError
from remixer.testing.ports import KeptPort

pytestmark = pytest.mark.usefixtures("patient_ends")

_MS: Final = 1_000_000
_TIMEOUT_S: Final = 60.0


@dataclass(frozen=True)
class _Event:
    """One entry as the server understands it."""

    tag: str
    time_ns: int
    record: dict[str, Any]


class _FluentServer:
    """Decodes all three modes. `manners` decides what happens after each message."""

    def __init__(self, manners: "_Manners") -> None:
        self._manners = manners
        self._tasks: set[asyncio.Task[None]] = set()
        self.events: asyncio.Queue[_Event] = asyncio.Queue()
        self.chunks: list[str] = []
        self.connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        unpacker = msgpack.Unpacker()
        try:
            while data := await reader.read(65_536):
                unpacker.feed(data)
                for message in unpacker:
                    await self._manners(self, message, writer)
        except ConnectionError:
            pass
        finally:
            writer.close()

    def take(self, message: list[Any]) -> None:
        """Store all entries of a message."""
        tag, body, *_ = message
        if isinstance(body, bytes):
            unpacker = msgpack.Unpacker()
            unpacker.feed(body)
            pairs = list(unpacker)
        else:
            pairs = [[message[1], message[2]]]
        options = _options(message)
        assert options.get("size", len(pairs)) == len(pairs)
        for time, record in pairs:
            second, nanoseconds = struct.unpack(">II", time.data)
            self.events.put_nowait(_Event(tag, second * 10**9 + nanoseconds, record))

    async def numbers(self, count: int) -> list[int]:
        """The variable `n` of the next events."""
        async with asyncio.timeout(_TIMEOUT_S):
            return [(await self.events.get()).record["n"] for _ in range(count)]


_Manners = Callable[[_FluentServer, list[Any], asyncio.StreamWriter], Awaitable[None]]


def _options(message: list[Any]) -> dict[str, Any]:
    return message[-1] if len(message) == 4 or isinstance(message[1], bytes) else {}


async def _good(server: _FluentServer, message: list[Any], writer: asyncio.StreamWriter) -> None:
    server.take(message)
    chunk = _options(message).get("chunk")
    if chunk is not None:
        server.chunks.append(chunk)
        writer.write(msgpack.packb({"ack": chunk}))
        await writer.drain()


@asynccontextmanager
async def _server(manners: _Manners = _good) -> AsyncIterator[tuple[_FluentServer, str]]:
    server = _FluentServer(manners)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    try:
        yield server, f"127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    finally:
        listening.close()
        await listening.wait_closed()


def _params(address: str, **changes: Any) -> Params:
    settings = {"push_interval_duration": Duration(5 * _MS), **changes}
    return Params(address=address, **settings)


def _entry(number: int, *, tag: str = "app") -> LogEntry:
    time = Timestamp(1_622_505_600_123_456_789 + number)
    return LogEntry("log.instance.shop", {"n": number, "tag": tag}, time, "Info")


# ---------------------------------------------------------------- good servers


@pytest.mark.parametrize("require_ack", [False, True])
async def test_entries_arrive_with_tag_time_and_record(require_ack: bool) -> None:  # noqa: FBT001 - a parameter of the test
    async with _server() as (server, address), AdapterHarness() as harness:
        handler = await harness.build(INFO, _params(address, require_ack=require_ack))
        handler.report([_entry(1), _entry(2, tag="other")])
        async with asyncio.timeout(_TIMEOUT_S):
            events = [await server.events.get() for _ in range(2)]
        assert events == [
            _Event(
                tag,
                1_622_505_600_123_456_789 + number,
                {"n": number, "name": "log.instance.shop", "severity": "Info"},
            )
            for number, tag in ((1, "app"), (2, "other"))
        ]
        assert len(set(server.chunks)) == (2 if require_ack else 0)


async def test_one_connection_serves_all_batches() -> None:
    async with _server() as (server, address), AdapterHarness() as harness:
        handler = await harness.build(INFO, _params(address))
        for number in range(3):
            handler.report([_entry(number)])
            assert await server.numbers(1) == [number]
        assert server.connections == 1


async def test_a_batch_goes_before_it_would_pass_its_limit() -> None:
    async with _server() as (server, address), AdapterHarness() as harness:
        params = _params(
            address, push_interval_duration=Duration(3600 * 10**9), max_batch_size_bytes=150
        )
        handler = await harness.build(INFO, params)
        handler.report([_entry(1), _entry(2), _entry(3)])  # some 60 bytes each
        assert await server.numbers(2) == [1, 2]
        await harness.close(handler)
        assert await server.numbers(1) == [3]


async def test_what_is_there_is_sent_at_the_end() -> None:
    async with _server() as (server, address), AdapterHarness() as harness:
        handler = await harness.build(
            INFO, _params(address, push_interval_duration=Duration(3600 * 10**9))
        )
        handler.report([_entry(number) for number in range(500)])
        await harness.close(handler)
        assert await server.numbers(500) == list(range(500))
        assert handler.outbox.sent == 500


# ---------------------------------------------------------------- bad servers


async def test_entries_wait_for_a_server_that_is_not_there_yet() -> None:
    with KeptPort() as port:
        async with AdapterHarness() as harness:
            handler: FluentdHandler = await harness.build(INFO, _params(port.address))
            handler.report([_entry(1)])
            while handler.outbox.waiting and not handler._pending:  # noqa: ASYNC110 - nobody tells of a first attempt
                await asyncio.sleep(0)
            server = _FluentServer(_good)
            listening = await asyncio.start_server(server.serve, "127.0.0.1", port.number)
            assert await server.numbers(1) == [1]
            await harness.close(handler)
            listening.close()
            await listening.wait_closed()


async def test_acknowledged_messages_are_not_sent_again_and_the_others_are() -> None:
    died = False

    async def die_once(
        server: _FluentServer, message: list[Any], writer: asyncio.StreamWriter
    ) -> None:
        nonlocal died
        if message[0] == "second" and not died:
            died = True
            await writer.drain()
            writer.close()
            await writer.wait_closed()
            raise ConnectionResetError
        await _good(server, message, writer)

    async with _server(die_once) as (server, address), AdapterHarness() as harness:
        handler = await harness.build(INFO, _params(address, require_ack=True))
        tags = ("first", "second", "third")
        handler.report([_entry(number, tag=tag) for number, tag in enumerate(tags)])
        assert sorted(await server.numbers(3)) == [0, 1, 2]
        await harness.close(handler)
        assert server.events.empty()
        assert len(server.chunks) == len(set(server.chunks)) == 3
        assert (handler.outbox.sent, handler.outbox.dropped) == (3, 0)


async def test_a_server_that_dies_mid_batch_gets_it_again_under_the_same_chunk() -> None:
    seen: list[str] = []

    async def swallow_once(
        server: _FluentServer, message: list[Any], writer: asyncio.StreamWriter
    ) -> None:
        seen.append(_options(message)["chunk"])
        if len(seen) == 1:
            writer.transport.abort()
        else:
            await _good(server, message, writer)

    async with _server(swallow_once) as (server, address), AdapterHarness() as harness:
        handler = await harness.build(INFO, _params(address, require_ack=True))
        handler.report([_entry(number) for number in range(50)])
        assert await server.numbers(50) == list(range(50))
        await harness.close(handler)
        assert seen[0] == seen[1]
        assert len(seen) == 2


async def test_a_server_that_hangs_is_left_after_the_timeout() -> None:
    hung = False

    async def hang_once(
        server: _FluentServer, message: list[Any], writer: asyncio.StreamWriter
    ) -> None:
        nonlocal hung
        if hung:
            await _good(server, message, writer)
        hung = True

    async with _server(hang_once) as (server, address), AdapterHarness() as harness:
        handler = await harness.build(
            INFO, _params(address, require_ack=True, push_timeout_duration=Duration(500 * _MS))
        )
        handler.report([_entry(1)])
        assert await server.numbers(1) == [1]
        assert server.connections >= 2


async def test_a_server_that_answers_garbage_is_tried_again() -> None:
    spoke = False

    async def garbage_once(
        server: _FluentServer, message: list[Any], writer: asyncio.StreamWriter
    ) -> None:
        nonlocal spoke
        if not spoke:
            spoke = True
            writer.write(b"\xc1" * 100)
        else:
            await _good(server, message, writer)

    async with _server(garbage_once) as (server, address), AdapterHarness() as harness:
        handler = await harness.build(INFO, _params(address, require_ack=True))
        handler.report([_entry(1)])
        assert await server.numbers(1) == [1]


async def test_a_server_that_floods_does_no_harm() -> None:
    async def flood(
        server: _FluentServer, message: list[Any], writer: asyncio.StreamWriter
    ) -> None:
        server.take(message)
        writer.write(b"\xc0" * 1_000_000)

    async with _server(flood) as (server, address), AdapterHarness() as harness:
        handler = await harness.build(INFO, _params(address))
        handler.report([_entry(1)])
        assert await server.numbers(1) == [1]
        handler.report([_entry(2)])
        assert await server.numbers(1) == [2]


@pytest.mark.usefixtures("brief_ends")
async def test_closing_takes_a_second_at_most_and_counts_what_is_lost() -> None:
    async def hang(_server: _FluentServer, _message: list[Any], _w: asyncio.StreamWriter) -> None:
        return

    async with _server(hang) as (_, address), AdapterHarness() as harness:
        handler = await harness.build(INFO, _params(address, require_ack=True))
        handler.report([_entry(1), _entry(2)])
        async with asyncio.timeout(10):  # the acknowledgement never comes
            await harness.close(handler)
        assert handler.outbox.dropped == 2


# ---------------------------------------------------------------- bounds


async def test_a_full_buffer_drops_each_further_entry_with_an_error() -> None:
    with KeptPort() as port:
        async with AdapterHarness() as harness:
            params = _params(port.address, instance_buffer_size=2, max_batch_size_bytes=130)
            handler = await harness.build(INFO, params)
            # Two fill the batch, two the buffer.
            with pytest.raises(ExceptionGroup, match="1 of 5 log entries left out") as caught:
                handler.report([_entry(number) for number in range(5)])
            assert [type(each) for each in caught.value.exceptions] == [OutboxFullError]
            assert handler.outbox.dropped == 1


async def test_an_entry_larger_than_a_batch_is_dropped_and_the_others_go() -> None:
    async with _server() as (server, address), AdapterHarness() as harness:
        handler = await harness.build(INFO, _params(address, max_batch_size_bytes=200))
        large = LogEntry("log", {"text": "x" * 200})
        with pytest.raises(ExceptionGroup, match="1 of 2 log entries left out"):
            handler.report([large, _entry(1)])
        assert await server.numbers(1) == [1]


async def test_zero_means_the_default() -> None:
    async with _server() as (server, address), AdapterHarness() as harness:
        params = Params(
            address,
            instance_buffer_size=0,
            max_batch_size_bytes=0,
            push_interval_duration=Duration(0),
            push_timeout_duration=Duration(0),
        )
        handler = await harness.build(INFO, params)
        handler.report([_entry(1)])
        await harness.close(handler)
        assert await server.numbers(1) == [1]


@pytest.mark.parametrize(
    ("params", "path"),
    [
        (Params("localhost"), "address"),
        (Params("localhost:0"), "address"),
        (Params(instance_buffer_size=-1), "instance_buffer_size"),
        (Params(instance_buffer_size=1_000_001), "instance_buffer_size"),
        (Params(max_batch_size_bytes=-1), "max_batch_size_bytes"),
        (Params(max_batch_size_bytes=64 * 1024 * 1024 + 1), "max_batch_size_bytes"),
        (Params(push_interval_duration=Duration(-1)), "push_interval_duration"),
        (Params(push_timeout_duration=Duration(-1)), "push_timeout_duration"),
    ],
)
async def test_parameters_that_cannot_work_are_refused(params: Params, path: str) -> None:
    async with AdapterHarness() as harness:
        with pytest.raises(RejectedParamsError) as caught:
            await harness.build(INFO, params)
        assert [each.path for each in caught.value.problems] == [path]


async def test_a_missing_msgpack_is_told_with_the_extra_that_brings_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(forward_protocol, "_PACKAGE", "no_such_package")
    async with AdapterHarness() as harness:
        with pytest.raises(RejectedParamsError) as caught:
            await harness.build(INFO, Params())
    (problem,) = caught.value.problems
    assert problem.hint == "Run pip install 'remixer[fluentd]'."
    monkeypatch.setitem(sys.modules, "msgpack", None)
    with pytest.raises(forward_protocol.MsgpackMissingError, match=r"'remixer\[fluentd\]'"):
        forward_protocol.ForwardCodec()
