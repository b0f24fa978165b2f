"""What a gRPC server tells of the other end of a call."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import pytest

from remixer.attributes.bag import plain_bag
from remixer.attributes.http_bag import HttpBag, HttpFacts
from remixer.attributes.values import Timestamp
from remixer.sidecar.grpc_metadata import MetadataHeaders
from remixer.sidecar.grpc_reader import CallReader
from remixer.sidecar.hop_trust import HopReader, HopTrust
from remixer.wire.forwarded import encode_forwarded

CALLER = "spiffe://cluster.local/ns/shop/sa/web"
PLAIN: Mapping[str, Iterable[bytes]] = {"transport_security_type": [b"insecure"]}
V4, V6 = bytes((192, 0, 2, 7)), bytes.fromhex("20010db8" + "00" * 11 + "01")


@dataclass
class Context:
    """The other end, as grpcio tells of it."""

    address: str = "ipv4:192.0.2.7:4711"
    security: Mapping[str, Iterable[bytes]] = field(default_factory=lambda: PLAIN)

    def peer(self) -> str:
        return self.address

    def auth_context(self) -> Mapping[str, Iterable[bytes]]:
        return self.security


def mutual(*uris: str) -> Context:
    return Context(
        security={
            "transport_security_type": [b"ssl"],
            "x509_pem_cert": [b"-----BEGIN CERTIFICATE-----"],
            "x509_subject_alternative_name": [b"web.shop", *(uri.encode() for uri in uris)],
            "peer_uri": [uri.encode() for uri in uris],
        }
    )


def read(
    context: Context, *metadata: tuple[str, str], trust: HopTrust | None = None
) -> tuple[HttpFacts, Mapping[str, str] | None]:
    reader = CallReader(HopReader(trust or HopTrust()), authority="cart.shop")
    headers = MetadataHeaders((("content-type", "application/grpc"), *metadata))
    return reader.facts("/shop.Cart/Get", headers, context, Timestamp(1))


@pytest.mark.parametrize(
    ("peer", "ip", "port"),
    [
        ("ipv4:192.0.2.7:4711", V4, 4711),
        ("ipv6:%5B2001:db8::1%5D:4711", V6, 4711),
        ("ipv6:[2001:db8::1]:4711", V6, 4711),
        ("ipv6:%5Bfe80::1%25eth0%5D:1", bytes.fromhex("fe80" + "00" * 13 + "01"), 1),
        ("ipv6:%5B::ffff:192.0.2.7%5D:4711", V4, 4711),
        ("unix:", None, None),
        ("unix:/run/cart.sock", None, None),
        ("unix-abstract:cart", None, None),
        ("vsock:1:2", None, None),
        ("ipv4:nowhere", None, None),
        ("", None, None),
    ],
)
def test_every_form_of_a_peer(peer: str, ip: bytes | None, port: int | None) -> None:
    facts, _ = read(Context(peer))
    assert (facts.source_ip, facts.source_port, facts.peer_ip) == (ip, port, ip)


def test_a_certificate_names_the_caller() -> None:
    facts, _ = read(mutual(CALLER))
    bag = HttpBag(facts)
    assert bag["source.principal"] == bag["source.user"] == "cluster.local/ns/shop/sa/web"
    assert bag["source.namespace"] == "shop"
    assert bag["connection.mtls"] is True
    assert bag["request.scheme"] == "https"


def test_a_certificate_without_a_uri_names_nobody() -> None:
    bag = HttpBag(read(mutual())[0])
    assert bag["source.principal"] is None
    assert bag["connection.mtls"] is True


def test_tls_without_a_certificate_is_not_mutual() -> None:
    facts, _ = read(Context(security={"transport_security_type": [b"ssl"]}))
    assert facts.scheme == "https"
    assert not facts.has_client_certificate


def test_what_is_asked_is_a_post_to_the_method() -> None:
    facts, forwarded = read(Context())
    assert (facts.method, facts.path, facts.authority) == ("POST", "/shop.Cart/Get", "cart.shop")
    assert facts.scheme == "http"
    assert forwarded is None


@pytest.mark.parametrize(
    ("context", "trusted"),
    [
        (Context(), "192.0.2.0/24"),
        (Context("unix:"), "unix"),
        (mutual(CALLER), "spiffe://cluster.local/ns/shop/*"),
    ],
)
def test_forwarded_attributes_count_from_whom_is_trusted(context: Context, trusted: str) -> None:
    header = encode_forwarded(plain_bag({"source.uid": "kubernetes://web.shop"}))
    for trust, found in ((trusted, {"source.uid": "kubernetes://web.shop"}), ("198.51.100.1", {})):
        _, told = read(
            context, ("x-istio-attributes", header), trust=HopTrust.of(attributes=[trust])
        )
        assert told == found


def test_a_certificate_that_a_trusted_proxy_tells_of_counts() -> None:
    line = ("x-forwarded-client-cert", f"Hash=1;URI={CALLER}")
    facts, _ = read(Context(), line, trust=HopTrust.of(certificates=["192.0.2.7"]))
    assert facts.source_principal == "cluster.local/ns/shop/sa/web"
    facts, _ = read(Context(), line)
    assert facts.source_principal is None
