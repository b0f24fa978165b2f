"""What becomes of a header `x-istio-attributes`."""

import logging
from dataclasses import dataclass, field

import pytest

from remixer.attributes.bag import plain_bag
from remixer.transport.peer_trust import PeerTrust
from remixer.transport.port import Peer
from remixer.wire.forwarded import encode_forwarded
from remixer.wire.forwarded_reader import LONGEST_HEADER, ForwardedReader

SIDECAR = Peer("unix:")
GATEWAY = Peer("ipv4:192.0.2.1:4711")
TRUST = PeerTrust.of(["unix"])
UID = "kubernetes://web-1.shop"


@dataclass
class Observer:
    """Keeps what it is told."""

    results: list[str] = field(default_factory=list)

    def forwarded_attributes(self, *, result: str) -> None:
        self.results.append(result)


def header_of_length(length: int) -> str:
    """A well-formed header of so many characters; a multiple of four."""
    text = "x" * (length * 3 // 4)
    while len(encode_forwarded(plain_bag({"source.uid": text}))) > length:
        text = text[:-1]
    found = encode_forwarded(plain_bag({"source.uid": text}))
    assert len(found) == length
    return found


def test_a_trusted_proxy_s_header_counts() -> None:
    observer = Observer()
    reader = ForwardedReader(trust=TRUST, observer=observer)
    header = encode_forwarded(plain_bag({"source.uid": UID, "source.name": "web"}))
    assert reader.read(header, SIDECAR) == {"source.uid": UID}
    assert observer.results == ["used"]


def test_everything_else_counts_as_absent_and_is_counted() -> None:
    observer = Observer()
    reader = ForwardedReader(trust=TRUST, observer=observer)
    good = encode_forwarded(plain_bag({"source.uid": UID}))
    assert reader.read(good, GATEWAY) == {}
    assert reader.read("garbage", SIDECAR) == {}
    assert reader.read(header_of_length(LONGEST_HEADER + 4), SIDECAR) == {}
    assert observer.results == ["untrusted", "malformed", "too_long"]


def test_a_header_of_the_greatest_length_counts() -> None:
    assert "source.uid" in ForwardedReader(trust=TRUST).read(
        header_of_length(LONGEST_HEADER), SIDECAR
    )


def test_nobody_is_trusted_unless_said() -> None:
    assert ForwardedReader().read(encode_forwarded(plain_bag({"source.uid": UID})), SIDECAR) == {}


def test_a_flood_of_bad_headers_makes_few_log_lines(caplog: pytest.LogCaptureFixture) -> None:
    reader = ForwardedReader(trust=TRUST)
    with caplog.at_level(logging.WARNING):
        for _ in range(1_000):
            reader.read("garbage", SIDECAR)
    assert len(caplog.records) == 10  # 1, 2, 4, … 512
