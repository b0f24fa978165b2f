"""A connection's life, and calls in: whole, in parts, too many, too large."""

import pytest

from remixer.testing.http2_client import (
    PREFACE,
    Flag,
    FrameType,
    frame_bytes,
    message_bytes,
)
from remixer.testing.http2_driver import (
    CALL_FIELDS,
    GREETING,
    CoreClient,
    block,
    call,
    data,
    headers,
    reset,
    settings,
    window_update,
)
from remixer.testing.http2_fields import string
from remixer.transport.core.events import (
    CallCancelled,
    CallStarted,
    ConnectionEnded,
    MessageReceived,
    PeerClosing,
    PingAnswered,
    RequestEnded,
    UnaryCall,
)
from remixer.transport.core.frames import ErrorCode
from remixer.transport.core.limits import Cause, ConnectionLimits
from remixer.transport.core.messages import gzip


def names(events: list[object]) -> list[str]:
    return [type(event).__name__ for event in events]


def ending(events: list[object]) -> tuple[int, str]:
    last = events[-1]
    assert isinstance(last, ConnectionEnded)
    return last.error_code, last.cause


# ---------------------------------------------------------------- its life


def test_our_settings_come_first_and_open_the_connections_window() -> None:
    client = CoreClient(is_greeted=False)
    assert client.kinds() == [("SETTINGS", 0), ("WINDOW_UPDATE", 0)]


def test_it_is_established_by_preface_and_settings() -> None:
    client = CoreClient(is_greeted=False)
    client.say(GREETING[:30])
    assert not client.core.is_established
    client.say(GREETING[30:])
    assert client.core.is_established


@pytest.mark.parametrize("wrong", [b"GET / HTTP/1.1\r\n", PREFACE[:-1] + b"x"])
def test_another_preface_ends_it_at_the_first_wrong_octet(wrong: bytes) -> None:
    client = CoreClient(is_greeted=False)
    assert ending(client.say(wrong)) == (ErrorCode.PROTOCOL_ERROR, Cause.PREFACE)
    assert client.core.is_over


@pytest.mark.parametrize(
    "first",
    [
        frame_bytes(FrameType.PING, b"\0" * 8),
        frame_bytes(FrameType.SETTINGS, flags=Flag.END_STREAM),
        call(1),
        frame_bytes(0x77),
    ],
)
def test_the_first_frame_is_settings(first: bytes) -> None:
    client = CoreClient(is_greeted=False)
    assert ending(client.say(PREFACE + first)) == (ErrorCode.PROTOCOL_ERROR, Cause.PREFACE)


def test_nothing_is_read_behind_the_end() -> None:
    client = CoreClient()
    events = client.say(frame_bytes(FrameType.PING, b""), call(1))
    assert names(events) == ["ConnectionEnded"]
    assert client.say(call(1)) == []
    client.core.ping(b"12345678")
    client.core.begin_drain()
    client.core.finish_drain()
    client.core.end(0, "again", "again")
    assert client.kinds() == [("GOAWAY", 0)]


def test_calls_before_a_fault_in_the_same_batch_are_told() -> None:
    client = CoreClient()
    events = client.say(call(1), frame_bytes(FrameType.PING, b""))
    assert names(events) == ["UnaryCall", "ConnectionEnded"]
    client.core.respond(1, b"too late")
    [goaway] = client.hear()
    assert goaway.payload[:4] == b"\0\0\0\1"


def test_the_shell_may_end_it_for_a_reason_of_its_own() -> None:
    client = CoreClient()
    client.say(headers(1))
    client.core.end(ErrorCode.NO_ERROR, "max_age", "as old as may be")
    assert client.say() == [ConnectionEnded(0, "max_age", "as old as may be")]
    assert client.core.open_streams == 0


def test_a_ping_is_answered_and_ours_is_told() -> None:
    client = CoreClient()
    client.say(frame_bytes(FrameType.PING, b"abcdefgh"))
    [answer] = client.hear()
    assert (answer.flags, answer.payload) == (Flag.END_STREAM, b"abcdefgh")
    client.core.ping(b"12345678")
    assert client.kinds() == [("PING", 0)]
    acknowledgement = frame_bytes(FrameType.PING, b"12345678", flags=Flag.END_STREAM)
    assert client.say(acknowledgement) == [PingAnswered(b"12345678")]
    assert client.say(acknowledgement) == []


