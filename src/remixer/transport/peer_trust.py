"""Which peers are believed: by network, by the identity in their certificate, by Unix socket.

Pure. Nobody is believed unless an operator says so. Forms, one entry each:

    10.0.0.0/8, ::1                     a network or an address
    spiffe://cluster.local/ns/shop/*    identities of verified client certificates; `*` at the end
    unix                                whoever may open our Unix sockets (files of mode 0600)
"""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from remixer.transport.port import Peer

WANTED: Final = "networks (10.0.0.0/8), identities (spiffe://cluster.local/ns/shop/*) or `unix`"
_UNIX: Final = "unix"
_SPIFFE: Final = "spiffe://"


@dataclass(frozen=True, slots=True)
class PeerTrust:
    """Peers that an operator named; as it is made, nobody."""

    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    identities: tuple[str, ...] = ()
    """URIs of certificates; one that ends in `*` stands for all that begin so."""
    is_unix_trusted: bool = False

    @classmethod
    def of(cls, entries: Iterable[str]) -> "PeerTrust":
        """Raises ValueError that says which entry is wrong, and how."""
        networks: list[IPv4Network | IPv6Network] = []
        identities: list[str] = []
        is_unix_trusted = False
        for entry in entries:
            if entry == _UNIX:
                is_unix_trusted = True
            elif entry.startswith(_SPIFFE):
                identities.append(_identity(entry))
            else:
                networks.append(_network(entry))
        return cls(tuple(networks), tuple(identities), is_unix_trusted)

    def covers(self, peer: Peer) -> bool:
        """Whether `peer` is one of those."""
        if any(self._names(uri) for uri in peer.uri_sans):
            return True
        kind, _, rest = peer.address.partition(":")
        if kind == _UNIX:
            return self.is_unix_trusted
        address = _address(rest)
        return address is not None and any(
            network.version == address.version and address in network for network in self.networks
        )

    def _names(self, uri: str) -> bool:
        return any(
            uri.startswith(each.removesuffix("*")) if each.endswith("*") else uri == each
            for each in self.identities
        )


def _identity(entry: str) -> str:
    domain, slash, _ = entry.removeprefix(_SPIFFE).partition("/")
    # `spiffe://cluster.local*` would take in a stranger's `cluster.local.example`.
    if not domain or not slash or "*" in entry.removesuffix("*") or "*" in domain:
        message = f"`{entry}`: wanted spiffe://DOMAIN/PATH, with `*` only at the end of the path"
        raise ValueError(message)
    return entry


def _network(entry: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(entry)
    except ValueError as error:
        message = f"`{entry}` is no network, identity or `unix` ({error})"
        raise ValueError(message) from error


def _address(place: str) -> IPv4Address | IPv6Address | None:
    """Of `HOST:PORT`; an IPv4 address inside of IPv6 is that IPv4 address."""
    host = place.rpartition(":")[0].strip("[]").partition("%")[0]
    try:
        found = ip_address(host)
    except ValueError:
        return None
    return (found.ipv4_mapped or found) if isinstance(found, IPv6Address) else found
