"""What a gRPC server tells of a call: the facts of the HTTP request that carried it.

Pure. Servers in Python are told neither the authority that was called nor their own address.
"""

from collections.abc import Iterable, Mapping
from typing import Final, Protocol
from urllib.parse import unquote

from remixer.attributes.forwarded_headers import Address, address_of
from remixer.attributes.http_bag import FORWARDED_HEADER, HttpFacts
from remixer.attributes.values import Timestamp
from remixer.sidecar.grpc_metadata import MetadataHeaders
from remixer.sidecar.hop_trust import Connection, HopReader, first_principal

_NOTHING: Final[tuple[bytes, ...]] = ()
_ADDRESSES: Final = frozenset({"ipv4", "ipv6"})
# Names of grpcio's: what it found in TLS, which it has verified.
_SECURITY: Final = "transport_security_type"
_TLS: Final = b"ssl"
_CERTIFICATE: Final = "x509_pem_cert"
_URIS: Final = "peer_uri"


class PeerContext(Protocol):
    """What every context of grpcio's, asynchronous or not, tells of the other end."""

    def peer(self) -> str:
        """`ipv4:192.0.2.7:4711`, `ipv6:%5B::1%5D:4711` or `unix:…`."""
        ...

    def auth_context(self) -> Mapping[str, Iterable[bytes]]: ...


class CallReader:
    """Reads the facts of calls; hops of `hops` are believed."""

    __slots__ = ("_authority", "_hops")

    def __init__(self, hops: HopReader, *, authority: str) -> None:
        """`authority`: what callers call this server."""
        self._hops = hops
        self._authority = authority

    def facts(
        self,
        method: str,
        headers: MetadataHeaders,
        context: PeerContext,
        received_at: Timestamp,
    ) -> tuple[HttpFacts, Mapping[str, str] | None]:
        """And the attributes that count of `x-istio-attributes`; None without such a header."""
        security = context.auth_context()
        connection = _connection(context.peer(), security)
        source = connection.address
        facts = HttpFacts(
            method="POST",
            path=method,
            headers=headers,
            authority=self._authority,
            scheme="https" if _TLS in security.get(_SECURITY, _NOTHING) else "http",
            received_at=received_at,
            source_ip=None if source is None else source.ip,
            source_port=None if source is None else source.port,
            peer_ip=None if source is None else source.ip,
            source_principal=first_principal(connection.uri_sans),
            has_client_certificate=_CERTIFICATE in security,
        )
        header = headers[FORWARDED_HEADER]
        if header is None and not self._hops.is_used:
            return facts, None
        facts = self._hops.told(connection, headers.lines).applied_to(facts)
        return facts, None if header is None else self._hops.attributes(connection, header)


def _connection(peer: str, security: Mapping[str, Iterable[bytes]]) -> Connection:
    kind, _, place = peer.partition(":")
    address: Address | None = address_of(unquote(place)) if kind in _ADDRESSES else None
    sans = tuple(name.decode("ascii", "backslashreplace") for name in security.get(_URIS, _NOTHING))
    return Connection(address, is_unix=kind.startswith("unix"), uri_sans=sans)
