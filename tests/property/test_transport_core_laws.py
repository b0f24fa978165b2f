"""Laws of the transport's core: cuts do not matter, nothing raises, windows hold."""

from collections import deque
from collections.abc import Sequence
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from remixer.testing.http2_client import FrameType, frame_bytes, message_bytes
from remixer.testing.http2_driver import (
    CALL_FIELDS,
    GREETING,
    CoreClient,
    call,
    data,
    headers,
    reset,
    settings,
    window_update,
)
from remixer.transport.core.events import (
    CallStarted,
    ConnectionEnded,
    Event,
    MessageReceived,
    RequestEnded,
    UnaryCall,
)
from remixer.transport.core.limits import ConnectionLimits

STREAMS = st.sampled_from([1, 3, 5, 7, 9])
SMALL = st.binary(max_size=30)


@st.composite
def conversations(draw: st.DrawFn) -> bytes:
    """Valid frames: calls in any shape and order, with all that may come between."""
    octets = b""
    for stream_id in range(1, 2 * draw(st.integers(1, 6)), 2):
        octets += draw(requests(stream_id))
        octets += draw(between())
    return octets


@st.composite
def requests(draw: st.DrawFn, stream_id: int) -> bytes:
    shape = draw(st.sampled_from(["whole", "parts", "trailers", "open", "cancelled", "malformed"]))
    fields = CALL_FIELDS
    if draw(st.booleans()):
        fields = (*CALL_FIELDS, ("traceparent", f"00-{stream_id}"))
    if shape == "whole":
        return headers(stream_id, fields) + data(
            stream_id, message_bytes(draw(SMALL)), end_stream=True
        )
    if shape == "malformed":
        return headers(stream_id, (*fields, ("Upper", "x")))
    body = message_bytes(draw(SMALL)) + message_bytes(draw(SMALL))
    cut = draw(st.integers(0, len(body)))
    octets = headers(stream_id, fields) + data(stream_id, body[:cut])
    match shape:
        case "parts":
            return octets + data(stream_id, body[cut:], end_stream=True)
        case "trailers":
            trailers = headers(stream_id, [("x-a", "1")], end_stream=True)
            return octets + data(stream_id, body[cut:]) + trailers
        case "cancelled":
            return octets + reset(stream_id)
        case _:
            return octets


def between() -> st.SearchStrategy[bytes]:
    return st.sampled_from(
        [
            b"",
            frame_bytes(FrameType.PING, b"12345678"),
            frame_bytes(0x77, b"unknown", flags=0xFF, stream_id=3),
            frame_bytes(FrameType.PRIORITY, b"\0\0\0\0\x10", stream_id=99),
            window_update(0, 1000),
            settings({4: 70_000}),
            frame_bytes(FrameType.GOAWAY, b"\0" * 8),
        ]
    )


def by_stream(events: Sequence[Event]) -> dict[int, list[object]]:
    """Whole calls taken apart; `cost` left out; what is of no stream under 0."""
    found: dict[int, list[object]] = {}
    for event in events:
        if isinstance(event, UnaryCall):
            found.setdefault(event.stream_id, []).extend(
                [
                    CallStarted(event.stream_id, event.head),
                    event.message,
                    RequestEnded(event.stream_id),
                ]
            )
        else:
            stream_id = getattr(event, "stream_id", 0)
            told = event.message if isinstance(event, MessageReceived) else event
            found.setdefault(stream_id, []).append(told)
    return found


@given(conversations(), st.lists(st.integers(0, 2000), max_size=12))
def test_events_and_output_do_not_depend_on_where_bytes_are_cut(
    octets: bytes, cuts: list[int]
) -> None:
    whole, parts = CoreClient(), CoreClient()
    wanted = whole.say(octets)
    found: list[Event] = []
    for start, end in pairwise([0, *sorted(cuts), len(octets) + max(cuts, default=0)]):
        found += parts.say(octets[start:end])
    assert by_stream(found) == by_stream(wanted)
    assert not any(isinstance(event, ConnectionEnded) for event in wanted)
    assert [frame for frame in parts.hear() if frame.kind != FrameType.WINDOW_UPDATE] == [
        frame for frame in whole.hear() if frame.kind != FrameType.WINDOW_UPDATE
    ]