def test_too_many_pings_are_named_in_the_words_of_grpc() -> None:
    client = CoreClient()
    client.say(frame_bytes(FrameType.PING, b"\0" * 8) * 101)
    assert client.hear()[-1].payload.endswith(b"too_many_pings")


def test_a_peer_that_leaves_is_told_of_and_served() -> None:
    client = CoreClient()
    leaving = frame_bytes(FrameType.GOAWAY, b"\0\0\0\0\0\0\0\2bye")
    assert client.say(leaving, call(1))[0] == PeerClosing(2)
    assert not client.core.is_over


def test_draining_takes_two_steps() -> None:
    client = CoreClient()
    client.say(headers(1))
    client.core.begin_drain()
    assert client.hear()[-1].payload[:4] == (2**31 - 1).to_bytes(4, "big")
    assert names(client.say(call(3))) == ["UnaryCall"]
    client.core.finish_drain()
    assert client.hear()[-1].payload[:4] == b"\0\0\0\3"
    assert client.say(call(5)) == []
    assert client.kinds() == [("RST_STREAM", 5)]
    client.core.respond(3, b"")
    assert not client.core.is_over
    client.core.finish(1, 0)
    assert client.core.is_over


# ---------------------------------------------------------------- calls in


def test_a_request_in_one_batch_is_one_event() -> None:
    client = CoreClient()
    [event] = client.say(call(1, b"hello"))
    assert isinstance(event, UnaryCall)
    assert (event.stream_id, event.message, event.head.path) == (1, b"hello", "/t.Test/Echo")
    assert client.core.open_streams == 1


@pytest.mark.parametrize("at", range(1, len(call(1))))
def test_a_request_cut_anywhere_is_the_same_in_parts(at: int) -> None:
    client = CoreClient()
    octets = call(1)
    events = client.say(octets[:at]) + client.say(octets[at:])
    if len(events) == 1:
        assert isinstance(events[0], UnaryCall)
    else:
        assert names(events) == ["CallStarted", "MessageReceived", "RequestEnded"]


def test_requests_may_be_interleaved_in_a_batch() -> None:
    client = CoreClient()
    ends = [data(number, message_bytes(b"x"), end_stream=True) for number in (1, 3)]
    assert names(client.say(headers(1), headers(3), *ends)) == ["UnaryCall"] * 2


def test_a_request_of_two_frames_is_told_in_parts() -> None:
    client = CoreClient()
    octets = message_bytes(b"hello")
    events = client.say(headers(1), data(1, octets[:7]), data(1, octets[7:], end_stream=True))
    assert names(events) == ["CallStarted", "MessageReceived", "RequestEnded"]


def test_a_request_without_a_message_has_started_and_ended() -> None:
    client = CoreClient()
    assert names(client.say(headers(1, end_stream=True))) == ["CallStarted", "RequestEnded"]


def test_padding_and_priority_are_taken_off() -> None:
    client = CoreClient()
    flags = Flag.END_HEADERS | Flag.PADDED | Flag.PRIORITY
    head = b"\x03" + b"\0\0\0\0\x10" + block() + b"\0\0\0"
    body = b"\x02" + message_bytes(b"hello") + b"\0\0"
    events = client.say(
        frame_bytes(FrameType.HEADERS, head, flags=flags, stream_id=1),
        frame_bytes(FrameType.DATA, body, flags=Flag.PADDED | Flag.END_STREAM, stream_id=1),
    )
    assert events[1] == MessageReceived(1, b"hello", 10)


def test_a_block_may_go_on_in_continuations() -> None:
    client = CoreClient()
    octets = block()
    parts = [
        frame_bytes(FrameType.HEADERS, octets[:9], stream_id=1),
        frame_bytes(FrameType.CONTINUATION, octets[9:20], stream_id=1),
        frame_bytes(FrameType.CONTINUATION, octets[20:], flags=Flag.END_HEADERS, stream_id=1),
    ]
    assert names(client.say(*parts)) == ["CallStarted"]


@pytest.mark.parametrize(
    "other",
    [call(1), call(3), frame_bytes(0x77), frame_bytes(FrameType.CONTINUATION, b"", stream_id=3)],
)
def test_nothing_comes_between_a_block_and_its_continuation(other: bytes) -> None:
    client = CoreClient()
    client.say(call(1), call(3)[:0])
    begin = frame_bytes(FrameType.HEADERS, block()[:9], stream_id=5)
    assert ending(client.say(begin, other)) == (ErrorCode.PROTOCOL_ERROR, Cause.PROTOCOL)


