"""`POST /activate` wakes what it is told to, for those who may."""

from dataclasses import dataclass, field

import pytest

from remixer.foundation.clock import SystemClock
from remixer.server.activate import REVISION_HEADER, activation_handler, activation_part
from remixer.transport.http1.port import HttpRequest, HttpResponse
from remixer.transport.peer_trust import PeerTrust
from remixer.transport.port import Peer

LOOPBACK = PeerTrust.of(["127.0.0.0/8"])
FRIEND = Peer("ipv4:127.0.0.1:5000")
STRANGER = Peer("ipv4:10.0.0.1:5000")


@dataclass
class Woken:
    """A waker that keeps what it was told."""

    keys: list[tuple[str, str]] = field(default_factory=list)

    def wake(self, namespace: str, revision: str) -> None:
        self.keys.append((namespace, revision))


def ask(
    woken: Woken,
    *revisions: str,
    method: str = "POST",
    target: str = "/activate",
    peer: Peer = FRIEND,
) -> int:
    lines = [(REVISION_HEADER, each) for each in revisions]
    answer = activation_handler(woken, trust=LOOPBACK)(HttpRequest(method, target, lines, peer))
    assert isinstance(answer, HttpResponse)
    return answer.status


def test_a_revision_is_woken() -> None:
    woken = Woken()
    assert ask(woken, "default/hello-00001.v2") == 202
    assert woken.keys == [("default", "hello-00001.v2")]


@pytest.mark.parametrize(
    "revisions",
    [
        (),
        ("a/b", "a/c"),
        ("",),
        ("a",),
        ("/b",),
        ("a/",),
        ("a/B",),
        ("a/b/c",),
        ("a.b/c",),
        ("a/b\tc",),
        ("a/-b",),
        ("a" * 64 + "/b",),
        ("a/" + "b" * 254,),
    ],
)
def test_what_is_no_revision_wakes_nothing(revisions: tuple[str, ...]) -> None:
    woken = Woken()
    assert ask(woken, *revisions) == 400
    assert woken.keys == []


def test_the_longest_names_are_taken() -> None:
    woken = Woken()
    assert ask(woken, "a" * 63 + "/" + "b" * 253) == 202


def test_strangers_other_methods_and_other_paths_wake_nothing() -> None:
    woken = Woken()
    assert ask(woken, "a/b", peer=STRANGER) == 403
    assert ask(woken, "a/b", method="GET") == 405
    assert ask(woken, "a/b", target="/other") == 404
    assert woken.keys == []


async def test_the_part_serves_until_it_is_closed() -> None:
    bound: list[str] = []
    part = activation_part(
        Woken, address="127.0.0.1:0", trust=LOOPBACK, clock=SystemClock(), on_bound=bound.append
    )
    await part.start()
    assert len(bound) == 1
    await part.drain(grace_s=0.0)
    await part.aclose()
