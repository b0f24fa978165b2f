"""Whose word counts on where a request comes from: that of proxies which the operator named.

Theory of operation. Every header can be sent by anybody, so a header that tells of the client
counts only if the other end of the connection is trusted to have written it; nobody is, unless
said. There are three questions, since a proxy that writes one of these headers lets the others
pass as the client sent them:

* `addresses`: X-Forwarded-For, -Proto and -Host (or Forwarded: one of the two styles, because a
  proxy that writes one lets the other pass). The client is the nearest address that is not
  itself trusted.
* `certificates`: X-Forwarded-Client-Cert. Its last element is the client of the proxy.
* `attributes`: x-istio-attributes, which proxies of a mesh write.

What a hop tells replaces what the connection tells: `source.ip`, `request.scheme`,
`request.host`, `source.principal`. `origin.ip` stays the other end of the connection.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from ipaddress import ip_address
from typing import Final, NamedTuple, TypeAlias

from remixer.attributes.forwarded_headers import (
    Address,
    address_of,
    client_address,
    client_certificate_uri,
    forwarded,
    last_listed,
    x_forwarded_for,
)
from remixer.attributes.http_bag import HttpFacts
from remixer.attributes.http_request import principal
from remixer.transport.peer_trust import PeerTrust
from remixer.transport.port import Peer
from remixer.wire.forwarded_reader import ForwardedReader

_NOBODY: Final = PeerTrust()
_MOST_REMEMBERED: Final = 1_024  # neighbours and own addresses; a few hundred bytes each
_IPV4_BYTES: Final = 4

HeaderLines: TypeAlias = Callable[[str], str]
"""All lines of a header, by lower-case name, joined with commas; empty text if there is none."""


class ForwardedStyle(Enum):
    """Which headers the trusted proxies write about addresses."""

    X_FORWARDED = "x-forwarded"
    """X-Forwarded-For, -Proto, -Host."""
    FORWARDED = "forwarded"
    """RFC 7239."""


@dataclass(frozen=True, slots=True)
class HopTrust:
    """Peers whose headers count; as it is made, nobody's."""

    addresses: PeerTrust = _NOBODY
    certificates: PeerTrust = _NOBODY
    attributes: PeerTrust = _NOBODY
    style: ForwardedStyle = ForwardedStyle.X_FORWARDED
    has_server_certificates: bool = False
    """Whether `SSL_CLIENT_*` in a WSGI environ counts: Apache and uWSGI put it there."""

    @classmethod
    def of(
        cls,
        *,
        addresses: Iterable[str] = (),
        certificates: Iterable[str] = (),
        attributes: Iterable[str] = (),
        style: ForwardedStyle = ForwardedStyle.X_FORWARDED,
        has_server_certificates: bool = False,
    ) -> "HopTrust":
        """Entries as `PeerTrust.of` takes them; raises ValueError that says which is wrong."""
        return cls(
            PeerTrust.of(addresses),
            PeerTrust.of(certificates),
            PeerTrust.of(attributes),
            style,
            has_server_certificates,
        )


class Connection(NamedTuple):
    """The other end of a connection, as the server tells."""

    address: Address | None
    """None for Unix sockets, and if the server does not tell."""
    is_unix: bool = False
    uri_sans: tuple[str, ...] = ()
    """Of a client certificate that the server itself verified."""

    def peer(self) -> Peer:
        if self.is_unix:
            return Peer("unix:", self.uri_sans)
        return Peer("" if self.address is None else _place(self.address), self.uri_sans)


class Told(NamedTuple):
    """What trusted hops tell of a request's client; None where they tell nothing."""

    client: Address | None = None
    scheme: str | None = None
    authority: str | None = None
    principal: str | None = None

    def applied_to(self, facts: HttpFacts) -> HttpFacts:
        """Hops know better than the connection."""
        known = replace(
            facts,
            scheme=self.scheme or facts.scheme,
            authority=self.authority or facts.authority,
            source_principal=self.principal or facts.source_principal,
        )
        if self.client is None:
            return known
        return replace(known, source_ip=self.client.ip, source_port=self.client.port)


_NOTHING: Final = Told()


class HopReader:
    """Reads what counts of the headers that proxies write."""

    __slots__ = ("_addresses", "_attributes", "_trust", "is_used")

    def __init__(self, trust: HopTrust) -> None:
        self._trust = trust
        self._attributes = ForwardedReader(trust=trust.attributes)
        self._addresses: dict[str, bytes | None] = {}
        self.is_used: Final = trust != HopTrust(style=trust.style)
        """Whether anybody is trusted with anything."""

    def ip(self, host: str | None) -> bytes | None:
        """Of a connection's end. The same few come again and again, so they are remembered."""
        if not host:
            return None
        try:
            return self._addresses[host]
        except KeyError:
            if len(self._addresses) >= _MOST_REMEMBERED:
                self._addresses.clear()
            address = address_of(f"[{host}]")
            found = self._addresses[host] = None if address is None else address.ip
            return found

    def told(self, connection: Connection, lines: HeaderLines) -> Told:
        """Of the request's client."""
        peer = connection.peer()
        told = self._of_addresses(lines) if self._trust.addresses.covers(peer) else _NOTHING
        if self._trust.certificates.covers(peer):
            uri = client_certificate_uri(lines("x-forwarded-client-cert"))
            told = told._replace(principal=principal(uri or ""))
        return told

    def attributes(self, connection: Connection, header: str) -> Mapping[str, str]:
        """Of a header `x-istio-attributes`."""
        return self._attributes.read(header, connection.peer())

    def _of_addresses(self, lines: HeaderLines) -> Told:
        match self._trust.style:
            case ForwardedStyle.X_FORWARDED:
                return Told(
                    client_address(x_forwarded_for(lines("x-forwarded-for")), self._is_trusted),
                    _scheme(last_listed(lines("x-forwarded-proto"))),
                    last_listed(lines("x-forwarded-host")),
                )
            case ForwardedStyle.FORWARDED:
                elements = forwarded(lines("forwarded"))
                nearest = elements[-1] if elements else {}
                return Told(
                    client_address(
                        [each.get("for", "") for each in elements],
                        self._is_trusted,
                    ),
                    _scheme(nearest.get("proto")),
                    nearest.get("host") or None,
                )

    def _is_trusted(self, address: Address) -> bool:
        return self._trust.addresses.covers(Peer(_place(address)))


def first_principal(uris: Sequence[str]) -> str | None:
    """Of the URI names in a certificate."""
    return principal(uris[0]) if uris else None


def _scheme(text: str | None) -> str | None:
    lowered = None if text is None else text.lower()
    return lowered if lowered in {"http", "https"} else None


def _place(address: Address) -> str:
    """As `Peer` has it."""
    ip, port = ip_address(address.ip), address.port or 0
    return f"ipv4:{ip}:{port}" if len(address.ip) == _IPV4_BYTES else f"ipv6:[{ip}]:{port}"