def test_trailers_end_the_request_and_are_dropped() -> None:
    client = CoreClient()
    client.say(headers(1))
    assert client.say(headers(1, [("x-a", "1")], end_stream=True)) == [RequestEnded(1)]


def test_a_request_refused_before_its_end_is_stopped() -> None:
    client = CoreClient()
    fields = [pair for pair in CALL_FIELDS if pair[0] != "content-type"]
    assert client.say(headers(1, fields), headers(3, fields, end_stream=True)) == []
    assert client.kinds() == [("HEADERS", 1), ("RST_STREAM", 1), ("HEADERS", 3)]
    assert client.core.stream_faults == {"grpc_framing": 2}


def test_the_content_must_have_the_length_that_was_said() -> None:
    fields = (*CALL_FIELDS, ("content-length", "10"))
    body = message_bytes(b"hello")
    for octets, wanted in ((body, "UnaryCall"), (body[:-1], "CallCancelled")):
        client = CoreClient()
        events = client.say(headers(1, fields), data(1, octets, end_stream=True))
        assert names(events)[-1] == wanted
    client = CoreClient()
    assert names(client.say(headers(1, fields), data(1, body + b"\0")))[-1] == "CallCancelled"
    client = CoreClient()
    client.say(headers(1, fields, end_stream=True))
    assert client.kinds() == [("RST_STREAM", 1)]


@pytest.mark.parametrize(
    ("octets", "code"), [(b"\0\0\0\0\5hell", "13"), (b"\2", "13"), (b"\0\0\x10\0\1", "8")]
)
def test_a_broken_message_gets_a_status(octets: bytes, code: str) -> None:
    client = CoreClient()
    events = client.say(headers(1), data(1, octets, end_stream=True))
    assert names(events)[-1] == "CallCancelled"
    [status] = client.hear()
    assert client.fields(status)["grpc-status"] == code


def test_as_many_calls_as_may_be_and_one_more() -> None:
    client = CoreClient(ConnectionLimits(max_concurrent_streams=2))
    assert names(client.say(call(1), headers(3), call(5))) == ["UnaryCall", "CallStarted"]
    assert client.kinds() == [("RST_STREAM", 5)]
    client.core.respond(1, b"")
    assert names(client.say(call(7))) == ["UnaryCall"]


def test_calls_beyond_the_limit_are_a_flood_when_the_limit_is_known() -> None:
    client = CoreClient(ConnectionLimits(max_concurrent_streams=1))
    events = client.say(call(1), *(call(number) for number in range(3, 2003, 2)))
    assert names(events) == ["UnaryCall"]
    assert ending(client.say(call(2003))) == (ErrorCode.ENHANCE_YOUR_CALM, Cause.STREAM_ERRORS)


@pytest.mark.parametrize("stream_id", [0, 2])
def test_calls_have_odd_numbers(stream_id: int) -> None:
    client = CoreClient()
    assert ending(client.say(headers(stream_id)))[0] == ErrorCode.PROTOCOL_ERROR


def test_the_reserved_bit_of_a_stream_is_ignored() -> None:
    client = CoreClient()
    octets = call(1)
    flipped = octets[:5] + b"\x80" + octets[6:]
    assert names(client.say(flipped))[0] in {"UnaryCall", "CallStarted"}


# ---------------------------------------------------------------- the windows that we give


def test_one_octet_beyond_a_streams_window_costs_the_stream() -> None:
    limits = ConnectionLimits(initial_stream_window=20, max_stream_window=20)
    client = CoreClient(limits)
    events = client.say(headers(1), data(1, message_bytes(b"x" * 15)))
    assert names(events) == ["CallStarted", "MessageReceived"]
    assert client.say(data(1, b"\0")) == [CallCancelled(1, ErrorCode.FLOW_CONTROL_ERROR)]


def test_one_octet_beyond_the_connections_window_costs_the_connection() -> None:
    limits = ConnectionLimits(max_unconsumed_bytes=0, initial_connection_window=65_535)
    client = CoreClient(limits)
    body = message_bytes(b"x" * 16_379)
    for number in (1, 3, 5):
        client.say(headers(number), data(number, body))
    client.say(headers(7), data(7, body[:-1]))
    assert ending(client.say(data(7, b"x"))) == (
        ErrorCode.FLOW_CONTROL_ERROR,
        Cause.FLOW_CONTROL,
    )


