"""`connection` of handlers whose adapter runs in another process.

Source: `Connection`, `Authentication`, `Tls`, `OAuth`, `Mutual` of Mixer 1.3. Faults that Mixer
met when it built the handler are found here; TLS without a token is allowed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from remixer.attributes.values import Duration
from remixer.config import codes
from remixer.foundation.documents.nodes import MapNode, find, locate
from remixer.foundation.problems import Location
from remixer.transport.remote_spec import (
    Authentication,
    AuthHeader,
    ConnectionSpec,
    CustomHeader,
    MutualTls,
    OAuthClient,
    Tls,
    TokenFile,
    connection_faults,
)
from remixer.wire.proto_json.decode import Place, decode

_NS_PER_SECOND: Final = 1_000_000_000


class HeaderForm(IntEnum):
    """`Tls.AuthHeader`."""

    PLAIN = 0
    BEARER = 1


@dataclass(frozen=True, slots=True)
class OAuthMessage:
    """`OAuth`. `client_secret` is a path."""

    client_id: str = ""
    client_secret: str = ""
    token_url: str = ""
    scopes: tuple[str, ...] = ()
    endpoint_params: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TlsMessage:
    """`Tls`."""

    ca_certificates: str = ""
    token_path: str | None = None
    oauth: OAuthMessage | None = None
    auth_header: HeaderForm | None = None
    custom_header: str | None = None
    server_name: str = ""


@dataclass(frozen=True, slots=True)
class MutualMessage:
    """`Mutual`."""

    private_key: str = ""
    client_certificate: str = ""
    ca_certificates: str = ""
    server_name: str = ""


@dataclass(frozen=True, slots=True)
class AuthenticationMessage:
    """`Authentication`: one of the two."""

    tls: TlsMessage | None = None
    mutual: MutualMessage | None = None


@dataclass(frozen=True, slots=True)
class ConnectionMessage:
    """`Connection`."""

    address: str = ""
    timeout: Duration | None = None
    authentication: AuthenticationMessage | None = None


def read_connection(node: MapNode | None, place: Place, at: Location) -> ConnectionSpec | None:
    """The connection; None after a problem. `at` is where a missing one is missed."""
    before = place.findings.error_count
    message = decode(node, ConnectionMessage(), place)
    if message is None:
        return None
    authentication = _authentication(message.authentication, node, place, at)
    timeout_s = None if message.timeout is None else message.timeout / _NS_PER_SECOND
    spec = ConnectionSpec(message.address, timeout_s, authentication)
    for fault in connection_faults(spec):
        where = Place(f"{place.path}.{fault.path}", place.findings)
        hint = _hint(spec.address) if fault.path == "address" else ""
        _refuse(where, f"`{fault.path}` {fault.message}", locate(node, fault.path, at), hint)
    return spec if place.findings.error_count == before else None


def _authentication(
    message: AuthenticationMessage | None, node: MapNode | None, place: Place, at: Location
) -> Authentication | None:
    if message is None:
        return None
    inner = place.field("authentication")
    where = locate(node, "authentication", at)
    if (message.tls is None) == (message.mutual is None):
        found = "neither" if message.tls is None else "both"
        _refuse(inner, f"found {found}; wanted either `tls` or `mutual`", where)
        return None
    if message.mutual is not None:
        mutual = message.mutual
        return MutualTls(
            mutual.client_certificate,
            mutual.private_key,
            mutual.ca_certificates,
            mutual.server_name,
        )
    tls = message.tls or TlsMessage()
    node_of_tls = find(node, "authentication.tls")
    token = _token(tls, inner.field("tls"), where if node_of_tls is None else node_of_tls.location)
    return Tls(tls.ca_certificates, tls.server_name, token)


def _token(tls: TlsMessage, place: Place, at: Location) -> TokenFile | OAuthClient | None:
    if tls.token_path is not None and tls.oauth is not None:
        _refuse(place, "`token_path` and `oauth` are alternatives", at)
        return None
    if tls.oauth is not None:
        oauth = tls.oauth
        return OAuthClient(
            oauth.client_id,
            oauth.client_secret,
            oauth.token_url,
            oauth.scopes,
            tuple(sorted(oauth.endpoint_params.items())),
        )
    placement = _placement(tls, place, at)
    if tls.token_path is None:
        if placement is not None:
            _refuse(place, "a header for a token, and no `token_path`", at)
        return None
    if placement is None:
        _refuse(place, "a token, and no header for it; wanted `auth_header` or `custom_header`", at)
        return None
    return TokenFile(tls.token_path, placement)


def _placement(tls: TlsMessage, place: Place, at: Location) -> AuthHeader | CustomHeader | None:
    if tls.auth_header is not None and tls.custom_header is not None:
        _refuse(place, "`auth_header` and `custom_header` are alternatives", at)
    if tls.custom_header is not None:
        return CustomHeader(tls.custom_header)
    if tls.auth_header is None:
        return None
    return AuthHeader.PLAIN if tls.auth_header is HeaderForm.PLAIN else AuthHeader.BEARER


def _hint(address: str) -> str:
    if not address:
        return "Its adapter runs elsewhere: `connection: {address: adapter.shop:9070}` says where."
    scheme, mark, _ = address.partition("://")
    if mark:
        return f"Leave `{scheme}://` out; whether TLS is used `authentication` says."
    return "Such as `adapter.shop:9070`."


def _refuse(place: Place, message: str, at: Location, hint: str = "") -> None:
    place.findings.error(codes.BAD_CONNECTION, message, at, field=place.path, hint=hint)
