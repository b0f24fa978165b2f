"""What was seen on the wire, step by step: a script of segments in, milliseconds out."""

import socket
from contextlib import ExitStack

import pytest

from remixer.cli.lab.coldstart_steps import TOLD, Ports, steps_of
from remixer.cli.lab.coldstart_tap import LoopbackTap, Segment, segment
from remixer.cli.lab.coldstart_wakes import Story, Wake
from remixer.foundation.clock import SystemClock
from remixer.foundation.errors import StartupError

POD, AUTOSCALER, KUBERNETES, HELPER, ENVOY = 80, 81, 82, 83, 84
PORTS = Ports(POD, AUTOSCALER, KUBERNETES, HELPER)
ASKED_S, UP_S, ANSWERED_S = 10.0, 10.5, 10.506
STORY = Story((10.002,), decided_at_s=10.003, most_desired=1, pods_started=1, up_at_s=UP_S)
WAKE = Wake(ASKED_S, ANSWERED_S, 200, STORY)


def said(at_s: float, source: int, destination: int, octets: int = 100) -> Segment:
    return Segment(at_s, source, destination, octets)


def connects(at_s: float) -> Segment:
    return Segment(at_s, ENVOY, POD, 0, opens=True)


def accepts(at_s: float) -> Segment:
    return Segment(at_s, POD, ENVOY, 0, accepts=True)


HELD = [
    said(9.9, 1, HELPER),  # before this wake
    said(10.001, 1, HELPER),
    said(10.0012, HELPER, 1, 0),  # an acknowledgement
    said(10.0011, 9, AUTOSCALER),  # another's
    said(10.0015, 2, AUTOSCALER),
    said(10.0025, 9, AUTOSCALER),  # another's, too late for this decision
    connects(10.4),  # refused
    said(10.501, KUBERNETES, 3),
    accepts(10.5011),
    said(10.502, HELPER, 1),
    connects(10.503),
    accepts(10.5031),
    said(10.504, 4, POD),
    said(10.505, POD, 4),
    said(10.507, POD, 4),  # after it
]


def test_steps_before_the_pod_count_from_the_request_and_others_from_the_pod() -> None:
    assert steps_of(HELD, PORTS, WAKE) == pytest.approx(
        {
            "decider asked": 1.0,
            "stat sent": 1.5,
            "stat read": 2.0,
            "decided": 3.0,
            TOLD: 0.5,
            "Kubernetes tells": 1.0,
            "pod answers a connection": 1.1,
            "decider answers": 2.0,
            "last connection to the pod": 3.0,
            "pod asked": 4.0,
            "pod answers": 5.0,
            "answered": 6.0,
        }
    )


def test_who_asks_nobody_takes_fewer_steps() -> None:
    found = steps_of(HELD, Ports(POD, AUTOSCALER, KUBERNETES), WAKE)
    assert "decider asked" not in found
    assert "decider answers" not in found
    assert found[TOLD] == pytest.approx(1.5), "since the request itself"


def test_a_wake_that_failed_has_no_steps() -> None:
    assert steps_of(HELD, PORTS, Wake(ASKED_S, ANSWERED_S, 503, STORY)) == {}


@pytest.mark.parametrize(
    ("flags", "opens", "accepts_it"),
    [(0x02, True, False), (0x12, False, True), (0x10, False, False), (0x18, False, False)],
)
def test_a_packet_becomes_a_segment(flags: int, *, opens: bool, accepts_it: bool) -> None:
    head = bytes([0x46, 0, 0, 24 + 32 + 5, 0, 0, 0, 0, 64, 6]) + bytes(14)  # one word of options
    tcp = bytes([0, 80, 0x1F, 0x90]) + bytes(8) + bytes([0x80, flags]) + bytes(18)
    assert segment(head + tcp + b"hello", 7.0) == Segment(
        7.0, 80, 8080, 5, opens=opens, accepts=accepts_it
    )


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        bytes(19),
        bytes([0x65]) + bytes(40),
        bytes([0x45]) + bytes(40),
        b"\x45" + bytes(8) + b"\x06" + bytes(12),
    ],
)
def test_what_is_no_segment_is_none(packet: bytes) -> None:
    assert segment(packet, 0.0) is None


def test_the_tap_sees_what_is_said_on_loopback() -> None:
    with ExitStack() as stack:
        try:
            tap = stack.enter_context(LoopbackTap(SystemClock()))
        except StartupError:
            pytest.skip("packets may not be seen here")
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        port = listener.getsockname()[1]
        before_s = SystemClock().monotonic_s()
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(b"hello")
            listener.accept()[0].close()
        seen = [each for each in tap.drain() if port in {each.source, each.destination}]
        after_s = SystemClock().monotonic_s()
    assert [each.octets for each in seen if each.octets] == [5]
    assert seen[0].opens
    assert seen[1].accepts
    assert all(before_s - 0.001 <= each.at_s <= after_s + 0.001 for each in seen)