def test_what_is_consumed_may_be_sent_again() -> None:
    limits = ConnectionLimits(initial_stream_window=100, max_stream_window=100)
    client = CoreClient(limits)
    client.say(headers(1), data(1, message_bytes(b"x" * 55)))
    assert client.hear() == []
    client.core.consume(1, 60)
    client.core.consume(1, 60)
    [update] = client.hear()
    assert (update.stream_id, update.payload) == (1, b"\0\0\0\x3c")


def test_an_unfinished_message_gets_all_the_window_it_needs() -> None:
    client = CoreClient()
    octets = message_bytes(b"x" * 1_000_000)
    events = client.say(headers(1))
    window = 65_535
    for start in range(0, len(octets), 16_384):
        piece = octets[start : start + 16_384]
        window -= len(piece)
        assert window >= 0
        events += client.say(data(1, piece, end_stream=start + 16_384 >= len(octets)))
        for frame in client.hear():
            if frame.stream_id == 1:
                window += int.from_bytes(frame.payload, "big")
    assert names(events) == ["CallStarted", "MessageReceived", "RequestEnded"]


def test_a_slow_service_does_not_stop_its_neighbours_until_it_holds_too_much() -> None:
    limits = ConnectionLimits(
        initial_stream_window=1_000_000,
        max_unconsumed_bytes=100_000,
        initial_connection_window=65_535,
        max_connection_window=65_535,
    )
    client = CoreClient(limits)
    body = message_bytes(b"x" * 16_379)
    client.say(headers(1), *[data(1, body)] * 3)
    assert client.kinds() == [("WINDOW_UPDATE", 0)]
    client.say(*[data(1, body)] * 3)
    assert client.kinds() == [("WINDOW_UPDATE", 0)]
    client.say(*[data(1, body)] * 3)
    assert client.kinds() == []
    client.core.consume(1, 9 * 16_384)
    assert client.kinds() == [("WINDOW_UPDATE", 0)]


def test_a_call_that_ends_gives_back_what_it_held() -> None:
    limits = ConnectionLimits(
        initial_stream_window=1_000_000,
        max_unconsumed_bytes=10_000,
        initial_connection_window=65_535,
    )
    client = CoreClient(limits)
    client.say(headers(1), *[data(1, message_bytes(b"x" * 16_379))] * 3)
    assert client.kinds() == []
    client.core.finish(1, 0)
    assert ("WINDOW_UPDATE", 0) in client.kinds()


def test_unfinished_messages_are_bounded_over_all_calls() -> None:
    client = CoreClient(ConnectionLimits(max_buffered_bytes=200))
    part = message_bytes(b"", length=1000) + b"x" * 95
    assert names(client.say(headers(1), data(1, part), headers(3), data(3, part))) == [
        "CallStarted",
        "CallStarted",
    ]
    assert client.say(data(3, b"x")) == [CallCancelled(3, 0)]
    assert client.fields(client.hear()[0])["grpc-status"] == "8"
    assert client.core.stream_faults == {"message_buffer": 1}


def test_decompressed_messages_count_as_what_they_became() -> None:
    limits = ConnectionLimits(max_unconsumed_bytes=50_000, max_connection_window=70_000)
    client = CoreClient(limits)
    fields = (*CALL_FIELDS, ("grpc-encoding", "gzip"))
    body = message_bytes(gzip(b"x" * 40_000), flag=1)
    events = client.say(headers(1, fields), data(1, body))
    assert events[1] == MessageReceived(1, b"x" * 40_000, 40_000)
    assert names(client.say(data(1, body), data(1, body))) == ["MessageReceived"] * 2
    assert names(client.say(data(1, body)))[-1] == "CallCancelled"


# ---------------------------------------------------------------- small things


def test_a_frame_one_octet_too_long_ends_it_at_its_header() -> None:
    for cut in (9, None):
        client = CoreClient()
        octets = data(1, b"x" * 16_385)[:cut]
        assert ending(client.say(octets)) == (ErrorCode.FRAME_SIZE_ERROR, Cause.FRAME_SIZE)


def test_data_that_comes_octet_by_octet_is_looked_at_when_it_is_whole() -> None:
    client = CoreClient()
    octets = call(1, b"x" * 5000)
    events = [event for at in range(len(octets)) for event in client.say(octets[at : at + 1])]
    assert names(events) == ["CallStarted", "MessageReceived", "RequestEnded"]


def test_cancelled_calls_are_told_of_and_forgotten() -> None:
    client = CoreClient()
    events = client.say(headers(1), reset(1, 7), call(3), reset(3))
    assert events[1:] == [CallCancelled(1, 7), events[2], CallCancelled(3, 8)]
    assert client.core.open_streams == 0


