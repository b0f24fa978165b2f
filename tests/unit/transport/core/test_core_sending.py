"""Answers under the peer's windows and settings: order, fairness, marks and bounds."""

import pytest

from remixer.testing.http2_client import Flag, Frame, FrameType, Setting
from remixer.testing.http2_driver import (
    CALL_FIELDS,
    CoreClient,
    call,
    data,
    headers,
    settings,
    window_update,
)
from remixer.transport.core.events import CallCancelled, SendReady
from remixer.transport.core.limits import ConnectionLimits

BIG = b"x" * 40_000


def payloads(frames: list[Frame], stream_id: int) -> bytes:
    return b"".join(
        frame.payload
        for frame in frames
        if frame.kind == FrameType.DATA and frame.stream_id == stream_id
    )


def test_an_answer_is_headers_a_message_and_trailers() -> None:
    client = CoreClient()
    client.say(call(1))
    client.core.respond(1, b"world")
    first, message, last = client.hear()
    assert client.fields(first) == {":status": "200", "content-type": "application/grpc"}
    assert message.payload == b"\0\0\0\0\5world"
    assert client.fields(last) == {"grpc-status": "0"}
    assert last.flags == Flag.END_STREAM | Flag.END_HEADERS
    assert client.core.open_streams == 0


def test_trailing_metadata_goes_with_the_status() -> None:
    client = CoreClient()
    client.say(call(1))
    client.core.respond(1, b"", {"x-a": "1"})
    assert client.fields(client.hear()[-1]) == {"grpc-status": "0", "x-a": "1"}


@pytest.mark.parametrize("request_", [call(1), headers(1, end_stream=True)])
def test_a_status_alone_is_one_frame(request_: bytes) -> None:
    client = CoreClient()
    client.say(request_)
    client.core.finish(1, 5, "not here", trailing_metadata={"x-bin": b"\0"}, details=b"\1")
    [only] = client.hear()
    assert only.flags & Flag.END_STREAM
    assert client.fields(only) == {
        ":status": "200",
        "content-type": "application/grpc",
        "grpc-status": "5",
        "grpc-message": "not here",
        "grpc-status-details-bin": "AQ",
        "x-bin": "AA",
    }


def test_an_answer_before_the_requests_end_stops_the_request() -> None:
    client = CoreClient()
    client.say(headers(1))
    client.core.respond(1, b"early")
    assert client.kinds()[-2:] == [("HEADERS", 1), ("RST_STREAM", 1)]


def test_initial_metadata_is_sent_once_and_before_messages() -> None:
    client = CoreClient()
    client.say(headers(1))
    client.core.send_headers(1, {"x-a": "1"})
    client.core.send_headers(1, {"x-a": "2"})
    client.core.send_message(1, b"one")
    client.core.send_headers(1, {"x-a": "3"})
    first, second = client.hear()
    assert client.fields(first)["x-a"] == "1"
    assert second.kind == FrameType.DATA


def test_commands_for_a_call_that_is_gone_do_nothing() -> None:
    client = CoreClient()
    client.say(call(1))
    client.core.respond(1, b"")
    client.hear()
    for stream_id in (1, 2, 99):
        client.core.respond(stream_id, b"again")
        client.core.send_headers(stream_id, {})
        assert client.core.send_message(stream_id, b"more")
        client.core.finish(stream_id, 0)
        client.core.reset(stream_id, 8)
        client.core.consume(stream_id, 1)
    assert client.hear() == []


def test_commands_after_the_status_do_nothing() -> None:
    client = CoreClient()
    client.say(settings({Setting.INITIAL_WINDOW_SIZE: 1}), call(1))
    client.core.respond(1, b"waits")
    client.core.send_message(1, b"more")
    client.core.finish(1, 13)
    client.say(window_update(1, 100))
    frames = client.hear()
    assert payloads(frames, 1) == b"\0\0\0\0\5waits"
    assert client.fields(frames[-1]) == {"grpc-status": "0"}


def test_gzip_is_used_where_the_client_reads_it() -> None:
    client = CoreClient()
    fields = (*CALL_FIELDS, ("grpc-accept-encoding", "gzip"))
    client.say(headers(1, fields), headers(3))
    for stream_id in (1, 3):
        client.core.send_message(stream_id, b"x" * 500, compress=True)
    first, small, second, plain = client.hear()
    assert client.fields(first)["grpc-encoding"] == "gzip"
    assert (small.payload[0], len(small.payload) < 100) == (1, True)
    assert "grpc-encoding" not in client.fields(second)
    assert (plain.payload[0], len(plain.payload)) == (0, 505)


