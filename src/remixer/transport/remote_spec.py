"""What a connection to an out-of-process back end is, as the operator wrote it. Pure data.

`connection_faults` tells all that is wrong with one without touching files or the network.
Source: `Connection`, `Authentication`, `Tls`, `OAuth`, `Mutual` of Mixer 1.3.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, TypeAlias, assert_never

from remixer.foundation.http_fields import is_field_name
from remixer.transport.remote_address import ListTarget, parse_target

_OURS: Final = frozenset({"grant_type", "client_id", "client_secret", "scope"})
"""Fields of a token request that `endpoint_params` may not speak for."""


class AuthHeader(Enum):
    """How the header `authorization` carries a token."""

    PLAIN = "PLAIN"
    BEARER = "BEARER"


@dataclass(frozen=True, slots=True)
class CustomHeader:
    """The token alone, in a header of this name."""

    name: str


@dataclass(frozen=True, slots=True)
class TokenFile:
    """A token that somebody else keeps fresh in a file."""

    path: str
    placement: AuthHeader | CustomHeader


@dataclass(frozen=True, slots=True)
class OAuthClient:
    """OAuth 2 client credentials (RFC 6749, section 4.4)."""

    client_id: str
    client_secret: str
    """Path of the file that holds the secret."""
    token_url: str
    scopes: tuple[str, ...] = ()
    endpoint_params: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """Further form fields of the token request; may hold secrets."""


@dataclass(frozen=True, slots=True)
class Tls:
    """TLS; each call may carry a token. Trust: the system's authorities and `ca_certificates`."""

    ca_certificates: str = ""
    """Path; empty: none besides the system's."""
    server_name: str = ""
    """The name that the certificate must carry; empty: the host of the address."""
    token: TokenFile | OAuthClient | None = None


@dataclass(frozen=True, slots=True)
class MutualTls:
    """TLS with a client certificate. The server must have our own SPIFFE identity.

    A `server_name` that is a URI (`spiffe://…`) names another identity to demand. When our
    certificate has no URI, the server's must carry `server_name`, or the host of the address.
    """

    client_certificate: str
    """Path, like the two that follow."""
    private_key: str
    ca_certificates: str = ""
    server_name: str = ""


Authentication: TypeAlias = Tls | MutualTls


@dataclass(frozen=True, slots=True)
class ConnectionSpec:
    """Where a back end is and how to talk to it."""

    address: str
    timeout_s: float | None = None
    """Longest time of one call. None, zero and less: only the caller's own deadline."""
    authentication: Authentication | None = None
    """None: neither encrypted nor authenticated."""
    authority: str = ""
    """The pseudo-header `:authority`, without TLS; empty: the address."""
    metadata: tuple[tuple[str, str], ...] = ()
    """Sent with every call; names in lower case."""


@dataclass(frozen=True, slots=True)
class ConnectionFault:
    """One thing that is wrong, and where: a path below `connection`."""

    path: str
    message: str


def connection_faults(spec: ConnectionSpec) -> tuple[ConnectionFault, ...]:
    """All faults that show without I/O, in the order of the fields."""
    return tuple(_faults(spec))


def _faults(spec: ConnectionSpec) -> Iterator[ConnectionFault]:
    yield from _address_faults(spec)
    match spec.authentication:
        case None:
            return
        case Tls() as tls:
            yield from _tls_faults(tls)
        case MutualTls() as mutual:
            for name in ("client_certificate", "private_key"):
                if not getattr(mutual, name):
                    message = "is empty; wanted the path of a PEM file"
                    yield ConnectionFault(f"authentication.mutual.{name}", message)
        case _:
            assert_never(spec.authentication)


def _address_faults(spec: ConnectionSpec) -> Iterator[ConnectionFault]:
    try:
        target = parse_target(spec.address)
    except ValueError as error:
        yield ConnectionFault("address", str(error))
        return
    if isinstance(target, ListTarget) and _lacks_name(spec.authentication):
        message = "is empty; wanted the name that the certificates of all addresses carry"
        yield ConnectionFault("authentication.server_name", message)


def _lacks_name(authentication: Authentication | None) -> bool:
    """Whether nothing says whom certificates have to name, if several hosts could be meant."""
    return isinstance(authentication, Tls) and not authentication.server_name


def _tls_faults(tls: Tls) -> Iterator[ConnectionFault]:
    match tls.token:
        case None:
            return
        case TokenFile() as file:
            if not file.path:
                message = "is empty; wanted the path of a file that holds the token"
                yield ConnectionFault("authentication.tls.token_path", message)
            if isinstance(file.placement, CustomHeader):
                yield from _header_faults(file.placement.name)
        case OAuthClient() as oauth:
            yield from _oauth_faults(oauth)
        case _:
            assert_never(tls.token)


def _header_faults(name: str) -> Iterator[ConnectionFault]:
    path = "authentication.tls.custom_header"
    if not is_field_name(name) or name.startswith(":"):
        yield ConnectionFault(path, f"`{name}` is not the name of an HTTP header")
    elif name.lower().startswith("grpc-") or name.lower().endswith("-bin"):
        yield ConnectionFault(path, f"`{name}` has a meaning of its own in gRPC; wanted another")


def _oauth_faults(oauth: OAuthClient) -> Iterator[ConnectionFault]:
    below = "authentication.tls.oauth"
    if not oauth.client_id:
        yield ConnectionFault(f"{below}.client_id", "is empty")
    if not oauth.client_secret:
        message = "is empty; wanted the path of a file that holds the secret"
        yield ConnectionFault(f"{below}.client_secret", message)
    scheme, mark, rest = oauth.token_url.partition("://")
    if scheme not in {"http", "https"} or not mark or not rest.partition("/")[0]:
        # Not shown: a URL may hold a password.
        yield ConnectionFault(f"{below}.token_url", "is not a URL; wanted https://HOST/PATH")
    for name, _ in oauth.endpoint_params:
        if name in _OURS:
            message = f"`{name}` is set by the protocol; leave it out"
            yield ConnectionFault(f"{below}.endpoint_params", message)