def test_a_settings_change_may_not_let_a_window_overflow() -> None:
    client = CoreClient()
    client.say(headers(1), window_update(1, 2**31 - 1 - 65_535))
    assert ending(client.say(settings({4: 65_536})))[0] == ErrorCode.FLOW_CONTROL_ERROR


def test_a_remembered_block_is_read_no_more_but_means_the_same() -> None:
    client = CoreClient()
    heads = [client.say(call(number))[0] for number in range(1, 12, 2)]
    assert len({id(event.head) for event in heads if isinstance(event, UnaryCall)}) == 2
    assert len({event.head.path for event in heads if isinstance(event, UnaryCall)}) == 1


def test_a_malformed_call_among_good_ones_costs_itself_only() -> None:
    client = CoreClient()
    bad = headers(3, (*CALL_FIELDS, ("Upper", "x")))
    assert names(client.say(call(1), bad, call(5))) == ["UnaryCall", "UnaryCall"]
    assert client.kinds() == [("RST_STREAM", 3)]
    assert isinstance(client.say(headers(7))[0], CallStarted)


# ---------------------------------------------------------------- blocks that differ in one value

TAIL = b"\x00\x05x-end\x011"


def traced(value: bytes, name: bytes = b"traceparent", tail: bytes = TAIL) -> bytes:
    """A block whose one field differs from call to call."""
    return block() + b"\x00" + string(name) + value + tail


OTHERS = [
    traced(string(b"00-2")),
    traced(string(b"00-2", is_huffman=True)),
    traced(string(b"")),
    traced(string(b"x" * 126)),
    traced(string(b"x" * 127)),
    traced(string(b"x" * 300)),
    traced(b"\x7f" + b"x" * 127),
    traced(b"\x7f\x00" + b"x" * 126 + b"x"),
    traced(string(b"tab\there")),
    traced(string(b" blank")),
    traced(string(b"n\0l")),
    traced(string("é".encode("latin-1"))),
    traced(string(b"v"), name=b"tracestate"),
    traced(string(b"v"), tail=b""),
    traced(string(b"v"), tail=TAIL + b"\x83"),
    traced(string(b"v"), tail=b"\x00" + string(b"traceparent") + string(b"twice")),
    traced(string(b"x" * 100))[:-40],
    traced(string(b"v"))[: len(block()) + 13],
    traced(b"\x81\x18"),
    block(),
]


@pytest.mark.parametrize("written", OTHERS, ids=range(len(OTHERS)))
@pytest.mark.parametrize("name", [b"traceparent", b"x-bin", b"host", b"x-end"])
def test_a_block_reads_alike_whatever_came_before(written: bytes, name: bytes) -> None:
    fresh, warm = CoreClient(), CoreClient()
    for number in range(1, 8, 2):
        similar = traced(string(b"00-%d" % number), name=name)
        warm.say(headers(number, written=similar))
        fresh.say(headers(number))
    warm.hear()
    fresh.hear()
    octets = headers(9, written=written) + data(9, message_bytes(b"x"), end_stream=True)
    assert warm.say(octets) == fresh.say(octets)
    assert warm.hear() == fresh.hear()


def test_a_block_that_differs_in_one_value_is_read_anew_when_the_table_changes() -> None:
    client = CoreClient()

    def metadata(number: int, written: bytes) -> object:
        [event] = client.say(headers(number, written=written))
        assert isinstance(event, CallStarted)
        return dict(event.head.metadata)

    def varying(value: bytes) -> bytes:
        return block() + b"\xbe\x00\x01t" + string(value)

    metadata(1, block() + b"\x40\x01a\x011")
    metadata(3, varying(b"1"))
    assert metadata(5, varying(b"2")) == {"a": "1", "t": "2"}
    metadata(7, block() + b"\x40\x01a\x012")
    assert metadata(9, varying(b"3")) == {"a": "2", "t": "3"}


def test_a_value_that_makes_the_list_too_large_is_refused_as_ever() -> None:
    size = sum(len(name) + len(value) + 32 for name, value in CALL_FIELDS) + 33
    client = CoreClient(ConnectionLimits(max_header_list_bytes=size + 10))
    for number, length in ((1, 1), (3, 2), (5, 10), (7, 11)):
        written = block() + b"\x00\x01t" + string(b"v" * length)
        assert len(client.say(headers(number, written=written))) == (length <= 10)
