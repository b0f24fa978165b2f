"""StreamAccessLogs: each message one report; the stream keeps who reports and TCP totals."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from remixer.attributes.bag import Bag
from remixer.attributes.vocabulary import Vocabulary
from remixer.foundation.status import Code
from remixer.frontends.envoy.access_log import access_log_methods
from remixer.mixer.outcome import REPORTED, CheckOutcome, ReportOutcome
from remixer.mixer.request import CheckRequest
from remixer.transport.port import CallContext, RpcError
from remixer.wire._pb.envoy.data.accesslog.v3.accesslog_pb2 import AccessLogType
from remixer.wire._pb.envoy.service.accesslog.v3.als_pb2 import StreamAccessLogsMessage
from remixer.wire._pb.remixer.reading.access_log_pb2 import EntryParts
from remixer.wire.framing import embedded

NO_CONTEXT = cast("CallContext", None)  # the method reads nothing of its context


@dataclass
class Reports:
    """A Mixer that keeps what it is told."""

    kept: list[Sequence[Bag]] = field(default_factory=list)
    outcome: ReportOutcome = REPORTED

    def check_now(self, request: CheckRequest) -> CheckOutcome | None:
        raise AssertionError(request)

    async def check(self, request: CheckRequest) -> CheckOutcome:
        raise AssertionError(request)

    def report(self, bags: Sequence[Bag]) -> ReportOutcome:
        self.kept.append(bags)
        return self.outcome


def http_message(*paths: str, node: str = "") -> bytes:
    message = StreamAccessLogsMessage()
    if node:
        message.identifier.node.id = node
    for path in paths:
        message.http_logs.log_entry.add().request.path = path
    return message.SerializeToString()


def tcp_message(stream: str, received: int, sent: int, event: Any) -> bytes:
    message = StreamAccessLogsMessage()
    entry = message.tcp_logs.log_entry.add()
    entry.common_properties.stream_id = stream
    entry.common_properties.access_log_type = event
    entry.connection_properties.received_bytes = received
    entry.connection_properties.sent_bytes = sent
    return message.SerializeToString()


async def stream(mixer: Reports, *messages: bytes) -> list[bytes]:
    """Messages that come one after the other."""
    return await _stream(mixer, [[each] for each in messages])


async def together(mixer: Reports, *messages: bytes) -> list[bytes]:
    """Messages that are there at once."""
    return await _stream(mixer, [messages])


async def _stream(
    mixer: Reports, turns: Sequence[Sequence[bytes]], *, entries_at_once: int | None = None
) -> list[bytes]:
    async def incoming() -> AsyncIterator[bytes]:
        for turn in turns:
            for message in turn:
                yield message
            await asyncio.sleep(0)

    vocabulary = Vocabulary()
    (method,) = access_log_methods(
        mixer, vocabulary=lambda: vocabulary, entries_at_once=entries_at_once
    )
    assert method.path == "/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs"
    return [answer async for answer in method.handle(incoming(), NO_CONTEXT)]


def paths(mixer: Reports) -> list[list[object]]:
    """Those of each report."""
    return [[bag["request.path"] for bag in bags] for bags in mixer.kept]


async def test_each_message_is_one_report() -> None:
    mixer = Reports()
    await stream(mixer, http_message("/a", "/b"), http_message("/c"))
    assert paths(mixer) == [["/a", "/b"], ["/c"]]


async def test_messages_that_are_there_at_once_are_one_report() -> None:
    mixer = Reports()
    messages = [http_message(f"/{number}") for number in range(20)]
    await together(mixer, *messages[:10], b"", *messages[10:])
    assert paths(mixer) == [[f"/{number}" for number in range(20)]]


async def test_a_few_entries_of_several_messages_are_reported_by_message() -> None:
    mixer = Reports()
    await together(mixer, http_message("/a", "/b"), b"", http_message("/c"))
    assert paths(mixer) == [["/a", "/b"], ["/c"]]


async def test_a_report_has_no_more_entries_than_are_gathered() -> None:
    mixer = Reports()
    messages = [http_message(f"/{number}", "/") for number in range(60)]
    await together(mixer, *messages)
    assert [len(bags) for bags in mixer.kept] == [100, 20]


async def test_a_message_with_more_entries_is_one_report_all_the_same() -> None:
    mixer = Reports()
    await together(mixer, http_message("/a"), http_message(*["/"] * 150), http_message("/b"))
    assert [len(bags) for bags in mixer.kept] == [1, 150, 1]


async def test_a_long_message_is_several_reports_where_few_are_wanted_at_once() -> None:
    mixer = Reports()
    turns = [[http_message("/a"), http_message("/b", "/c", "/d"), http_message("/e")]]
    await _stream(mixer, turns, entries_at_once=2)
    assert paths(mixer) == [["/a"], ["/b", "/c"], ["/d"], ["/e"]]


async def test_requests_and_connections_are_reported_apart() -> None:
    mixer = Reports()
    requests, connection = http_message("/a"), tcp_message("c", 1, 1, AccessLogType.TcpPeriodic)
    await together(mixer, *[requests] * 5, connection, connection, *[requests] * 2)
    protocols = [[bag["context.protocol"] for bag in bags] for bags in mixer.kept]
    assert protocols == [["http"] * 5, ["tcp"] * 2, ["http"] * 2]


async def test_entries_that_were_read_are_reported_though_the_stream_is_cancelled() -> None:
    mixer = Reports()
    has_read = asyncio.Event()

    async def incoming() -> AsyncIterator[bytes]:
        yield http_message("/a")
        has_read.set()
        await asyncio.Event().wait()

    (method,) = access_log_methods(mixer, vocabulary=Vocabulary)
    answers = method.handle(incoming(), NO_CONTEXT)

    async def ask() -> None:
        await anext(answers)

    async with asyncio.TaskGroup() as group:
        task = group.create_task(ask())
        await has_read.wait()
        task.cancel()
    assert paths(mixer) == [["/a"]]


async def test_the_stream_is_answered_once_at_its_end() -> None:
    assert await stream(Reports(), http_message("/a")) == [b""]


async def test_the_reporter_is_told_once_and_kept() -> None:
    mixer = Reports()
    await stream(mixer, http_message("/a", node="n1"), http_message("/b"))
    assert [bags[0]["context.reporter.uid"] for bags in mixer.kept] == ["n1", "n1"]


async def test_another_stream_knows_nothing_of_the_first() -> None:
    mixer = Reports()
    await stream(mixer, http_message("/a", node="n1"))
    await stream(mixer, http_message("/b"))
    assert mixer.kept[1][0]["context.reporter.uid"] is None


async def test_a_message_without_entries_is_no_report() -> None:
    mixer = Reports()
    await stream(mixer, b"", http_message(node="n1"))
    assert mixer.kept == []


async def test_a_request_is_reported_once_though_its_start_is_logged_too() -> None:
    message = StreamAccessLogsMessage()
    for kind in (
        AccessLogType.DownstreamStart,
        AccessLogType.DownstreamPeriodic,
        AccessLogType.DownstreamEnd,
        AccessLogType.UpstreamEnd,
    ):
        entry = message.http_logs.log_entry.add()
        entry.common_properties.access_log_type = kind
        entry.request.path = AccessLogType.Name(kind)
    mixer = Reports()
    await stream(mixer, message.SerializeToString())
    ((bag,),) = mixer.kept
    assert bag["request.path"] == "DownstreamEnd"


async def test_bytes_of_a_connection_are_those_since_its_last_entry() -> None:
    mixer = Reports()
    await stream(
        mixer,
        tcp_message("c", 10, 1, AccessLogType.TcpUpstreamConnected),
        tcp_message("c", 30, 1, AccessLogType.TcpPeriodic),
        tcp_message("other", 5, 5, AccessLogType.TcpPeriodic),
        tcp_message("c", 30, 9, AccessLogType.TcpConnectionEnd),
    )
    rows = [
        [
            bag["connection.event"],
            bag["connection.received.bytes"],
            bag["connection.received.bytes_total"],
            bag["connection.sent.bytes"],
        ]
        for (bag,) in mixer.kept
    ]
    assert rows == [
        ["open", 10, 10, 1],
        ["continue", 20, 30, 0],
        ["continue", 5, 5, 5],
        ["close", 0, 30, 8],
    ]


async def test_a_message_that_cannot_be_read_ends_the_stream_with_invalid_argument() -> None:
    mixer = Reports()
    with pytest.raises(RpcError) as caught:
        await stream(mixer, http_message("/a"), b"\xff", http_message("/b"))
    assert caught.value.code == Code.INVALID_ARGUMENT
    assert len(mixer.kept) == 1


async def test_errors_of_reports_are_told_once_per_stream_and_in_words_at_debug(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("DEBUG")
    message = StreamAccessLogsMessage()
    message.identifier.log_name = "shop"
    message.http_logs.log_entry.add()
    failing = Reports(outcome=ReportOutcome(("`secret` is no number", "another")))
    await stream(failing, message.SerializeToString(), http_message("/a"))
    told = [(each.levelname, each.msg, vars(each)["fields"]) for each in caplog.records]
    assert [each for each in told if each[0] != "DEBUG"] == [
        ("WARNING", "access_log_partly_reported", {"log_name": "shop", "errors": 2})
    ]
    assert len([each for each in told if each[0] == "DEBUG"]) == 4


async def test_metadata_that_cannot_be_read_tells_nothing() -> None:
    entry = EntryParts(metadata=[b"\xff\xff"], stream_id="c").SerializeToString()
    message = embedded(3, embedded(1, embedded(1, entry)))
    mixer = Reports()
    await stream(mixer, message)
    ((bag,),) = mixer.kept
    assert bag["own.filter"] is None
    assert bag["check.error_code"] is None
    assert bag["connection.id"] == "c"
