"""Which peers an operator believes."""

import pytest

from remixer.transport.peer_trust import PeerTrust
from remixer.transport.port import Peer


@pytest.mark.parametrize(
    ("entry", "address"),
    [
        ("10.0.0.0/8", "ipv4:10.255.0.1:4711"),
        ("10.1.2.3", "ipv4:10.1.2.3:4711"),
        ("0.0.0.0/0", "ipv4:192.0.2.1:1"),
        ("::1", "ipv6:[::1]:4711"),
        ("fe80::/10", "ipv6:[fe80::1%eth0]:4711"),
        ("10.0.0.0/8", "ipv6:[::ffff:10.1.2.3]:4711"),
        ("unix", "unix:"),
        ("unix", "unix:/run/remixer.sock"),
    ],
)
def test_a_named_peer_is_covered(entry: str, address: str) -> None:
    assert PeerTrust.of([entry]).covers(Peer(address))


@pytest.mark.parametrize(
    ("entry", "address"),
    [
        ("10.0.0.0/8", "ipv4:11.0.0.1:4711"),
        ("10.0.0.0/8", "unix:"),
        ("0.0.0.0/0", "ipv6:[2001:db8::1]:1"),
        ("::/0", "ipv4:10.0.0.1:1"),
        ("unix", "ipv4:127.0.0.1:4711"),
        ("spiffe://cluster.local/ns/shop/*", "ipv4:10.0.0.1:1"),
        ("0.0.0.0/0", "unknown"),
        ("0.0.0.0/0", ""),
    ],
)
def test_others_are_not(entry: str, address: str) -> None:
    assert not PeerTrust.of([entry]).covers(Peer(address))


@pytest.mark.parametrize(
    ("entry", "uri", "is_covered"),
    [
        ("spiffe://cluster.local/ns/shop/sa/web", "spiffe://cluster.local/ns/shop/sa/web", True),
        ("spiffe://cluster.local/ns/shop/sa/web", "spiffe://cluster.local/ns/shop/sa/web2", False),
        ("spiffe://cluster.local/ns/shop/*", "spiffe://cluster.local/ns/shop/sa/web", True),
        ("spiffe://cluster.local/ns/shop/*", "spiffe://cluster.local/ns/shopping/sa/x", False),
        ("spiffe://cluster.local/*", "spiffe://cluster.local.example/ns/shop", False),
    ],
)
def test_an_identity_is_compared_whole_or_up_to_its_star(
    entry: str, uri: str, *, is_covered: bool
) -> None:
    peer = Peer("ipv4:192.0.2.1:1", ("spiffe://other/ns/x", uri))
    assert PeerTrust.of([entry]).covers(peer) is is_covered


def test_without_entries_nobody_is_covered() -> None:
    assert not PeerTrust.of([]).covers(Peer("unix:", ("spiffe://cluster.local/ns/shop",)))


@pytest.mark.parametrize(
    "entry",
    [
        "10.0.0.1/8",
        "anywhere",
        "",
        "*",
        "spiffe://",
        "spiffe://cluster.local",
        "spiffe://cluster.local*",
        "spiffe://*/ns/shop",
        "spiffe://cluster.local/*/shop",
        "unix:/run/x.sock",
    ],
)
def test_an_entry_that_says_nothing_clear_is_refused(entry: str) -> None:
    with pytest.raises(ValueError, match=r"`.*`"):
        PeerTrust.of([entry])
