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
    assert ask(woken, "default/hello-00001") == 202
    assert woken.keys == [("default", "hello-00001")]


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
        ("a/" + "b" * 64,),
        ("a/b.c",),
        ("default/hello-00001.default.svc.cluster.local",),
    ],
)
def test_what_is_no_revision_wakes_nothing(revisions: tuple[str, ...]) -> None:
    woken = Woken()
    assert ask(woken, *revisions) == 400
    assert woken.keys == []


def test_the_longest_names_are_taken() -> None:
    woken = Woken()
    assert ask(woken, "a" * 63 + "/" + "b" * 63) == 202


@pytest.mark.parametrize(
    ("revisions", "found"),
    [
        ((), "found 0 of them"),
        (("a/b", "a/c"), "found 2 of them"),
        (("hello",), "found `'hello'`, which has no slash"),
        (("A/b",), "found `'A/b'`, whose namespace is no name"),
        (("a/b_c",), "found `'a/b_c'`, whose revision is no name"),
        (("a/b.c",), "found `'a/b.c'`, whose revision has a dot: is it a host's name?"),
        (("a/b\r\nx: y",), "found `'a/b\\r\\nx: y'`, whose revision is no name"),
    ],
)
def test_a_refusal_tells_what_where_found_and_wanted(
    revisions: tuple[str, ...], found: str
) -> None:
    lines = [(REVISION_HEADER, each) for each in revisions]
    request = HttpRequest("POST", "/activate", lines, FRIEND)
    answer = activation_handler(Woken(), trust=LOOPBACK)(request)
    assert isinstance(answer, HttpResponse)
    text = answer.body.decode()
    assert text.startswith(f"/activate: header x-remixer-revision: {found}; wanted one NAMESPACE/")


def test_a_refusal_repeats_no_more_than_two_names() -> None:
    request = HttpRequest("POST", "/activate", [(REVISION_HEADER, "a" * 100_000)], FRIEND)
    answer = activation_handler(Woken(), trust=LOOPBACK)(request)
    assert isinstance(answer, HttpResponse)
    assert len(answer.body) < 500


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