def test_an_answer_larger_than_may_be_is_an_error() -> None:
    client = CoreClient(ConnectionLimits(max_send_message_bytes=5))
    client.say(call(1), call(3))
    client.core.respond(1, b"12345")
    client.core.respond(3, b"123456")
    assert client.fields(client.hear()[-1])["grpc-status"] == "8"


# ---------------------------------------------------------------- windows


def test_a_message_is_cut_to_frames_of_the_default_size() -> None:
    client = CoreClient()
    client.say(call(1))
    client.core.respond(1, BIG)
    sizes = [len(frame.payload) for frame in client.hear() if frame.kind == FrameType.DATA]
    assert sizes == [16_384, 16_384, 40_005 - 2 * 16_384]


def test_a_peer_may_ask_for_larger_frames() -> None:
    client = CoreClient()
    client.say(settings({Setting.MAX_FRAME_SIZE: 65_536}), call(1))
    client.core.respond(1, BIG)
    assert [frame.kind for frame in client.hear()].count(FrameType.DATA) == 1


def test_nothing_goes_out_beyond_the_streams_window() -> None:
    client = CoreClient()
    client.say(settings({Setting.INITIAL_WINDOW_SIZE: 10}), call(1))
    client.hear()
    client.core.respond(1, b"x" * 20)
    assert len(payloads(client.hear(), 1)) == 10
    client.say(window_update(1, 5))
    assert len(payloads(client.hear(), 1)) == 5
    client.say(window_update(1, 10))
    assert client.kinds() == [("DATA", 1), ("HEADERS", 1)]


def test_nothing_goes_out_beyond_the_connections_window() -> None:
    client = CoreClient()
    client.say(headers(1), headers(3))
    client.core.send_message(1, b"x" * 65_530)
    client.core.send_message(3, b"late")
    frames = client.hear()
    assert (len(payloads(frames, 1)), payloads(frames, 3)) == (65_535, b"")
    client.say(window_update(0, 4))
    assert payloads(client.hear(), 3) == b"\0\0\0\0"
    client.say(window_update(0, 100))
    assert payloads(client.hear(), 3) == b"\4late"


def test_streams_take_turns_when_the_window_opens() -> None:
    client = CoreClient()
    client.say(settings({Setting.INITIAL_WINDOW_SIZE: 200_000}))
    client.say(headers(1), headers(3), headers(5))
    client.core.send_message(1, b"x" * 65_530)
    client.hear()
    for stream_id in (1, 3, 5):
        client.core.send_message(stream_id, BIG)
    client.say(window_update(0, 6 * 16_384))
    turns = [frame.stream_id for frame in client.hear() if frame.kind == FrameType.DATA]
    assert turns == [1, 3, 5, 1, 3, 5]


def test_a_stream_without_window_does_not_stop_its_neighbours() -> None:
    client = CoreClient()
    client.say(settings({Setting.INITIAL_WINDOW_SIZE: 10}), call(1), call(3))
    client.core.respond(1, b"x" * 100)
    client.core.respond(3, b"small")
    assert len(payloads(client.hear(), 3)) == 10


def test_a_smaller_initial_window_makes_windows_negative() -> None:
    client = CoreClient()
    client.say(headers(1))
    client.core.send_message(1, b"x" * 995)
    client.say(settings({Setting.INITIAL_WINDOW_SIZE: 500}))
    client.hear()
    client.core.send_message(1, b"y")
    client.say(window_update(1, 500))
    assert payloads(client.hear(), 1) == b""
    client.say(window_update(1, 1))
    assert payloads(client.hear(), 1) == b"\0"


def test_a_larger_initial_window_is_acknowledged_before_what_it_lets_out() -> None:
    client = CoreClient()
    client.say(settings({Setting.INITIAL_WINDOW_SIZE: 0}), call(1))
    client.core.respond(1, b"hello")
    client.hear()
    client.say(settings({Setting.INITIAL_WINDOW_SIZE: 7}))
    assert client.kinds() == [("SETTINGS", 0), ("DATA", 1)]


def test_a_larger_initial_window_lets_waiting_streams_go() -> None:
    client = CoreClient()
    client.say(settings({Setting.INITIAL_WINDOW_SIZE: 0}), call(1))
    client.core.respond(1, b"hi")
    assert payloads(client.hear(), 1) == b""
    client.say(settings({Setting.INITIAL_WINDOW_SIZE: 7}))
    assert payloads(client.hear(), 1) == b"\0\0\0\0\2hi"


