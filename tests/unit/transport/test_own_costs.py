"""What a call makes the shell of our own server do, counted: it moves only when the code does.

The core's share is in it, so that a number here is the whole way from bytes in to bytes out.
"""

import asyncio
from collections.abc import Callable, Iterator
from itertools import islice
from typing import cast

import pytest

from remixer.foundation.clock import SystemClock
from remixer.observability.serving_metrics import ServingMetrics
from remixer.testing.call_costs import CallCosts, costs_of
from remixer.testing.http2_client import PREFACE, Flag, FrameType, frame_bytes, message_bytes
from remixer.testing.http2_fields import literal
from remixer.transport.core.connection import GrpcConnection
from remixer.transport.observed import observed
from remixer.transport.own_context import Services, Tasks
from remixer.transport.own_protocol import OwnConnection
from remixer.transport.own_settings import ConnectionSettings
from remixer.transport.port import CallContext, UnaryMethod

PATH = "/t.T/Echo"
MANY = 16
BATCHES = 40  # more than a count takes
CORE_CALLS = 9  # of `receive`, `respond` and `take_output`, and what they enter
HEAD = (
    (":method", "POST"),
    (":scheme", "http"),
    (":path", PATH),
    (":authority", "t"),
    ("te", "trailers"),
    ("content-type", "application/grpc"),
)


def echo(request: bytes, _call: CallContext) -> bytes:
    return request


class Wire(asyncio.Transport):
    """Counts writes."""

    def __init__(self) -> None:
        super().__init__()
        self.writes = 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert data
        self.writes += 1


class OneConnection:
    """The keeper of a connection that lives by itself."""

    is_draining = False

    def __init__(self) -> None:
        self.settings = ConnectionSettings()
        self.services = Services(
            unary={PATH: echo},
            streams={},
            max_message_bytes=1_000,
            clock=SystemClock(),
            loop=asyncio.get_running_loop(),
            tasks=cast("Tasks", None),  # who answers at once has none
        )

    def opened(self, _connection: OwnConnection) -> bool:
        return True

    def gone(self, _connection: OwnConnection, _cause: str) -> None:
        raise NotImplementedError

    def refused(self, _cause: str, _count: int) -> None:
        raise NotImplementedError

    def complain(self, _cause: str, _reason: str, _peer: str) -> None:
        raise NotImplementedError


def calls(**more: str) -> Iterator[bytes]:
    """Whole requests, one after another, of one head."""
    fields = (*HEAD, *((name.replace("_", "-"), value) for name, value in more.items()))
    block = b"".join(literal(*each) for each in fields)
    body = message_bytes(b"x")
    for stream_id in range(1, 100_000, 2):
        yield frame_bytes(
            FrameType.HEADERS, block, flags=Flag.END_HEADERS, stream_id=stream_id
        ) + frame_bytes(FrameType.DATA, body, flags=Flag.END_STREAM, stream_id=stream_id)


def served(wire: Wire) -> Callable[[bytes], None]:
    connection = OwnConnection(
        keeper=OneConnection(), core=GrpcConnection(), tls=None, max_age_s=1e9
    )
    connection.connection_made(wire)
    connection.data_received(PREFACE + frame_bytes(FrameType.SETTINGS))
    wire.writes = 0
    return connection.data_received


def batch_costs(size: int, **more: str) -> CallCosts:
    single = calls(**more)
    batches = iter([b"".join(islice(single, size)) for _ in range(BATCHES)])
    receive = served(Wire())
    return costs_of(lambda: receive(next(batches)))


async def test_lonely_call_enters_few_functions() -> None:
    # This test's own; `data_received`, `take`, the call's context and the handler; the rest is the
    # core's. A call that comes alone finds cold caches: there each function costs microseconds.
    assert batch_costs(1).python_calls <= 1 + 4 + CORE_CALLS


async def test_one_more_call_in_a_batch_enters_three_functions() -> None:
    # Its context, the handler and the core's `respond`.
    one, many = batch_costs(1), batch_costs(MANY)
    assert many.python_calls - one.python_calls <= 3 * (MANY - 1)


async def test_timeout_that_is_not_over_costs_no_function() -> None:
    without, timed = batch_costs(1), batch_costs(1, grpc_timeout="5S")
    assert timed.python_calls == without.python_calls


@pytest.mark.parametrize("size", [1, MANY])
async def test_batch_is_answered_by_one_write(size: int) -> None:
    wire = Wire()
    served(wire)(b"".join(islice(calls(), size)))
    assert wire.writes == 1


async def test_watched_call_enters_three_functions_more() -> None:
    watched = observed([UnaryMethod(PATH, echo)], observer=ServingMetrics(), clock=SystemClock())[0]
    assert isinstance(watched, UnaryMethod)
    context = cast("CallContext", None)
    plain = costs_of(lambda: echo(b"", context))
    # Around the handler, the method's recorder, and its series; the clock is C's.
    assert costs_of(lambda: watched.handle(b"", context)).python_calls <= plain.python_calls + 3