FRAMES = st.builds(
    frame_bytes,
    st.integers(0, 10),
    st.binary(max_size=40),
    flags=st.sampled_from([0, 1, 4, 5, 8, 0x20, 0x2D, 0xFF]),
    stream_id=st.sampled_from([0, 1, 2, 3, 5, 2**31 - 1, 2**31]),
)


@given(st.lists(st.one_of(FRAMES, st.binary(max_size=60), conversations()), max_size=12))
def test_nothing_that_a_peer_sends_raises_and_it_ends_once(batches: list[bytes]) -> None:
    client = CoreClient(is_greeted=False)
    events = client.say(GREETING)
    for octets in batches:
        told = client.say(octets)
        events += told
        for event in told:
            if isinstance(event, UnaryCall):
                client.core.respond(event.stream_id, event.message)
            elif isinstance(event, RequestEnded):
                client.core.finish(event.stream_id, 3, "text")
        client.hear()  # raises if it is no frame
    ends = [isinstance(event, ConnectionEnded) for event in events]
    assert sum(ends) <= 1
    assert client.core.is_over == any(ends)


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("window"), st.sampled_from([0, 1, 3]), st.integers(1, 40_000)),
            st.tuples(st.just("initial"), st.just(0), st.integers(0, 70_000)),
            st.tuples(st.just("send"), st.sampled_from([1, 3]), st.integers(0, 40_000)),
        ),
        max_size=25,
    )
)
def test_what_is_sent_never_exceeds_the_peers_windows(
    steps: list[tuple[str, int, int]],
) -> None:
    client = CoreClient()
    client.say(headers(1), headers(3))
    client.hear()
    initial, connection = 65_535, 65_535
    announced: deque[int] = deque()
    given_, sent = {1: 0, 3: 0}, {1: 0, 3: 0}
    for what, stream_id, size in steps:
        match what:
            case "window":
                client.say(window_update(stream_id, size))
                connection += size if stream_id == 0 else 0
                given_[stream_id] = given_.get(stream_id, 0) + size
            case "initial":
                client.say(settings({4: size}))
                announced.append(size)
            case _:
                client.core.send_message(stream_id, b"x" * size)
        for frame in client.hear():
            if frame.kind == FrameType.SETTINGS:
                # A client holds us to its former windows until it reads the acknowledgement.
                initial = announced.popleft()
            elif frame.kind == FrameType.DATA:
                sent[frame.stream_id] += len(frame.payload)
                connection -= len(frame.payload)
                assert sent[frame.stream_id] <= initial + given_[frame.stream_id]
        assert connection >= 0


@given(
    st.lists(st.tuples(st.sampled_from([1, 3]), st.integers(0, 3), st.integers(0, 16_000))),
    st.integers(30_000, 100_000),
)
def test_the_windows_that_we_give_stay_within_their_bounds(
    steps: list[tuple[int, int, int]], stream_bound: int
) -> None:
    limits = ConnectionLimits(
        initial_stream_window=30_000, max_stream_window=stream_bound, max_connection_window=1 << 20
    )
    client = CoreClient(limits)
    client.say(headers(1), headers(3))
    windows = {0: limits.initial_connection_window, 1: 30_000, 3: 30_000}
    held: list[tuple[int, int]] = []
    for stream_id, consumed, size in steps:
        octets = message_bytes(b"x" * size)
        if min(windows[0], windows[stream_id]) >= len(octets):
            windows[0] -= len(octets)
            windows[stream_id] -= len(octets)
            for event in client.say(data(stream_id, octets)):
                assert isinstance(event, MessageReceived)
                held.append((event.stream_id, event.cost))
        for _ in range(min(consumed, len(held))):
            client.core.consume(*held.pop(0))
        for frame in client.hear():
            windows[frame.stream_id] += int.from_bytes(frame.payload, "big")
        for number in (1, 3):
            holds = sum(cost for owner, cost in held if owner == number)
            assert windows[number] + holds <= stream_bound
        assert windows[0] <= 1 << 20


@given(st.lists(st.sampled_from([call, headers]), min_size=1, max_size=8))
def test_calls_under_way_are_counted(shapes: list[object]) -> None:
    client = CoreClient()
    for number, shape in enumerate(shapes):
        assert callable(shape)
        client.say(shape(2 * number + 1))
    assert client.core.open_streams == len(shapes)
    for number in range(len(shapes)):
        client.core.finish(2 * number + 1, 0)
    assert client.core.open_streams == 0