def test_a_window_given_before_the_answer_counts() -> None:
    client = CoreClient()
    client.say(settings({Setting.INITIAL_WINDOW_SIZE: 0}), call(1), window_update(1, 7))
    client.hear()
    client.core.respond(1, b"hi")
    assert client.kinds() == [("HEADERS", 1), ("DATA", 1), ("HEADERS", 1)]


# ---------------------------------------------------------------- marks and bounds


def test_a_sender_waits_above_the_high_mark_and_goes_on_below_the_low() -> None:
    limits = ConnectionLimits(queue_high_bytes=100, queue_low_bytes=50)
    client = CoreClient(limits)
    client.say(settings({Setting.INITIAL_WINDOW_SIZE: 0}), headers(1))
    assert client.core.send_message(1, b"x" * 95)
    assert not client.core.send_message(1, b"x")
    assert client.core.queued_bytes == 106
    assert client.say(window_update(1, 56)) == []
    assert client.say(window_update(1, 1)) == [SendReady(1)]
    assert client.say(window_update(1, 100)) == []
    assert client.core.queued_bytes == 0


def test_a_sender_that_was_not_asked_to_wait_is_not_told_to_go_on() -> None:
    client = CoreClient()
    client.say(settings({Setting.INITIAL_WINDOW_SIZE: 0}), headers(1))
    client.core.send_message(1, b"x")
    assert client.say(window_update(1, 100)) == []


def test_a_stream_that_fills_the_queue_of_the_connection_is_reset() -> None:
    client = CoreClient(ConnectionLimits(max_queued_bytes=105))
    client.say(settings({Setting.INITIAL_WINDOW_SIZE: 0}), headers(1), headers(3))
    client.hear()
    client.core.send_message(1, b"x" * 100)
    assert client.core.open_streams == 2
    client.core.send_message(3, b"")
    assert client.kinds()[-1] == ("RST_STREAM", 3)
    assert client.say() == [CallCancelled(3, 11)]
    assert client.core.stream_faults == {"slow_reader": 1}
    assert client.core.queued_bytes == 105


def test_a_call_that_is_cancelled_gives_its_queue_back() -> None:
    client = CoreClient()
    client.say(settings({Setting.INITIAL_WINDOW_SIZE: 0}), headers(1))
    client.core.send_message(1, b"x" * 100)
    client.core.reset(1, 8)
    assert client.core.queued_bytes == 0


def test_output_that_nobody_takes_ends_the_connection() -> None:
    client = CoreClient(ConnectionLimits(max_unsent_bytes=100_000))
    for stream_id in range(1, 4000, 2):
        client.say(call(stream_id))
        client.core.respond(stream_id, b"")
    assert client.core.is_over


# ---------------------------------------------------------------- the peer's wishes for headers


def test_a_smaller_table_is_confirmed_before_the_next_block_once() -> None:
    client = CoreClient()
    client.say(settings({Setting.HEADER_TABLE_SIZE: 100}), call(1), call(3))
    client.hear()
    client.core.respond(1, b"")
    client.core.respond(3, b"")
    blocks = [frame.payload for frame in client.hear() if frame.kind == FrameType.HEADERS]
    assert [payload.startswith(b"\x20") for payload in blocks] == [True, False, False, False]


def test_a_status_that_the_peer_cannot_take_goes_without_its_text() -> None:
    client = CoreClient()
    client.say(settings({Setting.MAX_HEADER_LIST_SIZE: 400}), call(1), call(3))
    client.hear()
    client.core.finish(1, 5, "x" * 100)
    client.core.finish(3, 5, "x" * 400, trailing_metadata={"x-a": "1"})
    small, large = client.hear()
    assert "grpc-message" in client.fields(small)
    assert set(client.fields(large)) == {":status", "content-type", "grpc-status"}


def test_large_metadata_goes_on_in_continuations() -> None:
    client = CoreClient()
    client.say(headers(1))
    client.core.send_headers(1, {"x-a": "v" * 20_000})
    assert client.kinds() == [("HEADERS", 1), ("CONTINUATION", 1)]


def test_data_for_a_call_whose_answer_waits_is_dropped_and_its_end_spares_the_reset() -> None:
    client = CoreClient()
    client.say(settings({Setting.INITIAL_WINDOW_SIZE: 0}), headers(1))
    client.core.respond(1, b"waits")
    assert client.say(data(1, b"\0\0\0\0\1x", end_stream=True)) == []
    client.hear()
    client.say(window_update(1, 100))
    assert client.kinds() == [("DATA", 1), ("HEADERS", 1)]
